/**
 * FP and SIMD instructions, one at a time, against QEMU's user-mode emulation: every row that works on the vector registers,
 * operands from the classes of fp-values.ts, every rounding mode, FZ, DN, AHP; registers, NZCV and FPSR are compared, in the
 * interpreter and in the region tier.
 */
import { Decoder } from '../../emulator/codegen/decoder';
import { Machine, type MachineConfig } from '../../emulator/core/machine';
import { flatHost, flatIsa } from '../../emulator/core/testing/flat-isa';
import { common } from '../../emulator/ir/state';
import { insert } from '../../emulator/isa/dsl/pattern';
import { rawFields, type RawFields } from '../../emulator/isa/dsl/row';
import { cpuModel } from '../../emulator/isa/a64/cpus';
import { a64Rows } from '../../emulator/isa/a64/rows';
import { state } from '../../emulator/isa/a64/state';
import { sysregNamed } from '../../emulator/isa/a64/sysregs';
import {
  fpControl,
  fpSpecials,
  fpVector,
  integerVector,
  sideBySide,
  type FpWidth,
} from '../support/fp-values';
import { describeWord } from '../support/qemu-user';
import { registers, runVectorCases, type VectorCase, type VectorState } from '../support/qemu-vector';
import type { Random } from '../support/random';
import { singleRegions } from '../support/single-regions';
import type { A64Row } from './words';

const RAM = 0x4000_0000n;
const CODE = RAM + 0x1000n;

/** Bits 28-25 x111 are data processing of FP and SIMD (Arm ARM DDI 0487 C4.1). */
export const vectorRows: readonly A64Row[] = a64Rows.filter(
  (row) =>
    (row.pattern.mask & 0x0e000000) >>> 0 === 0x0e000000 && (row.pattern.value & 0x0e000000) === 0x0e000000,
);

const features = new Set(a64Rows.flatMap((r) => (r.feature ? [r.feature] : [])));

const isRegister = (name: string): boolean => /^(r[dnmat]|M?rm)$/.test(name);

/** A word of the row and shape; registers are those of a case. */
function wordOf(row: A64Row, shape: RawFields, r: Random): number | undefined {
  for (let tries = 0; tries < 200; tries++) {
    let word = row.pattern.value;
    for (const f of row.pattern.fields) {
      // Lists of registers stay below the last one.
      const register = isRegister(f.name);
      const value =
        shape[f.name] ??
        (register ? r.below(f.name === 'rn' && /TB[LX]/.test(row.name) ? 5 : registers) : r.bits32());
      word = insert(word, f, value % 2 ** f.width);
    }
    word = word >>> 0;
    if (row.when(rawFields(row.pattern, word))) return word;
  }
  return undefined;
}

/** Widths of floating-point numbers in the row's operands. */
function widthsOf(row: A64Row, shape: RawFields): FpWidth[] {
  const text = row.asm(shape).join();
  const found: FpWidth[] = [];
  if (/<h:|\.[48]?h\b|\.2h/.test(text)) found.push(16);
  if (/<s:|\.[24]?s\b/.test(text)) found.push(32);
  if (/<d:|\.[12]?d\b/.test(text)) found.push(64);
  return found.length ? found : [64];
}

/** Numbers of one kind, from which each case takes some: making them anew for each would be most of the work. */
class Pool<T> {
  private readonly all: T[] = [];

  constructor(
    private readonly make: () => T,
    private readonly size = 4096,
  ) {}

  take(r: Random): T {
    const i = r.below(this.size);
    while (this.all.length <= i) this.all.push(this.make());
    return this.all[i]!;
  }
}

/** The operands of a batch. */
class Operands {
  private readonly floats: ReadonlyMap<FpWidth, Pool<bigint>>;
  private readonly specials: ReadonlyMap<FpWidth, Pool<bigint>>;
  private readonly integers: Pool<bigint>;
  private readonly any: Pool<bigint>;
  private readonly x: Pool<bigint>;
  private readonly control: Pool<bigint>;
  private readonly status: Pool<bigint>;

  constructor(private readonly r: Random) {
    const pools = (make: (w: FpWidth) => bigint): ReadonlyMap<FpWidth, Pool<bigint>> =>
      new Map(([16, 32, 64] as const).map((w) => [w, new Pool(() => make(w))]));
    this.floats = pools((w) => fpVector(r, w));
    this.specials = pools((w) => sideBySide(w, () => r.pick(fpSpecials(w))));
    this.integers = new Pool(() => integerVector(r));
    this.any = new Pool(() => r.bits64());
    this.x = new Pool(() => r.value());
    this.control = new Pool(() => fpControl(r, true), 256);
    this.status = new Pool(() => (r.below(3) ? 0n : (r.bits64() & 0x9fn) | (BigInt(r.below(2)) << 27n)), 256);
  }

