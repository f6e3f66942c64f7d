import { requireTool } from '../support/oracles';
import { seed } from '../support/random';
import { tools } from './batch';
import { newSummary, runKind, summaryText } from './campaign';
import { exceptionKinds } from './exceptions';
import { systemKinds } from './system';

const CASES_A_KIND = 1_500;
/** Of each batch, in the region tier too. */
const IN_REGIONS = 150;

describe('System registers, traps and exceptions, compared with QEMU', function () {
  const total = newSummary();
  const replay = `Replay with SEED=${seed} npx mocha test/differential/system.test.ts`;

  beforeEach(function () {
    requireTool(this, ...tools);
  });

  for (const kind of [...systemKinds, ...exceptionKinds]) {
    it(kind.name, () => {
      runKind(kind, seed, { batches: 1, count: CASES_A_KIND, inRegions: IN_REGIONS }, replay, total);
    });
  }

  after(() => {
    if (total.cases > 0) console.log(`      ${summaryText(total)}; seed ${seed}`);
  });
});
