/**
 * npm run test:vectors -- [operations]      FP and SIMD instructions against QEMU (default 1,000,000 operations)
 *
 * Each operation runs in the interpreter and in a region, and both must be as QEMU in registers, NZCV and FPSR. The seed is
 * printed; SEED=... repeats a run. A mismatch ends it with a report and exit code 1.
 */
import { hasTool } from '../support/oracles';
import { tools } from '../support/qemu-vector';
import { Random, seed } from '../support/random';
import { compareVectors, vectorBatch, vectorRows } from './vectors';

const DEFAULT_OPERATIONS = 1_000_000;
/** Cases of each word: it has a new word for each row and shape in the next batch. */
const OPERANDS = 24;

function main(): number {
  const operations = Number(process.argv[2] ?? DEFAULT_OPERATIONS);
  if (!(operations > 0)) {
    console.error('The argument is a number of operations: npm run test:vectors -- 100000');
    return 2;
  }
  const missing = tools.filter((t) => !hasTool(t));
  if (missing.length > 0) {
    console.error(`${missing.join(', ')} must be installed first.`);
    return 2;
  }
  console.log(`SEED=${seed}: ${vectorRows.length} rows`);
  const start = Date.now();
  const r = new Random(seed);
  let done = 0;
  let regions = 0;
  while (done < operations) {
    const batch = vectorBatch(r, 1, OPERANDS);
    const result = compareVectors(batch);
    if (result.different.length > 0) {
      console.error(`${result.different.join('\n')}\nReplay with SEED=${seed} npm run test:vectors`);
      return 1;
    }
    done += batch.cases.length;
    regions += result.regions;
    const seconds = Math.round((Date.now() - start) / 1000);
    console.log(`${done} operations, in ${regions} regions too: as on QEMU (${seconds} s)`);
  }
  return 0;
}

process.exitCode = main();
