/** Makes a mismatch small: one case, as few instructions and registers as possible, and the first one that differs. */
import type { Bench, Case } from './batch';
import { runOnEmulator, runOnQemu } from './batch';
import { BRK, NOP, wordsOf } from './cases';
import { differences, type Difference } from './compare';
import { at } from './record';

export interface Outcome {
  readonly test: Case;
  readonly qemu: Buffer;
  readonly ours: Buffer;
  readonly differences: readonly Difference[];
}

export interface Shrunk extends Outcome {
  /** Index of the first instruction after which the states differ, and the states before it. */
  readonly culprit: number;
  readonly before: Outcome;
}

function outcomes(tests: readonly Case[], bench: Bench): Outcome[] {
  const qemu = runOnQemu(tests, bench);
  const ours = runOnEmulator(tests, bench);
  return tests.map((test, i) => {
    const both = { test, qemu: qemu[i]!, ours: ours[i]! };
    return { ...both, differences: differences(both) };
  });
}

function edit(c: Case, change: (record: Buffer) => void): Case {
  const record = Buffer.from(c.record);
  change(record);
  return { ...c, record };
}

const without = (c: Case, words: readonly number[]): Case =>
  edit(c, (r) => words.forEach((i) => r.writeUInt32LE(NOP, at.words + 4 * i)));
const zeroed = (c: Case, offsets: readonly number[]): Case => ({
  ...edit(c, (r) => offsets.forEach((o) => r.writeBigUInt64LE(0n, o))),
  relative: (c.relative ?? []).filter((n) => !offsets.includes(8 * n)),
});

/** Drops all parts that the mismatch does not need: those that can go one by one, together if that works. */
function drop(
  c: Case,
  bench: Bench,
  parts: readonly number[],
  edited: (c: Case, parts: readonly number[]) => Case,
): Case {
  let left = parts;
  let now = c;
  for (let round = 0; round < 8 && left.length > 0; round++) {
    const results = outcomes(
      left.map((p) => edited(now, [p])),
      bench,
    );
    const removable = left.filter((_, i) => results[i]!.differences.length > 0);
    if (removable.length === 0) break;
    const half = removable.slice(0, Math.ceil(removable.length / 2));
    const other = removable.slice(half.length);
    const attempts = [removable, half, other, removable.slice(0, 1)].filter((a) => a.length > 0);
    const tried = outcomes(
      attempts.map((a) => edited(now, a)),
      bench,
    );
    const best = tried.findIndex((t) => t.differences.length > 0);
    if (best < 0) break;
    now = tried[best]!.test;
    const gone = attempts[best]!;
    left = left.filter((p) => !gone.includes(p));
  }
  return now;
}

/** Shrinks a case whose results differ; undefined when it does not differ when it runs alone. */
export function shrink(c: Case, bench: Bench): Shrunk | undefined {
  if (outcomes([c], bench)[0]!.differences.length === 0) return undefined;
  const words = wordsOf(c);
  const indexes = words.map((_, i) => i).filter((i) => words[i] !== NOP);
  let small = drop(c, bench, indexes, without);
  const registers = [
    ...Array.from({ length: 31 }, (_, n) => 8 * n),
    ...Array.from({ length: 64 }, (_, n) => at.v + 8 * n),
  ].filter((o) => small.record.readBigUInt64LE(o) !== 0n);
  small = drop(small, bench, registers, zeroed);
  // Prefixes: the case cut off by BRK after each instruction.
  const prefixes = outcomes(
    Array.from({ length: c.length + 1 }, (_, n) =>
      edit(small, (r) => {
        for (let i = n; i < c.length; i++) r.writeUInt32LE(BRK, at.words + 4 * i);
      }),
    ),
    bench,
  );
  const first = prefixes.findIndex((p) => p.differences.length > 0);
  const whole = outcomes([small], bench)[0]!;
  const culprit = Math.max(first - 1, 0);
  return { ...whole, culprit, before: prefixes[culprit]! };
}
