/**
 * Vector floating point with two sources: three registers of the same kind, pairs, across a vector, by element; and their scalar
 * forms. Arm ARM DDI 0487 C4.1, "Advanced SIMD three same", "... (FP16)", "scalar three same", "scalar pairwise", "across lanes",
 * "vector x indexed element".
 */
import type { Val } from '../../../ir/nodes';
import type { Row } from '../../dsl/row';
import type { Width } from './format';
import { quick, setQuickly, type QuickOp } from './in-lanes';
import * as lane from './lanes';
import { row } from '../row';
import type { A64 } from '../sem';
import {
  elementAt,
  elementPlace,
  elements,
  elementsOf,
  letterOf,
  scalar,
  setScalar,
  vectorKind,
  vectorOf,
  type Bits,
} from '../simd/lanes';
import { alternate } from '../simd/whole';

/** Format by the `sz` bit. */
const byBit = (sz: number): 32 | 64 => (sz ? 64 : 32);

/** Shapes of vectors of singles and doubles: .2s, .4s, .2d. */
export const floatShapes = () => [
  { Q: 0, sz: 0 },
  { Q: 1, sz: 0 },
  { Q: 1, sz: 1 },
];
export const floatFits = (f: Readonly<Record<string, number>>): boolean => f['sz'] === 0 || f['Q'] === 1;

interface ThreeSame {
  readonly m: string;
  readonly u: '0' | '1';
  /** Bit 23. */
  readonly a: '0' | '1';
  /** The low three bits of the opcode; the upper ones are 11, or 00 for half precision. */
  readonly op: Bits;
  readonly apply: lane.Apply;
  readonly doc: string;
  /** Also as a scalar instruction. */
  readonly scalar?: true;
  /** Works on pairs of neighbours in Rn, then Rm. */
  readonly pairs?: true;
}

const threeSame: readonly ThreeSame[] = [
  {
    m: 'fmaxnm',
    u: '0',
    a: '0',
    op: '000',
    apply: lane.fmaxnm,
    doc: 'The larger number; quiet NaNs do not count.',
  },
  {
    m: 'fmla',
    u: '0',
    a: '0',
    op: '001',
    apply: lane.fmla,
    doc: 'Adds the product to the destination, rounded once.',
  },
  { m: 'fadd', u: '0', a: '0', op: '010', apply: lane.fadd, doc: 'Adds.' },
  {
    m: 'fmulx',
    u: '0',
    a: '0',
    op: '011',
    apply: lane.fmulx,
    doc: 'Multiplies; zero times infinity is 2.',
    scalar: true,
  },
  { m: 'fcmeq', u: '0', a: '0', op: '100', apply: lane.fcmeq, doc: 'All ones where equal.', scalar: true },
  {
    m: 'fmax',
    u: '0',
    a: '0',
    op: '110',
    apply: lane.fmax,
    doc: 'The larger number; a NaN if there is one.',
  },
  {
    m: 'frecps',
    u: '0',
    a: '0',
    op: '111',
    apply: lane.frecps,
    doc: 'Reciprocal step: 2 - n * m.',
    scalar: true,
  },
  {
    m: 'fminnm',
    u: '0',
    a: '1',
    op: '000',
    apply: lane.fminnm,
    doc: 'The smaller number; quiet NaNs do not count.',
  },
  {
    m: 'fmls',
    u: '0',
    a: '1',
    op: '001',
    apply: lane.fmls,
    doc: 'Subtracts the product from the destination, rounded once.',
  },
  { m: 'fsub', u: '0', a: '1', op: '010', apply: lane.fsub, doc: 'Subtracts.' },
  {
    m: 'fmin',
    u: '0',
    a: '1',
    op: '110',
    apply: lane.fmin,
    doc: 'The smaller number; a NaN if there is one.',
  },
  {
    m: 'frsqrts',
    u: '0',
    a: '1',
    op: '111',
    apply: lane.frsqrts,
    doc: 'Reciprocal square root step: (3 - n * m) / 2.',
    scalar: true,
  },
  {
    m: 'fmaxnmp',
    u: '1',
    a: '0',
    op: '000',
    apply: lane.fmaxnm,
    doc: 'The larger number of each pair; quiet NaNs do not count.',
    pairs: true,
  },
  {
    m: 'faddp',
    u: '1',
    a: '0',
    op: '010',
    apply: lane.fadd,
    doc: 'Adds the numbers of each pair.',
    pairs: true,
  },
  { m: 'fmul', u: '1', a: '0', op: '011', apply: lane.fmul, doc: 'Multiplies.' },
  { m: 'fcmge', u: '1', a: '0', op: '100', apply: lane.fcmge, doc: 'All ones where n >= m.', scalar: true },
  {
    m: 'facge',
    u: '1',
    a: '0',
    op: '101',
    apply: lane.facge,
    doc: 'All ones where |n| >= |m|.',
    scalar: true,
  },
  {
    m: 'fmaxp',
    u: '1',
    a: '0',
    op: '110',
    apply: lane.fmax,
    doc: 'The larger number of each pair.',
    pairs: true,
  },
  { m: 'fdiv', u: '1', a: '0', op: '111', apply: lane.fdiv, doc: 'Divides.' },
  {
    m: 'fminnmp',
    u: '1',
    a: '1',
    op: '000',
    apply: lane.fminnm,
    doc: 'The smaller number of each pair; quiet NaNs do not count.',
    pairs: true,
  },
  { m: 'fabd', u: '1', a: '1', op: '010', apply: lane.fabd, doc: 'Absolute difference.', scalar: true },
  { m: 'fcmgt', u: '1', a: '1', op: '100', apply: lane.fcmgt, doc: 'All ones where n > m.', scalar: true },
  {
    m: 'facgt',
    u: '1',
    a: '1',
    op: '101',
    apply: lane.facgt,
    doc: 'All ones where |n| > |m|.',
    scalar: true,
  },
  {
    m: 'fminp',
    u: '1',
    a: '1',
    op: '110',
    apply: lane.fmin,
    doc: 'The smaller number of each pair.',
    pairs: true,
  },
];

