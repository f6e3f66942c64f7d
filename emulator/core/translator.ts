/**
 * Turns hot guest code into regions (codegen/region) and publishes them in the interpreter's table. A region belongs to the
 * physical pages that it was made of: it holds wherever the entry's is mapped, in every context, until one of its 64-byte lines is
 * written, and finds out by itself whether the others are where they were.
 */
import { findBlocks, type CodeSource } from '../codegen/region/blocks';
import { Translatability, type Instruction } from '../codegen/region/instruction';
import { regionModule, regionName, type Region } from '../codegen/region/region';
import { Heat, Rec } from '../codegen/handlers';
import { Tlb } from '../codegen/tlb';
import { common, PageFlag } from '../ir/state';
import type { Isa } from '../isa/dsl/isa';
import { PAGE, type MemoryLayout } from './layout';
import type { Predecode } from './predecode';

const LINE = 64;

/** Pages of a region beside its entry's, and how far away they may be: as far as a direct branch goes. */
const MORE_PAGES = 8;
const FARTHEST = 1 << 15;

/** Control comes to it by a branch less than this part of how often it comes to what is translated: it stays out of regions. */
const COLD = 64;

/** A region that exists: where it starts, and of which lines of which pages it was made. */
interface Live {
  readonly number: number;
  /** Address of the entry's record. */
  readonly rec: number;
  readonly lines: ReadonlyMap<number, bigint>;
}

/** A predecoded page: which page of RAM it is, and the address of its records. */
interface CodePage {
  readonly page: number;
  readonly recs: number;
}

interface Hot {
  readonly rec: number;
  /** Offset in its page. */
  readonly entry: number;
  /** Pages around the entry as the fetch TLB had them, by how many pages behind the entry's they are. */
  readonly pages: ReadonlyMap<number, CodePage>;
}

type Made = Region & { readonly hot: Hot };

export interface TranslatorOptions {
  /** Regions of a module; fewer are translated when the machine gives control back. */
  readonly batch: number;
  /** Instructions after which the first of an incomplete batch is translated all the same. */
  readonly patience: number;
  /** Instructions of a region at most. */
  readonly instructions: number;
  /** Regions that exist at once; with one more, all go. */
  readonly live: number;
  /** How often control must come to an instruction before what starts there is translated: at most Heat.hot. */
  readonly heat: number;
  /** Count in `common.exits` why regions are left. */
  readonly count: boolean;
}

/** What was fastest on the boot of a Linux kernel. */
const usual: TranslatorOptions = {
  ...{ batch: 16, patience: 300_000, instructions: 200 },
  ...{ live: Heat.regions, heat: Heat.hot, count: false },
};

/** For tests: everything is translated when it is first reached, in small regions that soon go again. */
export const stressTranslation: TranslatorOptions = {
  ...{ batch: 1, patience: 0, instructions: 12, live: 40, heat: 1, count: false },
};

let fallback: TranslatorOptions | false = usual;

/** What machines do that are not told otherwise: for a test run in stress mode. */
export function useTranslation(options: TranslatorOptions | false): void {
  fallback = options;
}

/** The options of a machine, with what it leaves out. */
export function translationOptions(
  given: Partial<TranslatorOptions> | false | undefined,
): TranslatorOptions | false {
  if (given === false) return false;
  return given === undefined || fallback === false ? fallback : { ...fallback, ...given };
}

/** The parts of a machine that a translator works on. */
export interface TranslatorHost {
  readonly isa: Isa;
  readonly view: DataView;
  readonly layout: MemoryLayout;
  readonly memory: WebAssembly.Memory;
  readonly predecode: Predecode;
  /** Exports of the interpreter: its routines, and its table. */
  readonly exports: WebAssembly.Exports;
  /** Hears once why there will be no translation. */
  readonly refused: (why: string) => void;
}

export class Translator {
  private readonly can: Translatability;
  private readonly table: WebAssembly.Table;
  private readonly firstElement: number;
  private readonly queue: Hot[] = [];
  private readonly byPage = new Map<number, Set<Live>>();
  private readonly free: number[] = [];
  private next = 0;
  /** Virtual time at which the first of the queue came. */
  private since = 0n;
  /** Why nothing is translated any more: the host refuses to compile. */
  refused: string | undefined;
  /** For who measures. */
  readonly counts = { modules: 0, regions: 0, instructions: 0, dropped: 0, bytes: 0 };

