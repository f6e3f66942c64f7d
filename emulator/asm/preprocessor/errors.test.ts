/** What the preprocessor says about wrong sources, and where. */
import assert from 'node:assert/strict';
import fc from 'fast-check';
import { a64Rows } from '../../isa/a64/rows';
import { assemble, type AssembleResult } from '../assemble';
import type { Diagnostic } from '../diagnostics';

const isa = { name: 'a64', rows: a64Rows };
type Files = Readonly<Record<string, string | Uint8Array>>;

function run(text: string, more: Files = {}, defines: Readonly<Record<string, string>> = {}): AssembleResult {
  const files: Files = { ...more, 'main.S': text };
  return assemble({ main: 'main.S', read: (path) => files[path], isa, defines });
}

/** The only diagnostic, with the text that it marks. */
function only(text: string, more: Files = {}): Diagnostic & { marked: string } {
  const { diagnostics } = run(text, more);
  assert.equal(diagnostics.length, 1, JSON.stringify(diagnostics, undefined, 1));
  const [d] = diagnostics;
  assert.ok(d);
  const file = d.file === 'main.S' ? text : more[d.file];
  const line = typeof file === 'string' ? (file.split('\n')[d.line - 1] ?? '') : '';
  return { ...d, marked: line.slice(d.column - 1, d.endColumn - 1) };
}

