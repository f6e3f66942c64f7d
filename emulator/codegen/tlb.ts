/**
 * Layout of the TLB in the CPU block: `banks` translation contexts, each with a table for reads, for writes and for
 * fetches. An entry's place follows from its address: see `dataPlace` and `fetchPlace`.
 *
 * An entry: u64 tag = virtual page, low 12 bits zero when the fast path may use it, otherwise TagFlag bits (all ones:
 * invalid); i32 addend, with virtual address (low half) + addend = address in linear memory; what alignment asks; and what
 * the slow path needs to go on without a walk: size and attributes. Only RAM has entries, so that the addend tells the
 * physical page.
 */
export const Tlb = {
  banks: 16,
  entryShift: 4,
  entryBytes: 16,
  tag: 0,
  addend: 8,
  /** u8: bits of an address that must be zero, as far as the access's size has them. */
  alignMask: 12,
  /** u8: log2 of the mapping's size; u16: bits of MemAttr. */
  size: 13,
  attr: 14,
  /** Entries of a table for fetches. */
  entries: 1024,
  /** Entries of a table for data at first, and at most; a table that overflows becomes four times as large. */
  fewest: 1024,
  most: 16384,
  /** Where the tables of a bank begin. Those for data have room for the most entries. */
  readAt: 0,
  writeAt: 16384 * 16,
  fetchAt: 2 * 16384 * 16,
  bankBytes: 2 * 16384 * 16 + 1024 * 16,
  /** Bytes of the key of a bank. */
  keyBytes: 32,
} as const;

/**
 * The place of an address in a table for data: (va >> placeShift ^ va >> foldShift) & mask, in bytes, where the mask is
 * of (entries - 1) * entryBytes. Higher bits are folded in, so that what lies a power of two apart does not fight for one place.
 */
export const placeShift = 12 - Tlb.entryShift;
export const foldShift = placeShift + 10;

/** Offset in a table for data, of an address in halves. */
export const dataPlace = (low: number, high: number, mask: number): number =>
  ((low >>> placeShift) ^ ((low >>> foldShift) | (high << (32 - foldShift)))) & mask;

/** Offset in a table for fetches, of the low half of an address. */
export const fetchPlace = (low: number): number => (low >>> placeShift) & placeMask(Tlb.entries);

/** The mask of `dataPlace` for a number of entries. */
export const placeMask = (entries: number): number => (entries - 1) * Tlb.entryBytes;

/** Low bits of a tag that is valid but must take the slow path. */
export const TagFlag = {
  /** Writes to a page that has predecoded code, or is not yet copied since the last snapshot. */
  code: 1,
  clean: 2,
  /** Reads and writes of a page that the debugger watches. */
  watch: 4,
  /** Big-endian data: there is nothing to add to. Device memory where entries do not ask for alignment. */
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
  /** u32 x banks: the mask of `dataPlace`. */
  readonly masks: number;
  /** u32 x banks: entries for data that had to make room since the tables had this size. */
  readonly evictions: number;
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
  const masks = blocks + Tlb.banks * 8;
  const evictions = masks + Tlb.banks * 4;
  const banks = Math.ceil((evictions + Tlb.banks * 4) / 4096) * 4096;
  const fetchRecs = banks + Tlb.banks * Tlb.bankBytes;
  return {
    ...{ keys, blocks, masks, evictions, banks, fetchRecs },
    end: fetchRecs + Tlb.banks * Tlb.entries * 4,
  };
}
