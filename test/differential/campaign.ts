/** Runs kinds of cases: generates batches, compares both tiers, shrinks the first mismatch and reports it. */
import { stressTranslation } from '../../emulator/core/translator';
import { Hang, runOnEmulator, runOnQemu, type Bench, type Case } from './batch';
import { retired, wordsOf } from './cases';
import { differences, tierDifferences, type Difference, type Tally } from './compare';
import type { Both } from './deviations';
import { word } from './record';
import { disassemble, report } from './report';
import { Rng } from './rng';
import { shrink } from './shrink';

export interface Batch extends Bench {
  readonly cases: readonly Case[];
}

export interface Kind {
  readonly name: string;
  /** Makes a batch of about `count` cases. */
  readonly make: (rng: Rng, count: number) => Batch;
}

export interface Summary {
  cases: number;
  /** Instructions of cases that retired. */
  instructions: number;
  /** Cases that ended with an exception other than the BRK behind them. */
  exceptions: number;
  readonly tally: Tally;
}

export const newSummary = (): Summary => ({ cases: 0, instructions: 0, exceptions: 0, tally: new Map() });

/** A mismatch, with the report as its message. */
export class Mismatch extends Error {
  override readonly name = 'Mismatch';
}

/** The smallest form of the first of these mismatches, as text. */
function explain(batch: Batch, bad: readonly number[], all: readonly string[], replay: string): string {
  const more = bad.length > 1 ? `\n(and ${bad.length - 1} more cases of this batch)` : '';
  for (const i of bad.slice(0, 5)) {
    const small = shrink(batch.cases[i]!, batch);
    if (small) return report(small, replay) + more;
  }
  return `${batch.cases[bad[0]!]!.kind}: ${bad.length} cases differ, but only after others. ${replay}\n${all.join('\n')}`;
}

/** The case from which QEMU does not come back, by halving. The last one left alone is not run again. */
function findHang(batch: Batch): Case {
  let cases = batch.cases;
  while (cases.length > 1) {
    const half = cases.slice(0, Math.ceil(cases.length / 2));
    try {
      runOnQemu(half, batch, 15_000);
      cases = cases.slice(half.length);
    } catch (e) {
      if (!(e instanceof Hang)) throw e;
      cases = half;
    }
  }
  return cases[0]!;
}

/** The results from QEMU. @throws Mismatch naming a case that it hangs in */
function onQemu(batch: Batch, replay: string): Buffer[] {
  try {
    return runOnQemu(batch.cases, batch);
  } catch (e) {
    if (!(e instanceof Hang)) throw e;
    const c = findHang(batch);
    const spsr = word(c.record, 'SPSR_EL2').toString(16);
    const text = disassemble(wordsOf(c), 0n).join('\n  ');
    throw new Mismatch(`${c.kind}: ${e.message}. ${replay}\n${c.note ?? ''}\nSPSR 0x${spsr}:\n  ${text}`);
  }
}

/** @throws Mismatch when the results are not as expected */
function check(batch: Batch, found: readonly (readonly Difference[])[], replay: string): void {
  const bad = found.flatMap((d, i) => (d.length > 0 ? [i] : []));
  const text = (d: Difference): string => `${d.name}: ${d.qemu.toString(16)} ${d.ours.toString(16)}`;
  const texts = bad.slice(0, 20).map((i) => found[i]!.map(text).join(', '));
  if (bad.length > 0) throw new Mismatch(explain(batch, bad, texts, replay));
}

/**
 * Runs one batch: the interpreter must do as QEMU does, and the region tier as the interpreter.
 * @param inRegions how many of its cases run in the region tier: translating is most of the work
 * @throws Mismatch
 */
export function runBatch(
  batch: Batch,
  summary: Summary,
  replay: string,
  inRegions = batch.cases.length,
): void {
  const qemu = onQemu(batch, replay);
  const run = (bench: Bench): Buffer[] => runOnEmulator(batch.cases, { ...batch, ...bench });
  const ours = run({ translate: false });
  batch.cases.forEach((test, i) => {
    const n = retired(test, i, qemu[i]!);
    summary.cases++;
    summary.instructions += n;
    if (n !== test.length) summary.exceptions++;
  });
  const both = (test: Case, i: number): Both => ({ test, qemu: qemu[i]!, ours: ours[i]! });
  check(
    batch,
    batch.cases.map((test, i) => differences(both(test, i), summary.tally)),
    replay,
  );
  // Not with the results above: a case may change what an earlier one has left.
  const first = Math.min(inRegions, batch.cases.length);
  const interpreted = run({ translate: false, first });
  const translated = run({ translate: stressTranslation, first });
  const found = interpreted.map((result, i) => tierDifferences(result, translated[i]!));
  check({ ...batch, translate: stressTranslation }, found, `${replay}, in regions`);
}

/** Runs `batches` batches of a kind. */
export function runKind(
  kind: Kind,
  seed: bigint,
  size: { readonly batches: number; readonly count: number; readonly inRegions?: number },
  replay: string,
  summary: Summary = newSummary(),
): Summary {
  for (let i = 0; i < size.batches; i++) {
    const rng = new Rng(seed, `${kind.name} ${i}`);
    runBatch(kind.make(rng, size.count), summary, `${replay} (batch ${i})`, size.inRegions);
  }
  return summary;
}

/** The summary as one line, deviations included. */
export function summaryText(s: Summary): string {
  const met = [...s.tally].map(([name, n]) => `${name}: ${n}`).join('; ');
  return `${s.cases} cases, ${s.instructions} instructions, ${s.exceptions} exceptions${met ? `; QEMU deviations met: ${met}` : ''}`;
}
