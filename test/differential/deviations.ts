/**
 * Where QEMU 7.2 does not do what the architecture says, and we do not follow. Every use is counted and reported; a
 * difference that no row here explains is a failure.
 */
import type { Case } from './batch';
import { at, word } from './record';
import { reservedBits } from './reserved-bits';

/** Both results of a case. */
export interface Both {
  readonly test: Case;
  readonly qemu: Buffer;
  readonly ours: Buffer;
}

export interface Deviation {
  readonly name: string;
  readonly reason: string;
  /** Name of the word of the result that may differ; 'all' where the instruction has another outcome altogether. */
  readonly word: string;
  /** The bits that are not compared while `when` holds; all of the word unless given. */
  readonly bits?: bigint;
  readonly when: (both: Both) => boolean;
}

const ec = (esr: bigint): number => Number(esr >> 26n);
const NZCV = 0xfn << 28n;
/** ISS bits ISV, SAS, SSE, SRT, SF, AR. */
const ACCESS_SYNDROME = 0x7ffn << 14n;

const UNDEFINED = 0;
const TRAPPED = 0x18;
const bitOf = (v: bigint, n: number): boolean => ((v >> BigInt(n)) & 1n) === 1n;
/** The exception level in which a case starts. */
const modeOf = (c: Case): number => Number((word(c.record, 'SPSR_EL2') >> 2n) & 3n);

/** Did the case end at EL1, whose vector passes it on by an HVC of its own? */
export const endedAtEl1 = (result: Buffer): boolean => {
  const esr = word(result, 'ESR_EL2');
  return (ec(esr) === 0x16 || ec(esr) === 0x17) && (esr & 0xff00n) === 0x100n;
};

/** The class of the exception that ended the case, at whichever level. */
const finalEc = (result: Buffer): number => ec(word(result, endedAtEl1(result) ? 'ESR_EL1' : 'ESR_EL2'));

const finalEsr = (result: Buffer): bigint => word(result, endedAtEl1(result) ? 'ESR_EL1' : 'ESR_EL2');
const finalFar = (result: Buffer): bigint => word(result, endedAtEl1(result) ? 'FAR_EL1' : 'FAR_EL2');
const dataAbort = (result: Buffer): boolean => (finalEc(result) & ~1) === 0x24;

/** Do the results differ in nothing but SIMD registers? */
function vectorsOnly(qemu: Buffer, ours: Buffer): boolean {
  const v = at.v;
  return qemu.subarray(0, v).equals(ours.subarray(0, v)) && word(qemu, 'ELR_EL2') === word(ours, 'ELR_EL2');
}

