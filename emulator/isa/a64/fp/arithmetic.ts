/** FPAdd(), FPSub(), FPMul(), FPMulX(), FPDiv(), FPSqrt() of Arm ARM DDI 0487 J1.3. */
import type { Val } from '../../../ir/nodes';
import {
  Flags,
  perFormat,
  processNaN,
  processNaNs,
  raiseFlags,
  returnInvalid,
  Rounding,
  roundingMode,
  unpack,
  withSign,
  type Format,
  type Unpacked,
} from './format';
import { fpRound, normalizeAndRound, shiftRightJam } from './round';
import { tryHost } from './quick';
import type { A64 } from '../sem';

/** Returns the result for two operands of which one is a NaN. */
export function returnNaNs(s: A64, f: Format, a: Unpacked, b: Unpacked): void {
  s.if(s.or(a.nan(), b.nan()), () => s.ret(s.call(processNaNs[f.bits], a.raw, b.raw)));
}

/** Returns the zero of an exact cancellation: negative when rounding down. */
export function returnExactZero(s: A64, f: Format): void {
  s.ret(withSign(s, f, s.eqi(roundingMode(s), Rounding.down), s.i64(0)));
}

/**
 * Adds two numbers with mantissas of at most 62 significant bits, as exponent and mantissa with bit 63 set (or 0), and
 * returns the rounded sum.
 */
export function addAndReturn(
  s: A64,
  f: Format,
  a: Pick<Unpacked, 'sign' | 'exp' | 'mant'>,
  b: Pick<Unpacked, 'sign' | 'exp' | 'mant'>,
  exponentBias: Val = s.i32(0),
): void {
  const swap = s.or(s.lts(a.exp, b.exp), s.and(s.eq(a.exp, b.exp), s.ltu(a.mant, b.mant)));
  const pick = (x: Val, y: Val): Val => s.select(swap, y, x);
  const exp = pick(a.exp, b.exp);
  const large = s.shri(pick(a.mant, b.mant), 1);
  // Two bits or more apart, the result loses at most one leading bit, so that the collected bits stay below it.
  const distance = s.sub(exp, pick(b.exp, a.exp));
  const small = shiftRightJam(s, s.shri(pick(b.mant, a.mant), 1), distance);
  const differ = s.ne(a.sign, b.sign);
  const sum = s.select(differ, s.sub(large, small), s.add(large, small));
  s.if(s.eqz(sum), () => {
    s.if(differ, () => returnExactZero(s, f));
    s.ret(withSign(s, f, a.sign, s.i64(0)));
  });
  const e = s.add(s.addi(exp, 1), exponentBias);
  s.ret(normalizeAndRound(s, f, pick(a.sign, b.sign), e, sum, roundingMode(s)));
}

/** FPAdd(); FPSub() is the sum with the second operand's sign reversed, unless that is a NaN. */
const addition = (name: string, subtract: boolean): ReturnType<typeof perFormat> =>
  perFormat(name, ['i64', 'i64'], 'i64', (s, f, rawA, rawB) => {
    tryHost(s, f, subtract ? 'sub' : 'add', rawA, rawB);
    const a = unpack(s, f, rawA);
    const right = unpack(s, f, rawB);
    const b = subtract ? { ...right, sign: s.eqz(right.sign) } : right;
    s.if(s.or(a.special, b.special), () => {
      returnNaNs(s, f, a, b);
      s.if(s.and(s.and(a.inf(), b.inf()), s.ne(a.sign, b.sign)), () => returnInvalid(s, f));
      s.ret(withSign(s, f, s.select(a.inf(), a.sign, b.sign), s.i64(f.infinity)));
    });
    addAndReturn(s, f, a, b);
  });

export const fpAdd = addition('fpAdd', false);
export const fpSub = addition('fpSub', true);

/** The product of two mantissas with bit 63 set: the upper 64 bits, and the lower ones (zero where they always are). */
export function product(s: A64, f: Format, a: Val, b: Val): { hi: Val; lo: Val } {
  if (f.bits === 64) return { hi: s.mulHigh(a, b, false), lo: s.mul(a, b) };
  return { hi: s.mul(s.shri(a, 32), s.shri(b, 32)), lo: s.i64(0) };
}

/** The sign of a product or quotient. */
const xorSign = (s: A64, a: Unpacked, b: Unpacked): Val => s.xor(a.sign, b.sign);

