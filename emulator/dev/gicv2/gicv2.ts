/** A GICv2 put together: five register windows and the input wires. */
import type { Device, MachineBus } from '../../core/device';
import type { Register } from '../gicv3/cpu-interface';
import type { InterruptController } from '../interrupt-controller';
import { linesOf, RegisterWindow } from './cpu-interface';
import { Distributor } from './distributor';
import { Interrupts } from './interrupts';
import { MsiFrame } from './msi-frame';
import { newPhysical, PhysicalInterface } from './physical-interface';
import { newVirtual, VirtualInterface } from './virtual-interface';

/** INTID of the PPI by which the virtual interface asks for its hypervisor. */
const MAINTENANCE = 25;

export class Gicv2 implements InterruptController {
  readonly windows: InterruptController['windows'];
  private readonly irqs: Interrupts;
  private readonly physical: PhysicalInterface;
  private readonly virtual: VirtualInterface;
  private readonly registers: Readonly<Record<string, Register>>;
  private readonly cpus: readonly number[];

  /** `el2`: there are the virtualization extensions. */
  constructor(
    private readonly bus: MachineBus,
    private readonly el2 = true,
  ) {
    this.irqs = new Interrupts(bus.cpus);
    this.cpus = Array.from({ length: bus.cpus }, (_, cpu) => cpu);
    this.physical = new PhysicalInterface(this.irqs);
    this.virtual = new VirtualInterface(this.irqs, (cpu) => this.updateVirtual(cpu));
    this.irqs.changed = (cpu) => this.update(cpu);
    const { physical, virtual } = this;
    const window = (name: string, size: number, state: object, r: RegisterWindow['registers']): Device =>
      new RegisterWindow(name, size, state, r, () => this.recompute());
    this.windows = [
      { region: 'gicd', device: new Distributor(this.irqs) },
      { region: 'gicv2m', device: new MsiFrame((n, level) => this.setSpi(n, level)) },
      { region: 'gicc', device: window('gicc', 0x2000, physical.state, physical.registers) },
      ...(el2
        ? ([
            { region: 'gich', device: window('gich', 0x1000, virtual.state, virtual.hypervisor) },
            // Its state is GICH's.
            { region: 'gicv', device: window('gicv', 0x2000, {}, virtual.guest) },
          ] as const)
        : []),
    ];
    this.registers = { ...physical.registers, ...(el2 ? { ...virtual.hypervisor, ...virtual.guest } : {}) };
  }

  setSpi(n: number, level: boolean): void {
    this.irqs.setLine(32 + n, 0, level);
  }

  setPpi(cpu: number, intid: number, level: boolean): void {
    this.irqs.setLine(intid, cpu, level);
  }

  /** Recomputes the IRQ and FIQ lines of a CPU, or of all. */
  update(cpu?: number): void {
    for (const c of cpu === undefined ? this.cpus : [cpu]) {
      const { irq, fiq } = linesOf(this.physical, c);
      this.bus.setCpuLine(c, 1, irq);
      this.bus.setCpuLine(c, 2, fiq);
    }
  }

  updateVirtual(cpu: number): void {
    if (!this.el2) return;
    const asked = this.virtual.update(cpu, (irq, fiq) => {
      this.bus.setCpuLine(cpu, 4, irq);
      this.bus.setCpuLine(cpu, 8, fiq);
    });
    this.setPpi(cpu, MAINTENANCE, asked);
  }

  resetCpu(cpu: number): void {
    this.physical.state.cpus[cpu] = newPhysical();
    this.virtual.state.cpus[cpu] = newVirtual();
    this.update(cpu);
    this.updateVirtual(cpu);
  }

  read(name: string, cpu: number): bigint {
    return this.find(name).read?.(cpu) ?? 0n;
  }

  write(name: string, cpu: number, value: bigint): void {
    this.find(name).write?.(cpu, value);
  }

  peek(name: string, cpu: number): bigint {
    const r = this.find(name);
    return (r.peek ?? r.read)?.(cpu) ?? 0n;
  }

  private recompute(): void {
    this.update();
    this.cpus.forEach((cpu) => this.updateVirtual(cpu));
  }

  private find(name: string): Register {
    const r = this.registers[name];
    if (!r) throw new Error(`The GICv2 has no register ${name}.`);
    return r;
  }
}
