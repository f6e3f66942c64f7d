/** The operands of one instruction as templates read them. */
import type { OperandError, OperandReader, OperandToken, OperandValue } from '../isa/dsl/operand';
import { combine, ExpressionParser, noExpression, type Scope } from './expression';
import type { Token } from './lexer';
import { later, type Value } from './value';

/** What stood where when nothing fitted. */
export interface Trouble {
  readonly position: number;
  readonly error: OperandError;
}

export class Reader implements OperandReader {
  position = 0;
  /** Set when an operand's value is not known yet: the instruction must be encoded again. */
  deferred = false;
  /** Errors inside optional groups, which are then taken as left out. */
  readonly troubles: Trouble[] = [];

  constructor(
    readonly tokens: readonly Token[],
    readonly scope: Scope,
    readonly mnemonic: string,
    readonly negate = false,
  ) {}

  /** For the next template. */
  restart(): void {
    this.position = 0;
    this.deferred = false;
    this.troubles.length = 0;
  }

  peek(): OperandToken | undefined {
    return this.tokens[this.position];
  }

  next(): OperandToken | undefined {
    return this.tokens[this.position++];
  }

  accept(text: string): boolean {
    const t = this.tokens[this.position];
    if (!t || t.lower !== text || t.kind === 'str') return false;
    this.position++;
    return true;
  }

  relocation(): string | undefined {
    const name = this.tokens[this.position + 1];
    if (this.peek()?.text !== ':' || name?.kind !== 'id' || this.tokens[this.position + 2]?.text !== ':') {
      return undefined;
    }
    this.position += 3;
    return name.lower;
  }

  expression(): OperandValue | string {
    return this.#evaluate(this.scope);
  }

  address(): OperandValue | string {
    const v = this.#evaluate(this.#withoutReserved());
    if (typeof v === 'string' || v.kind !== 'address' || !v.chunk) return v;
    // Known only within its section yet.
    this.deferred = true;
    return later;
  }

  #withoutReserved(): Scope {
    return {
      symbol: (n) => this.scope.symbol(n),
      local: (n) => this.scope.local(n),
      here: () => this.scope.here(),
      isReserved: () => false,
    };
  }

  #evaluate(scope: Scope): Value | string {
    const parser = new ExpressionParser(this.tokens, scope);
    parser.at = this.position;
    const v = parser.parse();
    if (typeof v === 'string') {
      if (v !== noExpression) this.position = Math.max(this.position + 1, parser.at);
      return v;
    }
    this.position = parser.at;
    if (v.kind === 'later') this.deferred = true;
    return v;
  }

  distance(page: boolean): OperandValue | string {
    // A label may have the name of a register: `b b1`.
    const target = this.#evaluate(this.#withoutReserved());
    if (typeof target === 'string') return target;
    const here = this.scope.here();
    if (typeof here === 'string') return here;
    const settled = here.kind === 'address' && here.chunk === undefined;
    if (target.kind === 'later' || (page && !settled) || (target.kind === 'number' && !settled)) {
      this.deferred = true;
      return { kind: 'later', value: 0n };
    }
    if (page) return { kind: 'number', value: (target.value & ~0xfffn) - (here.value & ~0xfffn) };
    if (target.kind === 'number') return { kind: 'number', value: target.value - here.value };
    const d = combine('-', target, here);
    if (typeof d === 'object' && d.kind === 'later') this.deferred = true;
    return d;
  }

  rewind(position: number): void {
    this.position = position;
  }

  note(error: OperandError): void {
    this.troubles.push({ position: this.position, error });
  }
}
