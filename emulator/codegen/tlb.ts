/**
 * Layout of the TLB in the CPU block. `banks` translation contexts, each with a table for reads, writes and fetches,
 * direct-mapped by the low bits of the page number.
 *
 * An entry: u64 tag = virtual page, low 12 bits zero when the fast path may use it, otherwise TagFlag bits (all ones:
 * invalid); i32 addend, with virtual address (low half) + addend = address in linear memory; u32 alignMask; and what the
 * slow path needs to go on without a walk: size, attributes and physical page.
 */
export const Tlb = {
  banks: 16,
  entries: 256,
  entryShift: 5,
  entryBytes: 32,
  tag: 0,
  addend: 8,
  alignMask: 12,
  /** u8: log2 of the mapping's size; u8: bits of MemAttr. */
  size: 16,
  attr: 17,
  /** u64: physical address of the page. */
  pa: 24,
  /** Bytes of one table, of a bank, and of the key that precedes the banks. */
  tableBytes: 256 * 32,
  bankBytes: 3 * 256 * 32,
  keyBytes: 32,
} as const;

/** Low bits of a tag that is valid but must take the slow path. */
export const TagFlag = {
  /** Writes to a page that has predecoded code, or is not yet copied since the last snapshot. */
  code: 1,
  clean: 2,
  /** Reads and writes of a page that the debugger watches. */
  watch: 4,
  /** Device memory or big-endian data: there is nothing to add to. */
  slow: 8,
} as const;

export const INVALID_TAG = 0xffff_ffff_ffff_ffffn;

/** Byte offsets in the CPU block behind the Isa's state. */
export interface TlbLayout {
  readonly keys: number;
  /**
   * u64 x banks: where a bank holds mappings larger than a page, so that TLBI by address need not look for their pieces
   * elsewhere. Bit n stands for the 2 MiB pieces of the address space whose number ends in n; larger mappings set all.
   */
  readonly blocks: number;
  readonly banks: number;
  /** u32 x entries x banks: predecoded page of each fetch entry (derived data, not part of a snapshot). */
  readonly fetchRecs: number;
  readonly end: number;
}

/** log2 of the bytes that one bit of `blocks` stands for. */
export const BLOCK_SHIFT = 21;

/** Places the TLB behind the state of an instruction set. */
export function tlbLayout(stateEnd: number): TlbLayout {
  const keys = Math.ceil(stateEnd / 64) * 64;
  const blocks = keys + Tlb.banks * Tlb.keyBytes;
  const banks = Math.ceil((blocks + Tlb.banks * 8) / 4096) * 4096;
  const fetchRecs = banks + Tlb.banks * Tlb.bankBytes;
  return { keys, blocks, banks, fetchRecs, end: fetchRecs + Tlb.banks * Tlb.entries * 4 };
}
