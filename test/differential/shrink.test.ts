import assert from 'node:assert/strict';
import { requireTool } from '../support/oracles';
import { seed } from '../support/random';
import { tools } from './batch';
import { Mismatch, newSummary, runBatch } from './campaign';
import { CaseBuilder, wordsOf } from './cases';
import { Rng } from './rng';
import { sequence } from './sequences';

/** MRS X3, CNTVCT_EL0: the one instruction that can never agree, since QEMU's counter is wall-clock time. */
const COUNTER = 0xd53be043;

describe('A mismatch', function () {
  it('shrinks to one case and one instruction, and is reported with both sides', function () {
    requireTool(this, ...tools);
    const rng = new Rng(seed, 'shrink');
    const cases = Array.from({ length: 40 }, () => sequence(rng, 'agreeing', { mode: 'EL1h', length: 20 }));
    const c = new CaseBuilder('counting', 'EL2h').randomize(rng);
    c.emit(0x91000421, 0xaa0103e2, 0xca020022, COUNTER, 0x8b030064, 0x91000421); // add, mov, eor, mrs, add, add
    cases.splice(17, 0, c.done());
    assert.equal(wordsOf(cases[17]!).length, 6);
    let text = '';
    try {
      runBatch({ cases }, newSummary(), `Replay with SEED=${seed}`);
    } catch (e) {
      assert.ok(e instanceof Mismatch, String(e));
      text = e.message;
    }
    assert.match(text, /^counting: QEMU and the emulator disagree\. Replay with SEED=\d+$/m);
    assert.match(text, /^-> 0x[0-9a-f]+ {2}d53be043 {2}mrs x3, cntvct_el0$/m);
    assert.equal(text.match(/^(->| {2}) 0x/gm)?.length, 1, `the other instructions are gone:\n${text}`);
    assert.match(text, /^ {2}X3 +0x0 +0x[0-9a-f]+ +0x[0-9a-f]+ {2}<--$/m);
  });
});
