/**
 * The state of one run of the assembler, and what directives may do with it. One pass over the source puts bytes into
 * sections; whatever depends on labels that are not known yet is done again when all sections have their address.
 * That works because every instruction has one size.
 */
import type { AsmSyntax } from '../isa/dsl/operand';
import { Diagnostics, type Place } from './diagnostics';
import type { InstructionTable } from './encode';
import { ExpressionParser, noExpression, type Scope } from './expression';
import { Input } from './input';
import type { Token } from './lexer';
import type { Macro } from './macro';
import type { InputLine } from './input';
import { LiteralPools } from './literals';
import { Section, defaultsOf, type Chunk } from './sections';
import { SymbolTable, type Symbol } from './symbols';
import { later, type Value } from './value';

export interface Conditional {
  /** Lines are assembled. */
  active: boolean;
  /** A branch of it was taken already. */
  done: boolean;
  /** The surrounding lines are assembled. */
  readonly outer: boolean;
  sawElse: boolean;
  readonly place: Place;
}

/** Bytes that wait for addresses. */
interface Fixup {
  readonly chunk: Chunk;
  readonly offset: number;
  readonly context: Context;
  /** Undefined: data of `size` bytes. */
  readonly mnemonic: string | undefined;
  readonly size: number;
  readonly tokens: readonly Token[];
}

/** Where a statement stands, for what is said about it later. */
interface Context {
  readonly line: InputLine | undefined;
  readonly inFile: boolean;
  readonly statement: { readonly text: string; readonly column: number };
  readonly stack: Place['stack'];
}

export class Assembler {
  readonly diagnostics = new Diagnostics();
  readonly symbols = new SymbolTable();
  readonly sections = new Map<string, Section>();
  readonly input = new Input();
  readonly macros = new Map<string, Macro<InputLine>>();
  /** Register names made by .req. */
  readonly aliases = new Map<string, Token>();
  readonly conditionals: Conditional[] = [];
  readonly literals = new LiteralPools();
  readonly fixups: Fixup[] = [];
  readonly sectionStack: { chunk: Chunk; previous: Chunk }[] = [];
  readonly syntax: AsmSyntax;
  macroCount = 0;
  chunk: Chunk;
  previous: Chunk;
  /** The statement being assembled. */
  statement = { text: '', column: 0 };
  stopped = false;
  #fixing: Fixup | undefined;
  /** Final values of symbols that are expressions: each is evaluated once. */
  readonly #final = new Map<string, Value | string>();
  /** Symbols whose expressions are being evaluated, against definitions in a circle. */
  readonly #evaluating = new Set<string>();

  constructor(
    readonly table: InstructionTable,
    /** Finds a file for .include and .incbin. */
    readonly find: (name: string, from: string) => { path: string; content: string | Uint8Array } | undefined,
  ) {
    this.syntax = table.syntax;
    this.chunk = this.section('.text').chunk(0);
    this.previous = this.chunk;
  }

  // --- diagnostics -------------------------------------------------------------------------------------------------

  /** The place of some tokens of the current statement; of all of it when there are none. */
  place(first?: Token, last: Token | undefined = first): Place {
    return this.placeIn(this.context(), first, last);
  }

  private context(): Context {
    const { current: line, inFile } = this.input;
    return { line, inFile, statement: this.statement, stack: this.input.stack() };
  }

  private placeIn({ line, inFile, statement, stack }: Context, first?: Token, last?: Token): Place {
    const { file, line: number } = line?.at ?? { file: '', line: 1 };
    if (!inFile) return { file, line: number, column: 1, endColumn: 1, stack };
    const { text, column } = statement;
    const blank = text.length - text.trimStart().length;
    const start = column + (first ? first.pos : blank);
    const end = Math.max(column + (last ? last.end : text.trimEnd().length), start + 1);
    const from = line?.locate?.(start, end);
    if (!from) return { file, line: number, column: start + 1, endColumn: end + 1, stack };
    return {
      file,
      line: from.line,
      column: from.column + 1,
      endColumn: Math.max(from.endColumn, from.column + 1) + 1,
      stack: [...from.stack, ...stack],
    };
  }

  error(message: string, first?: Token, last?: Token): void {
    this.diagnostics.add('error', this.place(first, last), message);
  }

  warn(message: string, first?: Token, last?: Token): void {
    this.diagnostics.add('warning', this.place(first, last), message);
  }

  /** Ends the run: what follows would only repeat the error. */
  fatal(message: string): void {
    if (!this.stopped) this.error(message);
    this.stopped = true;
    this.input.clear();
  }

  // --- sections ----------------------------------------------------------------------------------------------------

  section(name: string, type?: number, flags?: number): Section {
    let s = this.sections.get(name);
    if (!s) {
      const d = defaultsOf(name);
      s = new Section(name, type ?? d.type, flags ?? d.flags);
      this.sections.set(name, s);
    }
    return s;
  }

