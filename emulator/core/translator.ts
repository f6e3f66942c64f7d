/**
 * Turns hot guest code into regions (codegen/region) and publishes them in the interpreter's table. A region belongs to the
 * physical pages that it was made of: it holds wherever the entry's is mapped, in every context, until one of its 64-byte lines is
 * written, and finds out by itself whether the others are where they were.
 */
import { Heat, Rec } from '../codegen/handlers';
import { regionName } from '../codegen/region/region';
import { Tlb } from '../codegen/tlb';
import { common } from '../ir/state';
import type { Isa } from '../isa/dsl/isa';
import { guardInRegion } from './gates';
import { PAGE, type MemoryLayout } from './layout';
import { LiveRegions } from './live-regions';
import type { Predecode } from './predecode';
import {
  RegionMaker,
  type CodeReader,
  type Entry,
  type MadeRegion,
  type RegionAnswer,
  reasonOf,
  type Learned,
  type CodePlace,
} from './region-maker';

const pageAt = (offset: number): number => Math.floor(offset / PAGE);

/** How far away other pages of a region may be: as far as a direct branch goes. */
const FARTHEST = 1 << 15;

/** Links of one kind that were seen make it worth translating for; places that a region learns at most. */
const LINKED = 3;
/**
 * A link that is gone over less than once in so many instructions costs nothing to speak of, and a larger region is slower code: an
 * interpreter's loop ran at half its speed with what surrounds it in its region.
 */
const SELDOM = 1000;
const LEARNED = 12;

/** What is remembered at most, since guests may make new code for ever: links from a region, instructions that write beside code. */
const MOST_LINKS = 1024;
const MOST_BESIDES = 1024;

/** What is to be translated. */
interface Request extends Omit<Entry, 'offset' | 'learned'> {
  /** RAM offset of the instruction at which the region is to start. */
  readonly start: number;
  /** There is a region already. */
  readonly isAgain: boolean;
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
  /** One of so many transitions between regions is looked at, to make one of two: a power of two. */
  readonly links: number;
  /** Count in `common.exits` why regions are left. */
  readonly count: boolean;
}

/** What was fastest on the boot of a Linux kernel. */
const usual: TranslatorOptions = {
  ...{ batch: 16, patience: 300_000, instructions: 200 },
  ...{ live: Heat.regions, heat: Heat.hot, links: 2048, count: false },
};

