import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { requireTool } from '../../../test/support/oracles';
import { runOnQemu, scriptTools } from '../../../test/support/qemu-script';
import { random } from '../testing/bench';
import { FakeBus, RAM } from '../testing/fake-bus';
import { execute, Feature, type Piece, VirtioDriver } from '../testing/virtio-driver';
import { type Disk, VirtioBlock } from './block';

/** The last transport, which is the one that QEMU gives its only device. */
const BASE = 0x0a00_3e00n;
const RINGS = RAM;
const HEADERS = RAM + 0x1_0000n;
const DATA = RAM + 0x2_0000n;
const SECTORS = 96;
/** A serial number of full length: QEMU does not pad a shorter one. */
const NAME = 'a-disk-of-this-board';
const FEATURES = Feature.version1 | Feature.indirect;

/** A disk whose contents are easy to tell apart. */
const contents = (sectors = SECTORS): Uint8Array =>
  Uint8Array.from({ length: sectors * 512 }, (_, i) => (i * 7 + (i >> 9) * 31) & 0xff);
const disk = (bytes: Uint8Array): Disk => ({
  bytes: bytes.length,
  read: (offset, length) => bytes.subarray(offset, offset + length),
});

interface Rig {
  readonly bus: FakeBus;
  readonly device: VirtioBlock;
  readonly line: () => boolean;
  readonly run: (driver: VirtioDriver) => bigint[];
}

function rig(source: Disk = disk(contents())): Rig {
  const bus = new FakeBus(1);
  let level = false;
  const device = new VirtioBlock(NAME, { bus, setLine: (l) => (level = l) }, source);
  return {
    ...{ bus, device, line: () => level },
    run: (driver) => execute(bus, [{ base: BASE, device }], driver.ops.splice(0)),
  };
}

const driver = (): VirtioDriver => new VirtioDriver(BASE, RINGS);

/** Offers one request; its header is number `n` of those in memory, the status behind it. @returns where the status is */
function request(d: VirtioDriver, { n = 0, type, sector, data = [], indirect }: RequestSpec): bigint {
  const header = HEADERS + BigInt(n * 0x40);
  const status = header + 0x10n;
  d.put(header, type);
  d.put(header + 4n, 0);
  d.put(header + 8n, sector, 8);
  d.put(status, 0x5a, 1);
  const pieces: Piece[] = [{ at: header, bytes: 16 }, ...data, { at: status, bytes: 1, isWritable: true }];
  d.offer(0, pieces, indirect);
  return status;
}

interface RequestSpec {
  readonly n?: number;
  readonly type: number;
  readonly sector: number | bigint;
  readonly data?: readonly Piece[];
  readonly indirect?: bigint;
}

/** Requests of all kinds, right and wrong, one after the other. */
function manyRequests(seed: number, count: number): VirtioDriver {
  const rnd = random(seed);
  const d = driver();
  d.start(FEATURES, 1);
  for (let n = 0; n < count; n++) {
    const type = [0, 0, 1, 1, 4, 8, 77][rnd(7)] ?? 0;
    const isWritable = type !== 1;
    const lengths = type === 4 || type === 77 ? [] : type === 8 ? [20] : pieceLengths(rnd);
    let at = DATA + BigInt(rnd(64));
    const data = lengths.map((bytes) => {
      const piece = { at, bytes, isWritable };
      at += BigInt(bytes + rnd(32));
      return piece;
    });
    for (let i = 0; i < 4; i++) d.put(DATA + BigInt(8 * rnd(200)), BigInt(rnd(2 ** 31)) * 77_777n, 8);
    const sector = rnd(12) ? rnd(SECTORS + 2) : [2 ** 40, SECTORS - 1, 0][rnd(3)];
    const indirect = rnd(3) ? undefined : RAM + 0x1_8000n;
    const status = request(d, { type, sector: sector ?? 0, data, ...(indirect ? { indirect } : {}) });
    d.finish(0);
    d.get(status, 1);
    for (let i = 0; i < 6; i++) d.get(DATA + BigInt(8 * rnd(500)), 8);
    if (!rnd(4)) d.acknowledge();
  }
  return d;
}

