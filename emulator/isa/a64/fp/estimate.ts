/**
 * Estimates: FPRecipEstimate(), FPRSqrtEstimate(), UnsignedRecipEstimate(), UnsignedRSqrtEstimate(), with RecipEstimate() and
 * RecipSqrtEstimate() computed as the pseudocode does (Arm ARM DDI 0487 J1.3), not from a table.
 */
import type { Routine, Val } from '../../../ir/nodes';
import {
  Flags,
  flushes,
  perFormat,
  processNaN,
  raiseFlags,
  returnInvalid,
  Rounding,
  roundingMode,
  unpack,
  withSign,
} from './format';
import type { A64 } from '../sem';

/** RecipEstimate(): 9 bits (256 to 511, for 0.5 to 1) to 9 bits. */
function recipEstimate(s: A64, a: Val): Val {
  const b = s.divU(s.i64(1 << 19), s.addi(s.shli(a, 1), 1));
  return s.shri(s.addi(b, 1), 1);
}

/** RecipSqrtEstimate(): 9 bits (128 to 511, for 0.25 to 1) to 9 bits. */
const recipSqrtEstimate: Routine = {
  k: 'routine',
  name: 'recipSqrtEstimate',
  params: ['i64'],
  result: 'i64',
  build: (s: A64, input: Val) => {
    const low = s.addi(s.shli(input, 1), 1);
    const high = s.shli(s.addi(s.andi(input, ~1n), 1), 1);
    const a = s.select(s.ltu(input, s.i64(256)), low, high);
    const b = s.local('b', s.i64(512));
    s.loop((loop) => {
      const next = s.addi(s.read(b), 1);
      s.if(s.geu(s.mul(a, s.mul(next, next)), s.i64(1n << 28n)), () => s.break(loop));
      s.assign(b, next);
    });
    s.ret(s.shri(s.addi(s.read(b), 1), 1));
  },
};

/** FPRecipEstimate(). */
export const fpRecipEstimate = perFormat('fpRecipEstimate', ['i64'], 'i64', (s, f, raw) => {
  const a = unpack(s, f, raw);
  s.if(a.nan(), () => s.ret(s.call(processNaN[f.bits], raw)));
  s.if(a.special, () => s.ret(withSign(s, f, a.sign, s.i64(0))));
  s.if(a.zero(), () => {
    raiseFlags(s, Flags.DZC);
    s.ret(withSign(s, f, a.sign, s.i64(f.infinity)));
  });
  // The reciprocal of the smallest denormals overflows.
  s.if(s.lts(a.exp, s.i32(-f.bias - 1)), () => {
    raiseFlags(s, Flags.OFC | Flags.IXC);
    const mode = roundingMode(s);
    const toInfinity = s.select(
      s.eqi(mode, Rounding.up),
      s.eqz(a.sign),
      s.select(s.eqi(mode, Rounding.down), a.sign, s.eqz(mode)),
    );
    s.ret(withSign(s, f, a.sign, s.select(toInfinity, s.i64(f.infinity), s.i64(f.infinity - 1n))));
  });
  s.if(s.and(flushes(s, f), s.ges(a.exp, s.i32(f.bias - 1))), () => {
    raiseFlags(s, Flags.UFC);
    s.ret(withSign(s, f, a.sign, s.i64(0)));
  });
  const estimate = recipEstimate(s, s.shri(a.mant, 55));
  // The estimate has 8 bits of fraction below its leading one; the result's biased exponent may be 0 or -1.
  const fraction = s.shli(s.andi(estimate, 0xff), f.frac - 8);
  const exponent = s.sub(s.i32(f.bias - 1), a.exp);
  const one = s.ori(s.shri(fraction, 1), f.quiet);
  const two = s.ori(s.shri(fraction, 2), f.quiet >> 1n);
  const normal = s.or(s.shli(s.zext(exponent), f.frac), fraction);
  const small = s.select(s.eqz(exponent), one, two);
  s.ret(withSign(s, f, a.sign, s.select(s.gts(exponent, s.i32(0)), normal, small)));
});

/** FPRSqrtEstimate(). */
export const fpRSqrtEstimate = perFormat('fpRSqrtEstimate', ['i64'], 'i64', (s, f, raw) => {
  const a = unpack(s, f, raw);
  s.if(a.nan(), () => s.ret(s.call(processNaN[f.bits], raw)));
  s.if(a.zero(), () => {
    raiseFlags(s, Flags.DZC);
    s.ret(withSign(s, f, a.sign, s.i64(f.infinity)));
  });
  s.if(a.sign, () => returnInvalid(s, f));
  s.if(a.special, () => s.ret(s.i64(0)));
  // 0.5 to 1 with an even exponent, 0.25 to 0.5 otherwise.
  const odd = s.andi(a.exp, 1);
  const scaled = s.select(odd, s.shri(a.mant, 55), s.shri(a.mant, 56));
  const estimate = s.call(recipSqrtEstimate, scaled);
  const exponent = s.addi(s.sari(s.sub(s.i32(-1), a.exp), 1), f.bias);
  const fraction = s.shli(s.andi(estimate, 0xff), f.frac - 8);
  s.ret(s.or(s.shli(s.zext(exponent), f.frac), fraction));
});

/** UnsignedRecipEstimate(): a fixed-point number below 1 in 32 bits. */
export const unsignedRecipEstimate: Routine = {
  k: 'routine',
  name: 'unsignedRecipEstimate',
  params: ['i64'],
  result: 'i64',
  build: (s: A64, v: Val) => {
    s.if(s.eqz(s.bit(v, 31)), () => s.ret(s.i64(0xffff_ffffn)));
    s.ret(s.shli(recipEstimate(s, s.bits(v, 23, 9)), 23));
  },
};

/** UnsignedRSqrtEstimate(). */
export const unsignedRSqrtEstimate: Routine = {
  k: 'routine',
  name: 'unsignedRSqrtEstimate',
  params: ['i64'],
  result: 'i64',
  build: (s: A64, v: Val) => {
    s.if(s.eqz(s.bits(v, 30, 2)), () => s.ret(s.i64(0xffff_ffffn)));
    s.ret(s.shli(s.call(recipSqrtEstimate, s.bits(v, 23, 9)), 23));
  },
};
