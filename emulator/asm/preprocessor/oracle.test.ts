/** The preprocessor makes of sources what gcc makes of them: the same tokens, line by line. */
import assert from 'node:assert/strict';
import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { gnuIn, inTemporaryFolder } from '../../../test/support/gnu';
import { requireTool } from '../../../test/support/oracles';
import { Diagnostics } from '../diagnostics';
import { Preprocessor } from './preprocess';
import { lex } from './tokens';

type Files = Readonly<Record<string, string>>;

/** Lines without blank ones; any blanks inside are one. */
const lines = (text: string): string[] =>
  text
    .split('\n')
    .map((l) => l.replace(/\s+/g, ' ').trim())
    .filter((l) => l !== '' && !/^#(?!\s*\d+ ")/.test(l));

function ours(files: Files, defines: Readonly<Record<string, string>>): string[] {
  const diagnostics = new Diagnostics();
  const p = new Preprocessor({
    path: 'main.S',
    text: files['main.S'] ?? '',
    isa: 'a64',
    load: (path) => files[path],
    includeDirs: ['inc', 'inc2'],
    defines,
    diagnostics,
  });
  const out = lines(
    p
      .run()
      .map(({ text }) => text)
      .join('\n'),
  );
  assert.deepEqual(
    diagnostics.list.filter((d) => d.severity === 'error'),
    [],
  );
  return out;
}

function theirs(folder: string, files: Files, defines: Readonly<Record<string, string>>): string[] {
  for (const [name, text] of Object.entries(files)) {
    mkdirSync(dirname(join(folder, name)), { recursive: true });
    writeFileSync(join(folder, name), text);
  }
  const flags = Object.entries(defines).map(([n, v]) => `-D${n}=${v}`);
  const command = ['-E', '-P', '-nostdinc', '-Ulinux', '-Uunix', '-Iinc', '-Iinc2', ...flags];
  const r = gnuIn(folder, 'gcc', ...command, '-x', 'assembler-with-cpp', 'main.S');
  assert.equal(r.status, 0, r.stderr);
  return lines(r.stdout);
}

function compare(text: string, more: Files = {}, defines: Readonly<Record<string, string>> = {}): void {
  const files = { ...more, 'main.S': text };
  const expected = inTemporaryFolder((folder) => theirs(folder, files, defines));
  assert.ok(expected.length > 0);
  assert.deepEqual(ours(files, defines), expected);
}

const cases: Readonly<Record<string, string>> = {
  'objects and functions': `
#define ONE 1
#define ADD(a, b) ((a) + (b))
#define NONE() nothing
#define KEEP ADD
mov x0, #ADD(ONE, ADD(2, 3))
NONE() NONE ( ) NONE
KEEP(1, 2) KEEP (3, (4, 5)) ADD
#define EMPTY
x EMPTY, y EMPTY EMPTY z -EMPTY-
ADD(,) ADD( , x) ADD((,),[)]
#undef ONE
ONE
`,
  recursion: `
#define A A B
#define B A C
A B
#define f(a) a*g
#define g(a) f(a)
f(2)(9)
#define h(x) h(x) + x
h(h(1)) h(h)(1)
#define x (4 + y)
#define y (2 * x)
x y
#define SELF(a) a SELF
SELF(1)(2)(3)
`,
  // C17 6.10.3.5, example 3 and 4.
  'the examples of the standard': `
#define x 3
#define f(a) f(x * (a))
#undef x
#define x 2
#define g f
#define z z[0]
#define h g(~
#define m(a) a(w)
#define w 0,1
#define t(a) a
#define p() int
#define q(x) x
#define r(x,y) x ## y
#define str(x) # x
f(y+1) + f(f(z)) % t(t(g)(0) + t)(1);
g(x+(3,4)-w) | h 5) & m
(f)^m(m);
p() i[q()] = { q(1), r(2,3), r(4,), r(,5), r(,) };
char c[2][6] = { str(hello), str() };
#define xstr(s) str(s)
#define debug(s, t) printf("x" # s "= %d, x" # t "= %s", x ## s, x ## t)
#define INCFILE(n) vers ## n
#define glue(a, b) a ## b
#define xglue(a, b) glue(a, b)
#define HIGHLOW "hello"
#define LOW LOW ", world"
#undef f
#undef g
#undef h
#undef x
debug(1, 2);
fputs(str(strncmp("abc\\0d", "abc", '\\4') == 0) str(: @\\n), s);
xstr(INCFILE(2).h)
glue(HIGH, LOW);
xglue(HIGH, LOW)
#define t2(x,y,z) x ## y ## z
t2(1,2,3), t2(,4,5), t2(6,,7), t2(8,9,), t2(10,,), t2(,11,), t2(,,12), t2(,,)
#define hash_hash # ## #
#define mkstr(a) # a
#define in_between(a) mkstr(a)
#define join(c, d) in_between(c hash_hash d)
join(x, y)
`,
  'variable arguments': `
#define log(fmt, ...) printf(fmt, ## __VA_ARGS__)
log(a) log(a,) log(a, b) log(a, b, c)
#define named(args...) [args]
named() named(1) named(1, 2)
#define only(...) f(__VA_ARGS__) #__VA_ARGS__
only() only(a,  b ,c) only((a,b),c)
#define paste(x...) g(1, ##x)
paste() paste(2) paste(2, 3)
#define opt(a, ...) a __VA_OPT__(, __VA_ARGS__ end) .
opt(1) opt(1,) opt(1, 2) opt(1, 2, 3)
`,
  pasting: `
#define JOIN(a, b) a##b
#define DOT(n) .##n
#define GAP(n) . ## n
#define L(n) .L##n##_end
JOIN(x, 1) JOIN(1, f) JOIN(., text) JOIN(+, +) JOIN(x,) JOIN(,y) JOIN(,) JOIN(.,text) DOT(x) GAP(x)
L(loop): b L(loop)
JOIN(JO, IN)(a, b)
#define XJOIN(a, b) JOIN(a, b)
XJOIN(JOIN(a, b), c)
#define SYM(p, ...) p ## __VA_ARGS__
SYM(a) SYM(a, b, c)
#define REG(n) x##n, w ## n
mov REG(0) ; JOIN(0x, ff) JOIN(1., 5) JOIN(<, <)
`,
  'stringify and assembly': `
#define S(x) #x
#define IMM(n) mov x0, #n
#define HASH(n) mov x0, # 1 + n ; mov x1, #2
S(a  b) S("a\\n" 'b') S( a ) S(#1) S() S(\\x) S(a,) S
`.replace(' S(a,)', '').concat(`
IMM(5) HASH(3)
#define OBJ #1
mov x0, OBJ
.macro m a, b
mov \\a, \\b
add \\()x0, x1, x2
.endm
m x0, #S(1)
`),
  'comments, quotes, continued lines': `
#define N 5 /* five */ // really
mov x0, #N // N is N
mov /* a
 comment */ x1, N /* b */ /* c */
mov x2, \\
  N
.ascii "N /* no comment */ // nor this"
.byte 'N', '"', '\\'' , N
.byte 'N // N
# N isn't a directive
#define TWO \\
  1 + \\
  1
TWO
#define F(a,\\
  b) a-b
F(1
, 2) N
F (
  /* in */ N, // out
  N)
F
N
# 12 "other.c"
N __LINE__
`,
  conditions: `
#define ONE 1
#define TEN 10
#if ONE
a1
#endif
#if 0
a2 " /* no comment
#else
a3
#endif
#if 0
#elif ONE == 1
a4
#elif 1
a5
#else
a6
#endif
#if defined ONE && !defined(NONE) && defined (TEN)
a7
#endif
#ifdef ONE
#ifndef ONE
a8
#elif TEN > 9
a9
#endif
#endif
#if 0
#if 1
a10
#else
a11
#endif
#elifdef ONE
a12
#endif
#ifdef NONE
#elifndef NONE
a13
#endif
#ifdef __ASSEMBLER__
a14
#endif
#ifdef __ASSEMBLY__
a15
#endif
#if defined(__aarch64__) && __SIZEOF_POINTER__ == 8 && __ARM_ARCH >= 8
a16
#endif
#define HAS defined(ONE)
#if HAS
a17
#endif
#if unknown
a18
#elif 1 // comment
a19
#endif
#if 0
#else // c
a21
#endif /* d */
`,
  'lines and counters': `
__LINE__ __FILE__ __COUNTER__ __COUNTER__
#define HERE __LINE__
#define W(x) <__LINE__ x HERE>
HERE W(HERE)
W(

__LINE__ W(HERE)
)
__LINE__
#line 100
__LINE__
#line 200 "other.S"
__LINE__ __FILE__ __BASE_FILE__ __INCLUDE_LEVEL__
#define LN 300
#line LN
HERE
`,
};

/** Constant expressions; gcc says which hold. */
const expressions = [
  '1 + 2 * 3 == 7',
  '(1 + 2) * 3 == 9',
  '7 / 2 == 3 && 7 % 4 == 3 && -7 / 2 == -3 && -7 % 2 == -1',
  '1 << 4 | 3',
  '(1 << 63) < 0',
  '(1u << 63) > 0',
  '0xffffffffffffffff == -1',
  '-1 > 0u',
  '-1 < 0',
  '~0 == -1',
  '~0u == 0xffffffffffffffff',
  '!0 && !!5',
  '1 ? 0 : 1',
  '0 ? 1 / 0 : 2',
  '0 && 1 / 0',
  '1 || 1 % 0',
  '(2 ? 3 : 4) == 3',
  '1 ? 0 ? 0 : 5 : 0',
  "'a' == 97",
  "'\\n' == 10 && '\\0' == 0 && '\\x41' == 65 && '\\101' == 65",
  "'ab' == 0x6162",
  "'\\377' > 0",
  '0b101 == 5 && 010 == 8 && 0x10 == 16',
  '10UL == 10 && 10LLU == 10',
  '3 > 2 > 1',
  '1 == 1 != 0',
  '6 & 3 ^ 1 | 8',
  '5 & 4 == 4',
  '-1 >> 63',
  '-1 >> 63 == -1',
  '1 << -1',
  '8 >> -1 == 16',
  '2147483647 + 1 > 0',
  '0x7fffffffffffffff + 1 < 0 || 1',
  '-9223372036854775807 - 1 < 0',
  '- - 1 == 1',
  '(((((1)))))',
  'undefined_name == 0',
  'true',
  '1 , 2',
].filter((e) => !e.includes(','));

/** A generator of numbers, the same at every run. */
function numbers(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return Math.floor((state / 2 ** 32) * below);
  };
}

