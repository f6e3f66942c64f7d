/** Directives that choose the section, and literal pools. */
import { valueBytes, type Assembler } from './assembler';
import type { Directive } from './directive';
import { alignTo } from './directives-data';
import { tokenize } from './lexer';
import { SHF, SHT, type Chunk } from './sections';

const flagBits: Record<string, number> = {
  a: SHF.alloc,
  w: SHF.write,
  x: SHF.exec,
  M: SHF.merge,
  S: SHF.strings,
  G: SHF.group,
  T: SHF.tls,
  // Ours to ignore: exclude, retain, link order.
  e: 0,
  R: 0,
  o: 0,
};

const types: Record<string, number> = {
  progbits: SHT.progbits,
  nobits: SHT.nobits,
  note: SHT.note,
  init_array: SHT.initArray,
  fini_array: SHT.finiArray,
};

/** Name, flags, type and entry size of `.section`. Undefined, with an error, if they make no sense. */
function parseSection(a: Assembler, text: string): { chunk: Chunk } | undefined {
  const m = /^\s*(?:"([^"]*)"|([^\s,]+))\s*(?:,\s*(.*))?$/.exec(text);
  const name = m?.[1] ?? m?.[2];
  if (!name) {
    a.error('the name of a section is missing');
    return undefined;
  }
  const rest = tokenize(m?.[3] ?? '');
  let at = 0;
  let flags: number | undefined;
  let type: number | undefined;
  let subsection = 0n;
  const first = rest[0];
  if (first?.kind === 'str') {
    flags = 0;
    for (const c of first.text) {
      const bit = /\d/.test(c) ? 0 : flagBits[c];
      if (bit === undefined) {
        a.error(`section flag '${c}' is unknown; those of code are "ax", of data "aw", of constants "a"`);
        return undefined;
      }
      flags |= bit;
    }
    at = 1;
  } else if (first) {
    // .pushsection name, subsection
    const v = a.number(rest);
    if (v === undefined) return undefined;
    subsection = v;
    at = rest.length;
  }
  if (rest[at]?.text === ',' && (rest[at + 1]?.text === '@' || rest[at + 1]?.text === '%')) {
    const word = rest[at + 2];
    type = types[word?.lower ?? ''];
    if (type === undefined) {
      a.error(`section type '${word?.text ?? ''}' is unknown; there are ${Object.keys(types).join(', ')}`);
      return undefined;
    }
    at += 3;
  }
  const section = a.section(name, type ?? (flags === undefined ? undefined : SHT.progbits), flags);
  const size = rest[at + 1]?.value;
  if (rest[at]?.text === ',' && size?.kind === 'number')
    section.entrySize = Number(BigInt.asUintN(16, size.value));
  if (flags !== undefined && section.flags !== flags && section.size > 0) {
    a.warn(`section ${name} exists with other flags; these are not used`);
  }
  return { chunk: section.chunk(Number(BigInt.asUintN(31, subsection))) };
}

const section: Directive = (a, { text }) => {
  const s = parseSection(a, text);
  if (s) a.enter(s.chunk);
};

/** .text and its like, with an optional subsection. */
function standard(name: string): Directive {
  return (a, { tokens }) => {
    const n = tokens.length ? a.number(tokens) : 0n;
    if (n !== undefined) a.enter(a.section(name).chunk(Number(BigInt.asUintN(31, n))));
  };
}

const push: Directive = (a, { text }) => {
  const s = parseSection(a, text);
  if (!s) return;
  if (a.sectionStack.length >= 1000) return a.error('.pushsection is nested too deeply');
  a.sectionStack.push({ chunk: a.chunk, previous: a.previous });
  a.enter(s.chunk);
};

const pop: Directive = (a) => {
  const before = a.sectionStack.pop();
  if (!before) return a.error('.popsection without .pushsection');
  a.chunk = before.chunk;
  a.previous = before.previous;
};

const previous: Directive = (a) => a.enter(a.previous);

const subsection: Directive = (a, { tokens }) => {
  const n = a.number(tokens);
  if (n !== undefined) a.enter(a.chunk.section.chunk(Number(BigInt.asUintN(31, n))));
};

/** Places the literals of the current section here. */
export function dumpLiterals(a: Assembler): void {
  let size = 0;
  for (const literal of a.literals.take(a.chunk)) {
    if (literal.size !== size) {
      size = literal.size;
      alignTo(a, size, 0n);
    }
    const symbol = a.symbols.ensure(literal.label);
    symbol.kind = 'label';
    symbol.value = a.here();
    if (literal.value.kind !== 'number') a.defer(a.chunk.length, undefined, size, literal.tokens);
    a.data(size)?.set(valueBytes(literal.value.kind === 'number' ? literal.value.value : 0n, size));
  }
}

export const sectionDirectives: Readonly<Record<string, Directive>> = {
  '.section': section,
  '.text': standard('.text'),
  '.data': standard('.data'),
  '.bss': standard('.bss'),
  '.rodata': standard('.rodata'),
  '.pushsection': push,
  '.popsection': pop,
  '.previous': previous,
  '.subsection': subsection,
  '.ltorg': dumpLiterals,
  '.pool': dumpLiterals,
};
