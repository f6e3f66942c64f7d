/** What devices see of an A64 machine. */
import type { CpuLine, MachineBus, MachineEvent } from '../core/device';
import type { Machine } from '../core/machine';
import { common, StopReason } from '../ir/state';
import { state } from '../isa/a64/state';
import { sysregNamed, type Sysreg } from '../isa/a64/sysregs';

/** How a powered-on CPU starts: reset state, PC, X0. */
type StartCpu = (cpu: number, entry: bigint, x0: bigint) => void;

export class Bus implements MachineBus {
  private readonly found = new Map<string, NonNullable<Sysreg['storage']>>();

  constructor(
    private readonly machine: () => Machine,
    readonly cpus: number,
    readonly startCpu: StartCpu,
    private readonly listener: (e: MachineEvent) => void,
  ) {}

  private get m(): Machine {
    return this.machine();
  }

  now(): bigint {
    return this.m.now();
  }

  exceptionLevel(cpu: number): number {
    return this.m.state.num(cpu, state.el);
  }

  setCpuLine(cpu: number, line: CpuLine, level: boolean): void {
    const lines = this.m.state.num(cpu, common.irqLines);
    this.m.state.set(cpu, common.irqLines, level ? lines | line : lines & ~line);
  }

  readSysreg(cpu: number, name: string): bigint {
    const s = this.storage(name);
    return this.m.state.get(cpu, s.field, s.index);
  }

  writeSysreg(cpu: number, name: string, value: bigint): void {
    const s = this.storage(name);
    this.m.state.set(cpu, s.field, value, s.index);
  }

  private storage(name: string): NonNullable<Sysreg['storage']> {
    let s = this.found.get(name);
    if (!s) {
      s = sysregNamed(name).storage;
      if (!s) throw new Error(`${name} has no stored value`);
      this.found.set(name, s);
    }
    return s;
  }

  isRam(pa: bigint, bytes: number): boolean {
    const { ramBase, ramSize } = this.m.physical;
    return pa >= ramBase && pa + BigInt(bytes) <= ramBase + ramSize;
  }

  readPhys(pa: bigint, bytes: number): Uint8Array {
    return this.m.physical.peek(pa, bytes);
  }

  writePhys(pa: bigint, data: Uint8Array): void {
    this.m.writeByDevice(pa, data);
  }

  getX(cpu: number, n: number): bigint {
    return this.m.state.get(cpu, state.x, n);
  }

  setX(cpu: number, n: number, value: bigint): void {
    this.m.state.set(cpu, state.x, value, n);
  }

  stopCpu(cpu: number): void {
    this.m.stopCpu(cpu);
  }

  cpuOn(cpu: number): boolean {
    return this.m.schedule.on[cpu] ?? false;
  }

  suspendCpu(cpu: number): void {
    this.m.state.set(cpu, common.asleep, 1);
    this.m.state.set(cpu, common.stopRequest, StopReason.sleep);
  }

  deadlineMoved(cpu: number): void {
    if (this.m.state.num(cpu, common.stopRequest) === StopReason.none)
      this.m.state.set(cpu, common.stopRequest, StopReason.board);
  }

  settle(cpu: number): number {
    return this.m.settle(cpu);
  }

  virtualNext(cpu: number): number {
    return this.m.state.num(cpu, state.virtualNext);
  }

  emit(event: MachineEvent): void {
    this.listener(event);
  }
}
