import assert from 'node:assert/strict';
import { program, Run } from '../../test/support/program';
import { random, TestBench } from '../dev/testing/bench';
import { FakeBus } from '../dev/testing/fake-bus';
import { gicSetup, gicStep, type GicMemory } from '../dev/testing/gic-script';
import { common } from '../ir/state';
import { deviceRegisters } from '../isa/a64/sysregs';
import { irqMap, memoryMap } from './map';
import { createVirtBoard } from './virt';

const UART = 0x0900_0000;
const GICD = 0x0800_0000;

function bench(cpus = 2): TestBench & { readonly input: (bytes: Uint8Array) => void } {
  const bus = new FakeBus(cpus);
  const board = createVirtBoard(bus, { el2: true });
  return Object.assign(new TestBench(bus, board), {
    input: (bytes: Uint8Array) => board.input('uart0', bytes),
  });
}

type Bench = ReturnType<typeof bench>;

/** Copies a CPU's registers; its interrupt lines are the board's to restore. */
function copyWithoutLines(to: DataView, from: DataView): void {
  new Uint8Array(to.buffer).set(new Uint8Array(from.buffer));
  to.setUint32(common.irqLines.offset, 0);
}

const replacer = (_k: string, v: unknown): unknown => (typeof v === 'bigint' ? `bigint:${v}` : v);
const reviver = (_k: string, v: unknown): unknown =>
  typeof v === 'string' && v.startsWith('bigint:') ? BigInt(v.slice(7)) : v;

const save = (b: Bench): string =>
  JSON.stringify(
    b.board.devices.map((d) => d.device.state),
    replacer,
  );

/** As a machine does: all states first, then everything that is derived from them. */
function restore(b: Bench, saved: string): void {
  const states = JSON.parse(saved, reviver) as object[];
  b.board.devices.forEach((d, i) => Object.assign(d.device.state, states[i]));
  for (const d of b.board.devices) d.device.restored?.();
  b.board.update();
}

/** One random step over the whole board; what it read and the lines after it. */
function step(b: Bench, rnd: (below: number) => number, memory: GicMemory): string {
  const out: unknown[] = [];
  switch (rnd(4)) {
    case 0:
      b.input(Uint8Array.from({ length: rnd(20) }, () => rnd(256)));
      break;
    case 1: {
      const at = [0x0, 0x0, 0x4, 0x2c, 0x30, 0x34, 0x38, 0x44][rnd(8)] ?? 0;
      b.write(UART + at, at === 0x30 ? 0x301 | (rnd(2) << 7) | (rnd(16) << 10) : rnd(0x800));
      break;
    }
    case 2:
      out.push(...[0x0, 0x4, 0x18, 0x3c, 0x40].map((at) => b.read(UART + at)));
      break;
    default:
      b.bus.time += BigInt(rnd(100));
      out.push(...b.run(gicStep(rnd, memory)));
  }
  return JSON.stringify([out, b.bus.lines, b.bus.text], replacer);
}