  constructor(
    private readonly host: TranslatorHost,
    private readonly options: TranslatorOptions,
  ) {
    this.can = new Translatability(host.isa);
    this.table = host.exports['table'] as WebAssembly.Table;
    this.firstElement = this.table.length - Heat.regions;
  }

  /** Control has come to the instruction of a record often, on the CPU whose block is at `cpu`. */
  hot(cpu: number, rec: number, now: bigint): void {
    const place = this.host.predecode.placeOf(rec);
    if (place === undefined || this.refused !== undefined) return;
    if (this.queue.length === 0) this.since = now;
    this.queue.push({ rec, entry: place % PAGE, pages: this.pagesAround(cpu) });
    if (this.queue.length >= this.options.batch) this.translateQueued();
  }

  /** Does not let the first of the queue wait for ever. */
  tick(now: bigint): void {
    if (this.queue.length > 0 && now - this.since > BigInt(this.options.patience)) this.translateQueued();
  }

  /** Translates what has been found hot. Between two runs of generated code, or inside a host call. */
  translateQueued(): void {
    if (this.queue.length === 0) return;
    const hot = this.queue.splice(0);
    const regions: Made[] = [];
    for (const h of hot) {
      const found = findBlocks(h.entry, this.sourceOf(h), {
        ...{ instructions: this.options.instructions, pages: MORE_PAGES, pageBytes: PAGE },
      });
      if (!found.blocks.has(h.entry)) continue;
      const pages = new Map<number, number>();
      for (const { offset } of found.blocks.values()) {
        const page = Math.floor(offset / PAGE);
        if (page !== 0) pages.set(page, h.pages.get(page)!.recs);
      }
      regions.push({ entry: h.entry, ...found, pages, hot: h });
    }
    if (regions.length === 0) return;
    if (this.next - this.free.length + regions.length > this.options.live) this.clear();
    try {
      this.publish(regions);
    } catch (error) {
      this.refused = error instanceof Error ? error.message : String(error);
      this.host.refused(this.refused);
    }
  }

  /** The predecoded pages that a CPU would find without a walk, by how far behind the current one they are. */
  private pagesAround(cpu: number): Map<number, CodePage> {
    const { view, predecode } = this.host;
    const u32 = (at: number): number => view.getUint32(at, true);
    const [table, recsOf] = [u32(cpu + common.tlbFetch.offset), u32(cpu + common.tlbFetchRec.offset)];
    const [low, high] = [u32(cpu + common.pageVa.offset), u32(cpu + common.pageVa.offset + 4)];
    const found = new Map<number, CodePage>();
    for (let n = 0; n < Tlb.entries; n++) {
      const tag = table + n * Tlb.entryBytes + Tlb.tag;
      const recs = u32(recsOf + 4 * n);
      // An invalid tag has low bits; those of 64 are exact in a number for what is near.
      if (recs === 0 || (u32(tag) & (PAGE - 1)) !== 0) continue;
      const behind = (u32(tag + 4) - high) * 2 ** 20 + (u32(tag) - low) / PAGE;
      if (Math.abs(behind) > FARTHEST) continue;
      const place = predecode.placeOf(recs);
      if (place !== undefined) found.set(behind, { page: place / PAGE, recs });
    }
    return found;
  }

  private sourceOf({ pages }: Hot): CodeSource {
    const { view, predecode } = this.host;
    const { startHeat } = predecode;
    const needed = this.options.heat / COLD;
    const heatOf = (recs: number, inPage: number): number =>
      view.getUint16(recs + inPage * (Rec.bytes / 4) + Heat.offset, true) - startHeat;
    const pageOf = (offset: number): CodePage | undefined => pages.get(Math.floor(offset / PAGE));
    const inPage = (offset: number): number => offset - Math.floor(offset / PAGE) * PAGE;
    return {
      at: (offset) => {
        const page = pageOf(offset);
        return page && this.instruction(page.page * PAGE + inPage(offset));
      },
      heat: (offset) => {
        const page = pageOf(offset);
        if (!page) return 0;
        const heat = Math.max(0, heatOf(page.recs, inPage(offset)));
        return heat < Math.floor(needed) ? 0 : (heat + 1) / this.options.heat;
      },
      hotIn: function* (number) {
        const page = pages.get(number);
        for (let at = 0; page && at < PAGE; at += 4)
          if (heatOf(page.recs, at) >= Math.max(1, needed)) yield number * PAGE + at;
      },
    };
  }

