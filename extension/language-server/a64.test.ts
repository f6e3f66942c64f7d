import assert from 'node:assert/strict';
import { a64 } from './a64';
import type { Analysis, NameAt } from './language';
import { readSettings, resolveIncludeDirs } from './settings';

const files: Record<string, string> = {
  '/k/main.S': [
    '#include "regs.h"',
    '#include <asm/save.h>',
    '#ifdef DEBUG',
    '\twfi',
    '#else',
    '\tnop',
    '#endif',
    'start:\tSAVE(x19,',
    '\t\tx20)',
    '\tmov x0, #OFFSET',
    '#undef OFFSET',
    '#define OFFSET 7',
    '\tmov x1, #OFFSET',
    '\tmov x2, #LIMIT',
    '\tb start',
    '.equ LIMIT, 3',
    '\tadd x0, x1, y2',
  ].join('\n'),
  '/k/regs.h': '#define OFFSET BASE + 8\n#define BASE 16\n',
  '/inc/asm/save.h': '#define SAVE(a, b) stp a, b, [sp, #OFFSET]\n\tmov x9, y1\n',
};

describe('names of AArch64 assembly', () => {
  const read = (file: string): string | undefined => files[file];
  const analyse = (defines: Record<string, string> = {}): Analysis =>
    a64.analyse('/k/main.S', read, { defines, includeDirs: ['/inc'] });

  /** The `count`-th occurrence of a word in a line. */
  function name(file: string, line: number, text: string): NameAt {
    const column = ((files[file] ?? '').split('\n')[line - 1] ?? '').indexOf(text) + 1;
    assert.ok(column > 0, text);
    return { text, file, line, column, endColumn: column + text.length };
  }
  const main = (line: number, text: string): NameAt => name('/k/main.S', line, text);
  const places = (list: readonly { file: string; line: number; column: number }[] | undefined): string[] =>
    (list ?? []).map((p) => `${p.file}:${p.line}:${p.column}`);

  it('reports in the file that is wrong, and how it got there', () => {
    const found = analyse().diagnostics.map(
      (d) => `${d.file}:${d.line}:${d.column} ${d.related.map((r) => `${r.file}:${r.line}`).join()}`,
    );
    assert.deepEqual(found, ['/inc/asm/save.h:2:10 /k/main.S:2', '/k/main.S:17:14 ']);
  });

  it('knows the lines that are left out, and takes definitions from outside', () => {
    assert.deepEqual(analyse().inactive, [{ file: '/k/main.S', from: 4, to: 4 }]);
    assert.deepEqual(analyse({ DEBUG: '' }).inactive, [{ file: '/k/main.S', from: 6, to: 6 }]);
  });

  it('finds the definition that is in force, in includes, too', () => {
    const a = analyse();
    assert.deepEqual(places(a.definitions(main(10, 'OFFSET'))), ['/k/regs.h:1:9']);
    assert.deepEqual(places(a.definitions(main(13, 'OFFSET'))), ['/k/main.S:12:9']);
    assert.deepEqual(places(a.definitions(main(8, 'SAVE'))), ['/inc/asm/save.h:1:9']);
    assert.deepEqual(places(a.definitions(name('/k/regs.h', 1, 'BASE'))), ['/k/regs.h:2:9']);
    assert.deepEqual(places(a.definitions(main(15, 'start'))), ['/k/main.S:8:1']);
    assert.deepEqual(places(a.definitions(main(14, 'LIMIT'))), ['/k/main.S:16:1']);
    assert.deepEqual(a.definitions(main(6, 'nop')), []);
  });

  it('shows the definition and what it becomes at the use', () => {
    const a = analyse();
    const save = a.describe(main(8, 'SAVE')) ?? '';
    assert.match(save, /#define SAVE\(a, b\) stp a, b, \[sp, #OFFSET\]/);
    assert.match(save, /becomes here\n[^]*stp x19, x20, \[sp, #16 \+ 8\]/);
    assert.match(a.describe(main(10, 'OFFSET')) ?? '', /becomes here\n[^]*\n16 \+ 8\n/);
    assert.match(a.describe(main(13, 'OFFSET')) ?? '', /#define OFFSET 7/);
    assert.match(a.describe(main(14, 'LIMIT')) ?? '', /LIMIT = 0x3/);
    assert.equal(a.describe(main(6, 'nop')), undefined);
  });

  it('finds uses in text, conditions and other macros', () => {
    assert.deepEqual(places(analyse().references(main(10, 'OFFSET'))), [
      '/k/regs.h:1:9',
      '/k/main.S:12:9',
      '/k/main.S:10:11',
      '/k/main.S:11:8',
      '/k/main.S:13:11',
      '/inc/asm/save.h:1:36',
    ]);
    assert.equal(analyse().references(main(15, 'start')), undefined);
  });

  it('completes directives, names behind them, and macros in statements', () => {
    const labels = (line: string): string[] =>
      analyse()
        .complete(line, line.length + 1)
        .map(({ label }) => label);
    assert.ok(labels('#if').includes('ifdef') && !labels('#if').includes('add'));
    assert.ok(labels('#ifdef O').includes('OFFSET') && !labels('#ifdef O').includes('start'));
    assert.ok(labels('\tSA').includes('SAVE') && labels('\tmov x0, #').includes('BASE'));
    assert.deepEqual(labels('#error O'), []);
  });

  it('says of a folder setting what it means', () => {
    assert.deepEqual(resolveIncludeDirs(['inc', '/abs', '${workspaceFolder}/x', '${env:X}/y'], '/w'), [
      '/w/inc',
      '/abs',
      '/w/x',
      '${env:X}/y',
    ]);
    assert.deepEqual(readSettings({ defines: { A: '1', B: 2 }, includeDirs: ['i', 3] }, '/w'), {
      defines: { A: '1' },
      includeDirs: ['/w/i'],
    });
    assert.deepEqual(readSettings(null, '/w'), { defines: {}, includeDirs: [] });
  });
});
