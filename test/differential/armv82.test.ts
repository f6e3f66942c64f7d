import { requireTool } from '../support/oracles';
import { seed } from '../support/random';
import { armv82Kinds, maxKinds } from './armv82';
import { tools } from './batch';
import { newSummary, runKind, summaryText } from './campaign';

const CASES_A_KIND = 400;
/** Of each batch, in the region tier too. */
const IN_REGIONS = 100;
/** The others are compared by `npm run test:differential`. */
const chosen = [
  ...armv82Kinds.filter((k) => /host|E2H|read at each|single words/.test(k.name)),
  ...maxKinds.filter((k) => /single words|returns/.test(k.name)),
];

describe('Armv8.2 and VHE, compared with QEMU', function () {
  const total = newSummary();
  const replay = `Replay with SEED=${seed} npx mocha test/differential/armv82.test.ts`;

  beforeEach(function () {
    requireTool(this, ...tools);
  });

  for (const kind of chosen) {
    it(kind.name, () => {
      runKind(kind, seed, { batches: 1, count: CASES_A_KIND, inRegions: IN_REGIONS }, replay, total);
    });
  }

  after(() => {
    if (total.cases > 0) console.log(`      ${summaryText(total)}; seed ${seed}`);
  });
});
