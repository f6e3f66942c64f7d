import { Cursor } from '../cursor';
import { SymbolError } from '../errors';
import { addressFromPool } from './forms';
import type { FormValue } from './forms';
import { sectionOffset } from './unit';
import type { Unit } from './unit';

export interface AddressRange {
  low: bigint;
  high: bigint;
}

const mask = (value: bigint) => BigInt.asUintN(64, value);
/** A list of a real unit has at most some ten thousand entries; a damaged one may run through the whole section. */
const MAX_ENTRIES = 1 << 18;

/** Runs a list decoder over a growing window of a section, as a list does not say how long it is. */
function decodeList(
  unit: Unit,
  section: string,
  offset: number,
  decode: (c: Cursor) => AddressRange[],
): AddressRange[] {
  const source = unit.sections.get(section);
  for (let window = 512; ; window *= 8) {
    const bytes = source.read(offset, window);
    try {
      return decode(new Cursor(bytes, `.debug_${section} of ${unit.sections.fileName}`, offset));
    } catch (error) {
      if (!(error instanceof SymbolError) || bytes.length < window) throw error;
    }
  }
}

/** .debug_ranges (DWARF 4, 2.17.3): pairs of offsets from the base address; (-1, x) sets the base; (0, 0) ends. */
function oldList(unit: Unit, c: Cursor): AddressRange[] {
  const out: AddressRange[] = [];
  let base = unit.lowPc ?? 0n;
  while (out.length < MAX_ENTRIES) {
    const low = c.u64();
    const high = c.u64();
    if (low === 0n && high === 0n) break;
    if (low === 0xffff_ffff_ffff_ffffn) base = high;
    else if (low !== high) out.push({ low: mask(base + low), high: mask(base + high) });
  }
  return out;
}

type ListStep = (c: Cursor, unit: Unit, base: bigint) => { range?: AddressRange; base?: bigint };

const pool = (c: Cursor, unit: Unit): bigint => {
  const address = addressFromPool(unit, c.uleb());
  if (address === undefined) throw c.fail('an index leads out of .debug_addr');
  return address;
};

/** DW_RLE_* (DWARF 5, 7.25), by number. */
const steps: readonly (ListStep | undefined)[] = [
  undefined, // end_of_list
  (c, unit) => ({ base: pool(c, unit) }),
  (c, unit) => ({ range: { low: pool(c, unit), high: pool(c, unit) } }),
  (c, unit) => {
    const low = pool(c, unit);
    return { range: { low, high: mask(low + c.uleb64()) } };
  },
  (c, _unit, base) => ({ range: { low: mask(base + c.uleb64()), high: mask(base + c.uleb64()) } }),
  (c) => ({ base: c.u64() }),
  (c) => ({ range: { low: c.u64(), high: c.u64() } }),
  (c) => {
    const low = c.u64();
    return { range: { low, high: mask(low + c.uleb64()) } };
  },
];

function newList(unit: Unit, c: Cursor): AddressRange[] {
  const out: AddressRange[] = [];
  let base = unit.lowPc ?? 0n;
  while (out.length < MAX_ENTRIES) {
    const kind = c.u8();
    if (kind === 0) break;
    const step = steps[kind];
    if (step === undefined) throw c.fail(`unknown range list entry ${kind}`);
    const result = step(c, unit, base);
    if (result.base !== undefined) base = result.base;
    if (result.range !== undefined && result.range.high > result.range.low) out.push(result.range);
  }
  return out;
}

/** Where list `index` of the unit's part of .debug_rnglists is. */
function indexedList(unit: Unit, index: number): number {
  const width = unit.is64 ? 8 : 4;
  const base = unit.rnglistsBase ?? (unit.is64 ? 20 : 12);
  const what = `.debug_rnglists of ${unit.sections.fileName}`;
  const c = new Cursor(unit.sections.get('rnglists').read(base + index * width, width), what, base);
  return base + c.offset(unit.is64);
}

/** The ranges that a DW_AT_ranges attribute stands for. */
export function readRanges(unit: Unit, value: FormValue): AddressRange[] {
  const offset = value.kind === 'listIndex' ? indexedList(unit, value.index) : sectionOffset(value);
  if (offset === undefined) return [];
  return unit.version >= 5
    ? decodeList(unit, 'rnglists', offset, (c) => newList(unit, c))
    : decodeList(unit, 'ranges', offset, (c) => oldList(unit, c));
}

/** The code ranges of a unit, from its root DIE. */
export function unitRanges(unit: Unit): AddressRange[] {
  if (unit.ranges !== undefined) return readRanges(unit, unit.ranges);
  if (unit.lowPc !== undefined && unit.highPc !== undefined && unit.highPc > unit.lowPc) {
    return [{ low: unit.lowPc, high: unit.highPc }];
  }
  return [];
}
