/**
 * System registers and everything that traps: reads and writes at each exception level, with the usual controls and
 * with random ones. The registers come from the table of the emulator; unknown encodings are tried too.
 */
import { sysregs, type Sysreg } from '../../emulator/isa/a64/sysregs';
import type { Encoding } from '../../emulator/isa/dsl/sysreg';
import { simdLoadStoreRows } from '../../emulator/isa/a64/simd/load-store';
import { simdMoveRows } from '../../emulator/isa/a64/simd/move';
import { systemOperations } from '../../emulator/isa/a64/operands/sysops';
import type { Case } from './batch';
import type { Kind } from './campaign';
import { CaseBuilder, type Mode } from './cases';
import { CaseFlag, SCRATCH } from './record';
import type { Rng } from './rng';
import { symbol } from './runner';
import { randomWord } from './words';

const ISB = 0xd5033fdf;

const access =
  (base: number) =>
  ([op0, op1, crn, crm, op2]: Encoding, rt: number): number =>
    (base | ((op0 - 2) << 19) | (op1 << 16) | (crn << 12) | (crm << 8) | (op2 << 5) | rt) >>> 0;
export const mrs = access(0xd5300000);
export const msr = access(0xd5100000);

/** Registers whose values cannot be compared, and why. */
export const notCompared: readonly { readonly name: RegExp; readonly reason: string }[] = [
  { name: /^CNT(P|V)CT_EL0$/, reason: 'time: QEMU counts wall-clock time' },
  { name: /^CNT\w+_(TVAL|CTL)_/, reason: 'TVAL and CTL.ISTATUS follow from time' },
  {
    name: /^PMCCNTR_EL0$|^PMXEVCNTR_EL0$|^PMEVCNTR/,
    reason: 'counters that run on QEMU and stand still here',
  },
  {
    name: /^(ICC|ICH|ICV)_/,
    reason: 'compared over random accesses with the GIC model, see emulator/dev/gicv3',
  },
];

const comparable = sysregs.filter((r) => !notCompared.some((n) => n.name.test(r.name)) && r.min < 3);
const readable = comparable.filter((r) => r.access !== 'wo');
export const writable = comparable.filter((r) => r.access !== 'ro' && !r.id);

/** Bits that a write must leave clear, because the case itself would not survive them. */
const forbidden: Readonly<Record<string, bigint>> = {
  // MMU on with random tables; data and tables big-endian, which the runner is not.
  SCTLR_EL1: (1n << 0n) | (1n << 25n),
  SCTLR_EL2: (1n << 0n) | (1n << 25n),
  // Software step, breakpoints and watchpoints are not built.
  MDSCR_EL1: (1n << 0n) | (1n << 13n) | (1n << 15n),
  // Reset request.
  RMR_EL2: 2n,
  // A debugger's breakpoint on the instruction.
  OSDLR_EL1: 1n,
};

/** What translates the code while the case runs: written only with the MMU off. */
const regime = {
  1: /^(SCTLR|TCR|TTBR[01]|MAIR|AMAIR|CONTEXTIDR)_EL1$/,
  2: /^(SCTLR|TCR|TTBR0|MAIR|AMAIR)_EL2$/,
} as const;

/** Turns off the MMU of the level at which the case runs. */
function mmuOff(c: CaseBuilder, level: 1 | 2): void {
  c.flag(CaseFlag.flush);
  if (level === 1) c.update('SCTLR_EL1', 0n, 1n);
  else {
    c.flag(CaseFlag.el2Regime);
    c.set('SCTLR_EL2', 0x30c50830n).set('TCR_EL2', 0x80800020n);
  }
}

/** Old value to X9, X0 to the register, what it reads then to X1, old value back. */
/** `hcr`: bits of HCR_EL2 to set. */
export function writeRead(rng: Rng, kind: string, r: Sysreg, level: 1 | 2, hcr = 0n): Case {
  const c = new CaseBuilder(kind, level === 2 ? 'EL2h' : 'EL1h').randomize(rng);
  c.update('HCR_EL2', hcr);
  const redirected = level === 2 && hcr !== 0n;
  if (regime[level].test(r.name) || (redirected && regime[1].test(r.name))) mmuOff(c, level);
  c.x(0, (rng.oneIn(2) ? rng.bigValue() : rng.bits64()) & ~(forbidden[r.name] ?? 0n));
  c.note = r.name;
  const old = r.access !== 'wo' ? [mrs(r.enc, 9)] : [];
  const back = r.access !== 'wo' ? [mrs(r.enc, 1), msr(r.enc, 9), ISB] : [];
  c.emit(...old, msr(r.enc, 0), ISB, ...back);
  return c.done();
}

const modes: readonly Mode[] = ['EL0t', 'EL1t', 'EL1h', 'EL2t', 'EL2h'];

