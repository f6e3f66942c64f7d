import assert from 'node:assert/strict';
import { requireTool } from '../support/oracles';
import { seed } from '../support/random';
import { tools } from './batch';
import { newSummary, runKind, summaryText } from './campaign';
import { sequenceKinds } from './sequences';

/** What all sequences together must have executed. */
const INSTRUCTIONS = 1_000_000;
const CASES_A_KIND = 3_500;
/** Of each batch, in the region tier too. */
const IN_REGIONS = 150;

describe('Sequences of instructions, compared with QEMU', function () {
  this.timeout(240_000);
  const total = newSummary();
  const replay = `Replay with SEED=${seed} npx mocha test/differential/sequences.test.ts`;

  beforeEach(function () {
    requireTool(this, ...tools);
  });

  for (const kind of sequenceKinds) {
    it(kind.name, () => {
      runKind(kind, seed, { batches: 1, count: CASES_A_KIND, inRegions: IN_REGIONS }, replay, total);
    });
  }

  it(`executed at least ${INSTRUCTIONS} instructions`, () => {
    console.log(`      ${summaryText(total)}; seed ${seed}`);
    assert.ok(total.instructions >= INSTRUCTIONS, `only ${total.instructions}`);
  });
});
