/**
 * Sequences that mostly retire: data processing, loads and stores in scratch memory, forward branches, exclusive
 * pairs, cache maintenance. Every instruction of these groups is made from its row.
 */
import { bitfieldRows } from '../../emulator/isa/a64/integer/bitfield';
import { branchRows } from '../../emulator/isa/a64/integer/branch';
import { conditionalRows } from '../../emulator/isa/a64/integer/conditional';
import { crc32Rows } from '../../emulator/isa/a64/integer/crc32';
import { dpImmediateRows } from '../../emulator/isa/a64/integer/dp-immediate';
import { dpRegisterRows } from '../../emulator/isa/a64/integer/dp-register';
import { dpSourcesRows } from '../../emulator/isa/a64/integer/dp-sources';
import { exclusiveRows } from '../../emulator/isa/a64/memory/exclusive';
import { loadStorePairRows } from '../../emulator/isa/a64/memory/load-store-pair';
import { loadStoreRows } from '../../emulator/isa/a64/memory/load-store';
import { simdLoadStoreRows } from '../../emulator/isa/a64/simd/load-store';
import { simdRows } from '../../emulator/isa/a64/simd/rows';
import { cpuModel } from '../../emulator/isa/a64/cpus';
import type { Case } from './batch';
import type { Kind } from './campaign';
import { CaseBuilder, HCR_RW, HCR_VM, type Mode } from './cases';
import { SCRATCH } from './record';
import type { Rng } from './rng';
import { symbol } from './runner';
import { randomWord, type A64Row, type Choose } from './words';

/** Registers with a purpose, which no instruction of a sequence may change but by writeback. */
const reserved = { index: 26, base: 27, alignedBase: 28 } as const;
const isReserved = (n: number): boolean => n >= reserved.index && n <= reserved.alignedBase;

export const dataRows: readonly A64Row[] = [
  ...dpImmediateRows,
  ...bitfieldRows,
  ...dpRegisterRows,
  ...dpSourcesRows,
  ...conditionalRows,
  ...crc32Rows,
];
export const memoryRows: readonly A64Row[] = [
  ...loadStoreRows.filter((r) => !r.name.includes('literal')),
  ...loadStorePairRows,
  ...simdLoadStoreRows,
];
const literalRows = loadStoreRows.filter((r) => r.name.includes('literal'));
/** Loads and stores of the exclusive encoding group that leave the monitor alone: acquire and release. */
const isMonitor = (r: A64Row): boolean => /X[RP]/.test(r.name);
const orderedRows = exclusiveRows.filter((r) => !isMonitor(r));
const monitorRows = exclusiveRows.filter(isMonitor);
const stores = monitorRows.filter((r) => r.name.startsWith('ST'));
const loads = monitorRows.filter((r) => r.name.startsWith('LD'));

/** Registers that an instruction writes. */
const destinations = new Set(['rd', 'rt', 'rt2', 'rs']);
/** In groups without SP as destination, and in those where 31 may be it. */
const destination = (rng: Rng): number => {
  const n = rng.below(29);
  return isReserved(n) ? rng.below(26) : n === 28 ? 30 : n;
};

const unsigned = (v: number, width: number): number => (v < 0 ? v + 2 ** width : v);

/** Small offsets keep a sequence inside scratch memory, however often it moves the base. */
function offset(rng: Rng, name: string, row: A64Row): number | undefined {
  const writeback = /post-index|pre-index/.test(row.name);
  if (name === 'imm12') return rng.below(56);
  if (name === 'imm9') return unsigned(writeback ? rng.below(65) - 32 : rng.below(512) - 256, 9);
  if (name === 'imm7') return unsigned(writeback ? rng.below(6) - 3 : rng.below(100) - 50, 7);
  return undefined;
}

const chooseData =
  (rng: Rng): Choose =>
  (f) =>
    f.name === 'rd' ? (rng.oneIn(12) ? 31 : destination(rng)) : undefined;

