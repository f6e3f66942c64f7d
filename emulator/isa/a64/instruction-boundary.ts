/** What may happen instead of the next instruction: an interrupt, a software step, or the illegal execution state. */
import type { Builder } from '../../ir/builder';
import type { Routine } from '../../ir/nodes';
import { common } from '../../ir/state';
import { Acc } from '../dsl/isa';
import { checkTarget } from './integer/branch-target';
import { raiseIllegalState, takeInterrupt } from './exceptions/exception';
import { Line } from './interrupt-lines';
import { translate } from './mmu/mmu';
import { advanceStep, stepOrCheck } from './self-hosted/step';
import { state } from './state';

/** () -> 1 if an exception was taken at state.pc: see IsaRoutines.takeInterrupt. */
export const beforeInstruction: Routine = {
  k: 'routine',
  name: 'beforeInstruction',
  params: [],
  result: 'i32',
  build: (s: Builder) => {
    const isDebugged = s.nei(s.andi(s.get(common.irqLines), Line.debug), 0);
    s.if(isDebugged, () => advanceStep(s));
    s.if(s.call(takeInterrupt), () => s.ret(s.i32(1)));
    s.if(isDebugged, () => stepOrCheck(s));
    s.if(s.get(state.il), () => {
      // A misaligned PC and a fetch that aborts come before it (Arm ARM DDI 0487 D1.13.4); the fetch reports those.
      const pc = s.get(common.pc);
      s.if(s.eqz(s.bits(pc, 0, 2)), () => {
        s.if(s.eqz(s.call(translate, pc, s.i32(Acc.exec))), () => {
          s.call(raiseIllegalState);
          s.ret(s.i32(1));
        });
      });
    });
    s.if(s.get(state.btype), () => s.ret(s.call(checkTarget)));
    s.ret(s.i32(0));
  },
};
