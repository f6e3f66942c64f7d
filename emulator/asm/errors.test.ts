/** What the assembler says about wrong sources, and where. */
import assert from 'node:assert/strict';
import { a64Rows } from '../isa/a64/rows';
import { assemble, type AssembleResult } from './assemble';
import { maxErrors } from './diagnostics';

const isa = { name: 'a64', rows: a64Rows };

function run(text: string, more: Readonly<Record<string, string | Uint8Array>> = {}): AssembleResult {
  const files: Readonly<Record<string, string | Uint8Array>> = { ...more, 'main.S': text };
  return assemble({ main: 'main.S', read: (path) => files[path], isa });
}

/** The only diagnostic, with the source text that it marks. */
function only(text: string): { message: string; marked: string; line: number } {
  const { diagnostics, elf } = run(text);
  assert.equal(diagnostics.length, 1, JSON.stringify(diagnostics, undefined, 1));
  const [d] = diagnostics;
  assert.ok(d);
  assert.equal(elf === undefined, d.severity === 'error');
  const marked = text.split('\n')[d.line - 1]?.slice(d.column - 1, d.endColumn - 1) ?? '';
  return { message: d.message, marked, line: d.line };
}

/** Source, words that the message must contain, and the text that is marked. */
const cases: readonly (readonly [source: string, message: RegExp, marked: string])[] = [
  [
    'add x0, x1, #4097',
    /^immediate 4097 is out of range for add: 0 to 4095, or a multiple of 4096 up to 16773120$/,
    '4097',
  ],
  ['\tadd x0, w1, x2', /operand 2 of add: expected a 64-bit register/, 'w1'],
  ['add w0, w1, w2, lsl #32', /32 is out of range for add: 0 to 31/, '32'],
  ['ldr x0, [x1, #32768]', /offset 32768 is out of range for ldr: 0 to 32760, a multiple of 8/, '32768'],
  ['mov x0, #0x12345', /0x12345 cannot be encoded by mov.*ldr with =value/, '0x12345'],
  ['and x0, x1, #5', /5 cannot be encoded by and: it must be a run of ones/, '5'],
  ['movz x0, #1, lsl #17', /shift 17 is not 0, 16, 32 or 48/, '17'],
  ['ubfx w0, w1, #8, #25', /width 25 is out of range for ubfx: 1 to 24/, '25'],
  ['tbz w0, #32, .', /32 is out of range for tbz: 0 to 31/, '32'],
  ['mrs x0, hcr_el9', /unknown system register 'hcr_el9'.*s<op0>/, 'hcr_el9'],
  ['tlbi nothing', /operand 1 of tlbi: expected an operation of tlbi/, 'nothing'],
  ['dsb everywhere', /expected a barrier option \(oshld.* sy\), not 'everywhere'/, 'everywhere'],
  ['csel x0, x1, x2, xx', /expected a condition \(eq, ne/, 'xx'],
  ['frobnicate x0', /^unknown instruction or macro 'frobnicate'$/, 'frobnicate'],
  ['.frobnicate 5', /^unknown directive '.frobnicate'$/, '.frobnicate'],
  ['mov x0, x31', /'x31' is neither a register nor a symbol/, 'x31'],
  ['ret x0, x1', /ret takes no further operand/, ','],
  ['sub x0, x1', /but the statement ends/, 'sub'],
  ['b nowhere', /^symbol 'nowhere' is not defined$/, 'nowhere'],
  ['.quad nowhere + 4', /^symbol 'nowhere' is not defined$/, 'nowhere + 4'],
  ['nop\nb 1f', /there is no label 1: after this line/, '1f'],
  ['nop\nb 1b', /there is no label 1: before this line/, '1b'],
  [
    'tbz x0, #1, far\n.skip 40000\nfar: nop',
    /the target is 40004 bytes away, tbz reaches -32768 to 32764/,
    'far',
  ],
  ['a: nop\na: nop', /symbol 'a' is already defined, in main.S line 1/, 'a'],
  ['x = x + 1\n.quad x', /symbol 'x' is defined by itself/, 'x'],
  ['mov x0, #lab\nlab:', /an address cannot be an immediate here/, 'lab'],
  ['.word 1 +', /'\+' needs a second operand/, '+'],
  ['.word (1', /'\)' is missing/, '1'],
  ['.word 1 / 0', /division by zero/, '0'],
  [
    '.if later\n.endif\nlater:',
    /number is needed here that is known at this line; 'later' is not defined before/,
    'later',
  ],
  ['.else', /.else without .if/, '.else'],
  ['.if 1\nnop', /the condition that begins here has no .endif/, '.if 1'],
  ['.rept 2\nnop', /^.rept has no .endr$/, '.rept 2'],
  ['.macro m\nnop', /^.macro has no .endm$/, '.macro m'],
  ['.endm', /.endm without/, '.endm'],
  ['.macro m a:req\n.endm\n  m', /macro m needs a value for a/, 'm'],
  ['.macro m a\n.endm\nm 1, 2', /macro m takes 1 argument; '2' is too much/, 'm 1, 2'],
  ['.include "none.inc"', /file 'none.inc' is not found/, '"none.inc"'],
  ['.error "my words"', /^my words$/, '.error "my words"'],
  ['.balign 3', /must be a power of two/, '3'],
  ['.org 8\n.org 4', /.org cannot go back/, '4'],
  ['.bss\n.word 1', /has no content; only zeros/, '1'],
  ['.section .x, "q"', /section flag 'q' is unknown/, '.section .x, "q"'],
  ['.altmacro', /.altmacro has no effect/, '.altmacro'],
  ['.ascii abc', /takes strings in double quotes/, 'abc'],
  ['.popsection', /.popsection without .pushsection/, '.popsection'],
  ['.byte 256', /0x100 does not fit in 1 bytes/, '256'],
  ['ldr h0, =5', /does not exist/, 'h0, ='],
  ['movz x0, #:abs_g0:a\n.equ a, 0x12345', /0x12345 does not fit in 16 bits; use :abs_g0_nc:/, 'a'],
  ['ldr x0, [x1, :lo12:a]\n.equ a, 0x1234', /ends in 0x234, but ldr needs a multiple of 8/, 'a'],
  ['= 5', /a statement cannot begin with '='/, '='],
  ['ldp x0, x1, [x2, #12]', /offset 12 is out of range for ldp: -512 to 504, a multiple of 8/, '12'],
];

describe('Assembler errors', () => {
  for (const [source, message, marked] of cases) {
    it(JSON.stringify(source), () => {
      const d = only(source);
      assert.match(d.message, message);
      assert.equal(d.marked, marked);
    });
  }

  it('points to the call of a macro and names the line in it', () => {
    const { diagnostics } = run(
      '.macro inner r\nmov \\r, #0x12345\n.endm\n.macro outer\ninner x0\n.endm\nnop\nouter\n',
    );
    assert.equal(diagnostics.length, 1);
    const [d] = diagnostics;
    assert.equal(d?.line, 8);
    assert.deepEqual(d?.stack, [
      { file: 'main.S', line: 2, text: 'in macro inner' },
      { file: 'main.S', line: 5, text: 'in macro outer' },
    ]);
  });

  it('points into included files and names the include', () => {
    const { diagnostics, files } = run('nop\n.include "lib/a.inc"\n', { 'lib/a.inc': 'nop\n mov x0, y0\n' });
    const [d] = diagnostics;
    assert.equal(d?.file, 'lib/a.inc');
    assert.equal(d?.line, 2);
    assert.equal(d?.column, 10);
    assert.deepEqual(d?.stack, [{ file: 'main.S', line: 2, text: 'included from here' }]);
    assert.deepEqual(files, ['main.S', 'lib/a.inc']);
  });

  it('goes on after an error, and does not move the labels behind it', () => {
    const { diagnostics, symbols } = run('bad x0\nadd x0, x1\nafter: mov x0, #0x12345\nlast: nop\n');
    assert.equal(diagnostics.length, 3);
    assert.equal(symbols.find((s) => s.name === 'last')?.value, 0x40080008n);
  });

  it('stops after many errors', () => {
    const { diagnostics } = run('bad\n'.repeat(1000));
    assert.equal(diagnostics.length, maxErrors + 1);
  });

  it('says what is missing when there is no source', () => {
    const { diagnostics } = assemble({ main: 'gone.S', read: () => undefined, isa });
    assert.match(diagnostics[0]?.message ?? '', /file 'gone.S' is not found/);
  });

  const endless: readonly (readonly [string, string, RegExp])[] = [
    ['a macro that calls itself', '.macro m\nm\n.endm\nm', /nested too deeply/],
    ['two macros in a circle', '.macro a\nb\n.endm\n.macro b\na\n.endm\na', /nested too deeply/],
    [
      'a macro that doubles its argument',
      '.macro m x\nm \\x\\x\n.endm\nm aaaaaaaa',
      /more than \d+ characters|too deeply/,
    ],
    ['a file that includes itself', '.include "main.S"', /included too deeply/],
    ['endless repetition', '.rept 1000000000\nnop\n.endr', /more than \d+ lines/],
    [
      'repetitions of repetitions',
      '.rept 100000\n.rept 100000\n.byte 1\n.endr\n.endr',
      /more than \d+ lines/,
    ],
    ['empty repetitions of repetitions', '.rept 1000000\n.rept 1000000\n.endr\n.endr', /more than \d+ lines/],
    ['too much data', '.space 0x40000000', /becomes too large/],
    ['too much filling', '.fill 100000000, 8, 1', /becomes too large/],
    ['parentheses', `.word ${'('.repeat(10000)}`, /nested too deeply/],
    ['signs', `.word ${'-'.repeat(10000)}1`, /nested too deeply/],
    ['conditions', '.if 1\n'.repeat(5000), /nested too deeply/],
    ['symbols in a circle', 'a = b\nb = c\nc = a\n.word a', /defined by itself/],
    [
      'a chain of symbols',
      `${Array.from({ length: 500 }, (_, i) => `s${i} = s${i + 1} + s${i + 1}`).join('\n')}\n.word s0`,
      /not defined|too many/,
    ],
    [
      'a chain of symbols that doubles',
      `${Array.from({ length: 90 }, (_, i) => `s${i} = s${i + 1} + s${i + 1}`).join('\n')}\n.word s0\ns90 = end\nend:`,
      /cannot be applied/,
    ],
  ];
  for (const [name, source, message] of endless) {
    it(`ends: ${name}`, () => {
      const { diagnostics } = run(source);
      assert.ok(
        diagnostics.some((d) => message.test(d.message)),
        JSON.stringify(diagnostics.slice(0, 3)),
      );
    });
  }
});
