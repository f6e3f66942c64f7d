/**
 * Floating point on whole vectors: the host's own arithmetic on all lanes, one look at the result that says whether it is Arm's in
 * each of them, and the exact routines, element by element, for the rest. The host tells no flags: without FPSR.IXC (sticky), or
 * where FPCR asks for other rounding or flushing, the exact way is taken. See in-line.ts, which does the same for single numbers.
 */
import type { Operand, Val } from '../../../ir/nodes';
import type { FloatLaneOp } from '../../../ir/simd';
import { Flags, formats } from './format';
import type { A64 } from '../sem';
import { getReg } from '../sysregs';
import { all, zero } from '../simd/whole';

/** Singles or doubles. */
export type LaneWidth = 32 | 64;

/** What the host makes of vectors. */
export interface Quick {
  readonly result: Val;
  /** A vector with bits set where a lane may not be Arm's; undefined: all are. */
  readonly doubtful?: Val;
  /** Of a doubtful result: bits set where it is not explained after all. */
  readonly unexplained?: () => Val;
  /** The result may be inexact. */
  readonly rounds: boolean;
}

export type QuickOp = (s: A64, w: LaneWidth, n: Val, m: Val, d: () => Val) => Quick;

/** FPCR.RMode and FZ. */
const MODE = 0x01c00000;

/**
 * The result of an operation, `q` ? 128 : 64 bits. `exact` gives it where the host cannot tell; in translated code that is the
 * interpreter's.
 */
export function quickly(s: A64, q: number, quick: Quick, exact: () => Val): Val {
  const part = (v: Val): Val => (q ? v : s.lowHalf(v));
  if (!quick.doubtful && !quick.rounds) return part(quick.result);
  const result = s.local('result', part(quick.result));
  const slow = (): void => s.assign(result, exact());
  const { doubtful, unexplained } = quick;
  const any = (v: Val): Val => s.vector('any_true', part(v));
  const look = (): void => {
    if (!doubtful) return;
    if (!unexplained) s.rarely(any(doubtful), slow);
    else s.seldom(any(doubtful), () => s.rarely(any(unexplained()), slow));
  };
  const mode = s.andi(s.wrap(getReg(s, 'FPCR')), MODE);
  const inexactBefore = s.andi(s.wrap(getReg(s, 'FPSR')), Flags.IXC);
  s.rarely(quick.rounds ? s.or(mode, s.eqz(inexactBefore)) : mode, slow, look);
  return s.read(result);
}

/** Writes such a result to Rd. */
export const setQuickly = (s: A64, rd: Operand, q: number, quick: Quick, exact: () => Val): void =>
  s.setQ(rd, quickly(s, q, quick, exact));

const lane = (s: A64, op: FloatLaneOp, w: LaneWidth, ...v: readonly Val[]): Val => s.floatLanes(op, w, ...v);
const or = (s: A64, ...v: readonly Val[]): Val => v.reduce((a, b) => s.vector('or', a, b));
const and = (s: A64, ...v: readonly Val[]): Val => v.reduce((a, b) => s.vector('and', a, b));

/** Bits are set where a number is infinite or a NaN: all others less themselves are +0. */
const endless = (s: A64, w: LaneWidth, v: Val): Val => lane(s, 'sub', w, v, v);
const nan = (s: A64, w: LaneWidth, v: Val): Val => lane(s, 'ne', w, v, v);
const nonzero = (s: A64, w: LaneWidth, v: Val): Val => lane(s, 'ne', w, v, zero(s));

/** Up to the smallest normal number: Arm detects underflow before rounding. */
const tiny = (s: A64, w: LaneWidth, v: Val): Val =>
  lane(s, 'le', w, lane(s, 'abs', w, v), all(s, w, 1n << BigInt(formats[w].frac)));

/** Finite sums are exact where they are denormal or zero, and come from finite numbers. */
const sum =
  (op: 'add' | 'sub'): QuickOp =>
  (s, w, n, m) => {
    const result = lane(s, op, w, n, m);
    return { result, doubtful: endless(s, w, result), rounds: true };
  };

/** A tiny result is explained by operands that are zero. */
const scaled =
  (op: 'mul' | 'div'): QuickOp =>
  (s, w, n, m) => {
    const result = lane(s, op, w, n, m);
    return {
      result,
      doubtful: or(s, endless(s, w, result), tiny(s, w, result)),
      unexplained: () => {
        const operands = op === 'mul' ? and(s, nonzero(s, w, n), nonzero(s, w, m)) : nonzero(s, w, n);
        return or(s, endless(s, w, result), and(s, tiny(s, w, result), operands));
      },
      rounds: true,
    };
  };

