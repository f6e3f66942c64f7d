/**
 * Preprocessing tokens (ISO C17 6.4). In assembly cpp takes no offence at what is none of C: a quote without its partner
 * makes one token of the rest of the line, and any other character is a token of its own.
 */
import type { MacroDefinition } from './macro-definition';

/** Through which macros a token came, the innermost first. */
export interface Expansion {
  readonly macro: MacroDefinition;
  readonly outer: Expansion | undefined;
}

/** Where in a file something is written: what a macro made stands where the macro is used. */
export interface Origin {
  /** Physical line, from 1; columns from 0, the end exclusive. */
  readonly line: number;
  readonly column: number;
  readonly endColumn: number;
  readonly via?: Expansion | undefined;
}

export interface PpToken {
  /** `place`: what an empty argument leaves beside `##` (C17 6.10.3.3). */
  readonly kind: 'id' | 'num' | 'str' | 'char' | 'punct' | 'other' | 'place';
  readonly text: string;
  /** Blanks stand before it. */
  readonly space: boolean;
  /** A name that its own macro has made: it is no macro any more (C17 6.10.3.4). */
  readonly painted?: boolean;
  readonly origin: Origin;
  /** Where it is itself written: in a macro's definition, when it is from one. */
  readonly written: Origin;
  /** `written` of the token that it directly follows there, without a blank. */
  readonly after: Origin | undefined;
}

const blanks = /[ \t\f\v\r]+/y;
const punctuators = '\\.\\.\\.|<<=|>>=|->|\\+\\+|--|<<|>>|[<>=!+\\-*/%&^|]=|&&|\\|\\||##';
const token = new RegExp(
  ['([A-Za-z_]\\w*)', '(\\.?\\d(?:[eEpP][+-]|[\\w.])*)', `(${punctuators}|[!-/:-@[\\]^{-~])`, '(.)'].join(
    '|',
  ),
  'suy',
);
const kinds = ['id', 'num', 'punct', 'other'] as const;

/** The index behind the string or character that begins with the quote at `at`; undefined when it has no end. */
export function closedString(text: string, at: number): number | undefined {
  const quote = text.charAt(at);
  for (let i = at + 1; i < text.length; i++) {
    if (text.charAt(i) === '\\') i++;
    else if (text.charAt(i) === quote) return i + 1;
  }
  return undefined;
}

function tokenAt(text: string, at: number): { kind: PpToken['kind']; end: number } {
  const quote = text.charAt(at) === 'L' ? at + 1 : at;
  const c = text.charAt(quote);
  if (c === '"' || c === "'") {
    const end = closedString(text, quote);
    if (end !== undefined) return { kind: c === '"' ? 'str' : 'char', end };
    // `L` alone is a name.
    if (quote === at) return { kind: 'other', end: text.length };
  }
  token.lastIndex = at;
  const m = token.exec(text);
  const group = m ? m.slice(1).findIndex((g) => g !== undefined) : -1;
  return { kind: kinds[group] ?? 'other', end: m ? token.lastIndex : at + 1 };
}

/** The tokens of a text; `place` says where a piece of it is written. */
export function lex(text: string, place: (from: number, to: number) => Origin, start = 0): PpToken[] {
  const out: PpToken[] = [];
  let space = false;
  let after: Origin | undefined;
  for (let i = start; i < text.length;) {
    blanks.lastIndex = i;
    if (blanks.test(text)) {
      i = blanks.lastIndex;
      space = true;
      after = undefined;
      continue;
    }
    const { kind, end } = tokenAt(text, i);
    const origin = place(i, end);
    out.push({ kind, text: text.slice(i, end), space, origin, written: origin, after });
    after = origin;
    space = false;
    i = end;
  }
  return out;
}

const atNowhere = (): Origin => ({ line: 0, column: 0, endColumn: 0 });

/** The one token that a text is; undefined when it is none or several. */
export function single(text: string): PpToken | undefined {
  const [t, more] = lex(text, atNowhere);
  return more ? undefined : t;
}

/** Whether two tokens written side by side would be read as something else: then cpp puts a blank between them. */
function wouldJoin(a: PpToken, b: PpToken): boolean {
  // cpp is careful here although nothing would join: `\name` of a .macro is no longer one when `name` was a macro.
  if (a.text === '\\' && b.kind === 'id') return true;
  if (a.kind === 'id' && (b.kind === 'str' || b.kind === 'char')) return true;
  if (a.kind === 'num' && (b.text.startsWith('+') || b.text.startsWith('-'))) return true;
  if (a.text === '/' && (b.text.startsWith('/') || b.text.startsWith('*'))) return true;
  if (a.text === '.' && b.text.startsWith('.')) return true;
  if (b.kind === 'punct' && a.kind === 'punct' && !/[-+<>=!*/%&^|#]/.test(a.text)) return false;
  return lex(a.text + b.text, atNowhere)[0]?.text !== a.text;
}

/** A token with its place in the text that `spell` makes. */
export interface Placed {
  readonly from: number;
  readonly to: number;
  readonly origin: Origin;
}

/** Tokens as text, with the blanks that they need. `pieces` gets their places. */
export function spell(tokens: readonly PpToken[], pieces?: Placed[]): string {
  let text = '';
  let before: PpToken | undefined;
  for (const t of tokens) {
    if (before && (t.space || (t.after !== before.written && wouldJoin(before, t)))) text += ' ';
    pieces?.push({ from: text.length, to: text.length + t.text.length, origin: t.origin });
    text += t.text;
    before = t;
  }
  return text;
}
