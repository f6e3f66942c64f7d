/** Directives that put bytes into the current section. */
import { valueBytes, wordBytes, type Assembler } from './assembler';
import type { Arguments, Directive } from './directive';
import { stringBytes, type Token } from './lexer';

/** The comma-separated parts of a statement; commas in brackets do not separate. */
export function splitByComma(tokens: readonly Token[]): Token[][] {
  if (tokens.length === 0) return [];
  const parts: Token[][] = [[]];
  let depth = 0;
  for (const t of tokens) {
    if (t.kind === 'punct' && (t.text === '(' || t.text === '[')) depth++;
    else if (t.kind === 'punct' && (t.text === ')' || t.text === ']')) depth--;
    if (t.text === ',' && t.kind === 'punct' && depth <= 0) parts.push([]);
    else parts.at(-1)?.push(t);
  }
  return parts;
}

/** .byte, .hword, .word, .quad: expressions, which may wait for addresses. */
function integers(size: number): Directive {
  return (a, { tokens }) => {
    for (const part of splitByComma(tokens)) {
      if (part.length === 0) {
        a.error('an expression is missing between commas', tokens[0], tokens.at(-1));
        return;
      }
      const e = a.expression(part, 0);
      if (!e) return;
      if (e.next < part.length) {
        a.error(`',' or the end of the line is expected, not '${part[e.next]?.text}'`, part[e.next]);
        return;
      }
      // The value counts from here: so before anything is appended.
      if (e.value.kind !== 'number') a.defer(a.chunk.length, undefined, size, part);
      const value = e.value.kind === 'number' ? e.value.value : 0n;
      if (size < 8) {
        const limit = 1n << BigInt(8 * size);
        if (value >= limit || value < -limit) {
          a.warn(
            `0x${BigInt.asUintN(64, value).toString(16)} does not fit in ${size} bytes and is cut off`,
            part[0],
            part.at(-1),
          );
        }
      }
      const room = a.data(size);
      if (!room) return;
      if (room.length) room.set(valueBytes(value, size));
      else if (value !== 0n || e.value.kind !== 'number') {
        a.error(
          `section ${a.chunk.section.name} has no content; only zeros can be placed in it`,
          part[0],
          part.at(-1),
        );
        return;
      }
    }
  };
}

/** 128-bit numbers, written out. */
const octa: Directive = (a, { tokens }) => {
  for (const part of splitByComma(tokens)) {
    const negative = part[0]?.text === '-';
    const t = part[negative ? 1 : 0];
    if (t?.kind !== 'num' || part.length !== (negative ? 2 : 1)) {
      a.error('.octa takes plain numbers', part[0]);
      return;
    }
    const v = BigInt(t.text.toLowerCase());
    a.data(16)?.set(valueBytes(negative ? -v : v, 16));
  }
};

/** Strings side by side are one, as the preprocessor makes them: `#name " table"`. */
function strings(terminated: boolean): Directive {
  return (a, { tokens, name }) => {
    let open = false;
    const end = (): void => {
      if (open && terminated) a.data(1);
      open = false;
    };
    for (const t of tokens) {
      if (t.text === ',' && t.kind === 'punct') {
        end();
        continue;
      }
      if (t.kind !== 'str') {
        a.error(`${name} takes strings in double quotes`, t);
        return;
      }
      const bytes = stringBytes(t.text);
      a.data(bytes.length)?.set(bytes);
      open = true;
    }
    end();
  };
}

/** A count of bytes that must be sensible. */
function size(a: Assembler, v: bigint | undefined, what: string): number | undefined {
  if (v === undefined) return undefined;
  if (v < 0n || v > 1n << 36n) {
    a.error(`${what} ${v} is ${v < 0n ? 'negative' : 'too large'}`);
    return undefined;
  }
  return Number(v);
}

const space: Directive = (a, { tokens }) => {
  const [n, fill] = a.numbers(tokens, 2) ?? [];
  const count = size(a, n, 'the size');
  if (count === undefined || count === 0) return;
  a.data(count)?.fill(Number(BigInt.asUintN(8, fill ?? 0n)));
};

