/**
 * The generic timers' outputs (Arm ARM DDI 0487 D11.2.4, the CompareValue view). The counter is virtual time, 16 instructions a
 * tick: 62.5 MHz.
 */
import type { Builder } from '../../../ir/builder';
import type { Routine, Val } from '../../../ir/nodes';
import { common } from '../../../ir/state';
import { reg } from '../stored';
import { drive, Wire } from './wires';

/** log2 of the instructions in a tick of the counter. */
const TICK_SHIFT = 4;

/** CNTPCT_EL0 now. */
export function physicalCount(s: Builder): Val {
  return s.shri(s.sub(s.get(common.timeEnd), s.zext(s.get(common.left))), TICK_SHIFT);
}

interface Timer {
  readonly wire: number;
  readonly control: string;
  readonly compare: string;
  /** Register whose value is subtracted from the physical count. */
  readonly offset?: string;
}

/** A timer that the CPU does not have cannot be armed. */
const timers: readonly Timer[] = [
  { wire: Wire.physicalTimer, control: 'CNTP_CTL_EL0', compare: 'CNTP_CVAL_EL0' },
  { wire: Wire.virtualTimer, control: 'CNTV_CTL_EL0', compare: 'CNTV_CVAL_EL0', offset: 'CNTVOFF_EL2' },
  { wire: Wire.hypTimer, control: 'CNTHP_CTL_EL2', compare: 'CNTHP_CVAL_EL2' },
  { wire: Wire.hypVirtualTimer, control: 'CNTHV_CTL_EL2', compare: 'CNTHV_CVAL_EL2' },
  { wire: Wire.secureTimer, control: 'CNTPS_CTL_EL1', compare: 'CNTPS_CVAL_EL1' },
];

const ALL = timers.reduce((bits, t) => bits | t.wire, 0);
/** CNT*_CTL. */
const ENABLE = 1;
const IMASK = 2;
/** Ticks that no run lives to see: 292 years. */
const NEVER = 1n << 59n;

/** (): drives the timers' outputs, and notes when one of them changes next. */
export const settleTimers: Routine = {
  k: 'routine',
  name: 'settleTimers',
  params: [],
  build: (s: Builder) => {
    const count = physicalCount(s);
    const levels = s.local('levels', s.i32(0));
    const soonest = s.local('soonest', s.i64(NEVER));
    for (const t of timers) {
      s.if(s.eqi(s.andi(reg(s, t.control), ENABLE | IMASK), ENABLE), () => {
        const view = t.offset ? s.sub(count, reg(s, t.offset)) : count;
        const compare = reg(s, t.compare);
        const met = s.geu(view, compare);
        s.assign(levels, s.or(s.read(levels), s.select(met, s.i32(t.wire), s.i32(0))));
        // Met already: the next change is where the view's 64 bits wrap to zero, unless zero meets it as well.
        const ticks = s.sub(s.select(met, s.i64(0), compare), view);
        const changes = s.eqz(s.and(met, s.eqz(compare)));
        s.if(s.and(changes, s.ltu(ticks, s.read(soonest))), () => s.assign(soonest, ticks));
      });
    }
    drive(s, ALL, s.read(levels));
    const ticks = s.read(soonest);
    const due = s.shli(s.add(count, ticks), TICK_SHIFT);
    s.set(common.due, s.select(s.ltu(ticks, s.i64(NEVER)), due, s.i64(-1n)));
  },
};