/** The larger or smaller number: of zeros the host takes the same one, and flags come from NaNs only. */
const extreme =
  (op: 'max' | 'min'): QuickOp =>
  (s, w, n, m) => {
    const result = lane(s, op, w, n, m);
    return { result, doubtful: nan(s, w, result), rounds: false };
  };

const compared =
  (op: 'eq' | 'ge' | 'gt', magnitudes = false): QuickOp =>
  (s, w, n, m) => {
    const [a, b] = magnitudes ? [lane(s, 'abs', w, n), lane(s, 'abs', w, m)] : [n, m];
    return { result: lane(s, op, w, a, b), doubtful: or(s, nan(s, w, n), nan(s, w, m)), rounds: false };
  };

/** The two singles of the upper half, as doubles. */
const promoteHigh = (s: A64, v: Val): Val =>
  s.vector('promote', s.shuffle(v, v, [8, 9, 10, 11, 12, 13, 14, 15, 8, 9, 10, 11, 12, 13, 14, 15]));

/** Two vectors of two doubles as singles. */
const demoteBoth = (s: A64, low: Val, high: Val): Val =>
  s.shuffle(s.vector('demote', low), s.vector('demote', high), [
    ...[0, 1, 2, 3, 4, 5, 6, 7],
    ...[16, 17, 18, 19, 20, 21, 22, 23],
  ]);

/** Bits of a double below those of a single, and what they are halfway between two singles. */
const BELOW = (1n << 29n) - 1n;
const HALFWAY = 1n << 28n;
/** A little above the smallest normal single, as a double. */
const TINY_SINGLE = 0x3810000100000000n;

/**
 * d + n * m, rounded once. Of singles by way of doubles: the product is exact, and rounding the sum twice matters only where the first
 * time ends halfway between two singles.
 */
const fusedSingles: QuickOp = (s, w, n, m, d) => {
  const old = d();
  const half = (promote: (v: Val) => Val): Val =>
    lane(s, 'add', 64, lane(s, 'mul', 64, promote(n), promote(m)), promote(old));
  const sums = [half((v) => s.vector('promote', v)), half((v) => promoteHigh(s, v))] as [Val, Val];
  const result = demoteBoth(s, ...sums);
  // A vector of four lanes: set in one of the two halves that belong to a sum.
  const join = (f: (v: Val) => Val): Val => {
    const [low, high] = sums.map(f) as [Val, Val];
    return s.shuffle(low, high, [0, 1, 2, 3, 8, 9, 10, 11, 16, 17, 18, 19, 24, 25, 26, 27]);
  };
  const halfway = (): Val =>
    join((v) => s.lanes('eq', 64, s.vector('and', v, all(s, 64, BELOW)), all(s, 64, HALFWAY)));
  const never = or(s, endless(s, w, result), halfway());
  return {
    result,
    doubtful: or(s, never, tiny(s, w, result)),
    // What cancels does so exactly.
    unexplained: () =>
      or(
        s,
        never,
        join((v) =>
          and(s, lane(s, 'le', 64, lane(s, 'abs', 64, v), all(s, 64, TINY_SINGLE)), nonzero(s, 64, v)),
        ),
      ),
    rounds: true,
  };
};

/** Of doubles one after the other. */
const fusedDoubles: QuickOp = (s, w, n, m, d) => {
  const old = d();
  const one = (i: number): Val => s.fused(s.extract(64, old, i), s.extract(64, n, i), s.extract(64, m, i));
  const [low, high] = [one(0), one(1)];
  const result = s.pair(low, high);
  return {
    result,
    doubtful: or(s, endless(s, w, result), tiny(s, w, result)),
    unexplained: () =>
      // Zero by a factor and an addend that are zero is one; any other may have underflowed.
      or(
        s,
        endless(s, w, result),
        and(
          s,
          tiny(s, w, result),
          or(s, nonzero(s, w, result), nonzero(s, w, old), and(s, nonzero(s, w, n), nonzero(s, w, m))),
        ),
      ),
    rounds: true,
  };
};

const fused: QuickOp = (s, w, n, m, d) => (w === 32 ? fusedSingles : fusedDoubles)(s, w, n, m, d);