  enter(chunk: Chunk): void {
    this.previous = this.chunk;
    this.chunk = chunk;
  }

  /** Appends bytes, as data. Undefined if there is no room or the section has no content. */
  data(size: number): Uint8Array | undefined {
    if (this.chunk.section.isCode) this.chunk.mark(false);
    const room = this.chunk.grow(size);
    if (!room) {
      this.fatal(`section ${this.chunk.section.name} becomes too large`);
      return undefined;
    }
    return room;
  }

  here(): Value {
    return { kind: 'address', chunk: this.chunk, value: BigInt(this.chunk.length) };
  }

  // --- expressions -------------------------------------------------------------------------------------------------

  /** What names mean while the source is read. */
  readonly scope: Scope = {
    symbol: (name) => {
      const symbol = this.symbols.ensure(name);
      if (!symbol.value && !symbol.usedAt) symbol.usedAt = this.input.current?.at;
      if (!symbol.value && symbol.tokens) this.settle(symbol);
      return this.symbols.current(name);
    },
    local: (text) => {
      const name = this.symbols.localName(text);
      return name === undefined
        ? `there is no label ${text.slice(0, -1)}: before this line`
        : this.symbols.current(name);
    },
    here: () => this.here(),
    isReserved: (word) => this.syntax.isReserved(word),
  };

  /** The same for data and directives, where a symbol may have the name of a register. */
  readonly dataScope: Scope = { ...this.scope, isReserved: () => false };

  /** What names mean when all sections have their address. */
  readonly finalScope: Scope = {
    symbol: (name) => this.finalValue(name),
    local: (text) => `label ${text} has no meaning here`,
    here: () => {
      const f = this.#fixing;
      return f ? this.absolute({ kind: 'address', chunk: f.chunk, value: BigInt(f.offset) }) : later;
    },
    isReserved: (word) => this.syntax.isReserved(word),
  };

  readonly finalDataScope: Scope = { ...this.finalScope, isReserved: () => false };

