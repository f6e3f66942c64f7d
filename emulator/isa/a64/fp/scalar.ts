/**
 * Scalar floating point: arithmetic, comparisons, rounding, FCSEL. Arm ARM DDI 0487 C4.1, "Floating-point data-processing (1
 * source)" to "(3 source)", "compare", "conditional compare" and "conditional select". Conversions are in conversions.ts.
 */
import type { Routine, Val } from '../../../ir/nodes';
import type { RawFields, Row } from '../../dsl/row';
import { fpAdd, fpDiv, fpMul, fpSqrt, fpSub } from './arithmetic';
import { fpCompare, fpMax, fpMaxNum, fpMin, fpMinNum } from './compare';
import { fpConvert, fpRoundInt } from './convert';
import { formats, Rounding, roundingMode, type Width } from './format';
import { fpMulAdd } from './fused';
import { row } from '../row';
import type { A64 } from '../sem';
import { letterOf, scalar, setScalar, type Bits } from '../simd/lanes';

type Routines = Readonly<Record<Width, Routine>>;

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
export const negate = (s: A64, v: Val, w: Width): Val => s.xor(v, s.i64(formats[w].sign));

// --- one source -------------------------------------------------------------------------------------------------

interface Unary {
  readonly m: string;
  readonly opcode: Bits;
  readonly doc: string;
  readonly apply: (s: A64, v: Val, w: Width) => Val;
}

/** FRINT*: rounding mode, and whether an inexact result sets IXC. */
const rint =
  (mode: number | 'current', exact = false) =>
  (s: A64, v: Val, w: Width): Val =>
    s.call(fpRoundInt[w], v, mode === 'current' ? roundingMode(s) : s.i32(mode), s.i32(exact ? 1 : 0));

/** Operations on one number that scalar and vector instructions share. */
export const fpUnary = {
  fabs: { doc: 'Clears the sign.', apply: (s, v, w) => s.andi(v, formats[w].sign - 1n) },
  fneg: { doc: 'Reverses the sign.', apply: negate },
  fsqrt: { doc: 'Square root.', apply: (s, v, w) => s.call(fpSqrt[w], v) },
  frintn: { doc: 'Rounds to an integer, ties to even.', apply: rint(Rounding.even) },
  frintp: { doc: 'Rounds up to an integer.', apply: rint(Rounding.up) },
  frintm: { doc: 'Rounds down to an integer.', apply: rint(Rounding.down) },
  frintz: { doc: 'Rounds to an integer towards zero.', apply: rint(Rounding.zero) },
  frinta: { doc: 'Rounds to an integer, ties away from zero.', apply: rint(Rounding.away) },
  frintx: {
    doc: 'Rounds to an integer by FPCR.RMode; an inexact result sets FPSR.IXC.',
    apply: rint('current', true),
  },
  frinti: { doc: 'Rounds to an integer by FPCR.RMode.', apply: rint('current') },
} as const satisfies Record<string, Pick<Unary, 'doc' | 'apply'>>;

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
      setScalar(s, f.rd, fpUnary[m].apply(s, scalar(s, f.rn, w), w), w);
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
        setScalar(s, f.rd, s.call(fpConvert(a, b), scalar(s, f.rn, a), roundingMode(s)), b);
      },
    },
  );
};

// --- two and three sources --------------------------------------------------------------------------------------

const binaries: readonly { m: string; opcode: Bits; routine: Routines; doc: string; negated?: true }[] = [
  { m: 'fmul', opcode: '0000', routine: fpMul, doc: 'Multiplies.' },
  { m: 'fdiv', opcode: '0001', routine: fpDiv, doc: 'Divides.' },
  { m: 'fadd', opcode: '0010', routine: fpAdd, doc: 'Adds.' },
  { m: 'fsub', opcode: '0011', routine: fpSub, doc: 'Subtracts.' },
  { m: 'fmax', opcode: '0100', routine: fpMax, doc: 'The larger number; a NaN if there is one.' },
  { m: 'fmin', opcode: '0101', routine: fpMin, doc: 'The smaller number; a NaN if there is one.' },
  { m: 'fmaxnm', opcode: '0110', routine: fpMaxNum, doc: 'The larger number; quiet NaNs do not count.' },
  { m: 'fminnm', opcode: '0111', routine: fpMinNum, doc: 'The smaller number; quiet NaNs do not count.' },
  { m: 'fnmul', opcode: '1000', routine: fpMul, doc: 'Multiplies and reverses the sign.', negated: true },
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
      const r = s.call(op.routine[w], scalar(s, f.rn, w), scalar(s, f.rm, w));
      setScalar(s, f.rd, op.negated ? negate(s, r, w) : r, w);
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
        const c = scalar(s, f.ra, w);
        const a = scalar(s, f.rn, w);
        const addend = op.addend ? negate(s, c, w) : c;
        const factor = op.product ? negate(s, a, w) : a;
        setScalar(s, f.rd, s.call(fpMulAdd[w], addend, factor, scalar(s, f.rm, w)), w);
      },
    },
  );

