import { requireTool } from '../support/oracles';
import { seed } from '../support/random';
import { tools } from './batch';
import { newSummary, runKind, summaryText } from './campaign';
import { mmuKinds } from './mmu';

const BATCHES = 2;
const CASES_A_BATCH = 1_500;
/** Of each batch, in the region tier too. */
const IN_REGIONS = 150;

describe('Accesses through random translation tables, compared with QEMU', function () {
  const total = newSummary();
  const replay = `Replay with SEED=${seed} npx mocha test/differential/mmu.test.ts`;

  beforeEach(function () {
    requireTool(this, ...tools);
  });

  for (const kind of mmuKinds) {
    it(kind.name, () => {
      runKind(kind, seed, { batches: BATCHES, count: CASES_A_BATCH, inRegions: IN_REGIONS }, replay, total);
    });
  }

  after(() => {
    if (total.cases > 0) console.log(`      ${summaryText(total)}; seed ${seed}`);
  });
});
