/**
 * Loads and stores of one register: immediate offset (scaled, unscaled, pre- and post-indexed, unprivileged), register
 * offset, literal; general-purpose and FP/SIMD registers alike. Arm ARM DDI 0487 C4.1, "Loads and stores".
 */
import type { Row } from '../../dsl/row';
import {
  baseAddress,
  checkFpEnabled,
  encoding,
  generalTransfers,
  rowName,
  sentence,
  signedOffset,
  simdTransfers,
  syndromeFlags,
  transfer,
  unsignedOffset,
  type Transfer,
} from './load-store-common';
import { row } from '../row';
import { Flag, type A64 } from '../sem';

const all: readonly Transfer[] = [...generalTransfers, ...simdTransfers];

const mnemonic = (t: Transfer, infix = ''): string => `${t.load ? 'ld' : 'st'}${infix}r${t.suffix}`;

/** The transfers that programs mostly consist of: LDR and STR of all widths without sign extension, LDRSW. */
const frequent = (t: Transfer): boolean => t.simd === '0' && (!t.signed || t.suffix === 'sw');

const begin = (s: A64, t: Transfer): void => {
  if (t.simd === '1') checkFpEnabled(s);
};

/** Flags of a form without writeback. */
const plainFlags = (t: Transfer): number => (t.simd === '0' ? syndromeFlags(t) : 0);

const unsigned = (t: Transfer): Row<A64> => {
  const m = mnemonic(t);
  const scale = 1 << t.log2;
  const bits = `${t.size} 111 ${t.simd} 01 ${t.opc}`;
  return row(rowName(m, t, 'unsigned offset'), encoding(bits, 'imm12:12 rn:5 rt:5'), {
    asm: `${m} <${t.reg}:rt>, [<xsp:rn>{, #<u*${scale}:imm12>}]`,
    hot: frequent(t),
    doc: `${sentence(t)} base register plus unsigned, scaled offset.`,
    exec(s, f) {
      begin(s, t);
      const va = s.add(baseAddress(s, f.rn), unsignedOffset(s, f.imm12, scale));
      transfer(s, t, va, f.rt, { flags: plainFlags(t) });
    },
  });
};

/** Bits 11-10 of the forms with a 9-bit offset. */
const forms9 = { unscaled: '00', post: '01', unprivileged: '10', pre: '11' } as const;

const bits9 = (t: Transfer): string => `${t.size} 111 ${t.simd} 00 ${t.opc} 0`;

const unscaled = (t: Transfer): Row<A64> => {
  const m = mnemonic(t, 'u');
  return row(rowName(m, t, 'unscaled offset'), encoding(bits9(t), `imm9:9 ${forms9.unscaled} rn:5 rt:5`), {
    asm: `${m} <${t.reg}:rt>, [<xsp:rn>{, #<i:imm9>}]`,
    hot: frequent(t),
    doc: `${sentence(t)} base register plus signed byte offset.`,
    exec(s, f) {
      begin(s, t);
      const va = s.add(baseAddress(s, f.rn), signedOffset(s, f.imm9, 9, 1));
      transfer(s, t, va, f.rt, { flags: plainFlags(t) });
    },
  });
};

const unprivileged = (t: Transfer): Row<A64> => {
  const m = mnemonic(t, 't');
  return row(rowName(m, t, 'unprivileged'), encoding(bits9(t), `imm9:9 ${forms9.unprivileged} rn:5 rt:5`), {
    asm: `${m} <${t.reg}:rt>, [<xsp:rn>{, #<i:imm9>}]`,
    doc: `${sentence(t)} base register plus signed byte offset, with the permissions of EL0.`,
    exec(s, f) {
      const va = s.add(baseAddress(s, f.rn), signedOffset(s, f.imm9, 9, 1));
      transfer(s, t, va, f.rt, { flags: Flag.unprivileged | plainFlags(t) });
    },
  });
};

/** Writeback to a base that is the transferred register too is CONSTRAINED UNPREDICTABLE (Arm ARM DDI 0487 K1.2). */
const overwritesBase = (f: { readonly rn: number; readonly rt: number }): boolean =>
  f.rn === f.rt && f.rn !== 31;

const postIndexed = (t: Transfer): Row<A64> => {
  const m = mnemonic(t);
  return row(rowName(m, t, 'post-index'), encoding(bits9(t), `imm9:9 ${forms9.post} rn:5 rt:5`), {
    asm: `${m} <${t.reg}:rt>, [<xsp:rn>], #<i:imm9>`,
    hot: frequent(t) && !t.signed,
    unpredictable: (f) => t.simd === '0' && overwritesBase(f),
    doc: `${sentence(t)} base register, then adds the offset to it.`,
    exec(s, f) {
      begin(s, t);
      const base = baseAddress(s, f.rn);
      const writeback = (): void => s.setXsp(f.rn, s.add(base, signedOffset(s, f.imm9, 9, 1)));
      transfer(s, t, base, f.rt, { writeback });
    },
  });
};

const preIndexed = (t: Transfer): Row<A64> => {
  const m = mnemonic(t);
  return row(rowName(m, t, 'pre-index'), encoding(bits9(t), `imm9:9 ${forms9.pre} rn:5 rt:5`), {
    asm: `${m} <${t.reg}:rt>, [<xsp:rn>, #<i:imm9>]!`,
    hot: frequent(t) && !t.signed,
    unpredictable: (f) => t.simd === '0' && overwritesBase(f),
    doc: `${sentence(t)} base register plus offset, and leaves that address in the base register.`,
    exec(s, f) {
      begin(s, t);
      const va = s.add(baseAddress(s, f.rn), signedOffset(s, f.imm9, 9, 1));
      transfer(s, t, va, f.rt, { writeback: () => s.setXsp(f.rn, va) });
    },
  });
};

