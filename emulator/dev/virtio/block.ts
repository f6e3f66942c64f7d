/**
 * Virtio block device (Virtual I/O Device 1.2, 5.2). What the guest writes stays in memory, over a disk that is only read;
 * a disk that keeps what is written is told of it when the guest flushes.
 */
import { type Chain, gather, scatter, totalBytes, VirtioFault } from './queue';
import { VirtioDevice, type VirtioPort } from './mmio';

export const SECTOR = 512;
/** What the guest writes is held in blocks of so many bytes. */
export const DISK_BLOCK = 4096;
/** What a guest may write on one disk. */
const OVERLAY_BYTES = 2 ** 30;
/** Data of one request; a driver that asks for more gets an error. */
const REQUEST_BYTES = 2 ** 26;

/** Where the contents of a disk come from. As input of the machine they must not change while it runs. */
export interface Disk {
  /** Bytes, a multiple of 512. */
  readonly bytes: number;
  /** The contents as they were when the machine started; undefined when they cannot be read. */
  read(offset: number, length: number): Uint8Array | undefined;
  /**
   * Takes all blocks that the guest has written so far, by block number: to be kept. @returns why they cannot be, or
   * undefined. Absent for a disk that is to stay as it is.
   */
  keep?(blocks: ReadonlyMap<number, Uint8Array>): string | undefined;
}

export interface BlockState {
  /** Blocks that the guest has written. A block is replaced by a new array, never changed. */
  overlay: Map<number, Uint8Array>;
}

const SEGMENTS_MAX = 1n << 2n;
const BLOCK_SIZE = 1n << 6n;
const FLUSH = 1n << 9n;

const Request = { read: 0, write: 1, flush: 4, identify: 8 } as const;
const Status = { ok: 0, error: 1, unsupported: 2 } as const;
/** Type, reserved word and sector, before the data of a request. */
const HEADER = 16;
const SERIAL_BYTES = 20;

export class VirtioBlock extends VirtioDevice<BlockState> {
  constructor(
    name: string,
    port: VirtioPort,
    private readonly disk: Disk,
  ) {
    super(name, { id: 2, features: SEGMENTS_MAX | BLOCK_SIZE | FLUSH, queues: 1 }, port, {
      overlay: new Map(),
    });
  }

  /** Hands what was written to a disk that keeps it. @returns false when that went wrong */
  keep(): boolean {
    const problem = this.disk.keep?.(this.state.device.overlay);
    if (problem !== undefined) this.tell(`does not keep what the guest has written: ${problem}`);
    return problem === undefined;
  }

  protected config(): Uint8Array {
    const view = new DataView(new ArrayBuffer(60));
    view.setBigUint64(0, BigInt(this.disk.bytes / SECTOR), true);
    // seg_max: the longest chain of a queue without header and status.
    view.setUint32(12, 254, true);
    view.setUint32(20, SECTOR, true);
    return new Uint8Array(view.buffer);
  }

  protected notified(queue: number): void {
    this.serveAll(queue, (chain) => this.serve(chain));
  }

  /** One request: a header, data, and a byte for its status at the very end. @returns how many bytes were written */
  private serve(chain: Chain): number {
    const room = totalBytes(chain.writable);
    const sent = totalBytes(chain.readable);
    if (sent < HEADER || room < 1)
      throw new VirtioFault('a request of the block device has no header or no place for its status');
    const status = this.execute(chain, sent, room - 1);
    scatter(this.bus, chain.writable, Uint8Array.of(status), room - 1);
    return room;
  }

  private execute(chain: Chain, sent: number, room: number): number {
    if (sent + room > REQUEST_BYTES) return Status.error;
    const data = gather(this.bus, chain.readable);
    const header = new DataView(data.buffer);
    const at = header.getBigUint64(8, true) * BigInt(SECTOR);
    switch (header.getUint32(0, true)) {
      case Request.read:
        return this.readTo(chain, at, room);
      case Request.write:
        return this.writeFrom(at, data.subarray(HEADER));
      case Request.flush:
        return this.keep() ? Status.ok : Status.error;
      case Request.identify: {
        const serial = new Uint8Array(SERIAL_BYTES);
        serial.set(new TextEncoder().encode(this.name).subarray(0, SERIAL_BYTES));
        scatter(this.bus, chain.writable, serial.subarray(0, room));
        return Status.ok;
      }
      default:
        return Status.unsupported;
    }
  }

  private isInside(at: bigint, bytes: number): boolean {
    return bytes % SECTOR === 0 && at + BigInt(bytes) <= BigInt(this.disk.bytes);
  }

  private readTo(chain: Chain, at: bigint, bytes: number): number {
    if (!this.isInside(at, bytes)) return Status.error;
    const data = this.contents(Number(at), bytes);
    if (!data) return Status.error;
    scatter(this.bus, chain.writable, data);
    return Status.ok;
  }

  private writeFrom(at: bigint, data: Uint8Array): number {
    if (!this.isInside(at, data.length)) return Status.error;
    const { overlay } = this.state.device;
    if (overlay.size * DISK_BLOCK + data.length > OVERLAY_BYTES) {
      this.tell(`has no more memory for what the guest writes (${OVERLAY_BYTES / 2 ** 20} MiB)`);
      return Status.error;
    }
    for (let done = 0; done < data.length;) {
      const from = Number(at) + done;
      const block = Math.floor(from / DISK_BLOCK);
      const inBlock = from % DISK_BLOCK;
      const n = Math.min(DISK_BLOCK - inBlock, data.length - done);
      const fresh = new Uint8Array(DISK_BLOCK);
      if (n < DISK_BLOCK) {
        const start = block * DISK_BLOCK;
        const old = this.contents(start, Math.min(DISK_BLOCK, this.disk.bytes - start));
        if (!old) return Status.error;
        fresh.set(old);
      }
      fresh.set(data.subarray(done, done + n), inBlock);
      overlay.set(block, fresh);
      done += n;
    }
    return Status.ok;
  }

  /** What the guest reads there: the disk, and over it what was written. */
  private contents(at: number, bytes: number): Uint8Array | undefined {
    const { overlay } = this.state.device;
    const first = Math.floor(at / DISK_BLOCK);
    const end = Math.ceil((at + bytes) / DISK_BLOCK);
    let isAllWritten = overlay.size > 0;
    for (let block = first; isAllWritten && block < end; block++) isAllWritten = overlay.has(block);
    const out = new Uint8Array(bytes);
    if (!isAllWritten) {
      const original = this.disk.read(at, bytes);
      if (original?.length !== bytes) {
        this.tell(`cannot be read at byte ${at}: is its file still as it was when the machine started`);
        return undefined;
      }
      out.set(original);
    }
    for (let block = first; block < end; block++) {
      const written = overlay.get(block);
      if (!written) continue;
      const from = Math.max(at, block * DISK_BLOCK);
      const to = Math.min(at + bytes, (block + 1) * DISK_BLOCK);
      out.set(written.subarray(from - block * DISK_BLOCK, to - block * DISK_BLOCK), from - at);
    }
    return out;
  }

  private tell(what: string): void {
    this.bus.emit({ kind: 'message', text: `The disk ${this.name} ${what}.` });
  }
}
