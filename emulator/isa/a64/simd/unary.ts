/**
 * Integer operations on one vector: comparisons with zero, counts, reversals, extension and narrowing, sums of neighbours and across a
 * vector. Arm ARM DDI 0487 C4.1, "Advanced SIMD two-register miscellaneous", "across lanes", "scalar two-register miscellaneous",
 * "scalar pairwise".
 */
import type { Operand, Val } from '../../../ir/nodes';
import type { LaneOp } from '../../../ir/simd';
import type { RawFields, Row } from '../../dsl/row';
import { row } from '../row';
import type { A64 } from '../sem';
import {
  elements,
  esizeOf,
  esizes,
  letterOf,
  scalar,
  setElements,
  setScalar,
  vectorFits,
  vectorKind,
  vectorShapes,
  type Bits,
  type Esize,
} from './lanes';
import { addMixed } from './saturate';
import { narrowed } from './shift';
import { all, extremes, onlyFirst, reduced, saturatedWhere, setHalf, source, widened, zero } from './whole';

interface Unary {
  readonly m: string;
  readonly u: '0' | '1';
  readonly opcode: Bits;
  readonly sizes: readonly Esize[];
  readonly scalar?: readonly Esize[];
  readonly operation:
    | { readonly whole: (s: A64, v: Val, e: Esize) => Val }
    | { readonly each: (s: A64, v: Val, e: Esize) => Val };
  readonly doc: string;
  readonly tail?: string;
  /** Single elements are zero-extended. */
  readonly unsigned?: true;
}

const D: readonly Esize[] = [64];
const upTo32: readonly Esize[] = [8, 16, 32];
const us = (unsigned: boolean): string => (unsigned ? 'u' : 's');
const kind = (unsigned: boolean): string => (unsigned ? 'unsigned' : 'signed');
const double = (e: Esize): Esize => (2 * e) as Esize;

const comparison = (m: string, u: '0' | '1', opcode: Bits, sign: string, op: LaneOp): Unary => ({
  m,
  u,
  opcode,
  sizes: esizes,
  scalar: D,
  tail: ', #0',
  doc: `All ones where ${sign} 0.`,
  operation: { whole: (s, v, e) => s.lanes(op, e, v, zero(s)) },
});

/** The lowest number has no counterpart: it becomes the highest one, and QC is set. */
function saturatedNegative(s: A64, v: Val, negated: Val, e: Esize): Val {
  const over = s.lanes('eq', e, v, all(s, e, 1n << BigInt(e - 1)));
  saturatedWhere(s, over);
  return s.vector('xor', negated, over);
}

const unary: readonly Unary[] = [
  comparison('cmgt', '0', '01000', '>', 'gt_s'),
  comparison('cmge', '1', '01000', '>=', 'ge_s'),
  comparison('cmeq', '0', '01001', '=', 'eq'),
  comparison('cmle', '1', '01001', '<=', 'le_s'),
  comparison('cmlt', '0', '01010', '<', 'lt_s'),
  {
    m: 'abs',
    u: '0',
    opcode: '01011',
    sizes: esizes,
    scalar: D,
    doc: 'Absolute value.',
    operation: { whole: (s, v, e) => s.lanes('abs', e, v) },
  },
  {
    m: 'neg',
    u: '1',
    opcode: '01011',
    sizes: esizes,
    scalar: D,
    doc: 'Reverses the sign.',
    operation: { whole: (s, v, e) => s.lanes('neg', e, v) },
  },
  {
    m: 'sqabs',
    u: '0',
    opcode: '00111',
    sizes: esizes,
    scalar: esizes,
    doc: 'Absolute value, with saturation.',
    operation: { whole: (s, v, e) => saturatedNegative(s, v, s.lanes('abs', e, v), e) },
  },
  {
    m: 'sqneg',
    u: '1',
    opcode: '00111',
    sizes: esizes,
    scalar: esizes,
    doc: 'Reverses the sign, with saturation.',
    operation: { whole: (s, v, e) => saturatedNegative(s, v, s.lanes('neg', e, v), e) },
  },
  {
    m: 'cls',
    u: '0',
    opcode: '00100',
    sizes: upTo32,
    doc: 'Counts the bits behind the sign that equal it.',
    operation: { each: (s, v, e) => s.addi(s.clz(s.xor(v, s.sari(v, 63))), e - 65) },
  },
  {
    m: 'clz',
    u: '1',
    opcode: '00100',
    sizes: upTo32,
    unsigned: true,
    doc: 'Counts leading zeros.',
    operation: { each: (s, v, e) => s.addi(s.clz(v), e - 64) },
  },
  {
    m: 'cnt',
    u: '0',
    opcode: '00101',
    sizes: [8],
    unsigned: true,
    doc: 'Counts ones.',
    operation: { whole: (s, v) => s.lanes('popcnt', 8, v) },
  },
];

