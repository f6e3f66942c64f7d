/** FPMulAdd() and the steps of FRECPS and FRSQRTS, which share its exact sum of a product and a number. */
import type { Val } from '../../../ir/nodes';
import { addAndReturn, product, returnExactZero, returnNaNs } from './arithmetic';
import {
  isNaN,
  perFormat,
  processNaN,
  processNaNs3,
  returnInvalid,
  roundingMode,
  unpack,
  withSign,
  type Format,
  type Unpacked,
} from './format';
import { normalizeAndRound } from './round';
import type { A64 } from '../sem';

/** A number of 128 bits: bit 127 stands for 2^exp. */
interface Wide {
  readonly sign: Val;
  readonly exp: Val;
  readonly hi: Val;
  readonly lo: Val;
}

/** The product of two numbers, bit 127 set. */
function exactProduct(s: A64, f: Format, sign: Val, a: Unpacked, b: Unpacked): Wide {
  const p = product(s, f, a.mant, b.mant);
  const exp = s.addi(s.add(a.exp, b.exp), 1);
  const short = s.ges(p.hi, s.i64(0));
  const by = s.zext(short);
  const carried = s.and(s.shri(p.lo, 63), by);
  return { sign, exp: s.sub(exp, short), hi: s.or(s.shl(p.hi, by), carried), lo: s.shl(p.lo, by) };
}

/** Returns the rounded sum, times 2^scale. The lowest bits of both are zero: they leave room for what is shifted out. */
function addWideAndReturn(s: A64, f: Format, a: Wide, b: Wide, scale: number): void {
  if (f.bits !== 64) {
    // The product of two 24-bit mantissas fits.
    const mants = [a, b].map((w) => ({ sign: w.sign, exp: w.exp, mant: w.hi })) as [
      Pick<Unpacked, 'sign' | 'exp' | 'mant'>,
      Pick<Unpacked, 'sign' | 'exp' | 'mant'>,
    ];
    return addAndReturn(s, f, ...mants, s.i32(scale));
  }
  const above = s.or(s.ltu(a.hi, b.hi), s.and(s.eq(a.hi, b.hi), s.ltu(a.lo, b.lo)));
  const swap = s.or(s.lts(a.exp, b.exp), s.and(s.eq(a.exp, b.exp), above));
  const pick = (x: Val, y: Val): Val => s.select(swap, y, x);
  const exp = pick(a.exp, b.exp);
  const distance = s.sub(exp, pick(b.exp, a.exp));
  const half = (hi: Val, lo: Val): { hi: Val; lo: Val } => ({
    hi: s.shri(hi, 1),
    lo: s.or(s.shri(lo, 1), s.shli(hi, 63)),
  });
  const large = half(pick(a.hi, b.hi), pick(a.lo, b.lo));
  const other = half(pick(b.hi, a.hi), pick(b.lo, a.lo));
  const hi = s.local('hi', other.hi);
  const lo = s.local('lo', other.lo);
  s.if(s.geu(distance, s.i32(64)), () => {
    // What leaves the lower half is collected; what leaves it altogether is one bit.
    const by = s.addi(distance, -64);
    const far = s.geu(by, s.i32(64));
    const n = s.zext(by);
    const lost = s.shl(s.read(hi), s.neg(n));
    const some = s.or(s.nei(s.read(lo), 0), s.and(s.nei(lost, 0), s.nei(by, 0)));
    const near = s.or(s.shru(s.read(hi), n), s.zext(some));
    s.assign(lo, s.select(far, s.zext(s.nei(s.or(s.read(hi), s.read(lo)), 0)), near));
    s.assign(hi, s.i64(0));
  });
  s.if(s.and(s.nei(distance, 0), s.ltu(distance, s.i32(64))), () => {
    const n = s.zext(distance);
    const lost = s.nei(s.shl(s.read(lo), s.neg(n)), 0);
    const low = s.or(s.shru(s.read(lo), n), s.shl(s.read(hi), s.neg(n)));
    s.assign(lo, s.or(low, s.zext(lost)));
    s.assign(hi, s.shru(s.read(hi), n));
  });
  const differ = s.ne(a.sign, b.sign);
  const [h, l] = [s.read(hi), s.read(lo)];
  const plusLo = s.add(large.lo, l);
  const minusLo = s.sub(large.lo, l);
  const plusHi = s.add(s.add(large.hi, h), s.zext(s.ltu(plusLo, l)));
  const minusHi = s.sub(s.sub(large.hi, h), s.zext(s.ltu(large.lo, l)));
  const sumHi = s.select(differ, minusHi, plusHi);
  const sumLo = s.select(differ, minusLo, plusLo);
  const sign = pick(a.sign, b.sign);
  s.if(s.eqz(s.or(sumHi, sumLo)), () => {
    s.if(differ, () => returnExactZero(s, f));
    s.ret(withSign(s, f, sign, s.i64(0)));
  });
  const e = s.addi(exp, 1 + scale);
  s.if(s.eqz(sumHi), () => {
    s.ret(normalizeAndRound(s, f, sign, s.addi(e, -64), sumLo, roundingMode(s)));
  });
  const zeros = s.clz(sumHi);
  const up = s.or(s.shl(sumHi, zeros), s.select(s.eqz(zeros), s.i64(0), s.shru(sumLo, s.neg(zeros))));
  const sticky = s.nei(s.shl(sumLo, zeros), 0);
  const mant = s.or(up, s.zext(sticky));
  s.ret(normalizeAndRound(s, f, sign, s.sub(e, s.wrap(zeros)), mant, roundingMode(s)));
}

