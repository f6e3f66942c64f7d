/**
 * Generic spellings that the rows of the named instructions do not list: `hint #0` is NOP, `sys` reaches every operation.
 * Only for assembling; words are disassembled, and executed, by the rows.
 */
import { row } from '../row';

const spelling = (name: string, pattern: string, asm: string): ReturnType<typeof row> =>
  row(name, pattern, { asm, doc: '', exec: () => undefined });

export const genericSpellings = [
  spelling('HINT by number', '11010101000000110010 imm7:7 11111', 'hint #<hex:imm7>'),
  spelling(
    'SYS by number',
    '1101010100001 op1:3 CRn:4 CRm:4 op2:3 rt:5',
    'sys #<u:op1>, <c:CRn>, <c:CRm>, #<u:op2>{, <x:rt>} ; rt=31',
  ),
  spelling(
    'SYSL by number',
    '1101010100101 op1:3 CRn:4 CRm:4 op2:3 rt:5',
    'sysl <x:rt>, #<u:op1>, <c:CRn>, <c:CRm>, #<u:op2>',
  ),
];
