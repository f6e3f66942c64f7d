import type { Cursor } from '../cursor';
import type { AttributeSpec } from './abbrev';
import { FORM } from './constants';
import type { DebugSections } from './sections';

/** What decoding of attribute values depends on (DWARF 5, 7.5.1 and 7.5.5). */
export interface FormContext {
  sections: DebugSections;
  version: number;
  is64: boolean;
  addressSize: number;
  /** Offset of the unit in .debug_info. */
  unitOffset: number;
  strOffsetsBase: number | undefined;
  addrBase: number | undefined;
}

export type FormValue =
  | { kind: 'address'; address: bigint }
  | { kind: 'number'; value: bigint }
  | { kind: 'offset'; offset: number }
  | { kind: 'string'; text: string }
  | { kind: 'reference'; offset: number }
  | { kind: 'block'; bytes: Uint8Array }
  | { kind: 'flag'; set: boolean }
  | { kind: 'listIndex'; index: number }
  | { kind: 'foreign' };

type Reader = (c: Cursor, ctx: FormContext, spec: AttributeSpec) => FormValue;

const number = (value: number | bigint): FormValue => ({ kind: 'number', value: BigInt(value) });
const block = (bytes: Uint8Array): FormValue => ({ kind: 'block', bytes });
const text = (value: string): FormValue => ({ kind: 'string', text: value });
const inUnit = (ctx: FormContext, offset: number): FormValue => ({
  kind: 'reference',
  offset: ctx.unitOffset + offset,
});

function indexedString(ctx: FormContext, index: number): FormValue {
  const width = ctx.is64 ? 8 : 4;
  // Without DW_AT_str_offsets_base the first contribution is meant: after its header (DWARF 5, 7.26).
  const base = ctx.strOffsetsBase ?? (ctx.version >= 5 ? (ctx.is64 ? 16 : 8) : 0);
  const entry = ctx.sections.get('str_offsets').read(base + index * width, width);
  if (entry.length < width) return text('<damaged string>');
  const view = new DataView(entry.buffer, entry.byteOffset);
  const offset = ctx.is64 ? Number(view.getBigUint64(0, true)) : view.getUint32(0, true);
  return text(ctx.sections.string('str', offset));
}

function indexedAddress(ctx: FormContext, index: number): FormValue {
  return { kind: 'address', address: addressFromPool(ctx, index) ?? 0n };
}

/** Entry `index` of the unit's part of .debug_addr. */
export function addressFromPool(ctx: FormContext, index: number): bigint | undefined {
  const base = ctx.addrBase ?? (ctx.version >= 5 ? (ctx.is64 ? 16 : 8) : 0);
  const entry = ctx.sections.get('addr').read(base + index * 8, 8);
  if (entry.length < 8) return undefined;
  return new DataView(entry.buffer, entry.byteOffset).getBigUint64(0, true);
}

function u24(c: Cursor): number {
  return c.u16() + c.u8() * 0x10000;
}

