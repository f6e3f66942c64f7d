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

/** Is a stage 2 MemAttr field a Device type? `fwb`: HCR_EL2.FWB, which gives the field another meaning. */
export const isStage2Device = (s: Builder, memAttr: Val, fwb: Val): Val =>
  s.eqz(s.and(memAttr, s.select(fwb, s.i32(4), s.i32(0xc))));

/** A cacheability nibble made write-back, with its allocation hints where it has any. */
const writeBack = (s: Builder, nibble: Val): Val => s.select(s.eqi(nibble, 4), s.i32(0xf), s.ori(nibble, 4));

/**
 * Both stages with HCR_EL2.FWB (FEAT_S2FWB, J1.1.5 "S2ApplyFWBMemAttrs"): MemAttr[2:0] is a Device type, or Normal memory:
 * non-cacheable unless stage 1 is Device (5), write-back whatever stage 1 says (6), or what stage 1 says (7).
 */
export function forcedMemory(s: Builder, one: Val, memAttr: Val): Val {
  const type = s.andi(memAttr, 3);
  const oneDevice = s.eqz(s.andi(one, 0xf0));
  const back = s.or(s.shli(writeBack(s, s.shri(one, 4)), 4), writeBack(s, s.andi(one, 15)));
  const forced = s.select(oneDevice, s.i32(0xff), back);
  const uncached = s.select(oneDevice, one, s.i32(0x44));
  const normal = s.select(s.eqi(type, 3), one, s.select(s.eqi(type, 2), forced, uncached));
  const two = s.shli(type, 2);
  const stricter = s.select(s.and(oneDevice, s.ltu(one, two)), one, two);
  return s.select(isStage2Device(s, memAttr, s.i32(1)), stricter, normal);
}
