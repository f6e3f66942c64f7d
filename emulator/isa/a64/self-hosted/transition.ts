/** What exceptions and returns do to software step (Arm ARM DDI 0487 D2.12). */
import type { Builder } from '../../../ir/builder';
import type { Val } from '../../../ir/nodes';
import { common } from '../../../ir/state';
import { state } from '../state';
import { getField } from '../sysregs';
import { enabledFrom, enabledHere } from './enable';

/**
 * At exception entry, before PSTATE is saved: an instruction that returns to the one behind it (SVC, HVC) has been stepped, any
 * other takes its exception instead.
 */
export function leaveStep(s: Builder, isSync: Val, ret: Val): void {
  s.if(s.get(state.debugOn), () => {
    const done = s.and(isSync, s.ne(ret, s.get(common.pc)));
    s.if(s.and(s.get(state.stepGranted), done), () => s.set(state.ss, s.i32(0)));
    s.set(state.stepGranted, s.i32(0));
    s.set(state.stepped, s.i32(0));
  });
}

/** PSTATE.SS of a return to `target` with this SPSR (J1.1.3, DebugExceptionReturnSS). */
export function returnStep(s: Builder, target: Val, spsr: Val): void {
  s.set(state.ss, s.i32(0));
  s.if(s.get(state.debugOn), () => {
    const starts = s.and(enabledFrom(s, target, s.bit(spsr, 9)), s.eqz(enabledHere(s)));
    s.set(state.ss, s.and(s.and(starts, getField(s, 'MDSCR_EL1.SS')), s.bit(spsr, 21)));
  });
}
