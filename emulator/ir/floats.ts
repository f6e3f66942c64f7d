/**
 * Floating-point operations of the host, as tables. They work on raw bits: an i32 is a single, an i64 a double. All round to
 * nearest, flush nothing and set no flags. Which NaN comes out of arithmetic is up to the host (wasm 4.3.3 "Floating-Point
 * Operations"), so guest-visible results may use these only where none does.
 */
import { toUnsigned, type Ty } from './ops';

/** The number that raw bits stand for: 64 of a double, else of a single. */
export const toFloat = (bits: number, v: bigint): number => {
  const view = new DataView(new ArrayBuffer(8));
  if (bits === 64) view.setBigUint64(0, v);
  else view.setUint32(0, Number(v));
  return bits === 64 ? view.getFloat64(0) : view.getFloat32(0);
};

/** And back. */
export const fromFloat = (bits: number, v: number): bigint => {
  const view = new DataView(new ArrayBuffer(8));
  if (bits === 64) view.setFloat64(0, v);
  else view.setFloat32(0, v);
  return bits === 64 ? view.getBigUint64(0) : BigInt(view.getUint32(0));
};

/** A double's result rounds to that of singles: 53 bits are more than twice 24 and two. */
export const onFloats =
  (f: (a: number, b: number) => number) =>
  (a: bigint, b: bigint, bits: number): bigint =>
    fromFloat(bits, f(toFloat(bits, a), toFloat(bits, b)));

/** Sets or replaces the sign: these take any bits, NaNs too. */
const onBits =
  (f: (a: bigint, b: bigint, sign: bigint) => bigint) =>
  (a: bigint, b: bigint, bits: number): bigint =>
    f(a, b, 1n << BigInt(bits - 1));

/** wasm's nearest: ties to even. */
export const nearest = (a: number): number => {
  if (!Number.isFinite(a) || Math.abs(a) >= 2 ** 52) return a;
  const away = a < 0 || Object.is(a, -0) ? -(2 ** 52) : 2 ** 52;
  const rounded = a + away - away;
  return rounded === 0 && away < 0 ? -0 : rounded;
};

/** `code`: for singles and doubles. */
export const floatOps = {
  add: { code: [0x92, 0xa0], operands: 2, eval: onFloats((a, b) => a + b) },
  sub: { code: [0x93, 0xa1], operands: 2, eval: onFloats((a, b) => a - b) },
  mul: { code: [0x94, 0xa2], operands: 2, eval: onFloats((a, b) => a * b) },
  div: { code: [0x95, 0xa3], operands: 2, eval: onFloats((a, b) => a / b) },
  min: { code: [0x96, 0xa4], operands: 2, eval: onFloats((a, b) => Math.min(a, b)) },
  max: { code: [0x97, 0xa5], operands: 2, eval: onFloats((a, b) => Math.max(a, b)) },
  sqrt: { code: [0x91, 0x9f], operands: 1, eval: onFloats((a) => Math.sqrt(a)) },
  ceil: { code: [0x8d, 0x9b], operands: 1, eval: onFloats((a) => Math.ceil(a)) },
  floor: { code: [0x8e, 0x9c], operands: 1, eval: onFloats((a) => Math.floor(a)) },
  trunc: { code: [0x8f, 0x9d], operands: 1, eval: onFloats((a) => Math.trunc(a)) },
  nearest: { code: [0x90, 0x9e], operands: 1, eval: onFloats((a) => nearest(a)) },
  abs: { code: [0x8b, 0x99], operands: 1, eval: onBits((a, _b, sign) => a & (sign - 1n)) },
  neg: { code: [0x8c, 0x9a], operands: 1, eval: onBits((a, _b, sign) => a ^ sign) },
  copysign: {
    code: [0x98, 0xa6],
    operands: 2,
    eval: onBits((a, b, sign) => (a & (sign - 1n)) | (b & sign)),
  },
} as const;

export type FloatOp = keyof typeof floatOps;

const onTwo =
  (f: (a: number, b: number) => boolean) =>
  (a: bigint, b: bigint, bits: number): bigint =>
    f(toFloat(bits, a), toFloat(bits, b)) ? 1n : 0n;

/** Comparisons: an i32 that is 0 or 1. Only `ne` is true of NaNs. */
export const floatTests = {
  eq: { code: [0x5b, 0x61], eval: onTwo((a, b) => a === b) },
  ne: { code: [0x5c, 0x62], eval: onTwo((a, b) => a !== b) },
  lt: { code: [0x5d, 0x63], eval: onTwo((a, b) => a < b) },
  ge: { code: [0x60, 0x66], eval: onTwo((a, b) => a >= b) },
} as const;

export type FloatTest = keyof typeof floatTests;

/** trunc_sat: towards zero, the nearest limit for what does not fit, 0 for a NaN. */
const saturated =
  (from: number, signed: boolean) =>
  (a: bigint): bigint => {
    const v = toFloat(from, a);
    const [low, high] = signed ? [-(2n ** 63n), 2n ** 63n - 1n] : [0n, 2n ** 64n - 1n];
    if (Number.isNaN(v)) return 0n;
    if (v >= Number(high)) return toUnsigned(high, 64);
    if (v <= Number(low)) return toUnsigned(low, 64);
    return toUnsigned(BigInt(Math.trunc(v)), 64);
  };

