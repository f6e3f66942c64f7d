import assert from 'node:assert/strict';
import { common } from '../ir/state';
import { a64Rows } from '../isa/a64/rows';
import { state } from '../isa/a64/state';
import type { Board } from './device';
import { Machine } from './machine';
import { QUANTUM } from './scheduler';
import { flatHost, flatIsa } from './testing/flat-isa';
import { Random, seed } from '../../test/support/random';

const RAM = 0x4000_0000n;

/** Each CPU counts in its own line, mixes in its neighbour's count and, now and then, rewrites an instruction ahead. */
const counter = [
  0xd2a80002, //        mov  x2, #0x40000000
  0x91402042, //        add  x2, x2, #0x8, lsl #12
  0x8b001843, //        add  x3, x2, x0, lsl #6
  0xf9400064, // loop:  ldr  x4, [x3]
  0x91000484, //        add  x4, x4, #1
  0xf9000064, //        str  x4, [x3]
  0xf9402045, //        ldr  x5, [x2, #64]
  0xca0500c6, //        eor  x6, x6, x5
  0x93c61cc6, //        ror  x6, x6, #7
  0x3627ff44, //        tbz  w4, #4, loop
  0x18000087, //        ldr  w7, patch
  0x521600e7, //        eor  w7, w7, #0x400
  0x10000048, //        adr  x8, patch
  0xb9000107, //        str  w7, [x8]
  0x91000529, // patch: add  x9, x9, #1
  0x17fffff4, //        b    loop
];
const PATCH = RAM + 56n;

/** A board with nothing but a list of the input that it got. */
function board(): Board & { readonly got: number[] } {
  const got: number[] = [];
  const device = {
    name: 'box',
    state: { got },
    size: 4096,
    read: () => 0n,
    write: () => true,
    peek: () => 0n,
  };
  return {
    got,
    devices: [{ base: 0x0900_0000n, device }],
    sysregs: { read: () => 0n, write: () => undefined, peek: () => 0n },
    timed: [],
    firmware: () => false,
    input: (_port, bytes) => void device.state.got.push(...bytes),
    update: () => undefined,
    resetCpu: () => undefined,
  };
}

const isa = flatIsa(a64Rows);

function boot(cpus: number): Machine {
  const m = new Machine({ isa, cpus, ramBase: RAM, ramBytes: 1 << 20, features: new Set(), host: flatHost });
  m.attach(board());
  m.physical.poke(RAM, new Uint8Array(Uint32Array.from(counter).buffer));
  for (let cpu = 0; cpu < cpus; cpu++) {
    m.state.set(cpu, state.x, cpu, 0);
    m.startCpu(cpu, RAM);
  }
  return m;
}

const go = (m: Machine, instructions: number): void => void m.run({ instructions });

describe('machine', () => {
  for (const cpus of [1, 2]) {
    it(`runs the same in one piece and in many, ${cpus} CPUs (SEED=${seed})`, () => {
      const r = new Random(seed);
      const [a, b] = [boot(cpus), boot(cpus)];
      go(a, 200_000);
      for (let left = 200_000; left > 0;) {
        const n = Math.min(left, 1 + r.below(r.pick([3, 300, 30_000])));
        go(b, n);
        left -= n;
      }
      assert.equal(a.schedule.vtime, 200_000n);
      assert.equal(b.hash(), a.hash());
    });

    it(`comes back to a snapshot, TLB included, ${cpus} CPUs`, () => {
      const m = boot(cpus);
      go(m, 70_003);
      const s = m.snapshots.take();
      const before = m.hash();
      go(m, 50_001);
      const after = m.hash();
      m.snapshots.restore(s);
      assert.equal(m.hash(), before);
      go(m, 50_001);
      assert.equal(m.hash(), after);
      m.snapshots.restore(s);
      assert.equal(m.hash(), before, 'a snapshot serves twice');
    });
  }

  it('lays pages back through several snapshots', () => {
    const m = boot(1);
    const hashes: string[] = [];
    const shots = [0, 1, 2].map(() => {
      const s = m.snapshots.take();
      hashes.push(m.hash());
      go(m, 9_000);
      return s;
    });
    m.snapshots.drop(shots[1]!);
    m.snapshots.restore(shots[2]!);
    assert.equal(m.hash(), hashes[2]);
    m.snapshots.restore(shots[0]!);
    assert.equal(m.hash(), hashes[0]);
    assert.throws(() => m.snapshots.restore(shots[2]!), /no longer/);
  });

  it('gives input and debugger writes again from the log', () => {
    const m = boot(1);
    const start = m.snapshots.take();
    go(m, 10_000);
    m.input({ kind: 'input', port: 'box', bytes: Uint8Array.of(7, 8) });
    go(m, 5_000);
    m.input({ kind: 'state', cpu: 0, field: 'x', index: 6, value: 99n });
    m.input({ kind: 'memory', pa: RAM + 0x8040n, bytes: Uint8Array.of(1) });
    go(m, 5_000);
    const after = m.hash();
    m.snapshots.restore(start);
    go(m, 20_000);
    assert.equal(m.hash(), after);
  });

  it('stops at a breakpoint before the instruction, and passes it when it goes on', () => {
    const m = boot(1);
    m.predecode.addBreakpoint(Number(PATCH - RAM));
    const first = m.run({ instructions: 100_000 });
    assert.deepEqual(first, { kind: 'breakpoint', cpu: 0, held: true });
    assert.equal(m.pc(0), PATCH);
    const at = m.state.get(0, common.retired);
    const second = m.run({ instructions: 100_000 });
    assert.equal(second.kind, 'breakpoint');
    assert.ok(m.state.get(0, common.retired) > at + 10n, 'other instructions ran in between');
    m.predecode.removeBreakpoint(Number(PATCH - RAM));
    assert.equal(m.run({ instructions: 100_000 }).kind, 'limit');
  });

  it('has the same history with and without breakpoints', () => {
    const [a, b] = [boot(2), boot(2)];
    go(a, 60_000);
    b.predecode.addBreakpoint(Number(PATCH - RAM));
    while (b.schedule.vtime < 60_000n) go(b, Number(60_000n - b.schedule.vtime));
    assert.equal(b.hash(), a.hash());
  });

  it('steps one CPU by the global schedule', () => {
    const [a, b] = [boot(2), boot(2)];
    const target = 45_000n;
    while (a.state.get(1, common.retired) < target)
      a.run({ instructions: 1e9, retired: { cpu: 1, count: a.state.get(1, common.retired) + 1n } });
    b.run({ instructions: 1e9, retired: { cpu: 1, count: target } });
    assert.equal(a.hash(), b.hash());
    assert.ok(a.state.get(0, common.retired) >= BigInt(QUANTUM));
  });

  it('executes what was written over code at once', () => {
    const m = boot(1);
    go(m, 1_000);
    // The patch flips between adding 1 and 2: x9 counts both.
    const rounds = m.state.get(0, state.x, 9);
    assert.ok(rounds > 0n);
    const word = new DataView(m.physical.peek(PATCH, 4).buffer).getUint32(0, true);
    assert.ok([0x91000529, 0x91000129].includes(word), word.toString(16));
  });
});
