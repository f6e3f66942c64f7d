/** What ESR_ELx says, in words: exception classes and fault status codes (Arm ARM DDI 0487 D17.2.37). */
import { Fsc } from '../exceptions/abort';

/** What a number in a field means. */
export type Values = Readonly<Record<number, string>>;

/** ESR_ELx.EC (D17.2.37, table of exception classes). */
export const exceptionClasses: Values = {
  0x00: 'unknown reason',
  0x01: 'WFI or WFE',
  0x03: 'MCR or MRC, coproc 15',
  0x04: 'MCRR or MRRC, coproc 15',
  0x05: 'MCR or MRC, coproc 14',
  0x06: 'LDC or STC',
  0x07: 'FP or SIMD access',
  0x08: 'VMRS',
  0x09: 'pointer authentication',
  0x0c: 'MRRC, coproc 14',
  0x0d: 'branch target',
  0x0e: 'illegal execution state',
  0x11: 'SVC from AArch32',
  0x12: 'HVC from AArch32',
  0x13: 'SMC from AArch32',
  0x15: 'SVC',
  0x16: 'HVC',
  0x17: 'SMC',
  0x18: 'MSR, MRS or system instruction',
  0x20: 'instruction abort, lower level',
  0x21: 'instruction abort, same level',
  0x22: 'misaligned PC',
  0x24: 'data abort, lower level',
  0x25: 'data abort, same level',
  0x26: 'misaligned SP',
  0x28: 'floating-point exception from AArch32',
  0x2c: 'floating-point exception',
  0x2f: 'SError',
  0x30: 'breakpoint, lower level',
  0x31: 'breakpoint, same level',
  0x32: 'software step, lower level',
  0x33: 'software step, same level',
  0x34: 'watchpoint, lower level',
  0x35: 'watchpoint, same level',
  0x38: 'BKPT',
  0x3c: 'BRK',
};

/** The same classes by short names, for conditions: `ec == HVC64`. Those of Linux, which KVM's code has. */
export const exceptionClassNumbers: ReadonlyMap<string, bigint> = new Map(
  Object.entries({
    UNKNOWN: 0x00,
    WFx: 0x01,
    FP_ASIMD: 0x07,
    PAC: 0x09,
    BTI: 0x0d,
    ILL: 0x0e,
    SVC32: 0x11,
    HVC32: 0x12,
    SMC32: 0x13,
    SVC64: 0x15,
    HVC64: 0x16,
    SMC64: 0x17,
    SYS64: 0x18,
    SVE: 0x19,
    FPAC: 0x1c,
    IABT_LOW: 0x20,
    IABT_CUR: 0x21,
    PC_ALIGN: 0x22,
    DABT_LOW: 0x24,
    DABT_CUR: 0x25,
    SP_ALIGN: 0x26,
    FP_EXC64: 0x2c,
    SERROR: 0x2f,
    BREAKPT_LOW: 0x30,
    BREAKPT_CUR: 0x31,
    SOFTSTP_LOW: 0x32,
    SOFTSTP_CUR: 0x33,
    WATCHPT_LOW: 0x34,
    WATCHPT_CUR: 0x35,
    BRK64: 0x3c,
  }).map(([name, value]) => [name, BigInt(value)]),
);

/** A class in words, whether it came from a lower level or the same. */
export const className = (ec: number): string =>
  exceptionClasses[ec]?.replace(/, (lower|same) level$/, '') ?? `exception class 0x${ec.toString(16)}`;

/** Fault status codes whose low two bits are the level. */
const leveled: Values = {
  [Fsc.addressSize]: 'address size fault',
  [Fsc.translation]: 'translation fault',
  [Fsc.accessFlag]: 'access flag fault',
  [Fsc.permission]: 'permission fault',
  [Fsc.externalOnWalk]: 'external abort on the table walk',
  0x1c: 'ECC or parity error on the table walk',
};
const single: Values = {
  [Fsc.external]: 'external abort',
  0x11: 'asynchronous external abort',
  0x18: 'ECC or parity error',
  [Fsc.alignment]: 'alignment fault',
  0x30: 'TLB conflict',
  0x31: 'unsupported atomic update',
  0x34: 'lockdown fault',
  0x35: 'unsupported exclusive access',
};

/** A fault status code (DFSC, IFSC) in words. */
export function faultName(code: number): string {
  const name = single[code] ?? leveled[code & ~3];
  if (name === undefined) return `fault status 0x${code.toString(16)}`;
  return single[code] === undefined ? `${name}, level ${code & 3}` : name;
}

/** The same within a list: no comma in `translation fault level 3`. */
export const faultBrief = (code: number): string => faultName(code).replace(/ fault, /, ' fault ');
