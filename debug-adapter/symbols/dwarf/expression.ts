import { Cursor } from '../cursor';
import { SymbolError } from '../errors';
import { addressFromPool } from './forms';
import type { FormContext } from './forms';

/** What an expression needs of the stopped machine. Reads have no side effects; undefined means "not readable". */
export interface FrameReader {
  /** DWARF register n: 0-30 are X0-X30, 31 is SP ("DWARF for the Arm 64-bit Architecture", 4.1). */
  reg(n: number): bigint | undefined;
  mem(address: bigint, length: number): Uint8Array | undefined;
}

export interface ExpressionContext {
  frame: FrameReader;
  /** DW_OP_call_frame_cfa. */
  cfa?: () => bigint | undefined;
  /** DW_OP_fbreg. */
  frameBase?: () => bigint | undefined;
  /** Added to addresses in the expression: where the file is loaded. */
  loadOffset?: bigint;
  forms?: FormContext;
  /** Values that lie on the stack at the start. */
  initial?: readonly bigint[];
}

/** Where a value is, or what it is. */
export type Location =
  | { kind: 'memory'; address: bigint }
  | { kind: 'register'; register: number }
  | { kind: 'value'; value: bigint }
  | { kind: 'bytes'; bytes: Uint8Array };

const MAX_STEPS = 10_000;
const MAX_DEPTH = 256;
const u64 = (value: bigint) => BigInt.asUintN(64, value);
const s64 = (value: bigint) => BigInt.asIntN(64, value);

/** Raised inside this file where a value cannot be had (optimised out, unreadable, an operation that we do not know). */
class Unavailable extends Error {}

class Evaluator {
  readonly stack: bigint[];
  result: Location | undefined;

  constructor(
    readonly c: Cursor,
    readonly ctx: ExpressionContext,
  ) {
    this.stack = [...(ctx.initial ?? [])];
  }

  push(value: bigint): void {
    if (this.stack.length >= MAX_DEPTH) throw new Unavailable();
    this.stack.push(u64(value));
  }

  pop(): bigint {
    const value = this.stack.pop();
    if (value === undefined) throw new Unavailable();
    return value;
  }

  need<T>(value: T | undefined): T {
    if (value === undefined) throw new Unavailable();
    return value;
  }

  register(n: number): bigint {
    return this.need(this.ctx.frame.reg(n));
  }

  load(address: bigint, size: number): bigint {
    if (size < 1 || size > 8) throw new Unavailable();
    const bytes = this.need(this.ctx.frame.mem(address, size));
    return littleEndian(bytes.subarray(0, size));
  }
}

/** The number that bytes stand for, the first one the least significant. */
export function littleEndian(bytes: Uint8Array): bigint {
  let value = 0n;
  for (let i = bytes.length - 1; i >= 0; i--) value = (value << 8n) | BigInt(bytes[i] ?? 0);
  return value;
}

type Operation = (e: Evaluator, c: Cursor) => void;

const binary =
  (apply: (left: bigint, right: bigint) => bigint): Operation =>
  (e) => {
    const right = e.pop();
    e.push(apply(e.pop(), right));
  };
const compare = (holds: (left: bigint, right: bigint) => boolean) =>
  binary((left, right) => (holds(s64(left), s64(right)) ? 1n : 0n));
const shift = (apply: (left: bigint, right: bigint) => bigint) =>
  binary((left, right) => apply(left, right > 63n ? 64n : right));
const nonZero = (value: bigint): bigint => {
  if (value === 0n) throw new Unavailable();
  return value;
};