function unaryRows(op: Unary): readonly Row<A64>[] {
  const name = op.m.toUpperCase();
  const what = op.tail ? ', zero' : '';
  const tail = op.tail ?? '';
  const scalarSizes = op.scalar ?? [];
  return [
    row(`${name} (vector${what})`, `0 Q ${op.u} 01110 size:2 10000 ${op.opcode} 10 rn:5 rd:5`, {
      asm: (f) => {
        const t = vectorKind(f.Q, esizeOf(f.size));
        return `${op.m} <${t}:rd>, <${t}:rn>${tail}`;
      },
      shape: ['Q', 'size'],
      shapes: vectorShapes(op.sizes),
      when: vectorFits(op.sizes),
      doc: op.doc,
      exec(s, f) {
        s.checkFP();
        const e = esizeOf(f.size);
        if ('whole' in op.operation)
          return s.setVector(f.rd, op.operation.whole(s, source(s, f.rn, f.Q), e), f.Q);
        const { each } = op.operation;
        setElements(
          s,
          f.rd,
          elements(s, f.rn, f.Q, e, !op.unsigned).map((v) => each(s, v, e)),
          e,
        );
      },
    }),
    ...(scalarSizes.length > 0
      ? [
          row(`${name} (SIMD scalar${what})`, `01 ${op.u} 11110 size:2 10000 ${op.opcode} 10 rn:5 rd:5`, {
            asm: (f) => {
              const t = letterOf(esizeOf(f.size));
              return `${op.m} <${t}:rd>, <${t}:rn>${tail}`;
            },
            shape: ['size'],
            shapes: () => scalarSizes.map((e) => ({ size: esizes.indexOf(e) })),
            when: (f) => scalarSizes.includes(esizeOf(f.size)),
            doc: op.doc,
            exec(s, f) {
              s.checkFP();
              if (!('whole' in op.operation)) throw new Error(`${op.m} has no scalar form`);
              const e = esizeOf(f.size);
              const result = op.operation.whole(s, onlyFirst(s, s.q(f.rn), e), e);
              s.setQ(f.rd, onlyFirst(s, result, e));
            },
          }),
        ]
      : []),
  ];
}

/** SUQADD, USQADD: the destination plus numbers of the other signedness. */
const mixedRows = ([false, true] as const).flatMap((unsigned) => {
  const m = `${us(unsigned)}${us(!unsigned)}qadd`;
  const u = unsigned ? '1' : '0';
  const doc = `Adds ${kind(!unsigned)} elements to the ${kind(unsigned)} ones of the destination, with saturation.`;
  return [
    row(`${m.toUpperCase()} (vector)`, `0 Q ${u} 01110 size:2 10000 00011 10 rn:5 rd:5`, {
      asm: (f) => `${m} <${vectorKind(f.Q, esizeOf(f.size))}:rd>, <${vectorKind(f.Q, esizeOf(f.size))}:rn>`,
      shape: ['Q', 'size'],
      shapes: vectorShapes(),
      when: vectorFits(),
      doc,
      exec(s, f) {
        s.checkFP();
        const e = esizeOf(f.size);
        const d = elements(s, f.rd, f.Q, e, !unsigned);
        const n = elements(s, f.rn, f.Q, e, unsigned);
        setElements(
          s,
          f.rd,
          d.map((v, i) => addMixed(s, v, n[i]!, e, unsigned)),
          e,
        );
      },
    }),
    row(`${m.toUpperCase()} (SIMD scalar)`, `01 ${u} 11110 size:2 10000 00011 10 rn:5 rd:5`, {
      asm: (f) => `${m} <${letterOf(esizeOf(f.size))}:rd>, <${letterOf(esizeOf(f.size))}:rn>`,
      shape: ['size'],
      doc,
      exec(s, f) {
        s.checkFP();
        const e = esizeOf(f.size);
        const d = scalar(s, f.rd, e, !unsigned);
        setScalar(s, f.rd, addMixed(s, d, scalar(s, f.rn, e, unsigned), e, unsigned), e);
      },
    }),
  ];
});

