/**
 * Operations on vectors of 128 bits, as one table: what wasm calls them, their opcodes behind the prefix 0xfd (WebAssembly Core
 * Specification 5.4.9 "Vector Instructions"), their types, and what they mean. A vector is an unsigned bigint whose low bits are
 * lane 0. As with floatOps, which NaN comes out of arithmetic on floats is up to the host.
 */
import { fromFloat, nearest, onFloats, toFloat } from './floats';
import { toSigned, toUnsigned, type Ty } from './ops';

/** The width of a lane in bits. */
export type LaneBits = 8 | 16 | 32 | 64;

/** One operation on whole vectors. */
export interface SimdOp {
  /** As in the text format: `i8x16.add`. */
  readonly name: string;
  readonly code: number;
  readonly args: readonly Ty[];
  readonly result: Ty;
  /** Bytes that follow the opcode: a lane's number, or the lanes of a shuffle. */
  readonly immediates: number;
  readonly eval: (args: readonly bigint[], imm: readonly number[]) => bigint;
}

export const SIMD_PREFIX = 0xfd;

/** The lanes of a vector, unsigned, lane 0 first. */
export function lanesOf(v: bigint, bits: number): bigint[] {
  return Array.from({ length: 128 / bits }, (_, i) => toUnsigned(v >> BigInt(i * bits), bits));
}

/** The vector of these lanes, of which the low bits count; missing ones are zero. */
export function fromLanes(lanes: readonly bigint[], bits: number): bigint {
  return lanes.reduce((v, lane, i) => v | (toUnsigned(lane, bits) << BigInt(i * bits)), 0n);
}

type Lane = (a: bigint, b: bigint, bits: number) => bigint;

const V: Ty = 'v128';
const shapeName = (kind: 'i' | 'f', bits: number): string => `${kind}${bits}x${128 / bits}`;

const make = (
  name: string,
  code: number,
  args: readonly Ty[],
  result: Ty,
  evaluate: SimdOp['eval'],
  immediates = 0,
): SimdOp => ({ name, code, args, result, immediates, eval: evaluate });

/** Makes an operation for each lane width that has an opcode. */
function family<W extends LaneBits>(
  name: string,
  kind: 'i' | 'f',
  codes: Readonly<Record<W, number>>,
  one: (name: string, code: number, bits: W) => SimdOp,
): Readonly<Record<W, SimdOp>> {
  const made = Object.entries<number>(codes).map(([bits, code]) => [
    bits,
    one(`${shapeName(kind, Number(bits))}.${name}`, code, Number(bits) as W),
  ]);
  return Object.fromEntries(made) as Readonly<Record<W, SimdOp>>;
}

const both = <W extends LaneBits>(
  name: string,
  codes: Readonly<Record<W, number>>,
  lane: Lane,
  kind: 'i' | 'f' = 'i',
): Readonly<Record<W, SimdOp>> =>
  family(name, kind, codes, (full, code, bits) =>
    make(full, code, [V, V], V, ([a, b]) => {
      const other = lanesOf(b!, bits);
      return fromLanes(
        lanesOf(a!, bits).map((x, i) => lane(x, other[i]!, bits)),
        bits,
      );
    }),
  );

const each = <W extends LaneBits>(
  name: string,
  codes: Readonly<Record<W, number>>,
  lane: Lane,
  kind: 'i' | 'f' = 'i',
): Readonly<Record<W, SimdOp>> =>
  family(name, kind, codes, (full, code, bits) =>
    make(full, code, [V], V, ([a]) =>
      fromLanes(
        lanesOf(a!, bits).map((x) => lane(x, 0n, bits)),
        bits,
      ),
    ),
  );

const shift = (name: string, codes: Readonly<Record<LaneBits, number>>, lane: Lane) =>
  family(name, 'i', codes, (full, code, bits) =>
    make(full, code, [V, 'i32'], V, ([a, by]) => {
      const n = by! % BigInt(bits);
      return fromLanes(
        lanesOf(a!, bits).map((x) => lane(x, n, bits)),
        bits,
      );
    }),
  );

const mask = (b: boolean): bigint => (b ? -1n : 0n);
const comparison = <W extends LaneBits>(
  name: string,
  codes: Readonly<Record<W, number>>,
  holds: (a: bigint, b: bigint) => boolean,
) => both(name, codes, (a, b) => mask(holds(a, b)));

const clampSigned = (v: bigint, bits: number): bigint => {
  const top = (1n << BigInt(bits - 1)) - 1n;
  return v > top ? top : v < -top - 1n ? -top - 1n : v;
};
const clampUnsigned = (v: bigint, bits: number): bigint => {
  const top = (1n << BigInt(bits)) - 1n;
  return v > top ? top : v < 0n ? 0n : v;
};

