import assert from 'node:assert/strict';
import { wordAt } from './word';

describe('word at a column', () => {
  const line = '1: retry:\tb.ne  retry; msr hcr_el2, x0 // isb';

  it('knows the mnemonic behind labels and separators', () => {
    assert.deepEqual(wordAt(line, line.indexOf('b.ne') + 2), {
      text: 'b.ne',
      start: 10,
      end: 14,
      isMnemonic: true,
    });
    assert.equal(wordAt(line, line.indexOf('msr'))?.isMnemonic, true);
  });

  it('knows an operand', () => {
    assert.deepEqual(
      [wordAt(line, line.indexOf('hcr') + 3)?.text, wordAt(line, line.indexOf('hcr'))?.isMnemonic],
      ['hcr_el2', false],
    );
  });

  it('finds nothing in comments, between words and past the end', () => {
    assert.equal(wordAt(line, line.indexOf('isb')), undefined);
    assert.equal(wordAt(line, line.indexOf(',')), undefined);
    assert.equal(wordAt(line, 999), undefined);
    assert.equal(wordAt('# mov x0, x1', 3), undefined);
    assert.equal(wordAt(' # ifdef NAME // N', 10)?.text, 'NAME');
    assert.equal(wordAt(' # ifdef NAME // N', 17), undefined);
  });
});
