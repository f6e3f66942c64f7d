/** Replacement lists with their arguments: `#`, `##`, `__VA_ARGS__`, `__VA_OPT__` (ISO C17 6.10.3.1 to 6.10.3.3). */
import { PpError, type MacroDefinition } from './macro-definition';
import { single, type Origin, type PpToken } from './tokens';

/** An argument of a call. */
export interface Argument {
  readonly tokens: readonly PpToken[];
  /** The rest of a variadic macro, and the call has none. */
  readonly omitted: boolean;
  /** With its macros replaced; made when it is wanted. */
  expanded: readonly PpToken[] | undefined;
}

type Expand = (tokens: readonly PpToken[]) => PpToken[] | PpError;

/** An element of a list between whose tokens `##` may stand. */
interface Item {
  readonly token: PpToken;
  /** `##` stands behind it. */
  paste: boolean;
}

/** The body of a macro for one call. `name` is what is replaced, `use` its place. */
export function replace(
  macro: MacroDefinition,
  args: readonly Argument[],
  name: PpToken,
  use: Origin,
  expand: Expand,
): PpToken[] | PpError {
  const items = new Replacement(macro, args, use, expand).items(macro.body);
  if (items instanceof PpError) return items;
  const out = pasteAll(items, use);
  const [first] = out;
  if (first && first.space !== name.space) out[0] = { ...first, space: name.space };
  return out;
}

class Replacement {
  readonly #index: ReadonlyMap<string, number>;

  constructor(
    private readonly macro: MacroDefinition,
    private readonly args: readonly Argument[],
    private readonly use: Origin,
    private readonly expand: Expand,
  ) {
    this.#index = new Map((macro.parameters ?? []).map((p, i) => [p, i]));
  }

  items(body: readonly PpToken[]): Item[] | PpError {
    const out: Item[] = [];
    for (let i = 0; i < body.length; i++) {
      const t = body[i] as PpToken;
      if (t.text === '##' && t.kind === 'punct') {
        const last = out.at(-1);
        if (last) last.paste = true;
        continue;
      }
      const next = body[i + 1];
      const parameter = next && this.#argument(next);
      if (t.text === '#' && this.macro.parameters && parameter) {
        const space = t.space && body[i - 1]?.text !== '##';
        const token: PpToken = { ...this.#own(t), kind: 'str', text: stringify(parameter.tokens), space };
        out.push({ token, paste: false });
        i++;
        continue;
      }
      if (t.text === '__VA_OPT__' && this.macro.variadic && next?.text === '(') {
        const close = closing(body, i + 1);
        const inner = this.#optional(body.slice(i + 2, close));
        if (inner instanceof PpError) return inner;
        this.#append(out, inner, t.space);
        i = close;
        continue;
      }
      const argument = this.#argument(t);
      if (!argument) {
        out.push({ token: this.#own(t), paste: false });
        continue;
      }
      const behind = body[i - 1]?.text === '##';
      if (behind && argument.omitted && out.at(-1)?.token.text === ',') {
        out.pop();
        continue;
      }
      const swallows = behind && body[i - 2]?.text === ',' && this.#isRest(t);
      if (swallows) {
        const comma = out.at(-1);
        if (comma) comma.paste = false;
      }
      const raw = behind || next?.text === '##';
      const tokens = raw ? argument.tokens : this.#expanded(argument);
      if (tokens instanceof PpError) return tokens;
      const empty: PpToken = { ...this.#own(t), kind: 'place', text: '' };
      const list = tokens.length > 0 ? tokens : [empty];
      this.#append(
        out,
        list.map((token) => ({ token, paste: false })),
        behind ? tokens[0]?.space === true : t.space,
      );
    }
    return out;
  }

  /** Adds what stands in the place of one token: it has the blank of that token. */
  #append(out: Item[], items: readonly Item[], space: boolean): void {
    items.forEach(({ token, paste }, n) =>
      out.push({ token: n === 0 ? { ...token, space, after: undefined } : token, paste }),
    );
  }

  #argument(t: PpToken): Argument | undefined {
    const i = t.kind === 'id' ? this.#index.get(t.text) : undefined;
    return i === undefined ? undefined : this.args[i];
  }

  #isRest(t: PpToken): boolean {
    return this.macro.variadic && this.#index.get(t.text) === this.args.length - 1;
  }

  #expanded(argument: Argument): readonly PpToken[] | PpError {
    if (argument.expanded) return argument.expanded;
    const made = this.expand(argument.tokens);
    if (!(made instanceof PpError)) argument.expanded = made;
    return made;
  }

  /** A token of the body: it stands where the macro is used. */
  #own(t: PpToken): PpToken {
    return { ...t, origin: this.use };
  }

  /** `__VA_OPT__(...)`: its content when there are variable arguments. */
  #optional(body: readonly PpToken[]): Item[] | PpError {
    const rest = this.args.at(-1);
    const tokens = rest && this.#expanded(rest);
    if (tokens instanceof PpError) return tokens;
    const empty: PpToken = {
      kind: 'place',
      text: '',
      space: false,
      origin: this.use,
      written: this.use,
      after: undefined,
    };
    if (!tokens?.length || body.length === 0) return [{ token: empty, paste: false }];
    return this.items(body);
  }
}

/** Index of the parenthesis that closes the one at `open`; the end when there is none. */
function closing(body: readonly PpToken[], open: number): number {
  let depth = 0;
  for (let i = open; i < body.length; i++) {
    if (body[i]?.text === '(') depth++;
    else if (body[i]?.text === ')' && --depth === 0) return i;
  }
  return body.length;
}

/** `#`: the spelling of an argument as a string. */
function stringify(tokens: readonly PpToken[]): string {
  let text = '';
  tokens.forEach((t, i) => {
    if (t.space && i > 0) text += ' ';
    text += t.kind === 'str' || t.kind === 'char' ? t.text.replace(/["\\]/g, '\\$&') : t.text;
  });
  return `"${text}"`;
}

/** Does the `##` of a list from left to right; empty arguments are gone then. */
function pasteAll(items: readonly Item[], use: Origin): PpToken[] {
  const out: PpToken[] = [];
  let left: PpToken | undefined;
  let space = false;
  const put = (t: PpToken): void => {
    if (t.kind === 'place') space ||= t.space;
    else out.push(space && !t.space ? { ...t, space: true } : t);
    if (t.kind !== 'place') space = false;
  };
  for (const { token, paste } of items) {
    let t = token;
    if (left) {
      const joined = join(left, token, use);
      // What makes no token stays two: assembly needs that for `.L ## name`.
      if (!joined) put(left);
      t = joined ?? token;
    }
    left = paste ? t : undefined;
    if (!paste) put(t);
  }
  if (left) put(left);
  return out;
}

/** Two tokens as one. */
function join(a: PpToken, b: PpToken, use: Origin): PpToken | undefined {
  if (a.kind === 'place') return { ...b, space: a.space };
  if (b.kind === 'place') return a;
  const made = single(a.text + b.text);
  if (!made || made.text !== a.text + b.text) return undefined;
  return { ...made, space: a.space, origin: use, written: use, after: undefined };
}
