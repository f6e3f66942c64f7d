/** Immediates that several fields encode together: logical and move immediates, bit fields and shifts. */
import type {
  OperandError,
  OperandFactory,
  OperandHandler,
  OperandReader,
  PartialFields,
} from '../../dsl/operand';
import type { RawFields } from '../../dsl/row';
import { bitmask } from '../integer/bitmask';
import { hex, isError, show, takeNumber } from './immediate';
import { fieldAt, mismatch, wrong } from './registers';

// --- logical and move immediates ---------------------------------------------------------------------------------

/** N, immr and imms of a logical immediate; undefined if the value is not a repeated, rotated run of ones. */
export function encodeBitmask(
  value: bigint,
  bits: 32 | 64,
): [N: number, immr: number, imms: number] | undefined {
  if (value === 0n || value === (1n << BigInt(bits)) - 1n) return undefined;
  let size = bits as number;
  while (size > 2) {
    const half = BigInt(size / 2);
    const low = BigInt.asUintN(size / 2, value);
    if (BigInt.asUintN(size / 2, value >> half) !== low) break;
    size /= 2;
  }
  const element = BigInt.asUintN(size, value);
  let ones = 0;
  for (let v = element; v; v >>= 1n) ones += Number(v & 1n);
  const run = (1n << BigInt(ones)) - 1n;
  for (let r = 0; r < size; r++) {
    const turned = BigInt.asUintN(size, (run >> BigInt(r)) | (run << BigInt(size - r)));
    if (turned === element) return [size === 64 ? 1 : 0, r, ((~(size - 1) << 1) & 0x3f) | (ones - 1)];
  }
  return undefined;
}

/** A value as `bits` wide: from 0 up, or negative; undefined if it does not fit. */
function fit(value: bigint, bits: 32 | 64): bigint | undefined {
  const v = BigInt.asIntN(64, value);
  const u = BigInt.asUintN(bits, v);
  if (bits === 64 || u === BigInt.asUintN(64, v) || BigInt.asIntN(32, v) === v) return u;
  return undefined;
}

/** hw and imm16 of a value that is 16 bits somewhere, else zero. */
function encodeWide(value: bigint, bits: 32 | 64): [hw: number, imm16: number] | undefined {
  for (let hw = 0; hw < bits / 16; hw++) {
    const imm = (value >> BigInt(16 * hw)) & 0xffffn;
    if (imm << BigInt(16 * hw) === value) return [hw, Number(imm)];
  }
  return undefined;
}

const invert = (v: bigint, bits: 32 | 64): bigint => BigInt.asUintN(bits, ~v);

type Encode = (value: bigint, bits: 32 | 64) => readonly number[] | undefined;

/** An immediate that several fields encode together. `shown`: the value to print, if this is the preferred form. */
function encoded(
  bits: 32 | 64,
  encode: Encode,
  shown: (f: number[]) => bigint | undefined,
  problem: string,
): OperandFactory {
  return (fields): OperandHandler => {
    const names = fields.map((_, i) => fieldAt(fields, i).name);
    const set = (f: PartialFields, values: readonly number[]): undefined => {
      names.forEach((n, i) => (f[n] = values[i] ?? 0));
      return undefined;
    };
    return {
      expects: 'an immediate',
      parse(from, f) {
        const v = takeNumber(from);
        if (isError(v)) return v;
        if (v.kind === 'later') return set(f, [0, 0, 0]);
        const value = fit(v.value, bits);
        const values = value === undefined ? undefined : encode(value, bits);
        if (values) return set(f, values);
        return wrong(
          value === undefined
            ? `immediate ${show(v.value)} does not fit in 32 bits`
            : `immediate ${show(v.value)} cannot be encoded by ${from.mnemonic}: ${problem}`,
        );
      },
      print: (f) => {
        const v = shown(names.map((n) => f[n] ?? 0));
        return v === undefined ? undefined : hex(v);
      },
    };
  };
}

const movProblem =
  'it is neither 16 bits at a multiple of 16 (or the inverse of that) nor a repeated run of ones; use ldr with =value, or movz and movk';
