/** Data processing, register: logical, add and subtract (Arm ARM DDI 0487 C4.1.95). */
import type { Val } from '../../../ir/nodes';
import type { Row } from '../../dsl/row';
import { addSub, reg } from './arithmetic';
import { row } from '../row';
import type { A64 } from '../sem';

const shiftNames = ['lsl', 'lsr', 'asr', 'ror'] as const;

/** The optional shift at the end of an operand list: LSL #0 is not written. */
const shiftSyntax = (shift: number): string =>
  shift === 0 ? '{, lsl #<u:imm6>}' : `, ${shiftNames[shift]!} #<u:imm6>`;

const amountFits = (f: { sf: number; imm6: number }): boolean => f.sf === 1 || f.imm6 < 32;

interface Spec {
  readonly name: string;
  readonly doc: string;
  /** Templates of the preferred aliases. */
  readonly aliases?: (r: 'w' | 'x', shift: number) => readonly string[];
}

// --- logical, shifted register ----------------------------------------------------------------------------------

function logical(
  opc: '00' | '01' | '10' | '11',
  N: '0' | '1',
  compute: (s: A64, a: Val, b: Val) => Val,
  spec: Spec,
): Row<A64> {
  return row(`${spec.name} (shifted register)`, `sf ${opc} 01010 shift:2 ${N} rm:5 imm6:6 rn:5 rd:5`, {
    asm: ({ sf, shift }) => {
      const r = reg(sf);
      return [
        ...(spec.aliases?.(r, shift) ?? []),
        `${spec.name.toLowerCase()} <${r}:rd>, <${r}:rn>, <${r}:rm>${shiftSyntax(shift)}`,
      ];
    },
    shape: ['sf', 'shift'],
    when: amountFits,
    hot: (f) => f.shift === 0 || (f.shift === 1 && f.sf === 1 && opc === '01' && N === '0'),
    doc: spec.doc,
    exec: (s, f) => {
      const second = s.shift(s.x(f.rm, f.sf), f.shift, s.imm(f.imm6, 'i32'));
      const v = compute(s, s.x(f.rn, f.sf), N === '1' ? s.not(second) : second);
      if (opc === '11') s.setNZCV(s.flagsNZ(v));
      s.setX(f.rd, v);
    },
  });
}

const and = (s: A64, a: Val, b: Val): Val => s.and(a, b);
const or = (s: A64, a: Val, b: Val): Val => s.or(a, b);
const xor = (s: A64, a: Val, b: Val): Val => s.xor(a, b);

const logicalRows: readonly Row<A64>[] = [
  logical('00', '0', and, { name: 'AND', doc: 'Bitwise AND of two registers.' }),
  logical('00', '1', and, { name: 'BIC', doc: 'Clears in a register the bits that are set in another one.' }),
  logical('01', '0', or, {
    name: 'ORR',
    doc: 'Bitwise OR of two registers.',
    aliases: (r, shift) => (shift === 0 ? [`mov <${r}:rd>, <${r}:rm> ; rn=31 imm6=0`] : []),
  }),
  logical('01', '1', or, {
    name: 'ORN',
    doc: 'Bitwise OR of a register and the inverse of another one.',
    aliases: (r, shift) => [`mvn <${r}:rd>, <${r}:rm>${shiftSyntax(shift)} ; rn=31`],
  }),
  logical('10', '0', xor, { name: 'EOR', doc: 'Bitwise exclusive OR of two registers.' }),
  logical('10', '1', xor, {
    name: 'EON',
    doc: 'Bitwise exclusive OR of a register and the inverse of another one.',
  }),
  logical('11', '0', and, {
    name: 'ANDS',
    doc: 'Bitwise AND of two registers; sets N and Z, clears C and V.',
    aliases: (r, shift) => [`tst <${r}:rn>, <${r}:rm>${shiftSyntax(shift)} ; rd=31`],
  }),
  logical('11', '1', and, {
    name: 'BICS',
    doc: 'Clears in a register the bits that are set in another one; sets N and Z, clears C and V.',
  }),
];

// --- add and subtract, shifted register -------------------------------------------------------------------------

function addShifted(op: '0' | '1', S: '0' | '1', spec: Spec): Row<A64> {
  return row(`${spec.name} (shifted register)`, `sf ${op} ${S} 01011 shift:2 0 rm:5 imm6:6 rn:5 rd:5`, {
    asm: ({ sf, shift }) => {
      const r = reg(sf);
      return [
        ...(spec.aliases?.(r, shift) ?? []),
        `${spec.name.toLowerCase()} <${r}:rd>, <${r}:rn>, <${r}:rm>${shiftSyntax(shift)}`,
      ];
    },
    shape: ['sf', 'shift'],
    shapes: () => [0, 1].flatMap((sf) => [0, 1, 2].map((shift) => ({ sf, shift }))),
    when: (f) => f.shift !== 3 && amountFits(f),
    hot: (f) => f.shift === 0 || (f.sf === 1 && S === '0'),
    doc: spec.doc,
    exec: (s, f) => {
      const second = s.shift(s.x(f.rm, f.sf), f.shift, s.imm(f.imm6, 'i32'));
      s.setX(f.rd, addSub(s, s.x(f.rn, f.sf), second, op === '1', S === '1'));
    },
  });
}

