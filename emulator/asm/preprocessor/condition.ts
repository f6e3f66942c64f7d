/** Constant expressions of `#if` (ISO C17 6.10.1, 6.6): 64-bit, signed unless an operand is unsigned. */
import { PpError } from './macro-definition';
import type { PpToken } from './tokens';

interface Value {
  readonly value: bigint;
  readonly unsigned: boolean;
}

const maxDepth = 200;

const wrap = (value: bigint, unsigned: boolean): Value => ({
  value: unsigned ? BigInt.asUintN(64, value) : BigInt.asIntN(64, value),
  unsigned,
});
const truth = (v: boolean): Value => ({ value: v ? 1n : 0n, unsigned: false });

const ranks: Readonly<Record<string, number>> = {
  '||': 1,
  '&&': 2,
  '|': 3,
  '^': 4,
  '&': 5,
  '==': 6,
  '!=': 6,
  '<': 7,
  '>': 7,
  '<=': 7,
  '>=': 7,
  '<<': 8,
  '>>': 8,
  '+': 9,
  '-': 9,
  '*': 10,
  '/': 10,
  '%': 10,
};

type Operator = (a: bigint, b: bigint) => bigint | boolean;

/** Operators on operands of one type; division by zero is checked before. */
const operators: Readonly<Record<string, Operator>> = {
  '|': (a, b) => a | b,
  '^': (a, b) => a ^ b,
  '&': (a, b) => a & b,
  '==': (a, b) => a === b,
  '!=': (a, b) => a !== b,
  '<': (a, b) => a < b,
  '>': (a, b) => a > b,
  '<=': (a, b) => a <= b,
  '>=': (a, b) => a >= b,
  '+': (a, b) => a + b,
  '-': (a, b) => a - b,
  '*': (a, b) => a * b,
  '/': (a, b) => (b === 0n ? 0n : a / b),
  '%': (a, b) => (b === 0n ? 0n : a % b),
};

/** The type of a shift is that of its left operand; a negative count shifts the other way, as in cpp. */
function shift(left: boolean, a: Value, b: Value): Value {
  const count = b.value;
  if (count < 0n) return shift(!left, a, { value: -count, unsigned: true });
  if (count > 63n) return wrap(!left && a.value < 0n ? -1n : 0n, a.unsigned);
  return wrap(left ? a.value << count : a.value >> count, a.unsigned);
}

const escapes: Readonly<Record<string, bigint>> = {
  a: 7n,
  b: 8n,
  e: 27n,
  f: 12n,
  n: 10n,
  r: 13n,
  t: 9n,
  v: 11n,
};

/** `'a'`, `'\n'`, and of several characters the sum that gcc makes. A char of this architecture is unsigned. */
function character(t: PpToken): Value | PpError {
  const text = t.text.slice(t.text.indexOf("'") + 1, -1);
  let value = 0n;
  let count = 0;
  for (const m of text.matchAll(/\\x([0-9a-fA-F]+)|\\([0-7]{1,3})|\\(.)|(.)/gsu)) {
    const [, hex, octal, escaped, plain] = m;
    const code = hex
      ? BigInt(`0x${hex}`)
      : octal
        ? BigInt(`0o${octal}`)
        : (escapes[escaped ?? ''] ?? BigInt((escaped ?? plain ?? '\0').codePointAt(0) ?? 0));
    value = (value << 8n) | (code & 0xffn);
    count++;
  }
  if (count === 0) return new PpError(`a character is missing between the quotes`, t.origin);
  return count === 1 ? wrap(value, false) : wrap(BigInt.asIntN(32, value), false);
}

const integer = /^(0[xX][0-9a-fA-F]+|0[bB][01]+|0[0-7]*|[1-9]\d*)([uU]?[lL]{0,2}|[lL]{1,2}[uU])$/;

function number(t: PpToken): Value | PpError {
  const m = integer.exec(t.text);
  if (!m?.[1]) {
    const what = /^\d*\.|^\d+[eE][-+]?\d/.test(t.text) ? 'a floating-point number' : 'no integer';
    return new PpError(`'${t.text}' is ${what}; #if needs integers`, t.origin);
  }
  const octal = /^0[0-7]+$/.test(m[1]);
  const value = BigInt(octal ? `0o${m[1].slice(1)}` : m[1]);
  if (value >= 1n << 64n) return new PpError(`'${t.text}' has more than 64 bits`, t.origin);
  return wrap(value, /u/i.test(m[2] ?? '') || value >= 1n << 63n);
}

class Parser {
  #at = 0;
  #depth = 0;

