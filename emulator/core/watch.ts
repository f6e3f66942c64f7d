/**
 * Watched memory: ranges of physical addresses, each for reads, writes or both. Pages that hold one carry
 * PageFlag.watch, and their TLB entries a tag flag, so that accesses to them alone go through the memory slow path, which
 * calls here. Watching changes nothing that the guest can see, not even the contents of its TLB.
 */
import { TagFlag, Tlb } from '../codegen/tlb';
import { common, PageFlag } from '../ir/state';
import { descField } from '../isa/dsl/isa';
import type { CpuState } from './cpu-state';
import { PAGE, type MemoryLayout } from './layout';
import type { PhysicalMemory } from './physical';
import { TlbTables } from './tlb-tables';

export type WatchKind = 'read' | 'write' | 'access';

/** Watched bytes. The object itself is the handle: it is what an access reports and what `remove` takes. */
export interface WatchRange {
  readonly pa: bigint;
  readonly bytes: number;
  readonly kind: WatchKind;
}

export type Accessor = 'instruction' | 'walk' | 'device';

/** One load or store that touched watched bytes. */
export interface WatchedAccess {
  readonly cpu: number;
  /** The instruction that makes the access. */
  readonly pc: bigint;
  readonly va: bigint;
  /** Where the first byte is. */
  readonly pa: bigint;
  readonly bytes: number;
  readonly write: boolean;
  /** Made for the instruction, not by itself: by the translation of an address, or by a device. `va` is `pa` then. */
  readonly by: Accessor;
  /** All bytes of the access, in the order of memory; `after` is `before` for a read. */
  readonly before: Uint8Array;
  readonly after: Uint8Array;
  /** The ranges that it touches, with the values of their bytes. */
  readonly hits: readonly WatchHit[];
}

export interface WatchHit {
  readonly range: WatchRange;
  /** The first of the bytes that follow: the range's, or those accessed where the range is long. */
  readonly pa: bigint;
  readonly before: Uint8Array;
  readonly after: Uint8Array;
}

/** Physical bytes. */
interface Extent {
  readonly pa: bigint;
  readonly bytes: number;
}

/** Consecutive bytes of an access in one page: from byte `at` of it on. */
interface Segment extends Extent {
  readonly at: number;
}

/** A range of at most so many bytes is reported as a whole, whichever of its bytes were accessed. */
const WHOLE = 64;

const overlaps = (a: Extent, b: Extent): boolean =>
  a.pa < b.pa + BigInt(b.bytes) && b.pa < a.pa + BigInt(a.bytes);

const counts = (kind: WatchKind, write: boolean): boolean =>
  kind === 'access' || (kind === 'write') === write;

export class WatchService {
  /** Hears of every access to a watched range while the instruction executes. @returns whether to stop behind it */
  onAccess: (access: WatchedAccess) => boolean = () => true;
  private readonly ranges = new Set<WatchRange>();
  private made: WatchedAccess[] = [];
  private readonly tables: TlbTables;

  constructor(
    private readonly view: DataView,
    private readonly layout: MemoryLayout,
    private readonly cpus: number,
    private readonly state: CpuState,
    private readonly physical: PhysicalMemory,
  ) {
    this.tables = new TlbTables(view, layout);
  }

  /** Begins to watch a range. */
  add(range: WatchRange): void {
    this.ranges.add(range);
    for (const page of this.pagesOf(range)) this.setFlag(page, true);
    this.tag();
  }

  /** Ends watching a range that was added. */
  remove(range: WatchRange): void {
    if (!this.ranges.delete(range)) return;
    for (const page of this.pagesOf(range)) {
      const whole = { pa: this.physical.ramBase + BigInt(page) * BigInt(PAGE), bytes: PAGE };
      if (![...this.ranges].some((r) => overlaps(r, whole))) this.setFlag(page, false);
    }
  }

  /** Whether nothing is watched: device accesses need not be looked at. */
  get isEmpty(): boolean {
    return this.ranges.size === 0;
  }

  /** The accesses to report of the last run, which end it together; forgets them. */
  take(): readonly WatchedAccess[] {
    const made = this.made;
    this.made = [];
    return made;
  }

  /** Marks the TLB entries of watched pages: after one begins, and after a snapshot has brought back other entries. */
  tag(): void {
    if (this.isEmpty) return;
    for (let cpu = 0; cpu < this.cpus; cpu++) {
      const block = this.tables.block(cpu);
      for (let bank = 0; bank < Tlb.banks; bank++)
        this.tables.ofData(block, bank, (from, end) => this.tagEntries(from, end));
    }
  }

  private tagEntries(from: number, end: number): void {
    for (let e = from; e < end; e += Tlb.entryBytes) {
      const low = this.tables.tagLow(e);
      if (low === undefined || !(this.view.getUint8(this.flagAt(this.tables.pageOf(e))) & PageFlag.watch))
        continue;
      this.view.setUint32(e + Tlb.tag, low | TagFlag.watch, true);
    }
  }

