/** The A64 state in the CPU block: see ir/state.ts for the fields that come before. */
import { StateLayout, commonEnd } from '../../ir/state';

export const layout = new StateLayout(commonEnd);

/** Numbers of the special slots of `x`. */
export const SP = 31;
export const ZERO = 32;
export const TRASH = 33;

export const state = {
  /** X0-X30; [31] the current stack pointer, [32] reads as zero for ever, [33] takes writes to ZR. */
  x: layout.field('x', 8, 34),
  /** V0-V31 as pairs of 64-bit halves: V[n] = v[2n+1]:v[2n]. */
  v: layout.field('v', 8, 64, 8),
  /** PSTATE.NZCV in bits 31-28, as in SPSR. */
  nzcv: layout.field('nzcv', 4),
  /** PSTATE.DAIF in bits 9-6, as in SPSR. */
  daif: layout.field('daif', 4),
  /** PSTATE.EL, 0-3. */
  el: layout.field('el', 4),
  /** PSTATE.SP. */
  spsel: layout.field('spsel', 4),
  /** PSTATE.IL, SS, PAN, UAO as 0 or 1. */
  il: layout.field('il', 4),
  ss: layout.field('ss', 4),
  pan: layout.field('pan', 4),
  uao: layout.field('uao', 4),
  /** SP_EL0-SP_EL3; the one in use lives in x[31] and is written back by a change of EL or SPSel. */
  spEl: layout.field('spEl', 8, 4),
  /** Exclusive monitor: bytes marked (0: open), their physical address. */
  exBytes: layout.field('exBytes', 4),
  exAddr: layout.field('exAddr', 8),
  /** The event register of WFE. */
  eventRegister: layout.field('eventRegister', 4),
} as const;