const fill: Directive = (a, { tokens }) => {
  const [repeat, bytes, value] = a.numbers(tokens, 3) ?? [];
  const n = size(a, repeat, 'the count');
  const each = Math.min(8, size(a, bytes ?? 1n, 'the size') ?? 0);
  if (n === undefined || n * each === 0) return;
  const pattern = new Uint8Array(8);
  // GNU as uses four bytes of the value; what an element has beyond them is zero.
  pattern.set(valueBytes(value ?? 0n, 4));
  const room = a.data(n * each);
  for (let i = 0; room && i < room.length; i++) room[i] = pattern[i % each] ?? 0;
};

/** Alignment: `unit` says what the argument means. */
function align(toBytes: (n: bigint) => bigint, pattern = 1): Directive {
  return (a, { tokens }) => {
    if (tokens.length === 0) return;
    const [n, fillValue, most] = a.numbers(tokens, 3) ?? [];
    if (n === undefined) return;
    const bytes = n < 0n || n > 1n << 32n ? -1n : toBytes(n);
    if (bytes < 0n || bytes > 1n << 32n || (bytes & (bytes - 1n)) !== 0n) {
      a.error(`the alignment must be a power of two, and not above 4 GiB`, tokens[0]);
      return;
    }
    alignTo(a, Math.max(1, Number(bytes)), fillValue, most === undefined ? undefined : Number(most), pattern);
  };
}

/** Fills up to a multiple of `bytes`: code with NOPs, everything else with zeros. */
export function alignTo(a: Assembler, bytes: number, value?: bigint, most?: number, pattern = 1): void {
  const { chunk } = a;
  const gap = (bytes - (chunk.length % bytes)) % bytes;
  if (most !== undefined && most > 0 && gap > most) return;
  chunk.align = Math.max(chunk.align, bytes);
  if (gap === 0) return;
  const code = chunk.section.isCode && value === undefined;
  if (code && gap % 4 === 0) chunk.mark(true);
  else if (chunk.section.isCode) chunk.mark(false);
  const from = chunk.length;
  const room = chunk.grow(gap);
  if (!room) {
    a.fatal(`section ${chunk.section.name} becomes too large`);
    return;
  }
  if (room.length === 0) return;
  if (code) {
    const odd = gap % 4;
    if (odd) chunk.mapping.push({ offset: from + odd, code: true });
    for (let i = odd; i < gap; i += 4) room.set(wordBytes(a.syntax.nop), i);
  } else {
    const unit = valueBytes(value ?? 0n, pattern);
    const odd = gap % pattern;
    for (let i = odd; i < gap; i++) room[i] = unit[(i - odd) % pattern] ?? 0;
  }
}

const org: Directive = (a, { tokens }) => {
  const comma = tokens.findIndex((t) => t.text === ',');
  const target = a.expression(comma < 0 ? tokens : tokens.slice(0, comma), 0);
  if (!target) return;
  const fillValue = comma < 0 ? 0n : a.number(tokens.slice(comma + 1));
  const v = target.value;
  if (v.kind === 'later' || (v.kind === 'address' && v.chunk !== a.chunk)) {
    a.error('.org needs a place in the current section that is known at this line', tokens[0], tokens.at(-1));
    return;
  }
  const gap = v.value - BigInt(a.chunk.length);
  if (gap < 0n) {
    a.error(`.org cannot go back: this is ${-gap} bytes behind`, tokens[0], tokens.at(-1));
    return;
  }
  const n = size(a, gap, 'the distance');
  if (n) a.data(n)?.fill(Number(BigInt.asUintN(8, fillValue ?? 0n)));
};

/** Instructions as numbers. */
const inst: Directive = (a, { tokens }) => {
  for (const part of splitByComma(tokens)) {
    const v = a.number(part);
    if (v === undefined) return;
    emitWord(a, Number(BigInt.asUintN(32, v)));
  }
};

