/** Invalidation of TLB entries by what a TLBI instruction names. */
import { INVALID_TAG, Tlb } from '../codegen/tlb';
import type { KeptTranslations } from './kept-translations';
import type { MemoryLayout } from './layout';

/** Which entries an operation drops. The Isa says which bank keys are meant. */
export interface TlbSelection {
  /** Is a bank with this key (4 words) meant? */
  readonly bank: (key: readonly bigint[]) => boolean;
  /** Only mappings that contain this virtual address; all when undefined. */
  readonly va?: bigint;
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
      else this.dropVa(block, bank, what.va);
    }
  }

  private block(cpu: number): number {
    return this.layout.cpuBase + cpu * this.layout.cpuStride;
  }

  private dropBank(block: number, bank: number): void {
    const from = block + this.layout.tlb.banks + bank * Tlb.bankBytes;
    for (let e = from; e < from + Tlb.bankBytes; e += Tlb.entryBytes)
      this.view.setBigUint64(e, INVALID_TAG, true);
  }

  /** Every 4 KiB piece of a block that contains the address goes with it. */
  private dropVa(block: number, bank: number, va: bigint): void {
    const from = block + this.layout.tlb.banks + bank * Tlb.bankBytes;
    for (let e = from; e < from + Tlb.bankBytes; e += Tlb.entryBytes) {
      const tag = this.view.getBigUint64(e + Tlb.tag, true);
      if (tag === INVALID_TAG) continue;
      const size = BigInt(Math.max(12, this.view.getUint8(e + Tlb.size)));
      // Bits 63-56 may be an address tag, which TLBI ignores (Arm ARM DDI 0487 D8.13.5).
      if (BigInt.asUintN(56, tag ^ va) >> size === 0n) this.view.setBigUint64(e, INVALID_TAG, true);
    }
  }
}
