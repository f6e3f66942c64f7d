/** Every row as data: patterns do not overlap, shapes are complete, operands exist, bodies build. */
import assert from 'node:assert/strict';
import { routineBody } from '../../../ir/evaluate';
import type { Routine, Stmt } from '../../../ir/nodes';
import { verify } from '../../../ir/verify';
import { rawFields, type RawFields, type Row } from '../../dsl/row';
import { a64Rows } from '../rows';
import { A64 } from '../sem';
import { build, fieldsOf, matches } from './machine';
import { touched, walk } from './inspect';
import { Random, seed } from '../../../../test/support/random';

const hex = (word: number): string => `0x${(word >>> 0).toString(16).padStart(8, '0')}`;

/** Words that agree with a mask and value: all of them when they are few, otherwise a random choice. */
function* words(mask: number, value: number, r: Random, most: number): Generator<number> {
  const free = [...Array(32).keys()].filter((bit) => ((mask >>> bit) & 1) === 0);
  if (2 ** free.length <= most) {
    for (let n = 0; n < 2 ** free.length; n++) {
      let word = value;
      free.forEach((bit, i) => {
        if ((n >>> i) & 1) word |= 1 << bit;
      });
      yield word >>> 0;
    }
    return;
  }
  for (let n = 0; n < most; n++) yield ((r.bits32() & ~mask) | value) >>> 0;
}

const key = (row: Row<A64>, raw: RawFields): string => row.shape.map((f) => raw[f.name]).join();

describe('A64 rows as encodings', () => {
  it(`has no word with two rows (SEED=${seed})`, () => {
    const r = new Random(seed);
    a64Rows.forEach((a, i) => {
      for (const b of a64Rows.slice(i + 1)) {
        const common = (a.pattern.mask & b.pattern.mask) >>> 0;
        if (((a.pattern.value ^ b.pattern.value) & common) >>> 0 !== 0) continue;
        // Their patterns meet: then `when` has to keep them apart.
        const mask = (a.pattern.mask | b.pattern.mask) >>> 0;
        const value = (a.pattern.value | b.pattern.value) >>> 0;
        for (const word of words(mask, value, r, 4096)) {
          const both = matches(a, word) && matches(b, word);
          assert.ok(!both, `${a.name} and ${b.name} both claim ${hex(word)}`);
        }
      }
    });
  });

  it('has unique names', () => {
    const seen = new Set<string>();
    for (const row of a64Rows) {
      assert.ok(!seen.has(row.name), `two rows are named ${row.name}`);
      seen.add(row.name);
    }
  });

  for (const row of a64Rows) {
    it(`${row.name}: shapes, operands and bodies`, () => {
      const r = new Random(seed);
      const known = new Set(row.shapes.map((s) => key(row, s)));
      for (const word of words(row.pattern.mask, row.pattern.value, r, 256)) {
        const raw = rawFields(row.pattern, word);
        if (!row.when(raw)) continue;
        assert.ok(known.has(key(row, raw)), `${hex(word)} has a shape that is not listed (SEED=${seed})`);
        row.derive(raw);
      }
      for (const shape of row.shapes) {
        const templates = row.asm(shape);
        assert.ok(
          templates.every((t) => t.trim() === t),
          'a template has blanks around it',
        );
        const word = wordOfShape(row, shape, r);
        assert.ok(word !== undefined, `no word has the shape ${JSON.stringify(shape)}`);
        const d = fieldsOf(row, word);
        for (const mode of ['record', 'known'] as const) {
          const body = build(d, mode);
          assert.deepEqual(verify(body), [], `${mode}, shape ${JSON.stringify(shape)}`);
          verifyRoutines(body);
        }
        for (const use of touched(build(d, 'record')).operands) {
          assert.ok(use.field in d.operands, `operand ${use.field} is neither a field nor derived`);
          assert.ok(!(use.field in shape), `operand ${use.field} is a shape field`);
        }
      }
    });
  }
});

const verified = new Set<Routine>();

/** Verifies the routines that a body calls, and those that these call. */
function verifyRoutines(body: readonly Stmt[]): void {
  walk(body, (s) => {
    if (s.k !== 'call' || s.callee.k !== 'routine' || verified.has(s.callee)) return;
    verified.add(s.callee);
    const inner = routineBody(s.callee, () => new A64());
    assert.deepEqual(verify(inner, s.callee), [], `routine ${s.callee.name}`);
    verifyRoutines(inner);
  });
}

/** Some word that the row takes and that has the given shape. */
function wordOfShape(row: Row<A64>, shape: RawFields, r: Random): number | undefined {
  let mask = row.pattern.mask;
  let value = row.pattern.value;
  for (const f of row.shape) {
    mask = (mask | (((2 ** f.width - 1) << f.lsb) >>> 0)) >>> 0;
    value = (value | ((shape[f.name] ?? 0) << f.lsb)) >>> 0;
  }
  for (const word of words(mask, value, r, 20000)) if (matches(row, word)) return word;
  return undefined;
}
