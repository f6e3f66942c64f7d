/**
 * Targets of PC-relative instructions, backward ones included, against GNU objdump: the comparison with QEMU executes
 * only branches to places a few words ahead.
 */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { requireTool } from '../../../../test/support/oracles';
import { Random, seed } from '../../../../test/support/random';
import { build, fieldsOf, matches, TestCpu } from '../row-tests/machine';
import { branchRows } from './branch';

const tools = ['aarch64-linux-gnu-as', 'aarch64-linux-gnu-objdump'] as const;

/** Where objdump says that each word branches to; the first word stands at `base`. */
function objdumpTargets(words: readonly number[], base: bigint): bigint[] {
  const dir = mkdtempSync(join(tmpdir(), 'branch-'));
  try {
    writeFileSync(join(dir, 'a.s'), words.map((w) => `.inst 0x${w.toString(16)}\n`).join(''));
    spawnSync(tools[0], ['-o', 'a.o', 'a.s'], { cwd: dir });
    const args = ['-d', `--adjust-vma=0x${base.toString(16)}`, 'a.o'];
    const out = spawnSync(tools[1], args, { cwd: dir, maxBuffer: 2 ** 26 }).stdout.toString();
    return out
      .split('\n')
      .filter((line) => /^\s*[0-9a-f]+:\t/.test(line))
      .map((line) => BigInt(`0x${/([0-9a-f]+)(?: <.*)?$/.exec(line.replace(/\s*\/\/.*/, ''))?.[1]}`));
  } finally {
    rmSync(dir, { recursive: true });
  }
}

describe('A64 branch targets', () => {
  const rows = branchRows.filter((row) => row.asm(row.shapes[0]!).some((t) => t.includes('<label:')));

  for (const row of rows) {
    it(`${row.name} goes where objdump says (SEED=${seed})`, function () {
      requireTool(this, ...tools);
      const base = 0x40000000n;
      const r = new Random(seed);
      const words = Array.from(
        { length: 200 },
        () => ((r.bits32() & ~row.pattern.mask) | row.pattern.value) >>> 0,
      ).filter((w) => matches(row, w));
      const expected = objdumpTargets(words, base);
      assert.equal(expected.length, words.length);
      let taken = 0;
      words.forEach((word, i) => {
        const d = fieldsOf(row, word);
        const pc = base + 4n * BigInt(i);
        // One of these makes any condition hold: all registers zero or all ones, any flags.
        for (let state = 0; state < 32; state++) {
          const cpu = new TestCpu();
          cpu.pc = pc;
          cpu.nzcv = BigInt(state & 15) << 28n;
          for (let n = 0; n < 31; n++) cpu.setX(n, state & 16 ? (1n << 64n) - 1n : 0n);
          if (cpu.run(build(d, 'record'), d) !== 'branch') continue;
          taken++;
          assert.equal(cpu.pc, expected[i], `0x${word.toString(16)} at 0x${pc.toString(16)}`);
          return;
        }
      });
      // Only CBNZ and TBNZ of the zero register never branch.
      assert.ok(taken > words.length * 0.8, `${taken} of ${words.length} were taken`);
      assert.ok(
        expected.some((t) => t < base),
        'no backward branch among them',
      );
    });
  }
});
