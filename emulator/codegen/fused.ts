/**
 * c + a * b rounded once. WebAssembly has it as `relaxed_madd` only, which may round twice where the host has no such instruction;
 * and not every host has that. Otherwise it is put together from sums and products whose errors are known, after S. Boldo and
 * G. Melquiond, "Emulation of FMA and Correctly Rounded Sums: Proved Algorithms Using Rounding to Odd", IEEE Transactions on
 * Computers, 2008. A NaN says that this is no way to the result.
 */
import { floatLane } from '../ir/floats';
import type { Ty } from '../ir/ops';
import { SIMD_PREFIX } from '../ir/simd';
import { W, WasmModule, type WasmTy } from './wasm';

/** What an emitter gives for this. */
interface Code {
  op(...bytes: number[]): this;
  simd(code: number, ...imm: readonly number[]): this;
  get(local: number): this;
  setLocal(local: number): this;
  tee(local: number): this;
  i64(n: bigint): this;
  temp(ty: WasmTy): number;
}

const F64 = {
  ...{ abs: 0x99, neg: 0x9a, add: 0xa0, sub: 0xa1, mul: 0xa2 },
  ...{ eq: 0x61, gt: 0x64, ge: 0x66, fromBits: 0xbf, toBits: 0xbd, promote: 0xbb },
} as const;
const F32 = { demote: 0xb6 } as const;
const I64 = { or: 0x84, xor: 0x85, shrS: 0x87, sub: 0x7d, eqz: 0x50, extend: 0xad } as const;

/** Emits c + a * b; `operands` push c, a and b as floats. */
export function emitFused(e: Code, ty: Ty, operands: readonly (() => void)[], fuses: boolean): void {
  const [c, a, b] = operands as [() => void, () => void, () => void];
  const n = ty === 'i32' ? 0 : 1;
  if (fuses) {
    for (const push of [a, b, c]) {
      push();
      e.simd(floatLane.splat[n]);
    }
    e.simd(floatLane.relaxed_madd[n]).simd(floatLane.extract_lane[n], 0);
  } else if (ty === 'i32') inDouble(e, c, a, b);
  else inTwoDoubles(e, c, a, b);
}

const bitsOfDouble = (v: number): bigint => new BigUint64Array(new Float64Array([v]).buffer)[0]!;
const constant = (e: Code, v: number): Code => e.i64(bitsOfDouble(v)).op(F64.fromBits);

/** The sum of two locals, and its error: two locals. After D. Knuth, TAOCP 2, 4.2.2, theorem B. */
function twoSum(e: Code, x: number, y: number): readonly [sum: number, error: number] {
  const [sum, error, part] = [e.temp('f64'), e.temp('f64'), e.temp('f64')];
  e.get(x).get(y).op(F64.add).tee(sum).get(x).op(F64.sub).setLocal(part);
  e.get(x).get(sum).get(part).op(F64.sub, F64.sub);
  e.get(y).get(part).op(F64.sub, F64.add).setLocal(error);
  return [sum, error];
}

/** Pushes a sum rounded to odd: an even result that is not exact becomes its neighbour on the side of the error. */
function sumToOdd(e: Code, x: number, y: number): void {
  const [sum, error] = twoSum(e, x, y);
  const bits = e.temp('i64');
  e.get(sum).op(F64.toBits).tee(bits);
  // 1 where the error goes away from zero, otherwise -1.
  e.get(bits).get(error).op(F64.toBits, I64.xor).i64(63n).op(I64.shrS).i64(1n).op(I64.or).i64(0n);
  e.get(error).op(F64.abs);
  constant(e, 0).op(F64.gt);
  e.get(bits).i64(1n).op(W.i64And, I64.eqz, W.i32And, W.select, W.i64Add, F64.fromBits);
}

/** Singles: their product is exact in a double, and the sum, rounded to odd, has bits enough to be rounded again. */
function inDouble(e: Code, ...operands: readonly (() => void)[]): void {
  const [c, a, b] = operands.map((push) => {
    const local = e.temp('f64');
    push();
    e.op(F64.promote).setLocal(local);
    return local;
  }) as [number, number, number];
  const product = e.temp('f64');
  e.get(a).get(b).op(F64.mul).setLocal(product);
  sumToOdd(e, product, c);
  e.op(F32.demote);
}