/** DW_OP_* (DWARF 5, 2.5 and 7.7.1), by number. An operation that is not here makes the value unavailable. */
const operations: Record<number, Operation> = {
  0x03: (e, c) => e.push(c.u64() + (e.ctx.loadOffset ?? 0n)),
  0x06: (e) => e.push(e.load(e.pop(), 8)),
  0x08: (e, c) => e.push(BigInt(c.u8())),
  0x09: (e, c) => e.push(BigInt(c.i8())),
  0x0a: (e, c) => e.push(BigInt(c.u16())),
  0x0b: (e, c) => e.push(BigInt(c.i16())),
  0x0c: (e, c) => e.push(BigInt(c.u32())),
  0x0d: (e, c) => e.push(BigInt(c.i32())),
  0x0e: (e, c) => e.push(c.u64()),
  0x0f: (e, c) => e.push(c.i64()),
  0x10: (e, c) => e.push(c.uleb64()),
  0x11: (e, c) => e.push(c.sleb64()),
  0x12: (e) => e.push(e.need(e.stack.at(-1))),
  0x13: (e) => void e.pop(),
  0x14: (e) => e.push(e.need(e.stack.at(-2))),
  0x15: (e, c) => e.push(e.need(e.stack.at(-1 - c.u8()))),
  0x16: (e) => {
    const top = e.pop();
    const below = e.pop();
    e.push(top);
    e.push(below);
  },
  0x17: (e) => {
    const [a, b, d] = [e.pop(), e.pop(), e.pop()];
    e.push(a);
    e.push(d);
    e.push(b);
  },
  0x19: (e) => {
    const value = s64(e.pop());
    e.push(value < 0n ? -value : value);
  },
  0x1a: binary((a, b) => a & b),
  0x1b: binary((a, b) => s64(a) / nonZero(s64(b))),
  0x1c: binary((a, b) => a - b),
  0x1d: binary((a, b) => a % nonZero(b)),
  0x1e: binary((a, b) => a * b),
  0x1f: (e) => e.push(-e.pop()),
  0x20: (e) => e.push(~e.pop()),
  0x21: binary((a, b) => a | b),
  0x22: binary((a, b) => a + b),
  0x23: (e, c) => e.push(e.pop() + c.uleb64()),
  0x24: shift((a, b) => a << b),
  0x25: shift((a, b) => a >> b),
  0x26: shift((a, b) => s64(a) >> b),
  0x27: binary((a, b) => a ^ b),
  0x28: (e, c) => {
    const distance = c.i16();
    if (e.pop() !== 0n) c.seek(c.pos + distance);
  },
  0x29: compare((a, b) => a === b),
  0x2a: compare((a, b) => a >= b),
  0x2b: compare((a, b) => a > b),
  0x2c: compare((a, b) => a <= b),
  0x2d: compare((a, b) => a < b),
  0x2e: compare((a, b) => a !== b),
  0x2f: (_e, c) => {
    const distance = c.i16();
    c.seek(c.pos + distance);
  },
  0x90: (e, c) => void (e.result = { kind: 'register', register: c.uleb() }),
  0x91: (e, c) => {
    const offset = c.sleb64();
    e.push(e.need(e.ctx.frameBase?.()) + offset);
  },
  0x92: (e, c) => {
    const base = e.register(c.uleb());
    e.push(base + c.sleb64());
  },
  0x94: (e, c) => e.push(e.load(e.pop(), c.u8())),
  0x96: () => undefined,
  0x9c: (e) => e.push(e.need(e.ctx.cfa?.())),
  0x9e: (e, c) => void (e.result = { kind: 'bytes', bytes: c.block(c.uleb()) }),
  0x9f: (e) => void (e.result = { kind: 'value', value: e.pop() }),
  0xa1: (e, c) => {
    const pooled = addressFromPool(e.need(e.ctx.forms), c.uleb());
    e.push(e.need(pooled) + (e.ctx.loadOffset ?? 0n));
  },
};
for (let n = 0; n < 32; n++) {
  operations[0x30 + n] = (e) => e.push(BigInt(n));
  operations[0x50 + n] = (e) => void (e.result = { kind: 'register', register: n });
  operations[0x70 + n] = (e, c) => e.push(e.register(n) + c.sleb64());
}

/**
 * Evaluates a DWARF expression to the place or value that it describes; undefined when it is optimised out, not
 * readable now, or uses something that we do not know (a value in several pieces, an entry value).
 */
export function evaluate(bytes: Uint8Array, ctx: ExpressionContext): Location | undefined {
  if (bytes.length === 0) return undefined;
  const c = new Cursor(bytes, 'a DWARF expression');
  const e = new Evaluator(c, ctx);
  try {
    for (let steps = 0; !c.atEnd; steps++) {
      // A register or an implicit value ends the description; only DW_OP_piece could follow, which we do not do.
      if (steps > MAX_STEPS || e.result !== undefined) return undefined;
      const run = operations[c.u8()];
      if (run === undefined) return undefined;
      run(e, c);
    }
    return e.result ?? { kind: 'memory', address: e.pop() };
  } catch (error) {
    if (error instanceof Unavailable || error instanceof SymbolError) return undefined;
    throw error;
  }
}