/** A program of macros that use each other in every way, and lines that use them. */
function randomProgram(random: (below: number) => number): string {
  const pick = <T>(list: readonly T[]): T => list[random(list.length)] as T;
  const heads: readonly (readonly [name: string, head: string, parameters: readonly string[]])[] = [
    ['A', 'A', []],
    ['B', 'B', []],
    ['F', 'F(a)', ['a']],
    ['G', 'G(a, b)', ['a', 'b']],
    ['H', 'H()', []],
    ['V', 'V(a, ...)', ['a', '__VA_ARGS__']],
  ];
  const plain = [
    'x0',
    '#1',
    '+',
    '-',
    '.',
    '1',
    '\\a',
    '"s"',
    ';',
    '[',
    ']',
    'L',
    '(x)',
    ', y',
    '&',
    '<',
    "'c'",
  ];
  const blank = (): string => pick(['', ' ']);
  const piece = (parameters: readonly string[], depth: number): string => {
    const kind = random(depth > 1 ? 4 : 8);
    if (kind < 2) return pick(plain);
    if (kind < 4) return parameters.length > 0 ? pick(parameters) : pick(plain);
    const [name, , wanted] = pick(heads);
    if (kind === 4) return name;
    if (name === 'A' || name === 'B') return name;
    const count = name === 'V' ? 1 + random(3) : wanted.length;
    const args = Array.from({ length: count }, () => {
      const text = piece(parameters, depth + 1) + blank() + pick(['', '', piece(parameters, depth + 1)]);
      return text.includes(',') && !text.includes('(') ? '' : text;
    });
    return `${name}${blank()}(${args.join(`,${blank()}`)})`;
  };
  const pieces = (parameters: readonly string[]): string => {
    let text = piece(parameters, 0);
    for (let n = random(3); n > 0; n--) {
      const paste = parameters.length > 0 && random(4) === 0;
      const string = parameters.length > 0 && random(6) === 0;
      const next = string ? `#${pick(parameters)}` : piece(parameters, 0);
      text += (paste ? `${blank()}##${blank()}` : ' ') + next;
    }
    return text;
  };
  let out = '';
  for (const [, head, parameters] of heads) out += `#define ${head} ${pieces(parameters)}\n`;
  for (let i = 0; i < 5; i++) out += `${pieces([])} ;\n`;
  return out + heads.map(([name]) => `#undef ${name}\n`).join('');
}

