import assert from 'node:assert/strict';
import { fpSpecials, fpValue } from '../../../../test/support/fp-values';
import { Random, seed } from '../../../../test/support/random';
import { flatHost, flatIsa } from '../../../core/testing/flat-isa';
import { Machine } from '../../../core/machine';
import type { Routine, Val } from '../../../ir/nodes';
import { common } from '../../../ir/state';
import type { Row } from '../../dsl/row';
import { row } from '../row';
import type { A64 } from '../sem';
import { state } from '../state';
import { getReg, setReg, sysregNamed } from '../sysregs';
import { fpAdd, fpDiv, fpMul, fpSqrt, fpSub } from './arithmetic';
import { fpCompare, fpMax, fpMaxNum, fpMin, fpMinNum } from './compare';
import { fpConvert, fpFromFixed, fpRoundInt, fpToFixed } from './convert';
import { Flags, Rounding, type Width } from './format';
import { fpMulAdd } from './fused';
import {
  binary,
  compare,
  convert,
  fromInteger,
  mulAdd,
  negated,
  root,
  roundToInteger,
  toInteger,
  type RoundBy,
} from './in-line';

const RAM = 0x4000_0000n;
/** Numbers of a table, which is in the vector registers. */
const MOST = 64;

type Operation = (s: A64, ...v: readonly Val[]) => Val;
type Inputs = 32 | 64 | 'w' | 'x';

/** An operation in line, and what calls the exact routine: on numbers of the type of their size, and as i64. */
interface Check {
  readonly name: string;
  readonly inputs: Inputs;
  readonly operands: 1 | 2 | 3;
  readonly inLine: Operation;
  readonly exact: Operation;
}

// --- what is checked --------------------------------------------------------------------------------------------

const widths = [32, 64] as const;
type Pair = (typeof widths)[number];

const routines = {
  add: fpAdd,
  sub: fpSub,
  mul: fpMul,
  div: fpDiv,
  max: fpMax,
  min: fpMin,
  maxnm: fpMaxNum,
  minnm: fpMinNum,
} as const satisfies Record<keyof typeof binary, Readonly<Record<Width, Routine>>>;

const binaries = (w: Pair): Check[] =>
  (Object.keys(routines) as (keyof typeof binary)[]).map((name) => ({
    name,
    ...{ inputs: w, operands: 2 },
    inLine: (s, a, b) => binary[name](s, w, a!, b!),
    exact: (s, a, b) => s.call(routines[name][w], a!, b!),
  }));

/** Signs of the addend and of the product. */
const sums = (w: Pair): Check[] =>
  [false, true].flatMap((addend) =>
    [false, true].map((product): Check => {
      const signs: (s: A64, c: Val, a: Val, b: Val) => readonly [Val, Val, Val] = (s, c, a, b) => {
        const reverse = (v: Val): Val =>
          v.ty === 'i32' ? negated(s, v, 32) : s.xor(v, s.i64(1n << BigInt(w - 1)));
        return [addend ? reverse(c) : c, product ? reverse(a) : a, b];
      };
      return {
        name: `${addend ? '-' : ''}c ${product ? '-' : '+'} a * b`,
        ...{ inputs: w, operands: 3 },
        inLine: (s, c, a, b) => mulAdd(s, w, ...signs(s, c!, a!, b!)),
        exact: (s, c, a, b) => s.call(fpMulAdd[w], ...signs(s, c!, a!, b!)),
      };
    }),
  );

const comparisons = (w: Pair): Check[] =>
  [false, true].map((all) => ({
    name: `comparison that signals for ${all ? 'all' : 'some'} NaNs`,
    ...{ inputs: w, operands: 2 },
    inLine: (s, a, b) => compare(s, w, a!, b!, all),
    exact: (s, a, b) => s.shli(s.call(fpCompare[w], a!, b!, s.i32(all ? 1 : 0)), 28),
  }));

const modes: readonly (readonly [name: string, mode: RoundBy])[] = [
  ...Object.entries(Rounding).flatMap(([name, mode]): [string, RoundBy][] =>
    mode === Rounding.odd ? [] : [[name, mode]],
  ),
  ['current', 'current'],
];