/** For tests: everything is translated when it is first reached, in small regions that soon go again. */
export const stressTranslation: TranslatorOptions = {
  ...{ batch: 1, patience: 0, instructions: 12, live: 40, heat: 1, links: 8, count: false },
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
interface TranslatorHost {
  readonly isa: Isa;
  readonly view: DataView;
  readonly layout: MemoryLayout;
  readonly memory: WebAssembly.Memory;
  readonly predecode: Predecode;
  /** Features of the CPU model. */
  readonly features: ReadonlySet<string>;
  /** Exports of the interpreter: its routines, and its table. */
  readonly exports: WebAssembly.Exports;
  /** Hears once why there will be no translation. */
  readonly refused: (why: string) => void;
}

/** How many pages behind the one that they are counted from a page of RAM is. */
const pageBehind = (pages: ReadonlyMap<number, CodePlace>, page: number): number | undefined =>
  [...pages].find(([, place]) => place.page === page)?.[0];

export class Translator {
  private readonly maker: RegionMaker;
  private readonly live: LiveRegions;
  private readonly queue: Request[] = [];
  /** What regions are to have besides what is found from their start, by its RAM offset. */
  private readonly learned = new Map<number, readonly Learned[]>();
  /** RAM offsets of instructions that have been seen to write beside code, and how often regions were made again for them. */
  private readonly besides = new Map<number, number>();
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
    this.maker = new RegionMaker(host.isa, (word) => host.predecode.decodeWord(word));
    const { view, layout, predecode } = host;
    const table = host.exports['table'] as WebAssembly.Table;
    // Code that is written again and again is not worth much work.
    const cold = Math.max(0, Heat.hot - 16 * options.heat);
    this.live = new LiveRegions(view, layout, predecode, table, cold, this.counts);
  }

  /** One of so many transitions between regions is to be told of: see `linked`. */
  get links(): number {
    return this.options.links;
  }

  /** Control has come to the instruction of a record often, on the CPU whose block is at `cpu`. */
  hot(cpu: number, rec: number, now: bigint): void {
    const start = this.host.predecode.placeOf(rec);
    if (start === undefined || this.refused !== undefined) return;
    this.enqueue({ start, isAgain: false, ...this.around(cpu) }, now);
  }

  private enqueue(request: Request, now: bigint): void {
    if (this.queue.length === 0) this.since = now;
    this.queue.push(request);
    if (this.queue.length >= this.options.batch) this.translateQueued();
  }

  /**
   * Control often comes from the region that is entered at one record to that which is entered at another: the former is made again with
   * what starts there in it.
   */
  linked(cpu: number, rec: number, from: number, now: bigint): void {
    const region = this.live.at(from);
    const to = this.host.predecode.placeOf(rec);
    if (!region || region.again || to === undefined || this.refused !== undefined) return;
    if (now > region.linksUntil || region.links.size >= MOST_LINKS) {
      region.links.clear();
      region.linksUntil = now + BigInt(LINKED * this.options.links * SELDOM);
    }
    const seen = (region.links.get(to) ?? 0) + 1;
    region.links.set(to, seen);
    if (seen !== LINKED) return;
    // Of two that lead to each other the larger one learns.
    const other = this.live.at(rec);
    if (other && other.instructions > region.instructions && region.entries.some((at) => other.links.has(at)))
      return;
    const { pages, entriesAlign } = this.around(cpu);
    const start = region.entries[0]!;
    const home = pageBehind(pages, pageAt(start));
    if (home === undefined) return;
    const more = this.learn(start, pages, home, region.links);
    if (!more) return;
    region.again = true;
    if (this.learned.size >= Heat.regions) this.learned.clear();
    this.learned.set(start, more);
    const around = new Map([...pages].map(([behind, place]) => [behind - home, place]));
    this.enqueue({ start, pages: around, entriesAlign, isAgain: true }, now);
  }

  /**
   * What a region is to have besides what is found from its start: what it has already, and all that control was seen to go to from it. To
   * learn one at a time would make it again, and have the host optimise it again, for each. Undefined: nothing more.
   * @param home how many pages its own is behind that which `pages` are counted from
   */
  private learn(
    start: number,
    pages: ReadonlyMap<number, CodePlace>,
    home: number,
    links: ReadonlyMap<number, number>,
  ): readonly Learned[] | undefined {
    const learned = new Map(this.learned.get(start)?.map((l) => [l.place, l]));
    const before = learned.size;
    let jumps = 0;
    for (const [to] of [...links].sort(([, a], [, b]) => b - a)) {
      const behind = pageBehind(pages, pageAt(to));
      if (behind === undefined) continue;
      const place = (behind - home) * PAGE + (to % PAGE);
      const known = learned.get(place);
      if (known?.byJump === true || (!known && learned.size >= LEARNED)) continue;
      learned.set(place, { place, byJump: known !== undefined });
      if (known) jumps++;
    }
    return learned.size > before || jumps > 0 ? [...learned.values()] : undefined;
  }

  /** Between two runs of generated code: does not let the first of the queue wait for ever. */
  tick(now: bigint): void {
    if (this.queue.length > 0 && now - this.since > BigInt(this.options.patience)) this.translateQueued();
  }

  /** Makes regions of what has been found hot. Between two runs of generated code, or inside a host call. */
  private translateQueued(): void {
    const { predecode } = this.host;
    const { instructions, heat, count } = this.options;
    // Others that are entered there may have been made since.
    const isDone = ({ start }: Request): boolean => predecode.heatOf(predecode.recordAt(start)) > Heat.hot;
    const entries = this.queue
      .splice(0)
      .filter((request) => request.isAgain || !isDone(request))
      .map(({ start, ...around }) => ({
        ...{ pages: around.pages, entriesAlign: around.entriesAlign },
        ...{ offset: start % PAGE, learned: this.learned.get(start) ?? [] },
      }));
    if (entries.length === 0) return;
    const stops = predecode.allStops().filter((offset) => !predecode.testsAt(offset));
    const besides = [...this.besides.keys()];
    this.publish(this.maker.make({ entries, stops, besides, instructions, heat, count }, this.reader));
  }

  /** The guest's code as it is. */
  private readonly reader: CodeReader = {
    word: (page, inPage) => this.host.view.getUint32(this.host.layout.ramHost + page * PAGE + inPage, true),
    heat: ({ recs }, inPage) => this.heatAt(recs, inPage),
    before: (page, inPage) => {
      const tests = this.host.predecode.testsAt(page * PAGE + inPage);
      return tests && ((b) => guardInRegion(b, tests));
    },
  };

  /** How often control has come to an instruction of a predecoded page. */
  private heatAt(recs: number, inPage: number): number {
    const { predecode } = this.host;
    return Math.max(0, predecode.heatOf(recs + inPage * (Rec.bytes / 4)) - predecode.startHeat);
  }

  /** What an Entry has of the CPU that comes there: the predecoded pages that it would find without a walk, its context. */
  private around(cpu: number): Pick<Entry, 'pages' | 'entriesAlign'> {
    const { view, predecode } = this.host;
    const u32 = (at: number): number => view.getUint32(at, true);
    const [table, recsOf] = [u32(cpu + common.tlbFetch.offset), u32(cpu + common.tlbFetchRec.offset)];
    const [low, high] = [u32(cpu + common.pageVa.offset), u32(cpu + common.pageVa.offset + 4)];
    const pages = new Map<number, CodePlace>();
    for (let n = 0; n < Tlb.entries; n++) {
      const recs = view.getUint32(recsOf + 4 * n, true);
      if (recs === 0) continue;
      const tag = table + n * Tlb.entryBytes + Tlb.tag;
      const tagLow = view.getUint32(tag, true);
      // An invalid tag has low bits; those of 64 are exact in a number for what is near.
      if ((tagLow & (PAGE - 1)) !== 0) continue;
      const behind = (view.getUint32(tag + 4, true) - high) * 2 ** 20 + (tagLow - low) / PAGE;
      if (Math.abs(behind) > FARTHEST) continue;
      const place = predecode.placeOf(recs);
      if (place !== undefined) pages.set(behind, { page: place / PAGE, recs });
    }
    return { pages, entriesAlign: u32(cpu + common.entriesAlign.offset) !== 0 };
  }

  /** Puts regions into the interpreter's table. */
  private publish({ module, bytes, regions, refused }: RegionAnswer): void {
    const { memory, exports } = this.host;
    if (refused !== undefined) this.refuse(refused);
    if (!module) return;
    if (this.live.size + regions.length > this.options.live) this.clear();
    let made: WebAssembly.Exports;
    try {
      const imports = { env: { memory }, routine: exports as WebAssembly.ModuleImports };
      made = new WebAssembly.Instance(module, imports).exports;
    } catch (error) {
      return this.refuse(reasonOf(error));
    }
    this.counts.modules++;
    this.counts.bytes += bytes;
    regions.forEach((region, n) => this.publishOne(region, made[regionName(n)]));
  }

  private refuse(why: string): void {
    this.refused = why;
    this.host.refused(why);
  }

  private publishOne(region: MadeRegion, run: unknown): void {
    const start = region.entries[0]!;
    const before = this.live.at(this.host.predecode.recordAt(start));
    if (before && before.entries[0] === start) this.live.drop(before);
    else if (before && before.instructions >= region.code.length) return;
    this.live.add(region, run);
  }

  /** An instruction writes beside code: regions that hold it are made again, so that they need not be left for it. */
  writesBeside(offset: number): void {
    const times = this.besides.get(offset) ?? 0;
    // Not every such write can be made in a region.
    if (times > 2) return;
    if (this.besides.size >= MOST_BESIDES) this.besides.clear();
    this.besides.set(offset, times + 1);
    for (const region of this.live.inLines(offset, 4)) {
      this.live.drop(region);
      this.host.predecode.setHeat(this.host.predecode.recordAt(region.entries[0]!), Heat.hot - 1);
    }
  }

  /** Drops the regions of which a part is written, or is to be left by itself: by RAM offset. */
  written(offset: number, bytes: number): void {
    for (let at = offset; this.live.size > 0 && at < offset + bytes; at = (pageAt(at) + 1) * PAGE)
      for (const region of this.live.inLines(at, offset + bytes - at)) {
        this.learned.delete(region.entries[0]!);
        this.live.drop(region);
      }
  }

  /** Drops all regions: their records are about to go, or there are too many. */
  clear(): void {
    this.live.dropAll();
    this.queue.length = 0;
    this.learned.clear();
    this.besides.clear();
  }
}
