/**
 * Shifts by a constant. Arm ARM DDI 0487 C4.1, "Advanced SIMD shift by immediate", "scalar shift by immediate". immh:immb is the
 * element size plus a shift to the left, or twice the element size minus a shift to the right.
 */
import type { Operand, Val } from '../../../ir/nodes';
import type { RawFields, Row } from '../../dsl/row';
import { row } from '../row';
import type { A64 } from '../sem';
import {
  elements,
  esizes,
  letterOf,
  maskOf,
  scalar,
  setElements,
  setScalar,
  vectorKind,
  type Bits,
  type Esize,
} from './lanes';
import { saturate, shiftLeftSaturating } from './saturate';
import { all, limited, lowHalves, onlyFirst, setHalf, widened, zero } from './whole';

/** immh:immb by element size: the fixed part and the field. */
const immediates = { 8: '0001 imm:3', 16: '001 imm:4', 32: '01 imm:5', 64: '1 imm:6' } as const;

/** The shift as operands: `by` to the left; `less`, one less than a shift to the right; a mask of what SRI and SLI keep. i64. */
interface Amounts {
  readonly by: Val;
  readonly less: Val;
  readonly keep: () => Val;
}

/** On vectors, or on one element after the other. */
type Operation = {
  readonly [K in 'whole' | 'each']: Readonly<
    Record<K, (s: A64, v: Val, e: Esize, a: Amounts, d: () => Val) => Val>
  >;
}['whole' | 'each'];

/** Shifts right by `less` and one: nothing is lost where the shift is as wide as the element. */
function right(s: A64, v: Val, e: Esize, less: Val, unsigned: boolean, rounded: boolean): Val {
  const op = unsigned ? 'shr_u' : 'shr_s';
  const by = less.constant;
  if (by !== undefined && !rounded && by + 1n < BigInt(e)) return s.lanes(op, e, v, s.i32(by + 1n));
  const most = s.lanes(op, e, v, s.wrap(less));
  const half = s.lanes(op, e, most, s.i32(1));
  return rounded ? s.lanes('add', e, half, s.vector('and', most, all(s, e, 1n))) : half;
}

/** The destination with its kept bits. */
const inserted = (s: A64, e: Esize, moved: Val, a: Amounts, d: () => Val): Val =>
  s.vector('or', s.vector('and', d(), s.splat(e, a.keep())), moved);

interface Shift {
  readonly m: string;
  readonly u: '0' | '1';
  readonly opcode: Bits;
  readonly right: boolean;
  /** Sizes of the scalar form. */
  readonly scalar: readonly Esize[];
  readonly unsigned: boolean;
  readonly operation: Operation;
  readonly doc: string;
}

const D: readonly Esize[] = [64];
const us = (unsigned: boolean): string => (unsigned ? 'u' : 's');
const kind = (unsigned: boolean): string => (unsigned ? 'unsigned' : 'signed');

const signs = (make: (unsigned: boolean) => Omit<Shift, 'u' | 'unsigned'>): Shift[] =>
  [false, true].map((unsigned) => ({ ...make(unsigned), unsigned, u: unsigned ? '1' : '0' }));

const shifts: readonly Shift[] = [
  ...([false, true] as const).flatMap((rounded) => {
    const r = rounded ? 'r' : '';
    const how = rounded ? ', rounding' : '';
    return [
      ...signs((u) => ({
        m: `${us(u)}${r}shr`,
        opcode: rounded ? '00100' : '00000',
        right: true,
        scalar: D,
        doc: `Shifts ${kind(u)} elements to the right${how}.`,
        operation: { whole: (s, v, e, a) => right(s, v, e, a.less, u, rounded) },
      })),
      ...signs((u) => ({
        m: `${us(u)}${r}sra`,
        opcode: rounded ? '00110' : '00010',
        right: true,
        scalar: D,
        doc: `Shifts ${kind(u)} elements to the right${how}, and adds them to the destination.`,
        operation: { whole: (s, v, e, a, d) => s.lanes('add', e, d(), right(s, v, e, a.less, u, rounded)) },
      })),
    ];
  }),
  {
    m: 'sri',
    u: '1',
    unsigned: true,
    opcode: '01000',
    right: true,
    scalar: D,
    doc: 'Shifts to the right and inserts, keeping the upper bits of the destination.',
    operation: { whole: (s, v, e, a, d) => inserted(s, e, right(s, v, e, a.less, true, false), a, d) },
  },
  {
    m: 'shl',
    u: '0',
    unsigned: true,
    opcode: '01010',
    right: false,
    scalar: D,
    doc: 'Shifts to the left.',
    operation: { whole: (s, v, e, a) => s.lanes('shl', e, v, s.wrap(a.by)) },
  },
  {
    m: 'sli',
    u: '1',
    unsigned: true,
    opcode: '01010',
    right: false,
    scalar: D,
    doc: 'Shifts to the left and inserts, keeping the lower bits of the destination.',
    operation: { whole: (s, v, e, a, d) => inserted(s, e, s.lanes('shl', e, v, s.wrap(a.by)), a, d) },
  },
  {
    m: 'sqshlu',
    u: '1',
    unsigned: false,
    opcode: '01100',
    right: false,
    scalar: esizes,
    doc: 'Shifts signed elements to the left, with unsigned saturation.',
    // What is negative saturates to zero first: one way or the other, QC is set.
    operation: { each: (s, v, e, a) => shiftLeftSaturating(s, saturate(s, v, 64, true), a.by, e, true) },
  },
  ...signs((u) => ({
    m: `${us(u)}qshl`,
    opcode: '01110',
    right: false,
    scalar: esizes,
    doc: `Shifts ${kind(u)} elements to the left, with saturation.`,
    operation: { each: (s, v, e, a) => shiftLeftSaturating(s, v, a.by, e, u) },
  })),
];

