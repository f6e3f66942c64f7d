import assert from 'node:assert/strict';
import { fpControl, fpVector } from '../../test/support/fp-values';
import { Random, seed } from '../../test/support/random';
import { a64Rows } from '../isa/a64/rows';
import { state } from '../isa/a64/state';
import { sysregNamed } from '../isa/a64/sysregs';
import { insert } from '../isa/dsl/pattern';
import { rawFields, type RawFields, type Row } from '../isa/dsl/row';
import type { StateField } from '../ir/nodes';
import { common } from '../ir/state';
import { flatHost, flatIsa } from './testing/flat-isa';
import { Machine } from './machine';
import { Oracle } from './oracle';

const RAM = 0x4000_0000n;
const ALL = new Set(a64Rows.flatMap((r) => (r.feature ? [r.feature] : [])));
const isa = flatIsa(a64Rows);
const machine = (): Machine =>
  new Machine({ isa, cpus: 1, ramBase: RAM, ramBytes: 1 << 20, features: ALL, host: flatHost });

const storage = (name: string): StateField => sysregNamed(name).storage!.field;
const [fpcr, fpsr] = [storage('FPCR'), storage('FPSR')];

/** Words of one row and shape, with random operands. */
function* words(row: Row, shape: RawFields, n: number, r: Random): Generator<number> {
  for (let tries = 0, made = 0; made < n && tries < n * 40; tries++) {
    let word = row.pattern.value;
    for (const f of row.pattern.fields) word = insert(word, f, shape[f.name] ?? r.bits32() % 2 ** f.width);
    if (!row.when(rawFields(row.pattern, word))) continue;
    made++;
    yield word >>> 0;
  }
}

describe('oracle and interpreter', () => {
  it(`agree on every row and shape, random operands (SEED=${seed})`, function () {
    this.timeout(120_000);
    const r = new Random(seed);
    const [a, b] = [machine(), machine()];
    const oracle = new Oracle(b);
    // Often an address in RAM, so that loads and stores do something; sometimes next to a page's end.
    const value = (): bigint => (r.below(3) === 0 ? RAM + 0x8000n + BigInt(r.below(0x3000)) : r.value());
    let cases = 0;
    for (const row of a64Rows)
      for (const shape of row.shapes)
        for (const word of words(row, shape, 3, r)) {
          const set = (m: Machine): void => {
            m.physical.poke(RAM + 0x1000n, new Uint8Array(new Uint32Array([word]).buffer));
            m.state.set(0, common.pc, RAM + 0x1000n);
            m.state.set(0, common.stopRequest, 0);
            m.state.set(0, common.asleep, 0);
            // Reads of device registers find their value here.
            m.state.set(0, common.mail, 0);
          };
          set(a);
          set(b);
          for (let i = 0; i <= 31; i++) {
            const v = value();
            [a, b].forEach((m) => m.state.set(0, state.x, v, i));
          }
          for (let i = 0; i < 64; i++) {
            const v = r.below(2) ? r.bits64() : fpVector(r, r.pick([16, 32, 64]));
            [a, b].forEach((m) => m.state.set(0, state.v, v, i));
          }
          const control = r.below(4) ? fpControl(r, true) : 0n;
          const status = r.below(2) ? 0x10n : 0n;
          [a, b].forEach((m) => {
            m.state.set(0, fpcr, control);
            m.state.set(0, fpsr, status);
          });
          const flags = r.below(16) << 28;
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
          assert.equal(a.state.get(0, fpsr), b.state.get(0, fpsr), `fpsr after ${where}`);
          assert.equal(a.state.get(0, common.pc), b.state.get(0, common.pc), `pc after ${where}`);
          assert.equal(a.state.get(0, state.x, 32), 0n, `zero register after ${where}`);
        }
    assert.ok(cases > a64Rows.length, `${cases} cases`);
    const ram = (m: Machine): Uint8Array => m.physical.peek(RAM, 1 << 20);
    assert.deepEqual(Buffer.compare(ram(a), ram(b)), 0, 'RAM differs');
  });
});
