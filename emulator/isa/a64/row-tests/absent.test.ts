/** GNU objdump as the list of all A64 instructions: what it knows has a row, or is listed as absent. */
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { gnu, gnuTools, inTemporaryFolder } from '../../../../test/support/gnu';
import { requireTool } from '../../../../test/support/oracles';
import { Random, seed } from '../../../../test/support/random';
import { Decoder } from '../../../codegen/decoder';
import { a64Rows } from '../rows';
import { absent, absentFamilies, absentForms } from './absent';

const WORDS = 60_000;

const everything = new Set(a64Rows.flatMap((r) => (r.feature ? [r.feature] : [])));
const decoder = new Decoder(a64Rows, everything);
const mnemonics = new Set(
  a64Rows.flatMap((r) =>
    r.shapes.flatMap((s) => r.asm(s).map((t) => t.split(' ')[0]!.replace(/\.?<.*/, ''))),
  ),
);

/** Bits 28-25 of SVE, SME and what is reserved. */
const beyond = (word: number): boolean => ((word >>> 25) & 15) <= 3;

/** Words without a row, as objdump reads them. */
function unknownWords(r: Random): string[] {
  const words: number[] = [];
  for (let i = 0; i < WORDS; i++) {
    const word = r.bits32();
    if (!beyond(word) && !decoder.decode(word)) words.push(word);
  }
  return inTemporaryFolder((folder) => {
    const file = join(folder, 'words.bin');
    writeFileSync(file, new Uint8Array(new Uint32Array(words).buffer));
    const text = gnu('objdump', '-D', '-b', 'binary', '-m', 'aarch64', file).stdout;
    return [...text.matchAll(/^\s*[0-9a-f]+:\t[0-9a-f]{8} \t(.*)$/gm)]
      .map((m) => m[1]!.replace('\t', ' ').replace(/\s*\/\/.*/, ''))
      .filter((line) => !line.startsWith('.inst'));
  });
}

const isListed = (line: string): boolean => {
  const mnemonic = line.split(' ')[0]!;
  return (
    Object.values(absent).some((names) => names.has(mnemonic)) ||
    Object.values(absentFamilies).some((family) => family.test(mnemonic)) ||
    absentForms.some((form) => form.text.test(line))
  );
};

describe('A64 instructions without a row', () => {
  it(`are only those of the list: ${WORDS} words that objdump knows (SEED=${seed})`, function () {
    requireTool(this, ...gnuTools);
    const lines = unknownWords(new Random(seed));
    assert.ok(lines.length > 100, `only ${lines.length} words`);
    assert.deepEqual(
      lines.filter((line) => !isListed(line)),
      [],
    );
  });

  it('leave the list when they get a row', () => {
    const present = Object.values(absent).flatMap((names) => [...names].filter((n) => mnemonics.has(n)));
    assert.deepEqual(present, []);
    const matching = [...mnemonics].filter((m) => Object.values(absentFamilies).some((f) => f.test(m)));
    assert.deepEqual(matching, []);
  });
});