const addShiftedRows: readonly Row<A64>[] = [
  addShifted('0', '0', { name: 'ADD', doc: 'Adds two registers, the second one shifted.' }),
  addShifted('0', '1', {
    name: 'ADDS',
    doc: 'Adds two registers, the second one shifted, and sets the flags.',
    aliases: (r, shift) => [`cmn <${r}:rn>, <${r}:rm>${shiftSyntax(shift)} ; rd=31`],
  }),
  addShifted('1', '0', {
    name: 'SUB',
    doc: 'Subtracts a register, shifted, from another one.',
    aliases: (r, shift) => [`neg <${r}:rd>, <${r}:rm>${shiftSyntax(shift)} ; rn=31`],
  }),
  addShifted('1', '1', {
    name: 'SUBS',
    doc: 'Subtracts a register, shifted, from another one and sets the flags.',
    aliases: (r, shift) => [
      `cmp <${r}:rn>, <${r}:rm>${shiftSyntax(shift)} ; rd=31`,
      `negs <${r}:rd>, <${r}:rm>${shiftSyntax(shift)} ; rn=31`,
    ],
  }),
];

// --- add and subtract, extended register ------------------------------------------------------------------------

const extendNames = ['uxtb', 'uxth', 'uxtw', 'uxtx', 'sxtb', 'sxth', 'sxtw', 'sxtx'] as const;

/**
 * Syntax of the extended forms. The extension that changes nothing (UXTX for X, UXTW for W) is written as LSL, or not
 * at all for an amount of 0, when the stack pointer is among the operands (Arm ARM DDI 0487 C6.2.3).
 */
function extendedSyntax(name: string, S: '0' | '1', compare: string, sf: number, option: number): string[] {
  const r = reg(sf);
  // Only UXTX and SXTX take a whole X register.
  const rm = `<${sf && (option & 3) === 3 ? 'x' : 'w'}:rm>`;
  const rn = `<${r}sp:rn>`;
  const rd = S === '1' ? `<${r}:rd>` : `<${r}sp:rd>`;
  const named = `${rm}, ${extendNames[option]!}{ #<u:imm3>}`;
  const asShift = `${rm}{, lsl #<u:imm3>}`;
  const isShift = option === (sf ? 3 : 2);
  const full = `${name.toLowerCase()} ${rd}, ${rn}`;
  if (S === '0')
    return [
      ...(isShift ? [`${full}, ${asShift} ; rd=31`, `${full}, ${asShift} ; rn=31`] : []),
      `${full}, ${named}`,
    ];
  return [
    ...(isShift ? [`${compare} ${rn}, ${asShift} ; rd=31 rn=31`] : []),
    `${compare} ${rn}, ${named} ; rd=31`,
    ...(isShift ? [`${full}, ${asShift} ; rn=31`] : []),
    `${full}, ${named}`,
  ];
}

function addExtended(name: string, op: '0' | '1', S: '0' | '1', compare: string, doc: string): Row<A64> {
  return row(`${name} (extended register)`, `sf ${op} ${S} 01011001 rm:5 option:3 imm3:3 rn:5 rd:5`, {
    asm: ({ sf, option }) => extendedSyntax(name, S, compare, sf, option),
    shape: ['sf', 'option'],
    when: (f) => f.imm3 <= 4,
    // An index in a W register: `add x0, x1, w2, uxtw`.
    hot: (f) => op === '0' && S === '0' && f.sf === 1 && (f.option === 2 || f.option === 6),
    doc,
    exec: (s, f) => {
      const first = s.xsp(f.rn, f.sf);
      const extended = s.to(first.ty, s.extend(s.x(f.rm), f.option));
      const v = addSub(s, first, s.shift(extended, 0, s.imm(f.imm3, 'i32')), op === '1', S === '1');
      if (S === '1') s.setX(f.rd, v);
      else s.setXsp(f.rd, v);
    },
  });
}

const addExtendedRows: readonly Row<A64>[] = [
  addExtended('ADD', '0', '0', '', 'Adds a register, extended and shifted, to another one.'),
  addExtended(
    'ADDS',
    '0',
    '1',
    'cmn',
    'Adds a register, extended and shifted, to another one; sets the flags.',
  ),
  addExtended('SUB', '1', '0', '', 'Subtracts a register, extended and shifted, from another one.'),
  addExtended(
    'SUBS',
    '1',
    '1',
    'cmp',
    'Subtracts a register, extended and shifted, from another one; sets the flags.',
  ),
];

// --- add and subtract with carry --------------------------------------------------------------------------------

function addCarry(name: string, op: '0' | '1', S: '0' | '1', alias: string, doc: string): Row<A64> {
  return row(name, `sf ${op} ${S} 11010000 rm:5 000000 rn:5 rd:5`, {
    asm: ({ sf }) => {
      const r = reg(sf);
      return [
        ...(alias ? [`${alias} <${r}:rd>, <${r}:rm> ; rn=31`] : []),
        `${name.toLowerCase()} <${r}:rd>, <${r}:rn>, <${r}:rm>`,
      ];
    },
    shape: ['sf'],
    doc,
    exec: (s, f) => {
      const second = s.x(f.rm, f.sf);
      const r = s.addWithCarry(s.x(f.rn, f.sf), op === '1' ? s.not(second) : second, s.carry());
      if (S === '1') s.setNZCV(r.flags());
      s.setX(f.rd, r.value);
    },
  });
}

const addCarryRows: readonly Row<A64>[] = [
  addCarry('ADC', '0', '0', '', 'Adds two registers and the carry flag.'),
  addCarry('ADCS', '0', '1', '', 'Adds two registers and the carry flag; sets the flags.'),
  addCarry(
    'SBC',
    '1',
    '0',
    'ngc',
    'Subtracts a register and the inverse of the carry flag from another one.',
  ),
  addCarry(
    'SBCS',
    '1',
    '1',
    'ngcs',
    'Subtracts a register and the inverse of the carry flag from another one; sets the flags.',
  ),
];

/** Shifted forms stand before extended ones: `add x0, x1, x2` fits both. */
export const dpRegisterRows: readonly Row<A64>[] = [
  ...logicalRows,
  ...addShiftedRows,
  ...addExtendedRows,
  ...addCarryRows,
];
