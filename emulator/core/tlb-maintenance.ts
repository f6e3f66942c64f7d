/** Invalidation of TLB entries by what a TLBI instruction names. */
import { BLOCK_SHIFT, dataPlace, fetchPlace, INVALID_TAG, Tlb } from '../codegen/tlb';
import type { KeptTranslations } from './kept-translations';
import type { MemoryLayout } from './layout';
import { TlbTables } from './tlb-tables';

const { entryBytes: ENTRY_BYTES, size: SIZE } = Tlb;

/** Banks whose key has `value` in the bits `mask` of its first word. */
export interface BankMatch {
  readonly mask: bigint;
  readonly value: bigint;
}

/** Is the bank or context with a key meant? */
export const isMeant = (bank: BankMatch, key: readonly bigint[]): boolean =>
  ((key[0] ?? 0n) & bank.mask) === bank.value;

/** Which entries an operation drops. The Isa says which bank keys are meant. */
export interface TlbSelection {
  readonly bank: BankMatch;
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
  private readonly tables: TlbTables;
  /** The contexts that the last operation meant, and their halves. */
  private last: { readonly bank: BankMatch; readonly mask: Halves; readonly value: Halves } | undefined;

  constructor(
    private readonly view: DataView,
    private readonly layout: MemoryLayout,
    private readonly kept: KeptTranslations,
  ) {
    this.tables = new TlbTables(view, layout);
  }

  /** Empties all banks of a CPU and forgets their keys, as at reset. */
  reset(cpu: number): void {
    this.kept.reset(cpu);
    const block = this.tables.block(cpu);
    const { keys } = this.layout.tlb;
    new Uint8Array(this.view.buffer, block + keys, Tlb.banks * Tlb.keyBytes).fill(0xff);
    for (let bank = 0; bank < Tlb.banks; bank++) this.tables.empty(block, bank);
  }

  /** Drops all entries for data of a CPU: they come back by the slow path. What strict mode keeps stays. */
  dropData(cpu: number): void {
    const block = this.tables.block(cpu);
    for (let bank = 0; bank < Tlb.banks; bank++)
      this.tables.ofData(block, bank, (from, end) => this.tables.clear(from, end));
  }

  /** A kernel that patches itself does this some ten thousand times while it boots: no bigint for a bank or an entry. */
  invalidate(cpu: number, what: TlbSelection): void {
    this.kept.invalidate(cpu, what.exact ?? what);
    this.invalidations++;
    const block = this.tables.block(cpu);
    if (this.last?.bank !== what.bank)
      this.last = { bank: what.bank, mask: halves(what.bank.mask), value: halves(what.bank.value) };
    const [maskLow, maskHigh] = this.last.mask;
    const [valueLow, valueHigh] = this.last.value;
    const [low, high] = halves(what.va ?? 0n);
    for (let bank = 0; bank < Tlb.banks; bank++) {
      const key = block + this.layout.tlb.keys + bank * Tlb.keyBytes;
      if ((this.view.getInt32(key, true) & maskLow) !== valueLow) continue;
      if ((this.view.getInt32(key + 4, true) & maskHigh) !== valueHigh) continue;
      if (what.va === undefined) this.tables.empty(block, bank);
      else if (what.bytes === undefined) this.dropVa(block, bank, low, high);
      else this.dropRange(block, bank, what.va, what.bytes);
    }
  }

  /** Page numbers have 44 bits without the tag, so that numbers hold them. */
  private dropRange(block: number, bank: number, va: bigint, bytes: bigint): void {
    const first = Number((va >> 12n) & ((1n << 44n) - 1n));
    const last = first + Number(bytes >> 12n);
    this.tables.ofBank(block, bank, (from, end) => {
      for (let e = from; e < end; e += ENTRY_BYTES) {
        const tagLow = this.view.getUint32(e, true);
        if (tagLow === 0xffffffff) continue;
        const page = (this.view.getUint32(e + 4, true) & 0xffffff) * 2 ** 20 + (tagLow >>> 12);
        const pages = 2 ** (Math.max(12, this.view.getUint8(e + SIZE)) - 12);
        const start = Math.floor(page / pages) * pages;
        if (start < last && start + pages > first) this.view.setBigUint64(e, INVALID_TAG, true);
      }
    });
  }

  /**
   * Every 4 KiB piece of a block that contains the address goes with it; they may be anywhere in the tables, a page only at
   * its own place.
   */
  private dropVa(block: number, bank: number, low: number, high: number): void {
    const piece = (low >>> BLOCK_SHIFT) | (high << (32 - BLOCK_SHIFT));
    const blocks = block + this.layout.tlb.blocks + 8 * bank + (piece & 32 ? 4 : 0);
    if (((this.view.getInt32(blocks, true) >>> (piece & 31)) & 1) !== 0) {
      this.tables.ofBank(block, bank, (from, end) => {
        for (let e = from; e < end; e += ENTRY_BYTES) this.dropEntry(e, low, high);
      });
      return;
    }
    const at = this.tables.bankAt(block, bank);
    const mask = this.tables.mask(block, bank);
    // Whatever the address tag: an access with another one has an entry of its own.
    const place = dataPlace(low, high, mask);
    this.dropEntry(at + Tlb.readAt + place, low, high);
    this.dropEntry(at + Tlb.writeAt + place, low, high);
    this.dropEntry(at + Tlb.fetchAt + fetchPlace(low), low, high);
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

type Halves = readonly [low: number, high: number];

/** The two halves of a word, signed. */
const halves = (v: bigint): Halves => [Number(v & 0xffffffffn) | 0, Number((v >> 32n) & 0xffffffffn) | 0];
