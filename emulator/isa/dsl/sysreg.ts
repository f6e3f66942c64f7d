/**
 * The row of a system register: encoding, who may access it, which control bits trap the access, what its bits are
 * called. MRS and MSR, the debugger's views, hover text, trap explanations and snapshots derive from it.
 */
import type { Builder } from '../../ir/builder';
import type { StateField, Val } from '../../ir/nodes';

/** op0, op1, CRn, CRm, op2. */
export type Encoding = readonly [number, number, number, number, number];

/** A named field: one bit, or [msb, lsb]. */
export type Bits = number | readonly [number, number];

/**
 * A control bit, as text that explains itself: `HCR_EL2.TVM` holds when the field is not zero, `!CNTKCTL_EL1.EL0PCTEN`
 * when it is zero, `CPACR_EL1.FPEN=0|2` when it has one of the values.
 */
export type Control = string;

/** When an access traps: all controls in `when` hold and the access comes from one of `from`. */
export interface TrapRule {
  readonly when: Control | readonly Control[];
  /** Only reads or only writes. */
  readonly dir?: 'r' | 'w';
  /** Source exception levels. Default: all below `to`. */
  readonly from?: readonly number[];
  readonly to: 1 | 2 | 3;
}

/** What hooks can reach: other registers of the same CPU by name. */
export interface RegisterAccess {
  /** The stored value, as i64. */
  get(name: string): Val;
  set(name: string, v: Val): void;
}

export interface SysregSpec {
  /** The lowest exception level that can read it, and write it (default: the same). */
  readonly min: 0 | 1 | 2 | 3;
  /** `highest`: only the highest implemented level can write it. */
  readonly minWrite?: 0 | 1 | 2 | 3 | 'highest';
  readonly access?: 'rw' | 'ro' | 'wo';
  /** Value at reset where the CPU model does not give one. */
  readonly reset?: bigint;
  /** Bits that a write can change; the others keep their value. Default: all. */
  readonly mask?: bigint;
  readonly fields?: Readonly<Record<string, Bits>>;
  /** The fields while HCR_EL2.E2H is set, where that changes the layout. */
  readonly e2hFields?: Readonly<Record<string, Bits>>;
  /**
   * FEAT_VHE: the register of EL2 that this encoding reaches at EL2 while HCR_EL2.E2H is set, and whose controls take the
   * place of this one's for EL0 while TGE is set too. This register is then `NAME_EL12` (`NAME_EL02` for one of EL0).
   */
  readonly e2h?: string;
  /** As `e2h`, for EL0 of a host too (E2H and TGE): the timers. */
  readonly e2hAtEl0?: boolean;
  /** Another name of a register that stands in the table: `NAME_EL12`. Views leave it out. */
  readonly alias?: boolean;
  readonly doc: string;
  readonly trap?: readonly TrapRule[];
  /** Writing it changes how addresses are translated or what traps; `below2`: only at EL1 and EL0. */
  readonly context?: true | 'below2';
  /** Writing it can change which interrupts are pending. */
  readonly irq?: boolean;
  /** A device implements it: accesses call the board. */
  readonly device?: boolean;
  /** While one of the controls `by` holds, EL1 reaches the device register of this name instead. */
  readonly virtual?: { readonly name: string; readonly by: readonly Control[] };
  /** What a write changes beyond the register: outputs to the board and their deadline, virtual interrupt lines. */
  readonly after?: (s: Builder) => void;
  /** A look at another piece of state instead of a field of its own. */
  readonly view?: { readonly field: StateField; readonly index?: number };
  /** Has no storage: `read` and `write` do everything. */
  readonly computed?: boolean;
  /** Shares the storage of another register. */
  readonly same?: string;
  /** The CPU model gives the value; guests cannot write it. */
  readonly id?: boolean;
  /** FP/SIMD access traps apply to it. */
  readonly fp?: boolean;
  /** Code that decides that the access is UNDEFINED, besides the exception level. */
  readonly undefinedWhen?: (s: Builder, r: RegisterAccess) => Val;
  /** Computed on reading; default: the stored value. */
  readonly read?: (s: Builder, r: RegisterAccess) => Val;
  /** Replaces the store of a write. `v` is the value of the general-purpose register. */
  readonly write?: (s: Builder, v: Val, r: RegisterAccess) => void;
  /** The feature that the CPU must have. */
  readonly feature?: string;
}

export interface SysregRow extends SysregSpec {
  readonly name: string;
  readonly enc: Encoding;
}

/** Declares a register. */
export function sysreg(name: string, enc: Encoding, spec: SysregSpec): SysregRow {
  return { name, enc, ...spec };
}

/** A range of bits: lsb and width. */
export function bitRange(b: Bits): { lsb: number; width: number } {
  return typeof b === 'number' ? { lsb: b, width: 1 } : { lsb: b[1], width: b[0] - b[1] + 1 };
}

/** A control, taken apart: holds when (field in `values`) is `expect`. */
export interface ParsedControl {
  readonly register: string;
  readonly field: string;
  /** undefined: any value but zero. */
  readonly values: readonly bigint[] | undefined;
}

const controlSyntax = /^(!?)([A-Z0-9_]+)\.([A-Za-z0-9_]+)(?:=([0-9|]+))?$/;

/** Takes a control apart. @throws Error for text that is none. */
export function parseControl(text: Control): ParsedControl {
  const m = controlSyntax.exec(text);
  if (!m) throw new Error(`'${text}' is not a control such as HCR_EL2.TVM`);
  const values = m[1] ? [0n] : m[4]?.split('|').map((v) => BigInt(v));
  return { register: m[2]!, field: m[3]!, values };
}

/** `S3_4_C1_C1_0`, the generic name of an encoding. */
export function genericName([op0, op1, crn, crm, op2]: Encoding): string {
  return `S${op0}_${op1}_C${crn}_C${crm}_${op2}`;
}

/** The encoding as one number, as in bits 20-5 of MRS. */
export function encodingKey([op0, op1, crn, crm, op2]: Encoding): number {
  return (op0 << 14) | (op1 << 11) | (crn << 7) | (crm << 3) | op2;
}
