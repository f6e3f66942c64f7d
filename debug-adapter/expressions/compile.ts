/** Expressions as generated code: what `evaluate` does, for conditions that are asked millions of times. */
import type { Builder } from '../../emulator/ir/builder';
import type { Val } from '../../emulator/ir/nodes';
import type { BinaryOp, Expression, IntegerType, UnaryOp } from './parse';

/** What names and addresses mean, as code. */
export interface Meanings {
  /** The 64-bit value of a name. @throws NotCompiled */
  name(name: string): Val;
  /** Little-endian bytes in memory, zero-extended to an i64; gives up where they cannot be read. */
  load(address: Val, bytes: 1 | 2 | 4 | 8): Val;
  /** Leaves the decision to `evaluate`, which has an error to report. Nothing behind it is executed. */
  giveUp(): void;
}

/** An expression has a part that generated code cannot do. */
export class NotCompiled extends Error {}

type Strict = Exclude<BinaryOp, '&&' | '||'>;
type Make = (b: Builder, x: Val, y: Val) => Val;

const truth = (b: Builder, v: Val): Val => b.zext(v);
const isTrue = (b: Builder, v: Val): Val => b.ne(v, b.i64(0));

const unary: Readonly<Record<UnaryOp, (b: Builder, v: Val) => Val>> = {
  '-': (b, v) => b.neg(v),
  '+': (_b, v) => v,
  '~': (b, v) => b.not(v),
  '!': (b, v) => truth(b, b.eqz(v)),
};

/** A shift by 64 or more shifts everything out. */
const shifted = (b: Builder, by: Val, v: Val): Val => b.select(b.gtu(by, b.i64(63)), b.i64(0), v);

const compare =
  (make: Make): Make =>
  (b, x, y) =>
    truth(b, make(b, x, y));

const binary: Readonly<Record<Exclude<Strict, '/' | '%'>, Make>> = {
  '*': (b, x, y) => b.mul(x, y),
  '+': (b, x, y) => b.add(x, y),
  '-': (b, x, y) => b.sub(x, y),
  '<<': (b, x, y) => shifted(b, y, b.shl(x, y)),
  '>>': (b, x, y) => shifted(b, y, b.shru(x, y)),
  '<': compare((b, x, y) => b.ltu(x, y)),
  '<=': compare((b, x, y) => b.leu(x, y)),
  '>': compare((b, x, y) => b.gtu(x, y)),
  '>=': compare((b, x, y) => b.geu(x, y)),
  '==': compare((b, x, y) => b.eq(x, y)),
  '!=': compare((b, x, y) => b.ne(x, y)),
  '&': (b, x, y) => b.and(x, y),
  '^': (b, x, y) => b.xor(x, y),
  '|': (b, x, y) => b.or(x, y),
};

/** `castTo` as code. */
function castCode(b: Builder, { bits, signed }: IntegerType, v: Val): Val {
  if (bits === 64) return v;
  if (!signed) return b.andi(v, (1n << BigInt(bits)) - 1n);
  const away = 64 - bits;
  return b.sari(b.shli(v, away), away);
}

/** Can its value always be had? Then it may be computed where it does not count. */
function isTotal(e: Expression): boolean {
  switch (e.k) {
    case 'number':
    case 'name':
      return true;
    case 'unary':
    case 'cast':
      return isTotal(e.of);
    case 'binary':
      return e.op !== '/' && e.op !== '%' && isTotal(e.left) && isTotal(e.right);
    case 'choice':
      return isTotal(e.test) && isTotal(e.yes) && isTotal(e.no);
    case 'load':
      return false;
  }
}

class Compiler {
  constructor(
    private readonly b: Builder,
    private readonly meanings: Meanings,
  ) {}

  value(e: Expression): Val {
    const { b, meanings } = this;
    switch (e.k) {
      case 'number':
        return b.i64(e.value);
      case 'name':
        return meanings.name(e.name);
      case 'unary':
        return unary[e.op](b, this.value(e.of));
      case 'cast':
        return castCode(b, e.type, this.value(e.of));
      case 'load': {
        const { bits } = e.type;
        const bytes = ({ 8: 1, 16: 2, 32: 4, 64: 8 } as const)[bits];
        return castCode(b, e.type, meanings.load(this.value(e.address), bytes));
      }
      case 'choice':
        return this.choice(isTrue(b, this.value(e.test)), e.yes, e.no);
      case 'binary':
        return this.binary(e);
    }
  }

  private binary(e: Extract<Expression, { k: 'binary' }>): Val {
    const { b } = this;
    const { op } = e;
    const left = this.value(e.left);
    const one: Expression = { k: 'number', value: 1n };
    const none: Expression = { k: 'number', value: 0n };
    const isRight: Expression = { k: 'choice', test: e.right, yes: one, no: none };
    if (op === '&&') return this.choice(isTrue(b, left), isRight, none);
    if (op === '||') return this.choice(isTrue(b, left), one, isRight);
    const right = this.value(e.right);
    if (op !== '/' && op !== '%') return binary[op](b, left, right);
    b.if(b.eqz(right), () => this.meanings.giveUp());
    // Where both are known the code above decides: what is behind a division by zero is never reached.
    const divisor = right.constant === 0n ? b.i64(1) : right;
    const quotient = b.divU(left, divisor);
    return op === '/' ? quotient : b.sub(left, b.mul(quotient, divisor));
  }

  private choice(test: Val, yes: Expression, no: Expression): Val {
    const { b } = this;
    if (test.constant !== undefined) return this.value(test.constant === 0n ? no : yes);
    if (isTotal(yes) && isTotal(no)) return b.select(test, this.value(yes), this.value(no));
    const result = b.local('choice', b.i64(0));
    b.if(
      test,
      () => b.assign(result, this.value(yes)),
      () => b.assign(result, this.value(no)),
    );
    return b.read(result);
  }
}

/** The unsigned 64-bit value of an expression as code. @throws NotCompiled for what a name means */
export function compileExpression(b: Builder, e: Expression, meanings: Meanings): Val {
  return new Compiler(b, meanings).value(e);
}
