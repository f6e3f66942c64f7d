/**
 * Integer operations on vectors of different element sizes (long, wide and narrowing), by vector and by element, and the other
 * operations by element. Arm ARM DDI 0487 C4.1, "Advanced SIMD three different", "scalar three different", "vector x indexed
 * element".
 */
import type { Operand, Val } from '../../../ir/nodes';
import type { RawFields, Row } from '../../dsl/row';
import { row } from '../row';
import type { A64 } from '../sem';
import {
  elementAt,
  elementPlace,
  elements,
  elementsOf,
  esizeOf,
  esizes,
  halfElements,
  letterOf,
  scalar,
  setElements,
  setScalar,
  vectorKind,
  type Bits,
  type Esize,
} from './lanes';
import { addSaturating, doubleSaturating, subSaturating } from './saturate';
import {
  doubleHighAccumulate,
  multiplyAdd,
  multiplySubtract,
  scalarBody,
  vectorBody,
  type Apply,
  type Operation,
} from './three-same';
import {
  all,
  alternate,
  differences,
  dotProducts,
  doubleHigh,
  longProduct,
  onlyFirst,
  polynomial,
  product,
  setHalf,
  widened,
  zero,
} from './whole';

/** On the lower or upper halves (`part`) of Rn and Rm, and all of Rd. */
interface LongOperands {
  readonly n: Val;
  readonly m: Val;
  readonly d: () => Val;
  readonly e: Esize;
  readonly part: number;
  readonly unsigned: boolean;
}
type WholeLong = (s: A64, o: LongOperands) => Val;

/** Elements of `e` bits to results of 2 * e; `d` is the old destination's element. */
interface Long {
  readonly m: string;
  readonly u: '0' | '1';
  readonly opcode: Bits;
  readonly sizes: readonly Esize[];
  readonly unsigned: boolean;
  readonly operation: { readonly whole: WholeLong } | { readonly each: Apply };
  readonly doc: string;
  readonly accumulates?: true;
  /** Also by element (with these opcode bits), and as scalars. */
  readonly indexed?: Bits;
  readonly scalar?: true;
  /** Rn is wide already. */
  readonly wide?: true;
}

const upTo32: readonly Esize[] = [8, 16, 32];
const HS: readonly Esize[] = [16, 32];
const us = (unsigned: boolean): string => (unsigned ? 'u' : 's');
const kind = (unsigned: boolean): string => (unsigned ? 'unsigned' : 'signed');
const double = (e: Esize): Esize => (2 * e) as Esize;

type Form = Omit<Long, 'u' | 'unsigned' | 'm' | 'doc' | 'operation'>;
const signs = (m: string, doc: string, form: Form, whole: WholeLong): Long[] =>
  [false, true].map((unsigned) => ({
    ...form,
    m: `${us(unsigned)}${m}`,
    doc: doc.replace('%', kind(unsigned)),
    u: unsigned ? '1' : '0',
    unsigned,
    operation: { whole },
  }));

const wide = (s: A64, o: LongOperands, v: Val): Val => widened(s, v, o.e, o.part, o.unsigned);

/** A difference has no sign, whatever its operands have. */
const wideDifference: WholeLong = (s, o) =>
  widened(s, differences(o.unsigned)(s, o.n, o.m, o.e, o.d), o.e, o.part, true);

/** Twice the product, with saturation. */
const doubled: Apply = (s, n, m, e) => doubleSaturating(s, s.mul(n, m), e as 16 | 32);