const bitmaskProblem = 'it must be a run of ones, rotated, repeated every 2, 4, 8, 16, 32 or 64 bits';

const decodeBitmask = (bits: 32 | 64, [N = 0, immr = 0, imms = 0]: number[]): bigint | undefined =>
  bitmask(bits === 64 ? 1 : 0, N, immr, imms);

/** BIC and its kin with an immediate: accepted for AND of the inverse, never printed. */
function inverseBitmask(bits: 32 | 64): OperandFactory {
  return encoded(
    bits,
    (v) => encodeBitmask(invert(v, bits), bits),
    () => undefined,
    bitmaskProblem,
  );
}

function wide(bits: 32 | 64, inverse: boolean): OperandFactory {
  return encoded(
    bits,
    (v) => encodeWide(inverse ? invert(v, bits) : v, bits),
    ([hw = 0, imm = 0]) => {
      // MOV is preferred unless a shift moves nothing, or MOVZ would do it, too (C6.2.191, C6.2.192).
      if ((imm === 0 && hw !== 0) || (inverse && bits === 32 && imm === 0xffff)) return undefined;
      const v = BigInt(imm) << BigInt(16 * hw);
      return inverse ? invert(v, bits) : v;
    },
    movProblem,
  );
}

function movBitmask(bits: 32 | 64): OperandFactory {
  return encoded(
    bits,
    encodeBitmask,
    (f) => {
      const v = decodeBitmask(bits, f);
      return v === undefined || encodeWide(v, bits) || encodeWide(invert(v, bits), bits) ? undefined : v;
    },
    movProblem,
  );
}

const movk: OperandFactory = (fields) => {
  const hw = fieldAt(fields, 0).name;
  const imm = fieldAt(fields, 1).name;
  return {
    expects: 'an immediate (0 to 65535)',
    parse(from, f) {
      from.accept('#');
      const relocation = from.relocation();
      if (relocation !== undefined) return absGroup(from, relocation, f, hw, imm);
      const v = takeNumber(from);
      if (isError(v)) return v;
      let by = 0n;
      if (from.accept(',')) {
        if (!from.accept('lsl')) return mismatch("'lsl #16'");
        from.accept('#');
        const shift = takeNumber(from);
        if (isError(shift)) return shift;
        by = shift.value;
        if (by % 16n !== 0n || by < 0n || by > 48n) return wrong(`shift ${by} is not 0, 16, 32 or 48`);
      }
      if (v.kind !== 'later' && (v.value < 0n || v.value > 0xffffn)) {
        return wrong(`immediate ${show(v.value)} is out of range for ${from.mnemonic}: 0 to 65535`);
      }
      f[hw] = Number(by) / 16;
      f[imm] = v.kind === 'later' ? 0 : Number(v.value);
      return undefined;
    },
    print: (f) => `#${hex(f[imm] ?? 0)}${f[hw] ? `, lsl #${16 * (f[hw] ?? 0)}` : ''}`,
  };
};

/** `:abs_g0:` to `:abs_g3:`, 16 bits of an address; with `_nc` without a check that the bits above are zero. */
function absGroup(
  from: OperandReader,
  relocation: string,
  f: PartialFields,
  hw: string,
  imm: string,
): OperandError | undefined {
  const m = /^abs_g([0-3])(_nc)?$/.exec(relocation);
  if (!m) return wrong(`:${relocation}: is not possible here; :abs_g0: to :abs_g3: are, and their _nc forms`);
  const group = Number(m[1]);
  const v = from.address();
  if (typeof v === 'string') return wrong(v);
  const value = v.kind === 'later' ? 0n : BigInt.asUintN(64, v.value);
  if (!m[2] && value >> BigInt(16 * (group + 1)) !== 0n) {
    return wrong(
      `${hex(value)} does not fit in ${16 * (group + 1)} bits; use :abs_g${group}_nc: for a part of it`,
    );
  }
  f[hw] = group;
  f[imm] = Number((value >> BigInt(16 * group)) & 0xffffn);
  return undefined;
}

// --- bit fields and shifts ----------------------------------------------------------------------------------------