// --- bits and orders --------------------------------------------------------------------------------------------

/** Whole registers, 64 bits at a time. */
const halves = (s: A64, rd: Operand, rn: Operand, q: number, apply: (v: Val) => Val): void =>
  s.setV(rd, apply(s.v(rn)), q ? apply(s.v(rn, 1)) : s.i64(0));

const bytes = (m: string | readonly string[]) => (f: { Q: number }) =>
  [m].flat().map((name) => `${name} <${vectorKind(f.Q, 8)}:rd>, <${vectorKind(f.Q, 8)}:rn>`);

const bitRows: readonly Row<A64>[] = [
  row('NOT (vector)', '0 Q 1 01110 00 10000 00101 10 rn:5 rd:5', {
    asm: bytes(['mvn', 'not']),
    shape: ['Q'],
    doc: 'Inverts every bit.',
    exec(s, f) {
      s.checkFP();
      s.setVector(f.rd, s.vector('not', s.q(f.rn)), f.Q);
    },
  }),
  row('RBIT (vector)', '0 Q 1 01110 01 10000 00101 10 rn:5 rd:5', {
    asm: bytes('rbit'),
    shape: ['Q'],
    doc: 'Reverses the bits of every byte.',
    exec(s, f) {
      s.checkFP();
      halves(s, f.rd, f.rn, f.Q, (v) => s.revBytes(s.revBits(v), 8));
    },
  }),
];

/** REV16, REV32, REV64: elements in reverse order within groups of that many bits. */
const reversals = [
  { m: 'rev64', u: '0', opcode: '00000', group: 64, sizes: [8, 16, 32] },
  { m: 'rev32', u: '1', opcode: '00000', group: 32, sizes: [8, 16] },
  { m: 'rev16', u: '0', opcode: '00001', group: 16, sizes: [8] },
] as const;

const reversalRows = reversals.map(({ m, u, opcode, group, sizes }) =>
  row(`${m.toUpperCase()} (vector)`, `0 Q ${u} 01110 size:2 10000 ${opcode} 10 rn:5 rd:5`, {
    asm: (f) => `${m} <${vectorKind(f.Q, esizeOf(f.size))}:rd>, <${vectorKind(f.Q, esizeOf(f.size))}:rn>`,
    shape: ['Q', 'size'],
    shapes: vectorShapes(sizes),
    when: vectorFits(sizes),
    doc: `Reverses the order of elements in every ${group} bits.`,
    exec(s, f) {
      s.checkFP();
      const e = esizeOf(f.size);
      // An element's number exclusive-or the last one of a group.
      const last = (group - e) / 8;
      const v = s.q(f.rn);
      const reversed = s.shuffle(
        v,
        v,
        Array.from({ length: 16 }, (_, i) => i ^ last),
      );
      s.setVector(f.rd, reversed, f.Q);
    },
  }),
);

// --- other sizes ------------------------------------------------------------------------------------------------

const narrowing = [
  { m: 'xtn', u: '0', opcode: '10010', how: 'none', doc: 'The lower halves of elements.' },
  {
    m: 'sqxtun',
    u: '1',
    opcode: '10010',
    how: 'toUnsigned',
    doc: 'Signed elements to unsigned ones of half the size, with saturation.',
  },
  {
    m: 'sqxtn',
    u: '0',
    opcode: '10100',
    how: 'signed',
    doc: 'Signed elements to half the size, with saturation.',
  },
  {
    m: 'uqxtn',
    u: '1',
    opcode: '10100',
    how: 'unsigned',
    doc: 'Unsigned elements to half the size, with saturation.',
  },
] as const;