export function readAll(rng: Rng, kind: string, from = modes, hcr = 0n): Case[] {
  return from.flatMap((mode) =>
    readable.map((r) => {
      const c = new CaseBuilder(kind, mode).randomize(rng).flag(hcr ? CaseFlag.flush : 0);
      c.update('HCR_EL2', hcr);
      c.note = r.name;
      return c.emit(mrs(r.enc, 1)).done();
    }),
  );
}

/** Encodings without a row: the neighbours of those that have one, and any. */
function unknownEncoding(rng: Rng): Encoding {
  const near = rng.pick(sysregs).enc;
  const e: [number, number, number, number, number] = [...near];
  const widths = [2, 8, 16, 16, 8] as const;
  for (let n = rng.below(3); n >= 0; n--) {
    const i = rng.below(5);
    e[i] = i === 0 ? 2 + rng.below(2) : rng.below(widths[i]!);
  }
  return e;
}

const known = new Map(sysregs.map((r) => [r.enc.join(), r]));

/** Encodings that exist on QEMU but not here, or the other way round, and why that is as it should be. */
export const otherRegisters: readonly { readonly enc: RegExp; readonly reason: string }[] = [];

function unknown(rng: Rng, kind: string): Case | undefined {
  const enc = unknownEncoding(rng);
  if (known.has(enc.join()) || otherRegisters.some((o) => o.enc.test(enc.join()))) return undefined;
  const c = new CaseBuilder(kind, rng.pick(modes)).randomize(rng);
  c.note = `S${enc.join('_')}`;
  return c.emit(rng.oneIn(2) ? mrs(enc, 1) : msr(enc, 1)).done();
}

// --- traps ----------------------------------------------------------------------------------------------------------

const bit = (n: number): bigint => 1n << BigInt(n);
const HCR = {
  vi: bit(7) | bit(6) | bit(8),
  tsc: bit(19),
  tge: bit(27),
  hcd: bit(29),
  rw: bit(31),
  twi: bit(13),
};

/** Any of these bits, each with one chance in `n`. */
function some(rng: Rng, bits: bigint, n: number): bigint {
  let v = 0n;
  for (let i = 0; i < 64; i++) if ((bits >> BigInt(i)) & 1n && rng.oneIn(n)) v |= bit(i);
  return v;
}

/** Random controls of what traps where. */
export function randomControls(rng: Rng, c: CaseBuilder): void {
  let hcr = some(rng, 0x3ffffffffn & ~HCR.vi, rng.pick([2, 4, 8])) | HCR.rw;
  if (rng.oneIn(2)) hcr &= ~HCR.tge;
  if (hcr & HCR.hcd) {
    // HVC is UNDEFINED: EL1's vectors leave by a trapped SMC.
    hcr |= HCR.tsc;
    c.set('VBAR_EL1', symbol('vectors_smc'));
  }
  c.set('HCR_EL2', hcr);
  c.set('CPTR_EL2', 0x33ffn | some(rng, bit(31) | bit(20) | bit(10), 3));
  c.set('MDCR_EL2', some(rng, 0xfe0n, 3) | 6n);
  c.set('HSTR_EL2', some(rng, 0xffffn, 4));
  c.set('CNTHCTL_EL2', some(rng, 3n, 2));
  c.set('CNTKCTL_EL1', some(rng, 0x303n, 2));
  c.set('PMUSERENR_EL0', some(rng, 15n, 2));
  c.set('CPACR_EL1', BigInt(rng.below(4)) << 20n);
  c.update('MDSCR_EL1', some(rng, bit(12), 2));
  const user = bit(26) | bit(18) | bit(16) | bit(15) | bit(14) | bit(9);
  c.update('SCTLR_EL1', some(rng, user, 2), user);
  c.flag(CaseFlag.flush);
}

/** PSCI and SMCCC functions that answer at once, and two that do not exist. */
const firmwareCalls = [
  0x84000000n,
  0x80000000n,
  0x84000004n,
  0xc4000004n,
  0x84000006n,
  0x8400000an,
  0x8400ffffn,
  0xdead0000n,
] as const;

type Trapping = (rng: Rng, c: CaseBuilder) => number | undefined;

const exceptionWord =
  (base: number): Trapping =>
  (rng) =>
    (base | (rng.below(0x10000) << 5)) >>> 0;

