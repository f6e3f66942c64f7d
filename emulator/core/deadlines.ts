/**
 * When generated code must come back by itself: timers, replayed input, what a CPU is to do by its own count. Asked at every
 * return of generated code.
 */
import type { StateField } from '../ir/nodes';
import { common } from '../ir/state';
import type { Isa } from '../isa/dsl/isa';
import type { CpuState } from './cpu-state';
import type { Timed } from './device';
import type { InputLog } from './replay';
import { QUANTUM, type ScheduleState } from './scheduler';

/** state.due of a CPU of which nothing changes by time alone. */
export const NEVER = 2n ** 64n - 1n;

const WHOLE = BigInt(QUANTUM);

export class Deadlines {
  /** The board's, once there is one. */
  timed: readonly Timed[] = [];
  private readonly cpus: number;
  // An instruction set need not have these.
  private readonly ownDeadline: StateField | undefined;
  private readonly oneByOne: StateField | undefined;

  /** @param met acts when a CPU has come to the deadline that it has by its own count */
  constructor(
    isa: Isa,
    private readonly state: CpuState,
    private readonly schedule: ScheduleState,
    private readonly log: InputLog,
    private readonly met: (cpu: number) => void,
  ) {
    this.cpus = schedule.on.length;
    this.ownDeadline = isa.fields.get('ownDeadline');
    this.oneByOne = isa.fields.get('oneByOne');
  }

  /** The virtual time at which something is to happen next; undefined when nothing is. */
  next(): bigint | undefined {
    let soonest = this.log.next();
    for (const t of this.timed) {
      const due = t.deadline();
      if (due !== undefined && (soonest === undefined || due < soonest)) soonest = due;
    }
    for (let cpu = 0; cpu < this.cpus; cpu++) {
      const due = this.state.get(cpu, common.due);
      if (due !== NEVER && (soonest === undefined || due < soonest)) soonest = due;
    }
    return soonest;
  }

  /** Instructions until then, from 1 to a quantum. */
  until(): number {
    const due = this.next();
    if (due === undefined) return QUANTUM;
    const away = due - this.schedule.vtime;
    return away <= 0n ? 1 : Number(away < WHOLE ? away : WHOLE);
  }

  /** Instructions until a deadline that a CPU has by its own count; one that is met is acted on. */
  untilOwn(cpu: number): number {
    if (!this.ownDeadline) return QUANTUM;
    // Most CPUs have none.
    let due = this.state.get(cpu, this.ownDeadline);
    if (due === 0n) return QUANTUM;
    const retired = this.state.get(cpu, common.retired);
    if (due <= retired) {
      this.met(cpu);
      due = this.state.get(cpu, this.ownDeadline);
      if (due === 0n) return QUANTUM;
    }
    const left = due - retired;
    return left < WHOLE ? Number(left) : QUANTUM;
  }

  /** Does a CPU come back after each instruction? */
  isOneByOne(cpu: number): boolean {
    return this.oneByOne !== undefined && this.state.num(cpu, this.oneByOne) !== 0;
  }
}
