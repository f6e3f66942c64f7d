/** A GICv3 put together: two register windows, the CPU interfaces (physical and virtual), the input wires. */
import type { MachineBus } from '../../core/device';
import type { InterruptController } from '../interrupt-controller';
import { Wire } from '../../isa/a64/wires/wires';
import { CpuInterface, type Register } from './cpu-interface';
import { Distributor } from './distributor';
import { Interrupts, newCpuInterface } from './interrupts';
import { Redistributors } from './redistributor';
import type { Security } from './security';
import { VirtualInterface } from './virtual-interface';

/** INTID of the PPI by which the virtual interface asks for its hypervisor. */
const MAINTENANCE = 25;

export class Gicv3 implements InterruptController {
  readonly distributor: Distributor;
  readonly redistributors: Redistributors;
  private readonly cpuInterface: CpuInterface;
  private readonly virtual: VirtualInterface;
  private readonly irqs: Interrupts;
  private readonly cpus: readonly number[];

  /** `el2`: the CPUs have the ICH_* registers behind the virtual interface; `strict`: see Interrupts. */
  constructor(
    private readonly bus: MachineBus,
    private readonly el2 = true,
    strict = false,
    security: Security = 'none',
  ) {
    this.irqs = new Interrupts(bus.cpus, strict, security);
    this.cpus = Array.from({ length: bus.cpus }, (_, cpu) => cpu);
    this.distributor = new Distributor(this.irqs, bus);
    this.redistributors = new Redistributors(this.irqs, bus);
    this.cpuInterface = new CpuInterface(this.irqs, bus);
    this.virtual = new VirtualInterface(this.irqs, bus);
    this.irqs.changed = (cpu) => this.update(cpu);
  }

  get windows(): InterruptController['windows'] {
    return [
      { region: 'gicd', device: this.distributor },
      { region: 'gicr', device: this.redistributors },
    ];
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
    for (const c of cpu === undefined ? this.cpus : [cpu]) this.cpuInterface.updateLines(c);
  }

  /** The names that read, write and peek accept. */
  get names(): readonly string[] {
    return [...Object.keys(this.cpuInterface.registers), ...Object.keys(this.virtual.registers)];
  }

  read(name: string, cpu: number): bigint {
    const value = this.find(name).read?.(cpu) ?? 0n;
    this.afterSysreg(name, cpu);
    return value;
  }

  write(name: string, cpu: number, value: bigint): void {
    this.find(name).write?.(cpu, value);
    this.afterSysreg(name, cpu);
  }

  peek(name: string, cpu: number): bigint {
    const r = this.find(name);
    return (r.peek ?? r.read)?.(cpu) ?? 0n;
  }

  /** The virtual interface is part of the CPU: see isa/a64/wires. */
  updateVirtual(cpu: number, wires: number): void {
    this.setPpi(cpu, MAINTENANCE, (wires & Wire.maintenance) !== 0);
  }

  /** A reset of a CPU resets its CPU interface (IHI 0069 8.3); its redistributor keeps what it has. */
  resetCpu(cpu: number): void {
    this.irqs.redistributor(cpu).cpu = newCpuInterface(this.irqs.twoStates);
    this.update(cpu);
  }

  private afterSysreg(name: string, cpu: number): void {
    if (name.startsWith('ICV_')) this.updateVirtual(cpu, this.bus.settle(cpu));
  }

  private find(name: string): Register {
    const r = this.cpuInterface.registers[name] ?? (this.el2 ? this.virtual.registers[name] : undefined);
    if (!r) throw new Error(`The GIC CPU interface has no register ${name}.`);
    return r;
  }
}
