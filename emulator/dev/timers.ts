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

/** The timers of a CPU, by whether it has EL2 (without it, CNTVOFF reads as zero). */
export function timerRows(el2: boolean): readonly TimerRow[] {
  if (!el2) return [physical, virtual];
  return [
    physical,
    { ...virtual, offset: 'CNTVOFF_EL2' },
    { name: 'hyp physical', ppi: 26, control: 'CNTHP_CTL_EL2', compare: 'CNTHP_CVAL_EL2' },
    // Of FEAT_VHE; where a CPU does not have it, nothing can arm it.
    { name: 'hyp virtual', ppi: 28, control: 'CNTHV_CTL_EL2', compare: 'CNTHV_CVAL_EL2' },
  ];
}

const ENABLE = 1n;
const IMASK = 2n;

export class Timers implements Timed {
  constructor(
    private readonly bus: MachineBus,
    private readonly rows: readonly TimerRow[],
    private readonly setPpi: (cpu: number, intid: number, level: boolean) => void,
  ) {}

  advance(): void {
    const count = this.bus.now() / INSTRUCTIONS_PER_TICK;
    for (let cpu = 0; cpu < this.bus.cpus; cpu++)
      for (const row of this.rows) {
        const armed = this.armed(cpu, row);
        this.setPpi(cpu, row.ppi, armed && this.distance(cpu, row, count) <= 0n);
      }
  }

  deadline(): bigint | undefined {
    const count = this.bus.now() / INSTRUCTIONS_PER_TICK;
    let soonest: bigint | undefined;
    for (let cpu = 0; cpu < this.bus.cpus; cpu++)
      for (const row of this.rows) {
        if (!this.armed(cpu, row)) continue;
        let ticks = this.distance(cpu, row, count);
        // Met already: the next change is where the view's 64 bits wrap to zero, unless zero meets it as well.
        if (ticks <= 0n) {
          if (this.bus.readSysreg(cpu, row.compare) === 0n) continue;
          ticks = (1n << 64n) - this.view(cpu, row, count);
        }
        if (soonest === undefined || ticks < soonest) soonest = ticks;
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
