/**
 * Atomic read-modify-write, compare and swap (FEAT_LSE), and loads and stores with weaker or regional ordering
 * (FEAT_LRCPC, FEAT_LOR). Arm ARM DDI 0487 C3.2.12 "Atomic instructions", C4.1 "Loads and stores".
 *
 * One thread of execution makes every access atomic and ordered, so acquire and release need no code. Such an access must
 * be aligned to its size: FEAT_LSE2 is not there.
 */
import type { Access, Val } from '../../../ir/nodes';
import type { ExecFields, Row } from '../../dsl/row';
import { baseAddress } from './load-store-common';
import { row } from '../row';
import { Flag, type A64 } from '../sem';

type Bytes = 1 | 2 | 4 | 8;

interface Size {
  readonly suffix: '' | 'b' | 'h';
  readonly reg: 'w' | 'x';
  readonly bytes: Bytes;
  readonly what: string;
}

/** By the field `size`. */
const sizes: readonly Size[] = [
  { suffix: 'b', reg: 'w', bytes: 1, what: 'byte' },
  { suffix: 'h', reg: 'w', bytes: 2, what: 'halfword' },
  { suffix: '', reg: 'w', bytes: 4, what: 'word' },
  { suffix: '', reg: 'x', bytes: 8, what: 'doubleword' },
];
const sizeOf = (f: { readonly size: number }): Size => sizes[f.size]!;

const atomic = (bytes: number, elem: number): Access => ({
  kind: 'atomic',
  bytes,
  elem,
  flags: Flag.aligned,
});

/** The low `bytes` of an i64, zero-extended. */
const low = (s: A64, v: Val, bytes: Bytes): Val =>
  bytes === 8 ? v : s.andi(v, (1n << BigInt(8 * bytes)) - 1n);

/** Moves the sign of `bytes` bytes to bit 63, which keeps the order of two such values. */
const signed = (s: A64, v: Val, bytes: Bytes): Val => s.shli(v, 64 - 8 * bytes);

const orders = [
  { suffix: '', a: 0, r: 0 },
  { suffix: 'a', a: 1, r: 0 },
  { suffix: 'l', a: 0, r: 1 },
  { suffix: 'al', a: 1, r: 1 },
] as const;

interface Operation {
  /** After `ld` and `st`. */
  readonly name: string;
  readonly o3opc: string;
  readonly doc: string;
  readonly combine: (s: A64, old: Val, v: Val, bytes: Bytes) => Val;
}

const pick =
  (less: (s: A64, a: Val, b: Val, bytes: Bytes) => Val, smaller: boolean): Operation['combine'] =>
  (s, old, v, bytes) => {
    const first = less(s, old, v, bytes);
    return smaller ? s.select(first, old, v) : s.select(first, v, old);
  };
const lessSigned = (s: A64, a: Val, b: Val, bytes: Bytes): Val =>
  s.lts(signed(s, a, bytes), signed(s, b, bytes));
const lessUnsigned = (s: A64, a: Val, b: Val): Val => s.ltu(a, b);

const operations: readonly Operation[] = [
  { name: 'add', o3opc: '0 000', doc: 'Adds a register to', combine: (s, old, v) => s.add(old, v) },
  {
    name: 'clr',
    o3opc: '0 001',
    doc: 'Clears the bits of a register in',
    combine: (s, old, v) => s.and(old, s.not(v)),
  },
  {
    name: 'eor',
    o3opc: '0 010',
    doc: 'Inverts the bits of a register in',
    combine: (s, old, v) => s.xor(old, v),
  },
  {
    name: 'set',
    o3opc: '0 011',
    doc: 'Sets the bits of a register in',
    combine: (s, old, v) => s.or(old, v),
  },
  {
    name: 'smax',
    o3opc: '0 100',
    doc: 'Writes the signed maximum of a register and memory to',
    combine: pick(lessSigned, false),
  },
  {
    name: 'smin',
    o3opc: '0 101',
    doc: 'Writes the signed minimum of a register and memory to',
    combine: pick(lessSigned, true),
  },
  {
    name: 'umax',
    o3opc: '0 110',
    doc: 'Writes the unsigned maximum of a register and memory to',
    combine: pick(lessUnsigned, false),
  },
  {
    name: 'umin',
    o3opc: '0 111',
    doc: 'Writes the unsigned minimum of a register and memory to',
    combine: pick(lessUnsigned, true),
  },
];

