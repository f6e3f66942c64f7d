/** Data processing, register: 1 source, 2 sources and 3 sources (Arm ARM DDI 0487 C4.1.95). */
import type { Val } from '../../../ir/nodes';
import type { Row } from '../../dsl/row';
import { reg } from './arithmetic';
import { row } from '../row';
import type { A64 } from '../sem';

// --- one source -------------------------------------------------------------------------------------------------

type OneSource =
  | '000000' // RBIT
  | '000001' // REV16
  | '000100' // CLZ
  | '000101'; // CLS

function oneSource(name: string, opcode: OneSource, compute: (s: A64, v: Val) => Val, doc: string): Row<A64> {
  return row(name, `sf 1011010110 00000 ${opcode} rn:5 rd:5`, {
    asm: ({ sf }) => `${name.toLowerCase()} <${reg(sf)}:rd>, <${reg(sf)}:rn>`,
    shape: ['sf'],
    hot: opcode === '000100',
    doc,
    exec: (s, f) => s.setX(f.rd, compute(s, s.x(f.rn, f.sf))),
  });
}

/** Leading bits that equal the sign: CLZ of each bit's difference from its left neighbour, less the sign itself. */
const countLeadingSign = (s: A64, v: Val): Val => s.sub(s.clz(s.xor(v, s.sari(v, 1))), s.k(v.ty, 1));

const oneSourceRows: readonly Row<A64>[] = [
  oneSource('RBIT', '000000', (s, v) => s.revBits(v), 'Reverses the order of the bits.'),
  oneSource('REV16', '000001', (s, v) => s.revBytes(v, 2), 'Reverses the bytes of each halfword.'),
  row('REV', '01011010110 00000 000010 rn:5 rd:5', {
    asm: 'rev <w:rd>, <w:rn>',
    hot: true,
    doc: 'Reverses the order of the bytes.',
    exec: (s, f) => s.setX(f.rd, s.revBytes(s.x(f.rn, 0), 4)),
  }),
  row('REV32', '11011010110 00000 000010 rn:5 rd:5', {
    asm: 'rev32 <x:rd>, <x:rn>',
    doc: 'Reverses the bytes of each word.',
    exec: (s, f) => s.setX(f.rd, s.revBytes(s.x(f.rn), 4)),
  }),
  row('REV64', '11011010110 00000 000011 rn:5 rd:5', {
    asm: ['rev <x:rd>, <x:rn>', 'rev64 <x:rd>, <x:rn>'],
    hot: true,
    doc: 'Reverses the order of the bytes.',
    exec: (s, f) => s.setX(f.rd, s.revBytes(s.x(f.rn), 8)),
  }),
  oneSource('CLZ', '000100', (s, v) => s.clz(v), 'Counts the zero bits above the highest set bit.'),
  oneSource(
    'CLS',
    '000101',
    countLeadingSign,
    'Counts the bits below the highest bit that equal it, up to the first that differs.',
  ),
];

// --- two sources ------------------------------------------------------------------------------------------------

type TwoSource =
  | '000010' // UDIV
  | '000011' // SDIV
  | '001000' // LSLV
  | '001001' // LSRV
  | '001010' // ASRV
  | '001011'; // RORV

function twoSource(
  name: string,
  opcode: TwoSource,
  mnemonics: readonly string[],
  compute: (s: A64, a: Val, b: Val) => Val,
  doc: string,
): Row<A64> {
  return row(name, `sf 0011010110 rm:5 ${opcode} rn:5 rd:5`, {
    asm: ({ sf }) => mnemonics.map((m) => `${m} <${reg(sf)}:rd>, <${reg(sf)}:rn>, <${reg(sf)}:rm>`),
    shape: ['sf'],
    hot: true,
    doc,
    exec: (s, f) => s.setX(f.rd, compute(s, s.x(f.rn, f.sf), s.x(f.rm, f.sf))),
  });
}

