/** Who may execute an access to a system register or a system operation: the checks that rows share. */
import type { Operand, Val } from '../../../ir/nodes';
import type { Encoding, TrapRule } from '../../dsl/sysreg';
import { raiseTrap } from '../exceptions/exception';
import type { A64 } from '../sem';
import { state } from '../state';
import { allHold, el2IsOff, mustAskEl2 } from '../sysregs/controls';

/** ISS of a trapped MSR, MRS or system instruction (Arm ARM DDI 0487 D17.2.37), without Rt. */
export function trapIss([op0, op1, crn, crm, op2]: Encoding, isRead: boolean): number {
  return (op0 << 20) | (op2 << 17) | (op1 << 14) | (crn << 10) | (crm << 1) | (isRead ? 1 : 0);
}

/** The highest exception level that the CPU implements. */
const highestLevel = (s: A64): Val =>
  s.select(s.get(state.hasEL3), s.i32(3), s.addi(s.nei(s.get(state.hasEL2), 0), 1));

/** UNDEFINED below exception level `min`. */
export function requireLevel(s: A64, min: 0 | 1 | 2 | 3 | 'highest'): void {
  if (min === 0) return;
  const el = s.get(state.el);
  const low = min === 'highest' ? s.ltu(el, highestLevel(s)) : min === 1 ? s.eqz(el) : s.ltu(el, s.i32(min));
  s.if(low, () => s.undefinedInstruction());
}

/** Emits the trap rules of an access with encoding `enc` that levels from `min` can make. */
export function checkTraps(
  s: A64,
  rules: readonly TrapRule[],
  enc: Encoding,
  isRead: boolean,
  rt: Operand,
  min: number,
): void {
  for (const rule of rules) {
    if (rule.dir && rule.dir !== (isRead ? 'r' : 'w')) continue;
    const from = (rule.from ?? [0, 1].slice(0, rule.to)).filter((n) => n >= min);
    if (from.length === 0) continue;
    const el = s.get(state.el);
    const source = from.map((n) => s.eqi(el, n)).reduce((a, b) => s.or(a, b));
    const iss = (): Val => s.ori(s.shli(s.num(rt), 5), trapIss(enc, isRead));
    const enabled = rule.to === 2 && mustAskEl2(rule.when) ? s.eqz(el2IsOff(s)) : s.i32(1);
    s.if(s.and(s.and(source, enabled), allHold(s, rule.when)), () =>
      s.raise(raiseTrap, s.i32(rule.to), iss()),
    );
  }
}