type Fields = ExecFields<'rs' | 'rn' | 'rt', never, never>;

/** Replaces memory by what `combine` makes of it and the register Rs; Rt gets the old value. */
function modify(s: A64, f: Fields, { bytes }: Size, combine: Operation['combine']): void {
  const access = atomic(bytes, bytes);
  const host = s.probe(baseAddress(s, f.rn), access);
  const old = s.ld(bytes, host, 0, 'i64');
  const value = low(s, s.x(f.rs), bytes);
  s.st(bytes, host, combine(s, old, value, bytes));
  s.setX(f.rt, old);
  s.commit(host, access);
}

/** The four orderings of a mnemonic as templates; `operands` follow it. */
const ordered = (stem: string, size: Size, a: string, operands: string): string[] =>
  orders.map((o) => `${stem}${o.suffix}${size.suffix} ${operands} ; ${a}=${o.a} r=${o.r}`);

/** The encoding of an operation; its type names the fields. */
const withOpcode = (o3opc: string) =>
  `size:2 111000 a r 1 rs:5 ${o3opc} 00 rn:5 rt:5` as 'size:2 a r rs:5 rn:5 rt:5';

const operationRow = (o: Operation): Row<A64> =>
  row(`LD${o.name.toUpperCase()}`, withOpcode(o.o3opc), {
    shape: ['size'],
    asm: (f) => {
      const size = sizeOf(f);
      // Without a destination and acquire semantics it is the store form.
      const stores = orders
        .filter((x) => x.a === 0)
        .map((x) => `st${o.name}${x.suffix}${size.suffix} <${size.reg}:rs>, [<xsp:rn>] ; rt=31 a=0 r=${x.r}`);
      const loads = ordered(`ld${o.name}`, size, 'a', `<${size.reg}:rs>, <${size.reg}:rt>, [<xsp:rn>]`);
      return [...stores, ...loads];
    },
    feature: 'LSE',
    doc: `${o.doc} memory, atomically; Rt gets the old value.`,
    exec: (s, f) => modify(s, f, sizeOf(f), o.combine),
  });

const swapRow = row('SWP', 'size:2 111000 a r 1 rs:5 1 000 00 rn:5 rt:5', {
  shape: ['size'],
  asm: (f) => {
    const size = sizeOf(f);
    return ordered('swp', size, 'a', `<${size.reg}:rs>, <${size.reg}:rt>, [<xsp:rn>]`);
  },
  feature: 'LSE',
  doc: 'Writes a register to memory and the old value to Rt, atomically.',
  exec: (s, f) => modify(s, f, sizeOf(f), (_s, _old, v) => v),
});

const compareRow = row('CAS', 'size:2 001000 1 a 1 rs:5 r 11111 rn:5 rt:5', {
  shape: ['size'],
  asm: (f) => {
    const size = sizeOf(f);
    return ordered('cas', size, 'a', `<${size.reg}:rs>, <${size.reg}:rt>, [<xsp:rn>]`);
  },
  feature: 'LSE',
  doc: 'Writes Rt to memory if that is equal to Rs, atomically; Rs gets the old value.',
  exec: (s, f) => {
    const { bytes } = sizeOf(f);
    const access = atomic(bytes, bytes);
    const host = s.probe(baseAddress(s, f.rn), access);
    const old = s.ld(bytes, host, 0, 'i64');
    const equal = s.eq(old, low(s, s.x(f.rs), bytes));
    // Where they differ the old value is written back, as the architecture permits.
    s.st(bytes, host, s.select(equal, s.x(f.rt), old));
    s.setX(f.rs, old);
    s.commit(host, access);
  },
});

