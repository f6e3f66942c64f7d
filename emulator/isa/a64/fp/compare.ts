/** FPCompare(), FPMax(), FPMin() and their kin (Arm ARM DDI 0487 J1.3). */
import type { Val } from '../../../ir/nodes';
import {
  Flags,
  isNaN,
  isSignalling,
  perFormat,
  processNaNs,
  raiseFlags,
  unpack,
  withSign,
  type Format,
  type Unpacked,
} from './format';
import type { A64 } from '../sem';

/** A number whose signed order is that of the values; both zeros are 0, flushed denormals too. */
function ordered(s: A64, f: Format, a: Unpacked): Val {
  const magnitude = s.select(a.zero(), s.i64(0), s.andi(a.raw, f.sign - 1n));
  return s.select(a.sign, s.neg(magnitude), magnitude);
}

/** NZCV of a comparison, as in PSTATE. */
export const Compared = { equal: 0x6, less: 0x8, greater: 0x2, unordered: 0x3 } as const;

/** FPCompare(): NZCV in bits 3-0. `signalAll`: a quiet NaN is an invalid operation too. */
export const fpCompare = perFormat(
  'fpCompare',
  ['i64', 'i64', 'i32'],
  'i32',
  (s, f, rawA, rawB, signalAll) => {
    const a = unpack(s, f, rawA);
    const b = unpack(s, f, rawB);
    s.if(s.or(isNaN(s, f, rawA), isNaN(s, f, rawB)), () => {
      const signals = s.or(isSignalling(s, f, rawA), isSignalling(s, f, rawB));
      s.if(s.or(signals, signalAll), () => raiseFlags(s, Flags.IOC));
      s.ret(s.i32(Compared.unordered));
    });
    const [x, y] = [ordered(s, f, a), ordered(s, f, b)];
    const different = s.select(s.lts(x, y), s.i32(Compared.less), s.i32(Compared.greater));
    s.ret(s.select(s.eq(x, y), s.i32(Compared.equal), different));
  },
);

/** FPMax() or FPMin(); of zeros, +0 is the larger one. */
const extreme = (name: string, max: boolean): ReturnType<typeof perFormat> =>
  perFormat(name, ['i64', 'i64'], 'i64', (s, f, rawA, rawB) => {
    const a = unpack(s, f, rawA);
    const b = unpack(s, f, rawB);
    s.if(s.or(isNaN(s, f, rawA), isNaN(s, f, rawB)), () => s.ret(s.call(processNaNs[f.bits], rawA, rawB)));
    s.if(s.and(a.zero(), b.zero()), () =>
      s.ret(withSign(s, f, max ? s.and(a.sign, b.sign) : s.or(a.sign, b.sign), s.i64(0))),
    );
    const [x, y] = [ordered(s, f, a), ordered(s, f, b)];
    const first = max ? s.gts(x, y) : s.lts(x, y);
    const value = (v: Unpacked): Val => s.select(v.zero(), withSign(s, f, v.sign, s.i64(0)), v.raw);
    s.ret(s.select(first, value(a), value(b)));
  });

export const fpMax = extreme('fpMax', true);
export const fpMin = extreme('fpMin', false);

/** FPMaxNum() or FPMinNum(): a number wins over a quiet NaN. */
const extremeNumber = (name: string, max: boolean): ReturnType<typeof perFormat> =>
  perFormat(name, ['i64', 'i64'], 'i64', (s, f, a, b) => {
    const quiet = (v: Val): Val => s.and(isNaN(s, f, v), s.nei(s.andi(v, f.quiet), 0));
    const [qa, qb] = [quiet(a), quiet(b)];
    const worst = s.i64(max ? f.infinity | f.sign : f.infinity);
    const x = s.select(s.and(qa, s.eqz(qb)), worst, a);
    const y = s.select(s.and(qb, s.eqz(qa)), worst, b);
    s.ret(s.call((max ? fpMax : fpMin)[f.bits], x, y));
  });

export const fpMaxNum = extremeNumber('fpMaxNum', true);
export const fpMinNum = extremeNumber('fpMinNum', false);
