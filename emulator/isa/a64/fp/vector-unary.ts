/**
 * Vector floating point with one source: rounding, roots, estimates, comparisons with zero, conversions, and their scalar forms.
 * Arm ARM DDI 0487 C4.1, "Advanced SIMD two-register miscellaneous", "... (FP16)", "shift by immediate" and the scalar groups.
 */
import type { Operand, Val } from '../../../ir/nodes';
import type { RawFields, Row } from '../../dsl/row';
import { fpConvert, fpFromFixed, fpToFixed } from './convert';
import { fpRecipEstimate, fpRSqrtEstimate, unsignedRecipEstimate, unsignedRSqrtEstimate } from './estimate';
import { Rounding, roundingMode, type Width } from './format';
import { narrowed, quickly, quickUnary, setQuickly, widened } from './in-lanes';
import { fpRecpX } from './fused';
import { compare } from './lanes';
import { fpUnary } from './scalar';
import { floatFits, floatShapes } from './vector';
import { row } from '../row';
import type { A64 } from '../sem';
import {
  elements,
  elementsOf,
  halfElements,
  letterOf,
  scalar,
  setElements,
  setHalf,
  setHalfElements,
  setScalar,
  signExtend,
  vectorKind,
  vectorOf,
  type Bits,
} from '../simd/lanes';

type Apply = (s: A64, v: Val, w: Width) => Val;

/** A number compared with zero; `swap`: zero is the first operand. */
const withZero =
  (relation: 'eq' | 'ge' | 'gt', swap = false): Apply =>
  (s, v, w) =>
    swap ? compare(s, s.i64(0), v, w, relation) : compare(s, v, s.i64(0), w, relation);

const toInteger =
  (mode: number, unsigned: number): Apply =>
  (s, v, w) =>
    s.call(fpToFixed[w], v, s.i32(mode), s.i32(0), s.i32(w), s.i32(unsigned));

const fromFixed = (s: A64, v: Val, w: Width, unsigned: number, fbits: Val): Val =>
  s.call(fpFromFixed[w], unsigned ? v : signExtend(s, v, w), fbits, s.i32(unsigned), roundingMode(s));

const fromInteger =
  (unsigned: number): Apply =>
  (s, v, w) =>
    fromFixed(s, v, w, unsigned, s.i32(0));

interface Unary {
  readonly m: string;
  readonly u: '0' | '1';
  readonly a: '0' | '1';
  readonly op: Bits;
  readonly apply: Apply;
  readonly doc: string;
  /** Which forms exist. */
  readonly forms: 'vector' | 'scalar' | 'both';
  /** Text behind the operands. */
  readonly tail?: string;
}

const both = 'both';
const vector = 'vector';
const zero = ', #0.0';

const rounding: readonly Unary[] = (
  [
    ['frintn', '0', '0', '11000'],
    ['frintm', '0', '0', '11001'],
    ['frintp', '0', '1', '11000'],
    ['frintz', '0', '1', '11001'],
    ['frinta', '1', '0', '11000'],
    ['frintx', '1', '0', '11001'],
    ['frinti', '1', '1', '11001'],
    ['fabs', '0', '1', '01111'],
    ['fneg', '1', '1', '01111'],
    ['fsqrt', '1', '1', '11111'],
  ] as const
).map(([m, u, a, op]) => ({ m, u, a, op, apply: fpUnary[m].apply, doc: fpUnary[m].doc, forms: vector }));

const conversions: readonly Unary[] = (
  [
    ['n', '0', '11010', Rounding.even, 'to nearest, ties to even'],
    ['m', '0', '11011', Rounding.down, 'down'],
    ['a', '0', '11100', Rounding.away, 'to nearest, ties away from zero'],
    ['p', '1', '11010', Rounding.up, 'up'],
    ['z', '1', '11011', Rounding.zero, 'towards zero'],
  ] as const
).flatMap(([letter, a, op, mode, how]) =>
  (['0', '1'] as const).map((u) => ({
    m: `fcvt${letter}${u === '1' ? 'u' : 's'}`,
    u,
    a,
    op,
    apply: toInteger(mode, Number(u)),
    doc: `Converts to ${u === '1' ? 'unsigned' : 'signed'} integers, rounding ${how}.`,
    forms: both,
  })),
);