const longs: readonly Long[] = [
  ...signs(
    'addl',
    'Adds % elements to results of twice the size.',
    { opcode: '0000', sizes: upTo32 },
    (s, o) => s.lanes('add', double(o.e), wide(s, o, o.n), wide(s, o, o.m)),
  ),
  ...signs(
    'addw',
    'Adds % elements to elements of twice the size.',
    { opcode: '0001', sizes: upTo32, wide: true },
    (s, o) => s.lanes('add', double(o.e), o.n, wide(s, o, o.m)),
  ),
  ...signs(
    'subl',
    'Subtracts % elements, with results of twice the size.',
    { opcode: '0010', sizes: upTo32 },
    (s, o) => s.lanes('sub', double(o.e), wide(s, o, o.n), wide(s, o, o.m)),
  ),
  ...signs(
    'subw',
    'Subtracts % elements from elements of twice the size.',
    { opcode: '0011', sizes: upTo32, wide: true },
    (s, o) => s.lanes('sub', double(o.e), o.n, wide(s, o, o.m)),
  ),
  ...signs(
    'abal',
    'Adds absolute differences of % elements to elements of twice the size.',
    { opcode: '0101', sizes: upTo32, accumulates: true },
    (s, o) => s.lanes('add', double(o.e), o.d(), wideDifference(s, o)),
  ),
  ...signs(
    'abdl',
    'Absolute differences of % elements, with results of twice the size.',
    { opcode: '0111', sizes: upTo32 },
    wideDifference,
  ),
  ...signs(
    'mlal',
    'Adds products of % elements to elements of twice the size.',
    { opcode: '1000', sizes: upTo32, accumulates: true, indexed: '0010' },
    (s, o) => s.lanes('add', double(o.e), o.d(), longProduct(s, o.n, o.m, o.e, o.part, o.unsigned)),
  ),
  ...signs(
    'mlsl',
    'Subtracts products of % elements from elements of twice the size.',
    { opcode: '1010', sizes: upTo32, accumulates: true, indexed: '0110' },
    (s, o) => s.lanes('sub', double(o.e), o.d(), longProduct(s, o.n, o.m, o.e, o.part, o.unsigned)),
  ),
  ...signs(
    'mull',
    'Multiplies % elements, with results of twice the size.',
    { opcode: '1100', sizes: upTo32, indexed: '1010' },
    (s, o) => longProduct(s, o.n, o.m, o.e, o.part, o.unsigned),
  ),
  {
    m: 'sqdmlal',
    u: '0',
    unsigned: false,
    opcode: '1001',
    indexed: '0011',
    sizes: HS,
    scalar: true,
    accumulates: true,
    doc: 'Adds twice the product to elements of twice the size, with saturation.',
    operation: { each: (s, n, m, e, d) => addSaturating(s, d(), doubled(s, n, m, e, d), double(e), false) },
  },
  {
    m: 'sqdmlsl',
    u: '0',
    unsigned: false,
    opcode: '1011',
    indexed: '0111',
    sizes: HS,
    scalar: true,
    accumulates: true,
    doc: 'Subtracts twice the product from elements of twice the size, with saturation.',
    operation: { each: (s, n, m, e, d) => subSaturating(s, d(), doubled(s, n, m, e, d), double(e), false) },
  },
  {
    m: 'sqdmull',
    u: '0',
    unsigned: false,
    opcode: '1101',
    indexed: '1011',
    sizes: HS,
    scalar: true,
    doc: 'Twice the product, with results of twice the size and saturation.',
    operation: { each: doubled },
  },
  {
    m: 'pmull',
    u: '0',
    unsigned: true,
    opcode: '1110',
    sizes: [8],
    doc: 'Multiplies polynomials over {0, 1}, with results of twice the size.',
    operation: { whole: (s, o) => polynomial(s, wide(s, o, o.n), wide(s, o, o.m), double(o.e), o.d) },
  },
];

const two = (q: number): string => (q ? '2' : '');
const shapesOf = (sizes: readonly Esize[]) => (): readonly RawFields<'Q' | 'size'>[] =>
  sizes.flatMap((e) => [0, 1].map((Q) => ({ Q, size: esizes.indexOf(e) })));
const fits = (sizes: readonly Esize[]) => (f: RawFields) => sizes.includes(esizeOf(f['size'] ?? 0));

