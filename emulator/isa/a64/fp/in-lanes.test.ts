import { checkTuples, FREE, MOST, type Check, type Way } from '../../../../test/support/all-tuples';
import { fpSpecials, fpValue } from '../../../../test/support/fp-values';
import { Random, seed } from '../../../../test/support/random';
import { Operand } from '../../../ir/nodes';
import type { Row, RawFields } from '../../dsl/row';
import { a64Rows } from '../rows';
import type { A64 } from '../sem';
import { getReg, setReg } from '../sysregs';
import { Flags, formats, Rounding } from './format';
import type { LaneWidth } from './in-lanes';

/** Registers of what is tried. */
const registers = { rd: FREE, rn: FREE + 1, rm: FREE + 2 } as const;

/** Vectors of floating point, of one to three of these registers. */
const rows = a64Rows.filter(
  (row) =>
    /^((F|[SU]CVTF).* \(vector(, zero)?\)|FCVT[LN])$/.test(row.name) &&
    row.pattern.fields.some((f) => f.name === 'sz') &&
    row.pattern.fields.every((f) => /^(Q|sz|r[dnm])$/.test(f.name)),
);

/** Those look at the rounding mode only to leave the quick way; the others look at IXC for that. */
const isExact = (row: Row<A64>): boolean => /^F(MAX|MIN|CM|AC|RINT[AMNPZ]|CVTL)/.test(row.name);

type Register = keyof typeof registers;

/** The registers that a row reads. */
const sources = (row: Row<A64>): readonly Register[] => {
  const names = row.pattern.fields.map((f) => f.name);
  const used = (['rn', 'rm'] as const).filter((name) => names.includes(name));
  return /^FML/.test(row.name) ? ['rd', ...used] : used;
};

/** What the row makes of the numbers in one lane, and of ones in the others, in a quick way or not. */
const way =
  (row: Row<A64>, shape: RawFields, lane: number, w: LaneWidth, quickly: boolean): Way =>
  (s, v) => {
    const one = BigInt(formats[w].bias) << BigInt(formats[w].frac);
    const ones = s.splat(w, s.i64(one));
    sources(row).forEach((name, i) =>
      s.setQ(new Operand(name, BigInt(registers[name])), s.replace(w, ones, lane, v[i]!)),
    );
    setReg(s, 'FPSR', s.i64(quickly ? Flags.IXC : 0));
    setReg(s, 'FPCR', s.i64(isExact(row) && !quickly ? Rounding.up << 22 : 0));
    row.exec(s, shape, registers);
    const result = new Operand('rd', BigInt(registers.rd));
    const flags = s.ori(getReg(s, 'FPSR'), Flags.IXC);
    setReg(s, 'FPCR', s.i64(0));
    return [s.v(result), s.v(result, 1), flags];
  };

describe('floating point in lanes', () => {
  for (const w of [32, 64] as const)
    it(`has the results and the flags of the exact routines: ${w} bits (SEED=${seed})`, function () {
      this.timeout(60_000);
      const r = new Random(seed);
      const tables = [fpSpecials(w), Array.from({ length: MOST }, () => fpValue(r, w))];
      const lanes = Array.from({ length: 128 / w }, (_, i) => i);
      checkTuples(
        rows.flatMap((row) => {
          // Conversions of half precision have no quick way; `sz` is that of the wider format.
          const sz = (row.name === 'FCVTL' ? 32 : 64) === w ? 1 : 0;
          return row.shapes
            .filter((shape) => shape['sz'] === sz && (sz === 1 || !/^FCVT[LN]$/.test(row.name)))
            .flatMap((shape) =>
              lanes.map((lane): Check => ({
                ...{
                  name: `${row.name} ${JSON.stringify(shape)}, lane ${lane}`,
                  operands: sources(row).length,
                  tables,
                },
                ways: [way(row, shape, lane, w, false), way(row, shape, lane, w, true)],
              })),
            );
        }),
      );
    });
});
