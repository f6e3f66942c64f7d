/**
 * Scalar floating point: arithmetic, comparisons, rounding, FCSEL. Arm ARM DDI 0487 C4.1, "Floating-point data-processing (1
 * source)" to "(3 source)", "compare", "conditional compare" and "conditional select". Conversions are in conversions.ts.
 */
import type { Val } from '../../../ir/nodes';
import type { RawFields, Row } from '../../dsl/row';
import { conditionHolds } from '../integer/arithmetic';
import { row } from '../row';
import type { A64 } from '../sem';
import { letterOf, type Bits } from '../simd/lanes';
import { fpSqrt } from './arithmetic';
import { fpRoundInt } from './convert';
import { formats, Rounding, roundingMode, type Width } from './format';
import {
  binary,
  compare,
  convert,
  mulAdd,
  negated,
  number,
  root,
  roundToInteger,
  setNumber,
} from './in-line';
import type { RoundBy } from './in-line';

/** The `ftype` field. */
export const widthOf = (ftype: number): Width => (ftype === 0 ? 32 : ftype === 1 ? 64 : 16);

/** The rows of an operation: single and double precision, and half precision where the CPU has it. */
export interface Precision {
  /** For the row's name. */
  readonly suffix: '' | ', half precision';
  readonly ftypes: readonly number[];
  readonly feature: { feature?: string };
}

export const precisions: readonly Precision[] = [
  { suffix: '', ftypes: [0, 1], feature: {} },
  { suffix: ', half precision', ftypes: [3], feature: { feature: 'FP16' } },
];

export const ftypeShapes = (p: Precision) => (): readonly RawFields<'ftype'>[] =>
  p.ftypes.map((ftype) => ({ ftype }));
export const ftypeFits = (p: Precision) => (f: RawFields) => p.ftypes.includes(f['ftype'] ?? 0);

const reg = (ftype: number): string => letterOf(widthOf(ftype));

/** Changes the sign of raw bits. */
export const negate = (s: A64, v: Val, w: Width): Val => s.xor(v, s.k(v.ty, formats[w].sign));

// --- one source -------------------------------------------------------------------------------------------------

interface Unary {
  readonly m: string;
  readonly opcode: Bits;
  readonly doc: string;
  /** To an element of a vector, which is an i64. */
  readonly apply: (s: A64, v: Val, w: Width) => Val;
  /** To a scalar, which has the type of its size. */
  readonly scalar: (s: A64, v: Val, w: Width) => Val;
}

/** FRINT*: rounding mode, and whether an inexact result sets IXC. */
const rint = (mode: RoundBy, exact = false): Pick<Unary, 'apply' | 'scalar'> => ({
  apply: (s, v, w) =>
    s.call(fpRoundInt[w], v, mode === 'current' ? roundingMode(s) : s.i32(mode), s.i32(exact ? 1 : 0)),
  scalar: (s, v, w) => roundToInteger(s, w, v, mode, exact),
});

const absolute = (s: A64, v: Val, w: Width): Val => s.andi(v, formats[w].sign - 1n);

/** Operations on one number that scalar and vector instructions share. */
export const fpUnary = {
  fabs: { doc: 'Clears the sign.', apply: absolute, scalar: absolute },
  fneg: { doc: 'Reverses the sign.', apply: negate, scalar: negate },
  fsqrt: {
    doc: 'Square root.',
    apply: (s, v, w) => s.call(fpSqrt[w], v),
    scalar: (s, v, w) => root(s, w, v),
  },
  frintn: { doc: 'Rounds to an integer, ties to even.', ...rint(Rounding.even) },
  frintp: { doc: 'Rounds up to an integer.', ...rint(Rounding.up) },
  frintm: { doc: 'Rounds down to an integer.', ...rint(Rounding.down) },
  frintz: { doc: 'Rounds to an integer towards zero.', ...rint(Rounding.zero) },
  frinta: { doc: 'Rounds to an integer, ties away from zero.', ...rint(Rounding.away) },
  frintx: {
    doc: 'Rounds to an integer by FPCR.RMode; an inexact result sets FPSR.IXC.',
    ...rint('current', true),
  },
  frinti: { doc: 'Rounds to an integer by FPCR.RMode.', ...rint('current') },
} as const satisfies Record<string, Pick<Unary, 'doc' | 'apply' | 'scalar'>>;

const unaryOpcodes: readonly (readonly [m: keyof typeof fpUnary, opcode: Bits])[] = [
  ['fabs', '000001'],
  ['fneg', '000010'],
  ['fsqrt', '000011'],
  ['frintn', '001000'],
  ['frintp', '001001'],
  ['frintm', '001010'],
  ['frintz', '001011'],
  ['frinta', '001100'],
  ['frintx', '001110'],
  ['frinti', '001111'],
];

