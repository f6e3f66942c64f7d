/** For specs: assembles sources with the GNU tools and with ours, and compares what both make of them. */
import assert from 'node:assert/strict';
import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { gnu, gnuAssemble, gnuIn, gnuLink, inTemporaryFolder, sectionBytes } from './gnu';
import { a64Rows } from '../../emulator/isa/a64/rows';
import { assemble, type AssembleOptions, type AssembleResult } from '../../emulator/asm/assemble';
import { SHT } from '../../emulator/asm/sections';

const isa = { name: 'a64', rows: a64Rows };

export type Files = Readonly<Record<string, string>>;
type Given = Pick<AssembleOptions, 'includeDirs' | 'defines'>;

/** Writes files into a folder. */
export function writeFiles(folder: string, files: Files): void {
  for (const [name, text] of Object.entries(files)) {
    mkdirSync(dirname(join(folder, name)), { recursive: true });
    writeFileSync(join(folder, name), text);
  }
}

/** With gcc when the preprocessor is wanted, as it does by the name of the file; with as otherwise. */
function gnuObject(folder: string, main: string, { includeDirs = [], defines = {} }: Given): string {
  const object = join(folder, 'main.o');
  if (!main.endsWith('.S')) {
    assert.deepEqual(gnuAssemble(join(folder, main), object, '-g', '-march=armv8.2-a', '-I', folder), []);
    return object;
  }
  const flags = [
    ...includeDirs.map((d) => `-I${d}`),
    ...Object.entries(defines).map(([name, value]) => `-D${name}=${value}`),
  ];
  const r = gnuIn(folder, 'gcc', '-c', '-g', '-nostdinc', '-march=armv8.2-a', ...flags, main, '-o', object);
  assert.equal(r.status, 0, r.stderr);
  return object;
}

/** Rows of the line table, as `file line address`. */
const lineTable = (elf: string): string[] =>
  [...gnu('objdump', '--dwarf=decodedline', elf).stdout.matchAll(/^(\S+)\s+(\d+)\s+(0x[0-9a-f]+)/gm)]
    .map((m) => `${m[1]} ${m[2]} ${m[3]}`)
    .sort();

/** Assembles with both and compares every section that has content, and with `lines` the line tables. */
export function compareSources(
  main: string,
  files: Files,
  given: Given & { readonly lines?: boolean } = {},
): AssembleResult {
  return inTemporaryFolder((folder) => {
    writeFiles(folder, files);
    const { lines, ...options } = given;
    const result = assemble({ main, read: (path) => files[path], isa, ...options });
    assert.deepEqual(
      result.diagnostics
        .filter((d) => d.severity === 'error')
        .map((d) => `${d.file}:${d.line}: ${d.message}`),
      [],
    );
    const object = gnuObject(folder, main, options);
    const placed = result.sections.filter((s) => s.size > 0);
    const elf = gnuLink(
      folder,
      object,
      placed.map(({ name, address }) => ({ name, address })),
    );
    for (const s of placed) {
      if (s.type === SHT.nobits) continue;
      const theirs = sectionBytes(folder, elf, s.name);
      assert.equal(Buffer.from(s.content).toString('hex'), theirs.toString('hex'), `section ${s.name}`);
    }
    assert.ok(placed.length > 0);
    if (lines) {
      const ours = join(folder, 'ours.elf');
      writeFileSync(ours, result.elf ?? '');
      assert.ok(lineTable(elf).length > 0);
      assert.deepEqual(lineTable(ours), lineTable(elf));
    }
    return result;
  });
}
