/**
 * LD1-LD4, ST1-ST4 and LD1R-LD4R. Arm ARM DDI 0487 C4.1, "Advanced SIMD load/store multiple structures", "... single
 * structure" and their post-indexed forms. The probe covers all elements; the element size decides byte order and
 * alignment. LDR, STR and the pairs of FP/SIMD registers are in load-store.ts and load-store-pair.ts.
 */
import type { Access, Operand, Val } from '../../../ir/nodes';
import type { RawFields, Row } from '../../dsl/row';
import { baseAddress, checkFpEnabled } from '../memory/load-store-common';
import { row } from '../row';
import type { A64 } from '../sem';

type Bytes = 1 | 2 | 4 | 8;

const letters = { 1: 'b', 2: 'h', 4: 's', 8: 'd' } as const;

/** '8b' ... '2d': the arrangement of a register with Q and log2 of the element size. */
const arrangement = (q: number, log2: number): string =>
  `${(8 << q) >> log2}${letters[(1 << log2) as Bytes]}`;

/** Access of all elements of a structure. */
const accessOf = (load: boolean, bytes: number, elem: number): Access => ({
  kind: load ? 'read' : 'write',
  bytes,
  elem,
  flags: 0,
});

/** The three addressing forms: bits 23 and 20-16, the syntax behind `[<xsp:rn>]`, what is added to the base. */
const indexForms = ['none', 'immediate', 'register'] as const;
type IndexForm = (typeof indexForms)[number];

/** Register number 31 as post-index means the size of the transfer. */
const rmPattern = { none: '00000', immediate: '11111', register: 'rm:5' } as const;

const formName = {
  none: 'no offset',
  immediate: 'post-index by size',
  register: 'post-index by register',
} as const;

const syntaxTail = (form: IndexForm, bytes: number): string =>
  form === 'none' ? '' : form === 'immediate' ? `, #${bytes}` : ', <x:rm>';

const notRm31 = (form: IndexForm) => (f: RawFields) => form !== 'register' || f['rm'] !== 31;

function writeback(s: A64, form: IndexForm, rn: Operand, base: Val, bytes: number, rm: Operand): void {
  if (form === 'none') return;
  s.setXsp(rn, s.add(base, form === 'immediate' ? s.i64(bytes) : s.x(rm)));
}

// --- multiple structures ----------------------------------------------------------------------------------------

interface Multiple {
  /** Elements of a structure: LD1 to LD4. */
  readonly selem: 1 | 2 | 3 | 4;
  readonly registers: 1 | 2 | 3 | 4;
  readonly opcode: '0000' | '0010' | '0100' | '0110' | '0111' | '1000' | '1010';
}

const multiples: readonly Multiple[] = [
  { selem: 4, registers: 4, opcode: '0000' },
  { selem: 1, registers: 4, opcode: '0010' },
  { selem: 3, registers: 3, opcode: '0100' },
  { selem: 1, registers: 3, opcode: '0110' },
  { selem: 1, registers: 1, opcode: '0111' },
  { selem: 2, registers: 2, opcode: '1000' },
  { selem: 1, registers: 2, opcode: '1010' },
];

/** LD1, ST1: registers one after the other. */
function moveWhole(s: A64, m: Multiple, q: number, load: boolean, rt: Operand, host: Val): void {
  const stride = 8 << q;
  for (let r = 0; r < m.registers; r++) {
    if (load) {
      if (q) s.setQ(rt, s.ld(16, host, stride * r), r);
      else s.setVNext(rt, r, s.ld(8, host, stride * r));
    } else if (q) s.st(16, host, s.q(rt, r), stride * r);
    else s.st(8, host, s.vNext(rt, r), stride * r);
  }
}

/**
 * LD2-LD4, ST2-ST4: element e of register r is at place e * selem + r. All of the structures are so many vectors (or halves), of
 * which each result takes its bytes.
 */
