/**
 * What stands behind the board's virtio transports: the disks, then other devices, in the order of their list at the last
 * transports. A kernel that goes through the device tree gives the first of a kind its first name (vda, eth0). A single
 * device has the transport that QEMU gives it.
 */
import type { Board, MachineBus } from '../core/device';
import { type Disk, VirtioBlock } from '../dev/virtio/block';
import { VirtioConsole } from '../dev/virtio/console';
import { EmptyVirtio, TRANSPORT_BYTES, type VirtioDevice, type VirtioPort } from '../dev/virtio/mmio';
import { VirtioNet } from '../dev/virtio/net';
import { VirtioRandom } from '../dev/virtio/random';
import { region, VIRTIO_TRANSPORTS } from './map';

/** Devices that a machine may have once. */
export const virtioNames = ['console', 'net', 'rng'] as const;
export type VirtioName = (typeof virtioNames)[number];

export interface VirtioOptions {
  readonly disks?: readonly Disk[];
  readonly virtio?: readonly VirtioName[];
  /** What the numbers of `rng` follow from. */
  readonly seed?: number;
}

/** The input port of `console`; a kernel's name for it. */
export const CONSOLE_PORT = 'hvc0';

const makers: Readonly<
  Record<VirtioName, (port: VirtioPort, options: VirtioOptions) => VirtioDevice<object>>
> = {
  console: (port) => new VirtioConsole(CONSOLE_PORT, port),
  net: (port) => new VirtioNet('net0', port),
  rng: (port, { seed = 0 }) => new VirtioRandom('rng0', port, seed),
};

/** The devices of all transports. `setLine` drives the interrupt of one. */
export class Virtio {
  readonly devices: Board['devices'];
  readonly disks: readonly VirtioBlock[];
  readonly console: VirtioConsole | undefined;

  constructor(bus: MachineBus, setLine: (transport: number, level: boolean) => void, options: VirtioOptions) {
    const { disks = [], virtio = [] } = options;
    const first = VIRTIO_TRANSPORTS - disks.length - virtio.length;
    if (first < 0) throw new Error(`The board has ${VIRTIO_TRANSPORTS} virtio devices at most.`);
    const port = (n: number): VirtioPort => ({ bus, setLine: (level) => setLine(first + n, level) });
    this.disks = disks.map((disk, n) => new VirtioBlock(`disk${n}`, port(n), disk));
    const others = virtio.map((name, n) => makers[name](port(disks.length + n), options));
    this.console = others.find((d) => d instanceof VirtioConsole);
    const base = region('virtio').base;
    const at = (n: number): bigint => base + BigInt((first + n) * TRANSPORT_BYTES);
    this.devices = [
      ...[...this.disks, ...others].map((device, n) => ({ base: at(n), device })),
      { base, device: new EmptyVirtio('virtio', first) },
    ].filter(({ device }) => device.size > 0);
  }
}
