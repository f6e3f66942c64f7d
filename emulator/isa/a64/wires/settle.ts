/** All that follows from registers of the CPU and from the time, for who changed them without an instruction. */
import type { Builder } from '../../../ir/builder';
import type { Routine } from '../../../ir/nodes';
import { settlePmu } from './pmu';
import { settleTimers } from './timers';
import { settleVirtual } from './virtual-interface';

/** (): brings state.wires, state.due, the virtual interrupt lines and ICH_MISR_EL2 up to date. */
export const settle: Routine = {
  k: 'routine',
  name: 'settle',
  params: [],
  build: (s: Builder) => {
    s.call(settleTimers);
    s.call(settlePmu);
    s.call(settleVirtual);
  },
};