const twoSourceRows: readonly Row<A64>[] = [
  twoSource('UDIV', '000010', ['udiv'], (s, a, b) => s.udiv(a, b), 'Unsigned division; by zero gives zero.'),
  twoSource('SDIV', '000011', ['sdiv'], (s, a, b) => s.sdiv(a, b), 'Signed division; by zero gives zero.'),
  twoSource('LSLV', '001000', ['lsl', 'lslv'], (s, a, b) => s.shift(a, 0, b), 'Shifts left by a register.'),
  twoSource(
    'LSRV',
    '001001',
    ['lsr', 'lsrv'],
    (s, a, b) => s.shift(a, 1, b),
    'Shifts right by a register, filling with zeros.',
  ),
  twoSource(
    'ASRV',
    '001010',
    ['asr', 'asrv'],
    (s, a, b) => s.shift(a, 2, b),
    'Shifts right by a register, filling with the sign.',
  ),
  twoSource('RORV', '001011', ['ror', 'rorv'], (s, a, b) => s.shift(a, 3, b), 'Rotates right by a register.'),
];

// --- three sources ----------------------------------------------------------------------------------------------

function multiplyAdd(name: string, o0: '0' | '1', alias: string, doc: string): Row<A64> {
  return row(name, `sf 0011011000 rm:5 ${o0} ra:5 rn:5 rd:5`, {
    asm: ({ sf }) => {
      const three = ['rd', 'rn', 'rm'].map((f) => `<${reg(sf)}:${f}>`).join(', ');
      return [`${alias} ${three} ; ra=31`, `${name.toLowerCase()} ${three}, <${reg(sf)}:ra>`];
    },
    shape: ['sf'],
    hot: true,
    doc,
    exec: (s, f) => {
      const product = s.mul(s.x(f.rn, f.sf), s.x(f.rm, f.sf));
      const addend = s.x(f.ra, f.sf);
      s.setX(f.rd, o0 === '1' ? s.sub(addend, product) : s.add(addend, product));
    },
  });
}

/** 32 x 32 bits to 64, added to or subtracted from an X register. */
function multiplyLong(name: string, U: '0' | '1', o0: '0' | '1', alias: string, doc: string): Row<A64> {
  return row(name, `10011011 ${U} 01 rm:5 ${o0} ra:5 rn:5 rd:5`, {
    asm: [`${alias} <x:rd>, <w:rn>, <w:rm> ; ra=31`, `${name.toLowerCase()} <x:rd>, <w:rn>, <w:rm>, <x:ra>`],
    hot: alias.endsWith('mull'),
    doc,
    exec: (s, f) => {
      const [a, b] = [s.x(f.rn, 0), s.x(f.rm, 0)];
      const product = U === '1' ? s.mul(s.zext(a), s.zext(b)) : s.mul(s.sext(a), s.sext(b));
      s.setX(f.rd, o0 === '1' ? s.sub(s.x(f.ra), product) : s.add(s.x(f.ra), product));
    },
  });
}

/** The field ra should be all ones; other values are CONSTRAINED UNPREDICTABLE and are ignored here. */
function multiplyHigh(name: string, U: '0' | '1', doc: string): Row<A64> {
  return row(name, `10011011 ${U} 10 rm:5 0 ra:5 rn:5 rd:5`, {
    asm: `${name.toLowerCase()} <x:rd>, <x:rn>, <x:rm> ; ra=31`,
    hot: U === '1',
    doc,
    exec: (s, f) => s.setX(f.rd, s.mulHigh(s.x(f.rn), s.x(f.rm), U === '0')),
  });
}

const threeSourceRows: readonly Row<A64>[] = [
  multiplyAdd('MADD', '0', 'mul', 'Multiplies two registers and adds a third.'),
  multiplyAdd('MSUB', '1', 'mneg', 'Multiplies two registers and subtracts the product from a third.'),
  multiplyLong('SMADDL', '0', '0', 'smull', 'Signed product of two W registers, added to an X register.'),
  multiplyLong(
    'SMSUBL',
    '0',
    '1',
    'smnegl',
    'Signed product of two W registers, subtracted from an X register.',
  ),
  multiplyLong('UMADDL', '1', '0', 'umull', 'Unsigned product of two W registers, added to an X register.'),
  multiplyLong(
    'UMSUBL',
    '1',
    '1',
    'umnegl',
    'Unsigned product of two W registers, subtracted from an X register.',
  ),
  multiplyHigh('SMULH', '0', 'High 64 bits of the signed 128-bit product of two registers.'),
  multiplyHigh('UMULH', '1', 'High 64 bits of the unsigned 128-bit product of two registers.'),
];

export const dpSourcesRows: readonly Row<A64>[] = [...oneSourceRows, ...twoSourceRows, ...threeSourceRows];