  /** What a case of the row and shape begins with. */
  state(row: A64Row, shape: RawFields): VectorState {
    const { r } = this;
    const widths = widthsOf(row, shape);
    const floats = row.name.startsWith('F') || /CVTF/.test(row.name);
    const isTable = /TB[LX]/.test(row.name);
    // All operands at an end of their range, as in a product that underflows in a sum that does not: by chance that is rare.
    const from = r.below(3) ? this.floats : this.specials;
    const vector = (): bigint => {
      const value =
        r.below(8) < (floats ? 7 : 1)
          ? from.get(r.pick(widths))!.take(r)
          : (r.below(3) ? this.integers : this.any).take(r);
      // Table indices.
      return isTable && r.below(2) ? value & 0x3f3f3f3f3f3f3f3fn : value;
    };
    // QEMU 7.2 gives Z = 1 for a flushed denormal (fixed later: its issue 2375).
    const noFlush = row.name === 'FJCVTZS' ? ~(1n << 24n) : ~0n;
    // Often the modes of most programs, in which the host's arithmetic is used; before anything was inexact, too.
    const quick = r.below(2) === 0;
    return {
      v: Array.from({ length: 2 * registers }, vector),
      x: Array.from({ length: registers }, () => this.x.take(r)),
      nzcv: BigInt(r.below(16)) << 28n,
      fpcr: quick ? 0n : this.control.take(r) & noFlush,
      fpsr: quick ? r.pick([0n, 0x10n]) : this.status.take(r),
    };
  }
}

export interface VectorBatch {
  readonly words: readonly number[];
  readonly rows: readonly A64Row[];
  readonly cases: readonly VectorCase[];
}

/** `each` words of every row and shape, with `operands` cases a word. */
export function vectorBatch(
  r: Random,
  each: number,
  operands: number,
  rows: readonly A64Row[] = vectorRows,
): VectorBatch {
  const words: number[] = [];
  const of: A64Row[] = [];
  const cases: VectorCase[] = [];
  const from = new Operands(r);
  for (const row of rows)
    for (const shape of row.shapes)
      for (let i = 0; i < each; i++) {
        const word = wordOf(row, shape, r);
        if (word === undefined) continue;
        const slot = words.push(word) - 1;
        of.push(row);
        for (let n = 0; n < operands; n++) cases.push({ slot, before: from.state(row, shape) });
      }
  return { words, rows: of, cases };
}

const fpcr = sysregNamed('FPCR').storage!.field;
const fpsr = sysregNamed('FPSR').storage!.field;

const isa = flatIsa(a64Rows);

/** Runs the cases on the emulator: in the interpreter, or in regions of one instruction each. */
export function runOnEmulator(
  words: readonly number[],
  cases: readonly VectorCase[],
  translate: MachineConfig['translate'],
): { readonly states: VectorState[]; readonly regions: number } {
  const m = new Machine({
    ...{ isa, cpus: 1, ramBase: RAM, ramBytes: 1 << 24, features, host: flatHost, translate },
  });
  m.physical.poke(CODE, new Uint8Array(new Uint32Array(words).buffer));
  const states = cases.map(({ slot, before }) => {
    before.v.forEach((v, i) => m.state.set(0, state.v, v, i));
    before.x.forEach((v, i) => m.state.set(0, state.x, v, i));
    m.state.set(0, state.nzcv, Number(before.nzcv));
    m.state.set(0, fpcr, before.fpcr);
    m.state.set(0, fpsr, before.fpsr);
    m.state.set(0, common.pc, CODE + 4n * BigInt(slot));
    m.run({ instructions: 1 });
    return {
      v: before.v.map((_, i) => m.state.get(0, state.v, i)),
      x: before.x.map((_, i) => m.state.get(0, state.x, i)),
      nzcv: BigInt(m.state.num(0, state.nzcv)),
      fpcr: m.state.get(0, fpcr),
      fpsr: m.state.get(0, fpsr),
    };
  });
  return { states, regions: m.translator?.counts.regions ?? 0 };
}

const hex = (v: bigint, digits = 16): string => v.toString(16).padStart(digits, '0');
const vector = (s: VectorState, n: number): string => `${hex(s.v[2 * n + 1] ?? 0n)}_${hex(s.v[2 * n] ?? 0n)}`;

/** The registers in which two states differ, one line each. */
export function vectorDifferences(ours: VectorState, qemu: VectorState): string[] {
  const lines: string[] = [];
  for (let n = 0; n < registers; n++) {
    if (vector(ours, n) !== vector(qemu, n))
      lines.push(`  v${n}: ours ${vector(ours, n)}, QEMU ${vector(qemu, n)}`);
    if (ours.x[n] !== qemu.x[n]) lines.push(`  x${n}: ours ${hex(ours.x[n]!)}, QEMU ${hex(qemu.x[n]!)}`);
  }
  for (const name of ['nzcv', 'fpsr'] as const)
    if (ours[name] !== qemu[name])
      lines.push(`  ${name}: ours ${hex(ours[name], 8)}, QEMU ${hex(qemu[name], 8)}`);
  return lines;
}