/** A zero is smaller than any product. */
const wide = (s: A64, a: Unpacked): Wide => ({
  sign: a.sign,
  exp: s.select(a.zero(), s.i32(-0x4000), a.exp),
  hi: a.mant,
  lo: s.i64(0),
});

/** FPMulAdd(): addend + a * b, rounded once. Callers reverse signs of the raw operands. */
export const fpMulAdd = perFormat('fpMulAdd', ['i64', 'i64', 'i64'], 'i64', (s, f, rawC, rawA, rawB) => {
  const c = unpack(s, f, rawC);
  const a = unpack(s, f, rawA);
  const b = unpack(s, f, rawB);
  const sign = s.xor(a.sign, b.sign);
  s.if(s.or(s.or(a.special, b.special), c.special), () => {
    const impossible = s.or(s.and(a.inf(), b.zero()), s.and(b.inf(), a.zero()));
    // A quiet NaN added to infinity times zero is no result either.
    s.if(s.and(impossible, s.and(isNaN(s, f, rawC), s.nei(s.andi(rawC, f.quiet), 0))), () =>
      returnInvalid(s, f),
    );
    s.if(s.or(s.or(a.nan(), b.nan()), c.nan()), () => s.ret(s.call(processNaNs3[f.bits], rawC, rawA, rawB)));
    const infinite = s.or(a.inf(), b.inf());
    s.if(s.or(impossible, s.and(s.and(c.inf(), infinite), s.ne(c.sign, sign))), () => returnInvalid(s, f));
    s.ret(withSign(s, f, s.select(infinite, sign, c.sign), s.i64(f.infinity)));
  });
  s.if(s.or(a.zero(), b.zero()), () => {
    s.if(c.zero(), () => {
      s.if(s.ne(c.sign, sign), () => returnExactZero(s, f));
      s.ret(withSign(s, f, sign, s.i64(0)));
    });
    // The addend alone, rounded: exact, as it is a number of this format.
    s.ret(normalizeAndRound(s, f, c.sign, c.exp, c.mant, roundingMode(s)));
  });
  addWideAndReturn(s, f, exactProduct(s, f, sign, a, b), wide(s, c), 0);
});

/** FPRecipStepFused(): 2 - a * b; FPRSqrtStepFused(): (3 - a * b) / 2. `bits` are those of the constant's mantissa. */
const step = (name: string, mant: bigint, exp: number, scale: number, limit: (f: Format) => bigint) =>
  perFormat(name, ['i64', 'i64'], 'i64', (s, f, rawA, rawB) => {
    const negated = s.xor(rawA, s.i64(f.sign));
    const a = unpack(s, f, negated);
    const b = unpack(s, f, rawB);
    const sign = s.xor(a.sign, b.sign);
    s.if(s.or(a.special, b.special), () => {
      returnNaNs(s, f, a, b);
      s.if(s.or(s.and(a.inf(), b.zero()), s.and(b.inf(), a.zero())), () => s.ret(s.i64(limit(f))));
      s.ret(withSign(s, f, sign, s.i64(f.infinity)));
    });
    s.if(s.or(a.zero(), b.zero()), () => s.ret(s.i64(limit(f))));
    const constant: Wide = { sign: s.i32(0), exp: s.i32(exp), hi: s.i64(mant), lo: s.i64(0) };
    addWideAndReturn(s, f, exactProduct(s, f, sign, a, b), constant, scale);
  });

/** 2.0 and 1.5 in a format. */
const two = (f: Format): bigint => BigInt(f.bias + 1) << BigInt(f.frac);
const oneAndHalf = (f: Format): bigint => (BigInt(f.bias) << BigInt(f.frac)) | f.quiet;

export const fpRecipStep = step('fpRecipStep', 1n << 63n, 1, 0, two);
export const fpRSqrtStep = step('fpRSqrtStep', 3n << 62n, 1, -1, oneAndHalf);

/** FPRecpX(): the exponent inverted, for scaling before a reciprocal. */
export const fpRecpX = perFormat('fpRecpX', ['i64'], 'i64', (s, f, raw) => {
  const a = unpack(s, f, raw);
  s.if(a.nan(), () => s.ret(s.call(processNaN[f.bits], raw)));
  const exponent = s.bits(raw, f.frac, f.exp);
  const ones = (1n << BigInt(f.exp)) - 1n;
  const inverted = s.select(s.eqz(exponent), s.i64(ones - 1n), s.xor(exponent, s.i64(ones)));
  s.ret(withSign(s, f, a.sign, s.shli(inverted, f.frac)));
});