const chooseMemory =
  (rng: Rng, base: number): Choose =>
  (f, row) => {
    if (f.name === 'rn') return base;
    if (f.name === 'rm') return reserved.index;
    // A register index scaled by up to 16 is -64 to 64 times that.
    if (f.name === 'option') return rng.pick([2, 3, 6, 7]);
    // An even and an odd one: loading a pair into one register is CONSTRAINED UNPREDICTABLE.
    if (f.name === 'rt') return rng.oneIn(10) ? 30 : 2 * rng.below(13);
    if (f.name === 'rt2') return rng.oneIn(10) ? 31 : 1 + 2 * rng.below(12);
    if (destinations.has(f.name) && f.width === 5) return destination(rng);
    return offset(rng, f.name, row);
  };

export type Emit = (rng: Rng, c: CaseBuilder) => void;

const one =
  (rows: readonly A64Row[], choose: (rng: Rng) => Choose): Emit =>
  (rng, c) => {
    const word = randomWord(rng, rng.pick(rows), choose(rng));
    if (word !== undefined) c.emit(word);
  };

/** Unaligned base registers are not for what must be aligned. */
const baseFor = (rng: Rng): number => rng.pick([reserved.base, reserved.alignedBase, reserved.base, 31]);

/** A branch over one to three instructions. */
const forwardBranch: Emit = (rng, c) => {
  const over = 1 + rng.below(3);
  const row = rng.pick(branchRows.filter((r) => !/^(BR|BLR|RET)/.test(r.name)));
  const word = randomWord(rng, row, (f) => (f.name.startsWith('imm') ? over : undefined));
  if (word === undefined) return;
  c.emit(word);
  for (let i = 1; i < over; i++) data(rng, c);
};

/** LDXR and STXR of the same size and address, nothing but data processing in between. */
const exclusivePair: Emit = (rng, c) => {
  const base = reserved.alignedBase;
  const choose: Choose = (f) =>
    f.name === 'rn'
      ? base
      : f.name === 'rs' || f.name === 'rt2' || f.name === 'rt'
        ? destination(rng)
        : undefined;
  const store = rng.pick(stores);
  const size = (r: A64Row): string => r.name.replace(/^(LDA?|STL?)X/, '');
  const load = rng.pick(loads.filter((r) => size(r) === size(store)));
  const rs = destination(rng);
  const rt = (rs + 1) % 26;
  const rt2 = (rs + 2) % 26;
  const first = randomWord(rng, load, (f) =>
    f.name === 'rt' ? rt : f.name === 'rt2' ? rt2 : choose(f, load),
  );
  const second = randomWord(rng, store, (f, row) =>
    f.name === 'rs' ? rs % 26 : f.name === 'rt' ? rt : f.name === 'rt2' ? rt2 : choose(f, row),
  );
  if (first === undefined || second === undefined) return;
  if (!rng.oneIn(10)) c.emit(first);
  if (rng.oneIn(3)) data(rng, c);
  if (rng.oneIn(12)) c.emit(0xd5033f5f); // clrex
  c.emit(second);
};

const data = one(dataRows, chooseData);
const { features } = cpuModel('cortex-a57');
/** FP and SIMD but loads and stores; not what later architectures added. */
const vectorRows = simdRows.filter(
  (r) => !simdLoadStoreRows.includes(r) && (r.feature === undefined || features.has(r.feature)),
);
const writesGeneral = (row: A64Row): boolean =>
  row.shapes.some((shape) => row.asm(shape).some((t) => /<[wx]:rd>/.test(t)));
const generalResults = new Set(vectorRows.filter(writesGeneral));
const simd = one(
  vectorRows,
  (rng) => (f, row) => (f.name === 'rd' && generalResults.has(row) ? destination(rng) : undefined),
);

const memoryAccess: Emit = (rng, c) => one(memoryRows, (r) => chooseMemory(r, baseFor(r)))(rng, c);
const ordered: Emit = (rng, c) => one(orderedRows, (r) => chooseMemory(r, reserved.alignedBase))(rng, c);
/** From the case's own words. */
const literal: Emit = (rng, c) =>
  one(
    literalRows,
    (r) => (f) =>
      f.name === 'imm19' ? unsigned(r.below(16) - 8, 19) : f.name === 'rt' ? destination(r) : undefined,
  )(rng, c);
