/** Operands for floating point and SIMD tests, after the classes of Berkeley TestFloat: the numbers at which arithmetic turns. */
import type { Random } from './random';

export type FpWidth = 16 | 32 | 64;

const shape = { 16: [5, 10], 32: [8, 23], 64: [11, 52] } as const;

/** Bits of a number from a class that is picked at random. */
export function fpValue(r: Random, width: FpWidth): bigint {
  const [e, f] = shape[width];
  const top = (1n << BigInt(e)) - 1n;
  const bias = top >> 1n;
  const fractionMask = (1n << BigInt(f)) - 1n;
  const sign = BigInt(r.below(2)) << BigInt(width - 1);
  const any = (): bigint => r.bits64() & fractionMask;
  const number = (exponent: bigint, fraction: bigint): bigint =>
    sign | ((exponent & top) << BigInt(f)) | (fraction & fractionMask);
  /** Few bits: products and sums of such numbers are halfway cases. */
  const sparse = (): bigint => (1n << BigInt(r.below(f))) | (1n << BigInt(r.below(f))) | BigInt(r.below(2));
  const fraction = (): bigint =>
    r.pick([any, sparse, () => 0n, () => fractionMask, () => fractionMask ^ sparse(), () => 1n])();
  switch (r.below(14)) {
    case 0:
      return sign;
    case 1:
      return number(0n, r.pick([1n, fractionMask, any(), 1n << BigInt(r.below(f))]));
    case 2:
      return number(top, 0n);
    case 3:
      return number(top, any() | (1n << BigInt(f - 1)));
    case 4:
      return number(top, (any() & (fractionMask >> 1n)) | 1n);
    case 5:
      return number(top - BigInt(1 + r.below(3)), fraction());
    case 6:
      return number(BigInt(1 + r.below(3)), fraction());
    case 7:
      // Near 1: integers, halves and what conversions round.
      return number(bias + BigInt(r.below(f + 12)), fraction());
    case 8:
    case 9:
      return number(bias + BigInt(r.below(7) - 3), fraction());
    case 10:
      return number(bias + BigInt(r.below(2 * f + 4) - f - 2), fraction());
    case 11:
      // Halves of the exponent range: products reach its ends.
      return number((r.below(2) ? bias + (bias >> 1n) : bias >> 1n) + BigInt(r.below(5) - 2), fraction());
    default:
      return r.bits64() & ((1n << BigInt(width)) - 1n);
  }
}

const specials = new Map<FpWidth, readonly bigint[]>();

/**
 * Numbers of all classes in few: for who tries all pairs and triples of them. Both ends of denormals, normals and halves of the
 * exponent range, whose products lie at the ends; few bits and many bits of fraction; what conversions to integers turn at.
 */
export function fpSpecials(width: FpWidth): readonly bigint[] {
  const known = specials.get(width);
  if (known) return known;
  const [e, f] = shape[width];
  const top = (1n << BigInt(e)) - 1n;
  const bias = Number(top >> 1n);
  const ones = (1n << BigInt(f)) - 1n;
  const quiet = 1n << BigInt(f - 1);
  const many = 0x5555_5555_5555_5555n & ones;
  const few = quiet | (quiet >> 2n);
  const sign = 1n << BigInt(width - 1);
  const at = (exponent: number, ...fractions: readonly bigint[]): bigint[] =>
    fractions.map((fraction) => (BigInt(exponent) << BigInt(f)) | fraction);
  const positive = [
    ...at(0, 0n, 1n, 3n, 1n << BigInt(f >> 1), 1n << BigInt(f - 3), many, ones),
    ...at(1, 0n, 1n),
    ...at(2, 0n),
    ...at(f + 2, 0n, few),
    ...at(bias >> 1, 0n, ones),
    ...at((bias >> 1) + 1, few),
    ...at(bias - f - 1, 0n),
    ...at(bias - 1, 0n, ones),
    ...at(bias, 0n, 1n, quiet, many),
    ...at(bias + 1, few, ones),
    ...at(bias + Math.min(31, bias - 1), 0n, few),
    ...at(bias + f, 1n, ones),
    ...at(bias + Math.min(63, bias - 1), 0n),
    ...at(bias + (bias >> 1), 0n, few),
    ...at(2 * bias, 0n, ones),
  ];
  const negative = [0n, 1n, ...at(1, 0n), ...at(bias - 1, 0n), ...at(bias, 0n, many), ...at(2 * bias, ones)];
  const infinity = top << BigInt(f);
  const list = [
    ...positive,
    ...negative.map((v) => v | sign),
    ...[infinity, infinity | sign, infinity | quiet, infinity | 1n | sign],
  ];
  specials.set(width, list);
  return list;
}

/** 64 bits of numbers side by side. */
export function sideBySide(width: FpWidth, make: () => bigint): bigint {
  let v = 0n;
  for (let at = 0; at < 64; at += width) v |= make() << BigInt(at);
  return v;
}

/** Numbers from all classes. */
export const fpVector = (r: Random, width: FpWidth): bigint => sideBySide(width, () => fpValue(r, width));

/** 64 bits of integer elements: limits of each size, or anything. */
export function integerVector(r: Random): bigint {
  const width = BigInt(r.pick([8, 16, 32, 64]));
  const mask = (1n << width) - 1n;
  let v = 0n;
  for (let at = 0n; at < 64n; at += width) {
    const limit = r.pick([0n, 1n, mask, mask >> 1n, (mask >> 1n) + 1n, BigInt(r.below(70))]);
    v |= ((r.below(2) ? limit : r.bits64()) & mask) << at;
  }
  return v;
}

/** FPCR: rounding, FZ, DN, AHP, and FZ16 where the CPU has half precision. */
export function fpControl(r: Random, half: boolean): bigint {
  const bit = (n: bigint): bigint => (r.below(4) === 0 ? 1n << n : 0n);
  return (BigInt(r.below(4)) << 22n) | bit(24n) | bit(25n) | bit(26n) | (half ? bit(19n) : 0n);
}
