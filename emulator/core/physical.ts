/** Physical memory: guest RAM and device windows. */
import { common, PageFlag } from '../ir/state';
import type { Device } from './device';
import { PAGE, type MemoryLayout } from './layout';
import type { Predecode } from './predecode';

interface Window {
  readonly base: bigint;
  readonly end: bigint;
  readonly device: Device;
}

export class PhysicalMemory {
  private windows: readonly Window[] = [];
  /** Set by the snapshot store: called before a clean page changes. */
  saveClean: (page: number) => void = () => undefined;

  constructor(
    private readonly view: DataView,
    private readonly layout: MemoryLayout,
    readonly ramBase: bigint,
    readonly ramSize: bigint,
    private readonly predecode: Predecode,
  ) {}

  setDevices(devices: readonly { readonly base: bigint; readonly device: Device }[]): void {
    this.windows = devices.map(({ base, device }) => ({ base, end: base + BigInt(device.size), device }));
  }

  /** The RAM offset of a physical address, or undefined. */
  ramOffset(pa: bigint): number | undefined {
    const offset = pa - this.ramBase;
    return offset >= 0n && offset < this.ramSize ? Number(offset) : undefined;
  }

  /** The device window that holds a physical address. */
  windowAt(pa: bigint): Window | undefined {
    return this.windows.find((w) => pa >= w.base && pa < w.end);
  }

  /**
   * Reads without side effects: RAM, or what devices say they would return. Bytes that nothing answers for are
   * undefined from the first of them on: the result is shorter than asked.
   */
  peek(pa: bigint, bytes: number): Uint8Array {
    const out = new Uint8Array(bytes);
    let done = 0;
    while (done < bytes) {
      const offset = this.ramOffset(pa + BigInt(done));
      if (offset !== undefined) {
        const n = Math.min(bytes - done, Number(this.ramSize) - offset);
        out.set(new Uint8Array(this.view.buffer, this.layout.ramHost + offset, n), done);
        done += n;
        continue;
      }
      const w = this.windowAt(pa + BigInt(done));
      if (!w) break;
      const at = Number(pa + BigInt(done) - w.base);
      const word = w.device.peek(at & ~3, 4);
      if (word === undefined) break;
      out[done++] = Number((word >> BigInt(8 * (at & 3))) & 0xffn);
    }
    return done === bytes ? out : out.subarray(0, done);
  }

  /** Writes RAM as a debugger, a loader or DMA does. @returns the number of bytes written. */
  poke(pa: bigint, data: Uint8Array): number {
    const offset = this.ramOffset(pa);
    if (offset === undefined) return 0;
    const n = Math.min(data.length, Number(this.ramSize) - offset);
    for (let page = Math.floor(offset / PAGE); page * PAGE < offset + n; page++) {
      if (this.view.getUint8(this.layout.pageFlags + page) & PageFlag.clean) this.saveClean(page);
    }
    new Uint8Array(this.view.buffer, this.layout.ramHost + offset, n).set(data.subarray(0, n));
    this.predecode.invalidate(offset, n);
    return n;
  }

  /** Host call mmioRead: loads from a device into the scratch buffer of a CPU block. */
  mmioRead(block: number, cpu: number, bytes: number): number {
    const pa = this.view.getBigUint64(block + common.slowPa.offset, true);
    const w = this.windowAt(pa);
    if (!w) return 0;
    for (let done = 0; done < bytes;) {
      const n = Math.min(8, bytes - done);
      const v = w.device.read(Number(pa - w.base) + done, n, cpu);
      if (v === undefined) return 0;
      this.putScratch(block, done, n, v);
      done += n;
    }
    return 1;
  }

  /** Host call mmioProbe. */
  mmioProbe(block: number): number {
    return this.windowAt(this.view.getBigUint64(block + common.slowPa.offset, true)) ? 1 : 0;
  }

  /** Host call mmioWrite: stores the scratch buffer to a device. */
  mmioWrite(block: number, cpu: number, bytes: number): void {
    const pa = this.view.getBigUint64(block + common.slowPa.offset, true);
    const w = this.windowAt(pa);
    for (let done = 0; w && done < bytes;) {
      const n = Math.min(8, bytes - done);
      w.device.write(Number(pa - w.base) + done, n, this.scratch(block, done, n), cpu);
      done += n;
    }
  }

  private scratch(block: number, at: number, bytes: number): bigint {
    let v = 0n;
    for (let i = bytes - 1; i >= 0; i--)
      v = (v << 8n) | BigInt(this.view.getUint8(block + common.scratch.offset + at + i));
    return v;
  }

  private putScratch(block: number, at: number, bytes: number, v: bigint): void {
    for (let i = 0; i < bytes; i++)
      this.view.setUint8(block + common.scratch.offset + at + i, Number((v >> BigInt(8 * i)) & 0xffn));
  }
}