/** Options of the index register: UXTW, LSL, SXTW, SXTX; the others are UNDEFINED. */
const extendOptions = [2, 3, 6, 7] as const;

const extendShapes = (): { option: number }[] => extendOptions.map((option) => ({ option }));

/** `[base, index, extend]` of a register-offset form; the extend of a plain X index is not written. */
const indexed = (option: number, log2: number): string =>
  option === 3
    ? `[<xsp:rn>, <x:rm>{, <ldextend:option,S,${log2}>}]`
    : `[<xsp:rn>, <${option & 1 ? 'x' : 'w'}:rm>, <ldextend:option,S,${log2}>]`;

const registerOffset = (t: Transfer): Row<A64> => {
  const m = mnemonic(t);
  const bits = `${t.size} 111 ${t.simd} 00 ${t.opc} 1`;
  return row(rowName(m, t, 'register'), encoding(bits, 'rm:5 option:3 S 10 rn:5 rt:5'), {
    asm: (f) => `${m} <${t.reg}:rt>, ${indexed(f.option, t.log2)}`,
    shape: ['option'],
    shapes: extendShapes,
    when: (f) => (f.option & 2) !== 0,
    hot: (f) => frequent(t) && (f.option === 3 || (t.log2 === 3 && f.option !== 7)),
    doc: `${sentence(t)} base register plus an index register, extended and scaled.`,
    exec(s, f) {
      begin(s, t);
      const base = baseAddress(s, f.rn);
      const index = s.extend(s.x(f.rm), f.option);
      const amount = t.log2 === 0 ? s.i64(0) : s.operand(f.S, 'scale', 8, (n) => n * BigInt(t.log2));
      transfer(s, t, s.add(base, s.shl(index, amount)), f.rt, { flags: plainFlags(t) });
    },
  });
};

/** opc of the literal forms (bits 31-30), by register; V is bit 26. */
const literals: readonly (readonly [opc: string, of: (t: Transfer) => boolean])[] = [
  ['00', (t) => t.reg === 'w' && t.log2 === 2],
  ['01', (t) => t.reg === 'x' && t.log2 === 3],
  ['10', (t) => t.suffix === 'sw'],
  ['00', (t) => t.reg === 's'],
  ['01', (t) => t.reg === 'd'],
  ['10', (t) => t.reg === 'q'],
];

const literal = (opc: string, t: Transfer): Row<A64> => {
  const m = mnemonic(t);
  return row(rowName(m, t, 'literal'), encoding(`${opc} 011 ${t.simd} 00`, 'imm19:19 rt:5'), {
    asm: `${m} <${t.reg}:rt>, <label:imm19>`,
    hot: t.simd === '0' && !t.signed,
    doc: `${sentence(t)} a PC-relative address.`,
    exec(s, f) {
      begin(s, t);
      transfer(s, t, s.add(s.pc(), signedOffset(s, f.imm19, 19, 4)), f.rt, { flags: plainFlags(t) });
    },
  });
};

/** Prefetches are hints: this machine has no caches, and a prefetch never faults or checks the stack pointer. */
const prefetchRows: readonly Row<A64>[] = [
  row('PRFM (immediate)', '11 111 0 01 10 imm12:12 rn:5 rt:5', {
    asm: 'prfm <prfop:rt>, [<xsp:rn>{, #<u*8:imm12>}]',
    doc: 'Prefetch hint for base register plus unsigned, scaled offset.',
    exec: () => undefined,
  }),
  row('PRFUM', '11 111 0 00 10 0 imm9:9 00 rn:5 rt:5', {
    asm: 'prfum <prfop:rt>, [<xsp:rn>{, #<i:imm9>}]',
    doc: 'Prefetch hint for base register plus signed byte offset.',
    exec: () => undefined,
  }),
  row('PRFM (register)', '11 111 0 00 10 1 rm:5 option:3 S 10 rn:5 rt:5', {
    asm: (f) => `prfm <prfop:rt>, ${indexed(f.option, 3)}`,
    shape: ['option'],
    shapes: extendShapes,
    when: (f) => (f.option & 2) !== 0,
    doc: 'Prefetch hint for base register plus an index register.',
    exec: () => undefined,
  }),
  row('PRFM (literal)', '11 011 0 00 imm19:19 rt:5', {
    asm: 'prfm <prfop:rt>, <label:imm19>',
    doc: 'Prefetch hint for a PC-relative address.',
    exec: () => undefined,
  }),
];

/** The assembler tries rows in this order: the scaled form of an offset comes before the unscaled one. */
export const loadStoreRows: readonly Row<A64>[] = [
  ...all.map(unsigned),
  ...all.map(postIndexed),
  ...all.map(preIndexed),
  ...all.map(registerOffset),
  ...all.map(unscaled),
  ...generalTransfers.map(unprivileged),
  ...literals.flatMap(([opc, of], i) =>
    (i < 3 ? generalTransfers : simdTransfers).filter((t) => t.load && of(t)).map((t) => literal(opc, t)),
  ),
  ...prefetchRows,
];
