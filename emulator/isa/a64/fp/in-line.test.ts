import { checkTuples, MOST, type Check, type Way } from '../../../../test/support/all-tuples';
import { fpSpecials, fpValue } from '../../../../test/support/fp-values';
import { Random, seed } from '../../../../test/support/random';
import type { Routine, Val } from '../../../ir/nodes';
import type { A64 } from '../sem';
import { getReg, setReg } from '../sysregs';
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

type Operation = (s: A64, ...v: readonly Val[]) => Val;
type Inputs = 32 | 64 | 'w' | 'x';

/** An operation in line, and what calls the exact routine: on numbers of the type of their size, and as i64. */
interface Subject {
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

const binaries = (w: Pair): Subject[] =>
  (Object.keys(routines) as (keyof typeof binary)[]).map((name) => ({
    name,
    ...{ inputs: w, operands: 2 },
    inLine: (s, a, b) => binary[name](s, w, a!, b!),
    exact: (s, a, b) => s.call(routines[name][w], a!, b!),
  }));

/** Signs of the addend and of the product. */
const sums = (w: Pair): Subject[] =>
  [false, true].flatMap((addend) =>
    [false, true].map((product): Subject => {
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

const comparisons = (w: Pair): Subject[] =>
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

const unaries = (w: Pair): Subject[] => [
  {
    name: 'root',
    ...{ inputs: w, operands: 1 },
    inLine: (s, a) => root(s, w, a!),
    exact: (s, a) => s.call(fpSqrt[w], a!),
  },
  ...([16, 32, 64] as const)
    .filter((to) => to !== w)
    .map((to): Subject => ({
      name: `conversion to ${to} bits`,
      ...{ inputs: w, operands: 1 },
      inLine: (s, a) => convert(s, w, to, a!),
      exact: (s, a) => s.call(fpConvert(w, to), a!, s.i32(Rounding.even)),
    })),
  ...modes.flatMap(([name, mode]) =>
    [false, true].map((signals): Subject => ({
      name: `rounding to an integer, ${name}${signals ? ', exact' : ''}`,
      ...{ inputs: w, operands: 1 },
      inLine: (s, a) => roundToInteger(s, w, a!, mode, signals),
      exact: (s, a) => s.call(fpRoundInt[w], a!, s.i32(modeOf(mode)), s.i32(signals ? 1 : 0)),
    })),
  ),
  ...modes.flatMap(([name, mode]) =>
    ([32, 64] as const).flatMap((bits) =>
      [false, true].map((unsigned): Subject => ({
        name: `${unsigned ? 'un' : ''}signed integer of ${bits} bits, ${name}`,
        ...{ inputs: w, operands: 1 },
        inLine: (s, a) => toInteger(s, w, a!, mode, bits, unsigned),
        exact: (s, a) =>
          s.call(fpToFixed[w], ...[a!, s.i32(modeOf(mode)), s.i32(0), s.i32(bits), s.i32(unsigned ? 1 : 0)]),
      })),
    ),
  ),
];

const fromIntegers = (w: Pair): Subject[] =>
  (['w', 'x'] as const).flatMap((inputs) =>
    [false, true].map((unsigned): Subject => ({
      name: `${w} bits of ${unsigned ? 'un' : ''}signed ${inputs} register`,
      ...{ inputs, operands: 1 },
      inLine: (s, v) => fromInteger(s, w, v!, unsigned),
      exact: (s, v) => {
        const all = inputs === 'x' || unsigned ? v! : s.sext(s.wrap(v!));
        return s.call(fpFromFixed[w], all, s.i32(0), s.i32(unsigned ? 1 : 0), s.i32(Rounding.even));
      },
    })),
  );

const subjectsOf = (w: Pair): readonly Subject[] => [
  ...[...binaries(w), ...sums(w), ...comparisons(w), ...unaries(w), ...fromIntegers(w)],
];

// --- how it is checked ------------------------------------------------------------------------------------------

const integers: readonly bigint[] = [0n, 1n, 3n, 23n, 24n, 31n, 32n, 52n, 53n, 54n, 62n, 63n, 64n].flatMap(
  (n) => [-1n, 0n, 1n, 1n << (n >> 1n)].flatMap((d) => [(1n << n) + d, -(1n << n) - d]),
);

const tables = (inputs: Inputs, r: Random): (readonly bigint[])[] => {
  if (inputs === 32 || inputs === 64)
    return [fpSpecials(inputs), Array.from({ length: MOST }, () => fpValue(r, inputs))];
  const bits = inputs === 'w' ? 32 : 64;
  const list = [...integers, ...Array.from({ length: MOST }, () => r.value())].map((v) =>
    BigInt.asUintN(bits, v),
  );
  return Array.from({ length: Math.ceil(list.length / MOST) }, (_, i) =>
    list.slice(i * MOST, (i + 1) * MOST),
  );
};

/** Result and flags of an operation, with FPSR as it is before. */
const way =
  (operation: Operation, narrow: boolean, before: number): Way =>
  (s, v) => {
    setReg(s, 'FPSR', s.i64(before));
    const result = s.to('i64', operation(s, ...v.map((n) => (narrow ? s.wrap(n) : n))));
    return [result, getReg(s, 'FPSR')];
  };

/** FPSR.IXC is sticky. */
const inexactToo =
  (w: Way): Way =>
  (s, v) => {
    const [result, flags] = w(s, v);
    return [result!, s.ori(flags!, Flags.IXC)];
  };

/** With IXC clear and with IXC set before, where the exact routines have a quick way themselves. */
const checksOf = (c: Subject, r: Random): readonly Check[] => {
  const narrow = c.inputs === 32 || c.inputs === 'w';
  const shared = { operands: c.operands, tables: tables(c.inputs, r) };
  const exact = way(c.exact, false, 0);
  return [
    { ...shared, name: `${c.name}, IXC clear`, ways: [exact, way(c.inLine, narrow, 0)] },
    {
      ...shared,
      name: `${c.name}, IXC set`,
      ways: [inexactToo(exact), way(c.inLine, narrow, Flags.IXC), way(c.exact, false, Flags.IXC)],
    },
  ];
};

describe('floating point in line', () => {
  for (const w of widths)
    it(`has the results and the flags of the exact routines: ${w} bits (SEED=${seed})`, function () {
      this.timeout(60_000);
      const r = new Random(seed);
      checkTuples(subjectsOf(w).flatMap((c) => checksOf(c, r)));
    });
});
