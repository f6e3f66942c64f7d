/**
 * Virtio transports over MMIO (Virtual I/O Device 1.2, 4.2.2) with nothing behind them: device ID 0 tells a driver to
 * leave a transport alone.
 */
import type { Device } from '../core/device';

/** Bytes of one transport's registers. */
export const TRANSPORT_BYTES = 0x200;

const registers: Readonly<Record<number, number>> = {
  // "virt"
  0x000: 0x74726976,
  // Version 2 is that of the standard; 1 is the legacy interface.
  0x004: 2,
  // VendorID: "QEMU", as on the board that this one follows.
  0x00c: 0x554d4551,
};

export class EmptyVirtio implements Device {
  readonly state = {};
  readonly size: number;

  constructor(
    readonly name: string,
    transports: number,
  ) {
    this.size = transports * TRANSPORT_BYTES;
  }

  read(offset: number, bytes: number): bigint {
    return this.peek(offset, bytes);
  }

  peek(offset: number, bytes: number): bigint {
    // Registers are read as words (4.2.2.2); another width is a driver's mistake and reads zero.
    return bytes === 4 ? BigInt(registers[offset % TRANSPORT_BYTES] ?? 0) : 0n;
  }

  write(): boolean {
    return true;
  }
}
