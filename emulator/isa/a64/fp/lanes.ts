/**
 * Operations on elements as vector and scalar floating-point instructions share them, as tables: what each does to one element
 * (or pair of elements), by format.
 */
import type { Routine, Val } from '../../../ir/nodes';
import { fpAdd, fpDiv, fpMul, fpMulX, fpSub } from './arithmetic';
import { Compared, fpCompare, fpMax, fpMaxNum, fpMin, fpMinNum } from './compare';
import { formats, type Width } from './format';
import { fpMulAdd, fpRecipStep, fpRSqrtStep } from './fused';
import { negate } from './scalar';
import type { A64 } from '../sem';
import { maskOf } from '../simd/lanes';

type Routines = Readonly<Record<Width, Routine>>;

/** On one element each of Rn and Rm; `d` is the old destination's. */
export type Apply = (s: A64, n: Val, m: Val, w: Width, d: () => Val) => Val;

const by =
  (r: Routines): Apply =>
  (s, n, m, w) =>
    s.call(r[w], n, m);

const magnitude = (s: A64, v: Val, w: Width): Val => s.andi(v, formats[w].sign - 1n);

/** All ones where the comparison holds. FCMGE, FCMGT and their absolute forms do not take any NaN, FCMEQ quiet ones. */
export function compare(s: A64, a: Val, b: Val, w: Width, relation: 'eq' | 'ge' | 'gt'): Val {
  const r = s.call(fpCompare[w], a, b, s.i32(relation === 'eq' ? 0 : 1));
  const equal = s.eqi(r, Compared.equal);
  const greater = s.eqi(r, Compared.greater);
  const holds = relation === 'eq' ? equal : relation === 'gt' ? greater : s.or(equal, greater);
  return s.select(holds, s.i64(maskOf(w)), s.i64(0));
}

export const fadd = by(fpAdd);
export const fsub = by(fpSub);
export const fmul = by(fpMul);
export const fmulx = by(fpMulX);
export const fdiv = by(fpDiv);
export const fmax = by(fpMax);
export const fmin = by(fpMin);
export const fmaxnm = by(fpMaxNum);
export const fminnm = by(fpMinNum);
export const frecps = by(fpRecipStep);
export const frsqrts = by(fpRSqrtStep);
export const fabd: Apply = (s, n, m, w) => magnitude(s, s.call(fpSub[w], n, m), w);
export const fmla: Apply = (s, n, m, w, d) => s.call(fpMulAdd[w], d(), n, m);
export const fmls: Apply = (s, n, m, w, d) => s.call(fpMulAdd[w], d(), negate(s, n, w), m);
export const fcmeq: Apply = (s, n, m, w) => compare(s, n, m, w, 'eq');
export const fcmge: Apply = (s, n, m, w) => compare(s, n, m, w, 'ge');
export const fcmgt: Apply = (s, n, m, w) => compare(s, n, m, w, 'gt');
export const facge: Apply = (s, n, m, w) => compare(s, magnitude(s, n, w), magnitude(s, m, w), w, 'ge');
export const facgt: Apply = (s, n, m, w) => compare(s, magnitude(s, n, w), magnitude(s, m, w), w, 'gt');

/** Reduce(): halves first. */
export function reduce(s: A64, values: readonly Val[], w: Width, apply: Apply): Val {
  const [only] = values;
  if (only && values.length === 1) return only;
  const middle = values.length / 2;
  const lo = reduce(s, values.slice(0, middle), w, apply);
  const hi = reduce(s, values.slice(middle), w, apply);
  return apply(s, lo, hi, w, () => lo);
}