// --- comparisons ------------------------------------------------------------------------------------------------

const signalling = [
  { m: 'fcmp', ccmp: 'fccmp', e: '0', doc: 'a signalling NaN is an invalid operation' },
  { m: 'fcmpe', ccmp: 'fccmpe', e: '1', doc: 'any NaN is an invalid operation' },
] as const;

const compareNZCV = (s: A64, w: Width, a: Val, b: Val, e: '0' | '1'): Val =>
  s.shli(s.call(fpCompare[w], a, b, s.i32(Number(e))), 28);

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
      s.setNZCV(compareNZCV(s, w, scalar(s, f.rn, w), scalar(s, f.rm, w), op.e));
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
      s.setNZCV(compareNZCV(s, w, scalar(s, f.rn, w), s.i64(0), op.e));
    },
  }),
  row(`${op.ccmp.toUpperCase()}${p.suffix}`, `0 0 0 11110 ftype:2 1 rm:5 cond:4 01 rn:5 ${op.e} nzcv:4`, {
    asm: (f) => `${op.ccmp} <${reg(f.ftype)}:rn>, <${reg(f.ftype)}:rm>, #<nzcv:nzcv>, <cond:cond>`,
    shape: ['ftype'],
    shapes: ftypeShapes(p),
    when: ftypeFits(p),
    derive: (f) => ({ holds: conditionTable(f.cond), otherwise: f.nzcv << 28 }),
    ...p.feature,
    doc: `If the condition holds, compares and sets NZCV, otherwise sets NZCV to the constant; ${op.doc}.`,
    exec(s, f) {
      s.checkFP();
      const w = widthOf(f.ftype);
      const flags = s.local('flags', s.imm(f.otherwise, 'i32'));
      s.if(conditionHolds(s, s.imm(f.holds, 'i32')), () =>
        s.assign(flags, compareNZCV(s, w, scalar(s, f.rn, w), scalar(s, f.rm, w), op.e)),
      );
      s.setNZCV(s.read(flags));
    },
  }),
];

/** For which of the 16 values of NZCV a condition holds: as bits, so that conditions need no handlers of their own. */
export function conditionTable(cond: number): number {
  let table = 0;
  for (let nzcv = 0; nzcv < 16; nzcv++) {
    const [n, z, c, v] = [8, 4, 2, 1].map((bit) => (nzcv & bit) !== 0);
    const base = [z, c, n, v, c && !z, n === v, n === v && !z, true][cond >> 1];
    if (cond & 1 && cond !== 15 ? !base : base) table |= 1 << nzcv;
  }
  return table;
}

/** Whether the flags are in a condition's table: i32. */
export const conditionHolds = (s: A64, table: Val): Val => s.andi(s.shru(table, s.shri(s.nzcv(), 28)), 1);

const fcselRow = (p: Precision): Row<A64> =>
  row(`FCSEL${p.suffix}`, '0 0 0 11110 ftype:2 1 rm:5 cond:4 11 rn:5 rd:5', {
    asm: (f) => `fcsel <${reg(f.ftype)}:rd>, <${reg(f.ftype)}:rn>, <${reg(f.ftype)}:rm>, <cond:cond>`,
    shape: ['ftype'],
    shapes: ftypeShapes(p),
    when: ftypeFits(p),
    derive: (f) => ({ holds: conditionTable(f.cond) }),
    ...p.feature,
    doc: 'Copies the first source if the condition holds, otherwise the second.',
    exec(s, f) {
      s.checkFP();
      const w = widthOf(f.ftype);
      const c = conditionHolds(s, s.imm(f.holds, 'i32'));
      setScalar(s, f.rd, s.select(c, scalar(s, f.rn, w), scalar(s, f.rm, w)), w);
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
