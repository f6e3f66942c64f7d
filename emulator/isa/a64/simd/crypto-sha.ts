/** SHA-1 and SHA-256 (FEAT_SHA1, FEAT_SHA256). Arm ARM DDI 0487 C7.2, SHA1C to SHA256SU1; FIPS 180-4 names the functions. */
import type { Operand, Val } from '../../../ir/nodes';
import type { Row } from '../../dsl/row';
import { row } from '../row';
import type { A64 } from '../sem';
import { elements, setElements } from './lanes';

/** The four words of a register, i32. */
const words = (s: A64, r: Operand): Val[] => elements(s, r, 1, 32).map((v) => s.wrap(v));

function setWords(s: A64, rd: Operand, values: readonly Val[]): void {
  setElements(
    s,
    rd,
    values.map((v) => s.zext(v)),
    32,
  );
}

const rol = (s: A64, v: Val, by: number): Val => s.ror(v, s.i32(32 - by));
const ror = (s: A64, v: Val, by: number): Val => s.ror(v, s.i32(by));
const xor = (s: A64, ...v: Val[]): Val => v.reduce((a, b) => s.xor(a, b));
const add = (s: A64, ...v: Val[]): Val => v.reduce((a, b) => s.add(a, b));

type Mix = (s: A64, x: Val, y: Val, z: Val) => Val;
const choose: Mix = (s, x, y, z) => s.xor(s.and(s.xor(y, z), x), z);
const parity: Mix = (s, x, y, z) => xor(s, x, y, z);
const majority: Mix = (s, x, y, z) => s.or(s.and(x, y), s.and(s.or(x, y), z));

const hashes = [
  { m: 'sha1c', opcode: '000', mix: choose, doc: 'Four rounds of SHA-1 with the choose function.' },
  { m: 'sha1p', opcode: '001', mix: parity, doc: 'Four rounds of SHA-1 with the parity function.' },
  { m: 'sha1m', opcode: '010', mix: majority, doc: 'Four rounds of SHA-1 with the majority function.' },
] as const;

const sha1Rounds = hashes.map(({ m, opcode, mix, doc }) =>
  row(m.toUpperCase(), `01011110 000 rm:5 0 ${opcode} 00 rn:5 rd:5`, {
    asm: `${m} <q:rd>, <s:rn>, <v.4s:rm>`,
    feature: 'SHA1',
    doc,
    exec(s, f) {
      s.checkFP();
      let [a, b, c, d] = words(s, f.rd) as [Val, Val, Val, Val];
      let e = s.wrap(s.v(f.rn));
      for (const w of words(s, f.rm)) {
        const t = add(s, e, rol(s, a, 5), mix(s, b, c, d), w);
        [a, b, c, d, e] = [t, a, rol(s, b, 30), c, d];
      }
      setWords(s, f.rd, [a, b, c, d]);
    },
  }),
);

/** Both halves of four rounds of SHA-256: `x` holds a to d, `y` e to h. */
function sha256Rounds(s: A64, x: readonly Val[], y: readonly Val[], w: readonly Val[]): [Val[], Val[]] {
  let [a, b, c, d] = x as [Val, Val, Val, Val];
  let [e, f, g, h] = y as [Val, Val, Val, Val];
  for (const word of w) {
    const sigma1 = xor(s, ror(s, e, 6), ror(s, e, 11), ror(s, e, 25));
    const t1 = add(s, h, sigma1, choose(s, e, f, g), word);
    const sigma0 = xor(s, ror(s, a, 2), ror(s, a, 13), ror(s, a, 22));
    const t2 = add(s, sigma0, majority(s, a, b, c));
    [a, b, c, d, e, f, g, h] = [s.add(t1, t2), a, b, c, s.add(d, t1), e, f, g];
  }
  return [
    [a, b, c, d],
    [e, f, g, h],
  ];
}

const schedule = (s: A64, v: Val, by: readonly [number, number, number]): Val =>
  xor(s, ror(s, v, by[0]), ror(s, v, by[1]), s.shri(v, by[2]));