  private instruction(offset: number): Instruction | undefined {
    const { predecode, view, layout } = this.host;
    if (predecode.stopsAt(offset)) return undefined;
    const word = view.getUint32(layout.ramHost + offset, true);
    return this.can.instruction(word, (w) => predecode.decodeWord(w));
  }

  private publish(regions: readonly Made[]): void {
    const { isa, memory, exports } = this.host;
    const { bytes } = regionModule(isa, regions, this.options);
    const instance = new WebAssembly.Instance(new WebAssembly.Module(bytes), {
      env: { memory },
      routine: exports as WebAssembly.ModuleImports,
    });
    this.counts.modules++;
    this.counts.bytes += bytes.length;
    regions.forEach(({ hot, blocks }, n) => {
      const number = this.free.pop() ?? this.next++;
      this.table.set(this.firstElement + number, instance.exports[regionName(n)]);
      const lines = new Map<number, bigint>();
      for (const { instructions } of blocks.values()) {
        this.counts.instructions += instructions.length;
        for (const { offset } of instructions) {
          const { page } = hot.pages.get(Math.floor(offset / PAGE))!;
          const line = BigInt(Math.floor((offset - Math.floor(offset / PAGE) * PAGE) / LINE));
          lines.set(page, (lines.get(page) ?? 0n) | (1n << line));
        }
      }
      const live: Live = { number, rec: hot.rec, lines };
      for (const page of lines.keys()) {
        const there = this.byPage.get(page);
        if (there) there.add(live);
        else {
          this.byPage.set(page, new Set([live]));
          this.flagPage(page, true);
        }
      }
      this.setHeat(hot.rec, Heat.hot + 1 + number);
      this.counts.regions++;
    });
  }

  /** Drops the regions of which a part is written, or is to be left by itself: by RAM offset. */
  written(offset: number, bytes: number): void {
    if (this.byPage.size === 0) return;
    for (let at = offset; at < offset + bytes; at = (Math.floor(at / PAGE) + 1) * PAGE)
      this.writtenInPage(Math.floor(at / PAGE), at % PAGE, Math.min(offset + bytes - at, PAGE - (at % PAGE)));
  }

  private writtenInPage(page: number, from: number, bytes: number): void {
    const live = this.byPage.get(page);
    if (!live) return;
    const first = Math.floor(from / LINE);
    const last = Math.floor((from + bytes - 1) / LINE);
    let lines = 0n;
    for (let line = first; line <= last; line++) lines |= 1n << BigInt(line);
    for (const region of live) if (((region.lines.get(page) ?? 0n) & lines) !== 0n) this.drop(region);
  }

  /** Drops all regions: their records are about to go, or there are too many. */
  clear(): void {
    for (const live of this.byPage.values()) for (const region of live) this.drop(region);
    this.queue.length = 0;
  }

  private drop(region: Live): void {
    for (const page of region.lines.keys()) {
      const live = this.byPage.get(page);
      live?.delete(region);
      if (live?.size !== 0) continue;
      this.byPage.delete(page);
      this.flagPage(page, false);
    }
    // Code that is written again and again is not worth much work.
    this.setHeat(region.rec, Math.max(0, Heat.hot - 16 * this.options.heat));
    this.table.set(this.firstElement + region.number, null);
    this.free.push(region.number);
    this.counts.dropped++;
  }

  private setHeat(rec: number, heat: number): void {
    this.host.view.setUint16(rec + Heat.offset, heat, true);
  }

  private flagPage(page: number, on: boolean): void {
    const { view, layout } = this.host;
    const flags = view.getUint8(layout.pageFlags + page);
    view.setUint8(layout.pageFlags + page, on ? flags | PageFlag.regions : flags & ~PageFlag.regions);
  }
}