/** The tokens of a line: where cpp puts a blank that separates nothing is left to it. */
const tokens = (line: string): string =>
  lex(line, (from, to) => ({ line: 1, column: from, endColumn: to }))
    .map(({ text }) => text)
    .join(' ');

/** What gcc makes of lines with an error is its own affair: the text of the others, and which have errors. */
function compareLines(text: string): void {
  const source = text.split('\n');
  const r = inTemporaryFolder((folder) => {
    writeFileSync(join(folder, 'main.S'), text);
    return gnuIn(folder, 'gcc', '-E', '-nostdinc', '-fmax-errors=0', '-x', 'assembler-with-cpp', 'main.S');
  });
  const bad = new Set([...r.stderr.matchAll(/^main\.S:(\d+):\d+: error/gm)].map((m) => Number(m[1])));
  const theirs: string[] = [];
  let line = 1;
  for (const text of r.stdout.split('\n')) {
    const marker = /^# (\d+) "(.*?)"/.exec(text);
    if (marker) line = marker[2] === 'main.S' ? Number(marker[1]) : NaN;
    else {
      const shown = text.replace(/\s+/g, ' ').trim();
      if (shown !== '' && !bad.has(line)) theirs.push(`${line}: ${shown}`);
      line++;
    }
  }
  const diagnostics = new Diagnostics();
  const p = new Preprocessor({
    path: 'main.S',
    text,
    isa: 'a64',
    load: () => undefined,
    includeDirs: [],
    defines: {},
    // Every error counts here.
    diagnostics: Object.defineProperty(diagnostics, 'full', { value: false }),
  });
  const made = p.run();
  const ours = made
    .map(({ at, text }) => `${at.line}: ${text.replace(/\s+/g, ' ').trim()}`)
    .filter((l) => !/: $/.test(l));
  assert.ok(theirs.length > source.length / 8);
  // What begins with '#' is a comment of the assembler, and its macros are of no interest.
  const wrong = (l: string): boolean => bad.has(Number(l.split(':')[0])) || /^\d+: #/.test(l);
  assert.deepEqual(ours.filter((l) => !wrong(l)).map(tokens), theirs.filter((l) => !wrong(l)).map(tokens));
}

