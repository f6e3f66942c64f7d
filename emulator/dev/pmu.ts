/** The overflow interrupt of the performance monitors. Their registers are system registers (Arm ARM DDI 0487 D13.3). */
import type { MachineBus } from '../core/device';

/** The cycle counter's bit in bitmaps. */
const CYCLES = 1n << 31n;

export class Pmu {
  constructor(
    private readonly bus: MachineBus,
    private readonly drive: (cpu: number, level: boolean) => void,
  ) {}

  /** Drives the line of a CPU, or of all; after registers of its PMU have changed. */
  update(only?: number): void {
    const first = only ?? 0;
    const end = only === undefined ? this.bus.cpus : only + 1;
    for (let cpu = first; cpu < end; cpu++) this.drive(cpu, this.asserted(cpu));
  }

  /** An overflow flag whose interrupt is on: PMCR_EL0.E enables those of all counters but EL2's, MDCR_EL2.HPME those. */
  private asserted(cpu: number): boolean {
    const { bus } = this;
    // Asked whenever the board looks at registers: mostly nothing has overflowed.
    const overflows = bus.readSysreg(cpu, 'PMOVSSET_EL0');
    const wanted = overflows && overflows & bus.readSysreg(cpu, 'PMINTENSET_EL1');
    if (!wanted) return false;
    const mdcr = bus.readSysreg(cpu, 'MDCR_EL2');
    const others = ((1n << (mdcr & 31n)) - 1n) | CYCLES;
    const isOn = (bus.readSysreg(cpu, 'PMCR_EL0') & 1n) !== 0n;
    const on = (isOn ? others : 0n) | ((mdcr >> 7n) & 1n ? ~others : 0n);
    return (wanted & on) !== 0n;
  }
}
