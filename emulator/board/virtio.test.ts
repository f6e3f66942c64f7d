import assert from 'node:assert/strict';
import { program, Run } from '../../test/support/program';
import { type DriverOp, Feature, VirtioDriver } from '../dev/testing/virtio-driver';
import type { Disk } from '../dev/virtio/block';
import { state } from '../isa/a64/state';
import { irq } from './map';
import { type Virtio, virtioNames } from './virtio';

const TRANSPORTS = 0x0a00_0000n;
/** The last transport. */
const BASE = 0x0a00_3e00n;
const RINGS = 0x4100_0000n;
const HEADER = 0x4101_0000n;
const STATUS = HEADER + 16n;
const BUFFER = 0x4102_0000n;

/** MOV X5, #n as bytes. */
const mov5 = (n: number): Uint8Array => new Uint8Array(Uint32Array.of(0xd2800005 | (n << 5)).buffer);

/** A disk whose first instruction in each sector is MOV X5, #sector + 7. */
function disk(): Disk {
  const bytes = new Uint8Array(64 * 512);
  for (let sector = 0; sector < 64; sector++) bytes.set(mov5(sector + 7), sector * 512);
  return { bytes: bytes.length, read: (offset, length) => bytes.subarray(offset, offset + length) };
}

/** Notifies the device in X9 of queue 0 when told to by X10, and executes what is at BUFFER for ever. */
const image = program(`
  .global _start
_start:
  ldr x9, =${BASE + 0x50n}
  ldr x11, =${BUFFER}
again:
  cbz x10, 1f
  mov x10, #0
notify:
  str wzr, [x9]
1:
  blr x11
  b again
`);

/** MOV X5, #0; RET */
const CODE = Uint8Array.of(...mov5(0), 0xc0, 0x03, 0x5f, 0xd6);

/** A machine that runs, perhaps at another place, with a driver for its disk and a request that reads sector 3 over the code. */
function guest(
  laps = 40,
  place?: bigint,
): { run: Run; driver: VirtioDriver; apply: () => void; notify: () => void } {
  const run = new Run(image, { disks: [disk()] });
  const { machine, board } = run.computer;
  machine.physical.poke(BUFFER, CODE);
  if (place !== undefined) {
    machine.physical.poke(place, machine.physical.peek(machine.pc(0), 0x80));
    machine.input({ kind: 'state', cpu: 0, field: 'pc', index: 0, value: place });
  }
  const driver = new VirtioDriver(BASE, RINGS);
  const apply = (): void => driver.ops.splice(0).forEach((o) => perform(o));
  const perform = (o: DriverOp): void => {
    if (o.op !== 'write') return;
    const window = board.devices.find(
      ({ base, device }) => o.at >= base && o.at < base + BigInt(device.size),
    );
    if (window) window.device.write(Number(o.at - window.base), o.bytes, o.value, 0);
    else
      machine.physical.poke(
        o.at,
        Uint8Array.from({ length: o.bytes }, (_, i) => Number((o.value >> BigInt(8 * i)) & 0xffn)),
      );
  };
  driver.start(Feature.version1, 1);
  driver.put(HEADER, 0, 8);
  driver.put(HEADER + 8n, 3, 8);
  driver.offer(0, [
    { at: HEADER, bytes: 16 },
    { at: BUFFER, bytes: 512, isWritable: true },
    { at: STATUS, bytes: 1, isWritable: true },
  ]);
  apply();
  machine.run({ instructions: laps });
  assert.equal(run.x(5), 0n);
  // By way of the log, as a debugger does.
  const notify = (): void => machine.input({ kind: 'state', cpu: 0, field: 'x', index: 10, value: 1n });
  return { run, driver, apply, notify };
}

/** The sector has no RET: run up to its first instructions, and look at what they did. */
function readsCode({ run, notify }: ReturnType<typeof guest>): void {
  notify();
  run.computer.machine.run({ instructions: 14 });
  assert.equal(run.x(5), 10n);
}

