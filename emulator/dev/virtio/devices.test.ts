import assert from 'node:assert/strict';
import type { Device } from '../../core/device';
import { FakeBus, RAM } from '../testing/fake-bus';
import { execute, Feature, VirtioDriver } from '../testing/virtio-driver';
import { VirtioConsole } from './console';
import { GUEST_MAC } from './gateway';
import type { VirtioDevice } from './mmio';
import { VirtioNet } from './net';
import { VirtioRandom } from './random';

const BASE = 0x0a00_3e00n;
const DATA = RAM + 0x1_0000n;
const HEADER = 12;

interface Rig<D> {
  readonly bus: FakeBus;
  readonly device: D;
  readonly driver: VirtioDriver;
  readonly line: () => boolean;
  /** Executes what the driver has collected. */
  readonly run: () => bigint[];
}

function rig<D extends Device>(
  make: (port: { bus: FakeBus; setLine: (level: boolean) => void }) => D,
  queues: number,
): Rig<D> {
  const bus = new FakeBus(1);
  let level = false;
  const device = make({ bus, setLine: (l) => (level = l) });
  const driver = new VirtioDriver(BASE, RAM);
  driver.start(Feature.version1, queues);
  const run = (): bigint[] => execute(bus, [{ base: BASE, device }], driver.ops.splice(0));
  run();
  return { bus, device, driver, line: () => level, run };
}

/** Used elements of a queue so far: head and length. */
function used({ bus, driver }: Rig<unknown>, queue: number): [number, number][] {
  const at = (offset: number, bytes: number): number =>
    bus.readPhys(driver.deviceArea(queue, offset), bytes).reduceRight((v, b) => v * 256 + b, 0);
  return Array.from({ length: at(2, 2) }, (_, n) => [at(4 + 8 * n, 4), at(8 + 8 * n, 4)]);
}

/** After a copy of all state a device does the same as the one that it was copied from. */
function assertSnapshot<S extends object, D extends VirtioDevice<S>>(
  before: Rig<D>,
  fresh: Rig<D>,
  go: (r: Rig<D>) => void,
): void {
  fresh.bus.ram.set(before.bus.ram);
  Object.assign(fresh.device.state, structuredClone(before.device.state));
  fresh.device.restored();
  fresh.bus.events.push(...before.bus.events);
  assert.equal(fresh.line(), before.line());
  // The driver is part of the guest.
  fresh.driver.takeOver(before.driver);
  for (const r of [before, fresh]) go(r);
  assert.deepEqual(fresh.device.state, before.device.state);
  assert.deepEqual(fresh.bus.ram, before.bus.ram);
  assert.deepEqual(fresh.bus.events, before.bus.events);
  assert.equal(fresh.line(), before.line());
}

describe('virtio entropy device', () => {
  const make = (seed: number): Rig<VirtioRandom> => rig((port) => new VirtioRandom('rng0', port, seed), 1);
  function numbers(r: Rig<VirtioRandom>, lengths: readonly number[]): string {
    let at = DATA;
    const pieces = lengths.map((bytes) => {
      const piece = { at, bytes, isWritable: true };
      at += BigInt(bytes);
      return piece;
    });
    r.driver.offer(0, pieces);
    r.driver.kick(0);
    r.run();
    return Buffer.from(r.bus.readPhys(DATA, Number(at - DATA))).toString('hex');
  }

  it('fills buffers with numbers that only its seed decides', () => {
    const [a, b, c] = [make(1), make(1), make(2)];
    const first = numbers(a, [64]);
    assert.equal(numbers(b, [10, 54]), first);
    assert.notEqual(numbers(c, [64]), first);
    assert.notEqual(numbers(a, [64]), first);
    assert.deepEqual(used(a, 0), [
      [0, 64],
      [1, 64],
    ]);
    assert.equal(a.line(), true);
  });

  it('gives bytes that are evenly spread', () => {
    const bytes = Buffer.from(numbers(make(0), [4096]), 'hex');
    const counts = new Uint32Array(256);
    for (const b of bytes) counts[b]!++;
    // Chi-square with 255 degrees of freedom: mean 255, standard deviation 22.6.
    const chi = counts.reduce((sum, n) => sum + (n - 16) ** 2 / 16, 0);
    assert.ok(chi > 165 && chi < 345, `${chi}`);
  });

  it('gives 4 KiB at most for one buffer, and says so', () => {
    const r = make(0);
    numbers(r, [5000]);
    assert.deepEqual(used(r, 0), [[0, 4096]]);
  });

  it('goes on from a snapshot with the same numbers', () => {
    const before = make(3);
    numbers(before, [33]);
    assertSnapshot(before, make(3), (r) => void numbers(r, [100]));
  });
});