/** Codes of 8, 16, 32 and 64 bits from the one of 8 bits: most blocks of opcodes repeat every 32 (0x20). */
const every = (code: number): Readonly<Record<LaneBits, number>> => ({
  8: code,
  16: code + 0x20,
  32: code + 0x40,
  64: code + 0x60,
});
const upTo32 = (code: number): Readonly<Record<8 | 16 | 32, number>> => ({
  8: code,
  16: code + 0x20,
  32: code + 0x40,
});
const narrowOnly = (code: number): Readonly<Record<8 | 16, number>> => ({ 8: code, 16: code + 0x20 });
/** Comparisons come in blocks of ten; those of 64 bits stand elsewhere and have no unsigned ones. */
const compareCodes = (code: number, wide: number): Readonly<Record<LaneBits, number>> => ({
  8: code,
  16: code + 10,
  32: code + 20,
  64: wide,
});
const unsignedCodes = (code: number): Readonly<Record<8 | 16 | 32, number>> => ({
  8: code,
  16: code + 10,
  32: code + 20,
});

const larger = (a: bigint, b: bigint): bigint => (a > b ? a : b);
const smaller = (a: bigint, b: bigint): bigint => (a < b ? a : b);
const onSigned =
  (f: (a: bigint, b: bigint) => bigint) =>
  (a: bigint, b: bigint, bits: number): bigint =>
    f(toSigned(a, bits), toSigned(b, bits));
const signedComparison = (
  name: string,
  code: number,
  wide: number,
  holds: (a: bigint, b: bigint) => boolean,
) =>
  both(
    name,
    compareCodes(code, wide),
    onSigned((a, b) => mask(holds(a, b))),
  );
const read = (v: bigint, bits: number, isSigned: boolean): bigint => (isSigned ? toSigned(v, bits) : v);

/** Lanes of one half, widened: keys are the width of the source. */
const widen = (name: string, codes: Readonly<Record<8 | 16 | 32, number>>, high: boolean, s: boolean) =>
  family(name, 'i', codes, (_full, code, bits) =>
    make(
      `${shapeName('i', 2 * bits)}.${name}_${shapeName('i', bits)}_${s ? 's' : 'u'}`,
      code,
      [V],
      V,
      ([a]) => {
        const lanes = lanesOf(a!, bits);
        const half = high ? lanes.slice(lanes.length / 2) : lanes.slice(0, lanes.length / 2);
        return fromLanes(
          half.map((x) => read(x, bits, s)),
          2 * bits,
        );
      },
    ),
  );

const widenProduct = (
  name: string,
  codes: Readonly<Record<8 | 16 | 32, number>>,
  high: boolean,
  s: boolean,
) =>
  family(name, 'i', codes, (_full, code, bits) =>
    make(
      `${shapeName('i', 2 * bits)}.${name}_${shapeName('i', bits)}_${s ? 's' : 'u'}`,
      code,
      [V, V],
      V,
      (args) => {
        const [a, b] = args.map((v) => lanesOf(v, bits).map((x) => read(x, bits, s))) as [bigint[], bigint[]];
        const from = high ? a.length / 2 : 0;
        return fromLanes(
          a.slice(from, from + a.length / 2).map((x, i) => x * b[from + i]!),
          2 * bits,
        );
      },
    ),
  );

const pairwise = (s: boolean, codes: Readonly<Record<8 | 16, number>>) =>
  family('extadd_pairwise', 'i', codes, (_full, code, bits) =>
    make(
      `${shapeName('i', 2 * bits)}.extadd_pairwise_${shapeName('i', bits)}_${s ? 's' : 'u'}`,
      code,
      [V],
      V,
      ([a]) => {
        const lanes = lanesOf(a!, bits).map((x) => read(x, bits, s));
        return fromLanes(
          Array.from({ length: lanes.length / 2 }, (_, i) => lanes[2 * i]! + lanes[2 * i + 1]!),
          2 * bits,
        );
      },
    ),
  );

/** Two vectors of 2 * bits to one of `bits`, saturating; the sources are signed. Keys are the width of the result. */
const narrowing = (s: boolean, codes: Readonly<Record<8 | 16, number>>) =>
  family('narrow', 'i', codes, (_full, code, bits) =>
    make(
      `${shapeName('i', bits)}.narrow_${shapeName('i', 2 * bits)}_${s ? 's' : 'u'}`,
      code,
      [V, V],
      V,
      (args) =>
        fromLanes(
          args
            .flatMap((v) => lanesOf(v, 2 * bits))
            .map((x) => toSigned(x, 2 * bits))
            .map((x) => (s ? clampSigned(x, bits) : clampUnsigned(x, bits))),
          bits,
        ),
    ),
  );

