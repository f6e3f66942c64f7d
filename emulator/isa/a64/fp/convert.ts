/** Conversions: FPConvert(), FPRoundInt(), FPToFixed(), FixedToFP(), FPToFixedJS() of Arm ARM DDI 0487 J1.3. */
import type { Routine, Val } from '../../../ir/nodes';
import {
  alternativeHalf,
  Flags,
  formats,
  isSignalling,
  perFormat,
  processNaN,
  raiseFlags,
  unpack,
  wantsDefaultNaN,
  withSign,
  type Format,
  type Unpacked,
  type Width,
} from './format';
import { fpRound, fpRoundConvert, roundsUp } from './round';
import type { A64 } from '../sem';

/** The integer part of a number below 2^64 in magnitude, and its fraction in 2^-64, not rounded. `exp` is that of bit 63. */
function split(s: A64, exp: Val, mant: Val): { kept: Val; rest: Val } {
  // Bits of fraction: 0 to 63 by shifting, 64 all of it, above that only "some".
  const below = s.sub(s.i32(63), exp);
  const n = s.zext(below);
  const inside = s.ltu(below, s.i32(64));
  const kept = s.select(inside, s.shru(mant, n), s.i64(0));
  const cut = s.select(s.eqz(below), s.i64(0), s.shl(mant, s.neg(n)));
  const little = s.zext(s.nei(mant, 0));
  const rest = s.select(inside, cut, s.select(s.eqi(below, 64), mant, little));
  return { kept, rest };
}

/** FPRoundInt(): (number, rounding mode, whether inexactness counts). */
export const fpRoundInt = perFormat('fpRoundInt', ['i64', 'i32', 'i32'], 'i64', (s, f, raw, mode, exact) => {
  const a = unpack(s, f, raw);
  s.if(a.nan(), () => s.ret(s.call(processNaN[f.bits], raw)));
  s.if(a.zero(), () => s.ret(withSign(s, f, a.sign, s.i64(0))));
  s.if(s.ges(a.exp, s.i32(f.frac)), () => s.ret(raw));
  const { kept, rest } = split(s, a.exp, a.mant);
  const up = roundsUp(s, mode, a.sign, kept, rest);
  const whole = s.add(kept, s.zext(up));
  s.if(s.and(exact, s.nei(rest, 0)), () => raiseFlags(s, Flags.IXC));
  s.if(s.eqz(whole), () => s.ret(withSign(s, f, a.sign, s.i64(0))));
  const zeros = s.clz(whole);
  const exp = s.sub(s.i32(63), s.wrap(zeros));
  s.ret(s.call(fpRound[f.bits], a.sign, exp, s.shl(whole, zeros), s.i32(0)));
});

/** FPToFixed(): (number, rounding mode, bits of fraction, width of the result, unsigned); out of range saturates. */
export const fpToFixed = perFormat(
  'fpToFixed',
  ['i64', 'i32', 'i32', 'i32', 'i32'],
  'i64',
  (s, f, raw, mode, fbits, width, unsigned) => {
    const a = unpack(s, f, raw);
    s.if(a.nan(), () => {
      raiseFlags(s, Flags.IOC);
      s.ret(s.i64(0));
    });
    s.if(a.zero(), () => s.ret(s.i64(0)));
    const exp = s.add(a.exp, fbits);
    const { kept, rest } = split(s, exp, a.mant);
    const whole = s.add(kept, s.zext(roundsUp(s, mode, a.sign, kept, rest)));
    const ones = s.shru(s.i64(-1), s.zext(s.sub(s.i32(64), width)));
    const lowest = s.add(s.shri(ones, 1), s.i64(1)); // magnitude of the most negative number
    const signedLimit = s.select(a.sign, lowest, s.shri(ones, 1));
    const limit = s.select(unsigned, s.select(a.sign, s.i64(0), ones), signedLimit);
    const huge = s.or(s.ges(exp, s.i32(64)), a.special);
    const outside = s.or(huge, s.gtu(whole, limit));
    s.if(outside, () => raiseFlags(s, Flags.IOC));
    s.if(s.and(s.eqz(outside), s.nei(rest, 0)), () => raiseFlags(s, Flags.IXC));
    const magnitude = s.select(outside, limit, whole);
    s.ret(s.and(s.select(a.sign, s.neg(magnitude), magnitude), ones));
  },
);

