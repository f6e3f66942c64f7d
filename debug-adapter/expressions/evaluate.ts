import { UserError } from '../errors';
import type { BinaryOp, Expression, IntegerType, UnaryOp } from './parse';

/** What names and addresses in an expression mean. */
export interface Names {
  /** A register, a register's field, or a symbol; undefined: there is none of that name. */
  lookup(name: string): bigint | undefined;
  /** Little-endian bytes in memory, without side effects; undefined: not readable. */
  load(address: bigint, bytes: number): bigint | undefined;
}

const u64 = (v: bigint): bigint => BigInt.asUintN(64, v);
const truth = (v: boolean): bigint => (v ? 1n : 0n);

const unary: Readonly<Record<UnaryOp, (a: bigint) => bigint>> = {
  '-': (a) => -a,
  '+': (a) => a,
  '~': (a) => ~a,
  '!': (a) => truth(a === 0n),
};

function divide(b: bigint, f: () => bigint): bigint {
  if (b === 0n) throw new UserError('The expression divides by zero.');
  return f();
}

type Strict = Exclude<BinaryOp, '&&' | '||'>;

/** A shift by 64 or more shifts everything out. */
const binary: Readonly<Record<Strict, (a: bigint, b: bigint) => bigint>> = {
  '*': (a, b) => a * b,
  '/': (a, b) => divide(b, () => a / b),
  '%': (a, b) => divide(b, () => a % b),
  '+': (a, b) => a + b,
  '-': (a, b) => a - b,
  '<<': (a, b) => (b > 63n ? 0n : a << b),
  '>>': (a, b) => (b > 63n ? 0n : a >> b),
  '<': (a, b) => truth(a < b),
  '<=': (a, b) => truth(a <= b),
  '>': (a, b) => truth(a > b),
  '>=': (a, b) => truth(a >= b),
  '==': (a, b) => truth(a === b),
  '!=': (a, b) => truth(a !== b),
  '&': (a, b) => a & b,
  '^': (a, b) => a ^ b,
  '|': (a, b) => a | b,
};

/** A value seen as a type: the result is the 64-bit pattern, sign-extended for signed types. */
export function castTo(type: IntegerType, value: bigint): bigint {
  return u64(type.signed ? BigInt.asIntN(type.bits, value) : BigInt.asUintN(type.bits, value));
}

/** The unsigned 64-bit value of an expression. @throws UserError */
export function evaluate(e: Expression, names: Names): bigint {
  switch (e.k) {
    case 'number':
      return e.value;
    case 'name': {
      const value = names.lookup(e.name);
      if (value === undefined)
        throw new UserError(
          `"${e.name}" is no register, field or symbol here: use names such as x0, HCR_EL2.VM or a label of the program.`,
        );
      return u64(value);
    }
    case 'unary':
      return u64(unary[e.op](evaluate(e.of, names)));
    case 'binary': {
      const left = evaluate(e.left, names);
      if (e.op === '&&') return truth(left !== 0n && evaluate(e.right, names) !== 0n);
      if (e.op === '||') return truth(left !== 0n || evaluate(e.right, names) !== 0n);
      return u64(binary[e.op](left, evaluate(e.right, names)));
    }
    case 'choice':
      return evaluate(evaluate(e.test, names) !== 0n ? e.yes : e.no, names);
    case 'cast':
      return castTo(e.type, evaluate(e.of, names));
    case 'load': {
      const address = evaluate(e.address, names);
      const value = names.load(address, e.type.bits / 8);
      if (value === undefined)
        throw new UserError(`The memory at 0x${address.toString(16)} cannot be read: it is not mapped here.`);
      return castTo(e.type, value);
    }
  }
}