/** `m` has elements where Rm has them. */
function longBody(
  s: A64,
  op: Long,
  f: Readonly<Record<'rd' | 'rn', Operand>>,
  m: Val,
  part: number,
  e: Esize,
): void {
  if ('whole' in op.operation) {
    const operands = { n: s.q(f.rn), m, d: () => s.q(f.rd), e, part, unsigned: op.unsigned };
    return s.setQ(f.rd, op.operation.whole(s, operands));
  }
  const { each } = op.operation;
  const half = (v: Val): Val[] => elementsOf(s, v, 1, e, true).slice(part ? 64 / e : 0);
  const others = half(m);
  const d = op.accumulates ? elements(s, f.rd, 1, double(e), true) : [];
  const n = halfElements(s, f.rn, part, e, true);
  setElements(
    s,
    f.rd,
    n.map((v, i) => each(s, v, others[i]!, e, () => d[i]!)),
    double(e),
  );
}

/** Of the saturating ones, as scalars. */
function scalarLongBody(s: A64, op: Long, f: Readonly<Record<'rd' | 'rn', Operand>>, m: Val, e: Esize): void {
  if ('whole' in op.operation) throw new Error(`${op.m} has no scalar form`);
  const d = (): Val => scalar(s, f.rd, double(e), true);
  setScalar(s, f.rd, op.operation.each(s, scalar(s, f.rn, e, true), m, e, d), double(e));
}

function longRow(op: Long): Row<A64> {
  return row(op.m.toUpperCase(), `0 Q ${op.u} 01110 size:2 1 rm:5 ${op.opcode} 00 rn:5 rd:5`, {
    asm: (f) => {
      const e = esizeOf(f.size);
      const wide = vectorKind(1, double(e));
      const narrow = vectorKind(f.Q, e);
      return `${op.m}${two(f.Q)} <${wide}:rd>, <${op.wide ? wide : narrow}:rn>, <${narrow}:rm>`;
    },
    shape: ['Q', 'size'],
    shapes: shapesOf(op.sizes),
    when: fits(op.sizes),
    doc: op.doc,
    exec(s, f) {
      s.checkFP();
      longBody(s, op, f, s.q(f.rm), f.Q, esizeOf(f.size));
    },
  });
}

const scalarLongRow = (op: Long): Row<A64> =>
  row(`${op.m.toUpperCase()} (SIMD scalar)`, `01 ${op.u} 11110 size:2 1 rm:5 ${op.opcode} 00 rn:5 rd:5`, {
    asm: (f) => {
      const e = esizeOf(f.size);
      return `${op.m} <${letterOf(double(e))}:rd>, <${letterOf(e)}:rn>, <${letterOf(e)}:rm>`;
    },
    shape: ['size'],
    shapes: () => op.sizes.map((e) => ({ size: esizes.indexOf(e) })),
    when: fits(op.sizes),
    doc: op.doc,
    exec(s, f) {
      s.checkFP();
      const e = esizeOf(f.size);
      scalarLongBody(s, op, f, scalar(s, f.rm, e, true), e);
    },
  });

// --- narrowing --------------------------------------------------------------------------------------------------

const narrowing = [
  { m: 'addhn', u: '0', opcode: '0100', subtract: false, rounded: false, doc: 'The upper halves of sums.' },
  {
    m: 'raddhn',
    u: '1',
    opcode: '0100',
    subtract: false,
    rounded: true,
    doc: 'The upper halves of sums, rounded.',
  },
  {
    m: 'subhn',
    u: '0',
    opcode: '0110',
    subtract: true,
    rounded: false,
    doc: 'The upper halves of differences.',
  },
  {
    m: 'rsubhn',
    u: '1',
    opcode: '0110',
    subtract: true,
    rounded: true,
    doc: 'The upper halves of differences, rounded.',
  },
] as const;

const narrowingRow = (op: (typeof narrowing)[number]): Row<A64> =>
  row(op.m.toUpperCase(), `0 Q ${op.u} 01110 size:2 1 rm:5 ${op.opcode} 00 rn:5 rd:5`, {
    asm: (f) => {
      const e = esizeOf(f.size);
      const wide = vectorKind(1, double(e));
      return `${op.m}${two(f.Q)} <${vectorKind(f.Q, e)}:rd>, <${wide}:rn>, <${wide}:rm>`;
    },
    shape: ['Q', 'size'],
    shapes: shapesOf(upTo32),
    when: fits(upTo32),
    doc: op.doc,
    exec(s, f) {
      s.checkFP();
      const e = esizeOf(f.size);
      const plain = s.lanes(op.subtract ? 'sub' : 'add', double(e), s.q(f.rn), s.q(f.rm));
      const sum = op.rounded
        ? s.lanes('add', double(e), plain, all(s, double(e), 1n << BigInt(e - 1)))
        : plain;
      setHalf(s, f.rd, f.Q, alternate(s, sum, zero(s), e, 1));
    },
  });

