import assert from 'node:assert/strict';
import { a64Rows } from '../../emulator/isa/a64/rows';
import { instructionHover, instructionIndex, syntaxOf } from './instructions';

describe('instructions for hover', () => {
  const index = instructionIndex(a64Rows);

  it('writes a template as syntax', () => {
    assert.equal(syntaxOf('cmp <xsp:rn>, <addimm:sh,imm12> ; rd=31'), 'cmp <Xn|SP>, #<imm>');
    assert.equal(syntaxOf('tbz <w:rt>, #<u:b40>, <label:imm14> ; b5=0'), 'tbz <Wt>, #<b40>, <label>');
    assert.equal(syntaxOf('cmeq <v.16b:rd>, <v.16b:rn>, #0'), 'cmeq <Vd.16B>, <Vn.16B>, #0');
  });

  it('joins the W and the X form', () => {
    assert.deepEqual(
      index.get('csel')?.map(({ syntax }) => syntax),
      ['csel <Rd>, <Rn>, <Rm>, <cond>'],
    );
  });

  it('has every mnemonic of every row, with the sentence of its row', () => {
    for (const row of a64Rows) {
      for (const template of new Set(row.shapes.flatMap((shape) => row.asm(shape)))) {
        const mnemonic = template.split(' ')[0] ?? '';
        assert.ok(
          index.get(mnemonic)?.some(({ doc }) => doc === row.doc),
          `${row.name}: ${template}`,
        );
      }
    }
  });

  it('says when a form needs a feature, and how many it leaves out', () => {
    assert.match(instructionHover(index.get('crc32b') ?? []), /Needs FEAT_CRC32\./);
    const many = Array.from({ length: 14 }, (_, n) => ({
      syntax: `x${n}`,
      either: `x${n}`,
      doc: 'd',
      feature: undefined,
    }));
    assert.match(instructionHover(many), /x11\n```\nd\n\nand 2 more forms$/);
  });
});
