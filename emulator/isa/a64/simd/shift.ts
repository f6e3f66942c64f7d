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
  halfElements,
  letterOf,
  maskOf,
  scalar,
  setElements,
  setHalfElements,
  setScalar,
  vectorKind,
  type Bits,
  type Esize,
} from './lanes';
import { saturate, saturateUnsigned, shiftLeftSaturating, shiftRight } from './saturate';

/** immh:immb by element size: the fixed part and the field. */
const immediates = { 8: '0001 imm:3', 16: '001 imm:4', 32: '01 imm:5', 64: '1 imm:6' } as const;

/** The shift as operands: `by` to the left; `less`, one less than a shift to the right; a mask of what SRI and SLI keep. */
interface Amounts {
  readonly by: Val;
  readonly less: Val;
  readonly keep: () => Val;
}

interface Shift {
  readonly m: string;
  readonly u: '0' | '1';
  readonly opcode: Bits;
  readonly right: boolean;
  /** Sizes of the scalar form. */
  readonly scalar: readonly Esize[];
  readonly unsigned: boolean;
  readonly apply: (s: A64, v: Val, e: Esize, a: Amounts, d: () => Val) => Val;
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
        apply: (s, v, _e, a) => shiftRight(s, v, a.less, u, rounded),
      })),
      ...signs((u) => ({
        m: `${us(u)}${r}sra`,
        opcode: rounded ? '00110' : '00010',
        right: true,
        scalar: D,
        doc: `Shifts ${kind(u)} elements to the right${how}, and adds them to the destination.`,
        apply: (s, v, _e, a, d) => s.add(d(), shiftRight(s, v, a.less, u, rounded)),
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
    apply: (s, v, _e, a, d) => s.or(s.and(d(), a.keep()), shiftRight(s, v, a.less, true, false)),
  },
  {
    m: 'shl',
    u: '0',
    unsigned: true,
    opcode: '01010',
    right: false,
    scalar: D,
    doc: 'Shifts to the left.',
    apply: (s, v, _e, a) => s.shl(v, a.by),
  },
  {
    m: 'sli',
    u: '1',
    unsigned: true,
    opcode: '01010',
    right: false,
    scalar: D,
    doc: 'Shifts to the left and inserts, keeping the lower bits of the destination.',
    apply: (s, v, _e, a, d) => s.or(s.and(d(), a.keep()), s.shl(v, a.by)),
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
    apply: (s, v, e, a) => shiftLeftSaturating(s, saturate(s, v, 64, true), a.by, e, true),
  },
  ...signs((u) => ({
    m: `${us(u)}qshl`,
    opcode: '01110',
    right: false,
    scalar: esizes,
    doc: `Shifts ${kind(u)} elements to the left, with saturation.`,
    apply: (s, v, e, a) => shiftLeftSaturating(s, v, a.by, e, u),
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

const usesDestination = (op: Shift): boolean => /sra$|^s[rl]i$/.test(op.m);

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
        const d = usesDestination(op) ? elements(s, f.rd, f.Q, e) : [];
        const n = elements(s, f.rn, f.Q, e, !op.unsigned);
        setElements(
          s,
          f.rd,
          n.map((v, i) => op.apply(s, v, e, a, () => d[i]!)),
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
              const v = scalar(s, f.rn, e, !op.unsigned);
              setScalar(
                s,
                f.rd,
                op.apply(s, v, e, amounts(s, f), () => scalar(s, f.rd, e)),
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

/** An element of twice the size to `e` bits. */
export function narrow(s: A64, v: Val, e: Esize, how: Saturation): Val {
  if (how === 'none') return v;
  return how === 'unsigned' ? saturateUnsigned(s, v, e) : saturate(s, v, e, how === 'toUnsigned');
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
  const one = (s: A64, v: Val, less: Val): Val =>
    narrow(s, shiftRight(s, v, less, unsigned, op.rounded), e, op.how);
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
          const less = s.imm(f.less);
          const values = elements(s, f.rn, 1, double(e), !unsigned).map((v) => one(s, v, less));
          setHalfElements(s, f.rd, f.Q, values, e);
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
                setScalar(s, f.rd, one(s, scalar(s, f.rn, double(e), !unsigned), s.imm(f.less)), e);
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
          const by = s.imm(f.by);
          const values = halfElements(s, f.rn, f.Q, e, !unsigned).map((v) => s.shl(v, by));
          setElements(s, f.rd, values, double(e));
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
