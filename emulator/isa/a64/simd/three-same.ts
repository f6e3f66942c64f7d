/**
 * Integer operations on three vectors of the same kind, and their scalar forms. Arm ARM DDI 0487 C4.1, "Advanced SIMD three same",
 * "... (extra)", "scalar three same". Bitwise ones are in simd-move.ts.
 */
import type { Operand, Val } from '../../../ir/nodes';
import type { Row } from '../../dsl/row';
import { row } from '../row';
import type { A64 } from '../sem';
import {
  elementsOf,
  esizeOf,
  esizes,
  letterOf,
  setElements,
  setScalar,
  vectorFits,
  vectorKind,
  vectorShapes,
  type Bits,
  type Esize,
} from './lanes';
import { saturate, shiftByRegister } from './saturate';
import {
  alternate,
  compare,
  dotProducts,
  differences,
  doubleHigh,
  extremes,
  halfDifference,
  halfSum,
  lanewise,
  onlyFirst,
  polynomial,
  product,
  saturatingSum,
  source,
  zero,
  type Whole,
} from './whole';

/** On one element each of Rn and Rm, extended to 64 bits by their sign; the low bits of the result count. */
export type Apply = (s: A64, n: Val, m: Val, e: Esize, d: () => Val) => Val;

/** What an instruction does: to whole vectors, or to one element after the other where the host has nothing for vectors. */
export type Operation = { readonly whole: Whole } | { readonly each: Apply };

interface ThreeSame {
  readonly m: string;
  readonly u: '0' | '1';
  readonly opcode: Bits;
  readonly operation: Operation;
  readonly doc: string;
  readonly sizes: readonly Esize[];
  /** Sizes of the scalar form. */
  readonly scalar?: readonly Esize[];
  /** Single elements are zero-extended. */
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
  make: (unsigned: boolean) => Pick<ThreeSame, 'm' | 'operation' | 'doc'>,
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

export const multiplyAdd: Whole = (s, n, m, e, d) => s.lanes('add', e, d(), product(s, n, m, e, d));
export const multiplySubtract: Whole = (s, n, m, e, d) => s.lanes('sub', e, d(), product(s, n, m, e, d));

/** SQRDMLAH and SQRDMLSH: twice the product, added to or subtracted from the destination; the upper half of that, rounded. */
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
      operation: { whole: halfSum(u, false) },
    }),
    { sizes: upTo32 },
  ),
  ...signs(
    '00001',
    (u) => ({
      m: `${us(u)}qadd`,
      doc: `Adds ${kind(u)} elements with saturation.`,
      operation: { whole: saturatingSum(false, u) },
    }),
    { sizes: all, scalar: all },
  ),
  ...signs(
    '00010',
    (u) => ({
      m: `${us(u)}rhadd`,
      doc: `Half the sum of ${kind(u)} elements, rounded.`,
      operation: { whole: halfSum(u, true) },
    }),
    { sizes: upTo32 },
  ),
  ...signs(
    '00100',
    (u) => ({
      m: `${us(u)}hsub`,
      doc: `Half the difference of ${kind(u)} elements.`,
      operation: { whole: halfDifference(u) },
    }),
    { sizes: upTo32 },
  ),
  ...signs(
    '00101',
    (u) => ({
      m: `${us(u)}qsub`,
      doc: `Subtracts ${kind(u)} elements with saturation.`,
      operation: { whole: saturatingSum(true, u) },
    }),
    { sizes: all, scalar: all },
  ),
  ...signs(
    '00110',
    (u) => ({
      m: u ? 'cmhi' : 'cmgt',
      doc: `All ones where n > m, ${kind(u)}.`,
      operation: { whole: compare('gt', u) },
    }),
    { sizes: all, scalar: D },
  ),
  ...signs(
    '00111',
    (u) => ({
      m: u ? 'cmhs' : 'cmge',
      doc: `All ones where n >= m, ${kind(u)}.`,
      operation: { whole: compare('ge', u) },
    }),
    { sizes: all, scalar: D },
  ),
  ...shiftForms.flatMap(({ opcode, name, rounded, saturating, scalar: sizes }) =>
    signs(
      opcode,
      (u) => ({
        m: `${us(u)}${name}`,
        doc: `Shifts ${kind(u)} elements left, or right by a negative amount${rounded ? ', rounding' : ''}${saturating ? ', with saturation' : ''}.`,
        operation: {
          each: (s, n, m, e) => shiftByRegister(s, n, m, e, { unsigned: u, rounded, saturating }),
        },
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
        operation: { whole: extremes(max, u) },
      }),
      { sizes: upTo32 },
    ),
  ),
  ...signs(
    '01110',
    (u) => ({
      m: `${us(u)}abd`,
      doc: `Absolute difference of ${kind(u)} elements.`,
      operation: { whole: differences(u) },
    }),
    { sizes: upTo32 },
  ),
  ...signs(
    '01111',
    (u) => ({
      m: `${us(u)}aba`,
      doc: `Adds the absolute difference of ${kind(u)} elements to the destination.`,
      operation: { whole: (s, n, m, e, d) => s.lanes('add', e, d(), differences(u)(s, n, m, e, d)) },
    }),
    { sizes: upTo32, accumulates: true },
  ),
  ...([true, false] as const).flatMap((max) =>
    signs(
      max ? '10100' : '10101',
      (u) => ({
        m: `${us(u)}${max ? 'max' : 'min'}p`,
        doc: `The ${max ? 'larger' : 'smaller'} ${kind(u)} element of each pair.`,
        operation: { whole: extremes(max, u) },
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
    operation: { whole: lanewise('add') },
  },
  {
    m: 'sub',
    u: '1',
    opcode: '10000',
    unsigned: true,
    sizes: all,
    scalar: D,
    doc: 'Subtracts.',
    operation: { whole: lanewise('sub') },
  },
  {
    m: 'cmtst',
    u: '0',
    opcode: '10001',
    unsigned: true,
    sizes: all,
    scalar: D,
    doc: 'All ones where the elements have a bit in common.',
    operation: { whole: (s, n, m, e) => s.lanes('ne', e, s.vector('and', n, m), zero(s)) },
  },
  {
    m: 'cmeq',
    u: '1',
    opcode: '10001',
    unsigned: true,
    sizes: all,
    scalar: D,
    doc: 'All ones where equal.',
    operation: { whole: lanewise('eq') },
  },
  {
    m: 'mla',
    u: '0',
    opcode: '10010',
    unsigned: true,
    sizes: upTo32,
    accumulates: true,
    doc: 'Adds the product to the destination.',
    operation: { whole: multiplyAdd },
  },
  {
    m: 'mls',
    u: '1',
    opcode: '10010',
    unsigned: true,
    sizes: upTo32,
    accumulates: true,
    doc: 'Subtracts the product from the destination.',
    operation: { whole: multiplySubtract },
  },
  {
    m: 'mul',
    u: '0',
    opcode: '10011',
    unsigned: true,
    sizes: upTo32,
    doc: 'Multiplies.',
    operation: { whole: product },
  },
  {
    m: 'pmul',
    u: '1',
    opcode: '10011',
    unsigned: true,
    sizes: [8],
    doc: 'Multiplies polynomials over {0, 1}.',
    operation: { whole: polynomial },
  },
  {
    m: 'sqdmulh',
    u: '0',
    opcode: '10110',
    unsigned: false,
    sizes: HS,
    scalar: HS,
    doc: 'The upper half of twice the product, with saturation.',
    operation: { whole: doubleHigh(false) },
  },
  {
    m: 'sqrdmulh',
    u: '1',
    opcode: '10110',
    unsigned: false,
    sizes: HS,
    scalar: HS,
    doc: 'The upper half of twice the product, rounded, with saturation.',
    operation: { whole: doubleHigh(true) },
  },
  {
    m: 'addp',
    u: '0',
    opcode: '10111',
    unsigned: true,
    sizes: all,
    pairs: true,
    doc: 'Adds the elements of each pair.',
    operation: { whole: lanewise('add') },
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
    operation: { each: doubleHighAccumulate(subtract) },
  })),
];

