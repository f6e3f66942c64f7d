/**
 * Saturating integer arithmetic: SatQ() and its kin (Arm ARM DDI 0487 J1.3), which set FPSR.QC. Results of elements below 64 bits
 * are computed exactly in 64 bits and then saturated; those of 64 bits have routines of their own.
 */
import type { Routine, Val } from '../../../ir/nodes';
import { Flags, raiseFlags } from '../fp/format';
import type { A64 } from '../sem';
import type { Esize } from './lanes';

const routine = (name: string, params: Routine['params'], build: (s: A64, ...p: Val[]) => void): Routine => ({
  k: 'routine',
  name,
  params,
  result: 'i64',
  build,
});

const saturated = (s: A64, v: Val | bigint): void => {
  raiseFlags(s, Flags.QC);
  s.ret(typeof v === 'bigint' ? s.i64(v) : v);
};

/** (value, highest result, lowest result), signed. */
const clamp = routine('saturate', ['i64', 'i64', 'i64'], (s, v, hi, lo) => {
  s.if(s.gts(v!, hi!), () => saturated(s, hi!));
  s.if(s.lts(v!, lo!), () => saturated(s, lo!));
  s.ret(v);
});

/** A signed value to `bits` bits, signed or unsigned. */
export function saturate(s: A64, v: Val, bits: number, unsigned: boolean): Val {
  const top = BigInt(bits) - (unsigned ? 0n : 1n);
  const hi = (1n << top) - 1n;
  // As many bits as the value has: unsigned, only its negative half is outside.
  const limit = unsigned && bits === 64 ? (1n << 63n) - 1n : hi;
  return s.call(clamp, v, s.i64(limit), s.i64(unsigned ? 0n : -hi - 1n));
}

const MAX = (1n << 63n) - 1n;
const MIN = 1n << 63n;
const ONES = (1n << 64n) - 1n;

/** The limit that a sum overflows to, given a number of its sign. */
const limitOf = (s: A64, v: Val): Val => s.xor(s.sari(v, 63), s.i64(MAX));

const add64 = {
  signed: routine('sqadd64', ['i64', 'i64'], (s, a, b) => {
    const sum = s.add(a!, b!);
    const over = s.lts(s.and(s.xor(a!, sum), s.xor(b!, sum)), s.i64(0));
    s.if(over, () => saturated(s, limitOf(s, a!)));
    s.ret(sum);
  }),
  unsigned: routine('uqadd64', ['i64', 'i64'], (s, a, b) => {
    const sum = s.add(a!, b!);
    s.if(s.ltu(sum, a!), () => saturated(s, ONES));
    s.ret(sum);
  }),
};

const sub64 = {
  signed: routine('sqsub64', ['i64', 'i64'], (s, a, b) => {
    const difference = s.sub(a!, b!);
    const over = s.lts(s.and(s.xor(a!, b!), s.xor(a!, difference)), s.i64(0));
    s.if(over, () => saturated(s, limitOf(s, a!)));
    s.ret(difference);
  }),
  unsigned: routine('uqsub64', ['i64', 'i64'], (s, a, b) => {
    s.if(s.ltu(a!, b!), () => saturated(s, 0n));
    s.ret(s.sub(a!, b!));
  }),
};

const mixed64 = {
  /** A signed number plus an unsigned one, signed. */
  signed: routine('suqadd64', ['i64', 'i64'], (s, a, b) => {
    const sum = s.add(a!, b!);
    // From the lowest number upwards: order is unsigned then.
    const from = s.xor(a!, s.i64(MIN));
    s.if(s.ltu(s.xor(sum, s.i64(MIN)), from), () => saturated(s, MAX));
    s.ret(sum);
  }),
  /** An unsigned number plus a signed one, unsigned. */
  unsigned: routine('usqadd64', ['i64', 'i64'], (s, a, b) => {
    const sum = s.add(a!, b!);
    const negative = s.lts(b!, s.i64(0));
    s.if(s.and(negative, s.gtu(sum, a!)), () => saturated(s, 0n));
    s.if(s.and(s.eqz(negative), s.ltu(sum, a!)), () => saturated(s, ONES));
    s.ret(sum);
  }),
};

const pick = (r: { signed: Routine; unsigned: Routine }, unsigned: boolean): Routine =>
  unsigned ? r.unsigned : r.signed;

/** SQADD, UQADD of elements extended to 64 bits. */
export const addSaturating = (s: A64, a: Val, b: Val, e: Esize, unsigned: boolean): Val =>
  e === 64 ? s.call(pick(add64, unsigned), a, b) : saturate(s, s.add(a, b), e, unsigned);

