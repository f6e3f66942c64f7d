/**
 * QARMA-64 with five rounds and the S-box sigma 2, the block cipher of FEAT_PACQARMA5 (R. Avanzi, "The QARMA Block Cipher
 * Family", ToSC 2017; Arm ARM DDI 0487 J1.1.3 "ComputePAC"). A state is sixteen cells of four bits, cell 0 the highest.
 * All cells are worked on at once: the S-box is a boolean function of four bit planes, a permutation of cells a few
 * rotations.
 */
import type { Builder } from '../../../ir/builder';
import type { Val } from '../../../ir/nodes';

const SBOX = [11, 6, 8, 15, 12, 0, 9, 14, 3, 7, 4, 5, 13, 2, 1, 10];
const SBOX_INVERSE = SBOX.map((_, v) => SBOX.indexOf(v));

/** New cell i is old cell tau[i]; for the tweak h, then omega on some cells. */
const TAU = [0, 11, 6, 13, 10, 1, 12, 7, 5, 14, 3, 8, 15, 4, 9, 2];
const TAU_INVERSE = TAU.map((_, i) => TAU.indexOf(i));
const H = [6, 5, 14, 15, 0, 1, 2, 3, 7, 12, 13, 4, 8, 9, 10, 11];
const OMEGA_CELLS = [0, 1, 3, 4, 8, 11, 13];

const ROUNDS = 5;
/** Digits of pi: the round constants, and alpha that makes the second half differ from the first. */
const ROUND_CONSTANTS = [
  0n,
  0x13198a2e03707344n,
  0xa4093822299f31d0n,
  0x082efa98ec4e6c89n,
  0x452821e638d01377n,
];
const ALPHA = 0xc0ac29b7c97c50ddn;

const ONES = 0x1111111111111111n;
/** The low `n` of the four bits in every cell. */
const lowBits = (n: number): bigint => ONES * BigInt((1 << n) - 1);
const ALL = (1n << 64n) - 1n;

const cellMask = (cells: readonly number[]): bigint =>
  cells.reduce((mask, cell) => mask | (0xfn << BigInt(60 - 4 * cell)), 0n);

/** Moves cells: those that move equally far go in one rotation. */
function permute(s: Builder, x: Val, from: readonly number[]): Val {
  const groups = new Map<number, number[]>();
  from.forEach((old, cell) => {
    const right = (4 * (cell - old + 16)) % 64;
    groups.set(right, [...(groups.get(right) ?? []), cell]);
  });
  return [...groups]
    .map(([right, cells]) => s.andi(right === 0 ? x : s.ror(x, s.i64(right)), cellMask(cells)))
    .reduce((a, b) => s.or(a, b));
}

/** Coefficients of the algebraic normal form of one output bit: monomial m is the product of the inputs in m. */
function normalForm(box: readonly number[], bit: number): number[] {
  const f = box.map((v) => (v >> bit) & 1);
  for (let step = 1; step < 16; step *= 2) for (let i = 0; i < 16; i++) if (i & step) f[i]! ^= f[i ^ step]!;
  return f.flatMap((c, monomial) => (c ? [monomial] : []));
}

/** The S-box on all cells. */
function substitute(s: Builder, x: Val, box: readonly number[]): Val {
  const plane = [0, 1, 2, 3].map((n) => s.andi(s.shri(x, n), ONES));
  const products = new Map<number, Val>(plane.map((v, n) => [1 << n, v]));
  const product = (monomial: number): Val => {
    const known = products.get(monomial);
    if (known) return known;
    const lowest = monomial & -monomial;
    const made = s.and(product(lowest), product(monomial ^ lowest));
    products.set(monomial, made);
    return made;
  };
  const inverted = [0, 1, 2, 3].filter((bit) => (box[0]! >> bit) & 1);
  const out = [0, 1, 2, 3]
    .map((bit) => {
      const terms = normalForm(box, bit).filter((m) => m !== 0);
      return s.shli(
        terms.map(product).reduce((a, b) => s.xor(a, b)),
        bit,
      );
    })
    .reduce((a, b) => s.or(a, b));
  const constant = inverted.reduce((v, bit) => v | (ONES << BigInt(bit)), 0n);
  return s.xor(out, s.i64(constant));
}

/** Every cell rotated left by `n` bits. */
const rotateCells = (s: Builder, x: Val, n: number): Val =>
  s.or(s.shli(s.andi(x, lowBits(4 - n)), n), s.andi(s.shri(x, 4 - n), lowBits(n)));

/** MixColumns with circ(0, 1, 2, 1): rows of four cells are 16 bits. */
function mixColumns(s: Builder, x: Val): Val {
  const neighbours = s.xor(s.ror(x, s.i64(16)), s.ror(x, s.i64(48)));
  return s.xor(rotateCells(s, neighbours, 1), rotateCells(s, s.ror(x, s.i64(32)), 2));
}

/** The tweak of the next round. Omega is a step of a feedback shift register. */
function nextTweak(s: Builder, tweak: Val): Val {
  const moved = permute(s, tweak, H);
  const mask = cellMask(OMEGA_CELLS);
  const cells = s.andi(moved, mask);
  const fresh = s.shli(s.andi(s.xor(cells, s.shri(cells, 1)), ONES & mask), 3);
  const stepped = s.or(s.andi(s.shri(cells, 1), lowBits(3) & mask), fresh);
  return s.or(s.andi(moved, ALL & ~mask), stepped);
}

/** The cipher: key0 is the whitening key, key1 the core key. */
export function encipher(s: Builder, text: Val, tweak: Val, key0: Val, key1: Val): Val {
  const key0b = s.xor(s.ror(key0, s.i64(1)), s.shri(key0, 63));
  const tweaks = [tweak];
  for (let i = 0; i < ROUNDS; i++) tweaks.push(nextTweak(s, tweaks[i]!));
  const forward = (x: Val): Val => substitute(s, mixColumns(s, permute(s, x, TAU)), SBOX);

  let x = s.xor(text, key0);
  for (let i = 0; i < ROUNDS; i++) {
    x = s.xor(s.xor(x, s.xor(key1, tweaks[i]!)), s.i64(ROUND_CONSTANTS[i]!));
    x = i === 0 ? substitute(s, x, SBOX) : forward(x);
  }
  // The reflector, between one more round and its inverse.
  const last = tweaks[ROUNDS]!;
  x = forward(s.xor(x, s.xor(key0b, last)));
  x = s.xor(mixColumns(s, permute(s, x, TAU)), key1);
  x = substitute(s, permute(s, x, TAU_INVERSE), SBOX_INVERSE);
  x = permute(s, mixColumns(s, x), TAU_INVERSE);
  x = s.xor(x, s.xor(key0, last));
  for (let i = ROUNDS - 1; i >= 0; i--) {
    x = substitute(s, x, SBOX_INVERSE);
    if (i > 0) x = permute(s, mixColumns(s, x), TAU_INVERSE);
    x = s.xor(s.xor(x, s.xor(key1, tweaks[i]!)), s.i64(ROUND_CONSTANTS[i]! ^ ALPHA));
  }
  return s.xor(x, key0b);
}
