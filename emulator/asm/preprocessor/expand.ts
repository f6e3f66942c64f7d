/**
 * Expansion of macros (ISO C17 6.10.3). Text is read from a stack of contexts, as cpp does it: a macro is disabled while
 * the context of its replacement is on the stack, and its own name, read meanwhile, is painted for good.
 */
import { PpError, type MacroDefinition } from './macro-definition';
import { replace, type Argument } from './replace';
import type { Origin, PpToken } from './tokens';

interface Context {
  readonly tokens: readonly PpToken[];
  index: number;
  readonly macro: MacroDefinition | undefined;
}

/** Tokens that one line, and one program, may become: a macro that doubles itself thirty times must not take all memory. */
const maxLineTokens = 1 << 18;
const maxTokens = 1 << 23;
/** Depth of arguments within arguments. */
const maxNesting = 200;

export interface ExpanderHost {
  readonly macros: ReadonlyMap<string, MacroDefinition>;
  /** The tokens of the next line, for arguments that go on there; undefined at the end of the file. */
  moreTokens(): readonly PpToken[] | undefined;
  /** A macro is used; `end`: the last token of its call. */
  used(macro: MacroDefinition, name: PpToken, end: Origin): void;
  /** `defined` and `__has_include` of a condition: takes what follows by `read`. */
  operator?(name: PpToken, read: () => PpToken | undefined): PpToken | PpError | undefined;
}

export class Expander {
  #stack: Context[] = [];
  /** Arguments may go on in the next line. */
  #more = false;
  #unread = false;
  readonly #disabled = new Set<MacroDefinition>();
  #nesting = 0;
  #lineTokens = 0;
  #tokens = 0;

  constructor(private readonly host: ExpanderHost) {}