const floats = (single: number, double: number): Readonly<Record<32 | 64, number>> => ({
  32: single,
  64: double,
});
const onFloat =
  (f: (a: number, b: number) => boolean) =>
  (a: bigint, b: bigint, bits: number): bigint =>
    mask(f(toFloat(bits, a), toFloat(bits, b)));
const arithmetic = (name: string, single: number, double: number, f: (a: number, b: number) => number) =>
  both(name, floats(single, double), onFloats(f), 'f');
const ofOne = (name: string, single: number, double: number, f: (a: number) => number) =>
  each(name, floats(single, double), onFloats(f), 'f');
const relation = (name: string, single: number, double: number, f: (a: number, b: number) => boolean) =>
  both(name, floats(single, double), onFloat(f), 'f');
const truncated = (a: bigint, from: 32 | 64, s: boolean): bigint => {
  const v = toFloat(from, a);
  if (Number.isNaN(v)) return 0n;
  const top = s ? 2 ** 31 - 1 : 2 ** 32 - 1;
  return BigInt(Math.trunc(Math.max(s ? -(2 ** 31) : 0, Math.min(top, v))));
};

/** Each lane by itself, from one width to another: as many of the low ones as both have. */
const converted = (name: string, code: number, from: 32 | 64, to: 32 | 64, lane: (a: bigint) => bigint) =>
  make(name, code, [V], V, ([a]) =>
    fromLanes(
      lanesOf(a!, from)
        .slice(0, 128 / to)
        .map(lane),
      to,
    ),
  );

/** Operations by name and width of lanes: for conversions that of the source. */
export const lanes = {
  add: both('add', every(0x6e), (a, b) => a + b),
  sub: both('sub', every(0x71), (a, b) => a - b),
  mul: both('mul', { 16: 0x95, 32: 0xb5, 64: 0xd5 }, (a, b) => a * b),
  add_sat_s: both('add_sat_s', narrowOnly(0x6f), (a, b, n) =>
    clampSigned(toSigned(a, n) + toSigned(b, n), n),
  ),
  add_sat_u: both('add_sat_u', narrowOnly(0x70), (a, b, n) => clampUnsigned(a + b, n)),
  sub_sat_s: both('sub_sat_s', narrowOnly(0x72), (a, b, n) =>
    clampSigned(toSigned(a, n) - toSigned(b, n), n),
  ),
  sub_sat_u: both('sub_sat_u', narrowOnly(0x73), (a, b, n) => clampUnsigned(a - b, n)),
  min_s: both('min_s', upTo32(0x76), onSigned(smaller)),
  min_u: both('min_u', upTo32(0x77), smaller),
  max_s: both('max_s', upTo32(0x78), onSigned(larger)),
  max_u: both('max_u', upTo32(0x79), larger),
  avgr_u: both('avgr_u', narrowOnly(0x7b), (a, b) => (a + b + 1n) >> 1n),
  q15mulr_sat_s: both('q15mulr_sat_s', { 16: 0x82 }, (a, b, n) =>
    clampSigned((toSigned(a, n) * toSigned(b, n) + 0x4000n) >> 15n, n),
  ),
  abs: each('abs', every(0x60), (a, _b, n) => (toSigned(a, n) < 0n ? -a : a)),
  neg: each('neg', every(0x61), (a) => -a),
  popcnt: each('popcnt', { 8: 0x62 }, (a) => BigInt(a.toString(2).replaceAll('0', '').length)),
  shl: shift('shl', every(0x6b), (a, by) => a << by),
  shr_s: shift('shr_s', every(0x6c), (a, by, n) => toSigned(a, n) >> by),
  shr_u: shift('shr_u', every(0x6d), (a, by) => a >> by),
  eq: comparison('eq', compareCodes(0x23, 0xd6), (a, b) => a === b),
  ne: comparison('ne', compareCodes(0x24, 0xd7), (a, b) => a !== b),
  lt_s: signedComparison('lt_s', 0x25, 0xd8, (a, b) => a < b),
  lt_u: comparison('lt_u', unsignedCodes(0x26), (a, b) => a < b),
  gt_s: signedComparison('gt_s', 0x27, 0xd9, (a, b) => a > b),
  gt_u: comparison('gt_u', unsignedCodes(0x28), (a, b) => a > b),
  le_s: signedComparison('le_s', 0x29, 0xda, (a, b) => a <= b),
  le_u: comparison('le_u', unsignedCodes(0x2a), (a, b) => a <= b),
  ge_s: signedComparison('ge_s', 0x2b, 0xdb, (a, b) => a >= b),
  ge_u: comparison('ge_u', unsignedCodes(0x2c), (a, b) => a >= b),
  extend_low_s: widen('extend_low', upTo32(0x87), false, true),
  extend_high_s: widen('extend_high', upTo32(0x88), true, true),
  extend_low_u: widen('extend_low', upTo32(0x89), false, false),
  extend_high_u: widen('extend_high', upTo32(0x8a), true, false),
  extmul_low_s: widenProduct('extmul_low', upTo32(0x9c), false, true),
  extmul_high_s: widenProduct('extmul_high', upTo32(0x9d), true, true),
  extmul_low_u: widenProduct('extmul_low', upTo32(0x9e), false, false),
  extmul_high_u: widenProduct('extmul_high', upTo32(0x9f), true, false),
  extadd_pairwise_s: pairwise(true, { 8: 0x7c, 16: 0x7e }),
  extadd_pairwise_u: pairwise(false, { 8: 0x7d, 16: 0x7f }),
  narrow_s: narrowing(true, narrowOnly(0x65)),
  narrow_u: narrowing(false, narrowOnly(0x66)),
} as const;