const two = (q: number): string => (q ? '2' : '');
const narrowShapes = (): readonly RawFields<'Q' | 'size'>[] =>
  [0, 1, 2].flatMap((size) => [0, 1].map((Q) => ({ Q, size })));
const narrowFits = (f: RawFields): boolean => f['size'] !== 3;

const narrowingRows = (op: (typeof narrowing)[number]): readonly Row<A64>[] => {
  return [
    row(`${op.m.toUpperCase()} (vector)`, `0 Q ${op.u} 01110 size:2 10000 ${op.opcode} 10 rn:5 rd:5`, {
      asm: (f) => {
        const e = esizeOf(f.size);
        return `${op.m}${two(f.Q)} <${vectorKind(f.Q, e)}:rd>, <${vectorKind(1, double(e))}:rn>`;
      },
      shape: ['Q', 'size'],
      shapes: narrowShapes,
      when: narrowFits,
      doc: op.doc,
      exec(s, f) {
        s.checkFP();
        const e = esizeOf(f.size);
        setHalf(s, f.rd, f.Q, narrowed(s, s.q(f.rn), e, op.how));
      },
    }),
    ...(op.how === 'none'
      ? []
      : [
          row(
            `${op.m.toUpperCase()} (SIMD scalar)`,
            `01 ${op.u} 11110 size:2 10000 ${op.opcode} 10 rn:5 rd:5`,
            {
              asm: (f) =>
                `${op.m} <${letterOf(esizeOf(f.size))}:rd>, <${letterOf(double(esizeOf(f.size)))}:rn>`,
              shape: ['size'],
              shapes: () => [{ size: 0 }, { size: 1 }, { size: 2 }],
              when: narrowFits,
              doc: op.doc,
              exec(s, f) {
                s.checkFP();
                const e = esizeOf(f.size);
                const v = onlyFirst(s, s.q(f.rn), double(e));
                s.setQ(f.rd, narrowed(s, v, e, op.how));
              },
            },
          ),
        ]),
  ];
};

/** The shift is the element's size, and written. */
const shll = row('SHLL', '0 Q 1 01110 size:2 10000 10011 10 rn:5 rd:5', {
  asm: (f) => {
    const e = esizeOf(f.size);
    return `shll${two(f.Q)} <${vectorKind(1, double(e))}:rd>, <${vectorKind(f.Q, e)}:rn>, #${e}`;
  },
  shape: ['Q', 'size'],
  shapes: narrowShapes,
  when: narrowFits,
  doc: 'Elements to twice the size, shifted left by their size.',
  exec(s, f) {
    s.checkFP();
    const e = esizeOf(f.size);
    s.setQ(f.rd, s.lanes('shl', double(e), widened(s, s.q(f.rn), e, f.Q, true), s.i32(e)));
  },
});

/** Sums of neighbours, in twice their size. */
function pairSum(s: A64, v: Val, e: Esize, unsigned: boolean): Val {
  if (e !== 32) return s.lanes(unsigned ? 'extadd_pairwise_u' : 'extadd_pairwise_s', e, v);
  const shift = unsigned ? 'shr_u' : 'shr_s';
  const [low, high] = [
    s.lanes(shift, 64, s.lanes('shl', 64, v, s.i32(32)), s.i32(32)),
    s.lanes(shift, 64, v, s.i32(32)),
  ];
  return s.lanes('add', 64, low, high);
}

/** SADDLP, UADDLP and the accumulating SADALP, UADALP. */
const pairSums = ([false, true] as const).flatMap((accumulate) =>
  ([false, true] as const).map((unsigned) => {
    const m = `${us(unsigned)}ad${accumulate ? 'a' : 'd'}lp`;
    return row(
      m.toUpperCase(),
      `0 Q ${unsigned ? '1' : '0'} 01110 size:2 10000 ${accumulate ? '00110' : '00010'} 10 rn:5 rd:5`,
      {
        asm: (f) => {
          const e = esizeOf(f.size);
          return `${m} <v.${(64 << f.Q) / double(e)}${letterOf(double(e))}:rd>, <${vectorKind(f.Q, e)}:rn>`;
        },
        shape: ['Q', 'size'],
        shapes: narrowShapes,
        when: narrowFits,
        doc: `${accumulate ? 'Adds' : 'The'} sums of pairs of ${kind(unsigned)} elements${accumulate ? ' to elements' : ', in elements'} of twice the size.`,
        exec(s, f) {
          s.checkFP();
          const e = esizeOf(f.size);
          const sums = pairSum(s, s.q(f.rn), e, unsigned);
          s.setVector(f.rd, accumulate ? s.lanes('add', double(e), s.q(f.rd), sums) : sums, f.Q);
        },
      },
    );
  }),
);

