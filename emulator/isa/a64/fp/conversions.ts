/**
 * Conversions between floating point and integers or fixed point in general-purpose registers, and FMOV of half precision. Arm
 * ARM DDI 0487 C4.1, "Conversion between floating-point and integer" and "... and fixed-point".
 */
import type { Val } from '../../../ir/nodes';
import type { RawFields, Row } from '../../dsl/row';
import { fpFromFixed, fpToFixed, fpToFixedJS } from './convert';
import { fromInteger, number, setNumber, toInteger } from './in-line';
import { Rounding, roundingMode, type Width } from './format';
import { ftypeFits, precisions, widthOf, type Precision } from './scalar';
import { row } from '../row';
import type { A64 } from '../sem';
import { letterOf, scalar, setScalar } from '../simd/lanes';

const general = (sf: number): 'w' | 'x' => (sf ? 'x' : 'w');
const reg = (ftype: number): string => letterOf(widthOf(ftype));
const shapesOf = (p: Precision) => (): readonly RawFields<'sf' | 'ftype'>[] =>
  [0, 1].flatMap((sf) => p.ftypes.map((ftype) => ({ sf, ftype })));

/** FCVT<mode><sign>: rmode and opcode bits, rounding. */
export const roundingConversions = [
  { letter: 'n', rmode: '00', opcode: '00', mode: Rounding.even, doc: 'to nearest, ties to even' },
  { letter: 'p', rmode: '01', opcode: '00', mode: Rounding.up, doc: 'up' },
  { letter: 'm', rmode: '10', opcode: '00', mode: Rounding.down, doc: 'down' },
  { letter: 'z', rmode: '11', opcode: '00', mode: Rounding.zero, doc: 'towards zero' },
  { letter: 'a', rmode: '00', opcode: '10', mode: Rounding.away, doc: 'to nearest, ties away from zero' },
] as const;

const signs = [
  { letter: 's', bit: '0', unsigned: 0, word: 'a signed' },
  { letter: 'u', bit: '1', unsigned: 1, word: 'an unsigned' },
] as const;

/** The result of a conversion to `bits` bits. */
const toFixed = (s: A64, w: Width, v: Val, mode: number, fbits: Val, bits: number, unsigned: number): Val =>
  s.call(fpToFixed[w], v, s.i32(mode), fbits, s.i32(bits), s.i32(unsigned));

const toIntegerRow = (
  p: Precision,
  c: (typeof roundingConversions)[number],
  sign: (typeof signs)[number],
): Row<A64> => {
  const m = `fcvt${c.letter}${sign.letter}`;
  return row(
    `${m.toUpperCase()} (scalar, integer${p.suffix})`,
    `sf 0 0 11110 ftype:2 1 ${c.rmode} ${c.opcode}${sign.bit} 000000 rn:5 rd:5`,
    {
      asm: (f) => `${m} <${general(f.sf)}:rd>, <${reg(f.ftype)}:rn>`,
      shape: ['sf', 'ftype'],
      shapes: shapesOf(p),
      when: ftypeFits(p),
      ...p.feature,
      doc: `Converts to ${sign.word} integer, rounding ${c.doc}; out of range gives the nearest limit.`,
      exec(s, f) {
        s.checkFP();
        const w = widthOf(f.ftype);
        s.setX(f.rd, toInteger(s, w, number(s, f.rn, w), c.mode, f.sf ? 64 : 32, sign.unsigned === 1));
      },
    },
  );
};

/** The integer in a general-purpose register as 64 bits. */
const integer = (s: A64, v: Val, unsigned: number): Val =>
  v.ty === 'i64' ? v : unsigned ? s.zext(v) : s.sext(v);

const fromIntegerRow = (p: Precision, sign: (typeof signs)[number]): Row<A64> => {
  const m = `${sign.letter}cvtf`;
  return row(
    `${m.toUpperCase()} (scalar, integer${p.suffix})`,
    `sf 0 0 11110 ftype:2 1 00 01${sign.bit} 000000 rn:5 rd:5`,
    {
      asm: (f) => `${m} <${reg(f.ftype)}:rd>, <${general(f.sf)}:rn>`,
      shape: ['sf', 'ftype'],
      shapes: shapesOf(p),
      when: ftypeFits(p),
      ...p.feature,
      doc: `Converts ${sign.word} integer to floating point.`,
      exec(s, f) {
        s.checkFP();
        const w = widthOf(f.ftype);
        setNumber(s, f.rd, fromInteger(s, w, s.x(f.rn, f.sf), sign.unsigned === 1), w);
      },
    },
  );
};

