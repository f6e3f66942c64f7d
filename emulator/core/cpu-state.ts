/** Typed access to the CPU blocks from TypeScript. */
import type { StateField } from '../ir/nodes';
import type { MemoryLayout } from './layout';

export class CpuState {
  constructor(
    readonly view: DataView,
    private readonly layout: MemoryLayout,
  ) {}

  /** Byte address of a CPU's block. */
  block(cpu: number): number {
    return this.layout.cpuBase + cpu * this.layout.cpuStride;
  }

  /** The CPU number of a block's address. */
  cpuOf(block: number): number {
    return (block - this.layout.cpuBase) / this.layout.cpuStride;
  }

  /** A field's value, unsigned, as a bigint. */
  get(cpu: number, f: StateField, index = 0): bigint {
    const at = this.block(cpu) + f.offset + index * f.stride;
    if (f.bytes === 16)
      return this.view.getBigUint64(at, true) | (this.view.getBigUint64(at + 8, true) << 64n);
    if (f.bytes === 8) return this.view.getBigUint64(at, true);
    return BigInt(this.num(cpu, f, index));
  }

  /** A field of at most 4 bytes as a number. */
  num(cpu: number, f: StateField, index = 0): number {
    const at = this.block(cpu) + f.offset + index * f.stride;
    return f.bytes === 4
      ? this.view.getUint32(at, true)
      : f.bytes === 2
        ? this.view.getUint16(at, true)
        : this.view.getUint8(at);
  }

  set(cpu: number, f: StateField, v: bigint | number, index = 0): void {
    const at = this.block(cpu) + f.offset + index * f.stride;
    if (f.bytes === 16) {
      this.view.setBigUint64(at, BigInt.asUintN(64, BigInt(v)), true);
      this.view.setBigUint64(at + 8, BigInt.asUintN(64, BigInt(v) >> 64n), true);
    } else if (f.bytes === 8) this.view.setBigUint64(at, BigInt.asUintN(64, BigInt(v)), true);
    else if (f.bytes === 4) this.view.setUint32(at, Number(BigInt.asUintN(32, BigInt(v))), true);
    else if (f.bytes === 2) this.view.setUint16(at, Number(v), true);
    else this.view.setUint8(at, Number(v));
  }
}
