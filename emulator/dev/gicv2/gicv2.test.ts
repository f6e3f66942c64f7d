import assert from 'node:assert/strict';
import { GICC, GICD, GICH, gicv2Bench, GICV } from '../testing/gicv2-script';

type Bench = ReturnType<typeof gicv2Bench>;

/** Group 0 on everywhere, every priority let through. */
function ready(cpus: number): Bench {
  const b = gicv2Bench(cpus);
  b.write(GICD, 1);
  for (let cpu = 0; cpu < cpus; cpu++) {
    b.write(GICC + 4, 0xff, 4, cpu);
    b.write(GICC, 1, 4, cpu);
  }
  return b;
}

/** Enables an interrupt, for these CPUs if it is shared. */
function enable(b: Bench, intid: number, targets = 1, cpu = 0): void {
  b.write(GICD + 0x100 + 4 * (intid >> 5), 1n << BigInt(intid & 31), 4, cpu);
  if (intid >= 32) b.write(GICD + 0x800 + intid, targets, 1);
}

const iar = (b: Bench, cpu = 0): number => Number(b.read(GICC + 0xc, 4, cpu));

describe('GICv2', () => {
  it('signals an SPI to all its targets, and to none any more when one has taken it', () => {
    const b = ready(3);
    enable(b, 40, 0b101);
    b.gic.setSpi(8, true);
    assert.deepEqual(b.bus.lines, [1, 0, 1]);
    assert.equal(iar(b, 2), 40);
    assert.deepEqual(b.bus.lines, [0, 0, 0]);
    assert.equal(iar(b, 0), 1023);
    // Still asserted: it comes again after its end, wherever its targets are then.
    b.write(GICD + 0x800 + 40, 0b010, 1);
    b.write(GICC + 0x10, 40, 4, 2);
    assert.deepEqual(b.bus.lines, [0, 1, 0]);
    b.gic.setSpi(8, false);
    assert.deepEqual(b.bus.lines, [0, 0, 0]);
  });

  it('serves the senders of an SGI one by one, the lowest number first', () => {
    const b = ready(4);
    for (const from of [3, 1, 2]) b.write(GICD + 0xf00, (1 << 16) | 5, 4, from);
    // To all others, and to itself.
    b.write(GICD + 0xf00, (1 << 24) | 6, 4, 0);
    assert.deepEqual(b.bus.lines, [1, 1, 1, 1]);
    const taken = [1, 2, 3].map(() => {
      const value = iar(b);
      b.write(GICC + 0x10, value);
      return value;
    });
    assert.deepEqual(taken, [(1 << 10) | 5, (2 << 10) | 5, (3 << 10) | 5]);
    assert.equal(iar(b), 1023);
    assert.equal(iar(b, 3), 6);
    b.write(GICD + 0xf00, (2 << 24) | 7, 4, 2);
    assert.equal(iar(b, 2), 6);
    b.write(GICC + 0x10, 6, 4, 2);
    assert.equal(iar(b, 2), (2 << 10) | 7);
  });

  it('gives each CPU its own SGIs, PPIs and interfaces', () => {
    const b = ready(2);
    enable(b, 20, 1, 1);
    b.gic.setPpi(0, 20, true);
    b.gic.setPpi(1, 20, true);
    assert.deepEqual(b.bus.lines, [0, 1]);
    assert.equal(b.read(GICD + 0x100, 4, 0), 0xffffn);
    assert.equal(b.read(GICD + 0x100, 4, 1), 0x10ffffn);
    assert.equal(b.read(GICD + 0x800, 4, 1), 0x02020202n);
    b.write(GICH + 0x100, 0x1000_0005, 4, 1);
    assert.deepEqual([b.read(GICH + 0x100, 4, 0), b.read(GICH + 0x100, 4, 1)], [0n, 0x1000_0005n]);
    b.write(GICV + 4, 0x88, 4, 1);
    assert.deepEqual([b.read(GICV + 4, 4, 0), b.read(GICV + 4, 4, 1)], [0n, 0x88n]);
  });

  it('sends group 0 as FIQ where GICC_CTLR.FIQEn says so, and group 1 as IRQ', () => {
    const b = ready(1);
    b.write(GICD, 3);
    enable(b, 40);
    enable(b, 41);
    b.write(GICD + 0x84, 1 << 9);
    b.write(GICC, 0xb);
    b.gic.setSpi(8, true);
    assert.equal(b.bus.lines[0], 2);
    b.gic.setSpi(8, false);
    b.gic.setSpi(9, true);
    assert.equal(b.bus.lines[0], 1);
    // Group 1 is not for IAR without AckCtl, but for its alias.
    assert.equal(iar(b), 1022);
    assert.equal(b.read(GICC + 0x28), 41n);
    assert.equal(b.read(GICC + 0x20), 41n);
    b.write(GICC + 0x24, 41);
    assert.equal(b.read(GICC + 0x14), 0xffn);
  });

  it('looks at group 1 alone when GICD_CTLR turns group 0 off', () => {
    const b = ready(1);
    enable(b, 40);
    enable(b, 41);
    b.write(GICD + 0x84, 1 << 9);
    b.write(GICD + 0x428, 0x8000_0000n, 4);
    b.write(GICC, 7);
    b.gic.setSpi(8, true);
    b.gic.setSpi(9, true);
    b.write(GICD, 2);
    assert.equal(iar(b), 41);
  });

  it('has one target on a machine with one CPU, and says nothing of it', () => {
    const b = ready(1);
    enable(b, 40, 0);
    b.gic.setSpi(8, true);
    assert.equal(b.bus.lines[0], 1);
    assert.deepEqual([b.read(GICD + 0x800), b.read(GICD + 0x828), b.read(GICD + 4)], [0n, 0n, 8n]);
  });

  it('resets the interfaces of a CPU that starts again, and not what the distributor knows', () => {
    const b = ready(2);
    enable(b, 20, 1, 1);
    b.gic.setPpi(1, 20, true);
    b.write(GICH, 1, 4, 1);
    b.write(GICV, 1, 4, 1);
    b.write(GICV + 4, 0xf8, 4, 1);
    b.write(GICH + 0x100, 0x1000_0005, 4, 1);
    assert.equal(b.bus.lines[1], 5);
    b.gic.resetCpu(1);
    assert.equal(b.bus.lines[1], 0);
    assert.equal(b.read(GICD + 0x100, 4, 1), 0x10ffffn);
    b.write(GICC + 4, 0xff, 4, 1);
    b.write(GICC, 1, 4, 1);
    assert.equal(b.bus.lines[1], 1);
  });

  it('lets a debugger look without acknowledging, and write by name', () => {
    const b = ready(2);
    enable(b, 40, 2);
    b.gic.setSpi(8, true);
    const state = (): string => JSON.stringify(b.gic.windows.map((w) => w.device.state));
    const before = state();
    assert.equal(b.gic.peek('GICC_IAR', 1), 40n);
    assert.equal(b.gic.peek('GICC_IAR', 0), 1023n);
    for (const { device } of b.gic.windows)
      for (let at = 0; at < device.size; at += 4) assert.equal(typeof device.peek(at, 4), 'bigint');
    assert.equal(state(), before);
    b.gic.write('GICC_PMR', 1, 0n);
    assert.deepEqual(b.bus.lines, [0, 0]);
    assert.throws(() => b.gic.read('ICC_PMR_EL1', 0), /no register ICC_PMR_EL1/);
  });

  it('drives its lines again from a restored state', () => {
    const from = ready(2);
    enable(from, 40, 2);
    from.gic.setSpi(8, true);
    from.write(GICH, 1);
    from.write(GICV, 1);
    from.write(GICV + 4, 0xf8);
    from.write(GICH + 0x100, 0x1000_0005);
    const to = gicv2Bench(2);
    to.gic.windows.forEach(({ device }, i) =>
      Object.assign(device.state, structuredClone(from.gic.windows[i]!.device.state)),
    );
    to.gic.windows.forEach(({ device }) => device.restored?.());
    assert.deepEqual(to.bus.lines, [4, 1]);
    assert.equal(iar(to, 1), 40);
    assert.equal(to.read(GICV + 0xc), 5n);
  });

  it('serves 1 to 8 CPUs', () => {
    assert.throws(() => gicv2Bench(9), /1 to 8 CPUs, not 9/);
  });
});
