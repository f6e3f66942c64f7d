/** Data processing, immediate (Arm ARM DDI 0487 C4.1.86). */
import type { Row } from '../../dsl/row';
import { addSub, datasize, reg, width } from './arithmetic';
import { bitmask } from './bitmask';
import { row } from '../row';
import type { A64 } from '../sem';

// --- PC-relative addressing -------------------------------------------------------------------------------------

const signed21 = (immhi: number, immlo: number): bigint => BigInt.asIntN(21, BigInt((immhi << 2) | immlo));

const pcRelative: readonly Row<A64>[] = [
  row('ADR', '0 immlo:2 10000 immhi:19 rd:5', {
    asm: 'adr <x:rd>, <adr:immhi,immlo>',
    derive: (f) => ({ offset: signed21(f.immhi, f.immlo) }),
    hot: true,
    doc: 'Address of a label within 1 MiB of this instruction.',
    exec: (s, f) => s.setX(f.rd, s.add(s.pc(), s.imm(f.offset))),
  }),
  row('ADRP', '1 immlo:2 10000 immhi:19 rd:5', {
    asm: 'adrp <x:rd>, <adrp:immhi,immlo>',
    derive: (f) => ({ offset: signed21(f.immhi, f.immlo) << 12n }),
    hot: true,
    doc: 'Address of the 4 KiB page of a label within 4 GiB of this instruction.',
    exec: (s, f) => s.setX(f.rd, s.add(s.andi(s.pc(), ~0xfffn), s.imm(f.offset))),
  }),
];

// --- add and subtract -------------------------------------------------------------------------------------------

const sum12 = (f: { sh: number; imm12: number }) => ({ imm: f.imm12 * (f.sh ? 4096 : 1) });

/** ADD and SUB: both registers may be SP. */
function addImmediate(name: string, op: '0' | '1', doc: string): Row<A64> {
  const subtract = op === '1';
  return row(`${name} (immediate)`, `sf ${op} 0 100010 sh imm12:12 rn:5 rd:5`, {
    asm: ({ sf }) => {
      const r = `${reg(sf)}sp`;
      return [
        ...(subtract ? [] : ['rd=31', 'rn=31'].map((c) => `mov <${r}:rd>, <${r}:rn> ; ${c} sh=0 imm12=0`)),
        `${name.toLowerCase()} <${r}:rd>, <${r}:rn>, <addimm:sh,imm12>`,
      ];
    },
    shape: ['sf'],
    derive: sum12,
    hot: true,
    doc,
    exec: (s, f) => s.setXsp(f.rd, addSub(s, s.xsp(f.rn, f.sf), s.imm(f.imm, width(f.sf)), subtract, false)),
  });
}

/** ADDS and SUBS: the source may be SP, the destination ZR (CMN, CMP). */
function addsImmediate(name: string, op: '0' | '1', compare: string, doc: string): Row<A64> {
  return row(`${name} (immediate)`, `sf ${op} 1 100010 sh imm12:12 rn:5 rd:5`, {
    asm: ({ sf }) => [
      `${compare} <${reg(sf)}sp:rn>, <addimm:sh,imm12> ; rd=31`,
      `${name.toLowerCase()} <${reg(sf)}:rd>, <${reg(sf)}sp:rn>, <addimm:sh,imm12>`,
    ],
    shape: ['sf'],
    derive: sum12,
    hot: true,
    doc,
    exec: (s, f) => s.setX(f.rd, addSub(s, s.xsp(f.rn, f.sf), s.imm(f.imm, width(f.sf)), op === '1', true)),
  });
}

// --- logical ----------------------------------------------------------------------------------------------------

type Combine = 'and' | 'or' | 'xor';

function logicalImmediate(
  name: string,
  opc: '00' | '01' | '10' | '11',
  combine: Combine,
  aliases: (sf: number) => readonly string[],
  doc: string,
): Row<A64> {
  const setFlags = opc === '11';
  return row(`${name} (immediate)`, `sf ${opc} 100100 N immr:6 imms:6 rn:5 rd:5`, {
    asm: ({ sf }) => [
      ...aliases(sf),
      `${name.toLowerCase()} <${reg(sf)}${setFlags ? '' : 'sp'}:rd>, <${reg(sf)}:rn>, #<bitmask${datasize(sf)}:N,immr,imms>`,
      // Assembled only: BIC with an immediate is AND with its inverse.
      ...(opc === '00'
        ? [`bic <${reg(sf)}sp:rd>, <${reg(sf)}:rn>, #<nbitmask${datasize(sf)}:N,immr,imms>`]
        : []),
    ],
    shape: ['sf'],
    when: (f) => bitmask(f.sf, f.N, f.immr, f.imms) !== undefined,
    derive: (f) => ({ imm: bitmask(f.sf, f.N, f.immr, f.imms) ?? 0n }),
    hot: true,
    doc,
    exec: (s, f) => {
      const v = s[combine](s.x(f.rn, f.sf), s.imm(f.imm, width(f.sf)));
      if (setFlags) {
        s.setNZCV(s.flagsNZ(v));
        s.setX(f.rd, v);
      } else s.setXsp(f.rd, v);
    },
  });
}