const unary: readonly Unary[] = [
  ...rounding,
  ...conversions,
  {
    m: 'scvtf',
    u: '0',
    a: '0',
    op: '11101',
    apply: fromInteger(0),
    doc: 'Converts signed integers to floating point.',
    forms: both,
  },
  {
    m: 'ucvtf',
    u: '1',
    a: '0',
    op: '11101',
    apply: fromInteger(1),
    doc: 'Converts unsigned integers to floating point.',
    forms: both,
  },
  {
    m: 'fcmgt',
    u: '0',
    a: '1',
    op: '01100',
    apply: withZero('gt'),
    doc: 'All ones where > 0.',
    forms: both,
    tail: zero,
  },
  {
    m: 'fcmeq',
    u: '0',
    a: '1',
    op: '01101',
    apply: withZero('eq'),
    doc: 'All ones where 0.',
    forms: both,
    tail: zero,
  },
  {
    m: 'fcmlt',
    u: '0',
    a: '1',
    op: '01110',
    apply: withZero('gt', true),
    doc: 'All ones where < 0.',
    forms: both,
    tail: zero,
  },
  {
    m: 'fcmge',
    u: '1',
    a: '1',
    op: '01100',
    apply: withZero('ge'),
    doc: 'All ones where >= 0.',
    forms: both,
    tail: zero,
  },
  {
    m: 'fcmle',
    u: '1',
    a: '1',
    op: '01101',
    apply: withZero('ge', true),
    doc: 'All ones where <= 0.',
    forms: both,
    tail: zero,
  },
  {
    m: 'frecpe',
    u: '0',
    a: '1',
    op: '11101',
    apply: (s, v, w) => s.call(fpRecipEstimate[w], v),
    doc: 'Estimates the reciprocal.',
    forms: both,
  },
  {
    m: 'frsqrte',
    u: '1',
    a: '1',
    op: '11101',
    apply: (s, v, w) => s.call(fpRSqrtEstimate[w], v),
    doc: 'Estimates the reciprocal of the square root.',
    forms: both,
  },
  {
    m: 'frecpx',
    u: '0',
    a: '1',
    op: '11111',
    apply: (s, v, w) => s.call(fpRecpX[w], v),
    doc: 'Inverts the exponent, to scale the operand of a division.',
    forms: 'scalar',
  },
];

type Two = Readonly<Record<'rd' | 'rn', Operand>>;

const byBit = (sz: number): 32 | 64 => (sz ? 64 : 32);

function unaryRows(op: Unary): Row<A64>[] {
  const name = op.m.toUpperCase();
  const what = op.tail ? ', zero' : '';
  const tail = op.tail ?? '';
  const asm = (t: string): string => `${op.m} <${t}:rd>, <${t}:rn>${tail}`;
  const all = (s: A64, f: Two, q: number, w: Width): void => {
    s.checkFP();
    const v = s.q(f.rn);
    const exact = (): Val =>
      vectorOf(
        s,
        elementsOf(s, v, q, w).map((e) => op.apply(s, e, w)),
        w,
      );
    const host = quickUnary[op.m + tail];
    if (!host || w === 16) s.setQ(f.rd, exact());
    else setQuickly(s, f.rd, q, host(s, w, v), exact);
  };
  const one = (s: A64, f: Two, w: Width): void => {
    s.checkFP();
    setScalar(s, f.rd, op.apply(s, scalar(s, f.rn, w), w), w);
  };
  const vectors = [
    row(`${name} (vector${what})`, `0 Q ${op.u} 01110 ${op.a} sz 10000 ${op.op} 10 rn:5 rd:5`, {
      asm: (f) => asm(vectorKind(f.Q, byBit(f.sz))),
      shape: ['Q', 'sz'],
      shapes: floatShapes,
      when: floatFits,
      doc: op.doc,
      exec: (s, f) => all(s, f, f.Q, byBit(f.sz)),
    }),
    row(
      `${name} (vector${what}, half precision)`,
      `0 Q ${op.u} 01110 ${op.a} 1 11100 ${op.op} 10 rn:5 rd:5`,
      {
        asm: (f) => asm(vectorKind(f.Q, 16)),
        shape: ['Q'],
        feature: 'FP16',
        doc: op.doc,
        exec: (s, f) => all(s, f, f.Q, 16),
      },
    ),
  ];
  const scalars = [
    row(`${name} (SIMD scalar${what})`, `01 ${op.u} 11110 ${op.a} sz 10000 ${op.op} 10 rn:5 rd:5`, {
      asm: (f) => asm(letterOf(byBit(f.sz))),
      shape: ['sz'],
      doc: op.doc,
      exec: (s, f) => one(s, f, byBit(f.sz)),
    }),
    row(
      `${name} (SIMD scalar${what}, half precision)`,
      `01 ${op.u} 11110 ${op.a} 1 11100 ${op.op} 10 rn:5 rd:5`,
      {
        asm: asm('h'),
        feature: 'FP16',
        doc: op.doc,
        exec: (s, f) => one(s, f, 16),
      },
    ),
  ];
  return [...(op.forms === 'scalar' ? [] : vectors), ...(op.forms === 'vector' ? [] : scalars)];
}

