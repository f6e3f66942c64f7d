/**
 * QEMU's firmware configuration device in its MMIO form (QEMU, docs/specs/fw_cfg.rst): a register selects an item, whose
 * bytes are then read one by one, or copied to RAM by the device itself.
 */
import type { Device, MachineBus } from '../core/device';

export interface FwCfgState {
  /** The selected item. */
  key: number;
  /** Its byte that comes next. */
  offset: number;
  /** What was written to the DMA address register so far. */
  dma: bigint;
}

/** Items by key; what is not there reads zeros. */
export type FwCfgItems = ReadonlyMap<number, Uint8Array>;

const Register = { data: 0x00, selector: 0x08, dma: 0x10, end: 0x18 } as const;
const Key = { signature: 0x00, revision: 0x01, cpus: 0x05, directory: 0x19 } as const;
/** Selector bit that asks to write an item; it chooses the same one. */
const WRITE_CHANNEL = 0x4000;
/** What the DMA address register reads: "QEMU CFG". */
const DMA_SIGNATURE = 0x51454d5520434647n;
/** Revision bits: the traditional interface, and DMA. */
const FEATURES = 3;

/** Bits of the first word of a DMA request. */
const Control = { error: 1, read: 2, skip: 4, select: 8, write: 16 } as const;
const REQUEST_BYTES = 16;
/** Zeros are copied in pieces, so that a request for 4 GiB of them takes no memory. */
const PIECE = 1 << 16;

/** What the board says of itself: there are no files. */
export function boardItems(cpus: number): FwCfgItems {
  return new Map([
    [Key.signature, new TextEncoder().encode('QEMU')],
    [Key.revision, Uint8Array.of(FEATURES, 0, 0, 0)],
    [Key.cpus, Uint8Array.of(cpus, 0)],
    [Key.directory, new Uint8Array(4)],
  ]);
}

/** The device's registers are big-endian: a value as the little-endian bus carries it, turned around. */
function swap(value: bigint, bytes: number): bigint {
  let out = 0n;
  for (let i = 0; i < bytes; i++) out = (out << 8n) | ((value >> BigInt(8 * i)) & 0xffn);
  return out;
}

export class FwCfg implements Device {
  readonly size = Register.end;
  readonly state: FwCfgState = { key: 0, offset: 0, dma: 0n };

  constructor(
    readonly name: string,
    private readonly bus: MachineBus,
    private readonly items: FwCfgItems,
  ) {}

  read(offset: number, bytes: number): bigint | undefined {
    const value = this.peek(offset, bytes);
    if (offset === Register.data) this.state.offset += bytes;
    return value;
  }

  peek(offset: number, bytes: number): bigint | undefined {
    if (offset === Register.data) {
      let value = 0n;
      for (let i = bytes - 1; i >= 0; i--) value = (value << 8n) | BigInt(this.byte(this.state.offset + i));
      return value;
    }
    if (offset < Register.dma) return undefined;
    const inRegister = offset - Register.dma;
    return BigInt.asUintN(8 * bytes, swap(DMA_SIGNATURE, 8) >> BigInt(8 * inRegister));
  }

  write(offset: number, bytes: number, value: bigint): boolean {
    if (offset === Register.selector && bytes === 2) this.select(Number(swap(value, 2)));
    else if (offset === Register.dma && bytes === 8) this.transfer(swap(value, 8));
    else if (offset === Register.dma && bytes === 4) this.state.dma = swap(value, 4) << 32n;
    else if (offset === Register.dma + 4 && bytes === 4) this.transfer(this.state.dma | swap(value, 4));
    // Items cannot be written by way of the data register.
    else return offset === Register.data;
    return true;
  }

  private select(key: number): void {
    this.state.key = key & ~WRITE_CHANNEL;
    this.state.offset = 0;
  }

  private byte(at: number): number {
    return this.items.get(this.state.key)?.[at] ?? 0;
  }

  /** Does what the request at an address says: control, length, address, all big-endian. */
  private transfer(at: bigint): void {
    this.state.dma = 0n;
    if (!this.bus.isRam(at, REQUEST_BYTES)) {
      const text = `fw_cfg: the DMA request at 0x${at.toString(16)} is not in RAM, and nothing was transferred.`;
      this.bus.emit({ kind: 'message', text });
      return;
    }
    const raw = this.bus.readPhys(at, REQUEST_BYTES);
    const request = new DataView(raw.buffer, raw.byteOffset, raw.length);
    const control = request.getUint32(0);
    if (control & Control.select) this.select(control >>> 16);
    const done = this.execute(control, request.getUint32(4), request.getBigUint64(8));
    this.bus.writePhys(at, Uint8Array.of(0, 0, 0, done ? 0 : Control.error));
  }

  /** @returns whether it could be done */
  private execute(control: number, length: number, address: bigint): boolean {
    // No item can be written; to write nothing is no error.
    if (!(control & Control.read) && control & Control.write) return length === 0;
    if (control & Control.read) {
      if (length > 0 && !this.bus.isRam(address, length)) return false;
      for (let done = 0; done < length; done += PIECE) {
        const from = this.state.offset + done;
        const piece = Uint8Array.from({ length: Math.min(PIECE, length - done) }, (_, i) =>
          this.byte(from + i),
        );
        this.bus.writePhys(address + BigInt(done), piece);
      }
    }
    if (control & (Control.read | Control.skip)) this.state.offset += length;
    return true;
  }
}
