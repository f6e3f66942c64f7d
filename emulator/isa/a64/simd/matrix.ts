/** Products of bytes of mixed signs and of small matrices (FEAT_I8MM). Arm ARM DDI 0487 C7.2, USDOT, SUDOT, SMMLA, UMMLA, USMMLA. */
import type { Row } from '../../dsl/row';
import { row } from '../row';
import type { A64 } from '../sem';
import { elementPlace, elements, setElements, vectorKind } from './lanes';
import { dotProduct } from './three-same';

/** Are the bytes of Rn, and of Rm, signed? */
const matrices = [
  { m: 'smmla', u: '0', op: '101001', n: true, r: true },
  { m: 'ummla', u: '1', op: '101001', n: false, r: false },
  { m: 'usmmla', u: '0', op: '101011', n: false, r: true },
] as const;

const matrixRows = matrices.map(({ m, u, op, n, r }) =>
  row(m.toUpperCase(), `0 1 ${u} 01110 10 0 rm:5 ${op} rn:5 rd:5`, {
    asm: `${m} <v.4s:rd>, <v.16b:rn>, <v.16b:rm>`,
    feature: 'I8MM',
    doc: 'Adds the product of two matrices of 2 by 8 bytes, the second transposed, to one of 2 by 2 words.',
    exec(s, f) {
      s.checkFP();
      const [a, b] = [elements(s, f.rn, 1, 8, n), elements(s, f.rm, 1, 8, r)];
      const sums = elements(s, f.rd, 1, 32).map((d, i) =>
        dotProduct(s, a.slice(8 * (i >> 1), 8 * (i >> 1) + 8), b.slice(8 * (i & 1), 8 * (i & 1) + 8), d),
      );
      setElements(s, f.rd, sums, 32);
    },
  }),
);

const usdot = row('USDOT (vector)', '0 Q 0 01110 10 0 rm:5 100111 rn:5 rd:5', {
  asm: (f) => `usdot <${vectorKind(f.Q, 32)}:rd>, <${vectorKind(f.Q, 8)}:rn>, <${vectorKind(f.Q, 8)}:rm>`,
  shape: ['Q'],
  feature: 'I8MM',
  doc: 'Adds four products of unsigned by signed bytes to each word.',
  exec(s, f) {
    s.checkFP();
    const [n, m] = [elements(s, f.rn, f.Q, 8), elements(s, f.rm, f.Q, 8, true)];
    const words = elements(s, f.rd, f.Q, 32).map((d, i) =>
      dotProduct(s, n.slice(4 * i, 4 * i + 4), m.slice(4 * i, 4 * i + 4), d),
    );
    setElements(s, f.rd, words, 32);
  },
});

const indexed = [
  { m: 'usdot', size: '10', signed: false, doc: 'unsigned bytes by four signed ones of Rm' },
  { m: 'sudot', size: '00', signed: true, doc: 'signed bytes by four unsigned ones of Rm' },
] as const;

const indexedRows = indexed.map(({ m, size, signed, doc }) =>
  row(`${m.toUpperCase()} (by element)`, `0 Q 0 01111 ${size} L rm:5 1111 H 0 rn:5 rd:5`, {
    asm: (f) => `${m} <${vectorKind(f.Q, 32)}:rd>, <${vectorKind(f.Q, 8)}:rn>, <v.4b:rm,H,L>`,
    shape: ['Q'],
    derive: (f) => ({ from: elementPlace(f.rm, 2 * f.H + f.L, 32) }),
    feature: 'I8MM',
    doc: `Adds four products of ${doc} to each word.`,
    exec(s, f) {
      s.checkFP();
      const b = [0, 1, 2, 3].map((i) => {
        const byte = s.zext(s.element(f.from, 1, i));
        return signed ? byte : s.sext8(byte);
      });
      const n = elements(s, f.rn, f.Q, 8, signed);
      const words = elements(s, f.rd, f.Q, 32).map((d, i) => dotProduct(s, n.slice(4 * i, 4 * i + 4), b, d));
      setElements(s, f.rd, words, 32);
    },
  }),
);

export const simdMatrixRows: readonly Row<A64>[] = [...matrixRows, usdot, ...indexedRows];
