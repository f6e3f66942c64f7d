/** CRC32 and CRC32C (FEAT_CRC32; Arm ARM DDI 0487 C6.2, "CRC32B, CRC32H, CRC32W, CRC32X"). */
import type { Val } from '../../../ir/nodes';
import type { Row } from '../../dsl/row';
import { constants } from '../constants';
import { row } from '../row';
import type { A64 } from '../sem';

/** The polynomials with their bits reversed, since the checksum's bit 0 stands for the highest power. */
const polynomial = { CRC32: 0xedb88320, CRC32C: 0x82f63b78 } as const;
const use = { CRC32: 'IEEE 802.3', CRC32C: 'Castagnoli' } as const;

const sizes = [
  { suffix: 'B', sz: '00', bits: 8, what: 'byte' },
  { suffix: 'H', sz: '01', bits: 16, what: 'halfword' },
  { suffix: 'W', sz: '10', bits: 32, what: 'word' },
  { suffix: 'X', sz: '11', bits: 64, what: 'doubleword' },
] as const;

/** Nibbles of the longest data. */
const NIBBLES = 16;

/** What `steps` make of data: a step shifts a bit out and, where it was set, subtracts the polynomial. */
function remainder(data: number, steps: number, poly: number): number {
  let r = data;
  for (let i = 0; i < steps; i++) r = (r >>> 1) ^ (r & 1 ? poly : 0);
  return r >>> 0;
}

/** What becomes of each nibble, for one that is followed by no other, by one other and so on: 64 bytes each. */
const tableOf = (poly: number): number =>
  constants.table(
    Array.from({ length: NIBBLES * 16 }, (_, i) => remainder(i & 15, 4 * ((i >> 4) + 1), poly)),
  );
const tables = { CRC32: tableOf(polynomial.CRC32), CRC32C: tableOf(polynomial.CRC32C) } as const;

/** Divides by the polynomial: the remainders of all nibbles add up. The accumulator goes into the first 32 bits of the data. */
function checksum(s: A64, acc: Val, data: Val, bits: number, table: number): Val {
  const dividend = s.xor(s.to(data.ty, acc), data);
  const words = bits === 64 ? [s.wrap(dividend), s.wrap(s.shri(dividend, 32))] : [dividend];
  let parts = Array.from({ length: bits / 4 }, (_, n) => {
    const word = words[n >> 3]!;
    // The nibble times four, the offset of its word.
    const shift = 4 * (n & 7) - 2;
    const offset = s.andi(shift < 0 ? s.shli(word, -shift) : s.shri(word, shift), 0x3c);
    return s.ld(4, offset, table + 64 * (bits / 4 - 1 - n));
  });
  // In pairs, none of which waits for another.
  while (parts.length > 1) {
    const half = parts.length / 2;
    parts = parts.slice(0, half).map((v, i) => s.xor(v, parts[half + i]!));
  }
  const [rest] = parts as [Val];
  return bits < 32 ? s.xor(rest, s.shri(acc, bits)) : rest;
}

export const crc32Rows: readonly Row<A64>[] = (['CRC32', 'CRC32C'] as const).flatMap((kind) =>
  sizes.map(({ suffix, sz, bits, what }) => {
    const name = `${kind}${suffix}`;
    const C = kind === 'CRC32C' ? '1' : '0';
    const sf = bits === 64 ? '1' : '0';
    return row(name, `${sf} 0011010110 rm:5 010 ${C} ${sz} rn:5 rd:5`, {
      asm: `${name.toLowerCase()} <w:rd>, <w:rn>, <${bits === 64 ? 'x' : 'w'}:rm>`,
      feature: 'CRC32',
      doc: `Adds a ${what} to a CRC-32 checksum (${use[kind]} polynomial).`,
      exec: (s, f) => {
        const data = s.x(f.rm, bits === 64 ? 1 : 0);
        s.setX(f.rd, checksum(s, s.x(f.rn, 0), data, bits, tables[kind]));
      },
    });
  }),
);
