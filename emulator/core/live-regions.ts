/**
 * The regions that exist: the element of the interpreter's table that each has, the records at which it is entered, and the 64-byte
 * lines of which it was made.
 */
import { Heat } from '../codegen/handlers';
import { PageFlag } from '../ir/state';
import { PAGE, type MemoryLayout } from './layout';
import type { Predecode } from './predecode';
import type { MadeRegion } from './region-maker';

const LINE = 64;
const pageAt = (offset: number): number => Math.floor(offset / PAGE);

/** The lines of a page in which the bytes at a RAM offset are, as bits. Bytes behind the page are not. */
function linesOf(offset: number, bytes: number): bigint {
  const from = offset % PAGE;
  const first = Math.floor(from / LINE);
  const last = Math.floor((Math.min(PAGE, from + bytes) - 1) / LINE);
  return ((1n << BigInt(last - first + 1)) - 1n) << BigInt(first);
}

/** A region that exists. */
interface Live {
  readonly number: number;
  /** RAM offsets at which it is entered, that for which it was made first. */
  readonly entries: readonly number[];
  readonly instructions: number;
  /** By page of RAM. */
  readonly lines: ReadonlyMap<number, bigint>;
  /** How often control was seen to go on in the region that is entered at a RAM offset. */
  readonly links: Map<number, number>;
  /** Virtual time until which they are counted. */
  linksUntil: bigint;
  /** It is being made again with what it has learned. */
  again: boolean;
}

export class LiveRegions {
  private readonly firstElement: number;
  private readonly byPage = new Map<number, Set<Live>>();
  private readonly byNumber: (Live | undefined)[] = [];
  private readonly free: number[] = [];

  constructor(
    private readonly view: DataView,
    private readonly layout: MemoryLayout,
    private readonly predecode: Predecode,
    private readonly table: WebAssembly.Table,
    /** Heat of records at which a region was entered that is gone. */
    private readonly cold: number,
    /** For who measures. */
    private readonly counts: { regions: number; instructions: number; dropped: number },
  ) {
    this.firstElement = table.length - Heat.regions;
  }

  get size(): number {
    return this.byNumber.length - this.free.length;
  }

  /** The region that is entered at a record. */
  at(rec: number): Live | undefined {
    return this.byNumber[this.predecode.heatOf(rec) - Heat.hot - 1];
  }

  /** Puts a region into the table, and has the interpreter enter it. */
  add({ entries, code }: MadeRegion, run: unknown): void {
    const number = this.free.pop() ?? this.byNumber.length;
    this.table.set(this.firstElement + number, run);
    const lines = new Map<number, bigint>();
    for (const at of code) {
      // So that a write sees in the records that there is code.
      this.predecode.decodeAt(at);
      const page = pageAt(at);
      lines.set(page, (lines.get(page) ?? 0n) | linesOf(at, 4));
    }
    const instructions = code.length;
    const live: Live = {
      number,
      entries,
      instructions,
      lines,
      links: new Map(),
      linksUntil: 0n,
      again: false,
    };
    for (const page of lines.keys()) {
      const there = this.byPage.get(page);
      if (there) there.add(live);
      else {
        this.byPage.set(page, new Set([live]));
        this.flagPage(page, true);
      }
    }
    for (const at of entries) {
      // A region that holds more may be entered there already.
      const rec = this.predecode.recordAt(at);
      if (at === entries[0] || (this.at(rec)?.instructions ?? 0) < instructions)
        this.predecode.setHeat(rec, Heat.hot + 1 + number);
    }
    this.byNumber[number] = live;
    this.counts.regions++;
    this.counts.instructions += instructions;
  }

  /** The regions that have code in the lines of some bytes of a page. */
  inLines(offset: number, bytes: number): Live[] {
    const page = pageAt(offset);
    const there = this.byPage.get(page);
    if (!there) return [];
    const lines = linesOf(offset, bytes);
    return [...there].filter((region) => (region.lines.get(page)! & lines) !== 0n);
  }

  drop(region: Live): void {
    for (const page of region.lines.keys()) {
      const there = this.byPage.get(page);
      there?.delete(region);
      if (there?.size !== 0) continue;
      this.byPage.delete(page);
      this.flagPage(page, false);
    }
    for (const at of region.entries) {
      const rec = this.predecode.recordAt(at);
      if (this.at(rec) === region) this.predecode.setHeat(rec, this.cold);
    }
    this.byNumber[region.number] = undefined;
    this.table.set(this.firstElement + region.number, null);
    this.free.push(region.number);
    this.counts.dropped++;
  }

  dropAll(): void {
    for (const region of this.byNumber) if (region) this.drop(region);
  }

  private flagPage(page: number, on: boolean): void {
    const at = this.layout.pageFlags + page;
    const flags = this.view.getUint8(at);
    this.view.setUint8(at, on ? flags | PageFlag.regions : flags & ~PageFlag.regions);
  }
}