/** The upper and lower half of a double's bits: two locals. After T. Dekker, Numerische Mathematik 18, 1971. */
function halves(e: Code, x: number): readonly [high: number, low: number] {
  const [high, low] = [e.temp('f64'), e.temp('f64')];
  constant(e, 2 ** 27 + 1)
    .get(x)
    .op(F64.mul)
    .tee(high);
  e.get(high).get(x).op(F64.sub, F64.sub).setLocal(high);
  e.get(x).get(high).op(F64.sub).setLocal(low);
  return [high, low];
}

/** Smaller products may have an error that is no double. */
const SMALLEST_PRODUCT = 2 ** -900;

function inTwoDoubles(e: Code, ...operands: readonly (() => void)[]): void {
  const [c, a, b] = operands.map((push) => {
    const local = e.temp('f64');
    push();
    e.setLocal(local);
    return local;
  }) as [number, number, number];
  const [product, low, result] = [e.temp('f64'), e.temp('f64'), e.temp('f64')];
  const [ah, al] = halves(e, a);
  const [bh, bl] = halves(e, b);
  e.get(a).get(b).op(F64.mul).setLocal(product);
  e.get(ah).get(bh).op(F64.mul).get(product).op(F64.sub);
  e.get(ah).get(bl).op(F64.mul, F64.add);
  e.get(al).get(bh).op(F64.mul, F64.add);
  e.get(al).get(bl).op(F64.mul, F64.add).setLocal(low);
  const [near, nearError] = twoSum(e, c, low);
  const [sum, sumError] = twoSum(e, product, near);
  e.get(sum);
  sumToOdd(e, nearError, sumError);
  e.op(F64.add).setLocal(result);
  // The sign of a zero comes from the operands.
  e.get(product).get(c).op(F64.add).get(result).get(result);
  constant(e, 0).op(F64.eq, W.select);
  constant(e, NaN);
  e.get(product).op(F64.abs);
  constant(e, SMALLEST_PRODUCT).op(F64.ge);
  for (const factor of [a, b]) {
    e.get(factor);
    constant(e, 0).op(F64.eq, W.i32Or);
  }
  e.op(W.select);
}

/** A function (c, a, b) by itself, to try this out. */
export function fusedFunction(ty: Ty, fuses: boolean): (c: number, a: number, b: number) => number {
  const float: WasmTy = ty === 'i32' ? 'f32' : 'f64';
  const module = new WasmModule();
  const func = module.func({ params: [float, float, float], results: [float] });
  const code: Code = {
    op: (...bytes) => (bytes.forEach((byte) => func.code.byte(byte)), code),
    simd: (n, ...imm) => (func.code.byte(SIMD_PREFIX).u32(n), code.op(...imm)),
    get: (n) => (func.code.byte(W.localGet).u32(n), code),
    setLocal: (n) => (func.code.byte(W.localSet).u32(n), code),
    tee: (n) => (func.code.byte(W.localTee).u32(n), code),
    i64: (n) => (func.code.byte(W.i64Const).s64(n), code),
    temp: (t) => func.newLocal(t),
  };
  emitFused(
    code,
    ty,
    [0, 1, 2].map((n) => () => void code.get(n)),
    fuses,
  );
  module.exportFunc('fused', func.index);
  const instance = new WebAssembly.Instance(new WebAssembly.Module(module.encode()), {
    env: { memory: new WebAssembly.Memory({ initial: 1 }) },
  });
  return instance.exports['fused'] as (c: number, a: number, b: number) => number;
}

let fuses: boolean | undefined;

/** Has the host an exact relaxed_madd? Found out once. */
export function hostFuses(): boolean {
  if (fuses === undefined) {
    try {
      const [single, double] = [fusedFunction('i32', true), fusedFunction('i64', true)];
      const [x, y] = [1 + 2 ** -13, 1 + 2 ** -30];
      // Rounded twice, both are 0.
      fuses = single(-(1 + 2 ** -12), x, x) === 2 ** -26 && double(-(1 + 2 ** -29), y, y) === 2 ** -60;
    } catch {
      fuses = false;
    }
  }
  return fuses;
}
