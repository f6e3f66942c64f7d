/**
 * Where QEMU 7.2 does not do what the architecture says, and we do not follow. Every use is counted and reported; a
 * difference that no row here explains is a failure.
 */
import type { Case } from './batch';
import { word, type RegisterName } from './record';

/** Both results of a case. */
export interface Both {
  readonly test: Case;
  readonly qemu: Buffer;
  readonly ours: Buffer;
}

export interface Deviation {
  readonly name: string;
  readonly reason: string;
  /** The word of the result that may differ, and how: bits that are not compared while `when` holds. */
  readonly word: RegisterName;
  readonly bits: bigint;
  readonly when: (both: Both) => boolean;
}

const ec = (esr: bigint): number => Number(esr >> 26n);
const NZCV = 0xfn << 28n;
/** ISS bits ISV, SAS, SSE, SRT, SF, AR. */
const ACCESS_SYNDROME = 0x7ffn << 14n;

/** Did the case end at EL1, whose vector passes it on by an HVC of its own? */
export const endedAtEl1 = (result: Buffer): boolean => {
  const esr = word(result, 'ESR_EL2');
  return (ec(esr) === 0x16 || ec(esr) === 0x17) && (esr & 0xff00n) === 0x100n;
};

export const deviations: readonly Deviation[] = [
  {
    name: 'flags after exception entry',
    reason:
      'QEMU clears PSTATE.NZCV when it takes an exception; AArch64.TakeException (Arm ARM J1.1.1) leaves the flags alone. ' +
      'Visible in the SPSR_EL2 of the HVC in the vectors of EL1.',
    word: 'SPSR_EL2',
    bits: NZCV,
    when: ({ qemu, ours }) => endedAtEl1(qemu) && endedAtEl1(ours),
  },
  {
    name: 'ISV of aborts that EL2 takes in stage 1',
    reason:
      'QEMU gives an access syndrome with every data abort to EL2; ISV is 0 but for stage 2 faults (Arm ARM D17.2.37, ' +
      'ISS encoding for an exception from a Data Abort).',
    word: 'ESR_EL2',
    bits: ACCESS_SYNDROME,
    when: ({ qemu, ours }) => {
      const [q, o] = [word(qemu, 'ESR_EL2'), word(ours, 'ESR_EL2')];
      return (
        ec(q) === ec(o) &&
        (ec(o) === 0x25 || ec(o) === 0x24) &&
        ((o >> 24n) & 1n) === 0n &&
        (q & 0x3fn) === (o & 0x3fn)
      );
    },
  },
];
