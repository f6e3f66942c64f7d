/** A driver for virtio-mmio made of single accesses, so that a device here and one of QEMU can be given the same ones. */
import type { Device } from '../../core/device';
import type { FakeBus } from './fake-bus';

/** One access; the same shape as test/support/qemu-script.ts takes. */
export type DriverOp =
  | { readonly op: 'read'; readonly at: bigint; readonly bytes: 1 | 2 | 4 | 8 }
  | {
      readonly op: 'write' | 'await';
      readonly at: bigint;
      readonly bytes: 1 | 2 | 4 | 8;
      readonly value: bigint;
    };

/** Memory that a descriptor names. */
export interface Piece {
  readonly at: bigint;
  readonly bytes: number;
  readonly isWritable?: boolean;
  /** More flags, and the next descriptor instead of the one that follows: for chains that are wrong. */
  readonly flags?: number;
  readonly next?: number;
}

export const Feature = { indirect: 1n << 28n, eventIndex: 1n << 29n, version1: 1n << 32n } as const;
export const QUEUE_SIZE = 16;
/** Bytes that a queue's rings take; the table comes first, then the two rings. */
export const QUEUE_BYTES = 0x1000;
const DRIVER_AREA = 0x400;
const DEVICE_AREA = 0x800;

/** Collects accesses to one device. Queues lie one behind the other from `rings` on. */
export class VirtioDriver {
  readonly ops: DriverOp[] = [];
  private readonly available = new Map<number, number>();
  private nextDescriptor = 0;

  constructor(
    readonly base: bigint,
    readonly rings: bigint,
  ) {}

  put(at: bigint, value: number | bigint, bytes: 1 | 2 | 4 | 8 = 4): void {
    this.ops.push({ op: 'write', at, bytes, value: BigInt.asUintN(8 * bytes, BigInt(value)) });
  }

  get(at: bigint, bytes: 1 | 2 | 4 | 8 = 4): void {
    this.ops.push({ op: 'read', at, bytes });
  }

  wait(at: bigint, value: number, bytes: 2 | 4): void {
    this.ops.push({ op: 'await', at, bytes, value: BigInt(value) });
  }

  register(offset: number, value: number | bigint): void {
    this.put(this.base + BigInt(offset), value);
  }

  readRegister(offset: number): void {
    this.get(this.base + BigInt(offset));
  }

  /** Bytes into memory. */
  fill(at: bigint, bytes: Uint8Array): void {
    const padded = new Uint8Array(Math.ceil(bytes.length / 8) * 8);
    padded.set(bytes);
    const view = new DataView(padded.buffer);
    for (let i = 0; i < padded.length; i += 8) this.put(at + BigInt(i), view.getBigUint64(i, true), 8);
  }

  /** The steps of 3.1.1, up to a device that works. */
  start(features: bigint, queues: number): void {
    this.available.clear();
    this.nextDescriptor = 0;
    for (const status of [0, 1, 3]) this.register(0x70, status);
    for (const half of [0, 1]) {
      this.register(0x24, half);
      this.register(0x20, (features >> BigInt(32 * half)) & 0xffffffffn);
    }
    this.register(0x70, 0xb);
    this.readRegister(0x70);
    for (let queue = 0; queue < queues; queue++) {
      this.register(0x30, queue);
      this.register(0x38, QUEUE_SIZE);
      const at = this.rings + BigInt(queue * QUEUE_BYTES);
      for (let i = 0; i < QUEUE_BYTES; i += 8) this.put(at + BigInt(i), 0, 8);
      for (const [register, area] of [
        [0x80, 0],
        [0x90, DRIVER_AREA],
        [0xa0, DEVICE_AREA],
      ] as const) {
        this.register(register, (at + BigInt(area)) & 0xffffffffn);
        this.register(register + 4, (at + BigInt(area)) >> 32n);
      }
      this.register(0x44, 1);
    }
    this.register(0x70, 0xf);
  }

