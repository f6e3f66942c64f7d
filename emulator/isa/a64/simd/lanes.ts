/** Vectors as lists of elements, for rows: elements are i64 values, low ones first. */
import type { Operand, Val } from '../../../ir/nodes';
import type { RawFields } from '../../dsl/row';
import type { A64 } from '../sem';

/** Size of an element in bits. */
export type Esize = 8 | 16 | 32 | 64;

/** Fixed bits of an encoding. */
export type Bits = `0${string}` | `1${string}`;

export const esizes: readonly Esize[] = [8, 16, 32, 64];

/** The element size of a two-bit size field. */
export const esizeOf = (size: number): Esize => esizes[size & 3]!;

/** The letter of scalar registers and elements of a size. */
export const letterOf = (esize: Esize): 'b' | 'h' | 's' | 'd' =>
  (({ 8: 'b', 16: 'h', 32: 's', 64: 'd' }) as const)[esize];

/** `8b` ... `2d`: the arrangement of a register with Q. */
export const arrangement = (q: number, esize: Esize): string => `${(64 << q) / esize}${letterOf(esize)}`;

/** `v.8b` ...: the kind of operand in assembly templates. */
export const vectorKind = (q: number, esize: Esize): string => `v.${arrangement(q, esize)}`;

/** A vector of one 64-bit element does not exist. */
export const vectorExists = (q: number, esize: Esize): boolean => esize < 64 || q === 1;

/** Shapes (Q, size) of vectors with these element sizes. */
export const vectorShapes =
  (sizes: readonly Esize[] = esizes) =>
  (): readonly RawFields<'Q' | 'size'>[] =>
    sizes.flatMap((esize) =>
      [0, 1].filter((q) => vectorExists(q, esize)).map((Q) => ({ Q, size: esizes.indexOf(esize) })),
    );

/** The `when` that belongs to vectorShapes. */
export const vectorFits =
  (sizes: readonly Esize[] = esizes) =>
  (f: RawFields): boolean =>
    sizes.includes(esizeOf(f['size'] ?? 0)) && vectorExists(f['Q'] ?? 0, esizeOf(f['size'] ?? 0));

export const maskOf = (esize: Esize): bigint => (1n << BigInt(esize)) - 1n;

/** The low `esize` bits. */
export const zeroExtend = (s: A64, v: Val, esize: Esize): Val =>
  esize === 64 ? v : s.andi(v, maskOf(esize));

/** The low `esize` bits as a signed number. */
export function signExtend(s: A64, v: Val, esize: Esize): Val {
  if (esize === 64) return v;
  if (esize === 8) return s.sext8(v);
  if (esize === 16) return s.sext16(v);
  return s.sext(s.wrap(v));
}

const extend = (s: A64, v: Val, esize: Esize, signed: boolean): Val =>
  signed ? signExtend(s, v, esize) : zeroExtend(s, v, esize);

/** The elements of 64 bits. */
function split(s: A64, v: Val, esize: Esize, signed: boolean): Val[] {
  return Array.from({ length: 64 / esize }, (_, i) => {
    const shifted = s.shri(v, i * esize);
    return !signed && (i + 1) * esize === 64 ? shifted : extend(s, shifted, esize, signed);
  });
}

/** All elements of a vector; signed ones sign-extended. */
export function elements(s: A64, r: Operand, q: number, esize: Esize, signed = false): Val[] {
  const halves = q ? ([0, 1] as const) : ([0] as const);
  return halves.flatMap((h) => split(s, s.v(r, h), esize, signed));
}

/** The same of a vector that is not in a register. */
export const elementsOf = (s: A64, v: Val, q: number, esize: Esize, signed = false): Val[] =>
  (q ? [0, 1] : [0]).flatMap((h) => split(s, s.extract(64, v, h), esize, signed));

/** The elements of the lower half (`part` 0) or the upper half of a register. */
export const halfElements = (s: A64, r: Operand, part: number, esize: Esize, signed = false): Val[] =>
  split(s, s.v(r, part ? 1 : 0), esize, signed);

/** Element 0. */
export const scalar = (s: A64, r: Operand, esize: Esize, signed = false): Val =>
  extend(s, s.v(r), esize, signed);

/** Puts elements together to 64 bits; bits above `esize` do not matter. */
function join(s: A64, values: readonly Val[], esize: Esize): Val {
  return values
    .map((v, i) => s.shli((i + 1) * esize === 64 ? v : zeroExtend(s, v, esize), i * esize))
    .reduce((a, b) => s.or(a, b));
}

/** A vector of 64 or 128 bits of elements, the rest is zero. */
export function vectorOf(s: A64, values: readonly Val[], esize: Esize): Val {
  const each = 64 / esize;
  const lo = join(s, values.slice(0, each), esize);
  return s.pair(lo, values.length <= each ? s.i64(0) : join(s, values.slice(each), esize));
}

/** Writes such a vector. */
export const setElements = (s: A64, rd: Operand, values: readonly Val[], esize: Esize): void =>
  s.setQ(rd, vectorOf(s, values, esize));

/** Writes the low half of a vector to that of a register, zeroing the rest, or with `part` to the upper half alone. */
export function setHalf(s: A64, rd: Operand, part: number, v: Val): void {
  if (part) s.setV(rd, s.v(rd), s.extract(64, v, 0));
  else s.setQ(rd, s.lowHalf(v));
}

/** Writes the lower half of a register (zeroing the rest) or, with `part`, the upper half alone. */
export function setHalfElements(
  s: A64,
  rd: Operand,
  part: number,
  values: readonly Val[],
  esize: Esize,
): void {
  const half = join(s, values, esize);
  if (part) s.setV(rd, s.v(rd), half);
  else s.setV(rd, half);
}

/** Writes one element and zeros. */
export const setScalar = (s: A64, rd: Operand, v: Val, esize: Esize): void =>
  s.setV(rd, zeroExtend(s, v, esize));

/** Place of element `index` of register `reg`, for A64.element. */
export const elementPlace = (reg: number, index: number, esize: Esize): number =>
  16 * reg + index * (esize / 8);

/** The element at a place, see A64.element; an i64. */
export function elementAt(s: A64, place: Operand, esize: Esize, signed = false): Val {
  const v = s.to('i64', s.element(place, (esize / 8) as 1 | 2 | 4 | 8));
  return signed ? signExtend(s, v, esize) : v;
}
