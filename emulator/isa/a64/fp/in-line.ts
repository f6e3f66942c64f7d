/**
 * Scalar floating point in line: the host's own arithmetic, a look at the result that says whether it is Arm's, and the exact
 * routine for the rest. With rounding to nearest and without flushing the host gives Arm's result wherever that is no NaN. What it
 * does not tell are flags, so:
 *
 *  - A result that may have overflowed, underflowed or been invalid is left to the routine, unless an operand explains it.
 *  - FPSR.IXC is sticky. Once it is set, inexact results change nothing. Until then, exactness is proved or left to the routine.
 *
 * Values have the type of their size here: a single is an i32.
 */
import type { Operand, Routine, Val } from '../../../ir/nodes';
import type { FloatOp } from '../../../ir/floats';
import { fpAdd, fpDiv, fpMul, fpSqrt, fpSub } from './arithmetic';
import { Compared, fpCompare, fpMax, fpMaxNum, fpMin, fpMinNum } from './compare';
import { fpConvert, fpFromFixed, fpRoundInt, fpToFixed } from './convert';
import { Flags, formats, Rounding, roundingMode, type Format, type Width } from './format';
import { fpMulAdd } from './fused';
import type { A64 } from '../sem';
import { getReg } from '../sysregs';

type Routines = Readonly<Record<Width, Routine>>;

/** Bits of FPCR: what rounds or flushes, what flushes. */
const ROUNDS = 0x01c00000;
const FLUSHES = 0x01000000;

// --- registers --------------------------------------------------------------------------------------------------

/** A number in a register. */
export const number = (s: A64, r: Operand, w: Width): Val =>
  w === 64 ? s.v(r) : w === 32 ? s.vSingle(r) : s.andi(s.v(r), 0xffff);

/** Writes a number, and zeros. */
export const setNumber = (s: A64, r: Operand, v: Val, w: Width): void =>
  w === 32 ? s.setQ(r, s.replace(32, s.k('v128', 0), 0, v)) : s.setV(r, w === 16 ? s.andi(v, 0xffff) : v);

/** A number as routines take it. */
const wide = (s: A64, v: Val): Val => s.to('i64', v);

const narrow = (s: A64, w: Width, v: Val): Val => (w === 32 ? s.wrap(v) : v);

/** Calls a routine on numbers. */
const callExact = (s: A64, r: Routine, w: Width, ...args: readonly Val[]): Val =>
  narrow(s, w, s.call(r, ...args.map((v) => wide(s, v))));

// --- looks at numbers -------------------------------------------------------------------------------------------

const exponent = (s: A64, f: Format, v: Val): Val => s.to('i32', s.bits(v, f.frac, f.exp));
const magnitude = (s: A64, f: Format, v: Val): Val => s.andi(v, f.sign - 1n);
const isNaN = (s: A64, v: Val): Val => s.floatTest('ne', v, v);
const isInfinite = (s: A64, f: Format, v: Val): Val => s.eqi(magnitude(s, f, v), f.infinity);
/** Zero, infinite or a NaN. */
const isZeroOrMore = (s: A64, f: Format, v: Val): Val =>
  s.geu(s.addi(magnitude(s, f, v), -1), s.k(v.ty, f.infinity - 1n));
const isZero = (s: A64, f: Format, v: Val): Val => s.eqz(magnitude(s, f, v));

/**
 * The result is zero, denormal, the smallest normal number (Arm detects underflow before rounding), infinite or a NaN.
 */
const isUnusual = (s: A64, f: Format, v: Val): Val =>
  s.geu(s.addi(exponent(s, f, v), -2), s.i32(2 ** f.exp - 3));
const isInfiniteOrNaN = (s: A64, f: Format, v: Val): Val => s.eqi(exponent(s, f, v), 2 ** f.exp - 1);

/** Trailing zeros of the mantissa, of a number that is not denormal; a zero has as many as a power of two. */
const trailing = (s: A64, f: Format, v: Val): Val => s.to('i32', s.ctz(s.ori(v, 1n << BigInt(f.frac))));

/** The product of two numbers has no more bits than fit, as far as that can be told without computing it. */
function productFits(s: A64, f: Format, a: Val, b: Val): Val {
  const [x, y] = [trailing(s, f, a), trailing(s, f, b)];
  const power = s.or(s.eqi(x, f.frac), s.eqi(y, f.frac));
  return s.or(power, s.geu(s.add(x, y), s.i32(f.frac + 1)));
}

/** The error of a sum, which is a number: after D. Knuth, TAOCP 2, 4.2.2, theorem B. */
function sumIsInexact(s: A64, a: Val, b: Val, sum: Val): Val {
  const part = s.float('sub', sum, a);
  const error = s.float('add', s.float('sub', a, s.float('sub', sum, part)), s.float('sub', b, part));
  return s.floatTest('ne', error, s.k(a.ty, 0));
}