/** URECPE, URSQRTE: fixed-point numbers of 32 bits. */
const unsignedEstimates = (
  [
    ['urecpe', '0', unsignedRecipEstimate, 'Estimates the reciprocal of unsigned fixed-point numbers.'],
    [
      'ursqrte',
      '1',
      unsignedRSqrtEstimate,
      'Estimates the reciprocal square root of unsigned fixed-point numbers.',
    ],
  ] as const
).map(([m, u, routine, doc]) =>
  row(m.toUpperCase(), `0 Q ${u} 01110 1 0 10000 11100 10 rn:5 rd:5`, {
    asm: (f) => `${m} <${vectorKind(f.Q, 32)}:rd>, <${vectorKind(f.Q, 32)}:rn>`,
    shape: ['Q'],
    doc,
    exec(s, f) {
      s.checkFP();
      setElements(
        s,
        f.rd,
        elements(s, f.rn, f.Q, 32).map((v) => s.call(routine, v)),
        32,
      );
    },
  }),
);

// --- between formats --------------------------------------------------------------------------------------------

/** Q is "second part": the upper half of the narrow vector. */
const narrowKind = (q: number, w: Width): string => vectorKind(q, w);
const wideKind = (w: Width): string => vectorKind(1, w);
const two = (q: number): string => (q ? '2' : '');

const formatRows: readonly Row<A64>[] = [
  row('FCVTL', '0 Q 0 01110 0 sz 10000 10111 10 rn:5 rd:5', {
    asm: (f) => {
      const from = f.sz ? 32 : 16;
      return `fcvtl${two(f.Q)} <${wideKind(f.sz ? 64 : 32)}:rd>, <${narrowKind(f.Q, from)}:rn>`;
    },
    shape: ['Q', 'sz'],
    doc: 'Converts half of a vector to the next wider format.',
    exec(s, f) {
      s.checkFP();
      const [from, to] = f.sz ? ([32, 64] as const) : ([16, 32] as const);
      const exact = (): Val => {
        const mode = roundingMode(s);
        const values = halfElements(s, f.rn, f.Q, from);
        return vectorOf(
          s,
          values.map((v) => s.call(fpConvert(from, to), v, mode)),
          to,
        );
      };
      if (to === 64) setQuickly(s, f.rd, 1, widened(s, s.q(f.rn), f.Q === 1), exact);
      else s.setQ(f.rd, exact());
    },
  }),
  row('FCVTN', '0 Q 0 01110 0 sz 10000 10110 10 rn:5 rd:5', {
    asm: (f) => {
      const from = f.sz ? 64 : 32;
      return `fcvtn${two(f.Q)} <${narrowKind(f.Q, f.sz ? 32 : 16)}:rd>, <${wideKind(from)}:rn>`;
    },
    shape: ['Q', 'sz'],
    doc: 'Converts a vector to the next narrower format, into half of the destination.',
    exec(s, f) {
      s.checkFP();
      const [from, to] = f.sz ? ([64, 32] as const) : ([32, 16] as const);
      const exact = (): Val => {
        const mode = roundingMode(s);
        const values = elements(s, f.rn, 1, from).map((v) => s.call(fpConvert(from, to), v, mode));
        return vectorOf(s, values, to);
      };
      setHalf(s, f.rd, f.Q, to === 32 ? quickly(s, 1, narrowed(s, s.q(f.rn)), exact) : exact());
    },
  }),
  row('FCVTXN (vector)', '0 Q 1 01110 0 1 10000 10110 10 rn:5 rd:5', {
    asm: (f) => `fcvtxn${two(f.Q)} <${narrowKind(f.Q, 32)}:rd>, <v.2d:rn>`,
    shape: ['Q'],
    doc: 'Converts doubles to singles, rounding to odd: a second rounding then gives the right result.',
    exec(s, f) {
      s.checkFP();
      const odd = s.i32(Rounding.odd);
      const values = elements(s, f.rn, 1, 64).map((v) => s.call(fpConvert(64, 32), v, odd));
      setHalfElements(s, f.rd, f.Q, values, 32);
    },
  }),
  row('FCVTXN (SIMD scalar)', '01 1 11110 0 1 10000 10110 10 rn:5 rd:5', {
    asm: 'fcvtxn <s:rd>, <d:rn>',
    doc: 'Converts a double to a single, rounding to odd.',
    exec(s, f) {
      s.checkFP();
      setScalar(s, f.rd, s.call(fpConvert(64, 32), s.v(f.rn), s.i32(Rounding.odd)), 32);
    },
  }),
];