export const shaRows: readonly Row<A64>[] = [
  ...sha1Rounds,
  row('SHA1SU0', '01011110 000 rm:5 0 011 00 rn:5 rd:5', {
    asm: 'sha1su0 <v.4s:rd>, <v.4s:rn>, <v.4s:rm>',
    feature: 'SHA1',
    doc: 'First part of four words of the SHA-1 message schedule.',
    exec(s, f) {
      s.checkFP();
      const lo = xor(s, s.v(f.rd, 1), s.v(f.rd), s.v(f.rm));
      const hi = xor(s, s.v(f.rn), s.v(f.rd, 1), s.v(f.rm, 1));
      s.setV(f.rd, lo, hi);
    },
  }),
  row('SHA1SU1', '01011110 00 10100 00001 10 rn:5 rd:5', {
    asm: 'sha1su1 <v.4s:rd>, <v.4s:rn>',
    feature: 'SHA1',
    doc: 'Second part of four words of the SHA-1 message schedule.',
    exec(s, f) {
      s.checkFP();
      const n = words(s, f.rn);
      const t = words(s, f.rd).map((v, i) => (i < 3 ? s.xor(v, n[i + 1]!) : v));
      const out = t.map((v) => rol(s, v, 1));
      out[3] = s.xor(out[3]!, rol(s, t[0]!, 2));
      setWords(s, f.rd, out);
    },
  }),
  row('SHA1H', '01011110 00 10100 00000 10 rn:5 rd:5', {
    asm: 'sha1h <s:rd>, <s:rn>',
    feature: 'SHA1',
    doc: 'Rotates a word of the SHA-1 state for the next rounds.',
    exec(s, f) {
      s.checkFP();
      s.setV(f.rd, s.zext(rol(s, s.wrap(s.v(f.rn)), 30)));
    },
  }),
  row('SHA256H', '01011110 000 rm:5 0 100 00 rn:5 rd:5', {
    asm: 'sha256h <q:rd>, <q:rn>, <v.4s:rm>',
    feature: 'SHA256',
    doc: 'Four rounds of SHA-256: the first half of the state.',
    exec(s, f) {
      s.checkFP();
      setWords(s, f.rd, sha256Rounds(s, words(s, f.rd), words(s, f.rn), words(s, f.rm))[0]);
    },
  }),
  row('SHA256H2', '01011110 000 rm:5 0 101 00 rn:5 rd:5', {
    asm: 'sha256h2 <q:rd>, <q:rn>, <v.4s:rm>',
    feature: 'SHA256',
    doc: 'Four rounds of SHA-256: the second half of the state.',
    exec(s, f) {
      s.checkFP();
      setWords(s, f.rd, sha256Rounds(s, words(s, f.rn), words(s, f.rd), words(s, f.rm))[1]);
    },
  }),
  row('SHA256SU0', '01011110 00 10100 00010 10 rn:5 rd:5', {
    asm: 'sha256su0 <v.4s:rd>, <v.4s:rn>',
    feature: 'SHA256',
    doc: 'First part of four words of the SHA-256 message schedule.',
    exec(s, f) {
      s.checkFP();
      const d = words(s, f.rd);
      const next = [...d.slice(1), words(s, f.rn)[0]!];
      setWords(
        s,
        f.rd,
        d.map((v, i) => s.add(v, schedule(s, next[i]!, [7, 18, 3]))),
      );
    },
  }),
  row('SHA256SU1', '01011110 000 rm:5 0 110 00 rn:5 rd:5', {
    asm: 'sha256su1 <v.4s:rd>, <v.4s:rn>, <v.4s:rm>',
    feature: 'SHA256',
    doc: 'Second part of four words of the SHA-256 message schedule.',
    exec(s, f) {
      s.checkFP();
      const m = words(s, f.rm);
      const seven = [...words(s, f.rn).slice(1), m[0]!];
      const out: Val[] = [];
      // The last two words depend on the first two.
      words(s, f.rd).forEach((v, i) => {
        const two = i < 2 ? m[i + 2]! : out[i - 2]!;
        out.push(add(s, v, seven[i]!, schedule(s, two, [17, 19, 10])));
      });
      setWords(s, f.rd, out);
    },
  }),
];
