/** Virtio network device (Virtual I/O Device 1.2, 5.1) on a network with one other station, the gateway of gateway.ts. */
import { answer, GUEST_MAC } from './gateway';
import { gather, scatter, totalBytes } from './queue';
import { VirtioDevice, type VirtioPort } from './mmio';

export interface NetState {
  /** Frames for which the guest has given no buffer yet. */
  pending: Uint8Array[];
}

const MAC = 1n << 5n;
const STATUS = 1n << 16n;
/** struct virtio_net_hdr of version 1: no offload is offered, and all but the number of buffers is zero (5.1.6). */
const HEADER = 12;
const NUM_BUFFERS = 10;
/** Ethernet header and 1500 bytes. */
const FRAME_MOST = 1514;
/** Frames that wait at most; more are lost, as on a wire. */
const PENDING_MOST = 64;
const LINK_UP = 1;
const RECEIVE = 0;
const TRANSMIT = 1;

export class VirtioNet extends VirtioDevice<NetState> {
  constructor(name: string, port: VirtioPort) {
    super(name, { id: 1, features: MAC | STATUS, queues: 2 }, port, { pending: [] });
  }

  protected config(): Uint8Array {
    return Uint8Array.of(...GUEST_MAC, LINK_UP, 0);
  }

  protected override wasReset(): void {
    this.state.device.pending = [];
  }

  protected notified(queue: number): void {
    if (queue === TRANSMIT)
      this.serveAll(queue, (chain) => {
        const { pending } = this.state.device;
        // A packet that no Ethernet carries is dropped.
        if (totalBytes(chain.readable) > HEADER + FRAME_MOST) return 0;
        for (const reply of answer(gather(this.bus, chain.readable).subarray(HEADER)))
          if (pending.length < PENDING_MOST) pending.push(reply);
        return 0;
      });
    this.receive();
  }

  private receive(): void {
    const { pending } = this.state.device;
    while (pending.length > 0) {
      const chain = this.take(RECEIVE);
      if (!chain) return;
      const frame = pending.shift()!;
      const packet = new Uint8Array(HEADER + frame.length);
      packet[NUM_BUFFERS] = 1;
      packet.set(frame, HEADER);
      // A buffer that is too short gets nothing of it.
      const fits = totalBytes(chain.writable) >= packet.length;
      this.give(RECEIVE, chain, fits ? scatter(this.bus, chain.writable, packet) : 0);
    }
  }
}
