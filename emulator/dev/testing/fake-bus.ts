/** A machine of which only the bus and the system registers exist: what device tests talk to. */
import type { CpuLine, MachineBus, MachineEvent } from '../../core/device';
import { evaluateRoutine } from '../../ir/evaluate';
import type { StateField } from '../../ir/nodes';
import { common } from '../../ir/state';
import { A64 } from '../../isa/a64/sem';
import { CpuFeature, layout, state } from '../../isa/a64/state';
import { sysregNamed } from '../../isa/a64/sysregs';
import { settle } from '../../isa/a64/wires/settle';

/** Where the memory for DMA begins; a program that runs on QEMU leaves this place free. */
export const RAM = 0x4100_0000n;

export class FakeBus implements MachineBus {
  time = 0n;
  readonly ram = new Uint8Array(0x8_0000);
  readonly events: MachineEvent[] = [];
  /** The CPUs' blocks, which hold system registers and interrupt lines. */
  readonly blocks: DataView[];
  readonly x: bigint[][];
  readonly on: boolean[];
  readonly calls: string[] = [];

  /** `gicv3`: the CPUs have the registers of its interface. */
  constructor(
    readonly cpus: number,
    gicv3 = true,
  ) {
    const each = <T>(make: () => T): T[] => Array.from({ length: cpus }, make);
    this.blocks = each(() => new DataView(new ArrayBuffer(layout.end)));
    if (gicv3) this.blocks.forEach((_, cpu) => this.set(cpu, state.features, BigInt(CpuFeature.GICv3)));
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
  /** state.irqLines of all CPUs. */
  get lines(): number[] {
    return this.blocks.map((_, cpu) => Number(this.get(cpu, common.irqLines)));
  }
  setCpuLine(cpu: number, line: CpuLine, level: boolean): void {
    const old = this.lines[cpu] ?? 0;
    this.set(cpu, common.irqLines, BigInt(level ? old | line : old & ~line));
  }
  readSysreg(cpu: number, name: string): bigint {
    const { field, index } = sysregNamed(name).storage!;
    return this.get(cpu, field, index);
  }
  writeSysreg(cpu: number, name: string, value: bigint): void {
    const { field, index } = sysregNamed(name).storage!;
    this.set(cpu, field, value, index);
  }
  settle(cpu: number): number {
    this.set(cpu, common.timeEnd, this.time);
    evaluateRoutine(settle, [], {
      memory: this.blocks[cpu]!,
      cpu: 0,
      pc: 0n,
      newBuilder: () => new A64(),
      host: () => 0,
      probe: () => undefined,
      commit: () => false,
    });
    return Number(this.get(cpu, common.wires));
  }
  virtualNext(cpu: number): number {
    return Number(this.get(cpu, state.virtualNext));
  }
  /** A field of a CPU's block. */
  get(cpu: number, f: StateField, index = 0): bigint {
    const at = f.offset + index * f.stride;
    const block = this.blocks[cpu]!;
    return f.bytes === 8 ? block.getBigUint64(at, true) : BigInt(block.getUint32(at, true));
  }
  private set(cpu: number, f: StateField, v: bigint, index = 0): void {
    const at = f.offset + index * f.stride;
    const block = this.blocks[cpu]!;
    if (f.bytes === 8) block.setBigUint64(at, BigInt.asUintN(64, v), true);
    else block.setUint32(at, Number(BigInt.asUintN(32, v)), true);
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
