/** SHA-512 (FEAT_SHA512) and the helpers of SHA-3 (FEAT_SHA3). Arm ARM DDI 0487 C7.2; FIPS 180-4 and 202 name the functions. */
import type { Val } from '../../../ir/nodes';
import type { Row } from '../../dsl/row';
import { row } from '../row';
import type { A64 } from '../sem';

const ror = (s: A64, v: Val, by: number): Val => s.ror(v, s.i64(by));
const xor = (s: A64, ...v: Val[]): Val => v.reduce((a, b) => s.xor(a, b));
const add = (s: A64, ...v: Val[]): Val => v.reduce((a, b) => s.add(a, b));
const sigma = (s: A64, v: Val, [a, b, c]: readonly [number, number, number]): Val =>
  xor(s, ror(s, v, a), ror(s, v, b), ror(s, v, c));
const schedule = (s: A64, v: Val, [a, b, c]: readonly [number, number, number]): Val =>
  xor(s, ror(s, v, a), ror(s, v, b), s.shri(v, c));
const choose = (s: A64, x: Val, y: Val, z: Val): Val => s.xor(s.and(s.xor(y, z), x), z);
const majority = (s: A64, x: Val, y: Val, z: Val): Val => s.or(s.and(x, y), s.and(s.or(x, y), z));

/** Both halves of a register, the low one first. */
const halves = (s: A64, r: Parameters<A64['v']>[0]): [Val, Val] => [s.v(r), s.v(r, 1)];

const sha512Rows: readonly Row<A64>[] = [
  row('SHA512H', '11001110 011 rm:5 100000 rn:5 rd:5', {
    asm: 'sha512h <q:rd>, <q:rn>, <v.2d:rm>',
    feature: 'SHA512',
    doc: 'First half of two rounds of SHA-512.',
    exec(s, f) {
      s.checkFP();
      const [x0, x1] = halves(s, f.rn);
      const [y0, y1] = halves(s, f.rm);
      const [w0, w1] = halves(s, f.rd);
      const hi = add(s, choose(s, y1, x0, x1), sigma(s, y1, [14, 18, 41]), w1);
      const e = s.add(hi, y0);
      s.setV(f.rd, add(s, choose(s, e, y1, x0), sigma(s, e, [14, 18, 41]), w0), hi);
    },
  }),
  row('SHA512H2', '11001110 011 rm:5 100001 rn:5 rd:5', {
    asm: 'sha512h2 <q:rd>, <q:rn>, <v.2d:rm>',
    feature: 'SHA512',
    doc: 'Second half of two rounds of SHA-512.',
    exec(s, f) {
      s.checkFP();
      const x0 = s.v(f.rn);
      const [y0, y1] = halves(s, f.rm);
      const [w0, w1] = halves(s, f.rd);
      const hi = add(s, majority(s, x0, y1, y0), sigma(s, y0, [28, 34, 39]), w1);
      s.setV(f.rd, add(s, majority(s, hi, y0, y1), sigma(s, hi, [28, 34, 39]), w0), hi);
    },
  }),
  row('SHA512SU0', '11001110 110 00000 100000 rn:5 rd:5', {
    asm: 'sha512su0 <v.2d:rd>, <v.2d:rn>',
    feature: 'SHA512',
    doc: 'First part of two words of the SHA-512 message schedule.',
    exec(s, f) {
      s.checkFP();
      const [w0, w1] = halves(s, f.rd);
      const next = s.v(f.rn);
      s.setV(f.rd, s.add(w0, schedule(s, w1, [1, 8, 7])), s.add(w1, schedule(s, next, [1, 8, 7])));
    },
  }),
  row('SHA512SU1', '11001110 011 rm:5 100010 rn:5 rd:5', {
    asm: 'sha512su1 <v.2d:rd>, <v.2d:rn>, <v.2d:rm>',
    feature: 'SHA512',
    doc: 'Second part of two words of the SHA-512 message schedule.',
    exec(s, f) {
      s.checkFP();
      const half = (h: 0 | 1): Val =>
        add(s, s.v(f.rd, h), schedule(s, s.v(f.rn, h), [19, 61, 6]), s.v(f.rm, h));
      const lo = half(0);
      s.setV(f.rd, lo, half(1));
    },
  }),
];

const fourRegisters = [
  {
    m: 'eor3',
    op: '000',
    doc: 'Exclusive OR of three vectors.',
    apply: (s: A64, n: Val, m: Val, a: Val): Val => xor(s, n, m, a),
  },
  {
    m: 'bcax',
    op: '001',
    doc: 'Clears the bits of the third source in the second, and exclusive-ors the first.',
    apply: (s: A64, n: Val, m: Val, a: Val): Val => s.xor(n, s.and(m, s.not(a))),
  },
] as const;

const sha3Rows: readonly Row<A64>[] = [
  ...fourRegisters.map(({ m, op, doc, apply }) =>
    row(m.toUpperCase(), `11001110 ${op} rm:5 0 ra:5 rn:5 rd:5`, {
      asm: `${m} <v.16b:rd>, <v.16b:rn>, <v.16b:rm>, <v.16b:ra>`,
      feature: 'SHA3',
      doc,
      exec(s, f) {
        s.checkFP();
        const half = (h: 0 | 1): Val => apply(s, s.v(f.rn, h), s.v(f.rm, h), s.v(f.ra, h));
        const lo = half(0);
        s.setV(f.rd, lo, half(1));
      },
    }),
  ),
  row('RAX1', '11001110 011 rm:5 100011 rn:5 rd:5', {
    asm: 'rax1 <v.2d:rd>, <v.2d:rn>, <v.2d:rm>',
    feature: 'SHA3',
    doc: 'Rotates the second source left by one bit, and exclusive-ors the first.',
    exec(s, f) {
      s.checkFP();
      const half = (h: 0 | 1): Val => s.xor(s.v(f.rn, h), ror(s, s.v(f.rm, h), 63));
      const lo = half(0);
      s.setV(f.rd, lo, half(1));
    },
  }),
  row('XAR', '11001110 100 rm:5 imm6:6 rn:5 rd:5', {
    asm: 'xar <v.2d:rd>, <v.2d:rn>, <v.2d:rm>, #<u:imm6>',
    feature: 'SHA3',
    doc: 'Exclusive OR, rotated right.',
    exec(s, f) {
      s.checkFP();
      const by = s.imm(f.imm6);
      const half = (h: 0 | 1): Val => s.ror(s.xor(s.v(f.rn, h), s.v(f.rm, h)), by);
      const lo = half(0);
      s.setV(f.rd, lo, half(1));
    },
  }),
];

export const sha512And3Rows: readonly Row<A64>[] = [...sha512Rows, ...sha3Rows];