interface Computed {
  noun: string;
  range: (f: PartialFields) => readonly [number, number];
  set: (f: PartialFields, v: number) => void;
  get: (f: RawFields) => number | undefined;
}

/** A number from which fields are computed, perhaps with the help of fields that are known already. */
function computed(make: (fields: readonly string[]) => Computed): OperandFactory {
  return (fields): OperandHandler => {
    const c = make(fields.map((_, i) => fieldAt(fields, i).name));
    return {
      expects: c.noun,
      parse(from, f) {
        const v = takeNumber(from);
        if (isError(v)) return v;
        const [lo, hi] = c.range(f);
        const value = v.kind === 'later' ? BigInt(lo) : v.value;
        if (value < BigInt(lo) || value > BigInt(hi)) {
          return wrong(`${c.noun} ${show(value)} is out of range for ${from.mnemonic}: ${lo} to ${hi}`);
        }
        c.set(f, Number(value));
        return undefined;
      },
      print: (f) => c.get(f)?.toString(),
    };
  };
}

/** LSL (immediate): immr = -shift MOD size, imms = size - 1 - shift. */
const lsl = (size: number): OperandFactory =>
  computed(([immr = '', imms = '']) => ({
    noun: 'shift',
    range: () => [0, size - 1],
    set: (f, v) => {
      f[immr] = (size - v) % size;
      f[imms] = size - 1 - v;
    },
    get: (f) =>
      (f[imms] ?? 0) !== size - 1 && f[immr] === (f[imms] ?? 0) + 1 ? size - 1 - (f[imms] ?? 0) : undefined,
  }));

/** The bit where BFI and its kin insert: immr = -lsb MOD size; theirs are the encodings with imms < immr. */
const insertLsb = (size: number): OperandFactory =>
  computed(([immr = '', imms = '']) => ({
    noun: 'lowest bit',
    range: () => [0, size - 1],
    set: (f, v) => (f[immr] = (size - v) % size),
    get: (f) => ((f[imms] ?? 0) < (f[immr] ?? 0) ? (size - (f[immr] ?? 0)) % size : undefined),
  }));

/** Width for BFI and its kin, after insertLsb: at most what is left above the lowest bit. */
const insertWidth = computed(([imms = '']) => ({
  noun: 'width',
  range: (f) => [1, f['immr'] ? f['immr'] : f['sf'] === 0 ? 32 : 64],
  set: (f, v) => (f[imms] = v - 1),
  get: (f) => (f[imms] ?? 0) + 1,
}));

const extractLsb = computed(([immr = '', imms = '']) => ({
  noun: 'lowest bit',
  range: (f) => [0, f['sf'] === 0 ? 31 : 63],
  set: (f, v) => (f[immr] = v),
  get: (f) => ((f[imms] ?? 0) >= (f[immr] ?? 0) ? f[immr] : undefined),
}));

const extractWidth = computed(([immr = '', imms = '']) => ({
  noun: 'width',
  range: (f) => [1, (f['sf'] === 0 ? 32 : 64) - (f[immr] ?? 0)],
  set: (f, v) => (f[imms] = (f[immr] ?? 0) + v - 1),
  get: (f) => (f[imms] ?? 0) - (f[immr] ?? 0) + 1,
}));

/** The kinds whose fields are computed from a value. */
export const encodedKinds: Readonly<Record<string, OperandFactory>> = {
  bitmask32: encoded(32, encodeBitmask, (f) => decodeBitmask(32, f), bitmaskProblem),
  bitmask64: encoded(64, encodeBitmask, (f) => decodeBitmask(64, f), bitmaskProblem),
  nbitmask32: inverseBitmask(32),
  nbitmask64: inverseBitmask(64),
  movz32: wide(32, false),
  movz64: wide(64, false),
  movn32: wide(32, true),
  movn64: wide(64, true),
  movbm32: movBitmask(32),
  movbm64: movBitmask(64),
  movk,
  lslsh32: lsl(32),
  lslsh64: lsl(64),
  bflsb32: insertLsb(32),
  bflsb64: insertLsb(64),
  bfw: insertWidth,
  bfxlsb: extractLsb,
  bfxw: extractWidth,
};
