/** FRINT32X, FRINT32Z, FRINT64X, FRINT64Z (FEAT_FRINTTS): rounds to what fits an integer of 32 or 64 bits. Arm ARM DDI 0487 C7.2. */
import type { Row } from '../../dsl/row';
import { fpRoundInt } from './convert';
import { Flags, perFormat, raiseFlags, Rounding, roundingMode, unpack } from './format';
import { widthOf } from './scalar';
import { floatFits, floatShapes } from './vector';
import { row } from '../row';
import type { A64 } from '../sem';
import { elements, letterOf, scalar, setElements, setScalar, vectorKind } from '../simd/lanes';

/** FPRoundIntN(): (number, rounding mode, bits). What does not fit becomes the lowest integer, an invalid operation. */
const fpRoundIntN = perFormat('fpRoundIntN', ['i64', 'i32', 'i32'], 'i64', (s, f, raw, mode, bits) => {
  const a = unpack(s, f, raw);
  // -2^(bits - 1)
  const lowest = s.ori(s.shli(s.zext(s.addi(bits, f.bias - 1)), f.frac), f.sign);
  const outside = (): void => {
    raiseFlags(s, Flags.IOC);
    s.ret(lowest);
  };
  s.if(a.special, outside);
  // Rounding decides what fits, and inexactness does not count where nothing does.
  const whole = s.call(fpRoundInt[f.bits], raw, mode, s.i32(0));
  const limit = s.xor(lowest, s.i64(f.sign));
  const tooLarge = s.gtu(s.andi(whole, f.sign - 1n), limit);
  s.if(s.or(tooLarge, s.eq(whole, limit)), outside);
  s.ret(s.call(fpRoundInt[f.bits], raw, mode, s.i32(1)));
});

const forms = [
  { m: 'frint32z', scalar: '00', u: '0', op: '0', bits: 32, current: false },
  { m: 'frint32x', scalar: '01', u: '1', op: '0', bits: 32, current: true },
  { m: 'frint64z', scalar: '10', u: '0', op: '1', bits: 64, current: false },
  { m: 'frint64x', scalar: '11', u: '1', op: '1', bits: 64, current: true },
] as const;

export const fpRoundSizedRows: readonly Row<A64>[] = forms.flatMap(
  ({ m, scalar: opcode, u, op, bits, current }) => {
    const doc = `Rounds ${current ? 'by FPCR.RMode' : 'towards zero'} to an integer of ${bits} bits, in floating point.`;
    return [
      row(`${m.toUpperCase()} (scalar)`, `0 0 0 11110 0 sz 1 0100 ${opcode} 10000 rn:5 rd:5`, {
        asm: (f) => `${m} <${letterOf(widthOf(f.sz))}:rd>, <${letterOf(widthOf(f.sz))}:rn>`,
        shape: ['sz'],
        feature: 'FRINTTS',
        doc,
        exec(s, f) {
          s.checkFP();
          const w = widthOf(f.sz);
          const mode = current ? roundingMode(s) : s.i32(Rounding.zero);
          setScalar(s, f.rd, s.call(fpRoundIntN[w], scalar(s, f.rn, w), mode, s.i32(bits)), w);
        },
      }),
      row(`${m.toUpperCase()} (vector)`, `0 Q ${u} 01110 0 sz 10000 1111${op} 10 rn:5 rd:5`, {
        asm: (f) => `${m} <${vectorKind(f.Q, widthOf(f.sz))}:rd>, <${vectorKind(f.Q, widthOf(f.sz))}:rn>`,
        shape: ['Q', 'sz'],
        shapes: floatShapes,
        when: floatFits,
        feature: 'FRINTTS',
        doc,
        exec(s, f) {
          s.checkFP();
          const w = widthOf(f.sz);
          const mode = current ? roundingMode(s) : s.i32(Rounding.zero);
          const values = elements(s, f.rn, f.Q, w).map((v) => s.call(fpRoundIntN[w], v, mode, s.i32(bits)));
          setElements(s, f.rd, values, w);
        },
      }),
    ];
  },
);