function moveInterleaved(
  s: A64,
  m: Multiple,
  q: number,
  log2: number,
  load: boolean,
  rt: Operand,
  host: Val,
): void {
  const elem = 1 << log2;
  const size = 8 << q;
  const elements = size >> log2;
  const numbers = Array.from({ length: m.selem }, (_, r) => r);
  /** The bytes of result `part`, as places in all sources, one after the other. */
  const bytesOf = (part: number): number[] =>
    Array.from({ length: size }, (_, i) => {
      const at = load ? (i >> log2) * m.selem + part : undefined;
      if (at !== undefined) return at * elem + (i % elem);
      const place = (part * size + i) >> log2;
      return ((place % m.selem) * elements + Math.floor(place / m.selem)) * elem + (i % elem);
    });
  if (load) {
    const from = numbers.map((r) =>
      q ? s.ld(16, host, size * r) : s.pair(s.ld(8, host, size * r), s.i64(0)),
    );
    numbers.forEach((r) => s.setQ(rt, gather(s, from, bytesOf(r), size), r));
  } else {
    const from = numbers.map((r) => s.q(rt, r));
    const out = numbers.map((r) => gather(s, from, bytesOf(r), size));
    out.forEach((v, r) => (q ? s.st(16, host, v, size * r) : s.st(8, host, s.extract(64, v, 0), size * r)));
  }
}

/** A vector of bytes of others, of which `size` each count, numbered through; the rest is zero. */
function gather(s: A64, from: readonly Val[], bytes: readonly number[], size: number): Val {
  const zero = s.v128(0n);
  let result: Val | undefined;
  from.forEach((v, n) => {
    const own = (b: number | undefined): boolean => b !== undefined && Math.floor(b / size) === n;
    const lanes = Array.from({ length: 16 }, (_, i) =>
      own(bytes[i]) ? bytes[i]! % size : 16 + (result ? i : 0),
    );
    result = s.shuffle(v, result ?? zero, lanes);
  });
  return result ?? zero;
}

function multipleRow(m: Multiple, form: IndexForm, load: boolean): Row<A64> {
  const mnemonic = `${load ? 'ld' : 'st'}${m.selem}`;
  const rm = rmPattern[form];
  const post = form === 'none' ? '0' : '1';
  const l = load ? '1' : '0';
  return row(
    `${mnemonic.toUpperCase()} (multiple structures, ${m.registers} registers, ${formName[form]})`,
    `0 Q 001100 ${post} ${l} 0 ${rm} ${m.opcode} size:2 rn:5 rt:5`,
    {
      asm: (f) => {
        const list = `<list${m.registers}.${arrangement(f.Q, f.size)}:rt>`;
        return `${mnemonic} ${list}, [<xsp:rn>]${syntaxTail(form, m.registers * (8 << f.Q))}`;
      },
      shape: ['Q', 'size'],
      // .1d exists only without interleaving.
      shapes: () =>
        [0, 1]
          .flatMap((Q) => [0, 1, 2, 3].map((size) => ({ Q, size })))
          .filter((f) => m.selem === 1 || f.Q * 4 + f.size !== 3),
      when: (f) => (m.selem === 1 || f.Q * 4 + f.size !== 3) && notRm31(form)(f),
      doc: `${load ? 'Loads' : 'Stores'} ${m.registers} vector register${m.registers > 1 ? 's' : ''}${m.selem > 1 ? `, ${load ? 'de-interleaving' : 'interleaving'} structures of ${m.selem} elements` : ''}.`,
      exec(s, f) {
        checkFpEnabled(s);
        const base = baseAddress(s, f.rn);
        const bytes = m.registers * (8 << f.Q);
        const access = accessOf(load, bytes, 1 << f.size);
        const host = s.probe(base, access);
        if (m.selem === 1) moveWhole(s, m, f.Q, load, f.rt, host);
        else moveInterleaved(s, m, f.Q, f.size, load, f.rt, host);
        writeback(s, form, f.rn, base, bytes, f.rm);
        if (!load) s.commit(host, access);
      },
    },
  );
}

// --- single structures ------------------------------------------------------------------------------------------

/** Where the element's index is: Q, S and size, as far as the element size leaves bits; opcode bits 2-1. */
const lanes = {
  1: { opcode: '00', bits: 'S size:2', index: 'Q,S,size' },
  2: { opcode: '01', bits: 'S size 0', index: 'Q,S,size' },
  4: { opcode: '10', bits: 'S 00', index: 'Q,S' },
  8: { opcode: '10', bits: '0 01', index: 'Q' },
} as const;

type Lane = keyof typeof lanes;

const structures = [
  { selem: 1, r: '0', opcode: '0' },
  { selem: 2, r: '1', opcode: '0' },
  { selem: 3, r: '0', opcode: '1' },
  { selem: 4, r: '1', opcode: '1' },
] as const;

type Structure = (typeof structures)[number];

