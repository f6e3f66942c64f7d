/** The tables of the TLB in linear memory, as far as they are in use, for who has to visit entries. */
import { dataPlace, INVALID_TAG, placeMask, Tlb } from '../codegen/tlb';
import { common } from '../ir/state';
import { PAGE, type MemoryLayout } from './layout';

/** Calls `visit` for each of the entries in a stretch of memory. */
type Stretch = (from: number, end: number) => void;

const FETCH_BYTES = Tlb.entries * Tlb.entryBytes;
/** Bytes of a table for data at first. */
const FEWEST_BYTES = Tlb.fewest * Tlb.entryBytes;

export class TlbTables {
  constructor(
    private readonly view: DataView,
    private readonly layout: MemoryLayout,
  ) {}

  /** Address of a CPU's block. */
  block(cpu: number): number {
    return this.layout.cpuBase + cpu * this.layout.cpuStride;
  }

  /** Address of a bank of the CPU block at `block`. */
  bankAt(block: number, bank: number): number {
    return block + this.layout.tlb.banks + bank * Tlb.bankBytes;
  }

  /** The mask of `dataPlace` for a bank. */
  mask(block: number, bank: number): number {
    return this.view.getUint32(this.maskAt(block, bank), true);
  }

  /** Names the entries of a bank, table by table: for reads, for writes, for fetches. */
  ofBank(block: number, bank: number, visit: Stretch): void {
    const at = this.bankAt(block, bank);
    this.ofData(block, bank, visit);
    visit(at + Tlb.fetchAt, at + Tlb.fetchAt + FETCH_BYTES);
  }

  /** The same without those for fetches. */
  ofData(block: number, bank: number, visit: Stretch): void {
    const at = this.bankAt(block, bank);
    const bytes = this.mask(block, bank) + Tlb.entryBytes;
    visit(at + Tlb.readAt, at + Tlb.readAt + bytes);
    visit(at + Tlb.writeAt, at + Tlb.writeAt + bytes);
  }

  /** Names the entries for writes of a bank. */
  ofWrites(block: number, bank: number, visit: Stretch): void {
    const at = this.bankAt(block, bank) + Tlb.writeAt;
    visit(at, at + this.mask(block, bank) + Tlb.entryBytes);
  }

  /** The entry of a bank for writes to an address, given in halves. */
  writeAt(block: number, bank: number, low: number, high: number): number {
    return this.bankAt(block, bank) + Tlb.writeAt + dataPlace(low, high, this.mask(block, bank));
  }

  /** Empties a bank; its tables for data are as small as at first again. */
  empty(block: number, bank: number): void {
    const { tlb } = this.layout;
    this.view.setUint32(this.maskAt(block, bank), placeMask(Tlb.fewest), true);
    if (this.view.getUint32(block + common.bank.offset, true) === bank)
      this.view.setUint32(block + common.tlbMask.offset, placeMask(Tlb.fewest), true);
    this.view.setUint32(block + tlb.evictions + 4 * bank, 0, true);
    this.view.setBigUint64(block + tlb.blocks + 8 * bank, 0n, true);
    const at = this.bankAt(block, bank);
    this.clear(at + Tlb.fetchAt, at + Tlb.fetchAt + FETCH_BYTES);
    this.clear(at + Tlb.readAt, at + Tlb.readAt + FEWEST_BYTES);
    this.clear(at + Tlb.writeAt, at + Tlb.writeAt + FEWEST_BYTES);
  }

  /** Makes entries invalid: all ones. */
  clear(from: number, end: number): void {
    new Uint8Array(this.view.buffer, from, end - from).fill(0xff);
  }

  /** The low half of an entry's tag, undefined where it is invalid. */
  tagLow(e: number): number | undefined {
    const low = this.view.getUint32(e + Tlb.tag, true);
    return low === 0xffffffff && this.view.getBigUint64(e + Tlb.tag, true) === INVALID_TAG ? undefined : low;
  }

  /** The RAM page of a valid entry. */
  pageOf(e: number): number {
    const host = (this.view.getInt32(e + Tlb.tag, true) & -PAGE) + this.view.getInt32(e + Tlb.addend, true);
    return ((host >>> 0) - this.layout.ramHost) / PAGE;
  }

  private maskAt(block: number, bank: number): number {
    return block + this.layout.tlb.masks + 4 * bank;
  }
}
