/**
 * Software step (Arm ARM DDI 0487 D2.12). While it is active (state.stepActive), state.irqLines has a line up that brings
 * the machine here before each instruction. With PSTATE.SS = 1 one instruction is granted, in a run of one; it has been
 * executed when the count of instructions has moved. With PSTATE.SS = 0 the exception is taken.
 */
import type { Builder } from '../../../ir/builder';
import { common, StopReason } from '../../../ir/state';
import { raiseSync } from '../exceptions/exception';
import { route } from '../exceptions/routes';
import { retired } from '../pmu/counters';
import { state } from '../state';
import { atBreakpoint, DEBUG_EXCEPTION } from './breakpoint';

/** Before interrupts are looked at: the instruction that was granted has been executed. */
export function advanceStep(s: Builder): void {
  const executed = s.ne(retired(s), s.get(state.stepAt));
  s.if(s.and(s.get(state.stepGranted), executed), () => {
    s.set(state.stepGranted, s.i32(0));
    s.set(state.stepped, s.i32(1));
    s.set(state.ss, s.i32(0));
  });
}

/** After interrupts: returns 1 from the routine if an exception is taken, or if the run has to be cut short first. */
export function stepOrCheck(s: Builder): void {
  const cutShort = (): void =>
    s.if(s.gtu(s.get(common.left), s.i32(1)), () => {
      s.if(s.eqz(s.get(common.stopRequest)), () => s.set(common.stopRequest, s.i32(StopReason.board)));
      s.ret(s.i32(1));
    });
  s.if(s.get(state.stepActive), () => {
    s.if(s.eqz(s.get(state.ss)), () => {
      const { to, ec } = route(s, 'softwareStep');
      // ISV and EX tell of the instruction that was stepped, if one was.
      const known = s.or(s.i32(1 << 24), s.shli(s.get(state.loadedExclusive), 6));
      const iss = s.ori(s.select(s.get(state.stepped), known, s.i32(0)), DEBUG_EXCEPTION);
      s.call(raiseSync, to, ec, iss, s.i32(0), s.get(common.pc));
      s.ret(s.i32(1));
    });
    cutShort();
    s.set(state.stepGranted, s.i32(1));
    s.set(state.stepAt, retired(s));
    s.set(state.stepped, s.i32(0));
    s.set(state.loadedExclusive, s.i32(0));
  });
  s.if(s.get(state.checkEach), () => {
    s.if(s.call(atBreakpoint), () => s.ret(s.i32(1)));
    cutShort();
  });
}
