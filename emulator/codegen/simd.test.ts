/** Each operation on vectors does in WebAssembly what the table says that it means. */
import assert from 'node:assert/strict';
import { fpVector } from '../../test/support/fp-values';
import { Random, seed } from '../../test/support/random';
import { bitsOf, tyOf } from '../ir/ops';
import { allSimdOps, floatLanes, lanesOf, type SimdOp } from '../ir/simd';
import { W, WasmModule } from './wasm';
import { Emitter } from './emit';
import { LocalPool } from './local-pool';

/** A function that loads operands, 16 bytes apart, from address 0 and stores the result at 64. */
function compiled(ops: readonly { op: SimdOp; imm: readonly number[] }[]): Uint8Array<ArrayBuffer> {
  const module = new WasmModule();
  const never = (): never => assert.fail();
  ops.forEach(({ op, imm }, n) => {
    const func = module.func({ params: [], results: [] });
    module.exportFunc(`f${n}`, func.index);
    const e = new Emitter(func.code, new LocalPool(func), {
      ...{ cpu: 0, operand: never, pc: never, exit: never, enterSlow: never, routine: never, host: never },
      ...{ memSlow: 0, commitSlow: 0, fuses: false },
    });
    e.i32(64);
    const bytes = (ty: SimdOp['result']): 4 | 8 | 16 => (bitsOf(ty) / 8) as 4 | 8 | 16;
    op.args.forEach((ty, i) => e.i32(16 * i).load(bytes(ty), 0, ty));
    e.simd(op.code, ...imm).store(bytes(op.result), 0, op.result);
    assert.equal(tyOf(bytes(op.result)), op.result);
    e.op(W.return);
  });
  return module.encode();
}

/** NaNs of any kind count as the same. */
function alike(a: bigint, b: bigint, width: number | undefined): boolean {
  if (width === undefined) return a === b;
  const [exponent, fraction] = width === 32 ? [0xffn << 23n, 0x7fffffn] : [0x7ffn << 52n, (1n << 52n) - 1n];
  const isNaN = (v: bigint): boolean => (v & exponent) === exponent && (v & fraction) !== 0n;
  const others = lanesOf(b, width);
  return lanesOf(a, width).every((v, i) => v === others[i]! || (isNaN(v) && isNaN(others[i]!)));
}

describe('operations on vectors', () => {
  it(`mean the same compiled and evaluated: ${allSimdOps.length} of them (SEED=${seed})`, async function () {
    const r = new Random(seed);
    const ops = allSimdOps.map((op) => ({
      op,
      imm: Array.from({ length: op.immediates }, () =>
        r.below(op.immediates === 16 ? 32 : Number(/x(\d+)/.exec(op.name)![1])),
      ),
    }));
    const memory = new WebAssembly.Memory({ initial: 1 });
    const view = new DataView(memory.buffer);
    const { instance } = await WebAssembly.instantiate(compiled(ops), { env: { memory } });
    const floats = new Map(
      Object.values(floatLanes).flatMap((by) => [[by[32], 32] as const, [by[64], 64] as const]),
    );
    const half = (op: SimdOp): bigint =>
      op.name.startsWith('f') ? fpVector(r, r.pick([32, 64])) : r.bits64();
    ops.forEach(({ op, imm }, n) => {
      for (let round = 0; round < 60; round++) {
        const args = op.args.map((ty, i) => {
          const v = BigInt.asUintN(bitsOf(ty), (half(op) << 64n) | half(op));
          view.setBigUint64(16 * i, BigInt.asUintN(64, v), true);
          view.setBigUint64(16 * i + 8, v >> 64n, true);
          return v;
        });
        view.setBigUint64(64, 0n, true);
        view.setBigUint64(72, 0n, true);
        (instance.exports[`f${n}`] as () => void)();
        const got = view.getBigUint64(64, true) | (view.getBigUint64(72, true) << 64n);
        const bits = bitsOf(op.result);
        const want = BigInt.asUintN(bits, op.eval(args, imm));
        const width = /demote/.test(op.name) ? 32 : /promote/.test(op.name) ? 64 : floats.get(op);
        assert.ok(
          alike(got, want, width),
          `${op.name} [${imm.join()}] of ${args.map((a) => a.toString(16)).join(', ')}: ${got.toString(16)}, not ${want.toString(16)}`,
        );
      }
    });
  });
});