const derived =
  (op: { right: boolean }, e: Esize) =>
  (f: RawFields): Record<'by' | 'less' | 'keep', bigint> => {
    const imm = f['imm'] ?? 0;
    const by = op.right ? e - imm : imm;
    const moved = op.right ? maskOf(e) >> BigInt(by) : (maskOf(e) << BigInt(by)) & maskOf(e);
    return { by: BigInt(by), less: BigInt(by - 1), keep: maskOf(e) & ~moved };
  };

type Derived = Readonly<Record<'by' | 'less' | 'keep', Operand>>;
const amounts = (s: A64, f: Derived): Amounts => ({
  get by() {
    return s.imm(f.by);
  },
  get less() {
    return s.imm(f.less);
  },
  keep: () => s.imm(f.keep),
});

const amountKind = (op: { right: boolean }, e: Esize): string => (op.right ? `u-${e}` : 'u');

const shiftRows = (op: Shift, e: Esize): readonly Row<A64>[] => [
  row(
    `${op.m.toUpperCase()} (vector, immediate, ${e}-bit)`,
    `0 Q ${op.u} 011110 ${immediates[e]} ${op.opcode} 1 rn:5 rd:5`,
    {
      asm: (f) =>
        `${op.m} <${vectorKind(f.Q, e)}:rd>, <${vectorKind(f.Q, e)}:rn>, #<${amountKind(op, e)}:imm>`,
      shape: ['Q'],
      shapes: () => (e === 64 ? [{ Q: 1 }] : [{ Q: 0 }, { Q: 1 }]),
      when: (f) => e !== 64 || f.Q === 1,
      derive: derived(op, e),
      doc: op.doc,
      exec(s, f) {
        s.checkFP();
        const a = amounts(s, f);
        if ('whole' in op.operation)
          return s.setVector(
            f.rd,
            op.operation.whole(s, s.q(f.rn), e, a, () => s.q(f.rd)),
            f.Q,
          );
        const { each } = op.operation;
        setElements(
          s,
          f.rd,
          elements(s, f.rn, f.Q, e, !op.unsigned).map((v) => each(s, v, e, a, () => v)),
          e,
        );
      },
    },
  ),
  ...(op.scalar.includes(e)
    ? [
        row(
          `${op.m.toUpperCase()} (SIMD scalar, immediate, ${e}-bit)`,
          `01 ${op.u} 111110 ${immediates[e]} ${op.opcode} 1 rn:5 rd:5`,
          {
            asm: `${op.m} <${letterOf(e)}:rd>, <${letterOf(e)}:rn>, #<${amountKind(op, e)}:imm>`,
            derive: derived(op, e),
            doc: op.doc,
            exec(s, f) {
              s.checkFP();
              const a = amounts(s, f);
              if ('whole' in op.operation)
                return s.setQ(
                  f.rd,
                  onlyFirst(
                    s,
                    op.operation.whole(s, s.q(f.rn), e, a, () => s.q(f.rd)),
                    e,
                  ),
                );
              const v = scalar(s, f.rn, e, !op.unsigned);
              setScalar(
                s,
                f.rd,
                op.operation.each(s, v, e, a, () => v),
                e,
              );
            },
          },
        ),
      ]
    : []),
];

// --- to and from twice the size ---------------------------------------------------------------------------------

type Narrow = 8 | 16 | 32;
const narrowSizes: readonly Narrow[] = [8, 16, 32];
const double = (e: Narrow): Esize => (2 * e) as Esize;
const two = (q: number): string => (q ? '2' : '');

