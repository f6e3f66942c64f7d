/** Invalidation of TLB entries by what a TLBI instruction names. */
import { BLOCK_SHIFT, INVALID_TAG, Tlb } from '../codegen/tlb';
import type { KeptTranslations } from './kept-translations';
import type { MemoryLayout } from './layout';

const { bankBytes: BANK_BYTES, entryBytes: ENTRY_BYTES, size: SIZE } = Tlb;

/** Which entries an operation drops. The Isa says which bank keys are meant. */
export interface TlbSelection {
  /** Is a bank with this key (4 words) meant? */
  readonly bank: (key: readonly bigint[]) => boolean;
  /** Only mappings that contain this virtual address; all when undefined. */
  readonly va?: bigint;
  /** From `va` on so many bytes; one byte when undefined. */
  readonly bytes?: bigint;
  /** What must be dropped, where the rest says more than that. */
  readonly exact?: TlbSelection;
}

export class TlbMaintenance {
  /** How often the guest has invalidated entries: its tables may have changed. */
  invalidations = 0;

  constructor(
    private readonly view: DataView,
    private readonly layout: MemoryLayout,
    private readonly kept: KeptTranslations,
  ) {}

  /** Empties all banks of a CPU and forgets their keys, as at reset. */
  reset(cpu: number): void {
    this.kept.reset(cpu);
    const block = this.block(cpu);
    for (let i = 0; i < Tlb.banks * 4; i++)
      this.view.setBigUint64(block + this.layout.tlb.keys + 8 * i, INVALID_TAG, true);
    for (let bank = 0; bank < Tlb.banks; bank++) this.dropBank(block, bank);
  }

  /** Drops all entries for data of a CPU: they come back by the slow path. What strict mode keeps stays. */
  dropData(cpu: number): void {
    const block = this.block(cpu);
    for (let bank = 0; bank < Tlb.banks; bank++) {
      const from = this.bankAt(block, bank);
      for (let e = from; e < from + 2 * Tlb.tableBytes; e += ENTRY_BYTES)
        this.view.setBigUint64(e, INVALID_TAG, true);
    }
  }

  invalidate(cpu: number, what: TlbSelection): void {
    this.kept.invalidate(cpu, what.exact ?? what);
    this.invalidations++;
    const block = this.block(cpu);
    for (let bank = 0; bank < Tlb.banks; bank++) {
      const key = [0, 1, 2, 3].map((i) =>
        this.view.getBigUint64(block + this.layout.tlb.keys + bank * Tlb.keyBytes + 8 * i, true),
      );
      if (!what.bank(key)) continue;
      if (what.va === undefined) this.dropBank(block, bank);
      else if (what.bytes === undefined) this.dropVa(block, bank, what.va);
      else this.dropRange(block, bank, what.va, what.bytes);
    }
  }

  private block(cpu: number): number {
    return this.layout.cpuBase + cpu * this.layout.cpuStride;
  }

  private dropBank(block: number, bank: number): void {
    const from = this.bankAt(block, bank);
    for (let e = from; e < from + BANK_BYTES; e += ENTRY_BYTES) this.view.setBigUint64(e, INVALID_TAG, true);
    this.view.setBigUint64(block + this.layout.tlb.blocks + 8 * bank, 0n, true);
  }

  private bankAt(block: number, bank: number): number {
    return block + this.layout.tlb.banks + bank * BANK_BYTES;
  }

  /** Page numbers have 44 bits without the tag, so that numbers hold them. */
  private dropRange(block: number, bank: number, va: bigint, bytes: bigint): void {
    const first = Number((va >> 12n) & ((1n << 44n) - 1n));
    const end = first + Number(bytes >> 12n);
    const from = block + this.layout.tlb.banks + bank * BANK_BYTES;
    for (let e = from; e < from + BANK_BYTES; e += ENTRY_BYTES) {
      const tagLow = this.view.getUint32(e, true);
      if (tagLow === 0xffffffff) continue;
      const page = (this.view.getUint32(e + 4, true) & 0xffffff) * 2 ** 20 + (tagLow >>> 12);
      const pages = 2 ** (Math.max(12, this.view.getUint8(e + SIZE)) - 12);
      const start = Math.floor(page / pages) * pages;
      if (start < end && start + pages > first) this.view.setBigUint64(e, INVALID_TAG, true);
    }
  }

  /**
   * Every 4 KiB piece of a block that contains the address goes with it; they may be anywhere in the tables, a page only at
   * its own place. A kernel that patches itself does this some ten thousand times while it boots, on every CPU: so it
   * works on halves of the 64 bits, which need no bigint.
   */
  private dropVa(block: number, bank: number, va: bigint): void {
    const low = Number(va & 0xffffffffn) | 0;
    const high = Number((va >> 32n) & 0xffffffffn) | 0;
    const from = this.bankAt(block, bank);
    const piece = (low >>> BLOCK_SHIFT) | (high << (32 - BLOCK_SHIFT));
    const blocks = block + this.layout.tlb.blocks + 8 * bank + (piece & 32 ? 4 : 0);
    if (((this.view.getInt32(blocks, true) >>> (piece & 31)) & 1) !== 0) {
      for (let e = from; e < from + BANK_BYTES; e += ENTRY_BYTES) this.dropEntry(e, low, high);
      return;
    }
    const place = ((low >>> 12) & (Tlb.entries - 1)) * ENTRY_BYTES;
    for (let e = from + place; e < from + BANK_BYTES; e += Tlb.tableBytes) this.dropEntry(e, low, high);
  }

  private dropEntry(e: number, low: number, high: number): void {
    const { view } = this;
    const tagLow = view.getInt32(e, true);
    // All ones in the low half alone cannot be: entries are aligned, and no flag has all of the low bits.
    if (tagLow === -1) return;
    // Bits 63-56 may be an address tag, which TLBI ignores (Arm ARM DDI 0487 D8.13.5).
    const highDiffers = (view.getInt32(e + 4, true) ^ high) & 0xffffff;
    const size = view.getUint8(e + SIZE);
    const same =
      size < 32
        ? highDiffers === 0 && (tagLow ^ low) >>> Math.max(12, size) === 0
        : highDiffers >>> (size - 32) === 0;
    if (same) view.setBigUint64(e, INVALID_TAG, true);
  }
}
