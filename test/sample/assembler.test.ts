/** Our assembler makes of the sample what GNU as and ld make of it. */
import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { spawnSync } from 'node:child_process';
import { assemble } from '../../emulator/asm/assemble';
import { SHF, SHT } from '../../emulator/asm/sections';
import { a64Rows } from '../../emulator/isa/a64/rows';
import { gnu, gnuAssemble, gnuLink, gnuTools, inTemporaryFolder, sectionBytes } from '../support/gnu';
import { requireTool } from '../support/oracles';
import { SAMPLE } from './gnu';

const main = join(SAMPLE, 'main.S');

function read(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return undefined;
  }
}

const result = assemble({ main, read, isa: { name: 'a64', rows: a64Rows } });

describe('The sample, assembled by us', () => {
  it('has no errors and no warnings', () => {
    assert.deepEqual(result.diagnostics, []);
    assert.ok(result.elf);
    assert.ok(result.files.length > 10);
  });

  it('has the sections, symbols and lines that GNU as and ld give it', function () {
    requireTool(this, ...gnuTools);
    inTemporaryFolder((folder) => {
      const ours = join(folder, 'ours.elf');
      writeFileSync(ours, result.elf ?? '');
      const object = join(folder, 'main.o');
      assert.deepEqual(gnuAssemble(main, object, '-g', '-march=armv8-a+crc', '-I', SAMPLE), []);
      const placed = result.sections.filter((s) => s.size > 0);
      const loaded = placed.filter((s) => s.flags & SHF.alloc);
      const theirs = gnuLink(folder, object, loaded);
      for (const s of placed) {
        if (s.type === SHT.nobits) continue;
        const want = sectionBytes(folder, theirs, s.name);
        assert.ok(Buffer.from(s.content).equals(want), `section ${s.name}`);
        assert.ok(sectionBytes(folder, ours, s.name).equals(want), `section ${s.name} in the ELF`);
      }
      const symbols = (elf: string): string[] =>
        gnu('nm', elf)
          .stdout.split('\n')
          .filter((l) => !/ \$[xd]$/.test(l))
          .sort();
      assert.ok(symbols(ours).length > 300);
      assert.deepEqual(symbols(ours), symbols(theirs));
      const lines = (elf: string): string[] =>
        [...gnu('objdump', '--dwarf=decodedline', elf).stdout.matchAll(/^(\S+)\s+(\d+)\s+(0x[0-9a-f]+)/gm)]
          .map((m) => `${m[1]} ${m[2]} ${m[3]}`)
          .sort();
      assert.ok(lines(ours).length > 300);
      assert.deepEqual(lines(ours), lines(theirs));
    });
  });

  it('has lines that gdb finds', function () {
    requireTool(this, 'gdb-multiarch');
    inTemporaryFolder((folder) => {
      const elf = join(folder, 'sample.elf');
      writeFileSync(elf, result.elf ?? '');
      const line =
        (read(join(SAMPLE, 'hyp-init.S')) ?? '').split('\n').findIndex((l) => /\bttbr0_el2\b/.test(l)) + 1;
      assert.ok(line > 0);
      const symbol = result.symbols.find((s) => s.name === 'hyp_init');
      assert.ok(symbol);
      const commands = [`info line hyp-init.S:${line}`, `info line *${symbol.value}`];
      const r = spawnSync('gdb-multiarch', ['-nx', '-batch', ...commands.flatMap((c) => ['-ex', c]), elf], {
        encoding: 'utf8',
      });
      assert.match(
        r.stdout,
        new RegExp(`Line ${line} of ".*hyp-init\\.S" starts at address 0x[0-9a-f]+ <hyp_init\\+\\d+>`),
      );
      assert.match(r.stdout, /Line \d+ of ".*hyp-init\.S" starts at address 0x[0-9a-f]+ <hyp_init>/);
    });
  });
});
