import assert from 'node:assert/strict';
import { fpControl, fpVector } from '../../test/support/fp-values';
import { Random, seed } from '../../test/support/random';
import { singleRegions } from '../../test/support/single-regions';
import { a64Rows } from '../isa/a64/rows';
import { state } from '../isa/a64/state';
import { sysregNamed } from '../isa/a64/sysregs';
import { insert } from '../isa/dsl/pattern';
import { rawFields, type RawFields, type Row } from '../isa/dsl/row';
import type { StateField } from '../ir/nodes';
import { common } from '../ir/state';
import { flatHost, flatIsa } from './testing/flat-isa';
import { Machine, type MachineConfig } from './machine';
import { Oracle } from './oracle';

const RAM = 0x4000_0000n;
const ALL = new Set(a64Rows.flatMap((r) => (r.feature ? [r.feature] : [])));
const isa = flatIsa(a64Rows);
const machine = (translate: MachineConfig['translate']): Machine =>
  new Machine({ isa, cpus: 1, ramBase: RAM, ramBytes: 1 << 20, features: ALL, host: flatHost, translate });
/** Far from what the registers point to; each word has its place, so that its region is not that of another. */
const CODE = RAM + 0x40000n;

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

/** Everything that one of the tiers could leave otherwise than the others. */
function assertEqualState(a: Machine, b: Machine, where: string): void {
  for (let i = 0; i <= 31; i++)
    assert.equal(a.state.get(0, state.x, i), b.state.get(0, state.x, i), `x${i} after ${where}`);
  for (let i = 0; i < 64; i++)
    assert.equal(a.state.get(0, state.v, i), b.state.get(0, state.v, i), `v half ${i} after ${where}`);
  assert.equal(a.state.num(0, state.nzcv), b.state.num(0, state.nzcv), `nzcv after ${where}`);
  assert.equal(a.state.get(0, fpsr), b.state.get(0, fpsr), `fpsr after ${where}`);
  assert.equal(a.state.get(0, common.pc), b.state.get(0, common.pc), `pc after ${where}`);
  assert.equal(a.state.get(0, state.x, 32), 0n, `zero register after ${where}`);
}

describe('oracle, interpreter and regions', () => {
  it(`agree on every row and shape, random operands (SEED=${seed})`, function () {
    const r = new Random(seed);
    const [a, b, c] = [machine(false), machine(false), machine(singleRegions)];
    const all = [a, b, c];
    const oracle = new Oracle(b);
    // Often an address in RAM, so that loads and stores do something; sometimes next to a page's end.
    const value = (): bigint => (r.below(3) === 0 ? RAM + 0x8000n + BigInt(r.below(0x3000)) : r.value());
    let cases = 0;
    for (const row of a64Rows)
      for (const shape of row.shapes)
        for (const word of words(row, shape, 3, r)) {
          const pc = CODE + 4n * BigInt(cases++);
          const set = (f: StateField, v: bigint | number, index = 0): void =>
            all.forEach((m) => m.state.set(0, f, v, index));
          all.forEach((m) => m.physical.poke(pc, new Uint8Array(new Uint32Array([word]).buffer)));
          set(common.pc, pc);
          set(common.stopRequest, 0);
          set(common.asleep, 0);
          // Reads of device registers find their value here.
          set(common.mail, 0);
          for (let i = 0; i <= 31; i++) set(state.x, value(), i);
          for (let i = 0; i < 64; i++)
            set(state.v, r.below(2) ? r.bits64() : fpVector(r, r.pick([16, 32, 64])), i);
          set(fpcr, r.below(4) ? fpControl(r, true) : 0n);
          set(fpsr, r.below(2) ? 0x10n : 0n);
          set(state.nzcv, (r.below(16) << 28) >>> 0);
          a.run({ instructions: 1 });
          oracle.step(0);
          c.run({ instructions: 1 });
          const where = `${row.name} ${JSON.stringify(shape)} 0x${word.toString(16)}`;
          assertEqualState(a, b, where);
          assertEqualState(c, a, `${where} in a region`);
        }
    assert.ok(cases > a64Rows.length, `${cases} cases`);
    const regions = c.translator?.counts.regions ?? 0;
    assert.ok(regions > cases / 3, `only ${regions} regions for ${cases} cases`);
    const ram = (m: Machine): Uint8Array => m.physical.peek(RAM, 1 << 20);
    for (const m of [b, c]) assert.deepEqual(Buffer.compare(ram(a), ram(m)), 0, 'RAM differs');
  });
});