/** A single from an integer, rounded once: by way of a double that is rounded to odd. */
function singleOf(v: bigint): bigint {
  const magnitude = v < 0n ? -v : v;
  const cut = BigInt(Math.max(0, magnitude.toString(2).length - 40));
  const lost = (magnitude & ((1n << cut) - 1n)) === 0n ? 0n : 1n;
  const odd = Number((((magnitude >> cut) | lost) << cut) * (v < 0n ? -1n : 1n));
  return fromFloat(32, odd);
}

/** From and to: `f32` and `f64` are raw bits in an i32 and i64. */
export const floatConversions = {
  promote: {
    from: 'f32',
    to: 'f64',
    code: [0xbb],
    eval: (a: bigint) => fromFloat(64, toFloat(32, a)),
  },
  demote: { from: 'f64', to: 'f32', code: [0xb6], eval: (a: bigint) => fromFloat(32, toFloat(64, a)) },
  doubleOfSigned: {
    from: 'i64',
    to: 'f64',
    code: [0xb9],
    eval: (a: bigint) => fromFloat(64, Number(BigInt.asIntN(64, a))),
  },
  doubleOfUnsigned: { from: 'i64', to: 'f64', code: [0xba], eval: (a: bigint) => fromFloat(64, Number(a)) },
  singleOfSigned: {
    from: 'i64',
    to: 'f32',
    code: [0xb4],
    eval: (a: bigint) => singleOf(BigInt.asIntN(64, a)),
  },
  singleOfUnsigned: { from: 'i64', to: 'f32', code: [0xb5], eval: singleOf },
  signedOfDouble: { from: 'f64', to: 'i64', code: [0xfc, 6], eval: saturated(64, true) },
  unsignedOfDouble: { from: 'f64', to: 'i64', code: [0xfc, 7], eval: saturated(64, false) },
  signedOfSingle: { from: 'f32', to: 'i64', code: [0xfc, 4], eval: saturated(32, true) },
  unsignedOfSingle: { from: 'f32', to: 'i64', code: [0xfc, 5], eval: saturated(32, false) },
} as const;

export type FloatConversion = keyof typeof floatConversions;

/** The type that holds the raw bits of a float, or an integer. */
export const bitsType = (ty: Ty | 'f32' | 'f64'): Ty => (ty === 'f32' ? 'i32' : ty === 'f64' ? 'i64' : ty);

/** wasm opcodes between raw bits and floats: [single, double]. */
export const reinterpret = { toFloat: [0xbe, 0xbf], toBits: [0xbc, 0xbd] } as const;

/** A finite number as an integer times a power of two. */
function exact(bits: number, v: bigint): { n: bigint; exp: number } {
  const [fraction, bias] = bits === 64 ? [52, 1075] : [23, 150];
  const negative = v >> BigInt(bits - 1) === 1n;
  const biased = Number((v >> BigInt(fraction)) & ((1n << BigInt(bits - 1 - fraction)) - 1n));
  const low = v & ((1n << BigInt(fraction)) - 1n);
  const n = biased === 0 ? low : low | (1n << BigInt(fraction));
  return { n: negative ? -n : n, exp: Math.max(biased, 1) - bias };
}

/** n * 2^exp to nearest, ties to even. n is not 0. */
function rounded(bits: number, n: bigint, exp: number): bigint {
  const [fraction, lowest] = bits === 64 ? [52, -1074] : [23, -149];
  const magnitude = n < 0n ? -n : n;
  const length = magnitude.toString(2).length;
  // The exponent of the last bit that is kept.
  const last = Math.max(lowest, exp + length - 1 - fraction);
  const cut = last - exp;
  let kept = cut <= 0 ? magnitude << BigInt(-cut) : magnitude >> BigInt(cut);
  if (cut > 0) {
    const rest = magnitude - (kept << BigInt(cut));
    const half = 1n << BigInt(cut - 1);
    if (rest > half || (rest === half && (kept & 1n) === 1n)) kept++;
  }
  // A number with a leading one counts it in the exponent, and a carry goes there by itself.
  const magnitudeBits = (BigInt(last - lowest) << BigInt(fraction)) + kept;
  const infinity = ((1n << BigInt(bits - 1 - fraction)) - 1n) << BigInt(fraction);
  return (magnitudeBits > infinity ? infinity : magnitudeBits) | (n < 0n ? 1n << BigInt(bits - 1) : 0n);
}

/** c + a * b, rounded once. */
export function fused(c: bigint, a: bigint, b: bigint, bits: number): bigint {
  const [x, y, z] = [toFloat(bits, c), toFloat(bits, a), toFloat(bits, b)];
  const finite = Number.isFinite(y) && Number.isFinite(z);
  // A finite product does not count, even if it overflows.
  if (!Number.isFinite(x) && finite) return c;
  if (!finite || y === 0 || z === 0) return fromFloat(bits, x + y * z);
  const [p, q, r] = [exact(bits, c), exact(bits, a), exact(bits, b)];
  const exp = Math.min(p.exp, q.exp + r.exp);
  const sum = (p.n << BigInt(p.exp - exp)) + ((q.n * r.n) << BigInt(q.exp + r.exp - exp));
  if (sum !== 0n) return rounded(bits, sum, exp);
  // The product is not 0, so that both had opposite signs.
  return 0n;
}

/** Between floats and lanes of vectors, behind the prefix of vector operations: [singles, doubles]. */
export const floatLane = {
  splat: [0x13, 0x14],
  extract_lane: [0x1f, 0x21],
  replace_lane: [0x20, 0x22],
  relaxed_madd: [0x105, 0x107],
} as const;
