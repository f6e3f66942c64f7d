import assert from 'node:assert/strict';
import { a64Rows } from '../isa/a64/rows';
import { state } from '../isa/a64/state';
import { insert } from '../isa/dsl/pattern';
import { rawFields, type RawFields, type Row } from '../isa/dsl/row';
import { common } from '../ir/state';
import { random, seedFromEnv } from './testing/random';
import { flatHost, flatIsa } from './testing/flat-isa';
import { Machine } from './machine';
import { Oracle } from './oracle';

const RAM = 0x4000_0000n;
const ALL = new Set(a64Rows.flatMap((r) => (r.feature ? [r.feature] : [])));
const isa = flatIsa(a64Rows);
const machine = (): Machine =>
  new Machine({ isa, cpus: 1, ramBase: RAM, ramBytes: 1 << 20, features: ALL, host: flatHost });

/** Words of one row and shape, with random operands. */
function* words(row: Row, shape: RawFields, n: number, r: () => number): Generator<number> {
  for (let tries = 0, made = 0; made < n && tries < n * 40; tries++) {
    let word = row.pattern.value;
    for (const f of row.pattern.fields)
      word = insert(word, f, shape[f.name] ?? Math.floor(r() * 2 ** f.width));
    if (!row.when(rawFields(row.pattern, word))) continue;
    made++;
    yield word >>> 0;
  }
}

const interesting = [
  0n,
  1n,
  -1n,
  1n << 31n,
  1n << 63n,
  (1n << 63n) - 1n,
  0xffffffffn,
  0x7fffffffn,
  0x80000000n,
];

describe('oracle and interpreter', () => {
  const seed = seedFromEnv();
  it(`agree on every row and shape, random operands (SEED=${seed})`, function () {
    this.timeout(120_000);
    const r = random(seed);
    const [a, b] = [machine(), machine()];
    const oracle = new Oracle(b);
    const word64 = (): bigint =>
      (BigInt(Math.floor(r() * 2 ** 32)) << 32n) | BigInt(Math.floor(r() * 2 ** 32));
    const value = (): bigint => {
      const k = r();
      if (k < 0.25) return interesting[Math.floor(r() * interesting.length)]!;
      // Often an address in RAM, so that loads and stores do something; sometimes next to a page's end.
      if (k < 0.6) return RAM + 0x8000n + BigInt(Math.floor(r() * 0x3000));
      return word64();
    };
    let cases = 0;
    for (const row of a64Rows)
      for (const shape of row.shapes)
        for (const word of words(row, shape, 3, r)) {
          const set = (m: Machine): void => {
            m.physical.poke(RAM + 0x1000n, new Uint8Array(new Uint32Array([word]).buffer));
            m.state.set(0, common.pc, RAM + 0x1000n);
            m.state.set(0, common.stopRequest, 0);
          };
          set(a);
          set(b);
          for (let i = 0; i <= 31; i++) {
            const v = value();
            [a, b].forEach((m) => m.state.set(0, state.x, v, i));
          }
          for (let i = 0; i < 64; i++) {
            const v = word64();
            [a, b].forEach((m) => m.state.set(0, state.v, v, i));
          }
          const flags = Math.floor(r() * 16) << 28;
          [a, b].forEach((m) => m.state.set(0, state.nzcv, flags >>> 0));
          a.run({ instructions: 1 });
          oracle.step(0);
          cases++;
          const where = `${row.name} ${JSON.stringify(shape)} 0x${word.toString(16)}`;
          for (let i = 0; i <= 31; i++)
            assert.equal(a.state.get(0, state.x, i), b.state.get(0, state.x, i), `x${i} after ${where}`);
          for (let i = 0; i < 64; i++)
            assert.equal(
              a.state.get(0, state.v, i),
              b.state.get(0, state.v, i),
              `v half ${i} after ${where}`,
            );
          assert.equal(a.state.num(0, state.nzcv), b.state.num(0, state.nzcv), `nzcv after ${where}`);
          assert.equal(a.state.get(0, common.pc), b.state.get(0, common.pc), `pc after ${where}`);
          assert.equal(a.state.get(0, state.x, 32), 0n, `zero register after ${where}`);
        }
    assert.ok(cases > a64Rows.length, `${cases} cases`);
    const ram = (m: Machine): Uint8Array => m.physical.peek(RAM, 1 << 20);
    assert.deepEqual(Buffer.compare(ram(a), ram(b)), 0, 'RAM differs');
  });
});
