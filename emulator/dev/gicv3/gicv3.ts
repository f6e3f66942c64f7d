/** A GICv3 put together: two register windows, the CPU interfaces, the input wires. */
import type { MachineBus } from '../../core/device';
import { CpuInterface } from './cpu-interface';
import { Distributor } from './distributor';
import { Interrupts } from './interrupts';
import { Redistributors } from './redistributor';

export class Gicv3 {
  readonly distributor: Distributor;
  readonly redistributors: Redistributors;
  readonly cpuInterface: CpuInterface;
  private readonly irqs: Interrupts;

  constructor(private readonly bus: MachineBus) {
    this.irqs = new Interrupts(bus.cpus);
    this.distributor = new Distributor(this.irqs);
    this.redistributors = new Redistributors(this.irqs);
    this.cpuInterface = new CpuInterface(this.irqs, bus);
    this.irqs.changed = (cpu) => this.update(cpu);
  }

  /** Drives shared peripheral interrupt `n` (INTID 32 + n). */
  setSpi(n: number, level: boolean): void {
    this.irqs.setLine(32 + n, 0, level);
  }

  /** Drives a private peripheral interrupt of a CPU, by INTID (16-31). */
  setPpi(cpu: number, intid: number, level: boolean): void {
    this.irqs.setLine(intid, cpu, level);
  }

  /** Recomputes the IRQ and FIQ lines of a CPU, or of all. */
  update(cpu?: number): void {
    if (cpu !== undefined) this.cpuInterface.updateLines(cpu);
    else for (let c = 0; c < this.bus.cpus; c++) this.cpuInterface.updateLines(c);
  }
}
