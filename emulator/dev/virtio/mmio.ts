/**
 * Virtio over MMIO (Virtual I/O Device 1.2, 4.2), version 2: the registers of a transport, which are the same for every
 * device, and transports with nothing behind them. A device works on its queues inside the store that notifies it.
 */
import type { Device, MachineBus } from '../../core/device';
import { type Chain, emptyQueue, QUEUE_MAX, type QueueState, VirtioFault, Virtqueue } from './queue';

/** Bytes of one transport's registers. */
export const TRANSPORT_BYTES = 0x200;

/** Feature bits that all devices offer (6, 2.7). */
const INDIRECT_DESCRIPTORS = 1n << 28n;
const EVENT_INDEX = 1n << 29n;
const VERSION_1 = 1n << 32n;
const common = INDIRECT_DESCRIPTORS | EVENT_INDEX | VERSION_1;

/** Device status bits (2.1). */
const FEATURES_OK = 8;
const DRIVER_OK = 4;
const NEEDS_RESET = 0x40;
/** Interrupt status bits (4.2.2). */
const USED_BUFFER = 1;
const CONFIGURATION = 2;

/** Registers (4.2.2, table 4.1). */
const Reg = {
  ...{ magic: 0x000, version: 0x004, deviceId: 0x008, vendorId: 0x00c },
  ...{ deviceFeatures: 0x010, deviceFeaturesSel: 0x014, driverFeatures: 0x020, driverFeaturesSel: 0x024 },
  ...{ queueSel: 0x030, queueNumMax: 0x034, queueNum: 0x038, queueReady: 0x044, queueNotify: 0x050 },
  ...{ interruptStatus: 0x060, interruptAck: 0x064, status: 0x070 },
  ...{ queueDesc: 0x080, queueDriver: 0x090, queueDevice: 0x0a0 },
  ...{ shmLen: 0x0b0, shmBase: 0x0b8, config: 0x100 },
} as const;

/** "virt" */
const MAGIC = 0x74726976;
/** "QEMU", as on the board that this one follows. */
const VENDOR = 0x554d4551;
/** The standard's interface; 1 is the legacy one. */
const VERSION = 2;

/** What a transport remembers; `device` is the state of what is behind it. */
export interface TransportState<S> {
  status: number;
  deviceFeaturesSel: number;
  driverFeaturesSel: number;
  driverFeatures: bigint;
  queueSel: number;
  interrupts: number;
  queues: QueueState[];
  device: S;
}

/** What distinguishes one kind of device from others. */
export interface VirtioModel {
  /** Device ID (5). */
  readonly id: number;
  /** Its own feature bits. */
  readonly features: bigint;
  readonly queues: number;
}

/** What a device is connected to. */
export interface VirtioPort {
  readonly bus: MachineBus;
  readonly setLine: (level: boolean) => void;
}

/** A virtio device behind its transport. */
export abstract class VirtioDevice<S extends object> implements Device {
  readonly size = TRANSPORT_BYTES;
  readonly state: TransportState<S>;
  protected readonly bus: MachineBus;
  private readonly setLine: (level: boolean) => void;

  constructor(
    readonly name: string,
    private readonly model: VirtioModel,
    port: VirtioPort,
    device: S,
  ) {
    this.bus = port.bus;
    this.setLine = port.setLine;
    this.state = { ...cleared(model.queues), device };
  }

  /** The configuration space. */
  protected abstract config(): Uint8Array;
  /** The driver has made chains available in a queue. @throws VirtioFault */
  protected abstract notified(queue: number): void;
  /** A store into the configuration space. */
  protected configWritten(_offset: number, _value: number): void {
    // Of most devices it is read-only.
  }
  /** The driver resets the device: what belongs to its requests is dropped. */
  protected wasReset(): void {
    // Most devices have nothing else than their queues.
  }

  // --- queues -----------------------------------------------------------------------------------------------------

  /** The next chain of a queue, if the driver is ready and has made one available. @throws VirtioFault */
  protected take(queue: number): Chain | undefined {
    return this.queue(queue)?.take();
  }

  /** Gives a chain back. @throws VirtioFault */
  protected give(queue: number, chain: Chain, written: number): void {
    this.queue(queue)?.give(chain, written);
  }

  /** Handles each chain of a queue; `serve` returns the number of bytes that it wrote. @throws VirtioFault */
  protected serveAll(queue: number, serve: (chain: Chain) => number): void {
    for (let chain = this.take(queue); chain; chain = this.take(queue)) this.give(queue, chain, serve(chain));
  }

  /** Does something with queues, then interrupts the driver where it wants that. What is wrong stops the device. */
  protected work(body: () => void): void {
    const s = this.state;
    if ((s.status & (DRIVER_OK | NEEDS_RESET)) !== DRIVER_OK) return;
    try {
      body();
      for (let n = 0; n < s.queues.length; n++) {
        const queue = this.queue(n);
        queue?.askForNotification();
        if (queue?.shouldInterrupt()) s.interrupts |= USED_BUFFER;
      }
    } catch (error) {
      if (!(error instanceof VirtioFault)) throw error;
      s.status |= NEEDS_RESET;
      s.interrupts |= CONFIGURATION;
      const text = `The virtio device ${this.name} needs a reset (DEVICE_NEEDS_RESET): ${error.message}.`;
      this.bus.emit({ kind: 'message', text });
    }
    this.updateLine();
  }

  private queue(n: number): Virtqueue | undefined {
    const state = this.state.queues[n];
    const eventIndex = (this.state.driverFeatures & EVENT_INDEX) !== 0n;
    return state?.ready ? new Virtqueue(this.bus, state, eventIndex) : undefined;
  }

  // --- registers --------------------------------------------------------------------------------------------------

