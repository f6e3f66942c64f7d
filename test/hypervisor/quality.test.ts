/** The assembly is written to be read: each routine says what it does with registers; offsets come from layout.inc. */
import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { SOURCES } from './program';

interface Source {
  /** Relative to hypervisor/arm64. */
  readonly file: string;
  readonly lines: readonly string[];
}

const sources: readonly Source[] = readdirSync(SOURCES, { recursive: true, encoding: 'utf8' })
  .filter((f) => /\.(S|inc)$/.test(f))
  .map((file) => ({ file, lines: readFileSync(path.join(SOURCES, file), 'utf8').split('\n') }));

const ROUTINE = /^\t(?:func|handler)\t(\w+)$/;
/** What may stand between a routine and its comment. */
const BETWEEN = /^\t\.(?:balign|type|section|text|if|else|macro)\b|^$/;
/** Words by which a contract speaks of registers. */
const CONTRACT = /\b[xwvq]\d+\b|\bSP\b|clobber|argument|returns?\b|register|stack/i;

/** The comment that speaks of the routine in a line: the one above it, or an earlier one that names it. */
function commentOf({ lines }: Source, at: number, name: string): string {
  let above = at - 1;
  while (above >= 0 && BETWEEN.test(lines[above]!)) above--;
  const named = lines.findIndex(
    (l, n) => n < at && l.startsWith('//') && new RegExp(`\\b${name}\\b`).test(l),
  );
  let last = lines[above]?.startsWith('//') ? above : named;
  if (last < 0) return '';
  while (lines[last + 1]?.startsWith('//')) last++;
  let first = last;
  while (lines[first - 1]?.startsWith('//')) first--;
  return lines.slice(first, last + 1).join(' ');
}

/** Routines of a source without a comment, or with one that says nothing of registers. */
function withoutContract(source: Source): string[] {
  return source.lines.flatMap((line, n) => {
    const name = ROUTINE.exec(line)?.[1];
    if (name === undefined || name.startsWith('\\')) return [];
    return CONTRACT.test(commentOf(source, n, name)) ? [] : [`${source.file}:${n + 1} ${name}`];
  });
}

/** Accesses with a number for an offset. Stack frames are made of numbers; guests look at memory that has no structs. */
function numericOffsets({ file, lines }: Source): string[] {
  if (file.startsWith('guests') || file.startsWith('stories')) return [];
  return lines.flatMap((line, n) =>
    /\[(?:x\d+|\\\w+), #-?(?:\d+|0x[0-9a-f]+)\](?!!)/.test(line.replace(/\/\/.*/, ''))
      ? [`${file}:${n + 1}`]
      : [],
  );
}

describe('The assembly of the reference hypervisor', () => {
  it('says of each routine what it does with registers', () => {
    const routines = sources.flatMap((s) => s.lines.filter((l) => ROUTINE.test(l)));
    assert.ok(routines.length > 150, `${routines.length}`);
    assert.deepEqual(sources.flatMap(withoutContract), []);
  });

  it('takes offsets from the one layout file', () => {
    assert.deepEqual(sources.flatMap(numericOffsets), []);
  });

  it('is files of one subject: none is longer than 400 lines', () => {
    for (const { file, lines } of sources) assert.ok(lines.length <= 400, `${file}: ${lines.length} lines`);
  });

  it('would be caught without', () => {
    const lines = ['// f: adds.', '\tfunc\tf', '\tldr\tx0, [x1, #8]', '\tfunc\tg'];
    assert.deepEqual(withoutContract({ file: 'a.S', lines }), ['a.S:2 f', 'a.S:4 g']);
    assert.deepEqual(withoutContract({ file: 'a.S', lines: ['// f: x0 = x1.', '\tfunc\tf'] }), []);
    assert.deepEqual(numericOffsets({ file: 'a.S', lines }), ['a.S:3']);
  });
});