// --- by element -------------------------------------------------------------------------------------------------

/** Where the element's number is: halfwords have it in H:L:M and four bits of Rm left, words in H:L. */
const places = [
  { e: 16, bits: '01 L M rm:4', index: 'H,L,M', suffix: 'H' },
  { e: 32, bits: '10 L rm:5', index: 'H,L', suffix: 'S' },
] as const;
type Place = (typeof places)[number];

const placeOf = (p: Place, f: RawFields): { from: number } => {
  const { H = 0, L = 0, M = 0, rm = 0 } = f;
  return { from: elementPlace(rm, p.e === 16 ? 4 * H + 2 * L + M : 2 * H + L, p.e) };
};

const bytesOf = (p: Place): 2 | 4 => (p.e === 16 ? 2 : 4);

const element = (p: Place): string => `<v.${letterOf(p.e)}:rm,${p.index}>`;

const indexedLongRow = (op: Long & { indexed: Bits }, p: Place): Row<A64> =>
  row(
    `${op.m.toUpperCase()} (by element, ${p.suffix})`,
    `0 Q ${op.u} 01111 ${p.bits} ${op.indexed} H 0 rn:5 rd:5`,
    {
      asm: (f) =>
        `${op.m}${two(f.Q)} <${vectorKind(1, double(p.e))}:rd>, <${vectorKind(f.Q, p.e)}:rn>, ${element(p)}`,
      shape: ['Q'],
      derive: (f) => placeOf(p, f),
      doc: op.doc,
      exec(s, f) {
        s.checkFP();
        longBody(s, op, f, s.splatElement(f.from, bytesOf(p)), f.Q, p.e);
      },
    },
  );

const indexedScalarLongRow = (op: Long & { indexed: Bits }, p: Place): Row<A64> =>
  row(
    `${op.m.toUpperCase()} (by element, SIMD scalar, ${p.suffix})`,
    `01 ${op.u} 11111 ${p.bits} ${op.indexed} H 0 rn:5 rd:5`,
    {
      asm: `${op.m} <${letterOf(double(p.e))}:rd>, <${letterOf(p.e)}:rn>, ${element(p)}`,
      derive: (f) => placeOf(p, f),
      doc: op.doc,
      exec(s, f) {
        s.checkFP();
        scalarLongBody(s, op, f, elementAt(s, f.from, p.e, true), p.e);
      },
    },
  );

interface Indexed {
  readonly m: string;
  readonly u: '0' | '1';
  readonly opcode: Bits;
  readonly operation: Operation;
  readonly doc: string;
  readonly accumulates?: true;
  readonly scalar?: true;
  readonly feature?: string;
}

const indexed: readonly Indexed[] = [
  {
    m: 'mla',
    u: '1',
    opcode: '0000',
    accumulates: true,
    doc: 'Adds the product with one element to the destination.',
    operation: { whole: multiplyAdd },
  },
  {
    m: 'mls',
    u: '1',
    opcode: '0100',
    accumulates: true,
    doc: 'Subtracts the product with one element from the destination.',
    operation: { whole: multiplySubtract },
  },
  { m: 'mul', u: '0', opcode: '1000', doc: 'Multiplies by one element.', operation: { whole: product } },
  {
    m: 'sqdmulh',
    u: '0',
    opcode: '1100',
    scalar: true,
    doc: 'The upper half of twice the product with one element, with saturation.',
    operation: { whole: doubleHigh(false) },
  },
  {
    m: 'sqrdmulh',
    u: '0',
    opcode: '1101',
    scalar: true,
    doc: 'The upper half of twice the product with one element, rounded, with saturation.',
    operation: { whole: doubleHigh(true) },
  },
  {
    m: 'sqrdmlah',
    u: '1',
    opcode: '1101',
    scalar: true,
    accumulates: true,
    feature: 'RDM',
    doc: 'Adds the upper half of twice the product with one element, rounded, with saturation.',
    operation: { each: doubleHighAccumulate(false) },
  },
  {
    m: 'sqrdmlsh',
    u: '1',
    opcode: '1111',
    scalar: true,
    accumulates: true,
    feature: 'RDM',
    doc: 'Subtracts the upper half of twice the product with one element, rounded, with saturation.',
    operation: { each: doubleHighAccumulate(true) },
  },
];