/** Places of the element in the (up to four) registers, as A64.element wants them. */
function places(f: RawFields, elem: Lane): Record<'e0' | 'e1' | 'e2' | 'e3', number> {
  const { Q = 0, S = 0, size = 0, rt = 0 } = f;
  const index = { 1: Q * 8 + S * 4 + size, 2: Q * 4 + S * 2 + size, 4: Q * 2 + S, 8: Q }[elem];
  const place = (n: number): number => ((rt + n) % 32) * 16 + index * elem;
  return { e0: place(0), e1: place(1), e2: place(2), e3: place(3) };
}

function singleRow(t: Structure, elem: Lane, form: IndexForm, load: boolean): Row<A64> {
  const mnemonic = `${load ? 'ld' : 'st'}${t.selem}`;
  const lane = lanes[elem];
  const bytes = t.selem * elem;
  const post = form === 'none' ? '0' : '1';
  return row(
    `${mnemonic.toUpperCase()} (single structure, ${letters[elem].toUpperCase()}, ${formName[form]})`,
    `0 Q 001101 ${post} ${load ? '1' : '0'} ${t.r} ${rmPattern[form]} ${lane.opcode}${t.opcode} ${lane.bits} rn:5 rt:5`,
    {
      asm: `${mnemonic} <list${t.selem}.${letters[elem]}:rt,${lane.index}>, [<xsp:rn>]${syntaxTail(form, bytes)}`,
      when: notRm31(form),
      derive: (f) => places(f, elem),
      doc: load
        ? `Loads one element of ${t.selem === 1 ? 'a vector register' : `each of ${t.selem} vector registers`}, leaving the others.`
        : `Stores one element of ${t.selem === 1 ? 'a vector register' : `each of ${t.selem} vector registers`}.`,
      exec(s, f) {
        checkFpEnabled(s);
        const base = baseAddress(s, f.rn);
        const access = accessOf(load, bytes, elem);
        const host = s.probe(base, access);
        [f.e0, f.e1, f.e2, f.e3].slice(0, t.selem).forEach((place, r) => {
          if (load) s.setElement(place, elem, s.ld(elem, host, r * elem));
          else s.st(elem, host, s.element(place, elem), r * elem);
        });
        writeback(s, form, f.rn, base, bytes, f.rm);
        if (!load) s.commit(host, access);
      },
    },
  );
}

/** LD1R-LD4R: one structure, each element copied to all places of its register. */
function replicateRow(t: Structure, form: IndexForm): Row<A64> {
  const mnemonic = `ld${t.selem}r`;
  const post = form === 'none' ? '0' : '1';
  return row(
    `${mnemonic.toUpperCase()} (${formName[form]})`,
    `0 Q 001101 ${post} 1 ${t.r} ${rmPattern[form]} 11${t.opcode} 0 size:2 rn:5 rt:5`,
    {
      asm: (f) => {
        const list = `<list${t.selem}.${arrangement(f.Q, f.size)}:rt>`;
        return `${mnemonic} ${list}, [<xsp:rn>]${syntaxTail(form, t.selem << f.size)}`;
      },
      shape: ['Q', 'size'],
      when: notRm31(form),
      doc: `Loads ${t.selem === 1 ? 'an element' : `a structure of ${t.selem} elements`} and replicates ${t.selem === 1 ? 'it' : 'each'} over a vector register.`,
      exec(s, f) {
        checkFpEnabled(s);
        const elem = (1 << f.size) as Bytes;
        const base = baseAddress(s, f.rn);
        const bytes = t.selem * elem;
        const host = s.probe(base, accessOf(true, bytes, elem));
        for (let r = 0; r < t.selem; r++) {
          const value = s.splat((8 * elem) as 8 | 16 | 32 | 64, s.ld(elem, host, r * elem));
          s.setQ(f.rt, f.Q ? value : s.lowHalf(value), r);
        }
        writeback(s, form, f.rn, base, bytes, f.rm);
      },
    },
  );
}

const loadAndStore = [false, true] as const;

export const simdLoadStoreRows: readonly Row<A64>[] = indexForms.flatMap((form) => [
  ...multiples.flatMap((m) => loadAndStore.map((load) => multipleRow(m, form, load))),
  ...structures.flatMap((t) =>
    ([1, 2, 4, 8] as const).flatMap((elem) => loadAndStore.map((load) => singleRow(t, elem, form, load))),
  ),
  ...structures.map((t) => replicateRow(t, form)),
]);
