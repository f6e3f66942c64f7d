/**
 * FMLAL, FMLSL and their second parts (FEAT_FHM): products of half-precision numbers are added to singles, rounded once. Arm ARM DDI
 * 0487 C7.2, FMLAL; J1.3, FPMulAddH().
 */
import type { Operand, Routine, Val } from '../../../ir/nodes';
import type { Row } from '../../dsl/row';
import { fpConvert } from './convert';
import { flushes, formats } from './format';
import { fpMulAdd } from './fused';
import { negate } from './scalar';
import { row } from '../row';
import type { A64 } from '../sem';
import { elementAt, elementPlace, elements, setElements, vectorKind } from '../simd/lanes';

/** A half as a single of the same value. NaNs stay as they are, signalling or not; FZ16 flushes, without a flag. */
const widen: Routine = {
  k: 'routine',
  name: 'fpWidenHalf',
  params: ['i64'],
  result: 'i64',
  build: (s: A64, raw: Val) => {
    const [half, single] = [formats[16], formats[32]];
    const sign = s.shli(s.andi(raw, half.sign), 16);
    const exponent = s.bits(raw, half.frac, half.exp);
    s.if(s.eqi(exponent, 2 ** half.exp - 1), () => {
      const fraction = s.shli(s.bits(raw, 0, half.frac), single.frac - half.frac);
      s.ret(s.or(sign, s.ori(fraction, single.infinity)));
    });
    s.if(s.and(s.eqz(exponent), flushes(s, half)), () => s.ret(sign));
    s.ret(s.call(fpConvert(16, 32), raw, s.i32(0)));
  },
};

const operations = [
  { m: 'fmlal', u: '0', a: '0', opcode: '11101', element: '0000', part: 0, subtract: false },
  { m: 'fmlsl', u: '0', a: '1', opcode: '11101', element: '0100', part: 0, subtract: true },
  { m: 'fmlal2', u: '1', a: '0', opcode: '11001', element: '1000', part: 1, subtract: false },
  { m: 'fmlsl2', u: '1', a: '1', opcode: '11001', element: '1100', part: 1, subtract: true },
] as const;

type Op = (typeof operations)[number];

/** The halves that take part: of 64 bits (32 without Q), the lower or the upper ones. */
const sources = (s: A64, op: Op, r: Operand, q: number): Val[] => {
  const count = q ? 4 : 2;
  return elements(s, r, q, 16).slice(op.part * count, (op.part + 1) * count);
};

function accumulate(s: A64, op: Op, rd: Operand, q: number, n: readonly Val[], m: (i: number) => Val): void {
  const values = elements(s, rd, q, 32).map((d, i) => {
    const factor = op.subtract ? negate(s, n[i]!, 16) : n[i]!;
    return s.call(fpMulAdd[32], d, s.call(widen, factor), s.call(widen, m(i)));
  });
  setElements(s, rd, values, 32);
}

const docOf = (op: Op, what: string): string =>
  `${op.subtract ? 'Subtracts' : 'Adds'} products of half-precision numbers${what} ${op.subtract ? 'from' : 'to'} singles, rounded once.`;

const halfKind = (q: number): string => (q ? 'v.4h' : 'v.2h');

const rowsOf = (op: Op): readonly Row<A64>[] => [
  row(`${op.m.toUpperCase()} (vector)`, `0 Q ${op.u} 01110 ${op.a} 01 rm:5 ${op.opcode} 1 rn:5 rd:5`, {
    asm: (f) => `${op.m} <${vectorKind(f.Q, 32)}:rd>, <${halfKind(f.Q)}:rn>, <${halfKind(f.Q)}:rm>`,
    shape: ['Q'],
    feature: 'FHM',
    doc: docOf(op, ''),
    exec(s, f) {
      s.checkFP();
      const m = sources(s, op, f.rm, f.Q);
      accumulate(s, op, f.rd, f.Q, sources(s, op, f.rn, f.Q), (i) => m[i]!);
    },
  }),
  row(`${op.m.toUpperCase()} (by element)`, `0 Q ${op.u} 01111 10 L M rm:4 ${op.element} H 0 rn:5 rd:5`, {
    asm: (f) => `${op.m} <${vectorKind(f.Q, 32)}:rd>, <${halfKind(f.Q)}:rn>, <v.h:rm,H,L,M>`,
    shape: ['Q'],
    derive: (f) => ({ from: elementPlace(f.rm, 4 * f.H + 2 * f.L + f.M, 16) }),
    feature: 'FHM',
    doc: docOf(op, ' and one element'),
    exec(s, f) {
      s.checkFP();
      const m = elementAt(s, f.from, 16);
      accumulate(s, op, f.rd, f.Q, sources(s, op, f.rn, f.Q), () => m);
    },
  }),
];

export const fpHalfProductRows: readonly Row<A64>[] = operations.flatMap(rowsOf);