const comparePairRow = row('CASP', '0 sz 001000 0 a 1 rs:5 r 11111 rn:5 rt:5', {
  shape: ['sz'],
  asm: (f) => {
    const w = f.sz ? 'x' : 'w';
    return ordered('casp', sizes[2]!, 'a', `<${w}:rs>, <${w}next:rs>, <${w}:rt>, <${w}next:rt>, [<xsp:rn>]`);
  },
  feature: 'LSE',
  // Odd registers are UNDEFINED.
  when: (f) => f.rs % 2 === 0 && f.rt % 2 === 0,
  derive: (f) => ({ rs2: f.rs + 1, rt2: f.rt + 1 }),
  doc: 'Writes two registers to memory if that is equal to two others, atomically; those get the old values.',
  exec: (s, f) => {
    const bytes = f.sz ? 8 : 4;
    const access = atomic(2 * bytes, bytes);
    const host = s.probe(baseAddress(s, f.rn), access);
    const old = [0, bytes].map((off) => s.ld(bytes, host, off, 'i64')) as [Val, Val];
    const wanted = [f.rs, f.rs2].map((r) => low(s, s.x(r), bytes)) as [Val, Val];
    const equal = s.and(s.eq(old[0], wanted[0]), s.eq(old[1], wanted[1]));
    s.st(bytes, host, s.select(equal, s.x(f.rt), old[0]));
    s.st(bytes, host, s.select(equal, s.x(f.rt2), old[1]), bytes);
    s.setX(f.rs, old[0]);
    s.setX(f.rs2, old[1]);
    s.commit(host, access);
  },
});

/** A stage 2 abort describes these: they transfer one general-purpose register (D17.2.37, ISV). */
const orderedFlags = (size: Size): number =>
  Flag.aligned | Flag.acqRel | Flag.isv | (size.reg === 'x' ? Flag.sf : 0);

function loadOrdered(s: A64, f: Omit<Fields, 'rs'>, size: Size): void {
  const { bytes } = size;
  const access: Access = { kind: 'read', bytes, elem: bytes, flags: orderedFlags(size) };
  const host = s.probe(baseAddress(s, f.rn), access, s.num(f.rt));
  s.setX(f.rt, s.ld(bytes, host, 0, 'i64'));
}

const orderedRows: readonly Row<A64>[] = [
  // Bits 20-16 "should be one": with others it is UNDEFINED here.
  row('LDAPR', 'size:2 111000 101 11111 1 100 00 rn:5 rt:5', {
    shape: ['size'],
    asm: (f) => `ldapr${sizeOf(f).suffix} <${sizeOf(f).reg}:rt>, [<xsp:rn>]`,
    feature: 'LRCPC',
    doc: 'Loads with acquire semantics that a later store-release does not wait for.',
    exec: (s, f) => loadOrdered(s, f, sizeOf(f)),
  }),
  row('LDLAR', 'size:2 001000 1 1 0 rs:5 0 rt2:5 rn:5 rt:5', {
    shape: ['size'],
    asm: (f) => `ldlar${sizeOf(f).suffix} <${sizeOf(f).reg}:rt>, [<xsp:rn>] ; rs=31 rt2=31`,
    feature: 'LOR',
    doc: 'Loads with acquire semantics within a limited ordering region.',
    exec: (s, f) => loadOrdered(s, f, sizeOf(f)),
  }),
  row('STLLR', 'size:2 001000 1 0 0 rs:5 0 rt2:5 rn:5 rt:5', {
    shape: ['size'],
    asm: (f) => `stllr${sizeOf(f).suffix} <${sizeOf(f).reg}:rt>, [<xsp:rn>] ; rs=31 rt2=31`,
    feature: 'LOR',
    doc: 'Stores with release semantics within a limited ordering region.',
    exec: (s, f) => {
      const size = sizeOf(f);
      s.store(baseAddress(s, f.rn), s.x(f.rt), size.bytes, orderedFlags(size), f.rt);
    },
  }),
];

export const atomicRows: readonly Row<A64>[] = [
  ...operations.map(operationRow),
  swapRow,
  compareRow,
  comparePairRow,
  ...orderedRows,
];