const unaryRow = (p: Precision, m: keyof typeof fpUnary, opcode: Bits): Row<A64> =>
  row(`${m.toUpperCase()} (scalar${p.suffix})`, `0 0 0 11110 ftype:2 1 ${opcode} 10000 rn:5 rd:5`, {
    asm: (f) => `${m} <${reg(f.ftype)}:rd>, <${reg(f.ftype)}:rn>`,
    shape: ['ftype'],
    shapes: ftypeShapes(p),
    when: ftypeFits(p),
    ...p.feature,
    doc: fpUnary[m].doc,
    exec(s, f) {
      s.checkFP();
      const w = widthOf(f.ftype);
      setNumber(s, f.rd, fpUnary[m].scalar(s, number(s, f.rn, w), w), w);
    },
  });

/** FCVT: `opc` names the destination as `ftype` does the source. */
const fcvtRow = (from: number, to: number): Row<A64> => {
  const bits = (n: number): Bits => n.toString(2).padStart(2, '0') as Bits;
  const [a, b] = [widthOf(from), widthOf(to)];
  return row(
    `FCVT (${letterOf(a)} to ${letterOf(b)})`,
    `0 0 0 11110 ${bits(from)} 1 0001 ${bits(to)} 10000 rn:5 rd:5`,
    {
      asm: `fcvt <${letterOf(b)}:rd>, <${letterOf(a)}:rn>`,
      doc: `Converts ${a} to ${b} bits of floating point.`,
      exec(s, f) {
        s.checkFP();
        setNumber(s, f.rd, convert(s, a, b, number(s, f.rn, a)), b);
      },
    },
  );
};

// --- two and three sources --------------------------------------------------------------------------------------

const binaries: readonly {
  m: string;
  opcode: Bits;
  apply: keyof typeof binary;
  doc: string;
  negated?: true;
}[] = [
  { m: 'fmul', opcode: '0000', apply: 'mul', doc: 'Multiplies.' },
  { m: 'fdiv', opcode: '0001', apply: 'div', doc: 'Divides.' },
  { m: 'fadd', opcode: '0010', apply: 'add', doc: 'Adds.' },
  { m: 'fsub', opcode: '0011', apply: 'sub', doc: 'Subtracts.' },
  { m: 'fmax', opcode: '0100', apply: 'max', doc: 'The larger number; a NaN if there is one.' },
  { m: 'fmin', opcode: '0101', apply: 'min', doc: 'The smaller number; a NaN if there is one.' },
  { m: 'fmaxnm', opcode: '0110', apply: 'maxnm', doc: 'The larger number; quiet NaNs do not count.' },
  { m: 'fminnm', opcode: '0111', apply: 'minnm', doc: 'The smaller number; quiet NaNs do not count.' },
  { m: 'fnmul', opcode: '1000', apply: 'mul', doc: 'Multiplies and reverses the sign.', negated: true },
];

const binaryRow = (p: Precision, op: (typeof binaries)[number]): Row<A64> =>
  row(`${op.m.toUpperCase()} (scalar${p.suffix})`, `0 0 0 11110 ftype:2 1 rm:5 ${op.opcode} 10 rn:5 rd:5`, {
    asm: (f) => `${op.m} <${reg(f.ftype)}:rd>, <${reg(f.ftype)}:rn>, <${reg(f.ftype)}:rm>`,
    shape: ['ftype'],
    shapes: ftypeShapes(p),
    when: ftypeFits(p),
    ...p.feature,
    doc: op.doc,
    exec(s, f) {
      s.checkFP();
      const w = widthOf(f.ftype);
      const r = binary[op.apply](s, w, number(s, f.rn, w), number(s, f.rm, w));
      setNumber(s, f.rd, op.negated ? negated(s, r, w) : r, w);
    },
  });

/** Signs of the product and of the addend. */
const fused = [
  { m: 'fmadd', o1: '0', o0: '0', product: false, addend: false, doc: 'Ra + Rn * Rm, rounded once.' },
  { m: 'fmsub', o1: '0', o0: '1', product: true, addend: false, doc: 'Ra - Rn * Rm, rounded once.' },
  { m: 'fnmadd', o1: '1', o0: '0', product: true, addend: true, doc: '-Ra - Rn * Rm, rounded once.' },
  { m: 'fnmsub', o1: '1', o0: '1', product: false, addend: true, doc: '-Ra + Rn * Rm, rounded once.' },
] as const;

const fusedRow = (p: Precision, op: (typeof fused)[number]): Row<A64> =>
  row(
    `${op.m.toUpperCase()} (scalar${p.suffix})`,
    `0 0 0 11111 ftype:2 ${op.o1} rm:5 ${op.o0} ra:5 rn:5 rd:5`,
    {
      asm: (f) =>
        `${op.m} <${reg(f.ftype)}:rd>, <${reg(f.ftype)}:rn>, <${reg(f.ftype)}:rm>, <${reg(f.ftype)}:ra>`,
      shape: ['ftype'],
      shapes: ftypeShapes(p),
      when: ftypeFits(p),
      ...p.feature,
      doc: op.doc,
      exec(s, f) {
        s.checkFP();
        const w = widthOf(f.ftype);
        const c = number(s, f.ra, w);
        const a = number(s, f.rn, w);
        const addend = op.addend ? negated(s, c, w) : c;
        const factor = op.product ? negated(s, a, w) : a;
        setNumber(s, f.rd, mulAdd(s, w, addend, factor, number(s, f.rm, w)), w);
      },
    },
  );

