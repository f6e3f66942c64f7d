/** Statements and tokens of GNU as source (the manual "Using as", chapter 3). */
import type { OperandToken } from '../isa/dsl/operand';
import type { Value } from './value';

export interface Token extends OperandToken {
  /** Of numbers, and of `value` tokens that stand for something evaluated before. */
  readonly value?: Value;
  /** Position in the statement's line, from 0. */
  readonly pos: number;
  readonly end: number;
}

const isNameStart = (c: number): boolean =>
  (c >= 97 && c <= 122) || (c >= 65 && c <= 90) || c === 95 || c === 46 || c === 36 || c > 127;
const isDigit = (c: number): boolean => c >= 48 && c <= 57;
export const isNamePart = (c: number): boolean => isNameStart(c) || isDigit(c);

const twoChars = new Set(['<<', '>>', '==', '!=', '<>', '<=', '>=', '&&', '||']);

const number = (text: string, value: bigint, pos: number, end: number): Token => ({
  kind: 'num',
  text,
  lower: text,
  value: { kind: 'number', value },
  pos,
  end,
});

const numberPattern = /0[xX][0-9a-fA-F]+|0[bB][01]+|\d+\.\d+(?:[eE][+-]?\d+)?|\d+/y;

/**
 * The tokens of a piece of source from `start` on. Never fails: a character that has no meaning becomes punctuation,
 * an unterminated string runs to the end and has the kind `punct`.
 */
export function tokenize(text: string, start = 0): Token[] {
  const out: Token[] = [];
  let i = start;
  while (i < text.length) {
    const c = text.charCodeAt(i);
    if (c === 32 || c === 9 || c === 13 || c === 12) {
      i++;
      continue;
    }
    if (isNameStart(c)) {
      let end = i + 1;
      while (end < text.length && isNamePart(text.charCodeAt(end))) end++;
      const name = text.slice(i, end);
      out.push({ kind: 'id', text: name, lower: name.toLowerCase(), pos: i, end });
      i = end;
    } else if (isDigit(c)) {
      const token = takeNumberToken(text, i);
      out.push(token);
      i = token.end;
    } else if (c === 34) {
      const end = stringEnd(text, i);
      const closed = end <= text.length && text.charCodeAt(end - 1) === 34 && end > i + 1;
      const body = text.slice(i + 1, closed ? end - 1 : end);
      out.push({ kind: closed ? 'str' : 'punct', text: closed ? body : '"', lower: body, pos: i, end });
      i = end;
    } else if (c === 39 && i + 1 < text.length) {
      const token = takeCharacter(text, i);
      out.push(token);
      i = token.end;
    } else {
      const two = text.slice(i, i + 2);
      const p = twoChars.has(two) ? two : text.charAt(i);
      out.push({ kind: 'punct', text: p, lower: p, pos: i, end: i + p.length });
      i += p.length;
    }
  }
  return out;
}

/** Index after the string that starts at `at`, or the end of the text. */
export function stringEnd(text: string, at: number): number {
  let i = at + 1;
  while (i < text.length) {
    const c = text.charCodeAt(i);
    if (c === 92) i++;
    else if (c === 34) return i + 1;
    i++;
  }
  return text.length;
}

function takeNumberToken(text: string, at: number): Token {
  numberPattern.lastIndex = at;
  const m = numberPattern.exec(text)?.[0] ?? text.charAt(at);
  const end = at + m.length;
  const next = text.charAt(end);
  if (/^\d+$/.test(m) && (next === 'f' || next === 'b') && !isNamePart(text.charCodeAt(end + 1))) {
    return { kind: 'local', text: m + next, lower: m + next, pos: at, end: end + 1 };
  }
  if (m.includes('.')) return { kind: 'float', text: m, lower: m, pos: at, end };
  const octal = /^0[0-7]+$/.test(m);
  return number(m, BigInt(octal ? `0o${m.slice(1)}` : m.toLowerCase()), at, end);
}

/** Characters after a backslash in a string or a character constant. */
const escapes: Record<string, number> = { b: 8, f: 12, n: 10, r: 13, t: 9, '\\': 92, '"': 34, "'": 39 };

/** `'a` or `'a'`. */
function takeCharacter(text: string, at: number): Token {
  let value = text.codePointAt(at + 1) ?? 0;
  let end = at + (value > 0xffff ? 3 : 2);
  if (value === 92 && end < text.length) {
    value = escapes[text.charAt(end)] ?? text.charCodeAt(end);
    end++;
  }
  if (text.charAt(end) === "'") end++;
  return number(text.slice(at, end), BigInt(value), at, end);
}

const utf8 = new TextEncoder();

/** The bytes of a string's text: escapes resolved, other characters as UTF-8. */
export function stringBytes(text: string): Uint8Array {
  if (!text.includes('\\')) return utf8.encode(text);
  const out: number[] = [];
  for (let i = 0; i < text.length;) {
    const next = text.charAt(i + 1);
    if (text.charAt(i) !== '\\' || next === '') {
      const c = String.fromCodePoint(text.codePointAt(i) ?? 0);
      out.push(...utf8.encode(c));
      i += c.length;
      continue;
    }
    const octal = /^[0-7]{1,3}/.exec(text.slice(i + 1, i + 4))?.[0];
    const hex = /^x([0-9a-fA-F]+)/.exec(text.slice(i + 1))?.[1];
    if (octal) out.push(Number(`0o${octal}`) & 0xff);
    else if (hex) out.push(Number(`0x${hex.slice(-2)}`));
    else out.push(...(next in escapes ? [escapes[next] ?? 0] : utf8.encode(next)));
    i += octal ? 1 + octal.length : hex ? 2 + hex.length : 2;
  }
  return Uint8Array.from(out);
}

export interface Statement {
  readonly text: string;
  /** Column of its first character in the line, from 0. */
  readonly column: number;
}

/** Takes comments out of lines and cuts lines into statements. A comment may run over several lines: hence a class. */
export class LineSplitter {
  #inComment = false;

  get inComment(): boolean {
    return this.#inComment;
  }

  /** The statements of one line. Comments become blanks, so that columns stay true. */
  split(line: string): Statement[] {
    if (!this.#inComment && !/["'/;#]/.test(line)) return [{ text: line, column: 0 }];
    if (!this.#inComment && /^\s*#/.test(line)) return [];
    const out: Statement[] = [];
    let text = '';
    let start = 0;
    let i = 0;
    const push = (end: number): void => {
      out.push({ text, column: start });
      text = '';
      start = end;
    };
    while (i < line.length) {
      const c = line.charAt(i);
      const two = line.slice(i, i + 2);
      if (this.#inComment) {
        const close = two === '*/';
        if (close) this.#inComment = false;
        text += close ? '  ' : ' ';
        i += close ? 2 : 1;
      } else if (two === '//') break;
      else if (two === '/*') {
        this.#inComment = true;
        text += '  ';
        i += 2;
      } else if (c === '"') {
        const end = stringEnd(line, i);
        text += line.slice(i, end);
        i = end;
      } else if (c === "'" && i + 1 < line.length) {
        const { end } = takeCharacter(line, i);
        text += line.slice(i, end);
        i = end;
      } else if (c === ';') {
        i++;
        push(i);
      } else {
        text += c;
        i++;
      }
    }
    push(line.length);
    return out;
  }
}
