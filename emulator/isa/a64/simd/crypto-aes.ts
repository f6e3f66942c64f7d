/**
 * AES and the 64-bit polynomial product (FEAT_AES, FEAT_PMULL). Arm ARM DDI 0487 C7.2, AESE, AESD, AESMC, AESIMC, PMULL. The S-box
 * is what FIPS 197 defines (section 5.1.1), the inverse in GF(2^8) and an affine map, for 16 bytes at a time: as polynomials over
 * GF(2^4), whose arithmetic fits into tables of 16 bytes, which one instruction of the host looks up in all lanes.
 */
import type { Routine, Val } from '../../../ir/nodes';
import { fromLanes } from '../../../ir/simd';
import type { Row } from '../../dsl/row';
import { row } from '../row';
import type { A64 } from '../sem';
import { all, zero } from './whole';

/** The product of two polynomials modulo another of degree n. */
function product(a: number, b: number, modulus: number, n: number): number {
  let result = 0;
  for (let bit = n - 1; bit >= 0; bit--) {
    result <<= 1;
    if (result >> n) result ^= modulus;
    if ((b >> bit) & 1) result ^= a;
  }
  return result;
}

const numbers = (n: number): number[] => Array.from({ length: n }, (_, i) => i);

/** GF(2^4), modulo x^4 + x + 1; x generates it. */
const nibbleProduct = (a: number, b: number): number => product(a, b, 0b10011, 4);
const exponentials = numbers(15).map((n) => numbers(n).reduce((p) => nibbleProduct(p, 2), 1));
/** The logarithm of 0 is so large that no sum with it has an entry in a table. */
const NONE = 0x40;
const logarithm = (v: number): number => (v === 0 ? NONE : exponentials.indexOf(v));

/** y^2 = y + nu has no solution in GF(2^4): bytes are h * y + l. */
const nu = numbers(16).find((v) => numbers(16).every((y) => (nibbleProduct(y, y) ^ y) !== v))!;
const towerProduct = (a: number, b: number): number => {
  const [ah, al, bh, bl] = [a >> 4, a & 15, b >> 4, b & 15];
  const high = nibbleProduct(ah, bh);
  const h = high ^ nibbleProduct(ah, bl) ^ nibbleProduct(al, bh);
  return (h << 4) | (nibbleProduct(high, nu) ^ nibbleProduct(al, bl));
};

/** The powers of a root of AES's polynomial: what bits of a byte stand for in that field. */
const basis = ((): number[] => {
  for (const root of numbers(256)) {
    const powers = numbers(9).map((n) => numbers(n).reduce((p) => towerProduct(p, root), 1));
    if (root > 1 && (powers[8]! ^ powers[4]! ^ powers[3]! ^ root ^ 1) === 0) return powers.slice(0, 8);
  }
  throw new Error('AES: no root');
})();
const toTower = (v: number): number => basis.reduce((sum, p, bit) => ((v >> bit) & 1 ? sum ^ p : sum), 0);
const fromTower = numbers(256).reduce<number[]>((list, v) => {
  list[toTower(v)] = v;
  return list;
}, []);

const rotations = (v: number, by: readonly number[]): number =>
  by.reduce((sum, n) => sum ^ (((v << n) | (v >> (8 - n))) & 0xff), 0);
/** The affine map of SubBytes() without its constant, and its inverse. */
const affine = (v: number): number => rotations(v, [0, 1, 2, 3, 4]);
const affineBack = (v: number): number => rotations(v, [1, 3, 6]);

const table = (s: A64, f: (v: number) => number): Val =>
  s.v128(
    fromLanes(
      numbers(16).map((v) => BigInt(f(v))),
      8,
    ),
  );
const look = (s: A64, v: Val, f: (v: number) => number): Val => s.vector('swizzle', table(s, f), v);
const xor = (s: A64, ...v: readonly Val[]): Val => v.reduce((a, b) => s.vector('xor', a, b));

