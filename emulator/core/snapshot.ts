/**
 * Snapshots: CPU blocks, scheduler and device states are copied; RAM is copied page by page when it changes for the
 * first time after a snapshot. Restoring lays the old pages back, newest first.
 */
import { TagFlag, Tlb } from '../codegen/tlb';
import { common, PageFlag } from '../ir/state';
import { PAGE, type MemoryLayout } from './layout';
import type { PhysicalMemory } from './physical';
import type { Predecode } from './predecode';
import { TlbTables } from './tlb-tables';

const presentFields = [common.eventMask, common.stopMask, common.eventRing, common.fetchHook];

/** What the rest of the machine contributes: copied by structuredClone. */
export interface SnapshotParts {
  save(): unknown;
  restore(saved: unknown): void;
}

/** Bytes of linear memory, and where they belong. */
interface Stretch {
  readonly at: number;
  readonly bytes: Uint8Array;
}

interface Snapshot {
  readonly id: number;
  /** What is in use of the CPU blocks. */
  readonly blocks: readonly Stretch[];
  readonly parts: readonly unknown[];
  /** RAM pages as they were when this snapshot was taken, for those that changed since. */
  readonly pages: Map<number, Uint8Array>;
}

export class SnapshotStore {
  private readonly taken: Snapshot[] = [];
  private nextId = 1;

  constructor(
    private readonly view: DataView,
    private readonly layout: MemoryLayout,
    private readonly cpus: number,
    physical: PhysicalMemory,
    private readonly predecode: Predecode,
    private readonly parts: readonly SnapshotParts[],
  ) {
    physical.saveClean = (page) => this.saveClean(page);
  }

  /** Takes a snapshot; cost: the CPU blocks, and later a copy of each page that is written. */
  take(): Snapshot {
    const s: Snapshot = {
      id: this.nextId++,
      blocks: this.blocks(),
      parts: this.parts.map((p) => structuredClone(p.save())),
      pages: new Map(),
    };
    this.taken.push(s);
    this.markAllClean();
    return s;
  }

  /** Puts the machine back to a snapshot of this store. Snapshots that were taken later are gone. */
  restore(s: Snapshot): void {
    const at = this.taken.indexOf(s);
    if (at < 0) throw new Error('This snapshot is no longer there: a later restore has discarded it.');
    for (let i = this.taken.length - 1; i >= at; i--) {
      for (const [page, bytes] of this.taken[i]!.pages)
        new Uint8Array(this.view.buffer, this.layout.ramHost + page * PAGE, PAGE).set(bytes);
    }
    this.taken.length = at + 1;
    s.pages.clear();
    this.restoreBlocks(s.blocks);
    this.parts.forEach((p, i) => p.restore(structuredClone(s.parts[i])));
    this.predecode.flush();
    this.markAllClean();
  }

  /** Forgets a snapshot; its pages pass to the one before. */
  drop(s: Snapshot): void {
    const at = this.taken.indexOf(s);
    if (at < 0) return;
    const before = this.taken[at - 1];
    if (before)
      for (const [page, bytes] of s.pages) if (!before.pages.has(page)) before.pages.set(page, bytes);
    this.taken.splice(at, 1);
  }

  /** Host call saveClean. */
  saveClean(page: number): void {
    const newest = this.taken.at(-1);
    if (newest && !newest.pages.has(page))
      newest.pages.set(
        page,
        new Uint8Array(this.view.buffer, this.layout.ramHost + page * PAGE, PAGE).slice(),
      );
    const at = this.layout.pageFlags + page;
    this.view.setUint8(at, this.view.getUint8(at) & ~PageFlag.clean);
  }

  private blocks(): Stretch[] {
    const tables = new TlbTables(this.view, this.layout);
    const taken: Stretch[] = [];
    const take = (from: number, end: number): void =>
      void taken.push({ at: from, bytes: new Uint8Array(this.view.buffer, from, end - from).slice() });
    for (let cpu = 0; cpu < this.cpus; cpu++) {
      const block = tables.block(cpu);
      take(block, block + this.layout.tlb.banks);
      for (let bank = 0; bank < Tlb.banks; bank++) tables.ofBank(block, bank, take);
    }
    return taken;
  }

  /** The debugger's settings belong to the present, not to the past that comes back. */
  private restoreBlocks(saved: readonly Stretch[]): void {
    const now = new Uint8Array(this.view.buffer);
    const keep = presentFields.flatMap((f) =>
      Array.from({ length: this.cpus }, (_, cpu) => {
        const at = this.layout.cpuBase + cpu * this.layout.cpuStride + f.offset;
        return { at, bytes: now.slice(at, at + f.bytes) };
      }),
    );
    for (const { at, bytes } of [...saved, ...keep]) now.set(bytes, at);
  }

  private markAllClean(): void {
    const flags = new Uint8Array(this.view.buffer, this.layout.pageFlags, this.layout.ramPages);
    for (let i = 0; i < flags.length; i++) flags[i]! |= PageFlag.clean;
    this.predecode.tagAllWrites(TagFlag.clean);
  }
}