const cases: readonly (readonly [source: string, message: RegExp, line: number, marked: string])[] = [
  ['nop\n#include "none.h"\nnop\nbad', /^file 'none.h' is not found/, 2, '"none.h"'],
  ['#include <none.h>', /^file 'none.h' is not found in the include folders/, 1, '<none.h>'],
  ['#include none', /#include needs "file" or <file>/, 1, 'none'],
  ['#include', /#include needs/, 1, 'include'],
  ['#include "main.S"', /included too deeply; does it include itself/, 1, '"main.S"'],
  ['#include "x.bin"', /is not text/, 1, '"x.bin"'],
  ['nop\n#if 1\nnop', /^the #if that begins here has no #endif$/, 2, 'if'],
  ['#ifdef A\n#else\nnop', /^the #ifdef that begins here has no #endif$/, 1, 'ifdef'],
  ['#else', /^#else without #if$/, 1, 'else'],
  ['#endif', /^#endif without #if$/, 1, 'endif'],
  ['#elif 1', /^#elif without #if$/, 1, 'elif'],
  ['#if 1\n#else\n#else\n#endif', /second #else/, 3, 'else'],
  ['#if 1\n#else\n#elif 1\n#endif', /#elif behind #else/, 3, 'elif'],
  ['#if\n#endif', /#if needs an expression/, 1, 'if'],
  ['#if 1 +\n#endif', /operand is missing/, 1, '+'],
  ['#if (1\n#endif', /'\(' has no '\)'/, 1, '('],
  ['#if 1 2\n#endif', /operator is expected before '2'/, 1, '2'],
  ['#if 1 / 0\n#endif', /division by zero/, 1, '/'],
  ['#if 1.5\n#endif', /floating-point/, 1, '1.5'],
  ['#if 08\n#endif', /'08' is no integer/, 1, '08'],
  ['#if "s"\n#endif', /'"s"' cannot stand here/, 1, '"s"'],
  ['#if defined\n#endif', /'defined' needs a name/, 1, 'defined'],
  ['#if defined(A\n#endif', /has no '\)'/, 1, 'defined'],
  ['#if F(1)\n#endif', /'F' is not a macro that can be called/, 1, 'F'],
  ['#ifdef 1\n#endif', /#ifdef needs the name of a macro, not '1'/, 1, '1'],
  ['#ifndef\n#endif', /#ifndef needs the name of a macro/, 1, 'ifndef'],
  ['#define', /#define needs a name/, 1, 'define'],
  ['#define 1', /#define needs a name, not '1'/, 1, '1'],
  ['#define defined', /'defined' cannot be defined/, 1, 'defined'],
  ['#define F(a, a) a', /parameter a occurs twice/, 1, 'a'],
  ['#define F(a b) a', /'\)' is missing/, 1, 'b'],
  ['#define F(a', /'\)' is missing/, 1, 'a'],
  ['#define F(1)', /a parameter of macro F is expected, not '1'/, 1, '1'],
  ['#define F(..., a)', /'\)' is missing/, 1, ','],
  ['#define A ## b', /'##' needs a token on both/, 1, '##'],
  ['#define A __VA_ARGS__', /__VA_ARGS__ is only there/, 1, '__VA_ARGS__'],
  ['#define F(a) a\nnop\nmov x0, F(1, 2)', /^macro F takes 1 argument, but 2 are given$/, 3, 'F'],
  ['#define F(a, b) a\nF(1)', /^macro F takes 2 arguments, but 1 is given$/, 2, 'F'],
  ['#define F() a\nF(1)', /^macro F takes 0 arguments, but 1 is given$/, 2, 'F'],
  ['#define F(a, b, ...) a\nF(1)', /takes at least 2 arguments/, 2, 'F'],
  ['#define F(a) a\nnop ; F(1\nnop\n', /arguments of macro F have no closing '\)'/, 2, 'F'],
  ['#error stop here', /^stop here$/, 1, 'error stop here'],
  ['#line x', /#line needs the number/, 1, 'x'],
  ['#line 3 x', /name of a file in quotes/, 1, 'x'],
  ['nop /* open\nnop', /comment that begins here has no end/, 1, ''],
  // What the assembler refuses in a line that macros have made.
  ['#define N 0x12345\nmov x0, #N', /0x12345 cannot be encoded/, 2, 'N'],
  ['#define ADD(a, b) add a, b, y9\nADD(x0,\n x1)', /y9/, 2, 'ADD'],
  ['#define ADD(a, b) add a, b, #1\nADD(x0,\n w1)', /operand 2 of add/, 3, 'w1'],
  ['nop ; \\\n  add x0, x1, y9', /y9/, 2, 'y9'],
  ['mov x0, /* c\n */ #0x12345', /0x12345 cannot be encoded/, 2, '0x12345'],
  ['#define L nowhere\nb L', /symbol 'nowhere' is not defined/, 2, 'L'],
];

describe('Preprocessor errors', () => {
  for (const [source, message, line, marked] of cases) {
    it(JSON.stringify(source), () => {
      const d = only(source, { 'x.bin': Uint8Array.of(255) });
      assert.match(d.message, message);
      assert.deepEqual([d.file, d.line, d.severity, d.marked], ['main.S', line, 'error', marked]);
    });
  }

  const warnings: readonly (readonly [source: string, message: RegExp, marked: string])[] = [
    ['#define A 1\n#define A 2', /macro A is defined again/, 'A'],
    ['#warning look here', /^look here$/, 'warning look here'],
    ['#if 1\n#endif A', /'A' behind #endif has no effect/, 'A'],
    [
      '.include "part.inc"',
      /#define is a comment here.*Use #include|by #include, not by .include/,
      '#define A 1',
    ],
  ];
  for (const [source, message, marked] of warnings) {
    it(`warns of ${JSON.stringify(source)}`, () => {
      const d = only(source, { 'part.inc': '#define A 1\n' });
      assert.match(d.message, message);
      assert.deepEqual([d.severity, d.marked], ['warning', marked]);
    });
  }

  it('names the macros and the includes on the way', () => {
    const d = only('nop\n#include "a.h"\n', {
      'a.h': '#define IN(r) mov r, #0x12345\n#define OUT(r) IN(r)\n\n OUT(x0)\n',
    });
    assert.deepEqual([d.file, d.line, d.marked], ['a.h', 4, 'OUT(x0)']);
    assert.deepEqual(d.stack, [
      { file: 'a.h', line: 1, text: 'in macro IN' },
      { file: 'a.h', line: 2, text: 'in macro OUT' },
      { file: 'main.S', line: 2, text: 'included from here' },
    ]);
  });

  it('says where a macro was defined before', () => {
    const { diagnostics } = run('#define A 1\n\n#define A 2\n');
    assert.deepEqual(diagnostics[0]?.stack, [{ file: 'main.S', line: 1, text: 'its former definition' }]);
  });

  it('refuses a definition from outside that is none', () => {
    for (const name of ['1x', 'F(', 'defined', '']) {
      const { diagnostics } = run('nop\n', {}, { [name]: '1' });
      assert.equal(diagnostics.length, 1, name);
      assert.match(diagnostics[0]?.message ?? '', /which is defined outside of the source, is no macro/);
    }
  });

  const endless: readonly (readonly [string, string])[] = [
    ['objects in a circle', '#define A B\n#define B C\n#define C A\n.equ A, 1\n.word A\n'],
    ['functions in a circle', '#define f(x) g(x) + f(x)\n#define g(x) f(g(x))\n#if f(1) || 1\n#endif\n'],
    [
      'doubling forty times',
      `${Array.from({ length: 40 }, (_, i) => `#define A${i} A${i + 1} A${i + 1}\n`).join('')}.word A0\n`,
    ],
    [
      'a function that doubles its argument',
      `#define D(x) x x\n.word ${'D('.repeat(40)}1${')'.repeat(40)}\n`,
    ],
    ['deep calls', `#define F(x) x\n.word ${'F('.repeat(20000)}1${')'.repeat(20000)}\n`],
    ['deep parentheses', `#if ${'('.repeat(20000)}1${')'.repeat(20000)}\n#endif\n`],
    ['deep signs', `#if ${'-'.repeat(20000)}1\n#endif\n`],
    ['deep conditions', '#if 1\n'.repeat(20000)],
    ['deep branches', `#if ${'1 ? 1 : '.repeat(20000)}1\n#endif\n`],
    ['endless arguments', `#define F(x) x\nF(${'1,\n'.repeat(20000)}`],
    ['many arguments', `#define F(...) __VA_ARGS__\n.byte F(${'1,'.repeat(20000)}1)\n`],
    ['a large string', `#define S(...) #__VA_ARGS__\n.ascii S(${'a b '.repeat(50000)})\n`],
    ['many pastes', `#define P(x) x${'##x'.repeat(5000)}\n.ascii "x" // P(a)\n`],
  ];
  for (const [name, source] of endless) {
    it(`comes to an end: ${name}`, function () {
      assert.ok(run(source).diagnostics.length <= 60);
    });
  }

  it('comes to an end: a header that includes itself twice, and twice', () => {
    const { diagnostics } = run('#include "a.h"\n', { 'a.h': '#include "a.h"\n#include "a.h"\n' });
    assert.equal(diagnostics.length, 1);
    const headers = Object.fromEntries(
      Array.from({ length: 40 }, (_, i) => [`h${i}`, `#include "h${i + 1}"\n#include "h${i + 1}"\n`]),
    );
    const many = run('#include "h0"\n', { ...headers, h40: '\n' });
    assert.match(many.diagnostics[0]?.message ?? '', /more than \d+ lines/);
  });

  it('throws for no source', () => {
    const words = ['#define ', '#if ', '#endif', '#else', '#include ', 'F(', 'A', ')', ',', '##', '#', ' '];
    const more = [
      '"',
      "'",
      '\\',
      '\n',
      '(x)',
      '(x, ...)',
      '/*',
      '*/',
      '//',
      '1',
      'defined',
      '__VA_OPT__(',
      'F',
    ];
    const piece = fc.constantFrom(
      ...words,
      ...more,
      '__LINE__',
      '"main.S"',
      '? :',
      '__VA_ARGS__',
      '#line 3 ',
    );
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 40 }), (pieces) => {
        for (const d of run(`#define F(x, y) x ## y #x\n${pieces.join('')}`).diagnostics) {
          assert.ok(d.line >= 1 && d.column >= 1 && d.endColumn >= d.column, JSON.stringify(d));
        }
      }),
      { numRuns: 400, seed: 7 },
    );
  });
});