/** Bits of fraction: 64 - scale; a 32-bit register has at most 32. */
const scaleFits = (p: Precision) => (f: RawFields) =>
  ftypeFits(p)(f) && (f['sf'] === 1 || (f['scale'] ?? 0) >= 32);

const fixedRows = (p: Precision, sign: (typeof signs)[number]): readonly Row<A64>[] => [
  row(
    `FCVTZ${sign.letter.toUpperCase()} (scalar, fixed-point${p.suffix})`,
    `sf 0 0 11110 ftype:2 0 11 00${sign.bit} scale:6 rn:5 rd:5`,
    {
      asm: (f) => `fcvtz${sign.letter} <${general(f.sf)}:rd>, <${reg(f.ftype)}:rn>, #<u-64:scale>`,
      shape: ['sf', 'ftype'],
      shapes: shapesOf(p),
      when: scaleFits(p),
      derive: (f) => ({ fbits: 64 - f.scale }),
      ...p.feature,
      doc: `Converts to ${sign.word} fixed-point number, rounding towards zero.`,
      exec(s, f) {
        s.checkFP();
        const w = widthOf(f.ftype);
        const v = scalar(s, f.rn, w);
        const fbits = s.imm(f.fbits, 'i32');
        s.setX(f.rd, toFixed(s, w, v, Rounding.zero, fbits, f.sf ? 64 : 32, sign.unsigned));
      },
    },
  ),
  row(
    `${sign.letter.toUpperCase()}CVTF (scalar, fixed-point${p.suffix})`,
    `sf 0 0 11110 ftype:2 0 00 01${sign.bit} scale:6 rn:5 rd:5`,
    {
      asm: (f) => `${sign.letter}cvtf <${reg(f.ftype)}:rd>, <${general(f.sf)}:rn>, #<u-64:scale>`,
      shape: ['sf', 'ftype'],
      shapes: shapesOf(p),
      when: scaleFits(p),
      derive: (f) => ({ fbits: 64 - f.scale }),
      ...p.feature,
      doc: `Converts ${sign.word} fixed-point number to floating point.`,
      exec(s, f) {
        s.checkFP();
        const w = widthOf(f.ftype);
        const v = integer(s, s.x(f.rn, f.sf), sign.unsigned);
        const fbits = s.imm(f.fbits, 'i32');
        setScalar(s, f.rd, s.call(fpFromFixed[w], v, fbits, s.i32(sign.unsigned), roundingMode(s)), w);
      },
    },
  ),
];

/** FMOV of half precision to and from general-purpose registers; the other forms are in simd-move.ts. */
const halfMoves: readonly Row<A64>[] = [
  row('FMOV (H to W or X)', 'sf 0 0 11110 11 1 00 110 000000 rn:5 rd:5', {
    asm: (f) => `fmov <${general(f.sf)}:rd>, <h:rn>`,
    shape: ['sf'],
    feature: 'FP16',
    doc: 'Copies the low 16 bits of an FP register to a general-purpose register.',
    exec(s, f) {
      s.checkFP();
      s.setX(f.rd, scalar(s, f.rn, 16));
    },
  }),
  row('FMOV (W or X to H)', 'sf 0 0 11110 11 1 00 111 000000 rn:5 rd:5', {
    asm: (f) => `fmov <h:rd>, <${general(f.sf)}:rn>`,
    shape: ['sf'],
    feature: 'FP16',
    doc: 'Copies the low 16 bits of a general-purpose register to an FP register.',
    exec(s, f) {
      s.checkFP();
      setScalar(s, f.rd, s.x(f.rn), 16);
    },
  }),
];

const javascript: Row<A64> = row('FJCVTZS', '0 0 0 11110 01 1 11 110 000000 rn:5 rd:5', {
  asm: 'fjcvtzs <w:rd>, <d:rn>',
  feature: 'JSCVT',
  doc: "Converts to a signed 32-bit integer as JavaScript's `| 0` does; Z says that the conversion was exact.",
  exec(s, f) {
    s.checkFP();
    const r = s.call(fpToFixedJS, s.v(f.rn));
    s.setX(f.rd, s.wrap(r));
    s.setNZCV(s.shli(s.bit(r, 32), 30));
  },
});

export const fpConversionRows: readonly Row<A64>[] = [
  ...precisions.flatMap((p) =>
    signs.flatMap((sign) => [
      ...roundingConversions.map((c) => toIntegerRow(p, c, sign)),
      fromIntegerRow(p, sign),
      ...fixedRows(p, sign),
    ]),
  ),
  ...halfMoves,
  javascript,
];