  constructor(
    private readonly tokens: readonly PpToken[],
    private readonly directive: PpToken,
  ) {}

  /** The whole expression. */
  parse(): Value | PpError {
    const v = this.#conditional(true);
    if (v instanceof PpError) return v;
    const rest = this.tokens[this.#at];
    if (!rest) return v;
    if (rest.text === '(' && this.tokens[this.#at - 1]?.kind === 'id') {
      return this.#error(
        `'${this.tokens[this.#at - 1]?.text}' is not a macro that can be called`,
        this.#at - 1,
      );
    }
    return this.#error(`an operator is expected before '${rest.text}'`);
  }

  #error(message: string, at = this.#at): PpError {
    const t = this.tokens[at] ?? this.tokens.at(-1) ?? this.directive;
    return new PpError(message, t.origin);
  }

  #take(text: string): boolean {
    const t = this.tokens[this.#at];
    if (t?.kind !== 'punct' || t.text !== text) return false;
    this.#at++;
    return true;
  }

  /** `live`: the value counts; in a branch that is not taken a division by zero is no error. */
  #conditional(live: boolean): Value | PpError {
    if (++this.#depth > maxDepth) return this.#error('the expression is nested too deeply');
    const test = this.#binary(1, live);
    if (test instanceof PpError || !this.#take('?')) {
      this.#depth--;
      return test;
    }
    const yes = this.#conditional(live && test.value !== 0n);
    if (yes instanceof PpError) return yes;
    if (!this.#take(':')) return this.#error(`':' is missing behind '?'`);
    const no = this.#conditional(live && test.value === 0n);
    if (no instanceof PpError) return no;
    this.#depth--;
    return wrap(test.value !== 0n ? yes.value : no.value, yes.unsigned || no.unsigned);
  }

  #binary(rank: number, live: boolean): Value | PpError {
    let left = this.#unary(live);
    for (;;) {
      if (left instanceof PpError) return left;
      const op = this.tokens[this.#at];
      const r = op?.kind === 'punct' ? ranks[op.text] : undefined;
      if (!op || r === undefined || r < rank) return left;
      this.#at++;
      const decided = (op.text === '&&' && left.value === 0n) || (op.text === '||' && left.value !== 0n);
      const right = this.#binary(r + 1, live && !decided);
      if (right instanceof PpError) return right;
      if ((op.text === '/' || op.text === '%') && right.value === 0n && live) {
        return new PpError('division by zero in #if', op.origin);
      }
      left = this.#combine(op.text, left, right);
    }
  }

  #combine(op: string, a: Value, b: Value): Value {
    if (op === '&&') return truth(a.value !== 0n && b.value !== 0n);
    if (op === '||') return truth(a.value !== 0n || b.value !== 0n);
    if (op === '<<' || op === '>>') return shift(op === '<<', a, b);
    const unsigned = a.unsigned || b.unsigned;
    const v = operators[op]?.(wrap(a.value, unsigned).value, wrap(b.value, unsigned).value) ?? 0n;
    return typeof v === 'boolean' ? truth(v) : wrap(v, unsigned);
  }

  #unary(live: boolean): Value | PpError {
    const t = this.tokens[this.#at];
    if (!t) {
      return this.#at === 0
        ? new PpError(`#${this.directive.text} needs an expression`, this.directive.origin)
        : this.#error('an operand is missing at the end');
    }
    this.#at++;
    if (t.kind === 'num') return number(t);
    if (t.kind === 'char') return character(t);
    // A name that is no macro is 0.
    if (t.kind === 'id') return truth(false);
    if (t.kind === 'punct' && t.text === '(') {
      const v = this.#conditional(live);
      if (v instanceof PpError) return v;
      return this.#take(')') ? v : new PpError(`this '(' has no ')'`, t.origin);
    }
    if (t.kind !== 'punct' || !'-+~!'.includes(t.text)) {
      return new PpError(`'${t.text}' cannot stand here in #${this.directive.text}`, t.origin);
    }
    if (++this.#depth > maxDepth) return this.#error('the expression is nested too deeply');
    const v = this.#unary(live);
    this.#depth--;
    if (v instanceof PpError) return v;
    if (t.text === '!') return truth(v.value === 0n);
    return wrap(t.text === '-' ? -v.value : t.text === '~' ? ~v.value : v.value, v.unsigned);
  }
}

/** Whether a condition holds, once its macros are replaced. `directive` is the word behind `#`. */
export function evaluateCondition(tokens: readonly PpToken[], directive: PpToken): boolean | PpError {
  const v = new Parser(tokens, directive).parse();
  return v instanceof PpError ? v : v.value !== 0n;
}