  private flagAt(page: number): number {
    return this.layout.pageFlags + page;
  }

  private setFlag(page: number, on: boolean): void {
    const flags = this.view.getUint8(this.flagAt(page));
    this.view.setUint8(this.flagAt(page), on ? flags | PageFlag.watch : flags & ~PageFlag.watch);
  }

  /** The RAM pages that a range touches. */
  private pagesOf(range: WatchRange): number[] {
    const { ramBase, ramSize } = this.physical;
    const from = range.pa > ramBase ? range.pa - ramBase : 0n;
    const end = range.pa + BigInt(range.bytes) - ramBase;
    const last = Number((end < ramSize ? end : ramSize) - 1n);
    const pages: number[] = [];
    for (let page = Math.floor(Number(from) / PAGE); page * PAGE <= last; page++) pages.push(page);
    return pages;
  }

  // --- accesses ---------------------------------------------------------------------------------------------------

  /** Host call `watched`, and device accesses: what the slow path remembers describes the access. @returns whether to stop */
  access(cpu: number, write: boolean): boolean {
    const segments = this.segments(cpu);
    const ranges = this.touched(segments, write);
    if (ranges.length === 0) return false;
    const bytes = segments.reduce((sum, s) => sum + s.bytes, 0);
    // What a device has given is in scratch: asking it again may give something else.
    const isRam = this.physical.ramOffset(segments[0]!.pa) !== undefined;
    const before = write || isRam ? this.read(segments, bytes) : this.scratch(cpu, bytes);
    const after = write ? this.scratch(cpu, bytes) : before;
    const va = this.state.get(cpu, common.slowVa);
    return this.report({ cpu, va, write, by: 'instruction', before, after }, segments, ranges);
  }

  /** A table walk is about to write a descriptor, or a device RAM. @returns whether to stop */
  writeBy(by: Accessor, cpu: number, pa: bigint, after: Uint8Array): boolean {
    const segments = [{ pa, at: 0, bytes: after.length }];
    const ranges = this.touched(segments, true);
    if (ranges.length === 0) return false;
    const before = this.read(segments, after.length);
    return this.report({ cpu, va: pa, write: true, by, before, after }, segments, ranges);
  }

  private touched(segments: readonly Segment[], write: boolean): WatchRange[] {
    return [...this.ranges].filter((r) => counts(r.kind, write) && segments.some((s) => overlaps(s, r)));
  }

  private report(
    what: Pick<WatchedAccess, 'cpu' | 'va' | 'write' | 'by' | 'before' | 'after'>,
    segments: readonly Segment[],
    ranges: readonly WatchRange[],
  ): boolean {
    const access: WatchedAccess = {
      ...what,
      pc: this.state.get(what.cpu, common.pc),
      pa: segments[0]!.pa,
      bytes: what.before.length,
      hits: ranges.flatMap((range) => this.hit(range, segments, what.after)),
    };
    if (!this.onAccess(access)) return false;
    this.made.push(access);
    return true;
  }

  private segments(cpu: number): Segment[] {
    const bytes = this.state.num(cpu, common.slowDesc) & ((1 << descField.bytes[1]) - 1);
    const first = this.state.num(cpu, common.slowFirst);
    const at = (n: number): bigint => this.state.get(cpu, common.slowPa, n);
    const one = { pa: at(0), at: 0, bytes: first };
    return first === bytes ? [one] : [one, { pa: at(1), at: first, bytes: bytes - first }];
  }

  private read(segments: readonly Segment[], bytes: number): Uint8Array {
    const out = new Uint8Array(bytes);
    for (const s of segments) out.set(this.physical.peek(s.pa, s.bytes), s.at);
    return out;
  }

  private scratch(cpu: number, bytes: number): Uint8Array {
    const at = this.state.block(cpu) + common.scratch.offset;
    return new Uint8Array(this.view.buffer, at, bytes).slice();
  }

  /** What happens to the bytes of a range; a long one is reported for each segment that touches it. */
  private hit(range: WatchRange, segments: readonly Segment[], after: Uint8Array): WatchHit[] {
    const parts =
      range.bytes <= WHOLE
        ? [range]
        : segments.filter((s) => overlaps(s, range)).map((s) => shared(s, range));
    return parts.map((part) => {
      const before = new Uint8Array(part.bytes);
      before.set(this.physical.peek(part.pa, part.bytes));
      const now = before.slice();
      for (const s of segments)
        for (let i = 0; i < s.bytes; i++) {
          const to = Number(s.pa + BigInt(i) - part.pa);
          if (to >= 0 && to < now.length) now[to] = after[s.at + i]!;
        }
      return { range, pa: part.pa, before, after: now };
    });
  }
}

/** The bytes that both have. */
function shared(a: Extent, b: Extent): Extent {
  const pa = a.pa > b.pa ? a.pa : b.pa;
  const [endA, endB] = [a.pa + BigInt(a.bytes), b.pa + BigInt(b.bytes)];
  return { pa, bytes: Number((endA < endB ? endA : endB) - pa) };
}
