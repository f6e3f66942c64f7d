/** The overflow interrupt of the performance monitors (Arm ARM DDI 0487 D13.3). */
import type { Builder } from '../../../ir/builder';
import type { Routine } from '../../../ir/nodes';
import { reg } from '../stored';
import { drive, Wire } from './wires';

/** The cycle counter's bit in bitmaps. */
const CYCLES = 1n << 31n;

/** (): drives the PMU's output: an overflow flag whose interrupt is on. */
export const settlePmu: Routine = {
  k: 'routine',
  name: 'settlePmu',
  params: [],
  build: (s: Builder) => {
    const wanted = s.and(reg(s, 'PMOVSSET_EL0'), reg(s, 'PMINTENSET_EL1'));
    const mdcr = reg(s, 'MDCR_EL2');
    // PMCR_EL0.E enables those of all counters but EL2's, MDCR_EL2.HPME those.
    const others = s.ori(s.sub(s.shl(s.i64(1), s.andi(mdcr, 31)), s.i64(1)), CYCLES);
    const first = s.select(s.bit(reg(s, 'PMCR_EL0'), 0), others, s.i64(0));
    const second = s.select(s.bit(mdcr, 7), s.not(others), s.i64(0));
    const asserted = s.nei(s.and(wanted, s.or(first, second)), 0);
    drive(s, Wire.pmu, s.select(asserted, s.i32(Wire.pmu), s.i32(0)));
  },
};