/** Appends an instruction, with its line for debuggers. */
export function emitWord(a: Assembler, word: number): boolean {
  const { chunk } = a;
  if (chunk.section.isCode) chunk.mark(true);
  const at = a.input.current?.at;
  if (at) chunk.lines.push({ offset: chunk.length, at });
  chunk.align = Math.max(chunk.align, 4);
  const room = chunk.grow(4);
  if (room?.length !== 4) {
    a.fatal(
      room
        ? `section ${chunk.section.name} cannot hold instructions`
        : `section ${chunk.section.name} becomes too large`,
    );
    return false;
  }
  room.set(wordBytes(word));
  return true;
}

const incbin: Directive = (a, { tokens }) => {
  const [file, ...rest] = splitByComma(tokens);
  const name = file?.[0];
  if (name?.kind !== 'str' || file?.length !== 1) {
    a.error('.incbin needs the name of a file in double quotes', name);
    return;
  }
  const found = a.find(name.text, a.input.current?.written.file ?? '');
  if (!found) {
    a.error(`file '${name.text}' is not found`, name);
    return;
  }
  const all = typeof found.content === 'string' ? new TextEncoder().encode(found.content) : found.content;
  const [skip, count] = rest.map((part) => (part.length ? a.number(part) : 0n));
  const from = Number(skip ?? 0n);
  const bytes = all.subarray(from, rest[1]?.length ? from + Number(count ?? 0n) : all.length);
  a.data(bytes.length)?.set(bytes);
};

/** .float, .double: IEEE 754. */
function floats(bytes: 4 | 8): Directive {
  return (a, { tokens, name }) => {
    for (const part of splitByComma(tokens)) {
      const text = part.map((t) => t.text).join('');
      const v = /^[-+]?(0[fdFD])?/.test(text) ? Number(text.replace(/0[fdFD](?=\d)/, '')) : NaN;
      if (Number.isNaN(v) || text === '') {
        a.error(`${name} takes decimal floating-point numbers`, part[0], part.at(-1));
        return;
      }
      const room = a.data(bytes);
      if (!room?.length) return;
      const view = new DataView(room.buffer, room.byteOffset, bytes);
      if (bytes === 4) view.setFloat32(0, v, true);
      else view.setFloat64(0, v, true);
    }
  };
}

/** Numbers of variable length, as DWARF has them. */
function leb(signed: boolean): Directive {
  return (a, { tokens }: Arguments) => {
    for (const part of splitByComma(tokens)) {
      let v = a.number(part);
      if (v === undefined) return;
      if (!signed) v = BigInt.asUintN(64, v);
      const out: number[] = [];
      for (let more = true; more;) {
        const byte = Number(v & 127n);
        v >>= 7n;
        more = signed ? !((v === 0n && byte < 64) || (v === -1n && byte >= 64)) : v !== 0n;
        out.push(byte | (more ? 128 : 0));
      }
      a.data(out.length)?.set(out);
    }
  };
}

const powerOfTwo = (n: bigint): bigint => (n > 32n ? -1n : 1n << n);
const same = (n: bigint): bigint => n;

export const dataDirectives: Readonly<Record<string, Directive>> = {
  '.byte': integers(1),
  '.hword': integers(2),
  '.short': integers(2),
  '.2byte': integers(2),
  '.word': integers(4),
  '.long': integers(4),
  '.int': integers(4),
  '.4byte': integers(4),
  '.quad': integers(8),
  '.xword': integers(8),
  '.dword': integers(8),
  '.8byte': integers(8),
  '.octa': octa,
  '.ascii': strings(false),
  '.asciz': strings(true),
  '.string': strings(true),
  '.zero': space,
  '.skip': space,
  '.space': space,
  '.fill': fill,
  '.org': org,
  '.float': floats(4),
  '.single': floats(4),
  '.double': floats(8),
  '.uleb128': leb(false),
  '.sleb128': leb(true),
  // On AArch64 the argument of .align is a power of two.
  '.align': align(powerOfTwo),
  '.p2align': align(powerOfTwo),
  '.p2alignw': align(powerOfTwo, 2),
  '.p2alignl': align(powerOfTwo, 4),
  '.balign': align(same),
  '.balignw': align(same, 2),
  '.balignl': align(same, 4),
  '.inst': inst,
  '.incbin': incbin,
};
