/**
 * What a CPU tells the board: levels that follow from registers of its own, each a private interrupt of the board's
 * interrupt controller. They are computed where such a register is written and at state.due; the board hears of
 * changes only.
 */
import type { Builder } from '../../../ir/builder';
import type { Val } from '../../../ir/nodes';
import { common } from '../../../ir/state';

/** Bits of state.wires. */
export const Wire = {
  physicalTimer: 1,
  virtualTimer: 2,
  hypTimer: 4,
  hypVirtualTimer: 8,
  secureTimer: 16,
  /** A counter of the PMU has overflowed. */
  pmu: 32,
  /** The virtual CPU interface asks for its hypervisor. */
  maintenance: 64,
} as const;

/** Sets the outputs of `mask` to those of `levels`. */
export function drive(s: Builder, mask: number, levels: Val): void {
  s.set(common.wires, s.or(s.andi(s.get(common.wires), ~mask), levels));
}