describe('Preprocessor against gcc', function () {
  before(function () {
    requireTool(this, 'aarch64-linux-gnu-gcc');
  });
  for (const [name, text] of Object.entries(cases)) it(name, () => compare(text));

  it('expressions', () => {
    compare(expressions.map((e, i) => `#if ${e}\nyes ${i}\n#else\nno ${i}\n#endif\n`).join(''));
  });

  it('includes: quotes, brackets, macros, once, guards, next', () => {
    compare(
      `#include "a.h"
#include <b.h>
#define NAME "lib/c.h"
#include NAME
#define ANGLED <b.h>
#include ANGLED
#include "once.h"
#include "once.h"
#include "guard.h"
# include "guard.h"
#include <next.h>
#if __has_include("none.h") || __has_include(<none.h>) || !__has_include(<b.h>)
wrong
#endif
main __INCLUDE_LEVEL__ __FILE__ __LINE__
`,
      {
        'a.h': 'a __INCLUDE_LEVEL__ __FILE__ __LINE__\n',
        'inc/a.h': 'not this\n',
        'b.h': 'not this one\n',
        'inc/b.h': 'b __BASE_FILE__\n#include "d.h"\n',
        'inc/d.h': 'd __INCLUDE_LEVEL__\n',
        'lib/c.h': '#include "d.h"\nc\n',
        'lib/d.h': 'lib d __FILE__\n',
        'once.h': '#pragma once\nonce\n',
        'guard.h': '#ifndef GUARD\n#define GUARD\nguard\n#endif\n',
        'inc/next.h': 'first\n#include_next <next.h>\n',
        'inc2/next.h': 'second\n',
      },
    );
  });

  it('definitions from outside', () => {
    compare('N M F(3) __ASSEMBLY__\n#if N == 4\nyes\n#endif\n', {}, { N: '4', M: '', 'F(x)': '[x]' });
  });

  it('random macros that use each other', () => {
    const random = numbers(20);
    compareLines(Array.from({ length: 150 }, () => randomProgram(random)).join(''));
  });
});
