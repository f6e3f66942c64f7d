import { Cursor } from '../cursor';
import type { Interval } from '../interval-index';
import type { DebugSections } from './sections';

/**
 * Reads .debug_aranges (DWARF 5, 6.1.2): address ranges with the offset of their unit in .debug_info. It saves the walk
 * over all units, which is what makes the first answer about a large program fast.
 */
export function readAranges(sections: DebugSections): Interval<number>[] {
  const section = sections.get('aranges');
  const out: Interval<number>[] = [];
  const what = `.debug_aranges of ${sections.fileName}`;
  for (let offset = 0; offset < section.size;) {
    const head = new Cursor(section.read(offset, 12), what, offset);
    let length = head.u32();
    const is64 = length === 0xffff_ffff;
    if (is64) length = head.size64();
    const next = head.sectionOffset + length;
    if (next > section.size) throw head.fail('a set goes beyond the section');
    const c = new Cursor(section.read(offset, next - offset), what, offset);
    c.skip(head.pos);
    const version = c.u16();
    const unit = c.offset(is64);
    const addressSize = c.u8();
    const segmentSize = c.u8();
    // Tuples begin at a multiple of their own size, counted from the start of the set.
    if (version === 2 && addressSize === 8 && segmentSize === 0) {
      c.seek(Math.min(c.end, Math.ceil(c.pos / 16) * 16));
      while (c.end - c.pos >= 16) {
        const low = c.u64();
        const size = c.u64();
        if (low === 0n && size === 0n) break;
        if (size > 0n && low + size < 1n << 64n) out.push({ low, high: low + size, value: unit });
      }
    }
    offset = next;
  }
  return out;
}