// --- the frame --------------------------------------------------------------------------------------------------

interface InLine {
  /** The host's result. */
  readonly result: Val;
  /** FPCR bits with which it means nothing. */
  readonly unless: number;
  /** The result may not be Arm's, or other flags than IXC are to be set. */
  readonly doubtful: Val;
  /** A doubtful result is Arm's all the same, and exact. */
  readonly explained?: () => Val;
  /** A result that is not doubtful may be inexact. */
  readonly inexact?: () => Val;
  /** The exact result. */
  readonly exact: () => Val;
}

/** The result of an operation. */
function inLine(s: A64, q: InLine): Val {
  const result = s.local('result', q.result);
  const slow = (): void => s.assign(result, q.exact());
  const { explained, inexact } = q;
  const flags = (): void => {
    if (!inexact) return;
    s.seldom(s.eqz(s.andi(s.wrap(getReg(s, 'FPSR')), Flags.IXC)), () => s.rarely(inexact(), slow));
  };
  const look = (): void => {
    if (!explained) s.rarely(q.doubtful, slow, flags);
    else s.seldom(q.doubtful, () => s.rarely(s.eqz(explained()), slow), flags);
  };
  if (q.unless === 0) look();
  else s.rarely(s.andi(s.wrap(getReg(s, 'FPCR')), q.unless), slow, look);
  return s.read(result);
}

// --- arithmetic -------------------------------------------------------------------------------------------------

type Binary = (s: A64, w: Width, a: Val, b: Val) => Val;

/** How to look at the result of two numbers. */
type Look = (s: A64, f: Format, a: Val, b: Val, result: Val) => Omit<InLine, 'result' | 'exact'>;

/** The host's operation, or the routine where that is not known to be Arm's, and for half precision. */
const inLineBinary =
  (op: FloatOp, routine: Routines, look: Look): Binary =>
  (s, w, a, b) => {
    if (w === 16) return s.call(routine[w], a, b);
    const result = s.float(op, a, b);
    return inLine(s, {
      ...{ result, exact: () => callExact(s, routine[w], w, a, b) },
      ...look(s, formats[w], a, b, result),
    });
  };

const sum = (op: 'add' | 'sub', routine: Routines): Binary =>
  inLineBinary(op, routine, (s, f, a, b, result) => ({
    unless: ROUNDS,
    // Sums that are denormal or zero are exact.
    doubtful: isInfiniteOrNaN(s, f, result),
    explained: () => s.and(s.eqz(isNaN(s, result)), s.or(isInfinite(s, f, a), isInfinite(s, f, b))),
    inexact: () => sumIsInexact(s, a, op === 'sub' ? s.float('neg', b) : b, result),
  }));

const product = inLineBinary('mul', fpMul, (s, f, a, b, result) => ({
  unless: ROUNDS,
  doubtful: isUnusual(s, f, result),
  explained: () => s.and(s.eqz(isNaN(s, result)), s.or(isZeroOrMore(s, f, a), isZeroOrMore(s, f, b))),
  inexact: () => s.eqz(productFits(s, f, a, b)),
}));

const quotient = inLineBinary('div', fpDiv, (s, f, a, b, result) => ({
  unless: ROUNDS,
  doubtful: isUnusual(s, f, result),
  // Infinity by division by zero is not among these.
  explained: () => s.and(s.eqz(isNaN(s, result)), s.or(isZeroOrMore(s, f, a), isInfinite(s, f, b))),
  inexact: () => s.eqz(s.and(productFits(s, f, result, b), s.floatTest('eq', s.float('mul', result, b), a))),
}));

/** The larger or smaller number; flags come from NaNs only. */
const extreme = (op: 'max' | 'min', routine: Routines): Binary =>
  inLineBinary(op, routine, (s, _f, _a, _b, result) => ({ unless: FLUSHES, doubtful: isNaN(s, result) }));

/** What instructions do with two numbers. */
export const binary = {
  add: sum('add', fpAdd),
  sub: sum('sub', fpSub),
  mul: product,
  div: quotient,
  max: extreme('max', fpMax),
  min: extreme('min', fpMin),
  maxnm: extreme('max', fpMaxNum),
  minnm: extreme('min', fpMinNum),
} as const satisfies Record<string, Binary>;

/** Reverses the sign, of NaNs too. */
export const negated = (s: A64, v: Val, w: Width): Val =>
  w === 16 ? s.xor(v, s.i64(formats[w].sign)) : s.float('neg', v);