describe('virtio console', () => {
  const make = (): Rig<VirtioConsole> => rig((port) => new VirtioConsole('hvc0', port), 2);
  const said = ({ bus }: Rig<unknown>): string =>
    bus.events
      .map((e) => (e.kind === 'console' ? `${e.port}:${Buffer.from(e.bytes).toString()}|` : ''))
      .join('');
  const type = (r: Rig<VirtioConsole>, text: string): void => r.device.input(Buffer.from(text));
  function listen(r: Rig<VirtioConsole>, at: bigint, bytes: number): void {
    r.driver.offer(0, [{ at, bytes, isWritable: true }]);
    r.driver.kick(0);
    r.run();
  }

  it('says what the guest transmits, and interrupts when it has', () => {
    const r = make();
    r.bus.writePhys(DATA, Buffer.from('hello world'));
    r.driver.offer(1, [
      { at: DATA, bytes: 5 },
      { at: DATA + 6n, bytes: 5 },
    ]);
    r.driver.kick(1);
    r.driver.acknowledge();
    assert.deepEqual(r.run(), [1n, 0n]);
    assert.equal(said(r), 'hvc0:helloworld|');
    assert.deepEqual(used(r, 1), [[0, 0]]);
  });

  it('gives input to buffers as they come, and keeps what has none', () => {
    const r = make();
    listen(r, DATA, 4);
    assert.equal(r.line(), false);
    type(r, 'abcdefgh');
    assert.equal(r.line(), true);
    assert.deepEqual(used(r, 0), [[0, 4]]);
    assert.equal(Buffer.from(r.bus.readPhys(DATA, 4)).toString(), 'abcd');
    listen(r, DATA + 0x10n, 100);
    assert.deepEqual(used(r, 0)[1], [1, 4]);
    assert.equal(Buffer.from(r.bus.readPhys(DATA + 0x10n, 5)).toString(), 'efgh\0');
  });

  it('keeps input of a guest that is not ready yet, up to 64 KiB', () => {
    const bus = new FakeBus(1);
    const device = new VirtioConsole('hvc0', { bus, setLine: () => undefined });
    device.input(new Uint8Array(70_000).fill(65));
    assert.equal(device.state.device.pending.length, 65_536);
  });

  it('writes a character without a driver', () => {
    const r = make();
    r.driver.register(0x70, 0);
    r.driver.register(0x108, 0x21);
    r.run();
    assert.equal(said(r), 'hvc0:!|');
  });

  it('goes on from a snapshot with the input that waits', () => {
    const before = make();
    type(before, 'waiting');
    assertSnapshot(before, make(), (r) => {
      listen(r, DATA, 3);
      type(r, '!');
      listen(r, DATA + 8n, 20);
    });
    assert.equal(Buffer.from(before.bus.readPhys(DATA + 8n, 5)).toString(), 'ting!');
  });
});

describe('virtio network device', () => {
  const make = (): Rig<VirtioNet> => rig((port) => new VirtioNet('net0', port), 2);
  /** An ARP request for the gateway; test data of gateway.test.ts is richer. */
  const arp = Uint8Array.from([
    ...[255, 255, 255, 255, 255, 255, ...GUEST_MAC, 8, 6],
    ...[0, 1, 8, 0, 6, 4, 0, 1, ...GUEST_MAC, 10, 0, 2, 15, 0, 0, 0, 0, 0, 0, 10, 0, 2, 2],
  ]);
  function send(r: Rig<VirtioNet>, frame: Uint8Array): void {
    r.bus.writePhys(DATA + 0x1000n, new Uint8Array(HEADER));
    r.bus.writePhys(DATA + 0x1000n + BigInt(HEADER), frame);
    r.driver.offer(1, [{ at: DATA + 0x1000n, bytes: HEADER + frame.length }]);
    r.driver.kick(1);
    r.run();
  }
  function listen(r: Rig<VirtioNet>, bytes: number): void {
    r.driver.offer(0, [{ at: DATA, bytes, isWritable: true }]);
    r.driver.kick(0);
    r.run();
  }

  it('has a MAC address and a link that is up', () => {
    const { driver, run } = make();
    for (let i = 0; i < 8; i++) driver.get(BASE + 0x100n + BigInt(i), 1);
    assert.deepEqual(run(), [0x52n, 0x54n, 0n, 0x12n, 0x34n, 0x56n, 1n, 0n]);
  });

  it('brings the answer behind a header with one buffer, at once or when there is room', () => {
    const r = make();
    listen(r, 1526);
    send(r, arp);
    assert.deepEqual(used(r, 0), [[0, HEADER + 42]]);
    const packet = r.bus.readPhys(DATA, HEADER + 42);
    assert.deepEqual([...packet.subarray(0, HEADER)], [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0]);
    assert.deepEqual([...packet.subarray(HEADER, HEADER + 6)], [...GUEST_MAC]);
    assert.deepEqual([...packet.subarray(HEADER + 20, HEADER + 22)], [0, 2]);
    send(r, arp);
    assert.equal(used(r, 0).length, 1);
    listen(r, 1526);
    assert.deepEqual(used(r, 0)[1]?.[1], HEADER + 42);
  });

  it('drops what is too long, what finds no room, and all but 64 answers that wait', () => {
    const r = make();
    send(r, new Uint8Array(2000));
    for (let n = 0; n < 80; n++) send(r, arp);
    assert.equal(r.device.state.device.pending.length, 64);
    listen(r, 20);
    assert.deepEqual(used(r, 0), [[used(r, 0)[0]?.[0], 0]]);
    assert.equal(r.device.state.device.pending.length, 63);
    r.driver.start(Feature.version1, 2);
    r.run();
    assert.equal(r.device.state.device.pending.length, 0);
    assert.equal(r.device.state.status, 0xf);
  });

  it('goes on from a snapshot with the frames that wait', () => {
    const before = make();
    send(before, arp);
    assertSnapshot(before, make(), (r) => listen(r, 1526));
    assert.equal(used(before, 0).length, 1);
  });
});
