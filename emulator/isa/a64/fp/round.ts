/** Rounding and packing: FPRound() and FPRoundBase() of Arm ARM DDI 0487 J1.3. */
import type { Val } from '../../../ir/nodes';
import {
  alternativeHalf,
  Flags,
  flushes,
  perFormat,
  raiseFlags,
  Rounding,
  withSign,
  type Format,
} from './format';
import type { A64 } from '../sem';

/** `v` >> `by` (i32, any number from 0), bits shifted out collected in bit 0. */
export function shiftRightJam(s: A64, v: Val, by: Val): Val {
  const n = s.zext(by);
  const kept = s.shru(v, n);
  const lost = s.nei(s.shl(v, s.neg(n)), 0);
  const inside = s.or(kept, s.zext(s.and(lost, s.nei(by, 0))));
  return s.select(s.ltu(by, s.i32(64)), inside, s.zext(s.nei(v, 0)));
}

/**
 * Whether to add one to the integer `kept`, given the fraction `rest` (in 2^-64) that is cut off: i32. `mode` is one of
 * Rounding; `odd` rounds by other means.
 */
export function roundsUp(s: A64, mode: Val, sign: Val, kept: Val, rest: Val): Val {
  const inexact = s.nei(rest, 0);
  const half = s.i64(1n << 63n);
  const tie = s.eq(rest, half);
  const even = s.or(s.gtu(rest, half), s.and(tie, s.bit(kept, 0)));
  const toward = s.select(s.eqi(mode, Rounding.up), s.eqz(sign), s.and(s.eqi(mode, Rounding.down), sign));
  const away = s.and(s.eqi(mode, Rounding.away), s.geu(rest, half));
  const directed = s.or(s.and(inexact, toward), away);
  return s.select(s.eqz(mode), even, directed);
}

/** Whether overflow gives an infinity: i32. */
const overflowsToInfinity = (s: A64, mode: Val, sign: Val): Val =>
  s.or(
    s.or(s.eqz(mode), s.eqi(mode, Rounding.away)),
    s.select(s.eqi(mode, Rounding.up), s.eqz(sign), s.and(s.eqi(mode, Rounding.down), sign)),
  );

/** `convert`: FPRoundCV(), which never flushes half precision and knows the alternative format. */
function round(s: A64, f: Format, sign: Val, exp: Val, mant: Val, mode: Val, convert: boolean): void {
  const cut = 63 - f.frac;
  const tiny = s.lts(exp, s.i32(f.emin));
  const m = s.local('m', mant);
  const biased = s.local('biased', s.addi(exp, f.bias - 1));
  s.if(tiny, () => {
    if (!(convert && f.bits === 16)) {
      s.if(flushes(s, f), () => {
        raiseFlags(s, Flags.UFC);
        s.ret(withSign(s, f, sign, s.i64(0)));
      });
    }
    s.assign(m, shiftRightJam(s, mant, s.sub(s.i32(f.emin), exp)));
    s.assign(biased, s.i32(0));
  });
  const aligned = s.read(m);
  const kept = s.shri(aligned, cut);
  const rest = s.shli(aligned, 64 - cut);
  const inexact = s.nei(rest, 0);
  s.if(s.and(tiny, inexact), () => raiseFlags(s, Flags.UFC));
  const up = roundsUp(s, mode, sign, kept, rest);
  const odd = s.and(s.eqi(mode, Rounding.odd), inexact);
  const rounded = s.or(s.add(kept, s.zext(up)), s.zext(odd));
  // The leading one of a normal number counts as one in the exponent; so does a carry out of the fraction.
  const packed = s.add(s.shli(s.zext(s.read(biased)), f.frac), rounded);
  const finish = (limit: bigint, overflow: () => void): void => {
    s.if(s.geu(packed, s.i64(limit)), overflow);
    s.if(inexact, () => raiseFlags(s, Flags.IXC));
    s.ret(withSign(s, f, sign, packed));
  };
  const standard = (): void =>
    finish(f.infinity, () => {
      raiseFlags(s, Flags.OFC | Flags.IXC);
      const result = s.select(overflowsToInfinity(s, mode, sign), s.i64(f.infinity), s.i64(f.infinity - 1n));
      s.ret(withSign(s, f, sign, result));
    });
  if (!(convert && f.bits === 16)) return standard();
  s.if(alternativeHalf(s), () =>
    finish(1n << BigInt(f.bits - 1), () => {
      raiseFlags(s, Flags.IOC);
      s.ret(withSign(s, f, sign, s.i64(f.sign - 1n)));
    }),
  );
  standard();
}

/** (sign, exponent, mantissa, mode): value = mant / 2^63 * 2^exp, bit 63 set, and bit 0 also stands for what is below it. */
export const fpRound = perFormat(
  'fpRound',
  ['i32', 'i32', 'i64', 'i32'],
  'i64',
  (s, f, sign, exp, mant, mode) => round(s, f, sign, exp, mant, mode, false),
);

/** The same for conversions between formats. */
export const fpRoundConvert = perFormat(
  'fpRoundConvert',
  ['i32', 'i32', 'i64', 'i32'],
  'i64',
  (s, f, sign, exp, mant, mode) => round(s, f, sign, exp, mant, mode, true),
);

/** Shifts the highest set bit of `mant` (not zero) to bit 63 and rounds. `exp` is that of bit 63. */
export function normalizeAndRound(s: A64, f: Format, sign: Val, exp: Val, mant: Val, mode: Val): Val {
  const zeros = s.clz(mant);
  return s.call(fpRound[f.bits], sign, s.sub(exp, s.wrap(zeros)), s.shl(mant, zeros), mode);
}