  /**
   * A line with its macros replaced. `more`: arguments may go on in the next lines, which are then taken.
   * `unread`: the line that was taken last, to look for a parenthesis, does not belong to this one.
   */
  line(tokens: readonly PpToken[], more: boolean): { tokens: PpToken[]; unread: boolean } | PpError {
    this.#stack = [{ tokens, index: 0, macro: undefined }];
    this.#disabled.clear();
    this.#lineTokens = 0;
    this.#nesting = 0;
    this.#more = more;
    this.#unread = false;
    const out = this.#run();
    return out instanceof PpError ? out : { tokens: out, unread: this.#unread };
  }

  #run(): PpToken[] | PpError {
    const out: PpToken[] = [];
    // An empty replacement leaves the blank before it to the next token.
    let space = false;
    for (let t = this.#read(); t; t = this.#read()) {
      const macro = t.kind === 'id' && !t.painted ? this.host.macros.get(t.text) : undefined;
      if (!macro) {
        const made = t.kind === 'id' ? this.host.operator?.(t, () => this.#read()) : undefined;
        if (made instanceof PpError) return made;
        const token = made ?? t;
        out.push(space && !token.space ? { ...token, space: true } : token);
        space = false;
        continue;
      }
      const entered = this.#enter(macro, t);
      if (entered instanceof PpError) return entered;
      if (!entered) {
        out.push(t);
        space = false;
      } else if (entered.length === 0) space ||= t.space;
    }
    return out;
  }

  /** The next token as it stands; contexts that are used up are left, and their macros enabled again. */
  #read(): PpToken | undefined {
    for (;;) {
      const context = this.#stack.at(-1);
      if (!context) return undefined;
      const t = context.tokens[context.index];
      if (t) {
        context.index++;
        if (t.kind === 'id' && !t.painted && this.#disabled.size > 0) {
          const macro = this.host.macros.get(t.text);
          if (macro && this.#disabled.has(macro)) return { ...t, painted: true };
        }
        return t;
      }
      if (this.#stack.length === 1) return undefined;
      this.#stack.pop();
      if (context.macro) this.#disabled.delete(context.macro);
    }
  }

  /** As #read, and over the end of the line where arguments may go on. */
  #readOn(): PpToken | undefined {
    for (;;) {
      const t = this.#read();
      if (t || !this.#more || this.#nesting > 0) return t;
      const more = this.host.moreTokens();
      if (!more) return undefined;
      this.#stack = [{ tokens: more, index: 0, macro: undefined }];
    }
  }

  /** Puts the replacement of a macro on the stack. Undefined: the name stands for itself. */
  #enter(macro: MacroDefinition, name: PpToken): readonly PpToken[] | undefined | PpError {
    const { origin } = name;
    if (macro.value) {
      const made = [{ ...name, ...macro.value(origin), painted: true, after: undefined }];
      this.host.used(macro, name, origin);
      this.#stack.push({ tokens: made, index: 0, macro: undefined });
      return made;
    }
    let args: Argument[] = [];
    let end = origin;
    if (macro.parameters) {
      const open = this.#peekParenthesis();
      if (!open) return undefined;
      const collected = this.#collect(macro, macro.parameters, name);
      if (collected instanceof PpError) return collected;
      args = collected.args;
      end = collected.end;
    }
    this.host.used(macro, name, end);
    // Where it came from within a line: the whole call.
    const use: Origin = {
      line: origin.line,
      column: origin.column,
      endColumn: !origin.via && !end.via && end.line === origin.line ? end.endColumn : origin.endColumn,
      via: { macro, outer: origin.via },
    };
    const made = replace(macro, args, name, use, (a) => this.#expandArgument(a));
    if (made instanceof PpError) return made;
    this.#lineTokens += made.length + 1;
    this.#tokens += made.length + 1;
    if (this.#lineTokens > maxLineTokens || this.#tokens > maxTokens) {
      return new PpError(`macro ${macro.name} makes too much text here`, origin);
    }
    this.#stack.push({ tokens: made, index: 0, macro });
    this.#disabled.add(macro);
    return made;
  }

  /** Takes the parenthesis that makes a name a call. What is read in vain is put back. */
  #peekParenthesis(): boolean {
    const t = this.#read();
    if (t) {
      if (t.text === '(' && t.kind === 'punct') return true;
      this.#stack.push({ tokens: [t], index: 0, macro: undefined });
      return false;
    }
    if (!this.#more || this.#nesting > 0) return false;
    // The call may begin on the next line; if it does not, that line is one of its own.
    for (let more = this.host.moreTokens(); more; more = this.host.moreTokens()) {
      const [first] = more;
      if (!first) continue;
      if (first.text === '(' && first.kind === 'punct') {
        this.#stack = [{ tokens: more, index: 1, macro: undefined }];
        return true;
      }
      this.#unread = true;
      break;
    }
    this.#more = false;
    return false;
  }

  /** The arguments up to the closing parenthesis. */
  #collect(
    macro: MacroDefinition,
    parameters: readonly string[],
    name: PpToken,
  ): { args: Argument[]; end: Origin } | PpError {
    const args: PpToken[][] = [[]];
    let depth = 0;
    let line = name.origin.line;
    for (;;) {
      let t = this.#readOn();
      if (!t) return new PpError(`the arguments of macro ${macro.name} have no closing ')'`, name.origin);
      const isPunct = t.kind === 'punct';
      // The end of a line is a blank here.
      if (t.origin.line !== line && !t.origin.via && !t.space) t = { ...t, space: true };
      line = t.origin.line;
      if (isPunct && t.text === ')' && depth-- === 0) {
        const checked = this.#checkCount(macro, parameters, args, name);
        return checked instanceof PpError ? checked : { args: checked, end: t.origin };
      }
      if (isPunct && t.text === '(') depth++;
      const rest = macro.variadic && args.length === parameters.length;
      if (isPunct && t.text === ',' && depth === 0 && !rest) args.push([]);
      else args.at(-1)?.push(t);
      if (++this.#lineTokens > maxLineTokens) {
        return new PpError(`the arguments of macro ${macro.name} are too long`, name.origin);
      }
    }
  }

  #checkCount(
    macro: MacroDefinition,
    parameters: readonly string[],
    given: PpToken[][],
    name: PpToken,
  ): Argument[] | PpError {
    const wanted = parameters.length;
    const none = given.length === 1 && given[0]?.length === 0;
    let count = given.length;
    if (wanted === 0 && none) count = 0;
    const enough = count === wanted || (macro.variadic && count === wanted - 1);
    if (!enough) {
      const takes = macro.variadic ? `at least ${wanted - 1}` : `${wanted}`;
      const plural = takes === '1' || takes === 'at least 1' ? '' : 's';
      return new PpError(
        `macro ${macro.name} takes ${takes} argument${plural}, but ${count} ${count === 1 ? 'is' : 'are'} given`,
        name.origin,
      );
    }
    return parameters.map((_, i) => {
      const tokens = given[i] ?? [];
      const isRest = macro.variadic && i === wanted - 1;
      // GNU: `, ## rest` loses its comma when the rest is left out, also when it is all that there is.
      const omitted = isRest && (given.length < wanted || (given.length === 1 && tokens.length === 0));
      return { tokens, omitted, expanded: undefined };
    });
  }

  /** An argument with its own macros replaced, before it goes into the body. */
  #expandArgument(tokens: readonly PpToken[]): PpToken[] | PpError {
    if (++this.#nesting > maxNesting) {
      return new PpError('calls of macros are nested too deeply', tokens[0]?.origin);
    }
    const { host } = this;
    if (!tokens.some((t) => t.kind === 'id' && (host.macros.has(t.text) || host.operator))) {
      this.#nesting--;
      return [...tokens];
    }
    const before = this.#stack;
    this.#stack = [{ tokens, index: 0, macro: undefined }];
    const out = this.#run();
    this.#stack = before;
    this.#nesting--;
    return out;
  }
}