  /** Goes on where another driver is: its part of a snapshot. */
  takeOver(other: VirtioDriver): void {
    for (const [queue, n] of other.available) this.available.set(queue, n);
    this.nextDescriptor = other.nextDescriptor;
  }

  driverArea(queue: number, offset: number): bigint {
    return this.rings + BigInt(queue * QUEUE_BYTES + DRIVER_AREA + offset);
  }

  deviceArea(queue: number, offset: number): bigint {
    return this.rings + BigInt(queue * QUEUE_BYTES + DEVICE_AREA + offset);
  }

  /** Writes descriptors from entry `first` of a table on, each but the last with a next one. */
  chain(table: bigint, pieces: readonly Piece[], first = 0): void {
    pieces.forEach(({ at, bytes, isWritable, flags = 0, next }, i) => {
      const entry = table + BigInt(16 * (first + i));
      const more = i + 1 < pieces.length ? 1 : 0;
      this.put(entry, at, 8);
      this.put(entry + 8n, bytes);
      this.put(entry + 12n, flags | more | (isWritable ? 2 : 0), 2);
      this.put(entry + 14n, next ?? first + i + 1, 2);
    });
  }

  /** Makes a chain available: of descriptors in the queue's table, or in one at `indirect`. @returns its head */
  offer(queue: number, pieces: readonly Piece[], indirect?: bigint): number {
    const table = this.rings + BigInt(queue * QUEUE_BYTES);
    const list = indirect === undefined ? pieces : [{ at: indirect, bytes: 16 * pieces.length, flags: 4 }];
    if (indirect !== undefined) this.chain(indirect, pieces);
    if (this.nextDescriptor + list.length > QUEUE_SIZE) this.nextDescriptor = 0;
    const head = this.nextDescriptor;
    this.nextDescriptor += list.length;
    this.chain(table, list, head);
    this.makeAvailable(queue, head);
    return head;
  }

  makeAvailable(queue: number, head: number): void {
    const n = this.available.get(queue) ?? 0;
    this.put(this.driverArea(queue, 4 + 2 * (n % QUEUE_SIZE)), head, 2);
    this.available.set(queue, n + 1);
    this.put(this.driverArea(queue, 2), n + 1, 2);
  }

  /** Notifies the device. */
  kick(queue: number): void {
    this.register(0x50, queue);
  }

  /** Notifies the device, waits until it has used all that is available, and reads the last `count` used elements. */
  finish(queue: number, count = 1): void {
    this.kick(queue);
    const n = this.available.get(queue) ?? 0;
    this.wait(this.deviceArea(queue, 2), n & 0xffff, 2);
    this.get(this.deviceArea(queue, 2), 2);
    for (let i = n - count; i < n; i++) this.get(this.deviceArea(queue, 4 + 8 * (i % QUEUE_SIZE)), 8);
  }

  /** Interrupt status, which is then acknowledged. */
  acknowledge(): void {
    this.readRegister(0x60);
    this.register(0x64, 3);
    this.readRegister(0x60);
  }
}

/** Executes accesses on devices here. What a device does it does at once: there is nothing to wait for. @returns what was read */
export function execute(
  bus: FakeBus,
  devices: readonly { readonly base: bigint; readonly device: Device }[],
  ops: readonly DriverOp[],
): bigint[] {
  const out: bigint[] = [];
  for (const o of ops) {
    if (o.op === 'await') continue;
    const found = devices.find(({ base, device }) => o.at >= base && o.at < base + BigInt(device.size));
    if (found) {
      const offset = Number(o.at - found.base);
      if (o.op === 'write') found.device.write(offset, o.bytes, o.value, 0);
      else out.push(found.device.read(offset, o.bytes, 0) ?? -1n);
    } else if (o.op === 'write') {
      bus.writePhys(
        o.at,
        Uint8Array.from({ length: o.bytes }, (_, i) => Number((o.value >> BigInt(8 * i)) & 0xffn)),
      );
    } else out.push(bus.readPhys(o.at, o.bytes).reduceRight((v, b) => (v << 8n) | BigInt(b), 0n));
  }
  return out;
}
