/**
 * AES and the 64-bit polynomial product (FEAT_AES, FEAT_PMULL). Arm ARM DDI 0487 C7.2, AESE, AESD, AESMC, AESIMC, PMULL. The S-box
 * is computed as FIPS 197 defines it (section 5.1.1), eight bytes at a time in an i64: inverse in GF(2^8), then an affine map.
 */
import type { Routine, Val } from '../../../ir/nodes';
import type { Row } from '../../dsl/row';
import { row } from '../row';
import type { A64 } from '../sem';
import { setElements } from './lanes';

const each = (byte: number): bigint => 0x0101010101010101n * BigInt(byte);

/** Every byte times x, modulo x^8 + x^4 + x^3 + x + 1. */
function timesX(s: A64, v: Val): Val {
  const carries = s.andi(s.shri(v, 7), each(1));
  return s.xor(s.shli(s.andi(v, each(0x7f)), 1), s.mul(carries, s.i64(0x1b)));
}

/** The product of bytes in GF(2^8). */
const fieldProduct: Routine = {
  k: 'routine',
  name: 'aesProduct',
  params: ['i64', 'i64'],
  result: 'i64',
  build: (s: A64, a: Val, b: Val) => {
    let r = s.i64(0);
    for (let bit = 7; bit >= 0; bit--) {
      const chosen = s.mul(s.andi(s.shri(b, bit), each(1)), s.i64(0xff));
      r = s.xor(timesX(s, r), s.and(a, chosen));
    }
    s.ret(r);
  },
};

/** The product of two bytes, in TypeScript. */
function byteProduct(a: number, b: number): number {
  let product = 0;
  for (let bit = 7; bit >= 0; bit--) {
    product = (product << 1) ^ (product & 0x80 ? 0x11b : 0) ^ ((b >> bit) & 1 ? a : 0);
  }
  return product;
}

/** Every byte to the power 2^n, which is linear: the powers of its bits, added. */
function power(s: A64, v: Val, n: number): Val {
  let r = s.i64(0);
  for (let bit = 0; bit < 8; bit++) {
    let image = 1 << bit;
    for (let i = 0; i < n; i++) image = byteProduct(image, image);
    r = s.xor(r, s.mul(s.andi(s.shri(v, bit), each(1)), s.i64(image)));
  }
  return r;
}

/** The inverse in GF(2^8), 0 for 0: the power 254. */
const fieldInverse: Routine = {
  k: 'routine',
  name: 'aesInverse',
  params: ['i64'],
  result: 'i64',
  build: (s: A64, x: Val) => {
    const times = (a: Val, b: Val): Val => s.call(fieldProduct, a, b);
    const x2 = power(s, x, 1);
    const x3 = times(x2, x);
    const x12 = power(s, x3, 2);
    const x240 = power(s, times(x12, x3), 4);
    s.ret(times(x240, times(x12, x2)));
  },
};

/** Every byte rotated left. */
const rotate = (s: A64, v: Val, by: number): Val => {
  const kept = (0xff >> by) & 0xff;
  return s.or(s.shli(s.andi(v, each(kept)), by), s.andi(s.shri(v, 8 - by), each(0xff >> (8 - by))));
};

const rotations = (s: A64, v: Val, by: readonly number[], constant: number): Val =>
  by.map((n) => rotate(s, v, n)).reduce((a, b) => s.xor(a, b), s.i64(each(constant)));

const substitute: Routine = {
  k: 'routine',
  name: 'aesSubstitute',
  params: ['i64'],
  result: 'i64',
  build: (s: A64, v: Val) => {
    const inverse = s.call(fieldInverse, v);
    s.ret(s.xor(inverse, rotations(s, inverse, [1, 2, 3, 4], 0x63)));
  },
};

const substituteBack: Routine = {
  k: 'routine',
  name: 'aesSubstituteBack',
  params: ['i64'],
  result: 'i64',
  build: (s: A64, v: Val) => s.ret(s.call(fieldInverse, rotations(s, v, [1, 3, 6], 0x05))),
};

/** Row r of the state (bytes r, r + 4, ...) moves by r columns. */
const rounds = [
  {
    m: 'aese',
    opcode: '00100',
    direction: 1,
    sub: substitute,
    doc: 'One round of AES without its columns: adds the key, shifts rows, substitutes bytes.',
  },
  {
    m: 'aesd',
    opcode: '00101',
    direction: -1,
    sub: substituteBack,
    doc: 'One round of AES decryption without its columns.',
  },
] as const;

