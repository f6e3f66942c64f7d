import { Cursor } from '../cursor';
import { SymbolError } from '../errors';
import { addressFromPool } from './forms';
import type { FormValue } from './forms';
import { sectionOffset } from './unit';
import type { Unit } from './unit';

const u64 = (value: bigint) => BigInt.asUintN(64, value);
const MAX_ENTRIES = 1 << 16;
const EVERYWHERE = { low: 0n, high: 1n << 64n };

/** The ranges of DW_LLE_* entries that carry an expression (DWARF 5, 7.7.3), by number. */
const ranges: Readonly<
  Record<number, (c: Cursor, pool: () => bigint, base: bigint) => { low: bigint; high: bigint }>
> = {
  2: (_c, pool) => ({ low: pool(), high: pool() }),
  3: (c, pool) => {
    const low = pool();
    return { low, high: u64(low + c.uleb64()) };
  },
  4: (c, _pool, base) => ({ low: u64(base + c.uleb64()), high: u64(base + c.uleb64()) }),
  5: () => EVERYWHERE,
  7: (c) => ({ low: c.u64(), high: c.u64() }),
  8: (c) => {
    const low = c.u64();
    return { low, high: u64(low + c.uleb64()) };
  },
};

function findNew(unit: Unit, c: Cursor, address: bigint): Uint8Array | undefined {
  const pool = (): bigint => {
    const found = addressFromPool(unit, c.uleb());
    if (found === undefined) throw c.fail('an index leads out of .debug_addr');
    return found;
  };
  let base = unit.lowPc ?? 0n;
  let fallback: Uint8Array | undefined;
  for (let n = 0; n < MAX_ENTRIES; n++) {
    const kind = c.u8();
    if (kind === 0) break;
    if (kind === 1) base = pool();
    else if (kind === 6) base = c.u64();
    else if (kind === 9) {
      c.skipLeb(); // DW_LLE_GNU_view_pair
      c.skipLeb();
    } else {
      const range = ranges[kind]?.(c, pool, base);
      if (range === undefined) throw c.fail(`unknown location list entry ${kind}`);
      const expression = c.block(c.uleb());
      if (kind === 5) fallback = expression;
      else if (address >= range.low && address < range.high) return expression;
    }
  }
  return fallback;
}

/** .debug_loc (DWARF 4, 2.6.2). */
function findOld(unit: Unit, c: Cursor, address: bigint): Uint8Array | undefined {
  let base = unit.lowPc ?? 0n;
  for (let n = 0; n < MAX_ENTRIES; n++) {
    const entry = { low: c.u64(), high: c.u64() };
    if (entry.low === 0n && entry.high === 0n) return undefined;
    if (entry.low === 0xffff_ffff_ffff_ffffn) {
      base = entry.high;
      continue;
    }
    const expression = c.block(c.u16());
    if (address >= u64(base + entry.low) && address < u64(base + entry.high)) return expression;
  }
  return undefined;
}

/** The expression that a location list gives for a link-time address; undefined when the value is not there then. */
export function findInLocationList(unit: Unit, value: FormValue, address: bigint): Uint8Array | undefined {
  const isNew = unit.version >= 5;
  const source = unit.sections.get(isNew ? 'loclists' : 'loc');
  const what = `.debug_${isNew ? 'loclists' : 'loc'} of ${unit.sections.fileName}`;
  let offset = sectionOffset(value);
  if (value.kind === 'listIndex') {
    const width = unit.is64 ? 8 : 4;
    const base = unit.loclistsBase ?? (unit.is64 ? 20 : 12);
    offset = base + new Cursor(source.read(base + value.index * width, width), what, base).offset(unit.is64);
  }
  if (offset === undefined) return undefined;
  for (let window = 512; ; window *= 8) {
    const bytes = source.read(offset, window);
    try {
      const c = new Cursor(bytes, what, offset);
      return isNew ? findNew(unit, c, address) : findOld(unit, c, address);
    } catch (error) {
      if (!(error instanceof SymbolError) || bytes.length < window) throw error;
    }
  }
}
