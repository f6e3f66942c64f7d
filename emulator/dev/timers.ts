/**
 * The generic timers' interrupts. Their registers are system registers; this part watches the compare values and drives
 * the level-sensitive PPIs. Source: Arm ARM DDI 0487, D12.2 (CompareValue view of the timers).
 */
import type { MachineBus, Timed } from '../core/device';

/** Instructions in one tick of the 62.5 MHz system counter. */
export const INSTRUCTIONS_PER_TICK = 16n;

export interface TimerRow {
  readonly name: string;
  /** INTID of its PPI. */
  readonly ppi: number;
  readonly control: string;
  readonly compare: string;
  /** Register whose value is subtracted from the physical count. */
  readonly offset?: string;
}

const physical: TimerRow = { name: 'physical', ppi: 30, control: 'CNTP_CTL_EL0', compare: 'CNTP_CVAL_EL0' };
const virtual: TimerRow = { name: 'virtual', ppi: 27, control: 'CNTV_CTL_EL0', compare: 'CNTV_CVAL_EL0' };

/** The timers of a CPU, by whether it has EL2 (without it, CNTVOFF reads as zero) and EL3. */
export function timerRows(el2: boolean, el3 = false): readonly TimerRow[] {
  if (!el2) return [physical, virtual];
  const secure = { name: 'secure physical', ppi: 29, control: 'CNTPS_CTL_EL1', compare: 'CNTPS_CVAL_EL1' };
  return [
    ...(el3 ? [secure] : []),
    physical,
    { ...virtual, offset: 'CNTVOFF_EL2' },
    { name: 'hyp physical', ppi: 26, control: 'CNTHP_CTL_EL2', compare: 'CNTHP_CVAL_EL2' },
    // Of FEAT_VHE; where a CPU does not have it, nothing can arm it.
    { name: 'hyp virtual', ppi: 28, control: 'CNTHV_CTL_EL2', compare: 'CNTHV_CVAL_EL2' },
  ];
}

/** Ticks that no run lives to see: 292 years. */
const NEVER = 1n << 59n;

const ENABLE = 1n;
const IMASK = 2n;

export class Timers implements Timed {
  /** Per CPU, when a condition changes next, in instructions. Derived from registers: `update` makes it anew. */
  private readonly due: (bigint | undefined)[] = [];
  private soonest: bigint | undefined;

  constructor(
    private readonly bus: MachineBus,
    private readonly rows: readonly TimerRow[],
    private readonly setPpi: (cpu: number, intid: number, level: boolean) => void,
  ) {}

  advance(): void {
    this.update();
  }

  deadline(): bigint | undefined {
    return this.soonest;
  }

  /** Brings the lines of a CPU, or of all, up to date; after registers of its timers have changed. */
  update(only?: number): void {
    const count = this.bus.now() / INSTRUCTIONS_PER_TICK;
    const first = only ?? 0;
    const end = only === undefined ? this.bus.cpus : only + 1;
    for (let cpu = first; cpu < end; cpu++) this.due[cpu] = this.look(cpu, count);
    this.soonest = this.due.reduce(
      (a, b) => (a === undefined || (b !== undefined && b < a) ? b : a),
      undefined,
    );
  }

  /** Drives the lines of a CPU; returns when one of them changes next. */
  private look(cpu: number, count: bigint): bigint | undefined {
    let soonest: bigint | undefined;
    for (const row of this.rows) {
      const armed = this.armed(cpu, row);
      let ticks = armed ? this.distance(cpu, row, count) : 0n;
      this.setPpi(cpu, row.ppi, armed && ticks <= 0n);
      if (!armed) continue;
      // Met already: the next change is where the view's 64 bits wrap to zero, unless zero meets it as well.
      if (ticks <= 0n) {
        if (this.bus.readSysreg(cpu, row.compare) === 0n) continue;
        ticks = (1n << 64n) - this.view(cpu, row, count);
      }
      if (ticks < NEVER && (soonest === undefined || ticks < soonest)) soonest = ticks;
    }
    return soonest === undefined ? undefined : (count + soonest) * INSTRUCTIONS_PER_TICK;
  }

  private armed(cpu: number, row: TimerRow): boolean {
    return (this.bus.readSysreg(cpu, row.control) & (ENABLE | IMASK)) === ENABLE;
  }

  /** The counter as this timer sees it. */
  private view(cpu: number, row: TimerRow, count: bigint): bigint {
    return BigInt.asUintN(64, count - (row.offset ? this.bus.readSysreg(cpu, row.offset) : 0n));
  }

  /** Ticks until the condition is met; zero or less when it is. Both values are unsigned 64-bit numbers. */
  private distance(cpu: number, row: TimerRow, count: bigint): bigint {
    return this.bus.readSysreg(cpu, row.compare) - this.view(cpu, row, count);
  }
}
