/**
 * Logical lines (ISO C17 5.1.1.2, phases 2 and 3): a backslash at the end of a line joins the next one, and comments
 * become blanks. Lengths stay, so that columns stay true.
 */
import { closedString, type Origin } from './tokens';

export interface LogicalLine {
  readonly text: string;
  /** The first of its physical lines, from 1. */
  readonly line: number;
  /** The last of them. */
  readonly lastLine: number;
  /** Where parts of the text stand when there are several physical lines: offset in the text, line, column from 0. */
  readonly parts: readonly Part[] | undefined;
  /** Line where a comment begins that never ends. */
  readonly openComment?: number | undefined;
}

interface Part {
  readonly at: number;
  readonly line: number;
  readonly column: number;
}

/** Where a piece of a logical line is written. */
export function locate(line: LogicalLine, from: number, to: number): Origin {
  let part: Part | undefined;
  let limit = to;
  for (const p of line.parts ?? []) {
    if (p.at <= from) part = p;
    // What continues on the next line is marked to the end of its first.
    else if (p.at < to) {
      limit = p.at;
      break;
    }
  }
  if (!part) return { line: line.line, column: from, endColumn: to };
  const shift = part.column - part.at;
  return { line: part.line, column: from + shift, endColumn: limit + shift };
}

const special = /\/[/*]|\\[ \t\f\v]*$/;
const splice = /\\[ \t\f\v]*$/;

export class LogicalLines {
  #next = 0;

  constructor(private readonly physical: readonly string[]) {}

  /** The next logical line; undefined at the end of the file. */
  next(): LogicalLine | undefined {
    const first = this.#next;
    const raw = this.physical[first];
    if (raw === undefined) return undefined;
    if (!special.test(raw)) {
      this.#next++;
      return { text: raw, line: first + 1, lastLine: first + 1, parts: undefined };
    }
    return this.#long(first + 1);
  }

  #long(line: number): LogicalLine {
    const parts: Part[] = [];
    let text = '';
    let comment: number | undefined;
    do {
      const from = text.length;
      let chunk = this.#spliced(parts, from);
      if (chunk === undefined) break;
      const r = blank(chunk, comment !== undefined);
      if (r.open && comment === undefined) comment = this.#next;
      if (!r.open) comment = undefined;
      chunk = r.text;
      text += chunk;
    } while (comment !== undefined);
    return {
      text,
      line,
      lastLine: this.#next,
      parts: parts.length > 1 ? parts : undefined,
      openComment: comment,
    };
  }

  /** Physical lines up to one without a backslash at its end. */
  #spliced(parts: Part[], from: number): string | undefined {
    let text: string | undefined;
    for (let raw = this.physical[this.#next]; raw !== undefined; raw = this.physical[this.#next]) {
      this.#next++;
      parts.push({ at: from + (text?.length ?? 0), line: this.#next, column: 0 });
      const end = splice.exec(raw)?.index;
      text = (text ?? '') + raw.slice(0, end);
      if (end === undefined) break;
    }
    return text;
  }
}

/** Blanks in the place of comments; `open`: a comment goes on in the next line. */
function blank(text: string, inComment: boolean): { text: string; open: boolean } {
  let out = '';
  let open = inComment;
  for (let i = 0; i < text.length;) {
    if (open) {
      const close = text.indexOf('*/', i);
      const end = close < 0 ? text.length : close + 2;
      out += ' '.repeat(end - i);
      open = close < 0;
      i = end;
      continue;
    }
    const c = text.charAt(i);
    const two = c === '/' ? text.charAt(i + 1) : '';
    if (two === '/') return { text: out, open: false };
    if (two === '*') {
      out += '  ';
      open = true;
      i += 2;
    } else if (c === '"' || c === "'") {
      // A quote without its partner takes the rest of the line, comments included.
      const end = closedString(text, i) ?? text.length;
      out += text.slice(i, end);
      i = end;
    } else {
      out += c;
      i++;
    }
  }
  return { text: out, open };
}
