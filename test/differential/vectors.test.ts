import assert from 'node:assert/strict';
import { requireTool } from '../support/oracles';
import { tools } from '../support/qemu-vector';
import { Random, seed } from '../support/random';
import { compareUndefined, compareVectors, vectorBatch, vectorRows } from './vectors';

/** Cases of a word; there is one word for every row and shape. */
const OPERANDS = 6;
const RANDOM_WORDS = 20_000;

describe(`FP and SIMD instructions, compared with QEMU (SEED=${seed})`, function () {
  it(`agree in registers, NZCV and FPSR: ${vectorRows.length} rows`, function () {
    requireTool(this, ...tools);
    const batch = vectorBatch(new Random(seed), 1, OPERANDS);
    assert.ok(batch.cases.length > OPERANDS * vectorRows.length - OPERANDS);
    const { different, regions } = compareVectors(batch);
    assert.equal(different.join('\n'), '');
    // Those that no region holds are few.
    assert.ok(regions > batch.words.length / 2, `only ${regions} regions for ${batch.words.length} words`);
  });

  for (const model of ['cortex-a57', 'cortex-a76']) {
    it(`are UNDEFINED alike on ${model}: ${RANDOM_WORDS} random words`, function () {
      requireTool(this, ...tools);
      assert.equal(compareUndefined(new Random(seed), RANDOM_WORDS, model).join('\n'), '');
    });
  }
});