/** Mostly whole sectors, in pieces that are not. */
function pieceLengths(rnd: (below: number) => number): number[] {
  const total = rnd(10) ? 512 * (1 + rnd(5)) : 1 + rnd(1000);
  const cut = rnd(2) ? 0 : rnd(total);
  return cut === 0 ? [total] : [cut, total - cut];
}

function onQemu(ops: VirtioDriver['ops'], file: string): (bigint | 'abort')[] {
  const drive = ['-drive', `if=none,id=d,format=raw,cache=writeback,file=${file}`];
  const device = ['-device', `virtio-blk-device,drive=d,serial=${NAME}`];
  const more = ['-global', 'virtio-mmio.force-legacy=false', ...drive, ...device];
  return runOnQemu(ops, { el2: true, more });
}

function withImage<T>(work: (file: string) => T): T {
  const folder = mkdtempSync(path.join(tmpdir(), 'ws-blk-'));
  try {
    const file = path.join(folder, 'disk.img');
    writeFileSync(file, contents());
    return work(file);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

describe('virtio block device', () => {
  it('does with random requests, right and wrong, what the one of QEMU does', function () {
    requireTool(this, ...scriptTools);
    withImage((file) => {
      const { ops } = manyRequests(20, 150);
      const expected = onQemu(ops, file);
      const { bus, device } = rig();
      assert.deepEqual(execute(bus, [{ base: BASE, device }], ops), expected);
      // And what was written is on the disk: theirs in its file, ours over one that nobody has touched.
      const ours = contents();
      for (const [block, bytes] of device.state.device.overlay)
        ours.set(bytes.subarray(0, ours.length - block * 4096), block * 4096);
      assert.deepEqual(Buffer.from(ours), readFileSync(file));
      assert.ok(device.state.device.overlay.size > 5);
    });
  });

  it('has the registers of a transport as QEMU has them', function () {
    requireTool(this, ...scriptTools);
    withImage((file) => {
      const d = driver();
      for (const at of [0x00, 0x04, 0x08, 0x0c, 0x34, 0x44, 0x60, 0x70, 0xb0, 0xb4, 0xfc]) d.readRegister(at);
      // Capacity, and the size of a block; also in other widths.
      for (const at of [0x100, 0x104, 0x114]) d.readRegister(at);
      d.get(BASE + 0x100n, 1);
      d.get(BASE + 0x101n, 1);
      d.get(BASE + 0x100n, 2);
      // A second queue does not exist.
      d.register(0x30, 1);
      d.readRegister(0x34);
      d.start(FEATURES, 1);
      for (const at of [0x70, 0x44, 0x60]) d.readRegister(at);
      d.register(0x70, 0);
      for (const at of [0x70, 0x44, 0x60]) d.readRegister(at);
      const { bus, device } = rig();
      const theirs = onQemu(d.ops, file);
      assert.deepEqual(execute(bus, [{ base: BASE, device }], d.ops).map(queueMax), theirs.map(queueMax));
    });
  });

  /** QEMU's queues are longer. */
  const queueMax = (v: bigint | 'abort'): bigint | 'abort' => (v === 1024n ? 256n : v);

  it('interrupts unless the driver wants none, by flag and by index, as QEMU does', function () {
    requireTool(this, ...scriptTools);
    withImage((file) => {
      const d = driver();
      const data = [{ at: DATA, bytes: 512, isWritable: true }];
      d.start(FEATURES, 1);
      for (const flag of [0, 1, 0]) {
        d.put(d.driverArea(0, 0), flag, 2);
        request(d, { type: 0, sector: 3, data });
        d.finish(0);
        d.acknowledge();
      }
      // Interrupt me when the index passes this one (2.7.7.2).
      d.start(FEATURES | Feature.eventIndex, 1);
      for (const event of [0, 0, 0, 4, 4, 4, 5, 6, 100, 8]) {
        d.put(d.driverArea(0, 4 + 2 * 16), event, 2);
        request(d, { type: 0, sector: 3, data });
        d.finish(0);
        d.acknowledge();
      }
      // Where the device wants to be notified again: behind what it has taken.
      d.get(d.deviceArea(0, 4 + 8 * 16), 2);
      const { bus, device } = rig();
      assert.deepEqual(execute(bus, [{ base: BASE, device }], d.ops), onQemu(d.ops, file));
    });
  });

  /** Chains that a driver must not make, and the sentence that names each. */
  const wrong: readonly [string, RegExp, (d: VirtioDriver) => void][] = [
    ['a head outside of the table', /descriptor 16 is not in a table of 16/, (d) => d.makeAvailable(0, 16)],
    [
      'more chains than the queue has entries',
      /17 buffers are available in a queue of 16/,
      (d) => d.put(d.driverArea(0, 2), 17, 2),
    ],
    [
      'a chain without an end',
      /does not end/,
      (d) => d.offer(0, [{ at: DATA, bytes: 16, flags: 1, next: 0 }]),
    ],
    ['a length of zero', /length of 0/, (d) => d.offer(0, [{ at: DATA, bytes: 0 }])],
    [
      'a next descriptor outside of the table',
      /descriptor 99 is not in a table of 16/,
      (d) => d.offer(0, [{ at: DATA, bytes: 16, flags: 1, next: 99 }]),
    ],
    [
      'a buffer to read behind one to write',
      /behind one to write/,
      (d) =>
        d.offer(0, [
          { at: DATA, bytes: 16, isWritable: true },
          { at: DATA, bytes: 16 },
        ]),
    ],
    ['no header', /no header/, (d) => d.offer(0, [{ at: DATA, bytes: 1, isWritable: true }])],
    ['no place for the status', /no place for its status/, (d) => d.offer(0, [{ at: DATA, bytes: 16 }])],
    [
      'an indirect table of a broken size',
      /has 24 bytes/,
      (d) => d.offer(0, [{ at: DATA, bytes: 24, flags: 4 }]),
    ],
    [
      'an indirect table in an indirect table',
      /inside of a chain/,
      (d) => d.offer(0, [{ at: DATA, bytes: 16, flags: 4 }], RAM + 0x1_8000n),
    ],
  ];

  for (const [what, sentence, make] of wrong)
    it(`needs a reset after ${what}, and works again after one`, () => {
      const { bus, run, line, device } = rig();
      const d = driver();
      d.start(FEATURES, 1);
      make(d);
      d.kick(0);
      d.readRegister(0x70);
      d.readRegister(0x60);
      assert.deepEqual(run(d).slice(-2), [0x4fn, 2n]);
      assert.equal(line(), true);
      assert.match(JSON.stringify(bus.events), sentence);
      // Nothing works, whatever is asked.
      request(d, { type: 0, sector: 0, data: [{ at: DATA, bytes: 512, isWritable: true }] });
      d.kick(0);
      run(d);
      assert.deepEqual([...bus.readPhys(DATA + 100n, 4)], [0, 0, 0, 0]);
      d.start(FEATURES, 1);
      const status = request(d, { type: 0, sector: 0, data: [{ at: DATA, bytes: 512, isWritable: true }] });
      d.finish(0);
      d.get(status, 1);
      assert.equal(run(d).at(-1), 0n);
      assert.deepEqual(bus.readPhys(DATA, 512), contents().subarray(0, 512));
      assert.equal(device.state.status, 0xf);
    });

  it('needs a reset after each of them on QEMU, too', function () {
    requireTool(this, ...scriptTools);
    withImage((file) => {
      const d = driver();
      for (const [, , make] of wrong) {
        d.start(FEATURES, 1);
        make(d);
        d.kick(0);
        d.wait(BASE + 0x70n, 0x4f, 4);
        d.readRegister(0x70);
      }
      const theirs = onQemu(d.ops, file).filter((_, i) => i % 2 === 1);
      assert.deepEqual(
        theirs,
        wrong.map(() => 0x4fn),
      );
    });
  });

  it('reaches nothing but RAM, wherever a ring or a buffer is said to be', () => {
    const outside = [0n, 0x0900_0000n, BASE, RAM - 8n, RAM + 0x8_0000n - 2n, 2n ** 64n - 4n];
    for (const at of outside)
      for (const where of ['buffer', 'indirect', 0x80, 0x90, 0xa0] as const) {
        const { run, device, bus } = rig();
        const d = driver();
        d.start(FEATURES, 1);
        if (typeof where === 'number') {
          d.register(0x44, 0);
          d.register(where, at & 0xffffffffn);
          d.register(where + 4, at >> 32n);
          d.register(0x44, 1);
        }
        const target = where === 'buffer' ? at : DATA;
        if (where === 'indirect') d.offer(0, [{ at, bytes: 32, flags: 4 }]);
        else request(d, { type: 0, sector: 0, data: [{ at: target, bytes: 512, isWritable: true }] });
        d.kick(0);
        run(d);
        assert.equal(device.state.status, 0x4f, `${where} at ${at.toString(16)}`);
        assert.match(JSON.stringify(bus.events), /not RAM/);
      }
  });

  it('refuses features that it does not offer, and a driver of the legacy interface', () => {
    for (const features of [Feature.version1 | (1n << 40n), Feature.indirect]) {
      const { run } = rig();
      const d = driver();
      d.start(features, 0);
      assert.deepEqual(run(d), [3n]);
    }
  });

  it('gives errors for a disk that cannot be read or kept, and says so', () => {
    const broken: Disk = { bytes: 4096, read: () => undefined, keep: () => 'it is full' };
    const { bus, run } = rig(broken);
    const d = driver();
    d.start(FEATURES, 1);
    const data = (isWritable: boolean): Piece[] => [{ at: DATA, bytes: 512, isWritable }];
    const requests = [
      { type: 0, sector: 0, data: data(true) },
      { type: 1, sector: 0, data: data(false) },
      { type: 4, sector: 0 },
    ];
    for (const r of requests) {
      const status = request(d, r);
      d.finish(0);
      d.get(status, 1);
      assert.equal(run(d).at(-1), 1n);
    }
    assert.match(JSON.stringify(bus.events), /disk a-disk-of-this-board cannot be read at byte 0/);
    assert.match(JSON.stringify(bus.events), /does not keep what the guest has written: it is full/);
  });

  it('hands over what was written at a flush, and only to a disk that keeps it', () => {
    const kept: number[][] = [];
    const { run } = rig({ ...disk(contents()), keep: (blocks) => void kept.push([...blocks.keys()]) });
    const d = driver();
    d.start(FEATURES, 1);
    const data = [{ at: DATA, bytes: 1024 }];
    request(d, { type: 1, sector: 15, data });
    d.finish(0);
    run(d);
    assert.deepEqual(kept, []);
    request(d, { type: 4, sector: 0 });
    d.finish(0);
    run(d);
    assert.deepEqual(kept, [[1, 2]]);
  });

  it('goes on from a snapshot as it did: queue, status, interrupt, and what was written', () => {
    const { ops } = manyRequests(5, 60);
    const whole = rig();
    const expected = execute(whole.bus, [{ base: BASE, device: whole.device }], ops);
    // In the middle of a request.
    const kick = ops.findIndex((o, i) => i > ops.length / 2 && o.at === BASE + 0x50n);
    for (const at of [kick, kick + 1]) {
      const [before, after] = [rig(), rig()];
      const first = execute(before.bus, [{ base: BASE, device: before.device }], ops.slice(0, at));
      after.bus.ram.set(before.bus.ram);
      Object.assign(after.device.state, structuredClone(before.device.state));
      after.device.restored();
      assert.equal(after.line(), before.line());
      const rest = execute(after.bus, [{ base: BASE, device: after.device }], ops.slice(at));
      assert.deepEqual([...first, ...rest], expected);
      assert.deepEqual(after.device.state, whole.device.state);
      assert.deepEqual(after.bus.ram, whole.bus.ram);
    }
  });

  it('shows a debugger its registers and changes nothing', () => {
    const { run, device } = rig();
    run(manyRequests(6, 10));
    const before = structuredClone(device.state);
    for (let at = 0; at < device.size; at += 4) device.peek(at, 4);
    assert.deepEqual(device.state, before);
  });
});
