/** Breakpoint exceptions (Arm ARM DDI 0487 D2.8). */
import type { Builder } from '../../../ir/builder';
import type { Routine, Val } from '../../../ir/nodes';
import { common } from '../../../ir/state';
import { raiseSync } from '../exceptions/exception';
import { route } from '../exceptions/routes';
import { state } from '../state';
import { getField, getReg } from '../sysregs';
import { enabledHere } from './enable';
import { matchesContext, matchesLevel, matchesLinked } from './match';
import { BREAKPOINTS, FIRST_CONTEXT } from './traps';

/** IFSC, DFSC: a debug exception. */
export const DEBUG_EXCEPTION = 0x22;

/** Does breakpoint `n` match the instruction at `pc`? */
function matches(s: Builder, n: number, pc: Val): Val {
  const bcr = getReg(s, `DBGBCR${n}_EL1`);
  const bvr = getReg(s, `DBGBVR${n}_EL1`);
  const type = s.wrap(s.bits(bcr, 20, 4));
  // Bits 63-49 are copies of bit 48.
  const address = s.sari(s.shli(s.andi(bvr, ~3n), 15), 15);
  const here = s.and(s.eq(address, pc), s.nei(s.bits(bcr, 5, 2), 0));
  const linked = s.or(s.eqz(s.bit(type, 0)), matchesLinked(s, bcr));
  const byAddress = s.and(s.and(s.ltu(type, s.i32(2)), here), linked);
  const byContext =
    n < FIRST_CONTEXT
      ? s.i32(0)
      : s.and(s.and(s.geu(type, s.i32(2)), s.eqz(s.bit(type, 0))), matchesContext(s, n));
  const level = matchesLevel(s, bcr, s.get(state.el));
  return s.and(s.bit(bcr, 0), s.and(level, s.or(byAddress, byContext)));
}

/** () -> 1 if the instruction at state.pc takes a breakpoint exception. */
export const atBreakpoint: Routine = {
  k: 'routine',
  name: 'atBreakpoint',
  params: [],
  result: 'i32',
  build: (s: Builder) => {
    const pc = s.get(common.pc);
    s.if(s.and(enabledHere(s), getField(s, 'MDSCR_EL1.MDE')), () => {
      const hit = Array.from({ length: BREAKPOINTS }, (_, n) => matches(s, n, pc)).reduce((a, b) =>
        s.or(a, b),
      );
      s.if(hit, () => {
        const { to, ec } = route(s, 'breakpoint');
        s.call(raiseSync, to, ec, s.i32(DEBUG_EXCEPTION), s.i32(0), pc);
        s.ret(s.i32(1));
      });
    });
    s.ret(s.i32(0));
  },
};