/** Operations with two sources, and the destination. */
export const quick = {
  add: sum('add'),
  sub: sum('sub'),
  mul: scaled('mul'),
  div: scaled('div'),
  max: extreme('max'),
  min: extreme('min'),
  eq: compared('eq'),
  ge: compared('ge'),
  gt: compared('gt'),
  absGe: compared('ge', true),
  absGt: compared('gt', true),
  difference: (s, w, n, m, d) => {
    const q = sum('sub')(s, w, n, m, d);
    return { ...q, result: lane(s, 'abs', w, q.result) };
  },
  fused,
  fusedNegative: (s, w, n, m, d) => fused(s, w, lane(s, 'neg', w, n), m, d),
} as const satisfies Record<string, QuickOp>;

/** Singles of one half as doubles: all but NaNs are what they were. */
export function widened(s: A64, v: Val, high: boolean): Quick {
  const result = high ? promoteHigh(s, v) : s.vector('promote', v);
  return { result, doubtful: nan(s, 64, result), rounds: false };
}

/** Doubles as singles in the low half. Zeros are explained. */
export function narrowed(s: A64, v: Val): Quick {
  const result = s.vector('demote', v);
  const small = lane(s, 'le', 64, lane(s, 'abs', 64, v), all(s, 64, TINY_SINGLE));
  return {
    result,
    doubtful: or(s, endless(s, 32, result), small),
    unexplained: () => or(s, endless(s, 32, result), and(s, small, nonzero(s, 64, v))),
    rounds: true,
  };
}

export type QuickUnary = (s: A64, w: LaneWidth, v: Val) => Quick;

/** Reversing the sign or taking it away: of NaNs too. */
const sign =
  (op: 'abs' | 'neg'): QuickUnary =>
  (s, w, v) => ({ result: lane(s, op, w, v), rounds: false });

const rounded =
  (op: 'nearest' | 'floor' | 'ceil' | 'trunc', inexact = false): QuickUnary =>
  (s, w, v) => ({ result: lane(s, op, w, v), doubtful: endless(s, w, v), rounds: inexact });

/** Comparison with zero. */
const withZero =
  (op: 'eq' | 'ge' | 'gt' | 'le' | 'lt'): QuickUnary =>
  (s, w, v) => ({ result: lane(s, op, w, v, zero(s)), doubtful: nan(s, w, v), rounds: false });

/** 2^31 or 2^32 as singles, 2^63 or 2^64 as doubles. */
const limits = { 32: [0x4f000000n, 0x4f800000n], 64: [0x43e0000000000000n, 0x43f0000000000000n] } as const;

/** Towards zero, for what fits. */
const toInteger =
  (unsigned: 0 | 1): QuickUnary =>
  (s, w, v) => {
    const limit = all(s, w, limits[w][unsigned]);
    const fits = unsigned
      ? and(s, lane(s, 'ge', w, v, zero(s)), lane(s, 'lt', w, v, limit))
      : lane(s, 'lt', w, lane(s, 'abs', w, v), limit);
    const one = (i: number): Val =>
      s.floatConvert(unsigned ? 'unsignedOfDouble' : 'signedOfDouble', s.extract(64, v, i));
    const result = w === 32 ? s.vector(unsigned ? 'trunc_u' : 'trunc_s', v) : s.pair(one(0), one(1));
    return { result, doubtful: s.vector('not', fits), rounds: true };
  };

const fromInteger =
  (unsigned: 0 | 1): QuickUnary =>
  (s, w, v) => {
    const one = (i: number): Val =>
      s.floatConvert(unsigned ? 'doubleOfUnsigned' : 'doubleOfSigned', s.extract(64, v, i));
    const result = w === 32 ? s.vector(unsigned ? 'convert_u' : 'convert_s', v) : s.pair(one(0), one(1));
    return { result, rounds: true };
  };

/** By mnemonic, and what it compares with. */
export const quickUnary: Readonly<Record<string, QuickUnary>> = {
  fabs: sign('abs'),
  fneg: sign('neg'),
  fsqrt: (s, w, v) => {
    const result = lane(s, 'sqrt', w, v);
    return { result, doubtful: endless(s, w, result), rounds: true };
  },
  frintn: rounded('nearest'),
  frintm: rounded('floor'),
  frintp: rounded('ceil'),
  frintz: rounded('trunc'),
  frinti: rounded('nearest'),
  frintx: rounded('nearest', true),
  'fcmeq, #0.0': withZero('eq'),
  'fcmge, #0.0': withZero('ge'),
  'fcmgt, #0.0': withZero('gt'),
  'fcmle, #0.0': withZero('le'),
  'fcmlt, #0.0': withZero('lt'),
  fcvtzs: toInteger(0),
  fcvtzu: toInteger(1),
  scvtf: fromInteger(0),
  ucvtf: fromInteger(1),
};