type Three = Readonly<Record<'rd' | 'rn' | 'rm', Parameters<A64['v']>[0]>>;

/** What the host does for an operation. */
const quickly = new Map<lane.Apply, QuickOp>([
  [lane.fadd, quick.add],
  [lane.fsub, quick.sub],
  [lane.fmul, quick.mul],
  [lane.fdiv, quick.div],
  [lane.fmax, quick.max],
  [lane.fmin, quick.min],
  [lane.fmaxnm, quick.max],
  [lane.fminnm, quick.min],
  [lane.fabd, quick.difference],
  [lane.fcmeq, quick.eq],
  [lane.fcmge, quick.ge],
  [lane.fcmgt, quick.gt],
  [lane.facge, quick.absGe],
  [lane.facgt, quick.absGt],
  [lane.fmla, quick.fused],
  [lane.fmls, quick.fusedNegative],
]);

/** On vectors or halves of vectors, all elements at once where the host can. */
function vectorBody(
  s: A64,
  apply: lane.Apply,
  rd: Three['rd'],
  [n, m]: readonly [Val, Val],
  q: number,
  w: Width,
): void {
  const exact = (): Val => {
    const list = (v: Val): Val[] => elementsOf(s, v, q, w);
    const old = apply === lane.fmla || apply === lane.fmls ? list(s.q(rd)) : [];
    const others = list(m);
    return vectorOf(
      s,
      list(n).map((v, i) => apply(s, v, others[i]!, w, () => old[i]!)),
      w,
    );
  };
  const host = quickly.get(apply);
  if (!host || w === 16) return s.setQ(rd, exact());
  setQuickly(
    s,
    rd,
    q,
    host(s, w, n, m, () => s.q(rd)),
    exact,
  );
}

/** Rn and Rm, or what is first and what is second in their pairs. */
function sources(s: A64, op: ThreeSame, f: Three, q: number, w: Width): readonly [Val, Val] {
  const [n, m] = [s.q(f.rn), s.q(f.rm)];
  return op.pairs ? [alternate(s, n, m, w, 0, q), alternate(s, n, m, w, 1, q)] : [n, m];
}

function scalarBody(s: A64, op: ThreeSame, f: Three, w: Width): void {
  s.checkFP();
  setScalar(
    s,
    f.rd,
    op.apply(s, scalar(s, f.rn, w), scalar(s, f.rm, w), w, () => scalar(s, f.rd, w)),
    w,
  );
}

const vectorAsm = (m: string, q: number, w: Width): string => {
  const t = vectorKind(q, w);
  return `${m} <${t}:rd>, <${t}:rn>, <${t}:rm>`;
};
const scalarAsm = (m: string, w: Width): string => {
  const t = letterOf(w);
  return `${m} <${t}:rd>, <${t}:rn>, <${t}:rm>`;
};