// --- comparisons ------------------------------------------------------------------------------------------------

const signalling = [
  { m: 'fcmp', ccmp: 'fccmp', e: '0', doc: 'a signalling NaN is an invalid operation' },
  { m: 'fcmpe', ccmp: 'fccmpe', e: '1', doc: 'any NaN is an invalid operation' },
] as const;

const compareRows = (p: Precision, op: (typeof signalling)[number]): readonly Row<A64>[] => [
  row(`${op.m.toUpperCase()}${p.suffix}`, `0 0 0 11110 ftype:2 1 rm:5 00 1000 rn:5 ${op.e} 0 000`, {
    asm: (f) => `${op.m} <${reg(f.ftype)}:rn>, <${reg(f.ftype)}:rm>`,
    shape: ['ftype'],
    shapes: ftypeShapes(p),
    when: ftypeFits(p),
    ...p.feature,
    doc: `Compares and sets NZCV; ${op.doc}.`,
    exec(s, f) {
      s.checkFP();
      const w = widthOf(f.ftype);
      s.setNZCV(compare(s, w, number(s, f.rn, w), number(s, f.rm, w), op.e === '1'));
    },
  }),
  // Rm should be zero and is not looked at.
  row(`${op.m.toUpperCase()} (zero)${p.suffix}`, `0 0 0 11110 ftype:2 1 rm:5 00 1000 rn:5 ${op.e} 1 000`, {
    asm: (f) => `${op.m} <${reg(f.ftype)}:rn>, #0.0`,
    shape: ['ftype'],
    shapes: ftypeShapes(p),
    when: ftypeFits(p),
    ...p.feature,
    doc: `Compares with zero and sets NZCV; ${op.doc}.`,
    exec(s, f) {
      s.checkFP();
      const w = widthOf(f.ftype);
      const v = number(s, f.rn, w);
      s.setNZCV(compare(s, w, v, s.k(v.ty, 0), op.e === '1'));
    },
  }),
  row(`${op.ccmp.toUpperCase()}${p.suffix}`, `0 0 0 11110 ftype:2 1 rm:5 cond:4 01 rn:5 ${op.e} nzcv:4`, {
    asm: (f) => `${op.ccmp} <${reg(f.ftype)}:rn>, <${reg(f.ftype)}:rm>, #<nzcv:nzcv>, <cond:cond>`,
    shape: ['ftype'],
    shapes: ftypeShapes(p),
    when: ftypeFits(p),
    derive: (f) => ({ otherwise: f.nzcv << 28 }),
    ...p.feature,
    doc: `If the condition holds, compares and sets NZCV, otherwise sets NZCV to the constant; ${op.doc}.`,
    exec(s, f) {
      s.checkFP();
      const w = widthOf(f.ftype);
      const holds = conditionHolds(s, f.cond);
      const compared = compare(s, w, number(s, f.rn, w), number(s, f.rm, w), op.e === '1', holds);
      s.setNZCV(s.select(holds, compared, s.imm(f.otherwise, 'i32')));
    },
  }),
];

const fcselRow = (p: Precision): Row<A64> =>
  row(`FCSEL${p.suffix}`, '0 0 0 11110 ftype:2 1 rm:5 cond:4 11 rn:5 rd:5', {
    asm: (f) => `fcsel <${reg(f.ftype)}:rd>, <${reg(f.ftype)}:rn>, <${reg(f.ftype)}:rm>, <cond:cond>`,
    shape: ['ftype'],
    shapes: ftypeShapes(p),
    when: ftypeFits(p),
    ...p.feature,
    doc: 'Copies the first source if the condition holds, otherwise the second.',
    exec(s, f) {
      s.checkFP();
      const w = widthOf(f.ftype);
      const holds = conditionHolds(s, f.cond);
      setNumber(s, f.rd, s.select(holds, number(s, f.rn, w), number(s, f.rm, w)), w);
    },
  });

export const fpScalarRows: readonly Row<A64>[] = [
  ...precisions.flatMap((p) => [
    ...unaryOpcodes.map(([m, opcode]) => unaryRow(p, m, opcode)),
    ...binaries.map((op) => binaryRow(p, op)),
    ...fused.map((op) => fusedRow(p, op)),
    ...signalling.flatMap((op) => compareRows(p, op)),
    fcselRow(p),
  ]),
  ...[0, 1, 3].flatMap((from) => [0, 1, 3].filter((to) => to !== from).map((to) => fcvtRow(from, to))),
];