const roundRows = rounds.map(({ m, opcode, direction, sub, doc }) =>
  row(m.toUpperCase(), `01001110 00 10100 ${opcode} 10 rn:5 rd:5`, {
    asm: `${m} <v.16b:rd>, <v.16b:rn>`,
    feature: 'AES',
    doc,
    exec(s, f) {
      s.checkFP();
      const half = (h: 0 | 1): Val => s.call(sub, s.xor(s.v(f.rd, h), s.v(f.rn, h)));
      const bytes = [half(0), half(1)].flatMap((v) =>
        Array.from({ length: 8 }, (_, i) => s.bits(v, 8 * i, 8)),
      );
      const shifted = bytes.map((_, i) => bytes[(i + 4 * direction * (i % 4) + 16) % 16]!);
      setElements(s, f.rd, shifted, 8);
    },
  }),
);

/** MixColumns(): columns are words. */
function mixColumns(s: A64, v: Val): Val {
  const next = (n: number): Val => {
    // Byte i takes that of place i + n in its word.
    const down = s.andi(s.shri(v, 8 * n), 0x0000000100000001n * BigInt(0xffffffff >>> (8 * n)));
    const up = s.andi(
      s.shli(v, 32 - 8 * n),
      0x0000000100000001n * BigInt((0xffffffff << (32 - 8 * n)) >>> 0),
    );
    return s.or(down, up);
  };
  const one = next(1);
  return [timesX(s, s.xor(v, one)), one, next(2), next(3)].reduce((a, b) => s.xor(a, b));
}

/** InvMixColumns(): what undoes it is MixColumns() of each byte plus 4 times its sum with the one two places on. */
function unmixColumns(s: A64, v: Val): Val {
  const words = 0x0000000100000001n;
  const two = s.or(s.andi(s.shri(v, 16), words * 0xffffn), s.shli(s.andi(v, words * 0xffffn), 16));
  return mixColumns(s, s.xor(v, timesX(s, timesX(s, s.xor(v, two)))));
}

const columnRows = (
  [
    ['aesmc', '00110', mixColumns, 'Mixes the columns of an AES state.'],
    ['aesimc', '00111', unmixColumns, 'Mixes the columns of an AES state back.'],
  ] as const
).map(([m, opcode, mix, doc]) =>
  row(m.toUpperCase(), `01001110 00 10100 ${opcode} 10 rn:5 rd:5`, {
    asm: `${m} <v.16b:rd>, <v.16b:rn>`,
    feature: 'AES',
    doc,
    exec(s, f) {
      s.checkFP();
      s.setV(f.rd, mix(s, s.v(f.rn)), mix(s, s.v(f.rn, 1)));
    },
  }),
);

/** One half of the carry-less product of two 64-bit numbers. */
const productHalf = (upper: boolean): Routine => ({
  k: 'routine',
  name: upper ? 'polynomialHigh' : 'polynomialLow',
  params: ['i64', 'i64'],
  result: 'i64',
  build: (s: A64, a: Val, b: Val) => {
    const result = s.local('result', s.i64(0));
    const i = s.local('i', s.i64(upper ? 1 : 0));
    s.loop((loop) => {
      const n = s.read(i);
      const moved = upper ? s.shru(a, s.neg(n)) : s.shl(a, n);
      s.assign(result, s.xor(s.read(result), s.and(moved, s.neg(s.andi(s.shru(b, n), 1)))));
      s.assign(i, s.addi(n, 1));
      s.if(s.eqi(s.read(i), 64), () => s.break(loop));
    });
    s.ret(s.read(result));
  },
});
const [productLow, productHigh] = [productHalf(false), productHalf(true)];

const pmullRow = row('PMULL (64-bit)', '0 Q 0 01110 11 1 rm:5 1110 00 rn:5 rd:5', {
  asm: (f) => {
    const t = f.Q ? '2d' : '1d';
    return `pmull${f.Q ? '2' : ''} <v.1q:rd>, <v.${t}:rn>, <v.${t}:rm>`;
  },
  shape: ['Q'],
  feature: 'PMULL',
  doc: 'Multiplies polynomials over {0, 1} of 64 bits.',
  exec(s, f) {
    s.checkFP();
    const half = f.Q ? 1 : 0;
    const [a, b] = [s.v(f.rn, half), s.v(f.rm, half)];
    s.setV(f.rd, s.call(productLow, a, b), s.call(productHigh, a, b));
  },
});

export const aesRows: readonly Row<A64>[] = [...roundRows, ...columnRows, pmullRow];
