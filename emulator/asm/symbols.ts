/** Symbols of a program while it is assembled. */
import type { Token } from './lexer';
import type { SourceLine } from './sections';
import { later, type Value } from './value';

export interface Symbol {
  readonly name: string;
  /** `set`: a value that .set may change. */
  kind: 'undefined' | 'label' | 'set';
  value: Value | undefined;
  /** For a `set` whose value is not known yet: its expression. */
  tokens?: readonly Token[];
  binding: 'local' | 'global' | 'weak' | undefined;
  visibility: number;
  type: 'none' | 'object' | 'func' | 'tls';
  /** The expression of .size. */
  size?: readonly Token[];
  definedAt?: SourceLine;
  /** Where it is used first, for the error if it stays undefined. */
  usedAt?: SourceLine;
}

/** Names that the assembler makes: they reach no symbol table. */
const hiddenMark = '\u0001';

export class SymbolTable {
  readonly all = new Map<string, Symbol>();
  readonly #locals = new Map<string, number>();
  #hidden = 0;

  get(name: string): Symbol | undefined {
    return this.all.get(name);
  }

  /** The symbol, made when it does not exist. */
  ensure(name: string): Symbol {
    let s = this.all.get(name);
    if (!s) {
      s = { name, kind: 'undefined', value: undefined, binding: undefined, visibility: 0, type: 'none' };
      this.all.set(name, s);
    }
    return s;
  }

  /** A name that no source can contain. */
  hiddenName(): string {
    return `${hiddenMark}${this.#hidden++}`;
  }

  isHidden(name: string): boolean {
    return name.startsWith(hiddenMark);
  }

  /** The name behind a numeric label: `1b` the last one that was defined, `1f` the next. */
  localName(text: string): string | undefined {
    const digits = text.slice(0, -1);
    const count = this.#locals.get(digits) ?? 0;
    const wanted = text.endsWith('b') ? count : count + 1;
    return wanted > 0 ? `${hiddenMark}${digits}:${wanted}` : undefined;
  }

  /** Defines the next numeric label. */
  nextLocal(digits: string): string {
    const count = (this.#locals.get(digits) ?? 0) + 1;
    this.#locals.set(digits, count);
    return `${hiddenMark}${digits}:${count}`;
  }

  /** How a name reads in an error. */
  display(name: string): string {
    const m = new RegExp(`^${hiddenMark}(\\d+):`).exec(name);
    return m ? `${m[1]}f` : name;
  }

  /** The value as far as it is known while reading the source. */
  current(name: string): Value {
    const s = this.all.get(name);
    return s?.value ?? { ...later, symbol: name, addend: 0n };
  }
}
