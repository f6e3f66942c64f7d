/** Macros of the preprocessor: what `#define` makes (ISO C17 6.10.3). */
import type { Origin, PpToken } from './tokens';

export interface MacroDefinition {
  readonly name: string;
  /** Undefined for one without parentheses. */
  readonly parameters: readonly string[] | undefined;
  /** The last parameter takes all arguments that are left. */
  readonly variadic: boolean;
  readonly body: readonly PpToken[];
  /** Where its name is written; undefined for those that the preprocessor or the command line brings. */
  readonly at: { readonly file: string; readonly origin: Origin } | undefined;
  /** Of `__LINE__` and its kin: the value at the place of use. */
  readonly value?: (use: Origin) => Pick<PpToken, 'kind' | 'text'>;
}

/** Something wrong, and the token or place to mark. */
export class PpError {
  constructor(
    readonly message: string,
    readonly at: Origin | undefined,
  ) {}
}

const reserved = ['defined', '__VA_ARGS__', '__VA_OPT__'];

/** Reads what follows `#define`. */
export function parseDefinition(
  tokens: readonly PpToken[],
  file: string | undefined,
  at: Origin,
): MacroDefinition | PpError {
  const [name] = tokens;
  if (!name) return new PpError('#define needs a name', at);
  if (name.kind !== 'id') return new PpError(`#define needs a name, not '${name.text}'`, name.origin);
  if (reserved.includes(name.text)) {
    return new PpError(`'${name.text}' cannot be defined: the preprocessor needs it itself`, name.origin);
  }
  let parameters: string[] | undefined;
  let variadic = false;
  let next = 1;
  // Only a parenthesis without a blank before it begins parameters.
  if (tokens[1]?.text === '(' && !tokens[1].space) {
    const list = parseParameters(tokens, name);
    if (list instanceof PpError) return list;
    ({ parameters, variadic, next } = list);
  }
  const body = tokens.slice(next);
  const [first] = body;
  if (first) body[0] = { ...first, space: false, after: undefined };
  const paste = body[0]?.text === '##' ? body[0] : body.at(-1)?.text === '##' ? body.at(-1) : undefined;
  if (paste) return new PpError(`'##' needs a token on both of its sides`, paste.origin);
  if (!variadic || parameters?.at(-1) !== '__VA_ARGS__') {
    const stray = body.find((t) => t.text === '__VA_ARGS__');
    if (stray) return new PpError(`__VA_ARGS__ is only there in a macro with '...'`, stray.origin);
  }
  const place = file === undefined ? undefined : { file, origin: name.origin };
  return { name: name.text, parameters, variadic, body, at: place };
}

/** The parameters from the parenthesis, which is token 1, on. */
function parseParameters(
  tokens: readonly PpToken[],
  name: PpToken,
): { parameters: string[]; variadic: boolean; next: number } | PpError {
  const parameters: string[] = [];
  let variadic = false;
  let i = 2;
  if (tokens[i]?.text === ')') return { parameters, variadic, next: i + 1 };
  for (;;) {
    const t = tokens[i++];
    if (t?.text === '...') {
      parameters.push('__VA_ARGS__');
      variadic = true;
    } else if (t?.kind === 'id') {
      if (parameters.includes(t.text)) return new PpError(`parameter ${t.text} occurs twice`, t.origin);
      parameters.push(t.text);
      // `rest...`, which is GNU's: a name for the arguments that are left.
      if (tokens[i]?.text === '...') {
        variadic = true;
        i++;
      }
    } else {
      return new PpError(
        `a parameter of macro ${name.text} is expected${t ? `, not '${t.text}'` : ''}`,
        (t ?? name).origin,
      );
    }
    const end = tokens[i++];
    if (end?.text === ')') return { parameters, variadic, next: i };
    if (end?.text !== ',' || variadic) {
      return new PpError(`')' is missing behind the parameters of macro ${name.text}`, (end ?? t).origin);
    }
  }
}

/** Whether a second definition says the same: only that may stand beside the first (C17 6.10.3). */
export function sameDefinition(a: MacroDefinition, b: MacroDefinition): boolean {
  return (
    a.variadic === b.variadic &&
    a.parameters?.join() === b.parameters?.join() &&
    a.body.length === b.body.length &&
    a.body.every((t, i) => t.text === b.body[i]?.text && t.space === b.body[i].space)
  );
}

/** A macro as it is written in its `#define`. */
export function describeDefinition({ name, parameters, variadic, body }: MacroDefinition): string {
  const list = parameters?.map((p, i) => {
    if (!variadic || i < parameters.length - 1) return p;
    return p === '__VA_ARGS__' ? '...' : `${p}...`;
  });
  const text = body.map((t) => (t.space ? ` ${t.text}` : t.text)).join('');
  return `#define ${name}${list ? `(${list.join(', ')})` : ''}${text ? ` ${text}` : ''}`;
}