  read(offset: number, bytes: number): bigint {
    return this.peek(offset, bytes);
  }

  peek(offset: number, bytes: number): bigint {
    if (offset >= Reg.config) return this.readConfig(offset - Reg.config, bytes);
    // Registers are read as words (4.2.2.2); another width is a driver's mistake and reads zero.
    return bytes === 4 ? BigInt(this.register(offset) >>> 0) : 0n;
  }

  write(offset: number, bytes: number, value: bigint): boolean {
    if (offset >= Reg.config) this.configWritten(offset - Reg.config, Number(BigInt.asUintN(32, value)));
    else if (bytes === 4) this.writeRegister(offset, Number(value));
    return true;
  }

  restored(): void {
    this.updateLine();
  }

  private readConfig(offset: number, bytes: number): bigint {
    const config = this.config();
    let value = 0n;
    for (let i = bytes - 1; i >= 0; i--) value = (value << 8n) | BigInt(config[offset + i] ?? 0xff);
    return value;
  }

  private register(offset: number): number {
    const s = this.state;
    const queue = s.queues[s.queueSel];
    switch (offset) {
      case Reg.magic:
        return MAGIC;
      case Reg.version:
        return VERSION;
      case Reg.deviceId:
        return this.model.id;
      case Reg.vendorId:
        return VENDOR;
      case Reg.deviceFeatures:
        return half(this.offered(), s.deviceFeaturesSel);
      case Reg.queueNumMax:
        return queue ? QUEUE_MAX : 0;
      case Reg.queueReady:
        return queue?.ready ? 1 : 0;
      case Reg.interruptStatus:
        return s.interrupts;
      case Reg.status:
        return s.status;
      case Reg.shmLen:
      case Reg.shmLen + 4:
      case Reg.shmBase:
      case Reg.shmBase + 4:
        // There is no shared memory region (4.2.2).
        return 0xffffffff;
      default:
        return 0;
    }
  }

  private offered(): bigint {
    return this.model.features | common;
  }

  private writeRegister(offset: number, value: number): void {
    const s = this.state;
    const queue = s.queues[s.queueSel];
    switch (offset) {
      case Reg.deviceFeaturesSel:
        s.deviceFeaturesSel = value;
        break;
      case Reg.driverFeaturesSel:
        s.driverFeaturesSel = value;
        break;
      case Reg.driverFeatures:
        // Fixed once they are agreed upon (3.1.1).
        if (!(s.status & FEATURES_OK) && s.driverFeaturesSel < 2)
          s.driverFeatures = withHalf(s.driverFeatures, s.driverFeaturesSel, value);
        break;
      case Reg.queueSel:
        s.queueSel = value;
        break;
      case Reg.queueNum:
        if (queue && isQueueSize(value)) queue.size = value;
        break;
      case Reg.queueReady:
        if (queue) queue.ready = (value & 1) !== 0;
        break;
      case Reg.queueNotify:
        this.work(() => this.notified(value));
        break;
      case Reg.interruptAck:
        s.interrupts &= ~value;
        this.updateLine();
        break;
      case Reg.status:
        this.setStatus(value & 0xff);
        break;
      default:
        if (queue) writeAddress(queue, offset, value);
    }
  }

  private setStatus(value: number): void {
    const s = this.state;
    if (value === 0) {
      Object.assign(s, cleared(this.model.queues));
      this.wasReset();
      this.updateLine();
      return;
    }
    const accepted = (s.driverFeatures & ~this.offered()) === 0n && (s.driverFeatures & VERSION_1) !== 0n;
    const wants = value & ~s.status & FEATURES_OK;
    s.status = (wants && !accepted ? value & ~FEATURES_OK : value) | (s.status & NEEDS_RESET);
    // What came while the driver was not ready.
    if (value & DRIVER_OK) this.work(() => s.queues.forEach((_, n) => this.notified(n)));
  }

  private updateLine(): void {
    this.setLine(this.state.interrupts !== 0);
  }
}

/** What a reset leaves of a transport. */
const cleared = (queues: number): Omit<TransportState<never>, 'device'> => ({
  ...{
    status: 0,
    deviceFeaturesSel: 0,
    driverFeaturesSel: 0,
    driverFeatures: 0n,
    queueSel: 0,
    interrupts: 0,
  },
  queues: Array.from({ length: queues }, emptyQueue),
});

const isQueueSize = (n: number): boolean => n > 0 && n <= QUEUE_MAX && (n & (n - 1)) === 0;

/** 32 bits of a 64-bit register; there are no others. */
const half = (value: bigint, n: number): number =>
  n < 2 ? Number((value >> BigInt(32 * n)) & 0xffffffffn) : 0;

function withHalf(value: bigint, n: number, bits: number): bigint {
  const shift = BigInt(32 * n);
  return (value & ~(0xffffffffn << shift)) | (BigInt(bits) << shift);
}

const addresses: Readonly<Record<number, 'descriptors' | 'driver' | 'device'>> = {
  [Reg.queueDesc]: 'descriptors',
  [Reg.queueDriver]: 'driver',
  [Reg.queueDevice]: 'device',
};

function writeAddress(queue: QueueState, offset: number, value: number): void {
  const name = addresses[offset & ~4];
  if (name) queue[name] = withHalf(queue[name], (offset >> 2) & 1, value);
}

const empty: Readonly<Record<number, number>> = {
  [Reg.magic]: MAGIC,
  [Reg.version]: VERSION,
  [Reg.vendorId]: VENDOR,
};

/** Transports without a device: device ID 0 tells a driver to leave them alone (4.2.2.2). */
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
    return bytes === 4 ? BigInt(empty[offset % TRANSPORT_BYTES] ?? 0) : 0n;
  }

  write(): boolean {
    return true;
  }
}