  /**
   * Gives a symbol that was set to something unknown its value, if that has become known: `.equ size, end - start` above
   * `end`. Chains of such symbols are followed only a few steps, so that they cannot take exponential time.
   */
  private settle(symbol: Symbol): void {
    if (!symbol.tokens || this.#evaluating.has(symbol.name) || this.#evaluating.size >= 4) return;
    this.#evaluating.add(symbol.name);
    const v = new ExpressionParser(symbol.tokens, this.dataScope).parse();
    this.#evaluating.delete(symbol.name);
    if (typeof v === 'object' && v.kind !== 'later') symbol.value = v;
  }

  absolute(v: Value): Value {
    if (v.kind !== 'address' || !v.chunk) return v;
    return { kind: 'address', chunk: undefined, value: (v.chunk.base ?? 0n) + v.value };
  }

  finalValue(name: string): Value | string {
    const symbol = this.symbols.get(name);
    if (symbol?.value) return this.absolute(symbol.value);
    if (symbol?.tokens) {
      const known = this.#final.get(name);
      if (known !== undefined) return known;
      if (this.#evaluating.has(name)) return `symbol '${name}' is defined by itself`;
      if (this.#evaluating.size > 100) return `symbol '${name}' depends on too many others`;
      this.#evaluating.add(name);
      const v = new ExpressionParser(this.unplaced(symbol.tokens), this.finalDataScope).parse();
      this.#evaluating.delete(name);
      const final = typeof v === 'string' ? v : this.absolute(v);
      this.#final.set(name, final);
      return final;
    }
    if (symbol?.binding === 'weak') return { kind: 'address', chunk: undefined, value: 0n };
    if (/^\d+f$/.test(this.symbols.display(name))) {
      return `there is no label ${this.symbols.display(name).slice(0, -1)}: after this line`;
    }
    if (/^[wxbhsdqv]\d{1,3}$/i.test(name))
      return `'${name}' is neither a register nor a symbol that is defined`;
    return `symbol '${this.symbols.display(name)}' is not defined`;
  }

  /** The value of an expression, such as that of .size, at the end; undefined, without an error, if it has none. */
  evaluate(tokens: readonly Token[]): Value | undefined {
    const v = new ExpressionParser(this.unplaced(tokens), this.finalDataScope).parse();
    return typeof v === 'string' ? undefined : v;
  }

  /** Tokens whose frozen values have their addresses. */
  private unplaced(tokens: readonly Token[]): Token[] {
    return tokens.map((t) => (t.kind === 'value' && t.value ? { ...t, value: this.absolute(t.value) } : t));
  }

  /** Reads one expression from tokens, from index `at`. Reports errors. */
  expression(tokens: readonly Token[], at: number): { value: Value; next: number } | undefined {
    const parser = new ExpressionParser(tokens, this.dataScope);
    parser.at = at;
    const value = parser.parse();
    if (typeof value === 'string') {
      const t = tokens[Math.min(parser.at, tokens.length - 1)];
      const text = value === noExpression ? `an expression is missing${t ? ` at '${t.text}'` : ''}` : value;
      this.error(text, t);
      return undefined;
    }
    return { value, next: parser.at };
  }

  /** All comma-separated arguments must be numbers now. Undefined, with an error, if one is not. */
  numbers(tokens: readonly Token[], atMost: number, atLeast = 1): (bigint | undefined)[] | undefined {
    const out: (bigint | undefined)[] = [];
    let at = 0;
    while (at < tokens.length) {
      if (tokens[at]?.text === ',') {
        out.push(undefined);
        at++;
        continue;
      }
      const first = tokens[at];
      const e = this.expression(tokens, at);
      if (!e) return undefined;
      const last = tokens[e.next - 1];
      if (e.value.kind !== 'number') {
        const why =
          e.value.kind === 'address'
            ? 'it is an address'
            : e.value.symbol !== undefined
              ? `'${this.symbols.display(e.value.symbol)}' is not defined before this line`
              : 'it depends on what follows';
        this.error(`a number is needed here that is known at this line; ${why}`, first, last);
        return undefined;
      }
      out.push(e.value.value);
      at = e.next;
      if (at >= tokens.length) break;
      if (tokens[at]?.text !== ',') {
        this.error(`',' or the end of the line is expected, not '${tokens[at]?.text}'`, tokens[at]);
        return undefined;
      }
      at++;
    }
    if (out.length < atLeast || out.length > atMost) {
      this.error(
        out.length < atLeast
          ? 'an argument is missing'
          : `at most ${atMost} argument${atMost > 1 ? 's are' : ' is'} possible`,
      );
      return undefined;
    }
    return out;
  }

  /** One number that must be known now. */
  number(tokens: readonly Token[]): bigint | undefined {
    return this.numbers(tokens, 1)?.[0];
  }

  /** Tokens that mean later what they mean now: `.`, numeric labels and changing symbols get their present value. */
  freeze(tokens: readonly Token[], keepRegisters = false): Token[] {
    return tokens.map((t) => {
      if (t.kind === 'local') {
        const name = this.symbols.localName(t.text);
        return name === undefined ? t : { ...t, kind: 'id', text: name, lower: name };
      }
      if (t.kind !== 'id') return t;
      if (t.text === '.') return { ...t, kind: 'value', value: this.here() };
      const s = this.symbols.get(t.text);
      return s?.kind === 'set' && s.value && !(keepRegisters && this.syntax.isReserved(t.lower))
        ? { ...t, kind: 'value', value: s.value }
        : t;
    });
  }

  // --- what waits for addresses ------------------------------------------------------------------------------------

  /** Remembers to do an instruction (or `size` bytes of data) again, at an offset of the current section. */
  defer(offset: number, mnemonic: string | undefined, size: number, tokens: readonly Token[]): void {
    this.fixups.push({
      chunk: this.chunk,
      offset,
      context: this.context(),
      mnemonic,
      size,
      tokens: this.freeze(tokens, mnemonic !== undefined),
    });
  }

  /** Second pass: sections have their address. */
  resolve(): void {
    for (const f of this.fixups) {
      if (this.diagnostics.full) return;
      this.#fixing = f;
      const tokens = this.unplaced(f.tokens);
      const bad = (message: string, token?: Token): void => {
        const place = this.placeIn(f.context, token ?? tokens[0], token ?? tokens.at(-1));
        this.diagnostics.add('error', place, message);
      };
      if (f.mnemonic !== undefined) {
        const r = this.table.encode(f.mnemonic, tokens, this.finalScope);
        if ('error' in r) bad(r.error, tokens[r.token]);
        else f.chunk.patch(f.offset, wordBytes(r.word));
      } else {
        const v = new ExpressionParser(tokens, this.finalDataScope).parse();
        if (typeof v === 'string') bad(v);
        else f.chunk.patch(f.offset, valueBytes(v.value, f.size));
      }
    }
    this.#fixing = undefined;
  }
}

/** A word as the CPU reads instructions: little-endian whatever the data's order. */
export const wordBytes = (word: number): number[] => [
  word & 255,
  (word >>> 8) & 255,
  (word >>> 16) & 255,
  word >>> 24,
];

export function valueBytes(value: bigint, size: number): Uint8Array {
  const out = new Uint8Array(size);
  let v = BigInt.asUintN(size * 8, value);
  for (let i = 0; i < size; i++) {
    out[i] = Number(v & 255n);
    v >>= 8n;
  }
  return out;
}