const nibbles = (s: A64, v: Val): { low: Val; high: Val } => {
  const mask = all(s, 8, 15n);
  return { low: s.vector('and', v, mask), high: s.vector('and', s.lanes('shr_u', 16, v, s.i32(4)), mask) };
};

/** Products of nibbles, by their logarithms. */
function power(s: A64, a: Val, b: Val): Val {
  const sum = s.lanes('add', 8, a, b);
  const reduced = s.lanes('min_u', 8, sum, s.lanes('sub', 8, sum, all(s, 8, 15n)));
  return look(s, reduced, (v) => exponentials[v] ?? 0);
}

/** For each byte `after` of the inverse of `before` of it, both linear: 1 / (h y + l) = (h y + h + l) / (h^2 nu + h l + l^2). */
function inverted(s: A64, v: Val, before: (v: number) => number, after: (v: number) => number): Val {
  const bytes = nibbles(s, v);
  const moved = nibbles(
    s,
    xor(
      s,
      look(s, bytes.low, (n) => toTower(before(n))),
      look(s, bytes.high, (n) => toTower(before(n << 4))),
    ),
  );
  const { high, low } = moved;
  const sum = xor(s, high, low);
  const [logHigh, logSum] = [look(s, high, logarithm), look(s, sum, logarithm)];
  const norm = xor(
    s,
    look(s, high, (n) => nibbleProduct(nibbleProduct(n, n), nu)),
    power(s, look(s, low, logarithm), logSum),
  );
  const logInverse = look(s, norm, (n) => (n === 0 ? NONE : (15 - logarithm(n)) % 15));
  return xor(
    s,
    look(s, power(s, logHigh, logInverse), (n) => after(fromTower[n << 4]!)),
    look(s, power(s, logSum, logInverse), (n) => after(fromTower[n]!)),
  );
}

const same = (v: number): number => v;

/** Row r of the state (bytes r, r + 4, ...) moves by r columns. */
const rounds = [
  {
    m: 'aese',
    opcode: '00100',
    direction: 1,
    sub: (s: A64, v: Val) => xor(s, inverted(s, v, same, affine), all(s, 8, 0x63n)),
    doc: 'One round of AES without its columns: adds the key, shifts rows, substitutes bytes.',
  },
  {
    m: 'aesd',
    opcode: '00101',
    direction: -1,
    sub: (s: A64, v: Val) => inverted(s, xor(s, v, all(s, 8, 0x63n)), affineBack, same),
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
      const v = xor(s, s.q(f.rd), s.q(f.rn));
      const shifted = s.shuffle(
        v,
        v,
        numbers(16).map((i) => (i + 4 * direction * (i % 4) + 16) % 16),
      );
      s.setQ(f.rd, sub(s, shifted));
    },
  }),
);

/** Every byte times x. */
const timesX = (s: A64, v: Val): Val =>
  xor(s, s.lanes('add', 8, v, v), s.vector('and', s.lanes('lt_s', 8, v, zero(s)), all(s, 8, 0x1bn)));

/** Byte i takes that of place i + n in its column. */
const below = (s: A64, v: Val, n: number): Val =>
  s.shuffle(
    v,
    v,
    numbers(16).map((i) => (i & ~3) | ((i + n) & 3)),
  );

/** MixColumns(): columns are words. */
function mixColumns(s: A64, v: Val): Val {
  const one = below(s, v, 1);
  const both = xor(s, v, one);
  return xor(s, timesX(s, both), one, below(s, both, 2));
}

/** InvMixColumns(): what undoes it is MixColumns() of each byte plus 4 times its sum with the one two places on. */
const unmixColumns = (s: A64, v: Val): Val =>
  mixColumns(s, xor(s, v, timesX(s, timesX(s, xor(s, v, below(s, v, 2))))));

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
      s.setQ(f.rd, mix(s, s.q(f.rn)));
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
