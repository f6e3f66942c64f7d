/** ZIP, UZP, TRN, EXT, TBL, TBX. Arm ARM DDI 0487 C4.1, "Advanced SIMD permute", "extract", "table lookup". */
import type { RawFields, Row } from '../../dsl/row';
import { row } from '../row';
import type { A64 } from '../sem';
import { esizeOf, vectorFits, vectorKind, vectorShapes, type Bits } from './lanes';

/** Which element of Rn followed by Rm (`n` each) goes to place i; part 1 is the second instruction of a pair. */
const permutations: readonly {
  m: string;
  opcode: Bits;
  doc: string;
  from: (i: number, n: number, part: number) => number;
}[] = [
  {
    m: 'uzp',
    opcode: '01',
    doc: 'elements of both sources with %numbers',
    from: (i, _n, part) => 2 * i + part,
  },
  {
    m: 'trn',
    opcode: '10',
    doc: 'elements with %numbers of both sources in turn',
    from: (i, n, part) => (i & 1 ? n : 0) + (i & ~1) + part,
  },
  {
    m: 'zip',
    opcode: '11',
    doc: 'elements of the %halves in turn',
    from: (i, n, part) => (i & 1 ? n : 0) + (i >> 1) + (part * n) / 2,
  },
];

const permutationRows = permutations.flatMap(({ m, opcode, doc, from }) =>
  ([0, 1] as const).map((part) => {
    const which = m === 'zip' ? (part ? 'upper ' : 'lower ') : part ? 'odd ' : 'even ';
    return row(
      `${m.toUpperCase()}${part + 1}`,
      `0 Q 0 01110 size:2 0 rm:5 0 ${part ? '1' : '0'}${opcode} 10 rn:5 rd:5`,
      {
        asm: (f) => {
          const t = vectorKind(f.Q, esizeOf(f.size));
          return `${m}${part + 1} <${t}:rd>, <${t}:rn>, <${t}:rm>`;
        },
        shape: ['Q', 'size'],
        shapes: vectorShapes(),
        when: vectorFits(),
        doc: `Permutes vectors: ${doc.replace('%', which)}.`,
        exec(s, f) {
          s.checkFP();
          const bytes = esizeOf(f.size) / 8;
          const count = (8 << f.Q) / bytes;
          const places = Array.from({ length: 16 }, (_, i) => {
            const element = from(Math.floor(i / bytes) % count, count, part);
            return (element < count ? element : element - count + 16 / bytes) * bytes + (i % bytes);
          });
          s.setVector(f.rd, s.shuffle(s.q(f.rn), s.q(f.rm), places), f.Q);
        },
      },
    );
  }),
);

const extRows: readonly Row<A64>[] = ([0, 1] as const).map((q) => {
  const size = 8 << q;
  const t = vectorKind(q, 8);
  return row(
    `EXT (${size} bytes)`,
    q ? '0 1 1 01110 00 0 rm:5 0 imm:4 0 rn:5 rd:5' : '0 0 1 01110 00 0 rm:5 0 0 imm:3 0 rn:5 rd:5',
    {
      asm: `ext <${t}:rd>, <${t}:rn>, <${t}:rm>, #<u:imm>`,
      shape: ['imm'],
      doc: `Extracts ${size} bytes from two ${q ? 'vectors' : 'halves of vectors'}, from a byte on.`,
      exec(s, f) {
        s.checkFP();
        const places = Array.from({ length: 16 }, (_, i) => {
          const from = f.imm + (i % size);
          return from < size ? from : from - size + 16;
        });
        s.setVector(f.rd, s.shuffle(s.q(f.rn), s.q(f.rm), places), q);
      },
    },
  );
});

/** A byte in all lanes. */
const ones = (byte: number): bigint => BigInt(byte) * 0x01010101010101010101010101010101n;

const listShapes = (): readonly RawFields<'Q' | 'len'>[] =>
  [0, 1].flatMap((Q) => [0, 1, 2, 3].map((len) => ({ Q, len })));

const tableRows = (['tbl', 'tbx'] as const).map((m) =>
  row(m.toUpperCase(), `0 Q 0 01110 000 rm:5 0 len:2 ${m === 'tbx' ? '1' : '0'} 00 rn:5 rd:5`, {
    asm: (f) => {
      const t = vectorKind(f.Q, 8);
      return `${m} <${t}:rd>, <list${f.len + 1}.16b:rn>, <${t}:rm>`;
    },
    shape: ['Q', 'len'],
    shapes: listShapes,
    doc: `Looks up bytes in a table of registers; ${m === 'tbl' ? 'zero' : 'the destination'} for indices outside.`,
    exec(s, f) {
      s.checkFP();
      const indices = s.q(f.rm);
      // Each register answers to its own 16 indices, with zero to all others.
      const found = Array.from({ length: f.len + 1 }, (_, n) =>
        s.vector('swizzle', s.q(f.rn, n), s.lanes('sub', 8, indices, s.v128(ones(16 * n)))),
      ).reduce((a, b) => s.vector('or', a, b));
      if (m === 'tbl') return s.setVector(f.rd, found, f.Q);
      const inside = s.lanes('lt_u', 8, indices, s.v128(ones(16 * (f.len + 1))));
      s.setVector(f.rd, s.vector('bitselect', found, s.q(f.rd), inside), f.Q);
    },
  }),
);

export const simdPermuteRows: readonly Row<A64>[] = [...permutationRows, ...extRows, ...tableRows];
