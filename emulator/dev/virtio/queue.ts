/**
 * Split virtqueues (Virtual I/O Device 1.2, 2.7). Every address and length in them is the guest's: what lies outside RAM or
 * contradicts the standard is a VirtioFault, which the transport turns into DEVICE_NEEDS_RESET.
 */
import type { MachineBus } from '../../core/device';

/** Entries of a queue at most; the standard permits 32768. */
export const QUEUE_MAX = 256;
/** Descriptors of one chain, through an indirect table too. */
const CHAIN_MAX = 1024;

export interface QueueState {
  /** Number of entries, a power of two. */
  size: number;
  ready: boolean;
  /** Guest addresses of the descriptor table, the driver area (available ring) and the device area (used ring). */
  descriptors: bigint;
  driver: bigint;
  device: bigint;
  /** Entries of the available ring that were taken, and of the used ring that were filled; both modulo 2^16. */
  taken: number;
  used: number;
  /** `used` when the driver was last considered for an interrupt. */
  considered: number;
}

export const emptyQueue = (): QueueState => ({
  ...{ size: QUEUE_MAX, ready: false, descriptors: 0n, driver: 0n, device: 0n },
  ...{ taken: 0, used: 0, considered: 0 },
});

/** The driver did what it must not do. The text goes to the user. */
export class VirtioFault extends Error {}

/** Guest memory of one descriptor. */
export interface Segment {
  readonly at: bigint;
  readonly bytes: number;
}

/** What the driver made available as one: first what the device reads, then what it writes. */
export interface Chain {
  readonly head: number;
  readonly readable: readonly Segment[];
  readonly writable: readonly Segment[];
}

interface Descriptor extends Segment {
  readonly flags: number;
  readonly next: number;
}

const DESCRIPTOR_BYTES = 16;
/** Flags of a descriptor. */
const NEXT = 1;
const WRITE = 2;
const INDIRECT = 4;
/** Flag of the available ring. */
const NO_INTERRUPT = 1;
const RING = 4;

/** The part of the bus that a queue needs. */
export type Dma = Pick<MachineBus, 'isRam' | 'readPhys' | 'writePhys'>;

const hex = (v: bigint): string => `0x${v.toString(16)}`;
const wrap = (n: number): number => n & 0xffff;

export const totalBytes = (segments: readonly Segment[]): number =>
  segments.reduce((sum, s) => sum + s.bytes, 0);

/** Reads all segments, one behind the other. */
export function gather(bus: Dma, segments: readonly Segment[]): Uint8Array {
  const out = new Uint8Array(totalBytes(segments));
  let done = 0;
  for (const s of segments) {
    out.set(bus.readPhys(s.at, s.bytes), done);
    done += s.bytes;
  }
  return out;
}

/** Writes data into segments from byte `from` of them on; what does not fit is left out. @returns the number of bytes */
export function scatter(bus: Dma, segments: readonly Segment[], data: Uint8Array, from = 0): number {
  let skip = from;
  let done = 0;
  for (const s of segments) {
    const n = Math.min(s.bytes - skip, data.length - done);
    if (n > 0) {
      bus.writePhys(s.at + BigInt(skip), data.subarray(done, done + n));
      done += n;
    }
    skip = Math.max(0, skip - s.bytes);
  }
  return done;
}

/** A queue for as long as one access lasts: all that stays is in `state`. */
export class Virtqueue {
  constructor(
    private readonly bus: Dma,
    private readonly state: QueueState,
    /** VIRTIO_F_EVENT_IDX was negotiated. */
    private readonly eventIndex: boolean,
  ) {}

  /** Takes the next chain that the driver has made available. @throws VirtioFault */
  take(): Chain | undefined {
    const s = this.state;
    const waiting = wrap(this.half(s.driver + 2n) - s.taken);
    if (waiting === 0) return undefined;
    if (waiting > s.size) throw new VirtioFault(`${waiting} buffers are available in a queue of ${s.size}`);
    const head = this.half(s.driver + BigInt(RING + 2 * (s.taken % s.size)));
    const chain = this.chain(head);
    s.taken = wrap(s.taken + 1);
    return chain;
  }