/** The same on lanes that are floats. */
export const floatLanes = {
  add: arithmetic('add', 0xe4, 0xf0, (a, b) => a + b),
  sub: arithmetic('sub', 0xe5, 0xf1, (a, b) => a - b),
  mul: arithmetic('mul', 0xe6, 0xf2, (a, b) => a * b),
  div: arithmetic('div', 0xe7, 0xf3, (a, b) => a / b),
  min: arithmetic('min', 0xe8, 0xf4, (a, b) => Math.min(a, b)),
  max: arithmetic('max', 0xe9, 0xf5, (a, b) => Math.max(a, b)),
  abs: each('abs', floats(0xe0, 0xec), (a, _b, n) => a & ((1n << BigInt(n - 1)) - 1n), 'f'),
  neg: each('neg', floats(0xe1, 0xed), (a, _b, n) => a ^ (1n << BigInt(n - 1)), 'f'),
  sqrt: ofOne('sqrt', 0xe3, 0xef, (a) => Math.sqrt(a)),
  ceil: ofOne('ceil', 0x67, 0x74, (a) => Math.ceil(a)),
  floor: ofOne('floor', 0x68, 0x75, (a) => Math.floor(a)),
  trunc: ofOne('trunc', 0x69, 0x7a, (a) => Math.trunc(a)),
  nearest: ofOne('nearest', 0x6a, 0x94, (a) => nearest(a)),
  eq: relation('eq', 0x41, 0x47, (a, b) => a === b),
  ne: relation('ne', 0x42, 0x48, (a, b) => a !== b),
  lt: relation('lt', 0x43, 0x49, (a, b) => a < b),
  gt: relation('gt', 0x44, 0x4a, (a, b) => a > b),
  le: relation('le', 0x45, 0x4b, (a, b) => a <= b),
  ge: relation('ge', 0x46, 0x4c, (a, b) => a >= b),
} as const;

const bytesOf = (v: bigint): bigint[] => lanesOf(v, 8);