describe('virt board', () => {
  it('continues identically after a JSON round trip of every device, at random moments', () => {
    for (let seed = 1; seed <= 20; seed++) {
      const rnd = random(seed);
      const before = bench();
      const memory: GicMemory = { active: [] };
      before.run(gicSetup(rnd));
      before.write(GICD + 0x104, 2);
      const steps = 20 + rnd(200);
      for (let n = 0; n < steps; n++) step(before, rnd, memory);

      const copy = bench();
      // The rest of the machine: time, system registers, and what was already said.
      copy.bus.time = before.bus.time;
      before.bus.blocks.forEach((block, cpu) => copyWithoutLines(copy.bus.blocks[cpu]!, block));
      copy.bus.events.push(...before.bus.events);
      restore(copy, save(before));
      assert.deepEqual(copy.bus.lines, before.bus.lines, `lines after restore, seed ${seed}`);

      const [a, b] = [random(seed + 1000), random(seed + 1000)];
      const [memoryA, memoryB]: GicMemory[] = [
        { active: [...memory.active] },
        { active: [...memory.active] },
      ];
      for (let n = 0; n < 200; n++)
        assert.equal(step(copy, b, memoryB!), step(before, a, memoryA!), `seed ${seed}, step ${n}`);
      assert.equal(save(copy), save(before));
    }
  });

  it('a machine restored to its own past forgets what came after', () => {
    const b = bench();
    const memory: GicMemory = { active: [] };
    b.run(gicSetup(random(7)));
    const saved = save(b);
    const lines = [...b.bus.lines];
    const blocks = b.bus.blocks.map((block) => new DataView(block.buffer.slice()));
    for (let n = 0; n < 100; n++) step(b, random(n), memory);
    assert.notEqual(save(b), saved);
    b.bus.time = 0n;
    b.bus.blocks.forEach((block, cpu) => copyWithoutLines(block, blocks[cpu]!));
    restore(b, saved);
    assert.equal(save(b), saved);
    assert.deepEqual(b.bus.lines, lines);
  });

  it('a debugger may peek at every byte of every device without a trace', () => {
    const b = bench();
    b.run(gicSetup(random(3)));
    b.input(Uint8Array.of(1, 2, 3));
    const before = save(b);
    for (const d of b.board.devices)
      for (let at = 0; at < Math.min(d.device.size, 0x20000); at += 4) d.device.peek(at, 4);
    assert.equal(save(b), before);
  });

  it('brings UART input to the CPU as SPI 1 = INTID 33', () => {
    const b = bench(1);
    b.write(GICD, 3);
    b.write(GICD + 0x84, 2);
    b.write(GICD + 0x104, 2);
    b.msr('icc_pmr_el1', 0xff);
    b.msr('icc_igrpen1_el1', 1);
    b.write(UART + 0x38, 0x10);
    assert.deepEqual(b.bus.lines, [0]);
    b.input(Uint8Array.of(0x21));
    assert.deepEqual(b.bus.lines, [1]);
    assert.equal(b.mrs('icc_iar1_el1'), 33n);
    assert.equal(b.read(UART), 0x21n);
    b.msr('icc_eoir1_el1', 33);
    assert.deepEqual(b.bus.lines, [0]);
  });

  it('brings a timer to the CPU as its PPI when its time has come', () => {
    const b = bench(2);
    b.write(GICD, 3);
    b.write(0x080d_0080, 1 << 30);
    b.write(0x080d_0100, 1 << 30);
    b.msr('icc_pmr_el1', 0xff, 1);
    b.msr('icc_igrpen1_el1', 1, 1);
    b.msr('cntp_cval_el0', 10, 1);
    b.msr('cntp_ctl_el0', 1, 1);
    b.bus.time = 160n;
    b.board.update();
    assert.deepEqual(b.bus.lines, [0, 1]);
    assert.equal(b.mrs('icc_iar1_el1', 1), 30n);
  });

  it('has no two regions that overlap and no interrupt twice', () => {
    const regions = [...memoryMap].sort((a, b) => (a.base < b.base ? -1 : 1));
    regions.slice(1).forEach((r, i) => {
      const p = regions[i];
      assert.ok(p && p.base + p.size <= r.base, r.name);
    });
    const wires = irqMap.map((r) => `${r.kind}${r.number}`);
    assert.equal(new Set(wires).size, wires.length);
  });

  it('answers every system register that the CPU leaves to it', () => {
    const board = createVirtBoard(new FakeBus(1), { el2: true, security: 'own firmware' });
    // Under HCR_EL2.IMO or FMO the SGI registers trap: there are no virtual ones.
    for (const name of deviceRegisters.filter((n) => !/^ICV_A?SGI/.test(n)))
      assert.equal(typeof board.sysregs.peek(name, 0), 'bigint', name);
  });

  it('refuses input for a port and CPUs that it does not have', () => {
    assert.throws(
      () => createVirtBoard(new FakeBus(1), { el2: true }).input('uart7', Uint8Array.of(1)),
      /"uart7"/,
    );
    assert.throws(() => createVirtBoard(new FakeBus(9), { el2: true }), /1 to 8 CPUs, not 9/);
  });
});

describe('a program in vectors that cannot be fetched', () => {
  it('uses its budget, and leaves exactly there', () => {
    const { computer } = new Run(
      program('.global _start\n_start: mov x0, #0x1000\n msr vbar_el2, x0\n isb\n br x0\n'),
    );
    const stop = computer.machine.run({ instructions: 1000 });
    assert.equal(stop.kind, 'limit');
    assert.equal(computer.machine.schedule.vtime, 1000n);
  });
});
