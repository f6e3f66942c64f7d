/**
 * Integer operations on three vectors of the same kind, and their scalar forms. Arm ARM DDI 0487 C4.1, "Advanced SIMD three same",
 * "... (extra)", "scalar three same". Bitwise ones are in simd-move.ts.
 */
import type { Operand, Val } from '../../../ir/nodes';
import type { Row } from '../../dsl/row';
import { row } from '../row';
import type { A64 } from '../sem';
import {
  elements,
  esizeOf,
  esizes,
  letterOf,
  maskOf,
  scalar,
  setElements,
  setScalar,
  vectorFits,
  vectorKind,
  vectorShapes,
  type Bits,
  type Esize,
} from './lanes';
import { addSaturating, polynomialProduct, saturate, shiftByRegister, subSaturating } from './saturate';

/** On one element each of Rn and Rm, extended to 64 bits by their sign; the low bits of the result count. */
export type Apply = (s: A64, n: Val, m: Val, e: Esize, d: () => Val) => Val;

interface ThreeSame {
  readonly m: string;
  readonly u: '0' | '1';
  readonly opcode: Bits;
  readonly apply: Apply;
  readonly doc: string;
  readonly sizes: readonly Esize[];
  /** Sizes of the scalar form. */
  readonly scalar?: readonly Esize[];
  /** Elements are zero-extended. */
  readonly unsigned: boolean;
  readonly pairs?: true;
  /** The old destination is a source. */
  readonly accumulates?: true;
  /** Bit 21 is 0 in the "extra" group. */
  readonly extra?: { readonly feature: string };
}

const all = esizes;
const upTo32: readonly Esize[] = [8, 16, 32];
const D: readonly Esize[] = [64];
const HS: readonly Esize[] = [16, 32];

/** An operation in its signed and its unsigned form. */
function signs(
  opcode: Bits,
  make: (unsigned: boolean) => Pick<ThreeSame, 'm' | 'apply' | 'doc'>,
  rest: Pick<ThreeSame, 'sizes' | 'scalar' | 'pairs' | 'accumulates'>,
): ThreeSame[] {
  return [false, true].map((unsigned) => ({
    ...make(unsigned),
    ...rest,
    opcode,
    u: unsigned ? '1' : '0',
    unsigned,
  }));
}

const us = (unsigned: boolean): string => (unsigned ? 'u' : 's');
const kind = (unsigned: boolean): string => (unsigned ? 'unsigned' : 'signed');

/** All ones where a condition (i32) holds. */
export const allOnes = (s: A64, c: Val, e: Esize): Val => s.select(c, s.i64(maskOf(e)), s.i64(0));

/** The larger or smaller of two extended elements. */
export const extreme =
  (max: boolean, unsigned: boolean): Apply =>
  (s, n, m) => {
    const less = unsigned ? s.ltu(n, m) : s.lts(n, m);
    return max ? s.select(less, m, n) : s.select(less, n, m);
  };

export const absoluteDifference =
  (unsigned: boolean): Apply =>
  (s, n, m) => {
    const less = unsigned ? s.ltu(n, m) : s.lts(n, m);
    return s.select(less, s.sub(m, n), s.sub(n, m));
  };

/** SQDMULH and SQRDMULH: the upper half of twice the product. */
export const doubleHigh =
  (rounded: boolean): Apply =>
  (s, n, m, e) => {
    const product = s.mul(n, m);
    return saturate(s, s.sari(rounded ? s.addi(product, 1 << (e - 2)) : product, e - 1), e, false);
  };

/** SQRDMLAH and SQRDMLSH: the same added to or subtracted from the destination before it is rounded. */
export const doubleHighAccumulate =
  (subtract: boolean): Apply =>
  (s, n, m, e, d) => {
    const product = s.mul(n, m);
    const base = s.addi(s.shli(d(), e - 1), 1 << (e - 2));
    return saturate(s, s.sari(subtract ? s.sub(base, product) : s.add(base, product), e - 1), e, false);
  };

