/** Virtio console with one port (Virtual I/O Device 1.2, 5.3). */
import { gather, scatter, totalBytes } from './queue';
import { VirtioDevice, type VirtioPort } from './mmio';

export interface ConsoleState {
  /** Input that the guest has given no buffer for yet. */
  pending: number[];
}

/** Input that waits at most; more is lost, as on a line without flow control. */
const PENDING_MOST = 1 << 16;
const EMERGENCY_WRITE = 1n << 2n;
/** Offset of emerg_wr, behind columns, rows and number of ports. */
const EMERGENCY = 8;
const CONFIG_BYTES = 12;
const RECEIVE = 0;
const TRANSMIT = 1;

export class VirtioConsole extends VirtioDevice<ConsoleState> {
  constructor(name: string, port: VirtioPort) {
    super(name, { id: 3, features: EMERGENCY_WRITE, queues: 2 }, port, { pending: [] });
  }

  /** Somebody types. */
  input(bytes: Uint8Array): void {
    const { pending } = this.state.device;
    pending.push(...bytes.subarray(0, PENDING_MOST - pending.length));
    this.work(() => this.receive());
  }

  protected config(): Uint8Array {
    const config = new Uint8Array(CONFIG_BYTES);
    // max_nr_ports
    config[4] = 1;
    return config;
  }

  protected override configWritten(offset: number, value: number): void {
    // Works without a driver that is ready, too (5.3.4).
    if (offset === EMERGENCY) this.emit(Uint8Array.of(value & 0xff));
  }

  protected notified(queue: number): void {
    if (queue === RECEIVE) this.receive();
    if (queue === TRANSMIT)
      this.serveAll(queue, (chain) => {
        this.emit(gather(this.bus, chain.readable));
        return 0;
      });
  }

  private receive(): void {
    const s = this.state.device;
    while (s.pending.length > 0) {
      const chain = this.take(RECEIVE);
      if (!chain) return;
      const piece = s.pending.splice(0, totalBytes(chain.writable));
      this.give(RECEIVE, chain, scatter(this.bus, chain.writable, Uint8Array.from(piece)));
    }
  }

  private emit(bytes: Uint8Array): void {
    if (bytes.length > 0) this.bus.emit({ kind: 'console', port: this.name, bytes });
  }
}