/** FPCR is 0, so that the current mode is the first. */
const modeOf = (mode: RoundBy): number => (mode === 'current' ? Rounding.even : mode);

const unaries = (w: Pair): Check[] => [
  {
    name: 'root',
    ...{ inputs: w, operands: 1 },
    inLine: (s, a) => root(s, w, a!),
    exact: (s, a) => s.call(fpSqrt[w], a!),
  },
  ...([16, 32, 64] as const)
    .filter((to) => to !== w)
    .map((to): Check => ({
      name: `conversion to ${to} bits`,
      ...{ inputs: w, operands: 1 },
      inLine: (s, a) => convert(s, w, to, a!),
      exact: (s, a) => s.call(fpConvert(w, to), a!, s.i32(Rounding.even)),
    })),
  ...modes.flatMap(([name, mode]) =>
    [false, true].map((signals): Check => ({
      name: `rounding to an integer, ${name}${signals ? ', exact' : ''}`,
      ...{ inputs: w, operands: 1 },
      inLine: (s, a) => roundToInteger(s, w, a!, mode, signals),
      exact: (s, a) => s.call(fpRoundInt[w], a!, s.i32(modeOf(mode)), s.i32(signals ? 1 : 0)),
    })),
  ),
  ...modes.flatMap(([name, mode]) =>
    ([32, 64] as const).flatMap((bits) =>
      [false, true].map((unsigned): Check => ({
        name: `${unsigned ? 'un' : ''}signed integer of ${bits} bits, ${name}`,
        ...{ inputs: w, operands: 1 },
        inLine: (s, a) => toInteger(s, w, a!, mode, bits, unsigned),
        exact: (s, a) =>
          s.call(fpToFixed[w], ...[a!, s.i32(modeOf(mode)), s.i32(0), s.i32(bits), s.i32(unsigned ? 1 : 0)]),
      })),
    ),
  ),
];

const fromIntegers = (w: Pair): Check[] =>
  (['w', 'x'] as const).flatMap((inputs) =>
    [false, true].map((unsigned): Check => ({
      name: `${w} bits of ${unsigned ? 'un' : ''}signed ${inputs} register`,
      ...{ inputs, operands: 1 },
      inLine: (s, v) => fromInteger(s, w, v!, unsigned),
      exact: (s, v) => {
        const all = inputs === 'x' || unsigned ? v! : s.sext(s.wrap(v!));
        return s.call(fpFromFixed[w], all, s.i32(0), s.i32(unsigned ? 1 : 0), s.i32(Rounding.even));
      },
    })),
  );

const checksOf = (w: Pair): readonly Check[] => [
  ...[...binaries(w), ...sums(w), ...comparisons(w), ...unaries(w), ...fromIntegers(w)],
];

// --- how it is checked ------------------------------------------------------------------------------------------

/** X registers of a check: numbers in the table; how many cases differ; of the last that did, its number and what came out. */
const X = { count: 0, different: 1, which: 2, result: 3, flags: 4, wanted: 5, wantedFlags: 6 } as const;