const zeroBlock: Emit = (_rng, c) => c.emit(0xd50b7420 | reserved.base);
/** DC CVAC, CVAU, CIVAC, IC IVAU of the base, DSB, DMB, ISB. */
const maintenance: Emit = (rng, c) =>
  c.emit(rng.pick([0xd50b7a3b, 0xd50b7b3b, 0xd50b7e3b, 0xd50b753b, 0xd5033f9f, 0xd5033fbf, 0xd5033fdf]));
const flags: Emit = (rng, c) => c.emit((rng.oneIn(2) ? 0xd53b4200 : 0xd51b4200) | destination(rng));

/** What a sequence consists of, with weights. */
const mixture: readonly (readonly [weight: number, emit: Emit])[] = [
  [40, data],
  [30, memoryAccess],
  [12, simd],
  [3, ordered],
  [3, literal],
  [5, forwardBranch],
  [4, exclusivePair],
  [1, zeroBlock],
  [1, flags],
  [1, maintenance],
];
const total = mixture.reduce((sum, [w]) => sum + w, 0);

function step(rng: Rng): Emit {
  let n = rng.below(total);
  for (const [weight, emit] of mixture) if ((n -= weight) < 0) return emit;
  return data;
}

export interface SequenceOptions {
  readonly mode: Mode;
  readonly stage2?: boolean;
  /** SCTLR_ELx.A: unaligned accesses fault. */
  readonly align?: boolean;
  /** Big-endian data. */
  readonly big?: boolean;
  readonly length: number;
}

/** A random sequence. */
export function sequence(rng: Rng, kind: string, o: SequenceOptions): Case {
  const c = new CaseBuilder(kind, o.mode).randomize(rng);
  const aligned = SCRATCH + 16n * BigInt(rng.below(33) - 16);
  c.x(reserved.alignedBase, aligned);
  c.x(reserved.base, SCRATCH + BigInt(rng.below(128) - 64));
  c.x(reserved.index, BigInt(rng.below(129) - 64) & (rng.oneIn(2) ? ~7n : ~0n));
  for (let el = 0; el < 3; el++) c.sp(el, aligned);
  // RMode, FZ, DN, AHP.
  if (rng.oneIn(2)) c.set('FPCR', BigInt(rng.below(32)) << 22n);
  if (o.stage2) c.set('HCR_EL2', HCR_RW | HCR_VM);
  if (o.align) c.update('SCTLR_EL1', 2n);
  // EE is also the endianness of table walks, E0E is not.
  if (o.big) c.update('SCTLR_EL1', (1n << 25n) | (1n << 24n)).set('TTBR0_EL1', symbol('el1_level1_big'));
  while (c.words < o.length) step(rng)(rng, c);
  return c.done();
}

/** Instructions in a sequence. */
const SEQUENCE = 40;

const variants: readonly (readonly [name: string, options: Omit<SequenceOptions, 'length'>])[] = [
  ['sequences at EL1', { mode: 'EL1h' }],
  ['sequences at EL1 with SP_EL0', { mode: 'EL1t' }],
  ['sequences at EL1 under stage 2', { mode: 'EL1h', stage2: true }],
  ['sequences at EL2', { mode: 'EL2h' }],
  ['sequences at EL2 with SP_EL0', { mode: 'EL2t' }],
  ['sequences at EL0', { mode: 'EL0t' }],
  ['sequences at EL0 under stage 2', { mode: 'EL0t', stage2: true }],
  ['big-endian sequences at EL1', { mode: 'EL1h', big: true }],
  ['big-endian sequences at EL0', { mode: 'EL0t', big: true }],
  ['sequences at EL1 with alignment checks', { mode: 'EL1h', align: true }],
];

/** A kind each for the exception levels and translation regimes. */
export const sequenceKinds: readonly Kind[] = variants.map(([name, options]) => ({
  name,
  make: (rng, count) => ({
    cases: Array.from({ length: count }, () => sequence(rng, name, { ...options, length: SEQUENCE })),
  }),
}));