  /** Gives a chain back: the device wrote its first `written` bytes. @throws VirtioFault */
  give(chain: Chain, written: number): void {
    const s = this.state;
    const element = new DataView(new ArrayBuffer(8));
    element.setUint32(0, chain.head, true);
    element.setUint32(4, written, true);
    this.write(s.device + BigInt(RING + 8 * (s.used % s.size)), new Uint8Array(element.buffer));
    s.used = wrap(s.used + 1);
    this.putHalf(s.device + 2n, s.used);
  }

  /** After one or more were given back: whether the driver wants to be interrupted (2.7.7). @throws VirtioFault */
  shouldInterrupt(): boolean {
    const s = this.state;
    const before = s.considered;
    s.considered = s.used;
    if (before === s.used) return false;
    if (!this.eventIndex) return (this.half(s.driver) & NO_INTERRUPT) === 0;
    const event = this.half(s.driver + BigInt(RING + 2 * s.size));
    return wrap(s.used - event - 1) < wrap(s.used - before);
  }

  /** Asks to be notified of the next chain (2.7.10). @throws VirtioFault */
  askForNotification(): void {
    const s = this.state;
    if (this.eventIndex) this.putHalf(s.device + BigInt(RING + 8 * s.size), s.taken);
  }

  private chain(head: number): Chain {
    const s = this.state;
    if (head >= s.size) throw new VirtioFault(`descriptor ${head} is not in a table of ${s.size}`);
    let d = this.descriptor(s.descriptors, head);
    if (!(d.flags & INDIRECT)) return this.follow(head, d, s.descriptors, s.size);
    if (d.flags & NEXT)
      throw new VirtioFault(`descriptor ${head} has an indirect table and a next descriptor`);
    if (d.bytes === 0 || d.bytes % DESCRIPTOR_BYTES !== 0)
      throw new VirtioFault(`the indirect table of descriptor ${head} has ${d.bytes} bytes`);
    const table = d.at;
    const entries = d.bytes / DESCRIPTOR_BYTES;
    d = this.descriptor(table, 0);
    return this.follow(head, d, table, entries);
  }

  private follow(head: number, first: Descriptor, table: bigint, entries: number): Chain {
    const readable: Segment[] = [];
    const writable: Segment[] = [];
    for (let d = first, n = 1; ; d = this.descriptor(table, d.next), n++) {
      if (d.flags & INDIRECT) throw new VirtioFault('an indirect table is inside of a chain');
      if (d.bytes === 0) throw new VirtioFault('a descriptor has a length of 0');
      this.check(d.at, d.bytes);
      if (d.flags & WRITE) writable.push(d);
      else if (writable.length === 0) readable.push(d);
      else throw new VirtioFault('a buffer to read comes behind one to write');
      if (!(d.flags & NEXT)) return { head, readable, writable };
      if (n === Math.min(entries, CHAIN_MAX))
        throw new VirtioFault(`the chain of descriptor ${head} does not end`);
      if (d.next >= entries) throw new VirtioFault(`descriptor ${d.next} is not in a table of ${entries}`);
    }
  }

  private descriptor(table: bigint, n: number): Descriptor {
    const raw = this.read(table + BigInt(n * DESCRIPTOR_BYTES), DESCRIPTOR_BYTES);
    const view = new DataView(raw.buffer, raw.byteOffset, raw.length);
    return {
      at: view.getBigUint64(0, true),
      bytes: view.getUint32(8, true),
      flags: view.getUint16(12, true),
      next: view.getUint16(14, true),
    };
  }

  private half(at: bigint): number {
    const [low = 0, high = 0] = this.read(at, 2);
    return low | (high << 8);
  }

  private putHalf(at: bigint, value: number): void {
    this.write(at, Uint8Array.of(value & 0xff, value >> 8));
  }

  private read(at: bigint, bytes: number): Uint8Array {
    this.check(at, bytes);
    return this.bus.readPhys(at, bytes);
  }

  private write(at: bigint, data: Uint8Array): void {
    this.check(at, data.length);
    this.bus.writePhys(at, data);
  }

  private check(at: bigint, bytes: number): void {
    if (!this.bus.isRam(at, bytes)) throw new VirtioFault(`${bytes} bytes at ${hex(at)} are not RAM`);
  }
}
