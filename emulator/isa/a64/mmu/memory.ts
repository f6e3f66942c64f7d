/** Memory attributes as MAIR_ELx and PAR_EL1 encode them, and how the two stages combine (Arm ARM DDI 0487 D8.5.5). */
import type { Builder } from '../../../ir/builder';
import type { Val } from '../../../ir/nodes';

/** A stage 2 MemAttr field as a MAIR byte: Device types, or Normal with outer and inner cacheability. */
export function stage2Memory(s: Builder, memAttr: Val): Val {
  const nibble = (two: Val): Val =>
    s.select(s.eqi(two, 1), s.i32(4), s.select(s.eqi(two, 2), s.i32(0xb), s.i32(0xf)));
  const outer = s.shri(memAttr, 2);
  const inner = s.andi(memAttr, 3);
  const normal = s.or(s.shli(nibble(outer), 4), nibble(inner));
  return s.select(s.eqz(outer), s.shli(inner, 2), normal);
}

/** One cacheability nibble: non-cacheable wins, then write-through; allocation hints are stage 1's. */
function combineNibble(s: Builder, one: Val, two: Val): Val {
  const uncached = s.or(s.eqi(one, 4), s.eqi(two, 4));
  const oneIsThrough = s.eqz(s.andi(one, 4));
  const twoIsThrough = s.eqi(s.shri(two, 2), 2);
  const through = s.or(s.i32(8), s.andi(one, 3));
  const cached = s.select(oneIsThrough, one, s.select(twoIsThrough, through, one));
  return s.select(uncached, s.i32(4), cached);
}

/** Both stages together, as a MAIR byte: Device wins, the stricter type of two. */
export function combineMemory(s: Builder, one: Val, two: Val): Val {
  const oneDevice = s.eqz(s.andi(one, 0xf0));
  const twoDevice = s.eqz(s.andi(two, 0xf0));
  const stricter = s.select(s.ltu(one, two), one, two);
  const device = s.select(s.and(oneDevice, twoDevice), stricter, s.select(oneDevice, one, two));
  const normal = s.or(
    s.shli(combineNibble(s, s.shri(one, 4), s.shri(two, 4)), 4),
    combineNibble(s, s.andi(one, 15), s.andi(two, 15)),
  );
  return s.select(s.or(oneDevice, twoDevice), device, normal);
}