const threeSameRows = (op: ThreeSame): readonly Row<A64>[] => [
  row(`${op.m.toUpperCase()} (vector)`, `0 Q ${op.u} 01110 ${op.a} sz 1 rm:5 11${op.op} 1 rn:5 rd:5`, {
    asm: (f) => vectorAsm(op.m, f.Q, byBit(f.sz)),
    shape: ['Q', 'sz'],
    shapes: floatShapes,
    when: floatFits,
    doc: op.doc,
    exec(s, f) {
      s.checkFP();
      const w = byBit(f.sz);
      vectorBody(s, op.apply, f.rd, sources(s, op, f, f.Q, w), f.Q, w);
    },
  }),
  row(
    `${op.m.toUpperCase()} (vector, half precision)`,
    `0 Q ${op.u} 01110 ${op.a} 10 rm:5 00${op.op} 1 rn:5 rd:5`,
    {
      asm: (f) => vectorAsm(op.m, f.Q, 16),
      shape: ['Q'],
      feature: 'FP16',
      doc: op.doc,
      exec(s, f) {
        s.checkFP();
        vectorBody(s, op.apply, f.rd, sources(s, op, f, f.Q, 16), f.Q, 16);
      },
    },
  ),
  ...(op.scalar
    ? [
        row(
          `${op.m.toUpperCase()} (SIMD scalar)`,
          `01 ${op.u} 11110 ${op.a} sz 1 rm:5 11${op.op} 1 rn:5 rd:5`,
          {
            asm: (f) => scalarAsm(op.m, byBit(f.sz)),
            shape: ['sz'],
            doc: op.doc,
            exec: (s, f) => scalarBody(s, op, f, byBit(f.sz)),
          },
        ),
        row(
          `${op.m.toUpperCase()} (SIMD scalar, half precision)`,
          `01 ${op.u} 11110 ${op.a} 10 rm:5 00${op.op} 1 rn:5 rd:5`,
          {
            asm: scalarAsm(op.m, 16),
            feature: 'FP16',
            doc: op.doc,
            exec: (s, f) => scalarBody(s, op, f, 16),
          },
        ),
      ]
    : []),
];

// --- pairs of one register, across a vector ---------------------------------------------------------------------

/** `across`: the form that reduces a whole vector; FADDP has only the one for pairs. */
const reductions = [
  {
    m: 'fmaxnm',
    a: '0',
    op: '01100',
    apply: lane.fmaxnm,
    across: true,
    doc: 'largest number; quiet NaNs do not count',
  },
  { m: 'fadd', a: '0', op: '01101', apply: lane.fadd, across: false, doc: 'sum' },
  {
    m: 'fmax',
    a: '0',
    op: '01111',
    apply: lane.fmax,
    across: true,
    doc: 'largest number; a NaN if there is one',
  },
  {
    m: 'fminnm',
    a: '1',
    op: '01100',
    apply: lane.fminnm,
    across: true,
    doc: 'smallest number; quiet NaNs do not count',
  },
  {
    m: 'fmin',
    a: '1',
    op: '01111',
    apply: lane.fmin,
    across: true,
    doc: 'smallest number; a NaN if there is one',
  },
] as const;

const reductionRows = (op: (typeof reductions)[number]): readonly Row<A64>[] => {
  const name = op.m.toUpperCase();
  const pairOf = (s: A64, f: Readonly<Record<'rd' | 'rn', Three['rd']>>, w: Width): void => {
    s.checkFP();
    const [a, b] = w === 64 ? [s.v(f.rn), s.v(f.rn, 1)] : elements(s, f.rn, 0, w);
    setScalar(
      s,
      f.rd,
      op.apply(s, a!, b!, w, () => a!),
      w,
    );
  };
  const whole = (s: A64, f: Readonly<Record<'rd' | 'rn', Three['rd']>>, q: number, w: Width): void => {
    s.checkFP();
    setScalar(s, f.rd, lane.reduce(s, elements(s, f.rn, q, w), w, op.apply), w);
  };
  return [
    row(`${name}P (scalar)`, `01 1 11110 ${op.a} sz 11000 ${op.op} 10 rn:5 rd:5`, {
      asm: (f) => `${op.m}p <${f.sz ? 'd' : 's'}:rd>, <v.${f.sz ? '2d' : '2s'}:rn>`,
      shape: ['sz'],
      doc: `The ${op.doc} of two elements.`,
      exec: (s, f) => pairOf(s, f, byBit(f.sz)),
    }),
    row(`${name}P (scalar, half precision)`, `01 0 11110 ${op.a} 0 11000 ${op.op} 10 rn:5 rd:5`, {
      asm: `${op.m}p <h:rd>, <v.2h:rn>`,
      feature: 'FP16',
      doc: `The ${op.doc} of two elements.`,
      exec: (s, f) => pairOf(s, f, 16),
    }),
    ...(op.across
      ? [
          row(`${name}V`, `0 1 1 01110 ${op.a} 0 11000 ${op.op} 10 rn:5 rd:5`, {
            asm: `${op.m}v <s:rd>, <v.4s:rn>`,
            doc: `The ${op.doc} of a vector.`,
            exec: (s, f) => whole(s, f, 1, 32),
          }),
          row(`${name}V (half precision)`, `0 Q 0 01110 ${op.a} 0 11000 ${op.op} 10 rn:5 rd:5`, {
            asm: (f) => `${op.m}v <h:rd>, <${vectorKind(f.Q, 16)}:rn>`,
            shape: ['Q'],
            feature: 'FP16',
            doc: `The ${op.doc} of a vector.`,
            exec: (s, f) => whole(s, f, f.Q, 16),
          }),
        ]
      : []),
  ];
};