/** FPMulAdd(): c + a * b, rounded once. */
export function mulAdd(s: A64, w: Width, c: Val, a: Val, b: Val): Val {
  if (w === 16) return s.call(fpMulAdd[w], c, a, b);
  const f = formats[w];
  const result = s.fused(c, a, b);
  // A sum with an addend of this size is a multiple of a number that does not underflow.
  const safe = f.bias - (w === 64 ? 800 : 60);
  const large = (): Val => s.geu(exponent(s, f, c), s.i32(safe));
  return inLine(s, {
    result,
    unless: ROUNDS,
    doubtful: isUnusual(s, f, result),
    explained: () => {
      const factors = s.or(isZeroOrMore(s, f, a), isZeroOrMore(s, f, b));
      const cancelled = s.and(isZero(s, f, result), large());
      return s.and(s.eqz(isNaN(s, result)), s.or(s.or(factors, cancelled), isInfinite(s, f, c)));
    },
    inexact: () => {
      const p = s.float('mul', a, b);
      // A product of few bits may have lost them by underflow, where the sum does not.
      const factors = s.or(isZero(s, f, a), isZero(s, f, b));
      const lost = s.and(isUnusual(s, f, p), s.eqz(factors));
      return s.or(s.or(s.eqz(productFits(s, f, a, b)), lost), sumIsInexact(s, p, c, result));
    },
    exact: () => callExact(s, fpMulAdd[w], w, c, a, b),
  });
}

// --- one number -------------------------------------------------------------------------------------------------

/** FPSqrt(). Roots of numbers neither overflow nor underflow. */
export function root(s: A64, w: Width, a: Val): Val {
  if (w === 16) return s.call(fpSqrt[w], a);
  const f = formats[w];
  const result = s.float('sqrt', a);
  return inLine(s, {
    result,
    unless: ROUNDS,
    doubtful: isNaN(s, result),
    inexact: () =>
      s.eqz(s.and(productFits(s, f, result, result), s.floatTest('eq', s.float('mul', result, result), a))),
    exact: () => callExact(s, fpSqrt[w], w, a),
  });
}

const rounders = {
  [Rounding.even]: 'nearest',
  [Rounding.up]: 'ceil',
  [Rounding.down]: 'floor',
  [Rounding.zero]: 'trunc',
} as const satisfies Record<number, FloatOp>;

/** How FRINT* and FCVT* round: a mode that their name says, or FPCR's. */
export type RoundBy = keyof typeof rounders | typeof Rounding.away | 'current';

/** A number rounded to an integer by the host. */
function rounded(s: A64, v: Val, mode: RoundBy): Val {
  if (mode === 'current') return s.float('nearest', v);
  if (mode !== Rounding.away) return s.float(rounders[mode], v);
  const towardsZero = s.float('trunc', v);
  const rest = s.float('abs', s.float('sub', v, towardsZero));
  const f = formats[v.ty === 'i32' ? 32 : 64];
  const [half, one] = [f.bias - 1, f.bias].map((exp) => s.k(v.ty, BigInt(exp) << BigInt(f.frac))) as [
    Val,
    Val,
  ];
  const up = s.float('add', towardsZero, s.float('copysign', one, v));
  return s.select(s.floatTest('ge', rest, half), up, towardsZero);
}

const modeOf = (s: A64, mode: RoundBy): Val => (mode === 'current' ? roundingMode(s) : s.i32(mode));

/** FPRoundInt(); `signals`: an inexact result sets IXC. */
export function roundToInteger(s: A64, w: Width, v: Val, mode: RoundBy, signals: boolean): Val {
  const exact = (): Val => callExact2(s, fpRoundInt[w], w, v, modeOf(s, mode), s.i32(signals ? 1 : 0));
  if (w === 16) return exact();
  const result = rounded(s, v, mode);
  return inLine(s, {
    result,
    unless: mode === 'current' ? ROUNDS : FLUSHES,
    doubtful: isNaN(s, v),
    ...(signals ? { inexact: () => s.floatTest('ne', result, v) } : {}),
    exact,
  });
}

/** Calls a routine on a number and what else it takes. */
const callExact2 = (s: A64, r: Routine, w: Width, v: Val, ...more: readonly Val[]): Val =>
  narrow(s, w, s.call(r, wide(s, v), ...more));

// --- conversions ------------------------------------------------------------------------------------------------

