import assert from 'node:assert/strict';
import { fpSpecials, fpValue } from '../../test/support/fp-values';
import { Random, seed } from '../../test/support/random';
import { fused } from '../ir/floats';
import { fusedFunction, hostFuses } from './fused';

const view = new DataView(new ArrayBuffer(8));

function toNumber(bits: 32 | 64, v: bigint): number {
  view.setBigUint64(0, v << BigInt(64 - bits));
  return bits === 64 ? view.getFloat64(0) : view.getFloat32(0);
}

function toBits(bits: 32 | 64, v: number): bigint {
  if (bits === 64) view.setFloat64(0, v);
  else view.setFloat32(0, v);
  return bits === 64 ? view.getBigUint64(0) : BigInt(view.getUint32(0));
}

/** Numbers whose product and sum nearly cancel, or have the same size. */
function operands(r: Random, bits: 32 | 64): readonly [c: bigint, a: bigint, b: bigint] {
  const [a, b] = [fpValue(r, bits), fpValue(r, bits)];
  if (r.below(2)) return [fpValue(r, bits), a, b];
  const product = toBits(bits, -toNumber(bits, a) * toNumber(bits, b));
  const near = product + BigInt(r.below(5) - 2);
  return [BigInt.asUintN(bits, near), a, b];
}

/** Neither product nor sum of such numbers comes near a limit. */
function isModerate(bits: 32 | 64, v: bigint): boolean {
  const magnitude = Math.abs(toNumber(bits, v));
  return bits === 32 ? magnitude < Infinity : magnitude > 1e-120 && magnitude < 1e120;
}

const ways = [
  { name: 'put together from sums and products', fuses: false },
  ...(hostFuses() ? [{ name: "by the host's instruction", fuses: true }] : []),
];

describe('a product and a sum, rounded once', () => {
  for (const { name, fuses } of ways)
    for (const bits of [32, 64] as const)
      it(`${bits} bits: ${name} (SEED=${seed})`, () => {
        const f = fusedFunction(bits === 32 ? 'i32' : 'i64', fuses);
        const r = new Random(seed);
        let told = 0;
        const rounds = 20_000;
        for (let i = 0; i < rounds; i++) {
          const [c, a, b] = operands(r, bits);
          const result = f(toNumber(bits, c), toNumber(bits, a), toNumber(bits, b));
          const hex = [c, a, b].map((v) => `0x${v.toString(16)}`).join();
          if (Number.isNaN(result)) {
            assert.ok(![c, a, b].every((v) => isModerate(bits, v)), hex);
            continue;
          }
          told++;
          assert.equal(toBits(bits, result), fused(c, a, b, bits), hex);
        }
        assert.ok(told > rounds / 5, `only ${told} of ${rounds}`);
      });

  for (const { name, fuses } of ways)
    for (const bits of [32, 64] as const)
      it(`${bits} bits: ${name}, of all triples of numbers at which arithmetic turns`, () => {
        const f = fusedFunction(bits === 32 ? 'i32' : 'i64', fuses);
        const all = fpSpecials(bits).filter((v) => Number.isFinite(toNumber(bits, v)));
        const numbers = all.map((v) => toNumber(bits, v));
        let told = 0;
        for (const [k, c] of all.entries())
          for (const [i, a] of all.entries())
            for (const [j, b] of all.entries()) {
              const result = f(numbers[k]!, numbers[i]!, numbers[j]!);
              if (Number.isNaN(result)) continue;
              told++;
              const wanted = fused(c, a, b, bits);
              if (toBits(bits, result) !== wanted)
                assert.fail([c, a, b, toBits(bits, result), wanted].map((v) => `0x${v.toString(16)}`).join());
            }
        assert.ok(told > all.length ** 3 / 3, `only ${told}`);
      });
});
