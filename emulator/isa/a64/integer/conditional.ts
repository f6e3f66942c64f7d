/** Data processing, register: conditional compare and conditional select (Arm ARM DDI 0487 C4.1.95). */
import type { Operand, Val } from '../../../ir/nodes';
import type { Row } from '../../dsl/row';
import { addSub, conditionHolds, reg, width } from './arithmetic';
import { row } from '../row';
import type { A64 } from '../sem';

// --- conditional compare ----------------------------------------------------------------------------------------

/** The comparison's flags if the condition holds, otherwise the immediate ones. */
function compareIf(s: A64, f: { cond: Operand; nzcv: Operand }, a: Val, b: Val, subtract: boolean): void {
  const otherwise = s.shli(s.imm(f.nzcv, 'i32'), 28);
  s.if(
    conditionHolds(s, f.cond),
    () => void addSub(s, a, b, subtract, true),
    () => s.setNZCV(otherwise),
  );
}

function compareRegister(name: string, op: '0' | '1', doc: string): Row<A64> {
  return row(`${name} (register)`, `sf ${op} 111010010 rm:5 cond:4 00 rn:5 0 nzcv:4`, {
    asm: ({ sf }) => `${name.toLowerCase()} <${reg(sf)}:rn>, <${reg(sf)}:rm>, #<nzcv:nzcv>, <cond:cond>`,
    shape: ['sf'],
    hot: op === '1',
    doc,
    exec: (s, f) => compareIf(s, f, s.x(f.rn, f.sf), s.x(f.rm, f.sf), op === '1'),
  });
}

function compareImmediate(name: string, op: '0' | '1', doc: string): Row<A64> {
  return row(`${name} (immediate)`, `sf ${op} 111010010 imm5:5 cond:4 10 rn:5 0 nzcv:4`, {
    asm: ({ sf }) => `${name.toLowerCase()} <${reg(sf)}:rn>, #<hex:imm5>, #<nzcv:nzcv>, <cond:cond>`,
    shape: ['sf'],
    hot: true,
    doc,
    exec: (s, f) => compareIf(s, f, s.x(f.rn, f.sf), s.imm(f.imm5, width(f.sf)), op === '1'),
  });
}

// --- conditional select -----------------------------------------------------------------------------------------

interface SelectSpec {
  readonly name: string;
  readonly op: '0' | '1';
  readonly o2: '0' | '1';
  /** What becomes of the second register when the condition fails. */
  readonly otherwise: (s: A64, v: Val) => Val;
  readonly doc: string;
  /** Aliases: of both registers zero, and of both the same; with the inverse condition, never AL or NV. */
  readonly ofZero?: string;
  readonly ofSame?: string;
}

function select(spec: SelectSpec): Row<A64> {
  return row(spec.name, `sf ${spec.op} 011010100 rm:5 cond:4 0 ${spec.o2} rn:5 rd:5`, {
    asm: ({ sf }) => {
      const r = reg(sf);
      return [
        ...(spec.ofZero ? [`${spec.ofZero} <${r}:rd>, <invcond:cond> ; rn=31 rm=31`] : []),
        ...(spec.ofSame ? [`${spec.ofSame} <${r}:rd>, <${r}:rn>, <invcond:cond> ; rm=rn`] : []),
        `${spec.name.toLowerCase()} <${r}:rd>, <${r}:rn>, <${r}:rm>, <cond:cond>`,
      ];
    },
    shape: ['sf'],
    hot: true,
    doc: spec.doc,
    exec: (s, f) => {
      const otherwise = spec.otherwise(s, s.x(f.rm, f.sf));
      s.setX(f.rd, s.select(conditionHolds(s, f.cond), s.x(f.rn, f.sf), otherwise));
    },
  });
}

export const conditionalRows: readonly Row<A64>[] = [
  compareRegister('CCMN', '0', 'If the condition holds, sets the flags as CMN, otherwise to an immediate.'),
  compareRegister('CCMP', '1', 'If the condition holds, sets the flags as CMP, otherwise to an immediate.'),
  compareImmediate('CCMN', '0', 'If the condition holds, sets the flags as CMN, otherwise to an immediate.'),
  compareImmediate('CCMP', '1', 'If the condition holds, sets the flags as CMP, otherwise to an immediate.'),
  select({
    name: 'CSEL',
    op: '0',
    o2: '0',
    otherwise: (_, v) => v,
    doc: 'Selects the first register if the condition holds, otherwise the second.',
  }),
  select({
    name: 'CSINC',
    op: '0',
    o2: '1',
    otherwise: (s, v) => s.addi(v, 1),
    doc: 'Selects the first register if the condition holds, otherwise the second plus 1.',
    ofZero: 'cset',
    ofSame: 'cinc',
  }),
  select({
    name: 'CSINV',
    op: '1',
    o2: '0',
    otherwise: (s, v) => s.not(v),
    doc: 'Selects the first register if the condition holds, otherwise the inverse of the second.',
    ofZero: 'csetm',
    ofSame: 'cinv',
  }),
  select({
    name: 'CSNEG',
    op: '1',
    o2: '1',
    otherwise: (s, v) => s.neg(v),
    doc: 'Selects the first register if the condition holds, otherwise the negated second.',
    ofSame: 'cneg',
  }),
];