const readers: Readonly<Record<number, Reader>> = {
  [FORM.addr]: (c, ctx) => ({ kind: 'address', address: c.address(ctx.addressSize) }),
  [FORM.block1]: (c) => block(c.block(c.u8())),
  [FORM.block2]: (c) => block(c.block(c.u16())),
  [FORM.block4]: (c) => block(c.block(c.u32())),
  [FORM.block]: (c) => block(c.block(c.uleb())),
  [FORM.exprloc]: (c) => block(c.block(c.uleb())),
  [FORM.data1]: (c) => number(c.u8()),
  [FORM.data2]: (c) => number(c.u16()),
  [FORM.data4]: (c) => number(c.u32()),
  [FORM.data8]: (c) => number(c.u64()),
  [FORM.data16]: (c) => block(c.block(16)),
  [FORM.sdata]: (c) => number(c.sleb64()),
  [FORM.udata]: (c) => number(c.uleb64()),
  [FORM.implicitConst]: (_c, _ctx, spec) => number(spec.implicit),
  [FORM.flag]: (c) => ({ kind: 'flag', set: c.u8() !== 0 }),
  [FORM.flagPresent]: () => ({ kind: 'flag', set: true }),
  [FORM.string]: (c) => text(c.cstring()),
  [FORM.strp]: (c, ctx) => text(ctx.sections.string('str', c.offset(ctx.is64))),
  [FORM.lineStrp]: (c, ctx) => text(ctx.sections.string('line_str', c.offset(ctx.is64))),
  [FORM.strx]: (c, ctx) => indexedString(ctx, c.uleb()),
  [FORM.gnuStrIndex]: (c, ctx) => indexedString(ctx, c.uleb()),
  [FORM.strx1]: (c, ctx) => indexedString(ctx, c.u8()),
  [FORM.strx2]: (c, ctx) => indexedString(ctx, c.u16()),
  [FORM.strx3]: (c, ctx) => indexedString(ctx, u24(c)),
  [FORM.strx4]: (c, ctx) => indexedString(ctx, c.u32()),
  [FORM.addrx]: (c, ctx) => indexedAddress(ctx, c.uleb()),
  [FORM.gnuAddrIndex]: (c, ctx) => indexedAddress(ctx, c.uleb()),
  [FORM.addrx1]: (c, ctx) => indexedAddress(ctx, c.u8()),
  [FORM.addrx2]: (c, ctx) => indexedAddress(ctx, c.u16()),
  [FORM.addrx3]: (c, ctx) => indexedAddress(ctx, u24(c)),
  [FORM.addrx4]: (c, ctx) => indexedAddress(ctx, c.u32()),
  [FORM.ref1]: (c, ctx) => inUnit(ctx, c.u8()),
  [FORM.ref2]: (c, ctx) => inUnit(ctx, c.u16()),
  [FORM.ref4]: (c, ctx) => inUnit(ctx, c.u32()),
  [FORM.ref8]: (c, ctx) => inUnit(ctx, c.size64()),
  [FORM.refUdata]: (c, ctx) => inUnit(ctx, c.uleb()),
  // DWARF 2 gave DW_FORM_ref_addr the size of an address.
  [FORM.refAddr]: (c, ctx) => ({
    kind: 'reference',
    offset: c.offset(ctx.version <= 2 ? ctx.addressSize === 8 : ctx.is64),
  }),
  [FORM.secOffset]: (c, ctx) => ({ kind: 'offset', offset: c.offset(ctx.is64) }),
  [FORM.rnglistx]: (c) => ({ kind: 'listIndex', index: c.uleb() }),
  [FORM.loclistx]: (c) => ({ kind: 'listIndex', index: c.uleb() }),
  // Type units and supplementary files are not read: these values are stepped over.
  [FORM.refSig8]: (c) => (c.skip(8), { kind: 'foreign' }),
  [FORM.refSup4]: (c) => (c.skip(4), { kind: 'foreign' }),
  [FORM.refSup8]: (c) => (c.skip(8), { kind: 'foreign' }),
  [FORM.strpSup]: (c, ctx) => (c.offset(ctx.is64), { kind: 'foreign' }),
};

function readerOf(c: Cursor, form: number): Reader {
  const reader = readers[form];
  if (reader === undefined) throw c.fail(`unknown attribute form 0x${form.toString(16)}`);
  return reader;
}

/** DW_FORM_indirect: the form itself precedes the value. One level only, as two make no sense. */
function resolve(c: Cursor, spec: AttributeSpec): AttributeSpec {
  if (spec.form !== FORM.indirect) return spec;
  const form = c.uleb();
  const implicit = form === FORM.implicitConst ? c.sleb64() : 0n;
  return { name: spec.name, form, implicit };
}

/** Reads one attribute value. */
export function readForm(c: Cursor, ctx: FormContext, given: AttributeSpec): FormValue {
  const spec = resolve(c, given);
  return readerOf(c, spec.form)(c, ctx, spec);
}

const fixedSizes: Readonly<Record<number, number>> = {
  [FORM.data1]: 1,
  [FORM.data2]: 2,
  [FORM.data4]: 4,
  [FORM.data8]: 8,
  [FORM.data16]: 16,
  [FORM.flag]: 1,
  [FORM.flagPresent]: 0,
  [FORM.implicitConst]: 0,
  [FORM.ref1]: 1,
  [FORM.ref2]: 2,
  [FORM.ref4]: 4,
  [FORM.ref8]: 8,
  [FORM.refSig8]: 8,
  [FORM.strx1]: 1,
  [FORM.strx2]: 2,
  [FORM.strx3]: 3,
  [FORM.strx4]: 4,
  [FORM.addrx1]: 1,
  [FORM.addrx2]: 2,
  [FORM.addrx3]: 3,
  [FORM.addrx4]: 4,
};
const offsetSized = new Set<number>([FORM.strp, FORM.lineStrp, FORM.secOffset, FORM.strpSup]);
const lebSized = new Set<number>([
  FORM.sdata,
  FORM.udata,
  FORM.refUdata,
  FORM.strx,
  FORM.addrx,
  FORM.rnglistx,
  FORM.loclistx,
]);

/** Steps over one attribute value without decoding strings or indices. */
export function skipForm(c: Cursor, ctx: FormContext, given: AttributeSpec): void {
  const fixed = fixedSizes[given.form];
  if (fixed !== undefined) c.skip(fixed);
  else if (offsetSized.has(given.form)) c.skip(ctx.is64 ? 8 : 4);
  else if (lebSized.has(given.form)) c.skipLeb();
  else if (given.form === FORM.addr) c.skip(ctx.addressSize);
  else if (given.form === FORM.exprloc || given.form === FORM.block) c.skip(c.uleb());
  else if (given.form === FORM.string) c.skipCstring();
  else readForm(c, ctx, given);
}