type Three = Readonly<Record<'rd' | 'rn' | 'rm', Operand>>;

/** An operation on vectors or halves of vectors. `m` may be one element, in all places. */
export function vectorBody(
  s: A64,
  op: Pick<ThreeSame, 'operation' | 'unsigned' | 'pairs' | 'accumulates'>,
  f: Pick<Three, 'rd' | 'rn'>,
  m: Val,
  q: number,
  e: Esize,
): void {
  const n = source(s, f.rn, q);
  if ('whole' in op.operation) {
    const [a, b] = op.pairs ? [alternate(s, n, m, e, 0, q), alternate(s, n, m, e, 1, q)] : [n, m];
    return s.setVector(
      f.rd,
      op.operation.whole(s, a, b, e, () => s.q(f.rd)),
      q,
    );
  }
  const { each } = op.operation;
  const list = (v: Val): Val[] => elementsOf(s, v, q, e, !op.unsigned);
  const others = list(m);
  const d = op.accumulates ? list(s.q(f.rd)) : [];
  const values = list(n).map((v, i) => each(s, v, others[i]!, e, () => d[i]!));
  setElements(s, f.rd, values, e);
}

/** The same on element 0; `m` has it there, and zeros above. */
export function scalarBody(
  s: A64,
  op: Pick<ThreeSame, 'operation' | 'unsigned'>,
  f: Pick<Three, 'rd' | 'rn'>,
  m: Val,
  e: Esize,
): void {
  const n = onlyFirst(s, s.q(f.rn), e);
  if ('whole' in op.operation)
    return s.setQ(
      f.rd,
      onlyFirst(
        s,
        op.operation.whole(s, n, m, e, () => s.q(f.rd)),
        e,
      ),
    );
  const first = (v: Val): Val => elementsOf(s, v, 0, e, !op.unsigned)[0]!;
  setScalar(
    s,
    f.rd,
    op.operation.each(s, first(n), first(m), e, () => first(s.q(f.rd))),
    e,
  );
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
      exec(s, f) {
        s.checkFP();
        vectorBody(s, op, f, source(s, f.rm, f.Q), f.Q, esizeOf(f.size));
      },
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
              scalarBody(s, op, f, onlyFirst(s, s.q(f.rm), e), e);
            },
          }),
        ]
      : []),
  ];
}

/** Four products of bytes added to a word. */
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
        const sum = s.lanes('add', 32, s.q(f.rd), dotProducts(s, s.q(f.rn), s.q(f.rm), unsigned));
        s.setVector(f.rd, sum, f.Q);
      },
    },
  ),
);

export const simdThreeSameRows: readonly Row<A64>[] = [...operations.flatMap(rowsOf), ...dotRows];
