/**
 * Turns hot guest code into regions (codegen/region) and publishes them in the interpreter's table. A region belongs to a
 * physical page: it holds wherever the page is mapped, in every context, until one of its 64-byte lines is written.
 */
import { findBlocks } from '../codegen/region/blocks';
import { Translatability, type Instruction } from '../codegen/region/instruction';
import { regionModule, regionName, type Region } from '../codegen/region/region';
import { Heat } from '../codegen/handlers';
import { PageFlag } from '../ir/state';
import type { Isa } from '../isa/dsl/isa';
import { PAGE, type MemoryLayout } from './layout';
import type { Predecode } from './predecode';

const LINE = 64;

/** A region that exists: where it starts, and which lines of its page it was made of. */
interface Live {
  readonly number: number;
  /** Address of the entry's record. */
  readonly rec: number;
  readonly lines: bigint;
}

interface Hot {
  readonly rec: number;
  readonly page: number;
  readonly entry: number;
}

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
}

/** What was fastest on the boot of a Linux kernel. */
const usual: TranslatorOptions = {
  ...{ batch: 16, patience: 300_000, instructions: 200 },
  ...{ live: Heat.regions, heat: Heat.hot },
};

/** For tests: everything is translated when it is first reached, in small regions that soon go again. */
export const stressTranslation: TranslatorOptions = {
  ...{ batch: 1, patience: 0, instructions: 12, live: 40, heat: 1 },
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
  private readonly byPage = new Map<number, Live[]>();
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

  /** Control has come to the instruction of a record often. */
  hot(rec: number, now: bigint): void {
    const place = this.host.predecode.placeOf(rec);
    if (place === undefined || this.refused !== undefined) return;
    if (this.queue.length === 0) this.since = now;
    this.queue.push({ rec, page: Math.floor(place / PAGE), entry: place % PAGE });
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
    const regions: (Region & { readonly hot: Hot })[] = [];
    for (const h of hot) {
      const blocks = findBlocks(h.entry, (offset) => this.instruction(h.page * PAGE + offset), {
        instructions: this.options.instructions,
        pageBytes: PAGE,
      });
      if (blocks.has(h.entry)) regions.push({ entry: h.entry, blocks, hot: h });
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

  private instruction(offset: number): Instruction | undefined {
    const { predecode, view, layout } = this.host;
    if (predecode.stopsAt(offset)) return undefined;
    const word = view.getUint32(layout.ramHost + offset, true);
    return this.can.instruction(word, (w) => predecode.decodeWord(w));
  }

  private publish(regions: readonly (Region & { readonly hot: Hot })[]): void {
    const { isa, memory, exports } = this.host;
    const { bytes } = regionModule(isa, regions);
    const instance = new WebAssembly.Instance(new WebAssembly.Module(bytes), {
      env: { memory },
      routine: exports as WebAssembly.ModuleImports,
    });
    this.counts.modules++;
    this.counts.bytes += bytes.length;
    regions.forEach(({ hot, blocks }, n) => {
      const number = this.free.pop() ?? this.next++;
      this.table.set(this.firstElement + number, instance.exports[regionName(n)]);
      let lines = 0n;
      for (const { instructions } of blocks.values()) {
        this.counts.instructions += instructions.length;
        for (const { offset } of instructions) lines |= 1n << BigInt(Math.floor(offset / LINE));
      }
      this.byPage.set(hot.page, [...(this.byPage.get(hot.page) ?? []), { number, rec: hot.rec, lines }]);
      this.setHeat(hot.rec, Heat.hot + 1 + number);
      this.counts.regions++;
      this.flagPage(hot.page, true);
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
    const kept = live.filter((region) => {
      if ((region.lines & lines) === 0n) return true;
      this.drop(region);
      return false;
    });
    if (kept.length > 0) this.byPage.set(page, kept);
    else {
      this.byPage.delete(page);
      this.flagPage(page, false);
    }
  }

  /** Drops all regions: their records are about to go, or there are too many. */
  clear(): void {
    for (const [page, live] of this.byPage) {
      live.forEach((region) => this.drop(region));
      this.flagPage(page, false);
    }
    this.byPage.clear();
    this.queue.length = 0;
  }

  private drop(region: Live): void {
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