/** SQSUB, UQSUB. */
export const subSaturating = (s: A64, a: Val, b: Val, e: Esize, unsigned: boolean): Val =>
  e === 64 ? s.call(pick(sub64, unsigned), a, b) : saturate(s, s.sub(a, b), e, unsigned);

/** SUQADD (an unsigned number added to a signed one), USQADD (the other way round). */
export const addMixed = (s: A64, a: Val, b: Val, e: Esize, unsigned: boolean): Val =>
  e === 64 ? s.call(pick(mixed64, unsigned), a, b) : saturate(s, s.add(a, b), e, unsigned);

/** Twice a product, saturated to 2 * e bits: only the lowest number squared does not fit. */
export function doubleSaturating(s: A64, product: Val, e: 16 | 32): Val {
  return e === 16
    ? saturate(s, s.shli(product, 1), 32, false)
    : addSaturating(s, product, product, 64, false);
}

/** `v` >> (`less` + 1), rounded if asked for: nothing is lost where the shift is as wide as the number. */
export function shiftRight(s: A64, v: Val, less: Val, unsigned: boolean, rounded: boolean): Val {
  const t = unsigned ? s.shru(v, less) : s.shrs(v, less);
  const half = unsigned ? s.shri(t, 1) : s.sari(t, 1);
  return rounded ? s.add(half, s.andi(t, 1)) : half;
}

/** Shifts an element left by 0 to 127: (value extended to 64 bits, amount, bits); QC if bits are lost. */
const leftSaturating = (unsigned: boolean): Routine =>
  routine(unsigned ? 'uqshl' : 'sqshl', ['i64', 'i64', 'i32'], (s, v, by, bits) => {
    s.if(s.eqz(v!), () => s.ret(s.i64(0)));
    const room = s.zext(s.sub(s.i32(64), bits!));
    const top = s.shl(v!, room);
    const moved = s.shl(top, by!);
    const back = unsigned ? s.shru(moved, by!) : s.shrs(moved, by!);
    const far = s.geu(by!, s.i64(64));
    s.if(s.or(far, s.ne(back, top)), () => {
      const limit = unsigned ? s.i64(-1) : limitOf(s, v!);
      saturated(s, unsigned ? s.shru(limit, room) : s.shrs(limit, room));
    });
    s.ret(unsigned ? s.shru(moved, room) : s.shrs(moved, room));
  });

const leftRoutines = { signed: leftSaturating(false), unsigned: leftSaturating(true) };

export const shiftLeftSaturating = (s: A64, v: Val, by: Val, e: Esize, unsigned: boolean): Val =>
  s.call(pick(leftRoutines, unsigned), v, by, s.i32(e));

/** SSHL and its kin: shifts by the signed low byte of an element, to the right if negative. (value, other element, bits) */
function byRegister(unsigned: boolean, rounded: boolean, saturating: boolean): Routine {
  const name = `${unsigned ? 'u' : 's'}${saturating ? 'q' : ''}${rounded ? 'r' : ''}shl by register`;
  return routine(name, ['i64', 'i64', 'i32'], (s, v, other, bits) => {
    const by = s.sext8(other!);
    s.if(s.ges(by, s.i64(0)), () => {
      if (saturating) s.ret(s.call(pick(leftRoutines, unsigned), v!, by, bits!));
      else s.ret(s.select(s.ltu(by, s.i64(64)), s.shl(v!, by), s.i64(0)));
    });
    const less = s.sub(s.i64(-1), by);
    const inside = s.ltu(less, s.i64(64));
    const result = shiftRight(s, v!, less, unsigned, rounded);
    const outside = unsigned || rounded ? s.i64(0) : s.sari(v!, 63);
    s.ret(s.select(inside, result, outside));
  });
}

const shiftRoutines = new Map<string, Routine>();
for (const unsigned of [false, true])
  for (const rounded of [false, true])
    for (const saturating of [false, true])
      shiftRoutines.set(`${unsigned}${rounded}${saturating}`, byRegister(unsigned, rounded, saturating));

export const shiftByRegister = (
  s: A64,
  v: Val,
  other: Val,
  e: Esize,
  o: { readonly unsigned: boolean; readonly rounded: boolean; readonly saturating: boolean },
): Val => s.call(shiftRoutines.get(`${o.unsigned}${o.rounded}${o.saturating}`)!, v, other, s.i32(e));
