/** A machine of which only the bus exists: what device tests talk to. */
import type { CpuLine, MachineBus, MachineEvent } from '../../core/device';

/** Where the memory for DMA begins; a program that runs on QEMU leaves this place free. */
export const RAM = 0x4100_0000n;

export class FakeBus implements MachineBus {
  time = 0n;
  readonly ram = new Uint8Array(0x8_0000);
  readonly events: MachineEvent[] = [];
  readonly lines: number[];
  readonly sysregs: Map<string, bigint>[];
  readonly x: bigint[][];
  readonly on: boolean[];
  readonly calls: string[] = [];

  constructor(readonly cpus: number) {
    const each = <T>(make: () => T): T[] => Array.from({ length: cpus }, make);
    this.lines = each(() => 0);
    this.sysregs = each(() => new Map<string, bigint>());
    this.x = each(() => new Array<bigint>(31).fill(0n));
    this.on = each(() => false);
    this.on[0] = true;
  }

  /** All that the UART sent, as text. */
  get text(): string {
    return this.events.map((e) => (e.kind === 'uart' ? new TextDecoder().decode(e.bytes) : '')).join('');
  }

  now(): bigint {
    return this.time;
  }
  /** Where the CPUs execute. */
  level = 2;
  exceptionLevel(): number {
    return this.level;
  }
  setCpuLine(cpu: number, line: CpuLine, level: boolean): void {
    const old = this.lines[cpu] ?? 0;
    this.lines[cpu] = level ? old | line : old & ~line;
  }
  readSysreg(cpu: number, name: string): bigint {
    return this.sysregs[cpu]?.get(name) ?? 0n;
  }
  writeSysreg(cpu: number, name: string, value: bigint): void {
    this.sysregs[cpu]?.set(name, value);
  }
  isRam(pa: bigint, bytes: number): boolean {
    return pa >= RAM && pa + BigInt(bytes) <= RAM + BigInt(this.ram.length);
  }
  readPhys(pa: bigint, bytes: number): Uint8Array {
    const at = this.ramOffset(pa, bytes);
    return this.ram.slice(at, at + bytes);
  }
  writePhys(pa: bigint, data: Uint8Array): void {
    this.ram.set(data, this.ramOffset(pa, data.length));
  }
  /** A device asks with isRam before it uses an address. */
  private ramOffset(pa: bigint, bytes: number): number {
    if (!this.isRam(pa, bytes)) throw new Error(`DMA to 0x${pa.toString(16)}, which is not RAM`);
    return Number(pa - RAM);
  }
  getX(cpu: number, n: number): bigint {
    return this.x[cpu]?.[n] ?? 0n;
  }
  setX(cpu: number, n: number, value: bigint): void {
    const regs = this.x[cpu];
    if (regs) regs[n] = value;
  }
  startCpu(cpu: number, entry: bigint, context: bigint): void {
    this.on[cpu] = true;
    this.calls.push(`start ${cpu} ${entry.toString(16)} ${context.toString(16)}`);
  }
  stopCpu(cpu: number): void {
    this.on[cpu] = false;
    this.calls.push(`stop ${cpu}`);
  }
  cpuOn(cpu: number): boolean {
    return this.on[cpu] ?? false;
  }
  suspendCpu(cpu: number): void {
    this.calls.push(`suspend ${cpu}`);
  }
  deadlineMoved(cpu: number): void {
    this.calls.push(`deadline ${cpu}`);
  }
  emit(event: MachineEvent): void {
    this.events.push(event);
  }
}
