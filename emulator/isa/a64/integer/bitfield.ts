/** Data processing, immediate: bitfield and extract (Arm ARM DDI 0487 C4.1.86). */
import type { Row } from '../../dsl/row';
import { datasize, reg, width } from './arithmetic';
import { row } from '../row';
import type { A64 } from '../sem';

interface Bitfield {
  sf: number;
  N: number;
  immr: number;
  imms: number;
}

const fits = (f: Bitfield): boolean => f.N === f.sf && (f.sf === 1 || (f.immr < 32 && f.imms < 32));

/**
 * SBFM and UBFM as two shifts: `up` brings the field's highest bit (imms) to the top, `down` brings its lowest bit to
 * where it belongs, which is bit 0 when imms >= immr and bit datasize - immr otherwise.
 */
function shifts(f: Bitfield) {
  const up = datasize(f.sf) - 1 - f.imms;
  return { up, down: f.imms >= f.immr ? up + f.immr : f.immr - 1 - f.imms };
}

/** The bits of the destination that BFM replaces: wmask AND tmask of DecodeBitMasks(). */
export function replacedBits(f: Bitfield): bigint {
  const bits = datasize(f.sf);
  if (f.imms >= f.immr) return (1n << BigInt(f.imms - f.immr + 1)) - 1n;
  return ((1n << BigInt(f.imms + 1)) - 1n) << BigInt(bits - f.immr);
}

/** Operands of the aliases that insert a field at lsb, and of those that extract it from there. */
const insertAt = (sf: number): string => `#<bflsb${datasize(sf)}:immr,imms>, #<bfw:imms> ; N=${sf}`;
const extractFrom = (sf: number): string => `#<bfxlsb:immr,imms>, #<bfxw:immr,imms> ; N=${sf}`;
const generic = (sf: number): string => `#<u:immr>, #<u:imms> ; N=${sf}`;

export const bitfieldRows: readonly Row<A64>[] = [
  row('SBFM', 'sf 00 100110 N immr:6 imms:6 rn:5 rd:5', {
    asm: ({ sf }) => {
      const r = reg(sf);
      const two = `<${r}:rd>, <${r}:rn>`;
      const extend = (to: string, imms: number): string =>
        `${to} <${r}:rd>, <w:rn> ; N=${sf} immr=0 imms=${imms}`;
      return [
        `asr ${two}, #<u:immr> ; N=${sf} imms=${datasize(sf) - 1}`,
        extend('sxtb', 7),
        extend('sxth', 15),
        ...(sf ? [extend('sxtw', 31)] : []),
        `sbfiz ${two}, ${insertAt(sf)}`,
        `sbfx ${two}, ${extractFrom(sf)}`,
        `sbfm ${two}, ${generic(sf)}`,
      ];
    },
    shape: ['sf'],
    when: fits,
    derive: shifts,
    hot: true,
    doc: 'Copies a bit field of a register and sign-extends it.',
    exec: (s, f) => {
      const top = s.shift(s.x(f.rn, f.sf), 0, s.imm(f.up, 'i32'));
      s.setX(f.rd, s.shift(top, 2, s.imm(f.down, 'i32')));
    },
  }),
  row('BFM', 'sf 01 100110 N immr:6 imms:6 rn:5 rd:5', {
    asm: ({ sf }) => {
      const r = reg(sf);
      const two = `<${r}:rd>, <${r}:rn>`;
      return [
        `bfc <${r}:rd>, ${insertAt(sf)} rn=31`,
        `bfi ${two}, ${insertAt(sf)}`,
        `bfxil ${two}, ${extractFrom(sf)}`,
        `bfm ${two}, ${generic(sf)}`,
      ];
    },
    shape: ['sf'],
    when: fits,
    derive: (f) => ({ mask: replacedBits(f) }),
    hot: true,
    doc: 'Copies a bit field of a register into another one and leaves its other bits unchanged.',
    exec: (s, f) => {
      const ty = width(f.sf);
      const mask = s.imm(f.mask, ty);
      const rotated = s.shift(s.x(f.rn, f.sf), 3, s.imm(f.immr, 'i32'));
      s.setX(f.rd, s.or(s.and(s.x(f.rd, f.sf), s.not(mask)), s.and(rotated, mask)));
    },
  }),
  row('UBFM', 'sf 10 100110 N immr:6 imms:6 rn:5 rd:5', {
    asm: ({ sf }) => {
      const r = reg(sf);
      const two = `<${r}:rd>, <${r}:rn>`;
      return [
        `lsr ${two}, #<u:immr> ; N=${sf} imms=${datasize(sf) - 1}`,
        `lsl ${two}, #<lslsh${datasize(sf)}:immr,imms> ; N=${sf}`,
        ...(sf ? [] : [`uxtb ${two} ; N=0 immr=0 imms=7`, `uxth ${two} ; N=0 immr=0 imms=15`]),
        `ubfiz ${two}, ${insertAt(sf)}`,
        `ubfx ${two}, ${extractFrom(sf)}`,
        `ubfm ${two}, ${generic(sf)}`,
      ];
    },
    shape: ['sf'],
    when: fits,
    derive: shifts,
    hot: true,
    doc: 'Copies a bit field of a register and zero-extends it.',
    exec: (s, f) => {
      const top = s.shift(s.x(f.rn, f.sf), 0, s.imm(f.up, 'i32'));
      s.setX(f.rd, s.shift(top, 1, s.imm(f.down, 'i32')));
    },
  }),
  row('EXTR', 'sf 00 100111 N 0 rm:5 imms:6 rn:5 rd:5', {
    asm: ({ sf }) => {
      const r = reg(sf);
      return [
        `ror <${r}:rd>, <${r}:rn>, #<u:imms> ; N=${sf} rm=rn`,
        `extr <${r}:rd>, <${r}:rn>, <${r}:rm>, #<u:imms> ; N=${sf}`,
      ];
    },
    shape: ['sf'],
    when: (f) => f.N === f.sf && (f.sf === 1 || f.imms < 32),
    derive: (f) => ({ up: datasize(f.sf) - 1 - f.imms }),
    doc: 'Extracts a register from a pair of registers, beginning at a given bit of the lower one.',
    exec: (s, f) => {
      // Left shift by datasize - lsb in two steps, since lsb = 0 must shift everything out.
      const high = s.shift(s.shli(s.x(f.rn, f.sf), 1), 0, s.imm(f.up, 'i32'));
      const low = s.shift(s.x(f.rm, f.sf), 1, s.imm(f.imms, 'i32'));
      s.setX(f.rd, s.or(high, low));
    },
  }),
];
