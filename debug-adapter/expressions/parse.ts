/**
 * Expressions of conditions, log messages and `evaluate`: C's operators with C's precedence, on unsigned 64-bit
 * values. `*(u32*)addr` reads memory, `(s8)x` is a cast, `HCR_EL2.VM` a field of a register.
 */
import { UserError } from '../errors';

export type UnaryOp = '-' | '+' | '~' | '!';
export type BinaryOp =
  | '*'
  | '/'
  | '%'
  | '+'
  | '-'
  | '<<'
  | '>>'
  | '<'
  | '<='
  | '>'
  | '>='
  | '=='
  | '!='
  | '&'
  | '^'
  | '|'
  | '&&'
  | '||';

export interface IntegerType {
  readonly bits: 8 | 16 | 32 | 64;
  readonly signed: boolean;
}

export type Expression =
  | { readonly k: 'number'; readonly value: bigint }
  /** A register, a field (`REG.FIELD`) or a symbol: names may contain dots. */
  | { readonly k: 'name'; readonly name: string; readonly at: number }
  | { readonly k: 'unary'; readonly op: UnaryOp; readonly of: Expression }
  | {
      readonly k: 'binary';
      readonly op: BinaryOp;
      readonly left: Expression;
      readonly right: Expression;
      readonly at: number;
    }
  | { readonly k: 'choice'; readonly test: Expression; readonly yes: Expression; readonly no: Expression }
  | { readonly k: 'cast'; readonly type: IntegerType; readonly of: Expression }
  | { readonly k: 'load'; readonly type: IntegerType; readonly address: Expression; readonly at: number };

/** A mistake in an expression, with its place. */
export class ExpressionError extends UserError {
  constructor(
    text: string,
    message: string,
    readonly at: number,
  ) {
    super(`${message} at column ${at + 1} of "${text}".`);
  }
}

interface Token {
  readonly kind: 'number' | 'name' | 'operator' | 'end';
  readonly text: string;
  readonly at: number;
}

const syntax =
  /\s*(?:(0[xX][0-9a-fA-F_]+|0[bB][01_]+|[0-9][0-9_]*)([uUlL]*)|('(?:[^'\\]|\\.)')|([A-Za-z_$][\w$]*(?:\.[\w$]+)*)|(<<|>>|<=|>=|==|!=|&&|\|\||[-+*/%<>&^|!~()?:])|(\S))/y;

const escapes: Readonly<Record<string, number>> = { n: 10, r: 13, t: 9, 0: 0, '\\': 92, "'": 39 };

/** Binary operators by precedence, the weakest first (C11 6.5). */
const levels: readonly (readonly BinaryOp[])[] = [
  ['||'],
  ['&&'],
  ['|'],
  ['^'],
  ['&'],
  ['==', '!='],
  ['<', '<=', '>', '>='],
  ['<<', '>>'],
  ['+', '-'],
  ['*', '/', '%'],
];

const unaries: ReadonlySet<string> = new Set<UnaryOp>(['-', '+', '~', '!']);
/** Deeper nesting is nobody's intention, and would exhaust the stack. */
const MAX_DEPTH = 200;

const types: Readonly<Record<string, IntegerType>> = Object.fromEntries(
  ([8, 16, 32, 64] as const).flatMap((bits) => [
    [`u${bits}`, { bits, signed: false }],
    [`s${bits}`, { bits, signed: true }],
    [`uint${bits}_t`, { bits, signed: false }],
    [`int${bits}_t`, { bits, signed: true }],
  ]),
);

function tokens(text: string): Token[] {
  const list: Token[] = [];
  syntax.lastIndex = 0;
  while (syntax.lastIndex < text.length) {
    const m = syntax.exec(text);
    if (!m) break; // only blanks are left
    const [all, number, , char, name, operator, other] = m;
    const token = number ?? char ?? name ?? operator ?? other ?? '';
    const at = m.index + all.length - all.trimStart().length;
    if (other !== undefined) throw new ExpressionError(text, `"${other}" has no meaning here`, at);
    list.push({ kind: (number ?? char) ? 'number' : name ? 'name' : 'operator', text: token, at });
  }
  list.push({ kind: 'end', text: 'the end', at: text.length });
  return list;
}