const multiplication = (name: string, extended: boolean): ReturnType<typeof perFormat> =>
  perFormat(name, ['i64', 'i64'], 'i64', (s, f, rawA, rawB) => {
    tryHost(s, f, 'mul', rawA, rawB);
    const a = unpack(s, f, rawA);
    const b = unpack(s, f, rawB);
    const sign = xorSign(s, a, b);
    s.if(s.or(a.special, b.special), () => {
      returnNaNs(s, f, a, b);
      s.if(s.or(s.and(a.inf(), b.zero()), s.and(b.inf(), a.zero())), () => {
        // FMULX: 2.0 for infinity times zero.
        if (extended) s.ret(withSign(s, f, sign, s.i64(BigInt(f.bias + 1) << BigInt(f.frac))));
        else returnInvalid(s, f);
      });
      s.ret(withSign(s, f, sign, s.i64(f.infinity)));
    });
    s.if(s.or(a.zero(), b.zero()), () => s.ret(withSign(s, f, sign, s.i64(0))));
    const p = product(s, f, a.mant, b.mant);
    const mant = f.bits === 64 ? s.or(p.hi, s.zext(s.nei(p.lo, 0))) : p.hi;
    s.ret(normalizeAndRound(s, f, sign, s.addi(s.add(a.exp, b.exp), 1), mant, roundingMode(s)));
  });

export const fpMul = multiplication('fpMul', false);
export const fpMulX = multiplication('fpMulX', true);

/** The quotient of mantissas: bit 63 or 62 set, a remainder collected in bit 0; bit 63 stands for 1. */
function quotient(s: A64, f: Format, a: Val, b: Val): Val {
  if (f.bits !== 64) {
    const [n, d] = [s.shri(a, 1), s.shri(b, 32)];
    const q = s.divU(n, d);
    // n / d has bit 31 for a quotient of 1 or more.
    return s.or(s.shli(q, 32), s.zext(s.ne(s.mul(q, d), n)));
  }
  // 53-bit numbers: eleven bits of the quotient at a time.
  const d = s.shri(b, 11);
  const n = s.shri(a, 11);
  const first = s.geu(n, d);
  let q = s.zext(first);
  let rest = s.sub(n, s.select(first, d, s.i64(0)));
  for (let i = 0; i < 5; i++) {
    const t = s.shli(rest, 11);
    const digit = s.divU(t, d);
    rest = s.sub(t, s.mul(digit, d));
    q = s.or(s.shli(q, 11), digit);
  }
  return s.or(s.shli(q, 8), s.zext(s.nei(rest, 0)));
}

/** FPDiv(). */
export const fpDiv = perFormat('fpDiv', ['i64', 'i64'], 'i64', (s, f, rawA, rawB) => {
  tryHost(s, f, 'div', rawA, rawB);
  const a = unpack(s, f, rawA);
  const b = unpack(s, f, rawB);
  const sign = xorSign(s, a, b);
  const infinity = (): void => s.ret(withSign(s, f, sign, s.i64(f.infinity)));
  const zero = (): void => s.ret(withSign(s, f, sign, s.i64(0)));
  s.if(s.or(a.special, b.special), () => {
    returnNaNs(s, f, a, b);
    s.if(s.and(a.inf(), b.inf()), () => returnInvalid(s, f));
    s.if(a.inf(), infinity);
    zero();
  });
  s.if(b.zero(), () => {
    s.if(a.zero(), () => returnInvalid(s, f));
    raiseFlags(s, Flags.DZC);
    infinity();
  });
  s.if(a.zero(), zero);
  const q = quotient(s, f, a.mant, b.mant);
  s.ret(normalizeAndRound(s, f, sign, s.sub(a.exp, b.exp), q, roundingMode(s)));
});

/** FPSqrt(): one bit of the root after the other, the remainder exact. */
export const fpSqrt = perFormat('fpSqrt', ['i64'], 'i64', (s, f, raw) => {
  s.if(s.eqz(s.bit(raw, f.bits - 1)), () => tryHost(s, f, 'sqrt', raw));
  const a = unpack(s, f, raw);
  s.if(a.nan(), () => s.ret(s.call(processNaN[f.bits], raw)));
  s.if(a.zero(), () => s.ret(withSign(s, f, a.sign, s.i64(0))));
  s.if(a.sign, () => returnInvalid(s, f));
  s.if(a.special, () => s.ret(raw));
  const digits = f.frac + 4;
  const odd = s.andi(a.exp, 1);
  const left = s.local('left', s.shru(a.mant, s.zext(s.eqz(odd))));
  const rest = s.local('rest', s.i64(0));
  const root = s.local('root', s.i64(0));
  const count = s.local('count', s.i32(digits));
  s.loop((loop) => {
    const r = s.or(s.shli(s.read(rest), 2), s.shri(s.read(left), 62));
    const trial = s.ori(s.shli(s.read(root), 2), 1);
    const fits = s.geu(r, trial);
    s.assign(rest, s.sub(r, s.select(fits, trial, s.i64(0))));
    s.assign(root, s.or(s.shli(s.read(root), 1), s.zext(fits)));
    s.assign(left, s.shli(s.read(left), 2));
    s.assign(count, s.addi(s.read(count), -1));
    s.if(s.eqz(s.read(count)), () => s.break(loop));
  });
  const mant = s.or(s.shli(s.read(root), 64 - digits), s.zext(s.nei(s.read(rest), 0)));
  s.ret(s.call(fpRound[f.bits], s.i32(0), s.sari(s.sub(a.exp, odd), 1), mant, roundingMode(s)));
});