/** A row that does an operation on all tuples of numbers in a table, with IXC clear and with IXC set before. */
const rowOf = (c: Check, index: number): Row<A64> =>
  row(c.name, `1111111111111111${index.toString(2).padStart(16, '0')}`, {
    asm: 'check',
    doc: 'Compares a way in line with the exact one.',
    exec(s) {
      const count = s.local('count', s.xn(X.count));
      const number = s.local('number', s.i64(0));
      const all = Array<Val>(c.operands).fill(s.read(count));
      const end = s.local(
        'end',
        all.reduce((a, b) => s.mul(a, b)),
      );
      s.loop((tuples) => {
        s.if(s.geu(s.read(number), s.read(end)), () => s.break(tuples));
        const rest = s.local('rest', s.read(number));
        const wide = all.map(() => {
          const quotient = s.divU(s.read(rest), s.read(count));
          const place = s.wrap(s.sub(s.read(rest), s.mul(quotient, s.read(count))));
          s.assign(rest, quotient);
          return s.getSlot(state.v, s.addi(s.shli(place, 3), state.v.offset));
        });
        const own = wide.map((v) => (c.inputs === 32 || c.inputs === 'w' ? s.wrap(v) : v));
        const run = (operation: Operation, operands: readonly Val[], before: number) => {
          setReg(s, 'FPSR', s.i64(before));
          const result = s.local('result', s.to('i64', operation(s, ...operands)));
          const flags = s.local('flags', getReg(s, 'FPSR'));
          return { result: s.read(result), flags: s.read(flags) };
        };
        const wanted = run(c.exact, wide, 0);
        for (const [operation, operands, before] of [
          [c.inLine, own, 0],
          [c.inLine, own, Flags.IXC],
          // The routines have a quick way when it is set.
          [c.exact, wide, Flags.IXC],
        ] as const) {
          const got = run(operation, operands, before);
          const wantedFlags = s.ori(wanted.flags, before);
          s.if(s.or(s.ne(got.result, wanted.result), s.ne(got.flags, wantedFlags)), () => {
            s.setXn(X.different, s.addi(s.xn(X.different), 1));
            s.setXn(X.which, s.read(number));
            s.setXn(X.result, got.result);
            s.setXn(X.flags, got.flags);
            s.setXn(X.wanted, wanted.result);
            s.setXn(X.wantedFlags, wantedFlags);
          });
        }
        s.assign(number, s.addi(s.read(number), 1));
      });
    },
  });

const integers: readonly bigint[] = [0n, 1n, 3n, 23n, 24n, 31n, 32n, 52n, 53n, 54n, 62n, 63n, 64n].flatMap(
  (n) => [-1n, 0n, 1n, 1n << (n >> 1n)].flatMap((d) => [(1n << n) + d, -(1n << n) - d]),
);

/** Of integers there are more than fit in one table. */
const tables = (inputs: Inputs, r: Random): (readonly bigint[])[] => {
  if (inputs === 32 || inputs === 64)
    return [fpSpecials(inputs), Array.from({ length: 40 }, () => fpValue(r, inputs))];
  const bits = inputs === 'w' ? 32 : 64;
  const list = integers.map((v) => BigInt.asUintN(bits, v));
  return [
    list.slice(0, MOST),
    list.slice(MOST),
    Array.from({ length: MOST }, () => BigInt.asUintN(bits, r.value())),
  ];
};

describe('floating point in line', () => {
  const fpcr = sysregNamed('FPCR').storage!.field;

  for (const w of widths)
    it(`has the results and the flags of the exact routines: ${w} bits (SEED=${seed})`, function () {
      this.timeout(60_000);
      const r = new Random(seed);
      const checks = checksOf(w);
      const rows = checks.map(rowOf);
      const isa = flatIsa(rows);
      const m = new Machine({
        ...{ isa, cpus: 1, ramBase: RAM, ramBytes: 1 << 20, features: new Set(), host: flatHost },
        translate: false,
      });
      const get = (n: number): bigint => m.state.get(0, state.x, n);
      m.physical.poke(RAM, new Uint8Array(Uint32Array.from(rows, (row) => row.pattern.value).buffer));
      assert.equal(m.state.get(0, fpcr), 0n);
      checks.forEach((c, i) => {
        for (const table of tables(c.inputs, r)) {
          table.forEach((v, n) => m.state.set(0, state.v, v, n));
          m.state.set(0, state.x, BigInt(table.length), X.count);
          m.state.set(0, state.x, 0n, X.different);
          m.state.set(0, common.pc, RAM + 4n * BigInt(i));
          m.run({ instructions: 1 });
          const operands: bigint[] = [];
          for (let n = 0, rest = Number(get(X.which)); n < c.operands; n++) {
            operands.push(table[rest % table.length]!);
            rest = Math.floor(rest / table.length);
          }
          const hex = (v: bigint): string => `0x${v.toString(16)}`;
          const differs = `${c.name}, ${c.inputs}: ${operands.map(hex).join()} gives ${hex(get(X.result))} and flags ${hex(get(X.flags))}, not ${hex(get(X.wanted))} and ${hex(get(X.wantedFlags))}; ${get(X.different)} such cases`;
          assert.equal(get(X.different), 0n, differs);
        }
      });
    });
});