// --- by element -------------------------------------------------------------------------------------------------

const indexed = [
  {
    m: 'fmla',
    u: '0',
    opcode: '0001',
    apply: lane.fmla,
    doc: 'Adds the product with one element to the destination.',
  },
  {
    m: 'fmls',
    u: '0',
    opcode: '0101',
    apply: lane.fmls,
    doc: 'Subtracts the product with one element from the destination.',
  },
  { m: 'fmul', u: '0', opcode: '1001', apply: lane.fmul, doc: 'Multiplies by one element.' },
  {
    m: 'fmulx',
    u: '1',
    opcode: '1001',
    apply: lane.fmulx,
    doc: 'Multiplies by one element; zero times infinity is 2.',
  },
] as const;

/** Where the element's number is: a single's in H:L, a double's in H, a half's in H:L:M with four bits of Rm left. */
const places = [
  { w: 32, bits: '10 L rm:5', index: 'H,L', feature: {}, suffix: '' },
  { w: 64, bits: '11 0 rm:5', index: 'H', feature: {}, suffix: ', double precision' },
  { w: 16, bits: '00 L M rm:4', index: 'H,L,M', feature: { feature: 'FP16' }, suffix: ', half precision' },
] as const;

const elementIndex = (w: Width, f: Readonly<Record<string, number>>): number => {
  const { H = 0, L = 0, M = 0 } = f;
  return w === 64 ? H : w === 32 ? 2 * H + L : 4 * H + 2 * L + M;
};

const indexedRows = (op: (typeof indexed)[number], p: (typeof places)[number]): readonly Row<A64>[] => {
  const name = op.m.toUpperCase();
  const { w } = p;
  return [
    row(`${name} (by element${p.suffix})`, `0 Q ${op.u} 01111 ${p.bits} ${op.opcode} H 0 rn:5 rd:5`, {
      asm: (f) => {
        const t = vectorKind(f.Q, w);
        return `${op.m} <${t}:rd>, <${t}:rn>, <v.${letterOf(w)}:rm,${p.index}>`;
      },
      shape: ['Q'],
      shapes: () => (w === 64 ? [{ Q: 1 }] : [{ Q: 0 }, { Q: 1 }]),
      when: (f) => w !== 64 || f.Q === 1,
      derive: (f) => ({ from: elementPlace(f.rm, elementIndex(w, f), w) }),
      ...p.feature,
      doc: op.doc,
      exec(s, f) {
        s.checkFP();
        const m = s.splatElement(f.from, (w / 8) as 2 | 4 | 8);
        vectorBody(s, op.apply, f.rd, [s.q(f.rn), m], f.Q, w);
      },
    }),
    row(
      `${name} (by element, SIMD scalar${p.suffix})`,
      `01 ${op.u} 11111 ${p.bits} ${op.opcode} H 0 rn:5 rd:5`,
      {
        asm: `${op.m} <${letterOf(w)}:rd>, <${letterOf(w)}:rn>, <v.${letterOf(w)}:rm,${p.index}>`,
        derive: (f) => ({ from: elementPlace(f.rm, elementIndex(w, f), w) }),
        ...p.feature,
        doc: op.doc,
        exec(s, f) {
          s.checkFP();
          const m = elementAt(s, f.from, w);
          setScalar(
            s,
            f.rd,
            op.apply(s, scalar(s, f.rn, w), m, w, () => scalar(s, f.rd, w)),
            w,
          );
        },
      },
    ),
  ];
};

export const fpVectorRows: readonly Row<A64>[] = [
  ...threeSame.flatMap(threeSameRows),
  ...reductions.flatMap(reductionRows),
  ...indexed.flatMap((op) => places.flatMap((p) => indexedRows(op, p))),
];