/** Operations that are not of one kind of lane. */
export const vectors = {
  and: make('v128.and', 0x4e, [V, V], V, ([a, b]) => a! & b!),
  /** The bits of the first that the second has not. */
  andnot: make('v128.andnot', 0x4f, [V, V], V, ([a, b]) => a! & ~b!),
  or: make('v128.or', 0x50, [V, V], V, ([a, b]) => a! | b!),
  xor: make('v128.xor', 0x51, [V, V], V, ([a, b]) => a! ^ b!),
  not: make('v128.not', 0x4d, [V], V, ([a]) => ~a!),
  /** Bits of the first where the third has ones, else of the second. */
  bitselect: make('v128.bitselect', 0x52, [V, V, V], V, ([a, b, c]) => (a! & c!) | (b! & ~c!)),
  any_true: make('v128.any_true', 0x53, [V], 'i32', ([a]) => (a === 0n ? 0n : 1n)),
  /** Lanes of the first and second, numbered through. */
  shuffle: make(
    'i8x16.shuffle',
    0x0d,
    [V, V],
    V,
    ([a, b], from) => {
      const all = [...bytesOf(a!), ...bytesOf(b!)];
      return fromLanes(
        from.map((i) => all[i]!),
        8,
      );
    },
    16,
  ),
  /** Bytes of the first by the numbers in the second; 0 for those above 15. */
  swizzle: make('i8x16.swizzle', 0x0e, [V, V], V, ([a, b]) => {
    const table = bytesOf(a!);
    return fromLanes(
      bytesOf(b!).map((i) => table[Number(i)] ?? 0n),
      8,
    );
  }),
  /** Adjacent products of i16, added. */
  dot: make('i32x4.dot_i16x8_s', 0xba, [V, V], V, (args) => {
    const [a, b] = args.map((v) => lanesOf(v, 16).map((x) => toSigned(x, 16))) as [bigint[], bigint[]];
    return fromLanes(
      [0, 2, 4, 6].map((i) => a[i]! * b[i]! + a[i + 1]! * b[i + 1]!),
      32,
    );
  }),
  /** Singles and doubles: the low two lanes; the others of the result are zero. */
  demote: converted('f32x4.demote_f64x2_zero', 0x5e, 64, 32, (x) => fromFloat(32, toFloat(64, x))),
  promote: converted('f64x2.promote_low_f32x4', 0x5f, 32, 64, (x) => fromFloat(64, toFloat(32, x))),
  trunc_s: converted('i32x4.trunc_sat_f32x4_s', 0xf8, 32, 32, (x) => truncated(x, 32, true)),
  trunc_u: converted('i32x4.trunc_sat_f32x4_u', 0xf9, 32, 32, (x) => truncated(x, 32, false)),
  convert_s: converted('f32x4.convert_i32x4_s', 0xfa, 32, 32, (x) => fromFloat(32, Number(toSigned(x, 32)))),
  convert_u: converted('f32x4.convert_i32x4_u', 0xfb, 32, 32, (x) => fromFloat(32, Number(x))),
  convertLow_s: converted('f64x2.convert_low_i32x4_s', 0xfe, 32, 64, (x) =>
    fromFloat(64, Number(toSigned(x, 32))),
  ),
  convertLow_u: converted('f64x2.convert_low_i32x4_u', 0xff, 32, 64, (x) => fromFloat(64, Number(x))),
} as const;

const scalarTy = (bits: number): Ty => (bits === 64 ? 'i64' : 'i32');

/** All lanes alike, from the low bits of a number. */
export const splat = family('splat', 'i', { 8: 0x0f, 16: 0x10, 32: 0x11, 64: 0x12 }, (name, code, bits) =>
  make(name, code, [scalarTy(bits)], V, ([a]) => fromLanes(Array<bigint>(128 / bits).fill(a!), bits)),
);

/** One lane, zero-extended: i64 if it has 64 bits, else i32. */
export const extract = family(
  'extract_lane',
  'i',
  { 8: 0x16, 16: 0x19, 32: 0x1b, 64: 0x1d },
  (name, code, bits) =>
    make(
      bits < 32 ? `${name}_u` : name,
      code,
      [V],
      scalarTy(bits),
      ([a], [lane]) => lanesOf(a!, bits)[lane!]!,
      1,
    ),
);

/** A vector with one lane replaced by the low bits of a number. */
export const replace = family(
  'replace_lane',
  'i',
  { 8: 0x17, 16: 0x1a, 32: 0x1c, 64: 0x1e },
  (name, code, bits) =>
    make(
      name,
      code,
      [V, scalarTy(bits)],
      V,
      ([a, v], [lane]) => {
        const all = lanesOf(a!, bits);
        all[lane!] = v!;
        return fromLanes(all, bits);
      },
      1,
    ),
);

export type LaneOp = keyof typeof lanes;
export type FloatLaneOp = keyof typeof floatLanes;
export type VectorOp = keyof typeof vectors;

/** The operation on lanes of a width. @throws TypeError if wasm has none */
export function laneOp(op: LaneOp, bits: LaneBits): SimdOp {
  const row: Partial<Record<LaneBits, SimdOp>> = lanes[op];
  const found = row[bits];
  if (!found) throw new TypeError(`IR: no ${op} on lanes of ${bits} bits`);
  return found;
}

/** All of them, for tests and for who prints them. */
export const allSimdOps: readonly SimdOp[] = [
  ...Object.values(lanes).flatMap((by) => Object.values<SimdOp>(by)),
  ...Object.values(floatLanes).flatMap((by) => Object.values<SimdOp>(by)),
  ...Object.values(vectors),
  ...Object.values(splat),
  ...Object.values(extract),
  ...Object.values(replace),
];