/** QEMU 7.2 leaves the sign above the 16 bits of this result; the rest of the register is zero (C7.2, FCVTZS). */
function amend(row: A64Row, word: number, qemu: VectorState): VectorState {
  if (row.name !== 'FCVTZS (SIMD scalar, fixed-point, half precision)') return qemu;
  const rd = word & 31;
  return { ...qemu, v: qemu.v.map((v, i) => (i === 2 * rd ? v & 0xffffn : v)) };
}

/** What differs from QEMU in a batch: one text for each row and tier that does. */
export function compareVectors(batch: VectorBatch): {
  readonly different: string[];
  readonly regions: number;
} {
  const { words, rows, cases } = batch;
  const qemu = runVectorCases(words, cases);
  const interpreted = runOnEmulator(words, cases, false);
  const translated = runOnEmulator(words, cases, singleRegions);
  const reports = new Map<string, { count: number; text: string }>();
  for (const [tier, { states }] of Object.entries({ interpreted, translated }))
    cases.forEach(({ slot, before }, i) => {
      const row = rows[slot]!;
      const theirs = qemu[i];
      const lines = theirs
        ? vectorDifferences(states[i]!, amend(row, words[slot]!, theirs))
        : ['  UNDEFINED on QEMU'];
      if (lines.length === 0) return;
      const key = `${row.name}, ${tier}`;
      const known = reports.get(key);
      if (known) known.count++;
      else reports.set(key, { count: 1, text: describe(words[slot]!, key, before, lines) });
    });
  return {
    different: [...reports.values()].map(({ count, text }) => `${text}\n  (${count} cases of this row)`),
    regions: translated.regions,
  };
}

/** A word of data processing with FP or SIMD registers, perhaps one that is UNDEFINED; it writes X0 to X7 at most. */
const anyWord = (r: Random): number => ((r.bits32() & ~0x18) | 0x0e000000) >>> 0;

/** Unallocated encodings of half precision that QEMU 7.2 executes: reserved bits that it does not look at. */
const acceptedByQemu = [
  { mask: 0x3ff80c00, value: 0x2f000c00 },
  { mask: 0xbf7fcc00, value: 0x0e70c800 },
  { mask: 0xff7fcc00, value: 0x5e70c800 },
] as const;
/** "Two-register miscellaneous (FP16)": QEMU 7.2 ends with an assertion on some of what is unallocated there. */
const deadly = { mask: 0x8f7e0c00, value: 0x0e780800 } as const;
const isAccepted = (word: number): boolean =>
  acceptedByQemu.some(({ mask, value }) => (word & mask) >>> 0 === value);

/** Words of which either only we or only QEMU's model say that they are UNDEFINED. */
export function compareUndefined(r: Random, count: number, model: string): string[] {
  const { features: own } = cpuModel(model);
  const decoder = new Decoder(a64Rows, own);
  const words: number[] = [];
  while (words.length < count) {
    const word = anyWord(r);
    if ((word & deadly.mask) >>> 0 === deadly.value && !decoder.decode(word)) continue;
    words.push(word);
  }
  const before: VectorState = {
    v: Array<bigint>(2 * registers).fill(0n),
    x: Array<bigint>(registers).fill(0n),
    nzcv: 0n,
    fpcr: 0n,
    fpsr: 0n,
  };
  const qemu = runVectorCases(
    words,
    words.map((_, slot) => ({ slot, before })),
    model,
  );
  return words.flatMap((word, i) => {
    const row = decoder.decode(word)?.row;
    if ((row === undefined) === (qemu[i] === undefined) || isAccepted(word)) return [];
    return [
      `0x${hex(BigInt(word), 8)} (${describeWord(word)}) is ${row ? `${row.name}, but UNDEFINED on QEMU` : 'UNDEFINED, but not on QEMU'}`,
    ];
  });
}

function describe(word: number, row: string, before: VectorState, lines: readonly string[]): string {
  const used = [...new Set([0, 5, 10, 16].map((lsb) => (word >>> lsb) & 31).filter((n) => n < registers))];
  return [
    `0x${hex(BigInt(word), 8)} (${describeWord(word)}), row ${row}`,
    ...used.map((n) => `  v${n} = ${vector(before, n)}, x${n} = ${hex(before.x[n]!)}`),
    `  nzcv = ${hex(before.nzcv, 8)}, fpcr = ${hex(before.fpcr, 8)}, fpsr = ${hex(before.fpsr, 8)}`,
    ...lines,
  ].join('\n');
}
