/**
 * Tries several ways to one result on all pairs or triples of numbers, in generated code: a row runs through the tuples of a table
 * in the vector registers, does each of them in each way, and compares with the first.
 */
import assert from 'node:assert/strict';
import { flatHost, flatIsa } from '../../emulator/core/testing/flat-isa';
import { Machine } from '../../emulator/core/machine';
import type { Val } from '../../emulator/ir/nodes';
import { common } from '../../emulator/ir/state';
import type { Row } from '../../emulator/isa/dsl/row';
import { a64Rows } from '../../emulator/isa/a64/rows';
import { row } from '../../emulator/isa/a64/row';
import type { A64 } from '../../emulator/isa/a64/sem';
import { state } from '../../emulator/isa/a64/state';

const RAM = 0x4000_0000n;

/** From numbers, as i64, to what comes out: as many i64s each way. */
export type Way = (s: A64, v: readonly Val[]) => readonly Val[];

/** Something that can be done in several ways, and the tables of numbers to try it on. */
export interface Check {
  readonly name: string;
  readonly operands: number;
  /** The first is right. */
  readonly ways: readonly Way[];
  readonly tables: readonly (readonly bigint[])[];
}

/** Numbers in a table: two for each register, of which the last ones are left to the ways. */
export const MOST = 48;
/** The first of those registers. */
export const FREE = MOST / 2;

/** X registers of a row: numbers in the table; how many results differ; of the last that does, tuple and way, and what came out. */
const X = { count: 0, different: 1, tuple: 2, way: 3, wanted: 4, got: 8 } as const;

const tupleRow = (c: Check, index: number): Row<A64> =>
  row(c.name, `1111111111111111${index.toString(2).padStart(16, '0')}`, {
    asm: 'check',
    doc: 'Compares several ways to one result.',
    exec(s) {
      const count = s.local('count', s.xn(X.count));
      const tuple = s.local('tuple', s.i64(0));
      const places = Array.from({ length: c.operands }, () => s.read(count));
      const end = s.local(
        'end',
        places.reduce((a, b) => s.mul(a, b)),
      );
      s.loop((tuples) => {
        s.if(s.geu(s.read(tuple), s.read(end)), () => s.break(tuples));
        const rest = s.local('rest', s.read(tuple));
        const operands = places.map(() => {
          const quotient = s.divU(s.read(rest), s.read(count));
          const place = s.wrap(s.sub(s.read(rest), s.mul(quotient, s.read(count))));
          s.assign(rest, quotient);
          return s.local('operand', s.getSlot(state.v, s.addi(s.shli(place, 3), state.v.offset)));
        });
        const outcomes = c.ways.map((way) =>
          way(
            s,
            operands.map((l) => s.read(l)),
          ).map((v) => s.local('outcome', v)),
        );
        const [wanted, ...others] = outcomes.map((locals) => locals.map((l) => s.read(l)));
        others.forEach((got, way) => {
          const differs = got.map((v, i) => s.ne(v, wanted![i]!)).reduce((a, b) => s.or(a, b));
          s.if(differs, () => {
            s.setXn(X.different, s.addi(s.xn(X.different), 1));
            s.setXn(X.tuple, s.read(tuple));
            s.setXn(X.way, s.i64(way + 1));
            wanted!.forEach((v, i) => s.setXn(X.wanted + i, v));
            got.forEach((v, i) => s.setXn(X.got + i, v));
          });
        });
        s.assign(tuple, s.addi(s.read(tuple), 1));
      });
    },
  });

const hex = (...v: readonly bigint[]): string => v.map((n) => `0x${n.toString(16)}`).join();

/** Fails with the last tuple of each check of which the ways differ. */
export function checkTuples(checks: readonly Check[]): void {
  const rows = checks.map(tupleRow);
  const m = new Machine({
    ...{ isa: flatIsa(rows), cpus: 1, ramBase: RAM, ramBytes: 1 << 20, host: flatHost, translate: false },
    features: new Set(a64Rows.flatMap((r) => r.feature ?? [])),
  });
  const get = (from: number, length = 1): bigint[] =>
    Array.from({ length }, (_, i) => m.state.get(0, state.x, from + i));
  m.physical.poke(RAM, new Uint8Array(Uint32Array.from(rows, (row) => row.pattern.value).buffer));
  const different = checks.flatMap((c, i) =>
    c.tables.flatMap((table) => {
      assert.ok(table.length <= MOST);
      table.forEach((v, n) => m.state.set(0, state.v, v, n));
      m.state.set(0, state.x, BigInt(table.length), X.count);
      m.state.set(0, state.x, 0n, X.different);
      m.state.set(0, common.pc, RAM + 4n * BigInt(i));
      m.run({ instructions: 1 });
      assert.equal(m.state.get(0, common.pc), RAM + 4n * BigInt(i + 1), c.name);
      const [count] = get(X.different);
      if (count === 0n) return [];
      const operands: bigint[] = [];
      for (let n = 0, rest = Number(get(X.tuple)[0]); n < c.operands; n++) {
        operands.push(table[rest % table.length]!);
        rest = Math.floor(rest / table.length);
      }
      const out = 3;
      return `${c.name}: ${hex(...operands)} gives ${hex(...get(X.got, out))} in way ${get(X.way).join()}, not ${hex(...get(X.wanted, out))} (${count} such cases)`;
    }),
  );
  assert.equal(different.join('\n'), '');
}
