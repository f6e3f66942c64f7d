/**
 * npm run test:differential -- [minutes]      compares with QEMU for so long (default 10), round after round
 *
 * SEED=... repeats a run. A mismatch ends it with a report and exit code 1.
 */
import { hasTool } from '../support/oracles';
import { Random, seed } from '../support/random';
import { armv82Kinds, maxKinds } from './armv82';
import { tools } from './batch';
import { Mismatch, newSummary, runKind, summaryText, type Kind } from './campaign';
import { exceptionKinds } from './exceptions';
import { mmuKinds } from './mmu';
import { sequenceKinds } from './sequences';
import { systemKinds } from './system';
import { compareVectors, vectorBatch } from './vectors';

const DEFAULT_MINUTES = 10;
const CASES = 3_000;
/** FP and SIMD instructions: words of each row and shape, operands of each word. */
const VECTOR_WORDS = 2;
const VECTOR_OPERANDS = 20;

const kinds: readonly Kind[] = [
  ...sequenceKinds,
  ...systemKinds,
  ...exceptionKinds,
  ...mmuKinds,
  ...armv82Kinds,
  ...maxKinds,
];

function main(): number {
  const minutes = Number(process.argv[2] ?? DEFAULT_MINUTES);
  if (!(minutes > 0)) {
    console.error('The argument is a number of minutes: npm run test:differential -- 30');
    return 2;
  }
  const missing = tools.filter((t) => !hasTool(t));
  if (missing.length > 0) {
    console.error(`${missing.join(', ')} must be installed first.`);
    return 2;
  }
  const end = Date.now() + minutes * 60_000;
  const total = newSummary();
  let vectors = 0;
  for (let round = 0n; Date.now() < end; round++) {
    const roundSeed = seed + round;
    for (const kind of kinds) {
      if (Date.now() >= end) break;
      try {
        const replay = `Replay with SEED=${roundSeed} npm run test:differential`;
        runKind(kind, roundSeed, { batches: 1, count: CASES }, replay, total);
      } catch (e) {
        if (!(e instanceof Mismatch)) throw e;
        console.error(e.message);
        return 1;
      }
    }
    const batch = vectorBatch(new Random(roundSeed), VECTOR_WORDS, VECTOR_OPERANDS);
    const { different } = compareVectors(batch);
    if (different.length > 0) {
      console.error(`${different.join('\n')}\nReplay with SEED=${roundSeed} npm run test:differential`);
      return 1;
    }
    vectors += batch.cases.length;
    console.log(`seed ${roundSeed}: ${summaryText(total)}; ${vectors} single FP and SIMD instructions`);
  }
  return 0;
}

process.exitCode = main();