/** PAR_EL1, and the register that the cases with AT read it to. */
const parWords = ['PAR_EL1', 'X1'] as const;
const isPar = (result: Buffer, name: string): boolean => word(result, name) === word(result, 'PAR_EL1');

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
  {
    name: 'misaligned and unmapped PC',
    reason:
      'A misaligned PC comes before an instruction abort (Arm ARM D1.13.4); QEMU 7.2 looks at the alignment only after the fetch.',
    word: 'all',
    when: ({ qemu, ours }) =>
      finalEc(ours) === 0x22 &&
      (finalEc(qemu) & ~1) === 0x20 &&
      (finalFar(ours) & 3n) !== 0n &&
      finalFar(ours) === finalFar(qemu),
  },
  {
    name: 'cache maintenance by address',
    reason:
      'DC CVAC, CVAU, CIVAC and IC IVAU are NOPs on QEMU 7.2; the architecture translates the address and reports faults ' +
      'with ISS.CM (D17.2.37).',
    word: 'all',
    when: ({ qemu, ours }) => !dataAbort(qemu) && dataAbort(ours) && bitOf(finalEsr(ours), 8),
  },
  {
    name: 'HCR_EL2.TGE and stage 1',
    reason:
      'With TGE, SCTLR_EL1.M counts as 0 for EL0 (D17.2.48); QEMU 7.2 translates by EL1 tables unless stage 2 is on. And with ' +
      'stage 1 off data is Device memory, whose alignment QEMU does not check.',
    word: 'all',
    when: ({ test, ours }) =>
      bitOf(word(test.record, 'HCR_EL2'), 27) &&
      ((modeOf(test) === 0 && test.kind === 'accesses that fault') ||
        (test.kind.startsWith('exception returns') && (word(ours, 'SPSR_EL2') & 0xcn) === 0n)),
  },
  {
    name: 'registers of an aborted multiple load',
    reason:
      'The destination registers of a load that aborts are UNKNOWN (J1.1.3, LD1 to LD4 load element by element); here they keep ' +
      'their values, on QEMU some are loaded.',
    word: 'all',
    when: ({ qemu, ours }) =>
      dataAbort(qemu) &&
      finalEsr(qemu) === finalEsr(ours) &&
      finalFar(qemu) === finalFar(ours) &&
      vectorsOnly(qemu, ours),
  },
  {
    name: 'address of an open monitor',
    reason:
      'QEMU marks an open exclusive monitor with the address -1, so that a store-exclusive there looks marked.',
    word: 'all',
    when: ({ test, qemu }) => /^STL?X/.test(test.note ?? '') && finalFar(qemu) === 0xffffffffffffffffn,
  },
  {
    name: 'order of virtual interrupts',
    reason:
      'Which of several pending asynchronous exceptions comes first is IMPLEMENTATION DEFINED (D1.14.4): vSError, vFIQ, vIRQ ' +
      'here; vIRQ, vFIQ, vSError on QEMU.',
    word: 'all',
    when: ({ test }) => {
      const pending = (word(test.record, 'HCR_EL2') >> 6n) & 7n;
      return test.kind === 'virtual interrupts' && (pending & (pending - 1n)) !== 0n;
    },
  },
  {
    name: 'register that QEMU has not',
    reason:
      'Registers of external debug and reset that a Cortex-A57 has (TRM 10.2, 4.3) and QEMU leaves UNDEFINED. Here they are ' +
      'stored state.',
    word: 'all',
    when: ({ test, qemu, ours }) =>
      /^(OSDTR[RT]X_EL1|OSECCR_EL1|DBGDTR(TX)?_EL0|DBGPRCR_EL1|DBGCLAIM(SET|CLR)_EL1|DBGAUTHSTATUS_EL1|RMR_EL2)$/.test(
        test.note ?? '',
      ) &&
      finalEc(qemu) === UNDEFINED &&
      finalEc(ours) !== UNDEFINED,
  },
  {
    name: 'register that QEMU reads as nothing',
    reason: 'MRS of MDCCINT_EL1 or DBGVCR32_EL2 leaves Xt as it was on QEMU; here they are stored state.',
    word: 'all',
    when: ({ test }) => /^(MDCCINT_EL1|DBGVCR32_EL2)$/.test(test.note ?? ''),
  },
  {
    name: 'registers of EL1 from EL2 without HCR_EL2.E2H',
    reason:
      'The names with _EL12 and _EL02 are UNDEFINED while E2H is 0 (pseudocode of MRS SCTLR_EL12, D17.2); QEMU 7.2 lets EL2 use ' +
      'the former, and traps the latter.',
    word: 'all',
    when: ({ test, ours }) =>
      /_EL[01]2$/.test(test.note ?? '') &&
      !bitOf(word(test.record, 'HCR_EL2'), 34) &&
      finalEc(ours) === UNDEFINED,
  },
  ...(['SPSR_EL1', 'SPSR_EL2'] as const).map((register) => ({
    name: 'PAN after an illegal return',
    reason:
      'PSTATE.PAN comes from SPSR_ELx whether the return is legal or not (J1.1.3, SetPSTATEFromPSR); QEMU 7.2 keeps it.',
    word: register,
    bits: 1n << 22n,
    when: ({ test }: Both): boolean => test.kind.startsWith('exception returns'),
  })),
  ...(['CPTR_EL2', 'X1', 'X9'] as const).map((name) => ({
    name: 'CPTR_EL2 with HCR_EL2.E2H',
    reason:
      'Its layout with E2H has TCPAC, TTA and FPEN, the rest is RES0 (D17.2.34); QEMU keeps what was written.',
    word: name,
    bits: 0xffffffffffffffffn & ~0x90300000n,
    when: ({ test, ours }: Both): boolean =>
      bitOf(word(ours, 'HCR_EL2'), 34) &&
      (name === 'CPTR_EL2' || /^(CPTR_EL2|CPACR_EL1)$/.test(test.note ?? '')),
  })),
  {
    name: 'events of the PMU',
    reason:
      'PMCEID0_EL0 names the events that are counted (D17.5.5): SW_INCR, INST_RETIRED, CPU_CYCLES and CHAIN here; QEMU 7.2 counts ' +
      'instructions only with -icount, and has no CHAIN.',
    word: 'X1',
    when: ({ test }) => test.note === 'PMCEID0_EL0',
  },
  {
    name: 'SSBS as a register',
    reason:
      'With ID_AA64PFR1_EL1.SSBS = 1, as cortex-a76 has it, there is PSTATE.SSBS but no MRS and MSR of it (D17.2.68); QEMU has both.',
    word: 'all',
    when: ({ test, ours }) => /^(SSBS|MSR SSBS)$/.test(test.note ?? '') && finalEc(ours) === UNDEFINED,
  },
  {
    name: 'FCVTZS of half precision with a fraction',
    reason:
      'A scalar result of 16 bits is zero-extended (C7.2, FCVTZS); QEMU 7.2 leaves the sign in the bits above.',
    word: 'all',
    when: ({ test, qemu, ours }) =>
      test.note === 'FCVTZS (SIMD scalar, fixed-point, half precision)' && vectorsOnly(qemu, ours),
  },
  {
    name: 'XPAC without keys',
    reason:
      'XPACI, XPACD and XPACLRI strip a pointer whether SCTLR_ELx enables a key or not (C6.2.389); on QEMU they are NOPs then.',
    word: 'all',
    when: ({ test }) => /^XPAC/.test(test.note ?? ''),
  },
  {
    name: 'misaligned LDAPR',
    reason: 'Without FEAT_LSE2 LDAPR must be aligned, as LDAR must (B2.5.2); QEMU 7.2 does not check it.',
    word: 'all',
    when: ({ test, ours }) => test.note === 'LDAPR' && dataAbort(ours) && (finalEsr(ours) & 0x3fn) === 0x21n,
  },
  ...(['FAR_EL1', 'FAR_EL2'] as const).map((register) => ({
    name: 'DC CVAP',
    reason:
      'FAR holds the address that the instruction was given (D17.2.37); QEMU 7.2 gives that of the line.',
    word: register,
    bits: 0x3fn,
    when: ({ test, ours }: Both): boolean => /^DC .DPB2?.$/.test(test.note ?? '') && dataAbort(ours),
  })),
  ...(['ESR_EL1', 'ESR_EL2'] as const).flatMap((register) => [
    {
      name: 'DC CVAP',
      reason:
        'A fault of cache maintenance has ISS.CM and WnR set (D17.2.37); QEMU 7.2 reports that of a read.',
      word: register,
      bits: 0x140n,
      when: ({ test, ours }: Both): boolean => /^DC .DPB2?.$/.test(test.note ?? '') && dataAbort(ours),
    },
    {
      name: 'WnR of atomics',
      reason:
        'Zero where a read of the address would have met the fault, too (D17.2.37, WnR); QEMU 7.2 reports a write.',
      word: register,
      bits: 0x40n,
      when: ({ test, ours }: Both): boolean =>
        /^(LD(ADD|CLR|EOR|SET|[SU]M(AX|IN))|SWP|CASP?)$/.test(test.note ?? '') && dataAbort(ours),
    },
  ]),
  {
    name: 'CNTHCTL_EL2 without HCR_EL2.E2H',
    reason:
      'Bits 11-8 are RES0 without E2H (D17.11.2), when the runner reads it; QEMU keeps what the case had.',
    word: 'CNTHCTL_EL2',
    bits: 0xf00n,
    when: ({ test }) => bitOf(word(test.record, 'HCR_EL2'), 34),
  },
  {
    name: 'FPEXC32_EL2 at reset',
    reason: 'Bits 10-8 are RES1 (Arm ARM D17.2.39); QEMU has zero.',
    word: 'all',
    when: ({ test }) => test.note === 'FPEXC32_EL2',
  },
  {
    name: 'HCR_EL2.TIDCP',
    reason:
      'QEMU 7.2 ignores it; the architecture traps EL1 accesses to IMPLEMENTATION DEFINED registers (D17.2.48).',
    word: 'all',
    when: ({ test, ours }) => {
      const esr = word(ours, 'ESR_EL2');
      const crn = (esr >> 10n) & 15n;
      return bitOf(word(test.record, 'HCR_EL2'), 20) && ec(esr) === TRAPPED && (crn === 11n || crn === 15n);
    },
  },
  {
    name: 'SMCCC_VERSION',
    reason:
      'The SMC calling convention requires it, and that PSCI_FEATURES knows it (DEN 0028 7.2); QEMU 7.2 answers NOT_SUPPORTED.',
    word: 'X0',
    when: ({ test, qemu, ours }) =>
      [0x80000000n, 0x8400000an].includes(word(test.record, 'X0') & 0xffffffffn) &&
      word(qemu, 'X0') === 0xffffffffffffffffn &&
      [0n, 0x10000n].includes(word(ours, 'X0')),
  },
  ...(['ESR_EL1', 'ESR_EL2'] as const).map((register) => ({
    name: 'syndrome of MSR DAIFSet and DAIFClr',
    reason:
      'Trapped at EL0 by SCTLR_EL1.UMA, the ISS has Op2 in bits 19-17 and Op1 in bits 16-14 (D17.2.37); QEMU 7.2 has them swapped.',
    word: register,
    bits: 0x3fn << 14n,
    when: ({ qemu, ours }: Both): boolean => {
      const [q, o] = [word(qemu, register), word(ours, register)];
      const op = (esr: bigint, at: bigint): bigint => (esr >> at) & 7n;
      // CRn 4, Rt 31: MSR (immediate).
      return (
        ec(o) === TRAPPED &&
        (o & 0x3fe0n) === ((4n << 10n) | (31n << 5n)) &&
        op(q, 17n) === op(o, 14n) &&
        op(q, 14n) === op(o, 17n)
      );
    },
  })),
  {
    name: 'MDCR_EL2.TPM and the shortcuts of PMUSERENR_EL0',
    reason: 'Where PMUSERENR_EL0.ER, CR or SW let EL0 through, QEMU does not look at MDCR_EL2.TPM any more.',
    word: 'all',
    when: ({ test, ours }) =>
      /^PM/.test(test.note ?? '') &&
      modeOf(test) === 0 &&
      (word(test.record, 'PMUSERENR_EL0') & 14n) !== 0n &&
      bitOf(word(test.record, 'MDCR_EL2'), 6) &&
      ec(word(ours, 'ESR_EL2')) === TRAPPED,
  },
  {
    name: 'MDCR_EL2.TPMCR',
    reason: 'QEMU 7.2 ignores it; the architecture traps accesses to PMCR_EL0 (D17.3.16).',
    word: 'all',
    when: ({ test, ours }) =>
      test.note === 'PMCR_EL0' &&
      bitOf(word(test.record, 'MDCR_EL2'), 5) &&
      ec(word(ours, 'ESR_EL2')) === TRAPPED,
  },
  {
    name: 'MDSCR_EL1.TDCC',
    reason:
      'QEMU 7.2 ignores it; the architecture sends accesses of EL0 to the debug communication channel to EL1 by it, before ' +
      'MDCR_EL2.TDA is looked at (pseudocode of MRS MDCCSR_EL0, D17.3).',
    word: 'all',
    when: ({ test, ours }) =>
      modeOf(test) === 0 &&
      test.note === 'MDCCSR_EL0' &&
      bitOf(word(test.record, 'MDSCR_EL1'), 12) &&
      finalEc(ours) === TRAPPED,
  },
  {
    name: 'level of a stage 2 fault on a stage 1 walk',
    reason:
      'The status code has the level of the stage 2 walk (Arm ARM D17.2.37); QEMU 7.2 reports that of stage 1.',
    word: 'ESR_EL2',
    bits: 3n,
    when: ({ qemu, ours }) =>
      bitOf(word(ours, 'ESR_EL2'), 7) &&
      [0x20, 0x24, 0x25].includes(ec(word(ours, 'ESR_EL2'))) &&
      bitOf(word(qemu, 'ESR_EL2'), 7) &&
      ec(word(qemu, 'ESR_EL2')) === ec(word(ours, 'ESR_EL2')),
  },
  ...parWords.map((name) => ({
    name: 'PAR_EL1: level of a stage 2 fault on a stage 1 walk',
    reason: 'As in ESR_ELx.',
    word: name,
    bits: 6n,
    when: ({ qemu, ours }: Both): boolean =>
      isPar(ours, name) && [qemu, ours].every((r) => (word(r, name) & 0x101n) === 0x101n),
  })),
  ...parWords.map((name) => ({
    name: 'PAR_EL1: shareability',
    reason:
      'Device and Normal non-cacheable memory is Outer Shareable in PAR_EL1.SH (D17.2.111); QEMU gives what the tables say.',
    word: name,
    bits: 3n << 7n,
    when: ({ ours }: Both): boolean => {
      const memoryType = word(ours, name) >> 56n;
      return isPar(ours, name) && !bitOf(word(ours, name), 0) && (memoryType < 0x10n || memoryType === 0x44n);
    },
  })),
  ...parWords.map((name) => ({
    name: 'PAR_EL1: Device type of both stages',
    reason:
      'A Device type of one stage stays as it is when the other is Normal memory (D8.5.5); QEMU makes nGnRE of it where the ' +
      'other is inner non-cacheable.',
    word: name,
    bits: 0xcn << 56n,
    when: ({ test, qemu, ours }: Both): boolean =>
      isPar(ours, name) &&
      bitOf(word(test.record, 'HCR_EL2'), 0) &&
      [qemu, ours].every((r) => !bitOf(word(r, name), 0) && word(r, name) >> 60n === 0n),
  })),
  ...reservedBits.map(({ register, bits, reason }) => ({
    name: 'reserved bits',
    reason: `${register}: ${reason}`,
    word: 'X1',
    bits,
    when: ({ test }: Both): boolean =>
      (test.note === register || test.note === `${register}2`) && test.kind.startsWith('MSR'),
  })),
];
