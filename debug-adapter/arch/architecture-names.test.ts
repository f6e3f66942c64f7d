import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { gnu, gnuAssemble, gnuTools, inTemporaryFolder } from '../../test/support/gnu';
import { requireTool } from '../../test/support/oracles';
import { architecturalRegisters, instructionNameOf, registerNameOf } from './architecture-names';

/** The words of lines that GNU as takes; undefined for those that it does not know. */
function assembled(lines: readonly string[]): (number | undefined)[] {
  return inTemporaryFolder((folder) => {
    const [source, object, binary] = ['a.s', 'a.o', 'a.bin'].map((n) => join(folder, n)) as [
      string,
      string,
      string,
    ];
    writeFileSync(source, `${lines.join('\n')}\n`);
    const wrong = new Set(gnuAssemble(source, object, '-march=all').map((e) => e.line));
    const known = lines.map((line, i) => (wrong.has(i + 1) ? undefined : line));
    writeFileSync(source, `${known.filter((l) => l !== undefined).join('\n')}\n`);
    assert.deepEqual(gnuAssemble(source, object, '-march=all'), []);
    gnu('objcopy', '-O', 'binary', '-j', '.text', object, binary);
    const words = readFileSync(binary);
    let at = 0;
    return known.map((line) => (line === undefined ? undefined : words.readUInt32LE(4 * at++)));
  });
}

describe('names of the architecture', () => {
  before(function () {
    requireTool(this, ...gnuTools);
  });

  it('have the encodings that GNU as gives them', () => {
    const words = assembled(architecturalRegisters.map(([name]) => `mrs x0, ${name.toLowerCase()}`));
    let compared = 0;
    architecturalRegisters.forEach(([name, [op0, op1, crn, crm, op2]], i) => {
      if (words[i] === undefined) return;
      const fields = (op0 << 19) | (op1 << 16) | (crn << 12) | (crm << 8) | (op2 << 5);
      assert.equal(words[i], (0xd5200000 | fields) >>> 0, name);
      assert.equal(registerNameOf([op0, op1, crn, crm, op2]), name);
      compared++;
    });
    // Newer ones are unknown to an older as.
    assert.ok(compared > 200, String(compared));
    assert.equal(registerNameOf([3, 0, 15, 2, 0]), undefined);
  });

  it('name the feature of an instruction', () => {
    const cases: readonly (readonly [string, string])[] = [
      ['setp [x0]!, x1!, x2', 'FEAT_MOPS'],
      ['setm [x0]!, x1!, x2', 'FEAT_MOPS'],
      ['sete [x0]!, x1!, x2', 'FEAT_MOPS'],
      ['cpyfpwtrn [x0]!, [x1]!, x2!', 'FEAT_MOPS'],
      ['cpyfmwtrn [x0]!, [x1]!, x2!', 'FEAT_MOPS'],
      ['cpyfewtrn [x0]!, [x1]!, x2!', 'FEAT_MOPS'],
      ['ldg x0, [x1]', 'FEAT_MTE'],
      ['stzg x0, [x1], #16', 'FEAT_MTE'],
      ['stgp x0, x1, [x2], #16', 'FEAT_MTE'],
      ['stgp x0, x1, [x2, #16]!', 'FEAT_MTE'],
      ['stgp x0, x1, [x2]', 'FEAT_MTE'],
      ['addg x0, x1, #16, #2', 'FEAT_MTE'],
      ['irg x0, x1', 'FEAT_MTE'],
      ['gmi x0, x1, x2', 'FEAT_MTE'],
      ['subps x0, x1, x2', 'FEAT_MTE'],
      ['ld64b x0, [x8]', 'FEAT_LS64'],
      ['st64b x0, [x8]', 'FEAT_LS64'],
      ['st64bv x0, x2, [x8]', 'FEAT_LS64_V'],
      ['bc.eq .', 'FEAT_HBC'],
      ['abs x0, x1', 'FEAT_CSSC'],
      ['cnt w0, w1', 'FEAT_CSSC'],
      ['ctz x0, x1', 'FEAT_CSSC'],
      ['umin x0, x1, #3', 'FEAT_CSSC'],
      ['smax x0, x1, x2', 'FEAT_CSSC'],
      ['bfcvt h0, s1', 'FEAT_BF16'],
      ['bfcvtn2 v0.8h, v1.4s', 'FEAT_BF16'],
      ['bfdot v0.4s, v1.8h, v2.8h', 'FEAT_BF16'],
      ['bfmlalt v0.4s, v1.8h, v2.h[1]', 'FEAT_BF16'],
      ['bfmmla v0.4s, v1.8h, v2.8h', 'FEAT_BF16'],
      ['sm3partw2 v0.4s, v1.4s, v2.4s', 'FEAT_SM3'],
      ['sm3tt2b v0.4s, v1.4s, v2.s[1]', 'FEAT_SM3'],
      ['sm4e v0.4s, v1.4s', 'FEAT_SM4'],
      ['tstart x0', 'FEAT_TME'],
      ['tcancel #3', 'FEAT_TME'],
      ['wfit x0', 'FEAT_WFxT'],
      ['dsb oshnxs', 'FEAT_XS'],
      ['add z0.s, z1.s, z2.s', 'FEAT_SVE'],
      ['ld1d z0.d, p0/z, [x0]', 'FEAT_SVE'],
      ['fmopa za0.s, p0/m, p1/m, z0.s, z1.s', 'FEAT_SME'],
    ];
    const words = assembled(cases.map(([text]) => text));
    cases.forEach(([text, feature], i) => {
      assert.ok(words[i] !== undefined, text);
      assert.equal(instructionNameOf(words[i] ?? 0)?.feature, feature, text);
    });
    // What has always been there has no name here.
    for (const word of assembled(['add x0, x1, x2', 'ldr x0, [x1]', 'swp x0, x1, [x2]', 'ret', 'udf #1']))
      assert.equal(instructionNameOf(word ?? 0), undefined);
  });
});