const shiftForms = [
  { opcode: '01000', name: 'shl', rounded: false, saturating: false, scalar: D },
  { opcode: '01001', name: 'qshl', rounded: false, saturating: true, scalar: all },
  { opcode: '01010', name: 'rshl', rounded: true, saturating: false, scalar: D },
  { opcode: '01011', name: 'qrshl', rounded: true, saturating: true, scalar: all },
] as const;

const operations: readonly ThreeSame[] = [
  ...signs(
    '00000',
    (u) => ({
      m: `${us(u)}hadd`,
      doc: `Half the sum of ${kind(u)} elements.`,
      apply: (s, n, m) => s.sari(s.add(n, m), 1),
    }),
    { sizes: upTo32 },
  ),
  ...signs(
    '00001',
    (u) => ({
      m: `${us(u)}qadd`,
      doc: `Adds ${kind(u)} elements with saturation.`,
      apply: (s, n, m, e) => addSaturating(s, n, m, e, u),
    }),
    { sizes: all, scalar: all },
  ),
  ...signs(
    '00010',
    (u) => ({
      m: `${us(u)}rhadd`,
      doc: `Half the sum of ${kind(u)} elements, rounded.`,
      apply: (s, n, m) => s.sari(s.addi(s.add(n, m), 1), 1),
    }),
    { sizes: upTo32 },
  ),
  ...signs(
    '00100',
    (u) => ({
      m: `${us(u)}hsub`,
      doc: `Half the difference of ${kind(u)} elements.`,
      apply: (s, n, m) => s.sari(s.sub(n, m), 1),
    }),
    { sizes: upTo32 },
  ),
  ...signs(
    '00101',
    (u) => ({
      m: `${us(u)}qsub`,
      doc: `Subtracts ${kind(u)} elements with saturation.`,
      apply: (s, n, m, e) => subSaturating(s, n, m, e, u),
    }),
    { sizes: all, scalar: all },
  ),
  ...signs(
    '00110',
    (u) => ({
      m: u ? 'cmhi' : 'cmgt',
      doc: `All ones where n > m, ${kind(u)}.`,
      apply: (s, n, m, e) => allOnes(s, u ? s.gtu(n, m) : s.gts(n, m), e),
    }),
    { sizes: all, scalar: D },
  ),
  ...signs(
    '00111',
    (u) => ({
      m: u ? 'cmhs' : 'cmge',
      doc: `All ones where n >= m, ${kind(u)}.`,
      apply: (s, n, m, e) => allOnes(s, u ? s.geu(n, m) : s.ges(n, m), e),
    }),
    { sizes: all, scalar: D },
  ),
  ...shiftForms.flatMap(({ opcode, name, rounded, saturating, scalar: sizes }) =>
    signs(
      opcode,
      (u) => ({
        m: `${us(u)}${name}`,
        doc: `Shifts ${kind(u)} elements left, or right by a negative amount${rounded ? ', rounding' : ''}${saturating ? ', with saturation' : ''}.`,
        apply: (s, n, m, e) => shiftByRegister(s, n, m, e, { unsigned: u, rounded, saturating }),
      }),
      { sizes: all, scalar: sizes },
    ),
  ),
  ...([true, false] as const).flatMap((max) =>
    signs(
      max ? '01100' : '01101',
      (u) => ({
        m: `${us(u)}${max ? 'max' : 'min'}`,
        doc: `The ${max ? 'larger' : 'smaller'} ${kind(u)} element.`,
        apply: extreme(max, u),
      }),
      { sizes: upTo32 },
    ),
  ),
  ...signs(
    '01110',
    (u) => ({
      m: `${us(u)}abd`,
      doc: `Absolute difference of ${kind(u)} elements.`,
      apply: absoluteDifference(u),
    }),
    { sizes: upTo32 },
  ),
  ...signs(
    '01111',
    (u) => ({
      m: `${us(u)}aba`,
      doc: `Adds the absolute difference of ${kind(u)} elements to the destination.`,
      apply: (s, n, m, e, d) => s.add(d(), absoluteDifference(u)(s, n, m, e, d)),
    }),
    { sizes: upTo32, accumulates: true },
  ),
  ...([true, false] as const).flatMap((max) =>
    signs(
      max ? '10100' : '10101',
      (u) => ({
        m: `${us(u)}${max ? 'max' : 'min'}p`,
        doc: `The ${max ? 'larger' : 'smaller'} ${kind(u)} element of each pair.`,
        apply: extreme(max, u),
      }),
      { sizes: upTo32, pairs: true },
    ),
  ),
  {
    m: 'add',
    u: '0',
    opcode: '10000',
    unsigned: true,
    sizes: all,
    scalar: D,
    doc: 'Adds.',
    apply: (s, n, m) => s.add(n, m),
  },
  {
    m: 'sub',
    u: '1',
    opcode: '10000',
    unsigned: true,
    sizes: all,
    scalar: D,
    doc: 'Subtracts.',
    apply: (s, n, m) => s.sub(n, m),
  },
  {
    m: 'cmtst',
    u: '0',
    opcode: '10001',
    unsigned: true,
    sizes: all,
    scalar: D,
    doc: 'All ones where the elements have a bit in common.',
    apply: (s, n, m, e) => allOnes(s, s.nei(s.and(n, m), 0), e),
  },
  {
    m: 'cmeq',
    u: '1',
    opcode: '10001',
    unsigned: true,
    sizes: all,
    scalar: D,
    doc: 'All ones where equal.',
    apply: (s, n, m, e) => allOnes(s, s.eq(n, m), e),
  },
  {
    m: 'mla',
    u: '0',
    opcode: '10010',
    unsigned: true,
    sizes: upTo32,
    accumulates: true,
    doc: 'Adds the product to the destination.',
    apply: (s, n, m, _e, d) => s.add(d(), s.mul(n, m)),
  },
  {
    m: 'mls',
    u: '1',
    opcode: '10010',
    unsigned: true,
    sizes: upTo32,
    accumulates: true,
    doc: 'Subtracts the product from the destination.',
    apply: (s, n, m, _e, d) => s.sub(d(), s.mul(n, m)),
  },
  {
    m: 'mul',
    u: '0',
    opcode: '10011',
    unsigned: true,
    sizes: upTo32,
    doc: 'Multiplies.',
    apply: (s, n, m) => s.mul(n, m),
  },
  {
    m: 'pmul',
    u: '1',
    opcode: '10011',
    unsigned: true,
    sizes: [8],
    doc: 'Multiplies polynomials over {0, 1}.',
    apply: (s, n, m, e) => polynomialProduct(s, n, m, e),
  },
  {
    m: 'sqdmulh',
    u: '0',
    opcode: '10110',
    unsigned: false,
    sizes: HS,
    scalar: HS,
    doc: 'The upper half of twice the product, with saturation.',
    apply: doubleHigh(false),
  },
  {
    m: 'sqrdmulh',
    u: '1',
    opcode: '10110',
    unsigned: false,
    sizes: HS,
    scalar: HS,
    doc: 'The upper half of twice the product, rounded, with saturation.',
    apply: doubleHigh(true),
  },
  {
    m: 'addp',
    u: '0',
    opcode: '10111',
    unsigned: true,
    sizes: all,
    pairs: true,
    doc: 'Adds the elements of each pair.',
    apply: (s, n, m) => s.add(n, m),
  },
  ...([false, true] as const).map((subtract): ThreeSame => ({
    m: subtract ? 'sqrdmlsh' : 'sqrdmlah',
    u: '1',
    opcode: subtract ? '10001' : '10000',
    unsigned: false,
    sizes: HS,
    scalar: HS,
    accumulates: true,
    extra: { feature: 'RDM' },
    doc: `${subtract ? 'Subtracts' : 'Adds'} the upper half of twice the product, rounded, with saturation.`,
    apply: doubleHighAccumulate(subtract),
  })),
];

