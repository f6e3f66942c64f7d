/**
 * Integer operations on whole vectors, for rows: what the host does with 128 bits at a time. `e` is the size of elements. Where the
 * host has no such operation on elements of a size, identities of two's complement make it of those that it has.
 */
import type { Operand, Val } from '../../../ir/nodes';
import { fromLanes, type LaneOp } from '../../../ir/simd';
import { Flags, raiseFlags } from '../fp/format';
import type { A64 } from '../sem';
import { maskOf, type Esize } from './lanes';

/** On Rn and Rm; `d` is the old destination. */
export type Whole = (s: A64, n: Val, m: Val, e: Esize, d: () => Val) => Val;

/** A number in all elements. */
export const all = (s: A64, e: Esize, n: bigint): Val => s.v128(fromLanes(Array<bigint>(128 / e).fill(n), e));

const lowest = (e: Esize): bigint => 1n << BigInt(e - 1);

export const zero = (s: A64): Val => s.v128(0n);

/** Element 0, with zeros above. */
export const onlyFirst = (s: A64, v: Val, e: Esize): Val =>
  e === 64 ? s.lowHalf(v) : s.vector('and', v, s.v128(maskOf(e)));

/** 64 or 128 bits of a register as a source; zeros above. */
export const source = (s: A64, r: Operand, q: number): Val => (q ? s.q(r) : s.lowHalf(s.q(r)));

export const lanewise =
  (op: LaneOp): Whole =>
  (s, n, m, e) =>
    s.lanes(op, e, n, m);

/** Sets FPSR.QC if any bit is set. */
export function saturatedWhere(s: A64, differs: Val): void {
  s.if(s.vector('any_true', differs), () => raiseFlags(s, Flags.QC));
}

const flipSigns = (s: A64, v: Val, e: Esize): Val => s.vector('xor', v, all(s, e, lowest(e)));

/** All ones where n > m or n >= m. */
export const compare =
  (relation: 'gt' | 'ge', unsigned: boolean): Whole =>
  (s, n, m, e) => {
    if (!unsigned) return s.lanes(`${relation}_s`, e, n, m);
    if (e !== 64) return s.lanes(`${relation}_u`, e, n, m);
    return s.lanes(`${relation}_s`, 64, flipSigns(s, n, 64), flipSigns(s, m, 64));
  };

const shiftOne = (s: A64, v: Val, e: Esize, unsigned: boolean): Val =>
  s.lanes(unsigned ? 'shr_u' : 'shr_s', e, v, s.i32(1));

/** Half of a sum, without its carry getting lost: what both have, and half of what one has. */
export const halfSum =
  (unsigned: boolean, rounded: boolean): Whole =>
  (s, n, m, e) => {
    if (unsigned && rounded && e < 32) return s.lanes('avgr_u', e, n, m);
    const half = shiftOne(s, s.vector('xor', n, m), e, unsigned);
    return rounded
      ? s.lanes('sub', e, s.vector('or', n, m), half)
      : s.lanes('add', e, s.vector('and', n, m), half);
  };

/** Half of a difference: halves subtracted, and one less where only m is odd. */
export const halfDifference =
  (unsigned: boolean): Whole =>
  (s, n, m, e) => {
    const halves = s.lanes('sub', e, shiftOne(s, n, e, unsigned), shiftOne(s, m, e, unsigned));
    const borrow = s.vector('and', s.vector('andnot', m, n), all(s, e, 1n));
    return s.lanes('sub', e, halves, borrow);
  };

export const extremes =
  (max: boolean, unsigned: boolean): Whole =>
  (s, n, m, e) =>
    s.lanes(`${max ? 'max' : 'min'}_${unsigned ? 'u' : 's'}`, e, n, m);

export const differences =
  (unsigned: boolean): Whole =>
  (s, n, m, e, d) =>
    s.lanes('sub', e, extremes(true, unsigned)(s, n, m, e, d), extremes(false, unsigned)(s, n, m, e, d));

/** The limit that an overflow goes to, by the sign of an operand. */
const limit = (s: A64, v: Val, e: Esize): Val =>
  s.vector('xor', s.lanes('shr_s', e, v, s.i32(e - 1)), all(s, e, lowest(e) - 1n));

/** SQADD, UQADD, SQSUB, UQSUB. */
export const saturatingSum =
  (subtract: boolean, unsigned: boolean): Whole =>
  (s, n, m, e, d) => {
    const plain = s.lanes(subtract ? 'sub' : 'add', e, n, m);
    if (e < 32) {
      const result = s.lanes(`${subtract ? 'sub' : 'add'}_sat_${unsigned ? 'u' : 's'}`, e, n, m);
      saturatedWhere(s, s.vector('xor', plain, result));
      return result;
    }
    if (unsigned) {
      const over = compare('gt', true)(s, subtract ? m : n, subtract ? n : plain, e, d);
      saturatedWhere(s, over);
      return subtract ? s.vector('andnot', plain, over) : s.vector('or', plain, over);
    }
    const signs = s.vector(
      'and',
      s.vector('xor', n, plain),
      subtract ? s.vector('xor', n, m) : s.vector('xor', m, plain),
    );
    const over = s.lanes('shr_s', e, signs, s.i32(e - 1));
    saturatedWhere(s, over);
    return s.vector('bitselect', limit(s, n, e), plain, over);
  };

