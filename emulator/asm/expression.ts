/**
 * Expressions of GNU as: its operators and its precedence ("Using as", 6.2.4), which is not that of C: `|`, `&` and `^`
 * bind tighter than `+`. Values are 64-bit; comparisons give -1 for true.
 */
import type { Token } from './lexer';
import { later, num, type Value } from './value';

/** What names in expressions mean. A string is an error. */
export interface Scope {
  symbol(name: string): Value | string;
  /** A numeric label: 1f or 1b. */
  local(text: string): Value | string;
  here(): Value | string;
  /** Names that cannot be symbols: registers. */
  isReserved(word: string): boolean;
}

/** The error of an expression where there is none: the caller says what it wanted. */
export const noExpression = 'an expression';

const ranks: Record<string, number> = {
  '||': 1,
  '&&': 2,
  '==': 3,
  '!=': 3,
  '<>': 3,
  '<': 3,
  '>': 3,
  '<=': 3,
  '>=': 3,
  '+': 4,
  '-': 4,
  '|': 5,
  '&': 5,
  '^': 5,
  '!': 5,
  '*': 6,
  '/': 6,
  '%': 6,
  '<<': 6,
  '>>': 6,
};

const truth = (v: boolean): bigint => (v ? -1n : 0n);

const operators: Record<string, (a: bigint, b: bigint) => bigint | string> = {
  '||': (a, b) => (a || b ? 1n : 0n),
  '&&': (a, b) => (a && b ? 1n : 0n),
  '==': (a, b) => truth(a === b),
  '!=': (a, b) => truth(a !== b),
  '<>': (a, b) => truth(a !== b),
  '<': (a, b) => truth(a < b),
  '>': (a, b) => truth(a > b),
  '<=': (a, b) => truth(a <= b),
  '>=': (a, b) => truth(a >= b),
  '+': (a, b) => a + b,
  '-': (a, b) => a - b,
  '|': (a, b) => a | b,
  '&': (a, b) => a & b,
  '^': (a, b) => a ^ b,
  '!': (a, b) => a | ~b,
  '*': (a, b) => a * b,
  '/': (a, b) => (b === 0n ? 'division by zero' : a / b),
  '%': (a, b) => (b === 0n ? 'division by zero' : a % b),
  '<<': (a, b) => (b < 0n || b > 63n ? 0n : a << b),
  '>>': (a, b) => (b < 0n || b > 63n ? 0n : BigInt.asUintN(64, a) >> b),
};

/** Two values and an operator between them. */
export function combine(op: string, a: Value, b: Value): Value | string {
  if (a.kind === 'number' && b.kind === 'number') {
    const v = operators[op]?.(a.value, b.value) ?? `unknown operator '${op}'`;
    return typeof v === 'string' ? v : num(v);
  }
  if (a.kind === 'later' || b.kind === 'later') return combineLater(op, a, b);
  if (op === '+' && a.kind === 'number') return { ...b, value: b.value + a.value };
  if ((op === '+' || op === '-') && b.kind === 'number') {
    return { ...a, value: op === '+' ? a.value + b.value : a.value - b.value };
  }
  if (a.kind === 'address' && b.kind === 'address' && (op === '-' || ranks[op] === 3)) {
    // Places of different sections have a distance once the sections have addresses.
    if (a.chunk !== b.chunk) return later;
    const v = operators[op]?.(a.value, b.value) ?? 0n;
    return typeof v === 'string' ? v : num(v);
  }
  return `'${op}' cannot be applied to the address of a label, which is not known before the program is linked; differences of labels are numbers`;
}

function combineLater(op: string, a: Value, b: Value): Value {
  const sign = op === '+' ? 1n : op === '-' ? -1n : 0n;
  if (sign && a.kind === 'later' && a.symbol !== undefined && b.kind === 'number') {
    return { ...a, addend: (a.addend ?? 0n) + sign * b.value };
  }
  if (op === '+' && b.kind === 'later' && b.symbol !== undefined && a.kind === 'number') {
    return { ...b, addend: (b.addend ?? 0n) + a.value };
  }
  return later;
}

const maxDepth = 200;

/** Reads one expression from tokens. `at` is the first token; afterwards it is the first one that is not part of it. */
export class ExpressionParser {
  at = 0;
  #depth = 0;

  constructor(
    readonly tokens: readonly Token[],
    readonly scope: Scope,
  ) {}

  parse(): Value | string {
    return this.#binary(1);
  }

  #binary(rank: number): Value | string {
    let left = this.#unary();
    for (;;) {
      if (typeof left === 'string') return left;
      const op = this.tokens[this.at];
      const r = op?.kind === 'punct' ? ranks[op.text] : undefined;
      if (!op || r === undefined || r < rank) return left;
      this.at++;
      const right = this.#binary(r + 1);
      if (typeof right === 'string') {
        return right === noExpression ? `'${op.text}' needs a second operand` : right;
      }
      left = combine(op.text, left, right);
    }
  }

  #unary(): Value | string {
    const token = this.tokens[this.at];
    if (!token) return noExpression;
    if (token.kind === 'num' || token.kind === 'value') {
      this.at++;
      return token.value ?? noExpression;
    }
    if (token.kind === 'id') {
      if (token.text === '.') {
        this.at++;
        return this.scope.here();
      }
      if (this.scope.isReserved(token.lower)) return noExpression;
      this.at++;
      return this.scope.symbol(token.text);
    }
    if (token.kind === 'local') {
      this.at++;
      return this.scope.local(token.text);
    }
    if (token.kind !== 'punct' || !'-+~!('.includes(token.text)) return noExpression;
    if (++this.#depth > maxDepth) return 'the expression is nested too deeply';
    this.at++;
    const v = this.#afterPrefix(token.text);
    this.#depth--;
    return v;
  }

  #afterPrefix(prefix: string): Value | string {
    const v = prefix === '(' ? this.parse() : this.#unary();
    if (typeof v === 'string') return v === noExpression ? `'${prefix}' needs an operand` : v;
    if (prefix === '(') {
      if (this.tokens[this.at]?.text !== ')') return "')' is missing";
      this.at++;
      return v;
    }
    if (prefix === '+') return v;
    if (v.kind === 'later') return later;
    if (v.kind === 'address') return `'${prefix}' cannot be applied to the address of a label`;
    return num(prefix === '-' ? -v.value : prefix === '~' ? ~v.value : v.value === 0n ? 1n : 0n);
  }
}