// --- move wide --------------------------------------------------------------------------------------------------

/** A shift by 32 or 48 exists only for X registers. */
const hwFits = (f: { sf: number; hw: number }): boolean => f.sf === 1 || f.hw < 2;

const wide = (f: { hw: number; imm16: number }): bigint => BigInt(f.imm16) << BigInt(16 * f.hw);

const moveWide: readonly Row<A64>[] = [
  row('MOVZ', 'sf 10 100101 hw:2 imm16:16 rd:5', {
    asm: ({ sf }) => [
      `mov <${reg(sf)}:rd>, #<movz${datasize(sf)}:hw,imm16>`,
      `movz <${reg(sf)}:rd>, <movk:hw,imm16>`,
    ],
    shape: ['sf'],
    when: hwFits,
    derive: (f) => ({ imm: wide(f) }),
    hot: true,
    doc: 'Sets a register to a 16-bit immediate, shifted left by 0, 16, 32 or 48.',
    exec: (s, f) => s.setX(f.rd, s.imm(f.imm, width(f.sf))),
  }),
  row('MOVN', 'sf 00 100101 hw:2 imm16:16 rd:5', {
    asm: ({ sf }) => [
      `mov <${reg(sf)}:rd>, #<movn${datasize(sf)}:hw,imm16>`,
      `movn <${reg(sf)}:rd>, <movk:hw,imm16>`,
    ],
    shape: ['sf'],
    when: hwFits,
    derive: (f) => ({ imm: BigInt.asUintN(datasize(f.sf), ~wide(f)) }),
    hot: true,
    doc: 'Sets a register to the inverse of a 16-bit immediate, shifted left by 0, 16, 32 or 48.',
    exec: (s, f) => s.setX(f.rd, s.imm(f.imm, width(f.sf))),
  }),
  row('MOVK', 'sf 11 100101 hw:2 imm16:16 rd:5', {
    asm: ({ sf }) => `movk <${reg(sf)}:rd>, <movk:hw,imm16>`,
    shape: ['sf'],
    when: hwFits,
    derive: (f) => ({
      imm: wide(f),
      keep: BigInt.asUintN(datasize(f.sf), ~(0xffffn << BigInt(16 * f.hw))),
    }),
    hot: true,
    doc: 'Replaces 16 bits of a register by an immediate and keeps the others.',
    exec: (s, f) => {
      const ty = width(f.sf);
      s.setX(f.rd, s.or(s.and(s.x(f.rd, f.sf), s.imm(f.keep, ty)), s.imm(f.imm, ty)));
    },
  }),
];

export const dpImmediateRows: readonly Row<A64>[] = [
  ...pcRelative,
  addImmediate('ADD', '0', 'Adds an immediate to a register.'),
  addsImmediate('ADDS', '0', 'cmn', 'Adds an immediate to a register and sets the flags.'),
  addImmediate('SUB', '1', 'Subtracts an immediate from a register.'),
  addsImmediate('SUBS', '1', 'cmp', 'Subtracts an immediate from a register and sets the flags.'),
  // MOVZ and MOVN stand before ORR: they come first where several can move the same value.
  ...moveWide,
  logicalImmediate('AND', '00', 'and', () => [], 'Bitwise AND of a register and an immediate.'),
  logicalImmediate(
    'ORR',
    '01',
    'or',
    (sf) => [
      // No MOVZ or MOVN writes SP, so that any logical immediate is moved by ORR.
      `mov <${reg(sf)}sp:rd>, #<bitmask${datasize(sf)}:N,immr,imms> ; rn=31 rd=31`,
      `mov <${reg(sf)}sp:rd>, #<movbm${datasize(sf)}:N,immr,imms> ; rn=31`,
    ],
    'Bitwise OR of a register and an immediate.',
  ),
  logicalImmediate('EOR', '10', 'xor', () => [], 'Bitwise exclusive OR of a register and an immediate.'),
  logicalImmediate(
    'ANDS',
    '11',
    'and',
    (sf) => [`tst <${reg(sf)}:rn>, #<bitmask${datasize(sf)}:N,immr,imms> ; rd=31`],
    'Bitwise AND of a register and an immediate; sets N and Z, clears C and V.',
  ),
];
