import { Cursor } from '../cursor';
import { SymbolError } from '../errors';
import type { Abbrev, Abbrevs, AbbrevTable } from './abbrev';
import { AT, TAG, UNIT_TYPE } from './constants';
import { readForm, skipForm } from './forms';
import type { FormContext, FormValue } from './forms';
import type { DebugSections } from './sections';

/** The header of a unit in .debug_info (DWARF 5, 7.5.1). */
export interface UnitHeader {
  offset: number;
  /** Offset of the byte after the unit. */
  end: number;
  version: number;
  is64: boolean;
  addressSize: number;
  type: number;
  abbrevOffset: number;
  /** Offset of the root DIE. */
  rootOffset: number;
}

/** A compile unit: its header and what its root DIE says. */
export interface Unit extends FormContext {
  header: UnitHeader;
  tag: number;
  name: string;
  compDir: string;
  language: number;
  producer: string;
  stmtList: number | undefined;
  lowPc: bigint | undefined;
  highPc: bigint | undefined;
  ranges: FormValue | undefined;
  rnglistsBase: number | undefined;
  loclistsBase: number | undefined;
}

/** Reads the unit header at an offset of .debug_info. */
export function readUnitHeader(sections: DebugSections, offset: number): UnitHeader {
  const info = sections.get('info');
  const c = new Cursor(info.read(offset, 40), `.debug_info of ${sections.fileName}`, offset);
  let length = c.u32();
  const is64 = length === 0xffff_ffff;
  if (is64) length = c.size64();
  else if (length >= 0xffff_fff0) throw c.fail('a unit has a reserved length');
  const end = c.sectionOffset + length;
  if (end > info.size) throw c.fail('a unit goes beyond the section');
  const version = c.u16();
  if (version < 2 || version > 5) {
    throw new SymbolError(
      `${sections.fileName} has debug information in DWARF version ${version}, and versions 2 to 5 are known: rebuild it with -gdwarf-5.`,
    );
  }
  let type: number = UNIT_TYPE.compile;
  let addressSize: number;
  let abbrevOffset: number;
  if (version >= 5) {
    type = c.u8();
    addressSize = c.u8();
    abbrevOffset = c.offset(is64);
    if (type === UNIT_TYPE.skeleton || type === UNIT_TYPE.splitCompile) c.skip(8);
    else if (type === UNIT_TYPE.type || type === UNIT_TYPE.splitType) c.skip(is64 ? 16 : 12);
  } else {
    abbrevOffset = c.offset(is64);
    addressSize = c.u8();
  }
  if (addressSize !== 8) throw c.fail(`addresses of ${addressSize} bytes in a 64-bit program`);
  const rootOffset = c.sectionOffset;
  if (rootOffset > end) throw c.fail('a unit is shorter than its header');
  return { offset, end, version, is64, addressSize, type, abbrevOffset, rootOffset };
}

/** The attributes of one DIE, by attribute number. */
export type Attributes = Map<number, FormValue>;

/** Reads the attributes of a DIE whose abbreviation code was just read. */
export function readAttributes(c: Cursor, ctx: FormContext, abbrev: Abbrev): Attributes {
  const values: Attributes = new Map();
  for (const spec of abbrev.attributes) values.set(spec.name, readForm(c, ctx, spec));
  return values;
}

/** Steps over the attributes of a DIE. */
export function skipAttributes(c: Cursor, ctx: FormContext, abbrev: Abbrev): void {
  for (const spec of abbrev.attributes) skipForm(c, ctx, spec);
}

/** An offset into another section: DW_FORM_sec_offset, and before DWARF 4 a plain constant. */
export function sectionOffset(value: FormValue | undefined): number | undefined {
  if (value?.kind === 'offset') return value.offset;
  if (value?.kind === 'number' && value.value >= 0n && value.value < 1n << 52n) return Number(value.value);
  return undefined;
}

/** The text of a string attribute. */
export function textOf(value: FormValue | undefined): string | undefined {
  return value?.kind === 'string' ? value.text : undefined;
}

/** The value of a small constant attribute such as a line or a language. */
export function smallNumber(value: FormValue | undefined): number | undefined {
  return value?.kind === 'number' ? Number(BigInt.asIntN(53, value.value)) : undefined;
}

/** DW_AT_high_pc is an address, or (from DWARF 4) a size counted from DW_AT_low_pc. */
export function highOf(low: bigint, value: FormValue | undefined): bigint | undefined {
  if (value?.kind === 'address') return value.address;
  return value?.kind === 'number' ? BigInt.asUintN(64, low + value.value) : undefined;
}

/** The abbreviation of the root DIE, whose code is at the cursor. */
function rootAbbrev(c: Cursor, table: AbbrevTable): Abbrev {
  const code = c.uleb();
  const abbrev = table.get(code);
  if (abbrev === undefined) throw c.fail(`abbreviation ${code} does not exist`);
  return abbrev;
}

const ROOT_WINDOW = 1024;

/** Reads the root DIE of a unit. */
export function readUnit(sections: DebugSections, abbrevs: Abbrevs, header: UnitHeader): Unit {
  const info = sections.get('info');
  const table = abbrevs.at(header.abbrevOffset);
  const length = header.end - header.rootOffset;
  // The root DIE is short, the unit may be megabytes: take more only when the short window was not enough.
  for (let window = ROOT_WINDOW; ; window *= 64) {
    const bytes = info.read(header.rootOffset, Math.min(length, window));
    const c = new Cursor(bytes, `.debug_info of ${sections.fileName}`, header.rootOffset);
    try {
      return readRoot(sections, header, c, rootAbbrev(c, table));
    } catch (error) {
      if (!(error instanceof SymbolError) || window >= length) throw error;
    }
  }
}

function readRoot(sections: DebugSections, header: UnitHeader, c: Cursor, abbrev: Abbrev): Unit {
  const context: FormContext = {
    sections,
    version: header.version,
    is64: header.is64,
    addressSize: header.addressSize,
    unitOffset: header.offset,
    strOffsetsBase: undefined,
    addrBase: undefined,
  };
  // Two passes: the bases may follow the attributes that need them.
  const start = c.pos;
  for (const spec of abbrev.attributes) {
    if (spec.name === AT.strOffsetsBase) context.strOffsetsBase = sectionOffset(readForm(c, context, spec));
    else if (spec.name === AT.addrBase) context.addrBase = sectionOffset(readForm(c, context, spec));
    else skipForm(c, context, spec);
  }
  c.seek(start);
  const values = readAttributes(c, context, abbrev);
  const low = values.get(AT.lowPc);
  const lowPc = low?.kind === 'address' ? low.address : undefined;
  return {
    ...context,
    header,
    tag: abbrev.tag,
    name: textOf(values.get(AT.name)) ?? '',
    compDir: textOf(values.get(AT.compDir)) ?? '',
    language: smallNumber(values.get(AT.language)) ?? 0,
    producer: textOf(values.get(AT.producer)) ?? '',
    stmtList: sectionOffset(values.get(AT.stmtList)),
    lowPc,
    highPc: lowPc === undefined ? undefined : highOf(lowPc, values.get(AT.highPc)),
    ranges: values.get(AT.ranges),
    rnglistsBase: sectionOffset(values.get(AT.rnglistsBase)),
    loclistsBase: sectionOffset(values.get(AT.loclistsBase)),
  };
}

/** Whether the unit describes code of its own. */
export function isCodeUnit(unit: Unit): boolean {
  return unit.tag === TAG.compileUnit || unit.tag === TAG.skeletonUnit;
}
