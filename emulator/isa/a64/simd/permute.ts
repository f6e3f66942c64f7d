/** ZIP, UZP, TRN, EXT, TBL, TBX. Arm ARM DDI 0487 C4.1, "Advanced SIMD permute", "extract", "table lookup". */
import type { Routine, Val } from '../../../ir/nodes';
import type { RawFields, Row } from '../../dsl/row';
import { row } from '../row';
import type { A64 } from '../sem';
import { state } from '../state';
import { elements, esizeOf, setElements, vectorFits, vectorKind, vectorShapes, type Bits } from './lanes';

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
          const e = esizeOf(f.size);
          const n = elements(s, f.rn, f.Q, e);
          const both = [...n, ...elements(s, f.rm, f.Q, e)];
          setElements(
            s,
            f.rd,
            n.map((_, i) => both[from(i, n.length, part)]!),
            e,
          );
        },
      },
    );
  }),
);

/** 64 bits of `hi`:`lo` from a bit that is a multiple of 8: i64, below 64. */
const funnel = (s: A64, lo: Val, hi: Val, bit: Val): Val => {
  const joined = s.or(s.shru(lo, bit), s.shl(hi, s.neg(bit)));
  return s.select(s.eqz(bit), lo, joined);
};

const extRows: readonly Row<A64>[] = [
  row('EXT (8 bytes)', '0 0 1 01110 00 0 rm:5 0 0 imm:3 0 rn:5 rd:5', {
    asm: 'ext <v.8b:rd>, <v.8b:rn>, <v.8b:rm>, #<u:imm>',
    derive: (f) => ({ bit: 8 * f.imm }),
    doc: 'Extracts 8 bytes from two halves of vectors, from a byte on.',
    exec(s, f) {
      s.checkFP();
      s.setV(f.rd, funnel(s, s.v(f.rn), s.v(f.rm), s.imm(f.bit)));
    },
  }),
  row('EXT (16 bytes)', '0 1 1 01110 00 0 rm:5 0 imm:4 0 rn:5 rd:5', {
    asm: 'ext <v.16b:rd>, <v.16b:rn>, <v.16b:rm>, #<u:imm>',
    derive: (f) => ({ bit: 8 * (f.imm & 7), upper: f.imm >> 3 }),
    doc: 'Extracts 16 bytes from two vectors, from a byte on.',
    exec(s, f) {
      s.checkFP();
      const bit = s.imm(f.bit);
      const upper = s.imm(f.upper, 'i32');
      const words = [s.v(f.rn), s.v(f.rn, 1), s.v(f.rm), s.v(f.rm, 1)] as const;
      const pick = (i: 0 | 1 | 2): Val => s.select(upper, words[i + 1]!, words[i]!);
      const [a, b, c] = [pick(0), pick(1), pick(2)];
      s.setV(f.rd, funnel(s, a, b, bit), funnel(s, b, c, bit));
    },
  }),
];

/** Byte `index` of the registers from number `first` on; V0 follows V31. */
function tableByte(s: A64, first: Val, index: Val): Val {
  const place = s.andi(s.add(s.shli(first, 4), index), 16 * 32 - 1);
  return s.ld(1, s.add(s.cpu(), place), state.v.offset, 'i64');
}

/** 8 indices to bytes of a table: (indices, first register, bytes in the table, what indices outside give). */
const lookup: Routine = {
  k: 'routine',
  name: 'tableLookup',
  params: ['i64', 'i32', 'i32', 'i64'],
  result: 'i64',
  build: (s: A64, indices: Val, table: Val, size: Val, otherwise: Val) => {
    const result = s.local('result', s.i64(0));
    const at = s.local('at', s.i64(0));
    s.loop((loop) => {
      const shift = s.read(at);
      const index = s.wrap(s.andi(s.shru(indices, shift), 0xff));
      const byte = s.local('byte', s.andi(s.shru(otherwise, shift), 0xff));
      s.if(s.ltu(index, size), () => s.assign(byte, tableByte(s, table, index)));
      s.assign(result, s.or(s.read(result), s.shl(s.read(byte), shift)));
      s.assign(at, s.addi(shift, 8));
      s.if(s.eqi(s.read(at), 64), () => s.break(loop));
    });
    s.ret(s.read(result));
  },
};

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
      const first = s.num(f.rn);
      const size = s.i32(16 * (f.len + 1));
      const half = (h: 0 | 1): Val =>
        s.call(lookup, s.v(f.rm, h), first, size, m === 'tbx' ? s.v(f.rd, h) : s.i64(0));
      const lo = half(0);
      s.setV(f.rd, lo, f.Q ? half(1) : s.i64(0));
    },
  }),
);

export const simdPermuteRows: readonly Row<A64>[] = [...permutationRows, ...extRows, ...tableRows];