/** Every second element of two vectors, from element `part` on. */
export function alternate(s: A64, n: Val, m: Val, e: Esize, part: 0 | 1, q = 1): Val {
  const bytes = e / 8;
  const count = (8 << q) / bytes;
  return s.shuffle(
    n,
    m,
    Array.from({ length: 16 }, (_, i) => {
      const element = (2 * Math.floor(i / bytes) + part) % (2 * count);
      return (element < count ? element : element - count + 16 / bytes) * bytes + (i % bytes);
    }),
  );
}

/** The low halves of elements of twice the size, of two vectors. */
export const lowHalves = (s: A64, n: Val, m: Val, e: Esize): Val => alternate(s, n, m, e, 0);

export const product: Whole = (s, n, m, e) => {
  if (e !== 8) return s.lanes('mul', e, n, m);
  return lowHalves(s, s.lanes('extmul_low_u', 8, n, m), s.lanes('extmul_high_u', 8, n, m), 8);
};

/** Carry-less product: the shifted n wherever m has a one; of elements of `e` bits, of which m uses the low 8. */
export const polynomial: Whole = (s, n, m, e) => {
  let moved = n;
  let sum = zero(s);
  for (let bit = 0; bit < 8; bit++) {
    const clear = s.lanes('eq', e, s.vector('and', m, all(s, e, 1n << BigInt(bit))), zero(s));
    sum = s.vector('xor', sum, s.vector('andnot', moved, clear));
    moved = s.lanes('add', e, moved, moved);
  }
  return sum;
};

/** SQDMULH and SQRDMULH: only the lowest number squared does not fit. */
export const doubleHigh =
  (rounded: boolean): Whole =>
  (s, n, m, e) => {
    const least = all(s, e, lowest(e));
    const over = s.vector('and', s.lanes('eq', e, n, least), s.lanes('eq', e, m, least));
    saturatedWhere(s, over);
    if (e === 16 && rounded) return s.lanes('q15mulr_sat_s', 16, n, m);
    const wide = (2 * e) as Esize;
    const half = (op: LaneOp): Val => {
      const p = s.lanes(op, e, n, m);
      const sum = rounded ? s.lanes('add', wide, p, all(s, wide, 1n << BigInt(e - 2))) : p;
      return s.lanes('shr_s', wide, sum, s.i32(e - 1));
    };
    // What overflows is the lowest number: its complement is the highest.
    return s.vector('xor', over, lowHalves(s, half('extmul_low_s'), half('extmul_high_s'), e));
  };

/** The lower or upper half of a vector's elements at twice their size. */
export const widened = (s: A64, v: Val, e: Esize, part: number, unsigned: boolean): Val =>
  s.lanes(`extend_${part ? 'high' : 'low'}_${unsigned ? 'u' : 's'}`, e, v);

/** Products of the lower or upper half of elements, at twice their size. */
export const longProduct = (s: A64, n: Val, m: Val, e: Esize, part: number, unsigned: boolean): Val =>
  s.lanes(`extmul_${part ? 'high' : 'low'}_${unsigned ? 'u' : 's'}`, e, n, m);

/** Writes elements of half the size: the lower half of Rd and zeros, or the upper half alone. `narrow` has zeros above them. */
export function setHalf(s: A64, rd: Operand, part: number, narrow: Val): void {
  if (part) s.setQ(rd, s.shuffle(s.q(rd), narrow, [0, 1, 2, 3, 4, 5, 6, 7, 16, 17, 18, 19, 20, 21, 22, 23]));
  else s.setQ(rd, narrow);
}

/** Elements of `2 * e` bits limited to the values that `e` bits have; sets QC. */
export function limited(s: A64, v: Val, e: Esize, from: 'signed' | 'unsigned' | 'toUnsigned'): Val {
  const wide = (2 * e) as Esize;
  const high = all(s, wide, from === 'signed' ? lowest(e) - 1n : maskOf(e));
  const low = from === 'signed' ? all(s, wide, -lowest(e)) : zero(s);
  const most = (a: Val, b: Val, max: boolean, unsigned: boolean): Val =>
    wide < 64
      ? extremes(max, unsigned)(s, a, b, wide, () => a)
      : s.vector(
          'bitselect',
          ...(max ? [a, b] : [b, a]),
          compare('gt', unsigned)(s, a, b, wide, () => a),
        );
  const result =
    from === 'unsigned' ? most(v, high, false, true) : most(most(v, low, true, false), high, false, false);
  saturatedWhere(s, s.vector('xor', v, result));
  return result;
}

/** A vector reduced to its first element: `count` bytes of it, halves first. */
export function reduced(s: A64, v: Val, e: Esize, bytes: number, apply: (a: Val, b: Val) => Val): Val {
  let result = v;
  for (let half = bytes / 2; half >= e / 8; half /= 2) {
    const rest = s.shuffle(
      result,
      result,
      Array.from({ length: 16 }, (_, i) => (i + half) % 16),
    );
    result = apply(result, rest);
  }
  return result;
}

/** SDOT, UDOT: sums of four products of bytes, as words. */
export function dotProducts(s: A64, n: Val, m: Val, unsigned: boolean): Val {
  const pairs = [0, 1].map((part) =>
    s.lanes(
      unsigned ? 'extadd_pairwise_u' : 'extadd_pairwise_s',
      16,
      longProduct(s, n, m, 8, part, unsigned),
    ),
  ) as [Val, Val];
  return s.lanes('add', 32, alternate(s, ...pairs, 32, 0), alternate(s, ...pairs, 32, 1));
}