/** FPToFixed() without bits of fraction: to an integer of `bits` bits, of that type. */
export function toInteger(s: A64, w: Width, v: Val, mode: RoundBy, bits: 32 | 64, unsigned: boolean): Val {
  const narrowed = (i: Val): Val => (bits === 32 ? s.wrap(i) : i);
  const exact = (): Val =>
    narrowed(
      s.call(fpToFixed[w], wide(s, v), modeOf(s, mode), s.i32(0), s.i32(bits), s.i32(unsigned ? 1 : 0)),
    );
  if (w === 16) return exact();
  const f = formats[w];
  const whole = rounded(s, v, mode);
  // 32 bits without a sign fit in 64 with one.
  const signed = !unsigned || bits === 32;
  const op =
    w === 64
      ? signed
        ? 'signedOfDouble'
        : 'unsignedOfDouble'
      : signed
        ? 'signedOfSingle'
        : 'unsignedOfSingle';
  const tooLarge = s.geu(exponent(s, f, whole), s.i32(f.bias + bits - (unsigned ? 0 : 1)));
  const negative = (): Val => s.eqz(s.floatTest('ge', whole, s.k(v.ty, 0)));
  return inLine(s, {
    result: narrowed(s.floatConvert(op, whole)),
    unless: FLUSHES,
    doubtful: unsigned ? s.or(tooLarge, negative()) : tooLarge,
    inexact: () => s.floatTest('ne', whole, v),
    exact,
  });
}

/** FixedToFP() without bits of fraction, of an integer of 32 or 64 bits by its type. */
export function fromInteger(s: A64, w: Width, v: Val, unsigned: boolean): Val {
  const all = v.ty === 'i64' ? v : unsigned ? s.zext(v) : s.sext(v);
  const exact = (): Val =>
    narrow(s, w, s.call(fpFromFixed[w], all, s.i32(0), s.i32(unsigned ? 1 : 0), roundingMode(s)));
  if (w === 16) return exact();
  const f = formats[w];
  const signed = !unsigned || v.ty === 'i32';
  if (w === 64) {
    const result = s.floatConvert(signed ? 'doubleOfSigned' : 'doubleOfUnsigned', all);
    if (v.ty === 'i32') return result;
    return inLine(s, {
      result,
      unless: ROUNDS,
      doubtful: s.i32(0),
      inexact: () => isLong(s, f, all, signed),
      exact,
    });
  }
  const result = s.floatConvert(signed ? 'singleOfSigned' : 'singleOfUnsigned', all);
  return inLine(s, {
    result,
    unless: ROUNDS,
    doubtful: s.i32(0),
    inexact: () => isLong(s, f, all, signed),
    exact,
  });
}

/** An integer may have more bits than a mantissa. */
function isLong(s: A64, f: Format, v: Val, signed: boolean): Val {
  const limit = 1n << BigInt(f.frac + 1);
  return signed ? s.gtu(s.addi(v, limit), s.i64(2n * limit)) : s.gtu(v, s.i64(limit));
}

/** FPConvert(). */
export function convert(s: A64, from: Width, to: Width, v: Val): Val {
  const exact = (): Val => narrow(s, to, s.call(fpConvert(from, to), wide(s, v), roundingMode(s)));
  if (from === 32 && to === 64) {
    const result = s.floatConvert('promote', v);
    return inLine(s, { result, unless: FLUSHES, doubtful: isNaN(s, v), exact });
  }
  if (from !== 64 || to !== 32) return exact();
  const result = s.floatConvert('demote', v);
  return inLine(s, {
    result,
    unless: ROUNDS,
    doubtful: isUnusual(s, formats[to], result),
    explained: () => s.and(s.eqz(isNaN(s, v)), isZeroOrMore(s, formats[from], v)),
    inexact: () => s.floatTest('ne', s.floatConvert('promote', result), v),
    exact,
  });
}

// --- comparisons ------------------------------------------------------------------------------------------------

/** FPCompare(): the flags word. `when`: otherwise nothing is compared, and nothing signals. */
export function compare(s: A64, w: Width, a: Val, b: Val, signalAll: boolean, when?: Val): Val {
  const exact = (): Val => s.shli(s.call(fpCompare[w], wide(s, a), wide(s, b), s.i32(signalAll ? 1 : 0)), 28);
  const only = (c: Val): Val => (when ? s.and(c, when) : c);
  if (w === 16) {
    const flags = s.local('flags', s.i32(Compared.equal));
    s.if(when ?? s.i32(1), () => s.assign(flags, exact()));
    return s.read(flags);
  }
  const [less, equal] = [s.floatTest('lt', a, b), s.floatTest('eq', a, b)];
  const ordered = s.or(s.shli(less, 31), s.or(s.shli(equal, 30), s.shli(s.eqz(less), 29)));
  const unordered = s.eqz(s.or(s.or(less, equal), s.floatTest('lt', b, a)));
  const flags = s.local('flags', ordered);
  const slow = (): void => s.assign(flags, exact());
  s.rarely(only(s.nei(s.andi(s.wrap(getReg(s, 'FPCR')), FLUSHES), 0)), slow, () =>
    s.rarely(only(unordered), slow),
  );
  return s.read(flags);
}