const featureOf = (op: Indexed): { feature?: string } => (op.feature ? { feature: op.feature } : {});

const indexedRows = (op: Indexed, p: Place): readonly Row<A64>[] => [
  row(
    `${op.m.toUpperCase()} (by element, ${p.suffix})`,
    `0 Q ${op.u} 01111 ${p.bits} ${op.opcode} H 0 rn:5 rd:5`,
    {
      asm: (f) => `${op.m} <${vectorKind(f.Q, p.e)}:rd>, <${vectorKind(f.Q, p.e)}:rn>, ${element(p)}`,
      shape: ['Q'],
      derive: (f) => placeOf(p, f),
      ...featureOf(op),
      doc: op.doc,
      exec(s, f) {
        s.checkFP();
        const element = s.splatElement(f.from, bytesOf(p));
        vectorBody(s, { ...op, unsigned: false }, f, f.Q ? element : s.lowHalf(element), f.Q, p.e);
      },
    },
  ),
  ...(op.scalar
    ? [
        row(
          `${op.m.toUpperCase()} (by element, SIMD scalar, ${p.suffix})`,
          `01 ${op.u} 11111 ${p.bits} ${op.opcode} H 0 rn:5 rd:5`,
          {
            asm: `${op.m} <${letterOf(p.e)}:rd>, <${letterOf(p.e)}:rn>, ${element(p)}`,
            derive: (f) => placeOf(p, f),
            ...featureOf(op),
            doc: op.doc,
            exec(s, f) {
              s.checkFP();
              const m = onlyFirst(s, s.splatElement(f.from, bytesOf(p)), p.e);
              scalarBody(s, { ...op, unsigned: false }, f, m, p.e);
            },
          },
        ),
      ]
    : []),
];

/** SDOT, UDOT with four bytes of Rm. */
const indexedDotRows = ([false, true] as const).map((unsigned) =>
  row(
    `${unsigned ? 'UDOT' : 'SDOT'} (by element)`,
    `0 Q ${unsigned ? '1' : '0'} 01111 10 L rm:5 1110 H 0 rn:5 rd:5`,
    {
      asm: (f) => `${us(unsigned)}dot <${vectorKind(f.Q, 32)}:rd>, <${vectorKind(f.Q, 8)}:rn>, <v.4b:rm,H,L>`,
      shape: ['Q'],
      derive: (f) => ({ from: elementPlace(f.rm, 2 * f.H + f.L, 32) }),
      feature: 'DotProd',
      doc: `Adds four products of ${kind(unsigned)} bytes, with the same four of Rm, to each word.`,
      exec(s, f) {
        s.checkFP();
        const products = dotProducts(s, s.q(f.rn), s.splatElement(f.from, 4), unsigned);
        s.setVector(f.rd, s.lanes('add', 32, s.q(f.rd), products), f.Q);
      },
    },
  ),
);

const withIndex = longs.filter((op): op is Long & { indexed: Bits } => op.indexed !== undefined);

export const simdThreeDifferentRows: readonly Row<A64>[] = [
  ...longs.map(longRow),
  ...longs.filter((op) => op.scalar).map(scalarLongRow),
  ...narrowing.map(narrowingRow),
  ...withIndex.flatMap((op) => places.map((p) => indexedLongRow(op, p))),
  ...withIndex.filter((op) => op.scalar).flatMap((op) => places.map((p) => indexedScalarLongRow(op, p))),
  ...indexed.flatMap((op) => places.flatMap((p) => indexedRows(op, p))),
  ...indexedDotRows,
];