// --- across a vector --------------------------------------------------------------------------------------------

/** Words need four of them. */
const acrossShapes = (): readonly RawFields<'Q' | 'size'>[] =>
  [0, 1, 2].flatMap((size) => [0, 1].filter((Q) => size < 2 || Q === 1).map((Q) => ({ Q, size })));
const acrossFits = (f: RawFields): boolean => f['size'] !== 3 && (f['size'] !== 2 || f['Q'] === 1);

interface Across {
  readonly m: string;
  readonly u: '0' | '1';
  readonly opcode: Bits;
  readonly unsigned: boolean;
  /** The result has twice the size. */
  readonly long?: true;
  readonly apply: (s: A64, a: Val, b: Val, e: Esize) => Val;
  readonly doc: string;
}

const across: readonly Across[] = [
  ...([false, true] as const).flatMap((unsigned): Across[] => [
    {
      m: `${us(unsigned)}addlv`,
      u: unsigned ? '1' : '0',
      opcode: '00011',
      unsigned,
      long: true,
      doc: `The sum of ${kind(unsigned)} elements, in twice their size.`,
      apply: (s, a, b, e) => s.lanes('add', e, a, b),
    },
    ...([true, false] as const).map((max): Across => ({
      m: `${us(unsigned)}${max ? 'max' : 'min'}v`,
      u: unsigned ? '1' : '0',
      opcode: max ? '01010' : '11010',
      unsigned,
      doc: `The ${max ? 'largest' : 'smallest'} ${kind(unsigned)} element.`,
      apply: (s, a, b, e) => extremes(max, unsigned)(s, a, b, e, () => a),
    })),
  ]),
  {
    m: 'addv',
    u: '0',
    opcode: '11011',
    unsigned: true,
    doc: 'The sum of the elements.',
    apply: (s, a, b, e) => s.lanes('add', e, a, b),
  },
];

const acrossRows = across.map((op) =>
  row(op.m.toUpperCase(), `0 Q ${op.u} 01110 size:2 11000 ${op.opcode} 10 rn:5 rd:5`, {
    asm: (f) => {
      const e = esizeOf(f.size);
      return `${op.m} <${letterOf(op.long ? double(e) : e)}:rd>, <${vectorKind(f.Q, e)}:rn>`;
    },
    shape: ['Q', 'size'],
    shapes: acrossShapes,
    when: acrossFits,
    doc: op.doc,
    exec(s, f) {
      s.checkFP();
      const e = esizeOf(f.size);
      // Neighbours first, where sums may need twice the size.
      const of = op.long ? double(e) : e;
      const from = op.long ? pairSum(s, s.q(f.rn), e, op.unsigned) : s.q(f.rn);
      const first = reduced(s, from, of, 8 << f.Q, (a, b) => op.apply(s, a, b, of));
      s.setQ(f.rd, onlyFirst(s, first, of));
    },
  }),
);

const addpScalar = row('ADDP (scalar)', '01 0 11110 11 11000 11011 10 rn:5 rd:5', {
  asm: 'addp <d:rd>, <v.2d:rn>',
  doc: 'The sum of two elements.',
  exec(s, f) {
    s.checkFP();
    s.setV(f.rd, s.add(s.v(f.rn), s.v(f.rn, 1)));
  },
});

export const simdUnaryRows: readonly Row<A64>[] = [
  ...unary.flatMap(unaryRows),
  ...mixedRows,
  ...bitRows,
  ...reversalRows,
  ...narrowing.flatMap(narrowingRows),
  shll,
  ...pairSums,
  ...acrossRows,
  addpScalar,
];
