/** Macros of GNU as ("Using as", 7.80): definitions, arguments and substitution. */
import { isNamePart } from './lexer';

interface Formal {
  readonly name: string;
  readonly kind: 'optional' | 'req' | 'vararg';
  readonly fallback: string;
}

export interface Macro<Line> {
  readonly name: string;
  readonly formals: readonly Formal[];
  readonly body: readonly Line[];
}

const isSymbolChar = (c: string): boolean => c !== '' && isNamePart(c.charCodeAt(0));

/**
 * Takes out blanks as GNU as does before it looks at operands: one stays between two names or numbers, and before a
 * backslash that follows one. Strings stay as they are.
 */
export function squeeze(text: string): string {
  let out = '';
  for (let i = 0; i < text.length;) {
    const c = text.charAt(i);
    if (c === '"') {
      let end = i + 1;
      while (end < text.length && text.charAt(end) !== '"') end += text.charAt(end) === '\\' ? 2 : 1;
      out += text.slice(i, end + 1);
      i = end + 1;
    } else if (c === ' ' || c === '\t' || c === '\r') {
      while (/[ \t\r]/.test(text.charAt(i))) i++;
      const next = text.charAt(i);
      if (isSymbolChar(out.charAt(out.length - 1)) && (isSymbolChar(next) || next === '\\')) out += ' ';
    } else {
      out += c;
      i++;
    }
  }
  return out;
}

/** One argument: up to a comma or a blank outside of brackets; a string loses its quotes. */
function takeArgument(text: string, from: number): { value: string; end: number } {
  let i = from;
  while (text.charAt(i) === ' ') i++;
  if (text.charAt(i) === '"') {
    let value = '';
    i++;
    while (i < text.length) {
      const c = text.charAt(i);
      if (c === '"') {
        // A doubled quote stands for one.
        if (text.charAt(i + 1) !== '"') break;
        i++;
      } else if (c === '\\' && i + 1 < text.length) {
        value += c;
        i++;
      }
      value += text.charAt(i);
      i++;
    }
    return { value, end: Math.min(i + 1, text.length) };
  }
  const open: string[] = [];
  const start = i;
  while (i < text.length) {
    const c = text.charAt(i);
    if (c === ',' || (c === ' ' && open.length === 0)) break;
    if (c === '"' || c === "'") {
      const close = text.indexOf(c, i + 1);
      if (close < 0) return { value: text.slice(start), end: text.length };
      i = close;
    } else if (c === '(') open.push(')');
    else if (c === '[') open.push(']');
    else if (c === open.at(-1)) open.pop();
    i++;
  }
  return { value: text.slice(start, i), end: i };
}

/** Index after blanks and at most one comma. */
function skipComma(text: string, from: number): number {
  let i = from;
  while (text.charAt(i) === ' ') i++;
  if (text.charAt(i) === ',') i++;
  while (text.charAt(i) === ' ') i++;
  return i;
}

/** The arguments of .irp: values separated by commas or blanks. */
export function splitArguments(text: string): string[] {
  const squeezed = squeeze(text);
  const out: string[] = [];
  for (let i = skipBlanks(squeezed, 0); i < squeezed.length;) {
    const { value, end } = takeArgument(squeezed, i);
    out.push(value);
    i = skipComma(squeezed, end);
    if (i === end && end < squeezed.length) i++;
  }
  return out;
}

const skipBlanks = (text: string, from: number): number => {
  let i = from;
  while (text.charAt(i) === ' ') i++;
  return i;
};

/** Reads what follows `.macro`. A string is the error. */
export function parseMacroHeader(text: string): { name: string; formals: Formal[] } | string {
  const squeezed = squeeze(text);
  const m = /^\s*([A-Za-z_.$][\w.$]*)[\s,]*/.exec(squeezed);
  if (!m?.[1]) return `.macro needs a name`;
  const formals: Formal[] = [];
  let i = m[0].length;
  while (i < squeezed.length) {
    const f = /^([A-Za-z_.$][\w.$]*)(?::(\w+))?(=)?/.exec(squeezed.slice(i));
    if (!f?.[1]) return `'${squeezed.slice(i)}' is not a parameter`;
    const kind = f[2] ?? 'optional';
    if (kind !== 'optional' && kind !== 'req' && kind !== 'vararg') {
      return `parameter ${f[1]} may be marked :req or :vararg, not :${kind}`;
    }
    if (formals.some((x) => x.name === f[1])) return `parameter ${f[1]} occurs twice`;
    i += f[0].length;
    let fallback = '';
    if (f[3]) {
      const a = takeArgument(squeezed, i);
      fallback = a.value;
      i = a.end;
    }
    formals.push({ name: f[1], kind, fallback });
    const next = skipComma(squeezed, i);
    if (next === i && i < squeezed.length) return `'${squeezed.slice(i)}' is not a parameter`;
    i = next;
  }
  return { name: m[1].toLowerCase(), formals };
}

/** Binds the arguments of a call to the parameters. A string is the error. */
export function bindArguments(macro: Macro<unknown>, text: string): Map<string, string> | string {
  const squeezed = squeeze(text).trim();
  const given = new Map<string, string>();
  let position = 0;
  for (let i = 0; i < squeezed.length;) {
    const keyword = /^([A-Za-z_.$][\w.$]*)=(?!=)/.exec(squeezed.slice(i))?.[1];
    const named = keyword === undefined ? undefined : macro.formals.find((f) => f.name === keyword);
    if (named) {
      const a = takeArgument(squeezed, i + named.name.length + 1);
      given.set(named.name, a.value);
      i = skipComma(squeezed, a.end);
      continue;
    }
    const formal = macro.formals[position++];
    if (!formal) {
      return `macro ${macro.name} takes ${macro.formals.length} argument${macro.formals.length === 1 ? '' : 's'}; '${squeezed.slice(i)}' is too much`;
    }
    if (formal.kind === 'vararg') {
      given.set(formal.name, squeezed.slice(i));
      break;
    }
    const a = takeArgument(squeezed, i);
    if (a.value !== '') given.set(formal.name, a.value);
    const next = skipComma(squeezed, a.end);
    i = next === i ? i + 1 : next;
  }
  const bound = new Map<string, string>();
  for (const f of macro.formals) {
    const value = given.get(f.name) ?? f.fallback;
    if (f.kind === 'req' && value === '') return `macro ${macro.name} needs a value for ${f.name}`;
    bound.set(f.name, value);
  }
  return bound;
}

/** A line of a body with `\name`, `\()` and `\@` replaced. */
export function substitute(line: string, values: ReadonlyMap<string, string>, count?: number): string {
  if (!line.includes('\\')) return line;
  let out = '';
  for (let i = 0; i < line.length;) {
    const c = line.charAt(i);
    if (c !== '\\') {
      out += c;
      i++;
      continue;
    }
    const next = line.charAt(i + 1);
    if (next === '@' && count !== undefined) {
      out += count.toString();
      i += 2;
    } else if (next === '(') {
      const close = line.indexOf(')', i);
      const end = close < 0 ? line.length : close;
      out += line.slice(i + 2, end);
      i = end + 1;
    } else {
      let end = i + 1;
      while (isSymbolChar(line.charAt(end)) && (end > i + 1 || !/\d/.test(line.charAt(end)))) end++;
      const name = line.slice(i + 1, end);
      out += values.get(name) ?? `\\${name}`;
      i = end;
    }
  }
  return out;
}
