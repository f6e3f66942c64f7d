/** No source makes the assembler throw, hang or answer with nothing. */
import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import fc from 'fast-check';
import { a64Rows } from '../isa/a64/rows';
import { assemble, tableOf } from './assemble';
import { directives } from './directives';
import { describeAt } from './line-index';

const isa = { name: 'a64', rows: a64Rows };

/** All files of the sample by path below its folder. */
function sampleFiles(): Map<string, string> {
  const root = resolve(__dirname, '../../hypervisor/arm64');
  const names = readdirSync(root, { recursive: true, encoding: 'utf8' }).filter((n) => /\.(S|inc)$/.test(n));
  return new Map(names.map((n) => [n, readFileSync(join(root, n), 'utf8')]));
}

/** Assembles and checks what must hold for any source. */
function check(text: string, others: ReadonlyMap<string, string> = new Map()): void {
  const all = [text, ...others.values()].join('\n');
  const result = assemble({ main: 'main.S', read: (p) => (p === 'main.S' ? text : others.get(p)), isa });
  assert.equal(
    result.elf === undefined,
    result.diagnostics.some((d) => d.severity === 'error'),
  );
  for (const d of result.diagnostics) {
    assert.ok(
      d.message.length > 0 && d.line >= 1 && d.column >= 1 && d.endColumn >= d.column,
      JSON.stringify(d),
    );
    // What is quoted comes from the source.
    assert.doesNotMatch(
      d.message.replace(/'([^']*)'/g, (quoted, t: string) => (all.includes(t) ? '' : quoted)),
      /undefined|\[object|NaN|\u0001/,
      JSON.stringify(d),
    );
  }
}

const words = [
  ...directives.keys(),
  ...tableOf(isa).mnemonics(),
  ...'x0 w1 sp xzr v0.8b {v0.8b} d3 lsl uxtw # : , [ ] ! = == + - * / ( ) { } \\ \\@ \\() \\x 0x10 0b1 5 1f 1b . a b: "s" \' "'.split(
    ' ',
  ),
  ...':lo12: .macro .endm .rept 3 .if .else .endif .irp // /* */ ; \n \n \n'.split(' '),
];

describe('Assembler with any input', () => {
  it('random characters', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary', maxLength: 300 }), (text) => check(text)),
      { numRuns: 400 },
    );
  });

  it('random words of the language', () => {
    fc.assert(
      fc.property(fc.array(fc.constantFrom(...words), { maxLength: 60 }), (list) => check(list.join(' '))),
      { numRuns: 1200 },
    );
  });

  it('the sample with lines removed, doubled, swapped and characters changed', () => {
    const files = sampleFiles();
    assert.ok(files.size > 10);
    const names = [...files.keys()];
    fc.assert(
      fc.property(
        fc.constantFrom(...names),
        fc.nat(),
        fc.nat(),
        fc.constantFrom('drop', 'double', 'swap', 'cut', 'insert'),
        fc.constantFrom(...words),
        (name, a, b, change, word) => {
          const lines = (files.get(name) ?? '').split('\n');
          const i = a % lines.length;
          const line = lines[i] ?? '';
          const at = b % (line.length + 1);
          if (change === 'drop') lines.splice(i, 1 + (b % 3));
          else if (change === 'double') lines.splice(i, 0, line);
          else if (change === 'swap')
            [lines[i], lines[b % lines.length]] = [lines[b % lines.length] ?? '', line];
          else
            lines[i] =
              line.slice(0, at) + (change === 'cut' ? '' : word) + line.slice(change === 'cut' ? at + 1 : at);
          const changed = new Map(files);
          changed.set(name, lines.join('\n'));
          check(changed.get('main.S') ?? '', changed);
        },
      ),
      { numRuns: 25 },
    );
  });

  it('a cursor anywhere', () => {
    fc.assert(
      fc.property(fc.array(fc.constantFrom(...words), { maxLength: 12 }), fc.nat(100), (list, column) => {
        describeAt(isa, list.join(' ').replaceAll('\n', ' '), column);
      }),
      { numRuns: 500 },
    );
  });
});