type Three = Readonly<Record<'rd' | 'rn' | 'rm', Operand>>;

function vectorBody(s: A64, op: ThreeSame, f: Three, q: number, e: Esize): void {
  s.checkFP();
  const signed = !op.unsigned;
  const n = elements(s, f.rn, q, e, signed);
  const m = elements(s, f.rm, q, e, signed);
  const d = op.accumulates ? elements(s, f.rd, q, e, signed) : [];
  const joined = [...n, ...m];
  const values = n.map((v, i) =>
    op.pairs
      ? op.apply(s, joined[2 * i]!, joined[2 * i + 1]!, e, () => d[i]!)
      : op.apply(s, v, m[i]!, e, () => d[i]!),
  );
  setElements(s, f.rd, values, e);
}

function rowsOf(op: ThreeSame): readonly Row<A64>[] {
  const name = op.m.toUpperCase();
  const bit21: Bits = op.extra ? '0' : '1';
  const scalarSizes = op.scalar ?? [];
  return [
    row(`${name} (vector)`, `0 Q ${op.u} 01110 size:2 ${bit21} rm:5 ${op.opcode} 1 rn:5 rd:5`, {
      asm: (f) => {
        const t = vectorKind(f.Q, esizeOf(f.size));
        return `${op.m} <${t}:rd>, <${t}:rn>, <${t}:rm>`;
      },
      shape: ['Q', 'size'],
      shapes: vectorShapes(op.sizes),
      when: vectorFits(op.sizes),
      ...op.extra,
      doc: op.doc,
      exec: (s, f) => vectorBody(s, op, f, f.Q, esizeOf(f.size)),
    }),
    ...(scalarSizes.length > 0
      ? [
          row(`${name} (SIMD scalar)`, `01 ${op.u} 11110 size:2 ${bit21} rm:5 ${op.opcode} 1 rn:5 rd:5`, {
            asm: (f) => {
              const t = letterOf(esizeOf(f.size));
              return `${op.m} <${t}:rd>, <${t}:rn>, <${t}:rm>`;
            },
            shape: ['size'],
            shapes: () => scalarSizes.map((e) => ({ size: esizes.indexOf(e) })),
            when: (f) => scalarSizes.includes(esizeOf(f.size)),
            ...op.extra,
            doc: op.doc,
            exec(s, f) {
              s.checkFP();
              const e = esizeOf(f.size);
              const get = (r: Operand): Val => scalar(s, r, e, !op.unsigned);
              setScalar(
                s,
                f.rd,
                op.apply(s, get(f.rn), get(f.rm), e, () => get(f.rd)),
                e,
              );
            },
          }),
        ]
      : []),
  ];
}