function numberOf(token: Token, text: string): bigint {
  if (token.text.startsWith("'")) {
    const inner = token.text.slice(1, -1);
    const code = inner.startsWith('\\') ? escapes[inner[1] ?? ''] : inner.codePointAt(0);
    if (code === undefined) throw new ExpressionError(text, `${token.text} is no character`, token.at);
    return BigInt(code);
  }
  const digits = token.text.replaceAll('_', '');
  if (/^0[xXbB]$/.test(digits)) throw new ExpressionError(text, `"${token.text}" is no number`, token.at);
  const value = BigInt(digits);
  if (value >> 64n) throw new ExpressionError(text, `${token.text} does not fit into 64 bits`, token.at);
  return value;
}

class Parser {
  private readonly list: Token[];
  private next = 0;
  private depth = 0;

  constructor(private readonly text: string) {
    this.list = tokens(text);
  }

  private get token(): Token {
    return this.list[Math.min(this.next, this.list.length - 1)] as Token;
  }

  private take(text: string): boolean {
    if (this.token.kind !== 'operator' || this.token.text !== text) return false;
    this.next++;
    return true;
  }

  private fail(message: string, at = this.token.at): ExpressionError {
    return new ExpressionError(this.text, message, at);
  }

  private expect(text: string): void {
    if (!this.take(text)) throw this.fail(`"${text}" is missing before ${this.described()}`);
  }

  private described(): string {
    return this.token.kind === 'end' ? 'the end' : `"${this.token.text}"`;
  }

  whole(): Expression {
    const e = this.choice();
    if (this.token.kind !== 'end') throw this.fail(`${this.described()} is not expected`);
    return e;
  }

  private choice(): Expression {
    if (++this.depth > MAX_DEPTH) throw this.fail('The expression is nested too deeply');
    const test = this.binary(0);
    let result = test;
    if (this.take('?')) {
      const yes = this.choice();
      this.expect(':');
      result = { k: 'choice', test, yes, no: this.choice() };
    }
    this.depth--;
    return result;
  }

  private binary(level: number): Expression {
    const operators = levels[level];
    if (!operators) return this.unary();
    let left = this.binary(level + 1);
    for (;;) {
      const { at } = this.token;
      const op = operators.find((o) => this.take(o));
      if (!op) return left;
      left = { k: 'binary', op, left, right: this.binary(level + 1), at };
    }
  }

  private unary(): Expression {
    const { at, kind, text } = this.token;
    if (++this.depth > MAX_DEPTH) throw this.fail('The expression is nested too deeply');
    try {
      if (kind === 'operator' && unaries.has(text)) {
        this.next++;
        return { k: 'unary', op: text as UnaryOp, of: this.unary() };
      }
      if (this.take('*')) return this.load(at);
      // The address of a symbol is its value already.
      if (this.take('&')) return this.unary();
      const cast = this.castAhead();
      if (cast?.pointer === false) return { k: 'cast', type: cast.type, of: this.unary() };
      if (cast) throw this.fail('A pointer cast needs a * before it, as in *(u32*)sp', at);
      return this.primary();
    } finally {
      this.depth--;
    }
  }

  private load(at: number): Expression {
    const cast = this.castAhead();
    if (cast?.pointer === false)
      return {
        k: 'load',
        type: { bits: 64, signed: false },
        address: { k: 'cast', type: cast.type, of: this.unary() },
        at,
      };
    return { k: 'load', type: cast?.type ?? { bits: 64, signed: false }, address: this.unary(), at };
  }

  /** Takes `(u32)` or `(u32 *)`, if that comes next. */
  private castAhead(): { type: IntegerType; pointer: boolean } | undefined {
    const [open, name, third, fourth] = this.list.slice(this.next, this.next + 4);
    const type = name?.kind === 'name' && Object.hasOwn(types, name.text) ? types[name.text] : undefined;
    if (open?.text !== '(' || open.kind !== 'operator' || !type) return undefined;
    const pointer = third?.text === '*' && fourth?.text === ')';
    if (!pointer && third?.text !== ')') return undefined;
    this.next += pointer ? 4 : 3;
    return { type, pointer };
  }

  private primary(): Expression {
    const token = this.token;
    if (token.kind === 'number') {
      this.next++;
      return { k: 'number', value: numberOf(token, this.text) };
    }
    if (token.kind === 'name') {
      this.next++;
      return { k: 'name', name: token.text, at: token.at };
    }
    if (this.take('(')) {
      const e = this.choice();
      this.expect(')');
      return e;
    }
    throw this.fail(`A value is missing before ${this.described()}`);
  }
}

/** Parses an expression. @throws ExpressionError with the place of the mistake */
export function parseExpression(text: string): Expression {
  return new Parser(text).whole();
}
