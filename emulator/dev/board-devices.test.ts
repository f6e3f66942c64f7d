import assert from 'node:assert/strict';
import { requireTool } from '../../test/support/oracles';
import { random as seeded } from './testing/bench';
import { runOnQemu, scriptTools, type ScriptOp } from '../../test/support/qemu-script';
import { CLOCK_START, Pl031 } from './pl031';
import { Pl061 } from './pl061';
import { FakeBus } from './testing/fake-bus';
import { EmptyVirtio } from './virtio/mmio';

const RTC = 0x0901_0000n;
const GPIO = 0x0903_0000n;
const VIRTIO = 0x0a00_0000n;
const SECOND = 1_000_000_000n;
const read = (base: bigint, offset: number): ScriptOp => ({
  op: 'read',
  at: base + BigInt(offset),
  bytes: 4,
});
const write = (base: bigint, offset: number, value: number): ScriptOp => ({
  op: 'write',
  at: base + BigInt(offset),
  bytes: 4,
  value: BigInt(value),
});

function clock(): {
  bus: FakeBus;
  rtc: Pl031;
  line: () => boolean;
  r: (at: number) => number;
  w: (at: number, v: number) => void;
} {
  const bus = new FakeBus(1);
  let level = false;
  const rtc = new Pl031('rtc', bus, (l) => (level = l));
  return {
    bus,
    rtc,
    line: () => level,
    r: (at) => Number(rtc.read(at, 4)),
    w: (at, v) => void rtc.write(at, 4, BigInt(v), 0),
  };
}

describe('PL031', () => {
  it('has the identification, masks, match and interrupts that QEMU has', function () {
    requireTool(this, ...scriptTools);
    const ids = [0xfe0, 0xfe4, 0xfe8, 0xfec, 0xff0, 0xff4, 0xff8, 0xffc];
    // A match far away; one that is met at once; masked, cleared, met again by loading.
    const script = [
      ...[0x0c, 0x10, 0x14, 0x18, ...ids].map((at) => read(RTC, at)),
      write(RTC, 0x08, 1000),
      ...[read(RTC, 0x08), write(RTC, 0x04, 0x8000_0000), read(RTC, 0x04), read(RTC, 0x14)],
      ...[write(RTC, 0x10, 0xff), read(RTC, 0x10), read(RTC, 0x18)],
      ...[write(RTC, 0x08, 0x8000_0000), read(RTC, 0x14), read(RTC, 0x18)],
      ...[write(RTC, 0x1c, 1), read(RTC, 0x14), write(RTC, 0x10, 0), read(RTC, 0x10)],
    ];
    const { r, w } = clock();
    const ours: bigint[] = [];
    for (const op of script) {
      if (op.op === 'read') ours.push(BigInt(r(Number(op.at - RTC))));
      else if (op.op === 'write') w(Number(op.at - RTC), Number(op.value));
    }
    assert.deepEqual(ours, runOnQemu(script, { el2: true }));
  });

  it('counts seconds of virtual time from a fixed date, and from what is loaded', () => {
    const { bus, r, w } = clock();
    assert.equal(CLOCK_START, Date.UTC(2026, 0, 1) / 1000);
    assert.equal(r(0), CLOCK_START);
    bus.time = 5n * SECOND - 1n;
    assert.equal(r(0), CLOCK_START + 4);
    w(0x08, 0xffff_ffff);
    assert.equal(r(0), 0xffff_ffff);
    bus.time += 1n;
    assert.equal(r(0), 0);
  });

  it('asks for time only while its alarm can interrupt, and raises the line exactly then', () => {
    const { bus, rtc, line, r, w } = clock();
    bus.time = 7n * SECOND + 123n;
    w(0x04, r(0) + 3);
    assert.equal(rtc.deadline(), undefined);
    w(0x10, 1);
    assert.equal(rtc.deadline(), 10n * SECOND);
    assert.deepEqual(bus.calls, ['deadline 0', 'deadline 0']);
    bus.time = 10n * SECOND - 1n;
    rtc.advance();
    assert.equal(line(), false);
    bus.time = 10n * SECOND;
    rtc.advance();
    assert.equal(line(), true);
    assert.equal(rtc.deadline(), undefined);
    w(0x1c, 1);
    assert.equal(line(), false);
    assert.equal(rtc.deadline(), (10n + (1n << 32n)) * SECOND);
  });

  it('shows a debugger the alarm without raising it', () => {
    const { bus, rtc, w } = clock();
    w(0x04, CLOCK_START + 1);
    bus.time = SECOND;
    const before = structuredClone(rtc.state);
    assert.equal(rtc.peek(0x14, 4), 1n);
    assert.deepEqual(rtc.state, before);
  });
});

describe('PL061', () => {
  it('does what QEMU does with registers, masked data and level interrupts', function () {
    requireTool(this, ...scriptTools);
    const rnd = seeded(61);
    const script: ScriptOp[] = [0xfe0, 0xfe4, 0xfe8, 0xfec, 0xff0, 0xff4, 0xff8, 0xffc].map((at) =>
      read(GPIO, at),
    );
    script.push(write(GPIO, 0x400, 0xa7));
    for (let n = 0; n < 150; n++) {
      const to = [rnd(0x100) * 4, 0x3fc, 0x404, 0x408, 0x40c, 0x410, 0x41c, 0x420][rnd(8)] ?? 0;
      script.push(write(GPIO, to, rnd(0x100)));
      for (const from of [0x3fc, rnd(0x100) * 4, 0x414, 0x418, 0x400 + 4 * rnd(9)])
        script.push(read(GPIO, from));
    }
    let level = false;
    const gpio = new Pl061('gpio', (l) => (level = l));
    const ours: bigint[] = [];
    for (const op of script) {
      if (op.op === 'read') ours.push(gpio.read(Number(op.at - GPIO), 4));
      else if (op.op === 'write') gpio.write(Number(op.at - GPIO), 4, op.value, 0);
    }
    assert.equal(level, gpio.read(0x418, 4) !== 0n);
    assert.deepEqual(ours, runOnQemu(script, { el2: true }));
  });
});

describe('empty virtio transports', () => {
  it("identify themselves as QEMU's do, and have no device", function () {
    requireTool(this, ...scriptTools);
    const virtio = new EmptyVirtio('virtio', 32);
    const offsets = [0x000, 0x008, 0x00c, 0x070, 0x200, 0x208, 0x3e00, 0x3e08, 0x3e0c];
    assert.deepEqual(
      offsets.map((o) => virtio.read(o, 4)),
      runOnQemu(
        offsets.map((o) => read(VIRTIO, o)),
        { el2: true },
      ),
    );
    // The standard's interface; QEMU 7.2 offers the legacy one unless told otherwise.
    assert.equal(virtio.read(0x3e04, 4), 2n);
  });
});
