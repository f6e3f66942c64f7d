/** Literal pools: the constants of `ldr x0, =value`, collected until .ltorg or the end of the section. */
import type { Token } from './lexer';
import type { Chunk } from './sections';
import type { Value } from './value';

export interface Literal {
  readonly size: number;
  /** Name of the hidden symbol that marks its place. */
  readonly label: string;
  readonly value: Value;
  /** The expression, when its value is not known yet. */
  readonly tokens: readonly Token[];
}

const key = (size: number, v: Value): string | undefined => {
  if (v.kind === 'number') return `${size}:${v.value}`;
  if (v.kind === 'address') return `${size}:${v.chunk?.section.name}/${v.chunk?.number}+${v.value}`;
  return v.symbol === undefined ? undefined : `${size}:${v.symbol}+${v.addend}`;
};

export class LiteralPools {
  readonly #pools = new Map<Chunk, { literals: Literal[]; known: Map<string, Literal> }>();

  /** The label of a literal in the pool of a section; equal ones share a place. */
  add(chunk: Chunk, size: number, value: Value, tokens: readonly Token[], label: () => string): string {
    let pool = this.#pools.get(chunk);
    if (!pool) this.#pools.set(chunk, (pool = { literals: [], known: new Map() }));
    const k = key(size, value);
    const same = k === undefined ? undefined : pool.known.get(k);
    if (same) return same.label;
    const literal = { size, value, tokens, label: label() };
    pool.literals.push(literal);
    if (k !== undefined) pool.known.set(k, literal);
    return literal.label;
  }

  /** Empties the pool of a section: its literals by size, as GNU as places them. */
  take(chunk: Chunk): Literal[] {
    const literals = this.#pools.get(chunk)?.literals ?? [];
    this.#pools.delete(chunk);
    return [4, 8, 16].flatMap((size) => literals.filter((l) => l.size === size));
  }

  /** Sections whose pools wait. */
  pending(): Chunk[] {
    return [...this.#pools.keys()];
  }
}
