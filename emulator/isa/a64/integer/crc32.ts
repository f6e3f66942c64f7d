/** CRC32 and CRC32C (FEAT_CRC32; Arm ARM DDI 0487 C6.2, "CRC32B, CRC32H, CRC32W, CRC32X"). */
import type { Val } from '../../../ir/nodes';
import type { Row } from '../../dsl/row';
import { row } from '../row';
import type { A64 } from '../sem';

/** The polynomials with their bits reversed, since the checksum's bit 0 stands for the highest power. */
const polynomial = {
  CRC32: { bits: 0xedb88320, use: 'IEEE 802.3' },
  CRC32C: { bits: 0x82f63b78, use: 'Castagnoli' },
} as const;

const sizes = [
  { suffix: 'B', sz: '00', bits: 8, what: 'byte' },
  { suffix: 'H', sz: '01', bits: 16, what: 'halfword' },
  { suffix: 'W', sz: '10', bits: 32, what: 'word' },
  { suffix: 'X', sz: '11', bits: 64, what: 'doubleword' },
] as const;

/** What eight steps make of one bit of the lowest byte: a step shifts it out and, where it was set, subtracts the polynomial. */
function remainder(bit: number, poly: number): number {
  let r = 1 << bit;
  for (let i = 0; i < 8; i++) r = (r >>> 1) ^ (r & 1 ? poly : 0);
  return r >>> 0;
}

/**
 * Divides by the polynomial, a byte at a time: the remainders of its bits add up, and do not wait for each other. The accumulator goes
 * into the first 32 bits of the data.
 */
function checksum(s: A64, acc: Val, data: Val, bits: number, poly: number): Val {
  const rest = s.local('rest', s.xor(s.to(data.ty, acc), data));
  const byte = (): void => {
    const r = s.read(rest);
    const parts = Array.from({ length: 8 }, (_, bit) =>
      s.andi(s.neg(s.andi(s.shri(r, bit), 1)), remainder(bit, poly)),
    );
    for (let n = 8; n > 1; n /= 2)
      for (let i = 0; i < n / 2; i++) parts[i] = s.xor(parts[i]!, parts[i + n / 2]!);
    s.assign(rest, s.xor(s.shri(r, 8), parts[0]!));
  };
  if (bits === 8) byte();
  else {
    const left = s.local('left', s.i32(bits / 8));
    s.loop((loop) => {
      byte();
      const n = s.addi(s.read(left), -1);
      s.assign(left, n);
      s.if(s.eqz(n), () => s.break(loop));
    });
  }
  return s.to('i32', s.read(rest));
}

export const crc32Rows: readonly Row<A64>[] = (['CRC32', 'CRC32C'] as const).flatMap((kind) =>
  sizes.map(({ suffix, sz, bits, what }) => {
    const name = `${kind}${suffix}`;
    const C = kind === 'CRC32C' ? '1' : '0';
    const sf = bits === 64 ? '1' : '0';
    const { bits: poly, use } = polynomial[kind];
    return row(name, `${sf} 0011010110 rm:5 010 ${C} ${sz} rn:5 rd:5`, {
      asm: `${name.toLowerCase()} <w:rd>, <w:rn>, <${bits === 64 ? 'x' : 'w'}:rm>`,
      feature: 'CRC32',
      doc: `Adds a ${what} to a CRC-32 checksum (${use} polynomial).`,
      exec: (s, f) => {
        const data = s.x(f.rm, bits === 64 ? 1 : 0);
        const used = bits < 32 ? s.andi(data, 2 ** bits - 1) : data;
        s.setX(f.rd, checksum(s, s.x(f.rn, 0), used, bits, poly));
      },
    });
  }),
);
