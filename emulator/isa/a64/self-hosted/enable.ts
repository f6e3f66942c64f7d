/**
 * Self-hosted debug (Arm ARM DDI 0487 D2): when debug exceptions are enabled, and what the machine must know of that. All of
 * it costs nothing while MDSCR_EL1.SS and MDE are zero or the OS lock is set: state.debugOn is zero then.
 */
import type { Builder } from '../../../ir/builder';
import type { Routine, Val } from '../../../ir/nodes';
import { common } from '../../../ir/state';
import { Line } from '../interrupt-lines';
import { state } from '../state';
import { getField, getReg } from '../sysregs';
import { contextTypes } from './traps';

/** Exceptions of debug go to EL2 by TDE, or because EL1 does not exist for a host (D2.3). */
function debugTarget(s: Builder): Val {
  const el2 = s.and(s.nei(s.get(state.hasEL2), 0), s.eqz(s.get(state.el2Off)));
  const routed = s.or(getField(s, 'HCR_EL2.TGE'), getField(s, 'MDCR_EL2.TDE'));
  return s.select(s.and(el2, routed), s.i32(2), s.i32(1));
}

/** Are debug exceptions enabled at exception level `el` with PSTATE.D = `mask`? The OS lock aside. (J1.1.3, GenerateDebugExceptionsFrom) */
export function enabledFrom(s: Builder, el: Val, mask: Val): Val {
  const target = debugTarget(s);
  const kernel = s.and(getField(s, 'MDSCR_EL1.KDE'), s.eqz(mask));
  const enabled = s.select(s.eq(el, target), kernel, s.ltu(el, target));
  const secure = s.and(s.get(state.hasEL3), s.get(state.el2Off));
  return s.and(enabled, s.eqz(s.and(secure, getField(s, 'MDCR_EL3.SDD'))));
}

/** Are they now? */
export const enabledHere = (s: Builder): Val =>
  s.and(s.nei(s.get(state.debugOn), 0), enabledFrom(s, s.get(state.el), s.bit(s.get(state.daif), 9)));

/** Does a breakpoint match contexts only, whatever the address? Then each instruction is to be looked at. */
function matchesContexts(s: Builder): Val {
  return [4, 5]
    .map((n) => {
      const bcr = getReg(s, `DBGBCR${n}_EL1`);
      const type = s.wrap(s.bits(bcr, 20, 4));
      return s.and(
        s.bit(bcr, 0),
        contextTypes.unlinked.map((t) => s.eqi(type, t)).reduce((a, b) => s.or(a, b)),
      );
    })
    .reduce((a, b) => s.or(a, b));
}

/** (): what follows from a new exception level, PSTATE or debug register while state.debugOn is set. */
export const debugContext: Routine = {
  k: 'routine',
  name: 'debugContext',
  params: [],
  build: (s: Builder) => {
    const enabled = enabledHere(s);
    const step = s.and(enabled, getField(s, 'MDSCR_EL1.SS'));
    const each = s.and(enabled, s.and(getField(s, 'MDSCR_EL1.MDE'), matchesContexts(s)));
    s.set(state.stepActive, step);
    s.set(state.checkEach, each);
    const either = s.or(step, each);
    // A look at the state before each instruction, by a line that is up, and one instruction in a run.
    const lines = s.andi(s.get(common.irqLines), ~Line.debug);
    s.set(common.irqLines, s.or(lines, s.select(either, s.i32(Line.debug), s.i32(0))));
    s.set(state.oneByOne, either);
    s.if(s.eqz(step), () => s.set(state.stepGranted, s.i32(0)));
  },
};