type Saturation = 'none' | 'signed' | 'unsigned' | 'toUnsigned';

/** Elements of twice the size to `e` bits, in the lower half; the upper half is zero. */
export function narrowed(s: A64, v: Val, e: Esize, how: Saturation): Val {
  return lowHalves(s, how === 'none' ? v : limited(s, v, e, how), zero(s), e);
}

const narrowing = ([false, true] as const).flatMap((rounded) => {
  const r = rounded ? 'r' : '';
  const plain = rounded ? '10001' : '10000';
  const saturating = rounded ? '10011' : '10010';
  return [
    { m: `${r}shrn`, u: '0', opcode: plain, rounded, how: 'none', doc: 'to half their size' },
    {
      m: `sq${r}shrun`,
      u: '1',
      opcode: plain,
      rounded,
      how: 'toUnsigned',
      doc: 'from signed to unsigned ones of half the size, with saturation',
    },
    {
      m: `sq${r}shrn`,
      u: '0',
      opcode: saturating,
      rounded,
      how: 'signed',
      doc: 'to signed ones of half the size, with saturation',
    },
    {
      m: `uq${r}shrn`,
      u: '1',
      opcode: saturating,
      rounded,
      how: 'unsigned',
      doc: 'to unsigned ones of half the size, with saturation',
    },
  ] as const;
});

const narrowingRows = (op: (typeof narrowing)[number], e: Narrow): readonly Row<A64>[] => {
  const unsigned = op.how === 'unsigned' || op.how === 'none';
  const doc = `Shifts elements to the right${op.rounded ? ', rounding' : ''}, ${op.doc}.`;
  const all = (s: A64, v: Val, less: Val): Val =>
    narrowed(s, right(s, v, double(e), less, unsigned, op.rounded), e, op.how);
  return [
    row(
      `${op.m.toUpperCase()} (vector, ${e}-bit)`,
      `0 Q ${op.u} 011110 ${immediates[e]} ${op.opcode} 1 rn:5 rd:5`,
      {
        asm: (f) =>
          `${op.m}${two(f.Q)} <${vectorKind(f.Q, e)}:rd>, <${vectorKind(1, double(e))}:rn>, #<u-${e}:imm>`,
        shape: ['Q'],
        derive: derived({ right: true }, e),
        doc,
        exec(s, f) {
          s.checkFP();
          setHalf(s, f.rd, f.Q, all(s, s.q(f.rn), s.imm(f.less)));
        },
      },
    ),
    ...(op.how === 'none'
      ? []
      : [
          row(
            `${op.m.toUpperCase()} (SIMD scalar, ${e}-bit)`,
            `01 ${op.u} 111110 ${immediates[e]} ${op.opcode} 1 rn:5 rd:5`,
            {
              asm: `${op.m} <${letterOf(e)}:rd>, <${letterOf(double(e))}:rn>, #<u-${e}:imm>`,
              derive: derived({ right: true }, e),
              doc,
              exec(s, f) {
                s.checkFP();
                s.setQ(f.rd, all(s, onlyFirst(s, s.q(f.rn), double(e)), s.imm(f.less)));
              },
            },
          ),
        ]),
  ];
};

/** SSHLL, USHLL; a shift by 0 is preferred as SXTL, UXTL. */
const longRows = ([false, true] as const).flatMap((unsigned) =>
  narrowSizes.map((e) =>
    row(
      `${us(unsigned).toUpperCase()}SHLL (${e}-bit)`,
      `0 Q ${unsigned ? '1' : '0'} 011110 ${immediates[e]} 10100 1 rn:5 rd:5`,
      {
        asm: (f) => {
          const operands = `<${vectorKind(1, double(e))}:rd>, <${vectorKind(f.Q, e)}:rn>`;
          return [
            `${us(unsigned)}xtl${two(f.Q)} ${operands} ; imm=0`,
            `${us(unsigned)}shll${two(f.Q)} ${operands}, #<u:imm>`,
          ];
        },
        shape: ['Q'],
        derive: derived({ right: false }, e),
        doc: `Extends ${kind(unsigned)} elements to twice their size and shifts them to the left.`,
        exec(s, f) {
          s.checkFP();
          const v = widened(s, s.q(f.rn), e, f.Q, unsigned);
          s.setQ(f.rd, s.lanes('shl', double(e), v, s.wrap(s.imm(f.by))));
        },
      },
    ),
  ),
);

export const simdShiftRows: readonly Row<A64>[] = [
  ...shifts.flatMap((op) => esizes.flatMap((e) => shiftRows(op, e))),
  ...narrowing.flatMap((op) => narrowSizes.flatMap((e) => narrowingRows(op, e))),
  ...longRows,
];
