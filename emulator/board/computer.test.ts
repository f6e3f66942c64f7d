import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { Random, seed } from '../../test/support/random';
import { assemble } from '../asm/assemble';
import { a64Isa } from '../isa/a64';
import { Computer } from './computer';

const root = path.resolve(__dirname, '../..');
const SAMPLE = path.join(root, 'hypervisor/arm64/main.S');
const GOLDEN = path.join(root, 'test/sample/golden/uart.txt');

/** The sample keeps its guest 256 MiB up,. */
const MEMORY = 384 << 20;

const made = assemble({ main: SAMPLE, read: (p) => readFileSync(p, 'utf8'), isa: a64Isa });
const image = (): Uint8Array => {
  assert.deepEqual(made.diagnostics, []);
  assert.ok(made.elf);
  return made.elf;
};

function boot(cpus: number): { computer: Computer; text: () => string } {
  const computer = new Computer({ cpus, memoryBytes: MEMORY, image: image() });
  let text = '';
  computer.onEvent = (e) => {
    if (e.kind === 'uart') text += new TextDecoder().decode(e.bytes);
  };
  return { computer, text: () => text };
}

/** Hashing all memory takes a moment: specs here do it a few times only. */
describe('the computer with the reference hypervisor', function () {
  for (const cpus of [1, 2]) {
    it(`prints what QEMU prints, and powers off, ${cpus} CPUs`, () => {
      const { computer, text } = boot(cpus);
      const stop = computer.machine.run({ instructions: 50_000_000 });
      assert.equal(stop.kind, 'off');
      assert.equal(computer.ended?.kind, 'poweroff');
      assert.equal(text().replaceAll('\r', ''), readFileSync(GOLDEN, 'utf8').replaceAll('\r', ''));
    });

    it(`has one history, in pieces or after a restore, ${cpus} CPUs (SEED=${seed})`, () => {
      const r = new Random(seed);
      const at = 500_000 + r.below(200_000);
      const more = 100_000 + r.below(100_000);
      const a = boot(cpus).computer.machine;
      a.run({ instructions: at });
      const b = boot(cpus).computer.machine;
      while (b.schedule.vtime < BigInt(at)) {
        const left = at - Number(b.schedule.vtime);
        const stop = b.run({ instructions: Math.min(left, 1 + r.below(r.pick([5, 500, 50_000]))) });
        assert.equal(stop.kind, 'limit');
      }
      const before = a.hash();
      assert.equal(b.hash(), before, 'in pieces');
      const snapshot = a.snapshots.take();
      a.run({ instructions: more });
      const after = a.hash();
      a.snapshots.restore(snapshot);
      assert.equal(a.hash(), before, 'restored');
      a.run({ instructions: more });
      assert.equal(a.hash(), after, 'the same future');
    });
  }

  it('replays console input and debugger writes from the log', () => {
    const first = boot(1).computer;
    first.machine.run({ instructions: 200_000 });
    first.machine.input({ kind: 'input', port: 'uart0', bytes: Uint8Array.of(0x41, 0x42) });
    first.machine.run({ instructions: 100_000 });
    first.machine.input({ kind: 'state', cpu: 0, field: 'x', index: 28, value: 0x1234n });
    first.machine.run({ instructions: 100_000 });
    first.machine.input({ kind: 'register', cpu: 0, register: 'ICC_BPR0_EL1', value: 5n });
    assert.equal(first.board.sysregs.peek('ICC_BPR0_EL1', 0), 5n);
    const log = first.machine.log.entries;
    const second = new Computer({ cpus: 1, memoryBytes: MEMORY, image: image(), log });
    second.machine.run({ instructions: 400_000 });
    assert.equal(second.board.sysregs.peek('ICC_BPR0_EL1', 0), 5n);
    assert.equal(second.machine.hash(), first.machine.hash());
    const third = boot(1).computer;
    third.machine.run({ instructions: 400_000 });
    assert.notEqual(third.machine.hash(), first.machine.hash(), 'the input made a difference');
  });
});
