import assert from 'node:assert/strict';
import { requireTool } from '../../test/support/oracles';
import { runOnQemu, scriptTools } from '../../test/support/qemu-script';
import { Interrupt, Pl011 } from './pl011';
import { FakeBus } from './testing/fake-bus';

const DR = 0x00;
const RSR = 0x04;
const FR = 0x18;
const LCRH = 0x2c;
const CR = 0x30;
const IFLS = 0x34;
const IMSC = 0x38;
const RIS = 0x3c;
const MIS = 0x40;
const ICR = 0x44;
const LOOP_BACK = 0x381;
const FIFO_ON = 0x70;

function make(): {
  bus: FakeBus;
  uart: Pl011;
  line: () => boolean;
  r: (at: number) => number;
  w: (at: number, v: number) => void;
} {
  const bus = new FakeBus(1);
  let level = false;
  const uart = new Pl011('uart0', bus, (l) => (level = l));
  return {
    bus,
    uart,
    line: () => level,
    r: (at) => Number(uart.read(at, 4)),
    w: (at, v) => void uart.write(at, 4, BigInt(v)),
  };
}

const bytes = (s: string): Uint8Array => new TextEncoder().encode(s);

describe('PL011', () => {
  it('has the reset values and identification that QEMU has', function () {
    requireTool(this, ...scriptTools);
    const offsets = [
      0x4, 0x18, 0x20, 0x24, 0x28, 0x2c, 0x30, 0x34, 0x38, 0x3c, 0x40, 0x48, 0xfe0, 0xfe4, 0xfe8, 0xfec,
    ];
    const all = [...offsets, 0xff0, 0xff4, 0xff8, 0xffc];
    const { r } = make();
    const qemu = runOnQemu(
      all.map((o) => ({ op: 'read', at: 0x0900_0000n + BigInt(o), bytes: 4 }) as const),
      { el2: true },
    );
    assert.deepEqual(
      all.map((o) => BigInt(r(o))),
      qemu,
    );
  });

  it('raises, masks and clears the transmit interrupt as QEMU does', function () {
    requireTool(this, ...scriptTools);
    const base = 0x0900_0000n;
    const script: [number, number][] = [
      [CR, 0x301],
      [DR, 0x41],
      [IMSC, Interrupt.tx],
      [ICR, Interrupt.rx],
      [ICR, Interrupt.tx],
      [DR, 0x42],
      [IMSC, 0],
      [ICR, 0x7ff],
    ];
    const { r, w, bus } = make();
    const ours = script.flatMap(([at, v]) => {
      w(at, v);
      return [RIS, MIS, FR].map((x) => BigInt(r(x)));
    });
    const qemu = runOnQemu(
      script.flatMap(([at, v]) => [
        { op: 'write', at: base + BigInt(at), bytes: 4, value: BigInt(v) } as const,
        ...[RIS, MIS, FR].map((x) => ({ op: 'read', at: base + BigInt(x), bytes: 4 }) as const),
      ]),
      { el2: true },
    );
    assert.deepEqual(ours, qemu);
    assert.equal(bus.text, 'AB');
  });

  it('keeps the writable bits of each register (DDI 0183G table 3-1)', () => {
    const { r, w } = make();
    const masks: [number, number][] = [
      [0x20, 0xff],
      [0x24, 0xffff],
      [0x28, 0x3f],
      [LCRH, 0xff],
      [IFLS, 0x3f],
      [IMSC, 0x7ff],
      [0x48, 7],
      [CR, 0xff87],
    ];
    for (const [at, mask] of masks) {
      w(at, 0xffffffff);
      assert.equal(r(at), mask, `0x${at.toString(16)}`);
      w(at, 0);
      assert.equal(r(at), 0, `0x${at.toString(16)}`);
    }
  });

  it('sends narrow and wide stores alike, and reads registers by byte and halfword', () => {
    const { uart, bus } = make();
    for (const n of [1, 2, 4, 8]) uart.write(DR, n, 0x30n + BigInt(n));
    assert.equal(bus.text, '1248');
    assert.deepEqual(
      [uart.read(CR, 1), uart.read(CR + 1, 1), uart.read(CR, 2), uart.read(CR, 8)],
      [0n, 3n, 0x300n, 0x300n],
    );
  });

  it('without the FIFO holds one character; the rest of the input waits its turn', () => {
    const { uart, r } = make();
    assert.equal(r(FR), 0x90);
    uart.input(bytes('abc'));
    assert.equal(r(FR), 0xc0, 'receive full, transmit empty');
    assert.deepEqual([r(DR), r(DR), r(DR)], [0x61, 0x62, 0x63]);
    assert.equal(r(FR), 0x90);
    assert.equal(r(DR), 0);
  });

  it('holds 16 characters with the FIFO on, and loses none of 1000', () => {
    const { uart, r, w } = make();
    w(LCRH, FIFO_ON);
    const text = Array.from({ length: 1000 }, (_, i) => String.fromCharCode(32 + (i % 90))).join('');
    uart.input(bytes(text));
    assert.equal(uart.state.fifo.length, 16);
    assert.equal(text, Array.from(text, () => String.fromCharCode(r(DR))).join(''));
  });

  const triggers = [2, 4, 8, 12, 14];
  triggers.forEach((trigger, select) =>
    it(`raises the receive interrupt at ${trigger} characters (IFLS ${select}), the time-out below it`, () => {
      const { uart, r, w, line } = make();
      w(LCRH, FIFO_ON);
      w(IFLS, select << 3);
      w(IMSC, Interrupt.rx);
      uart.input(new Uint8Array(trigger - 1));
      assert.deepEqual([r(RIS), line()], [Interrupt.receiveTimeout, false]);
      uart.input(new Uint8Array(1));
      assert.deepEqual([r(MIS), line()], [Interrupt.rx, true]);
      r(DR);
      assert.deepEqual([r(MIS), line()], [0, false]);
      while (!(r(FR) & 0x10)) r(DR);
      assert.equal(r(RIS), 0, 'an empty FIFO ends the time-out');
    }),
  );

  it('without the FIFO raises the receive interrupt at the first character', () => {
    const { uart, r, w, line } = make();
    w(IMSC, Interrupt.rx);
    uart.input(bytes('a'));
    assert.deepEqual([r(RIS), line()], [Interrupt.rx, true]);
    r(DR);
    assert.equal(line(), false);
  });

  describe('loop-back', () => {
    it('returns what DR sends, and nothing leaves or enters', () => {
      const { uart, r, w, bus } = make();
      w(LCRH, FIFO_ON);
      w(CR, LOOP_BACK);
      for (const c of bytes('loop')) w(DR, c);
      uart.input(bytes('from outside'));
      assert.equal(String.fromCharCode(r(DR), r(DR), r(DR), r(DR)), 'loop');
      assert.deepEqual([r(FR) & 0x10, bus.text], [0x10, '']);
    });

    it('overruns: the FIFO keeps its 16, the next to enter says so', () => {
      const { r, w } = make();
      w(LCRH, FIFO_ON);
      w(CR, LOOP_BACK);
      for (let i = 0; i < 18; i++) w(DR, i);
      assert.equal(r(RIS) & Interrupt.overrun, Interrupt.overrun);
      assert.equal(r(RSR), 8);
      const got = Array.from({ length: 16 }, () => r(DR));
      assert.deepEqual(
        got,
        Array.from({ length: 16 }, (_, i) => i),
      );
      w(DR, 0x55);
      assert.equal(r(DR), 0x855);
      w(RSR, 0);
      assert.equal(r(RSR), 0);
    });

    it('returns a break with its error bit and interrupt', () => {
      const { r, w } = make();
      w(CR, LOOP_BACK);
      w(LCRH, 1);
      assert.equal(r(RIS) & Interrupt.break, Interrupt.break);
      assert.deepEqual([r(DR), r(RSR)], [0x400, 4]);
    });

    it('feeds the modem outputs to the inputs and tells of their changes', () => {
      const rows: [number, number, number][] = [
        [1 << 11, 1, Interrupt.cts],
        [1 << 10, 2, Interrupt.dsr],
        [1 << 12, 4, Interrupt.dcd],
        [1 << 13, 256, Interrupt.ri],
      ];
      for (const [out, flag, interrupt] of rows) {
        const { r, w } = make();
        w(CR, out | 0x301);
        assert.deepEqual([r(FR) & 0x107, r(RIS)], [0, 0], 'not connected');
        w(CR, LOOP_BACK | out);
        assert.deepEqual([r(FR) & 0x107, r(RIS)], [flag, interrupt]);
        w(ICR, interrupt);
        w(CR, LOOP_BACK);
        assert.deepEqual([r(FR) & 0x107, r(RIS)], [0, interrupt]);
      }
    });
  });

  it('shows a debugger what a load would give, and changes nothing', () => {
    const { uart, r, w } = make();
    w(LCRH, FIFO_ON);
    uart.input(bytes('xy'));
    const before = JSON.stringify(uart.state);
    for (let at = 0; at < 0x1000; at += 4) uart.peek(at, 4);
    assert.equal(uart.peek(DR, 4), 0x78n);
    assert.equal(JSON.stringify(uart.state), before);
    assert.equal(r(DR), 0x78);
  });
});