const trapping: readonly (readonly [weight: number, make: Trapping])[] = [
  [30, (rng, c) => note(c, rng.pick(readable), (r) => mrs(r.enc, 1))],
  [
    20,
    (rng, c) => {
      const r = rng.pick(writable.filter((w) => !regime[1].test(w.name) && !regime[2].test(w.name)));
      // A register that is not part of every case would keep the value: so it is written back.
      return note(c, r, () => (r.access === 'wo' ? undefined : (c.emit(mrs(r.enc, 9)), msr(r.enc, 9))));
    },
  ],
  [
    15,
    (rng, c) => {
      const o = rng.pick(systemOperations.filter((s) => s.instruction !== 'at'));
      const [op1, crn, crm, op2] = o.encoding;
      const rt = o.takesRegister || rng.oneIn(8) ? 1 : 31;
      c.note = `${o.instruction} ${o.name}`;
      c.x(1, SCRATCH);
      return (0xd5080000 | (op1 << 16) | (crn << 12) | (crm << 8) | (op2 << 5) | rt) >>> 0;
    },
  ],
  [4, exceptionWord(0xd4000001)],
  [4, exceptionWord(0xd4000002)],
  [
    4,
    (rng, c) => {
      c.x(0, rng.pick(firmwareCalls))
        .x(1, rng.pick([0n, 1n, 0x80000000n, 0x84000000n, 0xc4000003n]))
        .x(2, 0n);
      return exceptionWord(0xd4000003)(rng, c);
    },
  ],
  [2, exceptionWord(0xd4200000)],
  // HLT #0xf000 is a semihosting call on QEMU.
  [1, (rng) => (0xd4400000 | (rng.below(0x8000) << 5)) >>> 0],
  [2, (rng) => (0xd4a00001 | (rng.below(0x10000) << 5) | rng.below(3)) >>> 0],
  // MSR DAIFSet, DAIFClr, SPSel.
  [4, (rng) => rng.pick([0xd50340df, 0xd50340ff, 0xd50040bf]) | (rng.below(16) << 8)],
  [6, (rng) => randomWord(rng, rng.pick(simdMoveRows))],
  [
    4,
    (rng) =>
      randomWord(rng, rng.pick(simdLoadStoreRows), (f) =>
        f.name === 'rn' ? 27 : f.name === 'rm' ? 26 : undefined,
      ),
  ],
  // FPCR and FPSR.
  [3, (rng) => (rng.pick([0xd53b4400, 0xd53b4420, 0xd51b4400, 0xd51b4420]) | 2) >>> 0],
  // WFI where it traps.
  [2, (rng, c) => (c.update('HCR_EL2', HCR.twi), rng.oneIn(2) ? 0xd503207f : 0xd503207f)],
  // YIELD, SEV, SEVL, hints without meaning, barriers, CLREX.
  [2, (rng) => rng.pick([0xd503203f, 0xd503209f, 0xd50320bf, 0xd503233f, 0xd503305f, 0xd503339f])],
  // DRPS.
  [1, () => 0xd6bf03e0],
];
const weights = trapping.reduce((sum, [w]) => sum + w, 0);

function note(c: CaseBuilder, r: Sysreg, word: (r: Sysreg) => number | undefined): number | undefined {
  c.note = r.name;
  return word(r);
}

/** One instruction that may trap; `adjust` changes the controls. */
export function trap(
  rng: Rng,
  kind: string,
  adjust: (c: CaseBuilder) => void = () => undefined,
): Case | undefined {
  const c = new CaseBuilder(kind, rng.pick(modes)).randomize(rng);
  randomControls(rng, c);
  adjust(c);
  c.x(27, SCRATCH).x(26, 16n);
  let n = rng.below(weights);
  const make = trapping.find(([weight]) => (n -= weight) < 0)![1];
  const word = make(rng, c);
  if (word === undefined) return undefined;
  // WFI at EL2 would wait for ever.
  const isWfi = word === 0xd503207f;
  if (isWfi && (c.get('SPSR_EL2') & 12n) === 8n) return undefined;
  return c.emit(word).done();
}

const many = (count: number, make: () => Case | undefined): Case[] =>
  Array.from({ length: count }, make).filter((c) => c !== undefined);

export const systemKinds: readonly Kind[] = [
  { name: 'system registers, read at each level', make: (rng) => ({ cases: readAll(rng, 'MRS') }) },
  {
    name: 'system registers, written and read back at EL2',
    make: (rng, count) => ({
      cases: Array.from({ length: count }, (_, i) =>
        writeRead(rng, 'MSR at EL2', writable[i % writable.length]!, 2),
      ),
    }),
  },
  {
    name: 'system registers, written and read back at EL1',
    make: (rng, count) => ({
      cases: Array.from({ length: count }, (_, i) =>
        writeRead(rng, 'MSR at EL1', writable[i % writable.length]!, 1),
      ),
    }),
  },
  {
    name: 'system registers that do not exist',
    make: (rng, count) => ({ cases: many(count, () => unknown(rng, 'unknown register')) }),
  },
  {
    name: 'traps under random controls',
    make: (rng, count) => ({ cases: many(count, () => trap(rng, 'trap')) }),
  },
];