/** SDOT, UDOT: four products of bytes are added to each word. */
export function dotProduct(s: A64, n: readonly Val[], m: readonly Val[], d: Val): Val {
  return n.map((v, i) => s.mul(v, m[i]!)).reduce((sum, p) => s.add(sum, p), d);
}

const dotRows = ([false, true] as const).map((unsigned) =>
  row(
    `${unsigned ? 'UDOT' : 'SDOT'} (vector)`,
    `0 Q ${unsigned ? '1' : '0'} 01110 10 0 rm:5 10010 1 rn:5 rd:5`,
    {
      asm: (f) => {
        const bytes = vectorKind(f.Q, 8);
        return `${us(unsigned)}dot <${vectorKind(f.Q, 32)}:rd>, <${bytes}:rn>, <${bytes}:rm>`;
      },
      shape: ['Q'],
      feature: 'DotProd',
      doc: `Adds four products of ${kind(unsigned)} bytes to each word.`,
      exec(s, f) {
        s.checkFP();
        const n = elements(s, f.rn, f.Q, 8, !unsigned);
        const m = elements(s, f.rm, f.Q, 8, !unsigned);
        const words = elements(s, f.rd, f.Q, 32).map((d, i) =>
          dotProduct(s, n.slice(4 * i, 4 * i + 4), m.slice(4 * i, 4 * i + 4), d),
        );
        setElements(s, f.rd, words, 32);
      },
    },
  ),
);

export const simdThreeSameRows: readonly Row<A64>[] = [...operations.flatMap(rowsOf), ...dotRows];