describe('DMA of a virtio device', () => {
  it('replaces code that was executed', () => {
    readsCode(guest());
  });

  it('replaces code that was executed often enough to be translated', () => {
    readsCode(guest(300_000));
    // Also in the page that is executed while the device writes it.
    readsCode(guest(300_000, BUFFER + 0x800n));
  });

  it('is undone when a snapshot comes back, on the disk as well', () => {
    const g = guest();
    const { machine } = g.run.computer;
    const [hash, snapshot] = [machine.hash(), machine.snapshots.take()];
    readsCode(g);
    const after = machine.hash();
    assert.notEqual(after, hash);
    machine.snapshots.restore(snapshot);
    assert.equal(machine.hash(), hash);
    assert.deepEqual(Buffer.from(machine.physical.peek(BUFFER, 8)), Buffer.from(CODE));
    readsCode(g);
    assert.equal(machine.hash(), after);
  });

  it('stops at a watched range behind the store that started it, and names the device', () => {
    const { run, notify } = guest();
    const { machine } = run.computer;
    machine.watch.add({ pa: BUFFER + 2n, bytes: 4, kind: 'write' });
    notify();
    const stop = machine.run({ instructions: 1000 });
    assert.equal(stop.kind, 'watch');
    const [access, ...more] = machine.watch.take();
    assert.equal(more.length, 0);
    assert.deepEqual([access?.by, access?.pa, access?.bytes], ['device', BUFFER, 512]);
    assert.equal(machine.pc(0), (access?.pc ?? 0n) + 4n);
    assert.deepEqual(
      [...(access?.hits[0]?.after ?? [])],
      [...Buffer.concat([mov5(10), Buffer.alloc(4)]).subarray(2, 6)],
    );
  });

  it('changes the hash by what the guest has written on its disk', () => {
    const hashes = [1, 2].map((value) => {
      const { run, driver, apply } = guest();
      driver.put(HEADER, 1, 8);
      driver.put(BUFFER, value, 8);
      driver.offer(0, [
        { at: HEADER, bytes: 16 },
        { at: BUFFER, bytes: 512 },
        { at: STATUS, bytes: 1, isWritable: true },
      ]);
      // The request that waits is a write now, too.
      driver.chain(RINGS, [
        { at: HEADER, bytes: 16 },
        { at: BUFFER, bytes: 512 },
        { at: STATUS, bytes: 1, isWritable: true },
      ]);
      driver.kick(0);
      driver.put(BUFFER, 0, 8);
      apply();
      assert.deepEqual([...run.computer.machine.physical.peek(STATUS, 1)], [0]);
      const [block] = run.computer.board.disks;
      assert.equal(block?.state.device.overlay.size, 1);
      return run.computer.machine.hash();
    });
    assert.notEqual(hashes[0], hashes[1]);
  });

  it('interrupts the CPU by the wire of its transport', () => {
    const g = guest();
    const { board, machine } = g.run.computer;
    readsCode(g);
    const gicd = board.devices.find(({ base }) => base === 0x0800_0000n)?.device;
    const intid = 32 + irq('virtio').number + 31;
    // GICD_ISPENDR
    const pending = gicd?.peek(0x200 + 4 * (intid >> 5), 4) ?? 0n;
    assert.equal((pending >> BigInt(intid & 31)) & 1n, 1n);
    assert.equal(machine.state.get(0, state.x, 5), 10n);
  });
});

describe('the virtio transports of the board', () => {
  const ids = (options: ConstructorParameters<typeof Virtio>[2]): number[] => {
    const run = new Run(image, options);
    return Array.from({ length: 32 }, (_, n) => {
      const bytes = run.computer.machine.physical.peek(TRANSPORTS + BigInt(n * 0x200 + 8), 4);
      return bytes[0] ?? -1;
    });
  };
  const none = (n: number): number[] => Array.from({ length: n }, () => 0);

  it('have disks and devices at the end, in their order, and nothing before', () => {
    assert.deepEqual(ids({}), none(32));
    assert.deepEqual(ids({ disks: [disk()] }), [...none(31), 2]);
    assert.deepEqual(ids({ disks: [disk(), disk()], virtio: virtioNames }), [...none(27), 2, 2, 3, 1, 4]);
    assert.deepEqual(
      ids({ disks: Array.from({ length: 32 }, disk) }),
      Array.from({ length: 32 }, () => 2),
    );
  });

  it('are not more than there are', () => {
    assert.throws(
      () => ids({ disks: Array.from({ length: 30 }, disk), virtio: virtioNames }),
      /32 virtio devices at most/,
    );
  });

  it('take input for a console that is there', () => {
    const type = (virtio: readonly 'console'[]): void =>
      new Run(image, { virtio }).computer.machine.input({
        kind: 'input',
        port: 'hvc0',
        bytes: Uint8Array.of(1),
      });
    type(['console']);
    assert.throws(() => type([]), /no input port "hvc0"/);
  });
});
