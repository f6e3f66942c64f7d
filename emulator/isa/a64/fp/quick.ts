/**
 * The quick way through arithmetic: the host's own, where its result and its flags are known to be Arm's. That is so when rounding
 * to nearest without flushing, when IXC is set already (it is sticky, and the host does not tell), when no operand is an infinity or NaN,
 * and when the result is neither too large nor so small that it could have underflowed. All else is left to the exact way that follows.
 */
import type { Val } from '../../../ir/nodes';
import type { FloatOp } from '../../../ir/floats';
import { Flags, type Format } from './format';
import type { A64 } from '../sem';
import { getReg } from '../sysregs';

/** FPCR.RMode and FZ. */
const MODE = 0x01c00000;

const exponent = (s: A64, f: Format, v: Val): Val => s.bits(v, f.frac, f.exp);

/** Is the exponent from `lowest` to that of the largest numbers? */
const within = (s: A64, f: Format, v: Val, lowest: number): Val =>
  s.ltu(s.addi(exponent(s, f, v), -lowest), s.i64(2 ** f.exp - 1 - lowest));

/**
 * Returns the host's result if it is Arm's. Sums that are denormal or zero are exact; results of other operations must be
 * above the smallest normal number: Arm detects underflow before rounding.
 */
export function tryHost(s: A64, f: Format, op: FloatOp, ...operands: readonly Val[]): void {
  if (f.bits === 16) return;
  const plain = s.eqz(s.andi(s.wrap(getReg(s, 'FPCR')), MODE));
  const sticky = s.nei(s.andi(s.wrap(getReg(s, 'FPSR')), Flags.IXC), 0);
  const sum = op === 'add' || op === 'sub';
  s.if(s.and(plain, sticky), () => {
    const usual = operands.map((v) => within(s, f, v, sum ? 0 : 1)).reduce((a, b) => s.and(a, b));
    s.if(usual, () => {
      const raw = f.bits === 64 ? operands : operands.map((v) => s.wrap(v));
      const result = s.to('i64', s.float(op, ...raw));
      s.if(within(s, f, result, sum ? 0 : 2), () => s.ret(result));
    });
  });
}