/** FixedToFP(): (a 64-bit integer, bits of fraction, whether it is unsigned, rounding mode). */
export const fpFromFixed = perFormat(
  'fpFromFixed',
  ['i64', 'i32', 'i32', 'i32'],
  'i64',
  (s, f, v, fbits, unsigned, mode) => {
    s.if(s.eqz(v), () => s.ret(s.i64(0)));
    const sign = s.and(s.lts(v, s.i64(0)), s.eqz(unsigned));
    const magnitude = s.select(sign, s.neg(v), v);
    const zeros = s.clz(magnitude);
    const exp = s.sub(s.sub(s.i32(63), s.wrap(zeros)), fbits);
    s.ret(s.call(fpRound[f.bits], sign, exp, s.shl(magnitude, zeros), mode));
  },
);

/** FPConvertNaN(): the top bits of the payload stay. */
function convertNaN(s: A64, from: Format, to: Format, a: Unpacked): Val {
  const payload = s.andi(a.raw, from.quiet - 1n);
  const moved =
    to.frac > from.frac ? s.shli(payload, to.frac - from.frac) : s.shri(payload, from.frac - to.frac);
  const kept = withSign(s, to, a.sign, s.ori(moved, to.infinity | to.quiet));
  return s.select(wantsDefaultNaN(s), s.i64(to.defaultNaN), kept);
}

/** FPConvert(): (number, rounding mode). */
function conversion(from: Format, to: Format): Routine {
  return {
    k: 'routine',
    name: `fpConvert${from.bits}to${to.bits}`,
    params: ['i64', 'i32'],
    result: 'i64',
    build: (s: A64, raw: Val, mode: Val) => {
      const a = unpack(s, from, raw, { convert: true });
      s.if(a.special, () => {
        const infinite = a.inf();
        if (to.bits === 16) {
          s.if(alternativeHalf(s), () => {
            // The alternative format has neither: the largest number for infinity, zero for a NaN.
            raiseFlags(s, Flags.IOC);
            s.ret(withSign(s, to, a.sign, s.select(infinite, s.i64(to.sign - 1n), s.i64(0))));
          });
        }
        s.if(infinite, () => s.ret(withSign(s, to, a.sign, s.i64(to.infinity))));
        s.if(isSignalling(s, from, raw), () => raiseFlags(s, Flags.IOC));
        s.ret(convertNaN(s, from, to, a));
      });
      s.if(a.zero(), () => s.ret(withSign(s, to, a.sign, s.i64(0))));
      s.ret(s.call(fpRoundConvert[to.bits], a.sign, a.exp, a.mant, mode));
    },
  };
}

const conversions = new Map<string, Routine>();
for (const from of [16, 32, 64] as const)
  for (const to of [16, 32, 64] as const)
    if (from !== to) conversions.set(`${from}to${to}`, conversion(formats[from], formats[to]));

/** The routine that converts from one format to another one. */
export function fpConvert(from: Width, to: Width): Routine {
  const r = conversions.get(`${from}to${to}`);
  if (!r) throw new RangeError(`no conversion from ${from} to ${to} bits`);
  return r;
}

/** FPToFixedJS(): to 32 bits modulo 2^32, towards zero; Z in bit 32 says that nothing was lost. */
export const fpToFixedJS: Routine = {
  k: 'routine',
  name: 'fpToFixedJS',
  params: ['i64'],
  result: 'i64',
  build: (s: A64, raw: Val) => {
    const f = formats[64];
    const a = unpack(s, f, raw);
    s.if(a.special, () => {
      raiseFlags(s, Flags.IOC);
      s.ret(s.i64(0));
    });
    // Minus zero and a flushed number are not the integer zero.
    const exactZero = s.eqz(raw);
    s.if(a.zero(), () => s.ret(s.shli(s.zext(exactZero), 32)));
    const small = s.lts(a.exp, s.i32(64));
    const { kept, rest } = split(s, a.exp, a.mant);
    // Above, multiples of 2^(exp - 52).
    const by = s.addi(a.exp, -63);
    const shifted = s.select(s.ltu(by, s.i32(64)), s.shl(a.mant, s.zext(by)), s.i64(0));
    const magnitude = s.select(small, kept, shifted);
    const value = s.select(a.sign, s.neg(magnitude), magnitude);
    const limit = s.select(a.sign, s.i64(0x8000_0000n), s.i64(0x7fff_ffffn));
    const outside = s.or(s.eqz(small), s.gtu(kept, limit));
    s.if(outside, () => raiseFlags(s, Flags.IOC));
    const inexact = s.and(s.eqz(outside), s.nei(rest, 0));
    s.if(inexact, () => raiseFlags(s, Flags.IXC));
    const exact = s.eqz(s.or(outside, inexact));
    s.ret(s.or(s.andi(value, 0xffff_ffffn), s.shli(s.zext(exact), 32)));
  },
};
