/** Branches (Arm ARM DDI 0487 C4.1.89). Exception generation, ERET and system instructions stand in system.ts. */
import type { Operand, Val } from '../../../ir/nodes';
import type { Row } from '../../dsl/row';
import { reg } from './arithmetic';
import { withoutTag } from './branch-address';
import { indirect, indirectCall, jumpType } from './branch-target';
import { row } from '../row';
import type { A64 } from '../sem';

/** A branch offset in bytes from its field in words. */
const scaled = (field: number, bits: number): bigint => BigInt.asIntN(bits, BigInt(field)) << 2n;

const jump = (s: A64, offset: Operand): void => s.branch(s.add(s.pc(), s.imm(offset)));

// --- unconditional, immediate -----------------------------------------------------------------------------------

const immediate: readonly Row<A64>[] = [
  row('B', '000101 imm26:26', {
    asm: 'b <label:imm26>',
    derive: (f) => ({ offset: scaled(f.imm26, 26) }),
    hot: true,
    doc: 'Branches to a label within 128 MiB.',
    exec: (s, f) => jump(s, f.offset),
  }),
  row('BL', '100101 imm26:26', {
    asm: 'bl <label:imm26>',
    flow: 'call',
    derive: (f) => ({ offset: scaled(f.imm26, 26) }),
    hot: true,
    doc: 'Calls a subroutine within 128 MiB: the return address goes to X30.',
    exec: (s, f) => {
      s.setXn(30, s.addi(s.pc(), 4));
      jump(s, f.offset);
    },
  }),
];

// --- conditional ------------------------------------------------------------------------------------------------

/**
 * The names of each condition, the one that is printed first (Arm ARM DDI 0487 C1.2.4), and those that SVE adds.
 * GNU as takes `beq` for `b.eq`, but only of the former.
 */
const conditionNames: readonly { base: readonly string[]; sve?: readonly string[] }[] = [
  { base: ['eq'], sve: ['none'] },
  { base: ['ne'], sve: ['any'] },
  { base: ['cs', 'hs'], sve: ['nlast'] },
  { base: ['cc', 'lo'], sve: ['ul', 'last'] },
  { base: ['mi'], sve: ['first'] },
  { base: ['pl'], sve: ['nfrst'] },
  { base: ['vs'] },
  { base: ['vc'] },
  { base: ['hi'], sve: ['pmore'] },
  { base: ['ls'], sve: ['plast'] },
  { base: ['ge'], sve: ['tcont'] },
  { base: ['lt'], sve: ['tstop'] },
  { base: ['gt'] },
  { base: ['le'] },
  { base: ['al'] },
  { base: ['nv'] },
];

/** CBZ, CBNZ: branch on a whole register. */
function compareBranch(name: string, op: '0' | '1', doc: string): Row<A64> {
  return row(name, `sf 011010 ${op} imm19:19 rt:5`, {
    asm: ({ sf }) => `${name.toLowerCase()} <${reg(sf)}:rt>, <label:imm19>`,
    shape: ['sf'],
    derive: (f) => ({ offset: scaled(f.imm19, 19) }),
    hot: true,
    doc,
    exec: (s, f) => {
      const v = s.x(f.rt, f.sf);
      s.if(op === '1' ? s.ne(v, s.k(v.ty, 0)) : s.eqz(v), () => jump(s, f.offset));
    },
  });
}

/** TBZ, TBNZ: branch on one bit. A bit below 32 is written with the W register, and accepted with the X register. */
function testBranch(name: string, op: '0' | '1', doc: string): Row<A64> {
  const m = name.toLowerCase();
  return row(name, `b5 011011 ${op} b40:5 imm14:14 rt:5`, {
    asm: [`${m} <w:rt>, #<u:b40>, <label:imm14> ; b5=0`, `${m} <x:rt>, #<tbit:b5,b40>, <label:imm14>`],
    derive: (f) => ({ offset: scaled(f.imm14, 14), bit: f.b5 * 32 + f.b40 }),
    hot: true,
    doc,
    exec: (s, f) => {
      const bit: Val = s.wrap(s.andi(s.shru(s.x(f.rt), s.zext(s.imm(f.bit, 'i32'))), 1));
      s.if(op === '1' ? bit : s.eqz(bit), () => jump(s, f.offset));
    },
  });
}

const conditional: readonly Row<A64>[] = [
  row('B.cond', '01010100 imm19:19 0 cond:4', {
    asm: ({ cond }) => {
      const { base, sve } = conditionNames[cond]!;
      const dotted = [...base, ...(sve ?? [])].map((c) => `b.${c} <label:imm19>`);
      return cond < 14 ? [...dotted, ...base.map((c) => `b${c} <label:imm19>`)] : dotted;
    },
    shape: ['cond'],
    derive: (f) => ({ offset: scaled(f.imm19, 19) }),
    hot: true,
    doc: 'Branches to a label within 1 MiB if the condition holds.',
    exec: (s, f) => s.if(s.condition(f.cond), () => jump(s, f.offset)),
  }),
  compareBranch('CBZ', '0', 'Branches to a label within 1 MiB if the register is zero.'),
  compareBranch('CBNZ', '1', 'Branches to a label within 1 MiB if the register is not zero.'),
  testBranch('TBZ', '0', 'Branches to a label within 32 KiB if the bit is zero.'),
  testBranch('TBNZ', '1', 'Branches to a label within 32 KiB if the bit is set.'),
];

// --- unconditional, register ------------------------------------------------------------------------------------

const register: readonly Row<A64>[] = [
  row('BR', '1101011 0000 11111 000000 rn:5 00000', {
    asm: 'br <x:rn>',
    hot: true,
    doc: 'Branches to the address in a register.',
    derive: jumpType,
    exec: (s, f) => indirect(s, withoutTag(s, s.x(f.rn)), s.imm(f.type, 'i32')),
  }),
  row('BLR', '1101011 0001 11111 000000 rn:5 00000', {
    asm: 'blr <x:rn>',
    flow: 'call',
    hot: true,
    doc: 'Calls the subroutine at the address in a register: the return address goes to X30.',
    exec: (s, f) => indirectCall(s, withoutTag(s, s.x(f.rn))),
  }),
  row('RET', '1101011 0010 11111 000000 rn:5 00000', {
    asm: ['ret ; rn=30', 'ret <x:rn>'],
    flow: 'return',
    hot: true,
    doc: 'Returns from a subroutine to the address in X30, or in another register.',
    exec: (s, f) => s.branch(withoutTag(s, s.x(f.rn))),
  }),
];

export const branchRows: readonly Row<A64>[] = [...immediate, ...conditional, ...register];
