/**
 * The interrupt inputs of a CPU, as bits of state.irqLines. A GIC with two security states does not say IRQ or FIQ for an
 * interrupt of group 1: that depends on where the CPU is now (Arm IHI 0069 4.6.2), so it has lines of their own.
 */
import type { Builder } from '../../ir/builder';
import type { Val } from '../../ir/nodes';
import { common } from '../../ir/state';
import { state } from './state';

export const Line = {
  irq: 1,
  fiq: 2,
  virq: 4,
  vfiq: 8,
  /** Group 1 of Secure and of Non-secure state. */
  secureGroup1: 0x10,
  nonSecureGroup1: 0x20,
  /** The state of self-hosted debug is to be looked at before each instruction. It wakes nobody. */
  debug: 0x40,
  /** The machine loop is to look at interrupts which come from registers of the CPU itself. */
  internal: 0x80,
} as const;

/** Lines of physical interrupts. */
export const PHYSICAL = Line.irq | Line.fiq | Line.secureGroup1 | Line.nonSecureGroup1;

/** Physical IRQ and FIQ now, 0 or 1: group 1 of the security state that executes is IRQ, all else is FIQ, as all is at EL3. */
export function physicalLines(s: Builder): { irq: Val; fiq: Val } {
  const lines = s.get(common.irqLines);
  const groups = s.bits(lines, 4, 2);
  const below3 = s.ltu(s.get(state.el), s.i32(3));
  const own = s.select(below3, s.select(s.get(state.el2Off), s.i32(1), s.i32(2)), s.i32(0));
  const irq = s.nei(s.and(groups, own), 0);
  const fiq = s.nei(s.and(groups, s.not(own)), 0);
  return { irq: s.or(s.bit(lines, 0), irq), fiq: s.or(s.bit(lines, 1), fiq) };
}