// --- fixed point ------------------------------------------------------------------------------------------------

/** immh:immb is 2 * esize - fbits: its leading bits tell the size. */
const fixedSizes = [
  { w: 32, imm: '01 imm:5', feature: {}, suffix: '' },
  { w: 64, imm: '1 imm:6', feature: {}, suffix: ', double precision' },
  { w: 16, imm: '001 imm:4', feature: { feature: 'FP16' }, suffix: ', half precision' },
] as const;

const fixedOps = (['0', '1'] as const).flatMap((u) => {
  const unsigned = Number(u);
  const kind = unsigned ? 'unsigned' : 'signed';
  return [
    {
      m: unsigned ? 'ucvtf' : 'scvtf',
      u,
      op: '11100',
      doc: `Converts ${kind} fixed-point numbers to floating point.`,
      apply: (s: A64, v: Val, w: Width, fbits: Val) => fromFixed(s, v, w, unsigned, fbits),
    },
    {
      m: unsigned ? 'fcvtzu' : 'fcvtzs',
      u,
      op: '11111',
      doc: `Converts to ${kind} fixed-point numbers, rounding towards zero.`,
      apply: (s: A64, v: Val, w: Width, fbits: Val) =>
        s.call(fpToFixed[w], v, s.i32(Rounding.zero), fbits, s.i32(w), s.i32(unsigned)),
    },
  ] as const;
});

const fixedRows = (op: (typeof fixedOps)[number], z: (typeof fixedSizes)[number]): readonly Row<A64>[] => {
  const name = op.m.toUpperCase();
  const { w } = z;
  const fbits = (f: RawFields): { fbits: number } => ({ fbits: w - (f['imm'] ?? 0) });
  return [
    row(`${name} (vector, fixed-point${z.suffix})`, `0 Q ${op.u} 011110 ${z.imm} ${op.op} 1 rn:5 rd:5`, {
      asm: (f) => `${op.m} <${vectorKind(f.Q, w)}:rd>, <${vectorKind(f.Q, w)}:rn>, #<u-${w}:imm>`,
      shape: ['Q'],
      shapes: () => (w === 64 ? [{ Q: 1 }] : [{ Q: 0 }, { Q: 1 }]),
      when: (f) => w !== 64 || f.Q === 1,
      derive: fbits,
      ...z.feature,
      doc: op.doc,
      exec(s, f) {
        s.checkFP();
        const n = s.imm(f.fbits, 'i32');
        setElements(
          s,
          f.rd,
          elements(s, f.rn, f.Q, w).map((v) => op.apply(s, v, w, n)),
          w,
        );
      },
    }),
    row(`${name} (SIMD scalar, fixed-point${z.suffix})`, `01 ${op.u} 111110 ${z.imm} ${op.op} 1 rn:5 rd:5`, {
      asm: `${op.m} <${letterOf(w)}:rd>, <${letterOf(w)}:rn>, #<u-${w}:imm>`,
      derive: fbits,
      ...z.feature,
      doc: op.doc,
      exec(s, f) {
        s.checkFP();
        setScalar(s, f.rd, op.apply(s, scalar(s, f.rn, w), w, s.imm(f.fbits, 'i32')), w);
      },
    }),
  ];
};

export const fpVectorUnaryRows: readonly Row<A64>[] = [
  ...unary.flatMap(unaryRows),
  ...unsignedEstimates,
  ...formatRows,
  ...fixedOps.flatMap((op) => fixedSizes.flatMap((z) => fixedRows(op, z))),
];
