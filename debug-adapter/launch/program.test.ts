import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { AssemblyError, loadProgram } from './program';

describe('a program that is assembled', () => {
  let folder = '';
  const inFolder = (name: string): string => path.join(folder, name);

  beforeEach(() => {
    folder = mkdtempSync(path.join(tmpdir(), 'worldswitch-program-'));
    mkdirSync(inFolder('inc'));
    writeFileSync(inFolder('inc/value.h'), '#define DOUBLE(x) ((x) * 2)\n');
    writeFileSync(inFolder('main.S'), '#include <value.h>\n_start: .word DOUBLE(N)\n');
  });
  afterEach(() => rmSync(folder, { recursive: true }));

  it('gets macros and include folders', () => {
    const made = loadProgram(folder, { defines: { N: '0x11' }, includeDirs: [inFolder('inc')] });
    assert.equal(made.format, 'elf');
    assert.ok(Buffer.from(made.image).includes(Buffer.from([0x22, 0, 0, 0])));
  });

  it('says where a header is missing', () => {
    assert.throws(
      () => loadProgram(folder),
      (error) =>
        error instanceof AssemblyError &&
        error.message ===
          `${inFolder('main.S')}:1:10: file 'value.h' is not found in the include folders: correct its name, or name its folder in "assembler.includeDirs"`,
    );
  });
});
