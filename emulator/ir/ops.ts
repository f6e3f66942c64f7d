/**
 * The pure operations of the IR, as one table: the Builder types and folds them, the evaluator runs them, the wasm
 * emitter looks up their opcodes (WebAssembly Core Specification 5.4.7 "Numeric Instructions").
 * Values are unsigned bigints of 32 or 64 bits wherever TypeScript computes with them.
 */
export type Ty = 'i32' | 'i64' | 'v128';

/** Sizes of state and memory accesses. */
export type Width = 1 | 2 | 4 | 8 | 16;

export const bitsOf = (ty: Ty): number => ({ i32: 32, i64: 64, v128: 128 })[ty];

/** The type that holds so many bytes. */
export const tyOf = (bytes: Width): Ty => (bytes === 16 ? 'v128' : bytes === 8 ? 'i64' : 'i32');

/** Two's complement reading of an unsigned value of `bits` bits. */
export const toSigned = (v: bigint, bits: number): bigint => BigInt.asIntN(bits, v);

/** The low `bits` bits of `v`, unsigned. */
export const toUnsigned = (v: bigint, bits: number): bigint => BigInt.asUintN(bits, v);

type Compute = (a: bigint, b: bigint, bits: number) => bigint;

interface Op {
  /** wasm opcodes for i32 and i64 operands. */
  readonly code: readonly [number, number];
  /** 'bin' keeps the type, 'cmp' yields i32, 'un' keeps the type, 'test' yields i32. */
  readonly shape: 'bin' | 'cmp' | 'un' | 'test';
  readonly eval: Compute;
}

const bool = (b: boolean): bigint => (b ? 1n : 0n);
const sh = (b: bigint, bits: number): bigint => b & BigInt(bits - 1);

const countLeading = (a: bigint, bits: number): bigint =>
  BigInt(bits - (a === 0n ? 0 : a.toString(2).length));
const countTrailing = (a: bigint, bits: number): bigint => {
  if (a === 0n) return BigInt(bits);
  let n = 0n;
  while (((a >> n) & 1n) === 0n) n++;
  return n;
};
const population = (a: bigint): bigint => BigInt(a.toString(2).replaceAll('0', '').length);

export const ops = {
  add: { code: [0x6a, 0x7c], shape: 'bin', eval: (a, b) => a + b },
  sub: { code: [0x6b, 0x7d], shape: 'bin', eval: (a, b) => a - b },
  mul: { code: [0x6c, 0x7e], shape: 'bin', eval: (a, b) => a * b },
  // Division by zero and INT_MIN / -1 trap in wasm: the Builder's udiv and sdiv guard them.
  div_s: { code: [0x6d, 0x7f], shape: 'bin', eval: (a, b, n) => toSigned(a, n) / toSigned(b, n) },
  div_u: { code: [0x6e, 0x80], shape: 'bin', eval: (a, b) => a / b },
  rem_u: { code: [0x70, 0x82], shape: 'bin', eval: (a, b) => a % b },
  and: { code: [0x71, 0x83], shape: 'bin', eval: (a, b) => a & b },
  or: { code: [0x72, 0x84], shape: 'bin', eval: (a, b) => a | b },
  xor: { code: [0x73, 0x85], shape: 'bin', eval: (a, b) => a ^ b },
  shl: { code: [0x74, 0x86], shape: 'bin', eval: (a, b, n) => a << sh(b, n) },
  shr_s: { code: [0x75, 0x87], shape: 'bin', eval: (a, b, n) => toSigned(a, n) >> sh(b, n) },
  shr_u: { code: [0x76, 0x88], shape: 'bin', eval: (a, b, n) => a >> sh(b, n) },
  rotr: {
    code: [0x78, 0x8a],
    shape: 'bin',
    eval: (a, b, n) => (a >> sh(b, n)) | (a << (BigInt(n) - sh(b, n))),
  },
  eq: { code: [0x46, 0x51], shape: 'cmp', eval: (a, b) => bool(a === b) },
  ne: { code: [0x47, 0x52], shape: 'cmp', eval: (a, b) => bool(a !== b) },
  lt_s: { code: [0x48, 0x53], shape: 'cmp', eval: (a, b, n) => bool(toSigned(a, n) < toSigned(b, n)) },
  lt_u: { code: [0x49, 0x54], shape: 'cmp', eval: (a, b) => bool(a < b) },
  gt_s: { code: [0x4a, 0x55], shape: 'cmp', eval: (a, b, n) => bool(toSigned(a, n) > toSigned(b, n)) },
  gt_u: { code: [0x4b, 0x56], shape: 'cmp', eval: (a, b) => bool(a > b) },
  le_s: { code: [0x4c, 0x57], shape: 'cmp', eval: (a, b, n) => bool(toSigned(a, n) <= toSigned(b, n)) },
  le_u: { code: [0x4d, 0x58], shape: 'cmp', eval: (a, b) => bool(a <= b) },
  ge_s: { code: [0x4e, 0x59], shape: 'cmp', eval: (a, b, n) => bool(toSigned(a, n) >= toSigned(b, n)) },
  ge_u: { code: [0x4f, 0x5a], shape: 'cmp', eval: (a, b) => bool(a >= b) },
  eqz: { code: [0x45, 0x50], shape: 'test', eval: (a) => bool(a === 0n) },
  clz: { code: [0x67, 0x79], shape: 'un', eval: (a, _b, n) => countLeading(a, n) },
  ctz: { code: [0x68, 0x7a], shape: 'un', eval: (a, _b, n) => countTrailing(a, n) },
  popcnt: { code: [0x69, 0x7b], shape: 'un', eval: (a) => population(a) },
  sext8: { code: [0xc0, 0xc2], shape: 'un', eval: (a) => toSigned(toUnsigned(a, 8), 8) },
  sext16: { code: [0xc1, 0xc3], shape: 'un', eval: (a) => toSigned(toUnsigned(a, 16), 16) },
} as const satisfies Record<string, Op>;

export type PureOp = keyof typeof ops;

/** Traps for some operands, by zero above all: it is only computed where a guard has let it. */
export const divides = (op: PureOp): boolean => op === 'div_s' || op === 'div_u' || op === 'rem_u';

/** Conversions between the two types: operand type, result type, opcode, meaning. */
export const conversions = {
  wrap: { from: 'i64', to: 'i32', code: 0xa7, eval: (a: bigint) => toUnsigned(a, 32) },
  zext: { from: 'i32', to: 'i64', code: 0xad, eval: (a: bigint) => a },
  sext: { from: 'i32', to: 'i64', code: 0xac, eval: (a: bigint) => toUnsigned(toSigned(a, 32), 64) },
} as const;

export type ConvOp = keyof typeof conversions;
