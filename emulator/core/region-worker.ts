/** Regions that somebody makes beside the machine: what he is told, and how he remembers it. */
import { Decoder } from '../codegen/decoder';
import type { Isa } from '../isa/dsl/isa';
import { RegionMaker, type CodeReader, type RegionAnswer, type RegionJob } from './region-maker';

/** What is new of a page of guest code. */
export interface PageNews {
  readonly page: number;
  /** Its instructions; undefined where they are known. */
  readonly words?: Uint32Array;
  /** By instruction: how often control has come there by a branch. */
  readonly heat: Uint16Array;
}

export interface WorkerJob extends RegionJob {
  readonly news: readonly PageNews[];
}

/** Somebody who makes regions in his own time. Answers come in the order of the jobs. */
export interface RegionWorker {
  send(job: WorkerJob): void;
  /** The next answer, when it is there. */
  receive(): RegionAnswer | undefined;
  close(): void;
}

/** A maker that knows of the guest's code what it has been told. */
export class RemoteMaker implements CodeReader {
  private readonly maker: RegionMaker;
  private readonly words = new Map<number, Uint32Array>();
  private readonly heats = new Map<number, Uint16Array>();

  /** @param features what the CPU model has */
  constructor(isa: Isa, features: ReadonlySet<string>) {
    const decoder = new Decoder(isa.rows, features);
    this.maker = new RegionMaker(isa, (word) => decoder.decode(word));
  }

  make(job: WorkerJob): RegionAnswer {
    for (const { page, words, heat } of job.news) {
      if (words) this.words.set(page, words);
      this.heats.set(page, heat);
    }
    return this.maker.make(job, this);
  }

  word(page: number, inPage: number): number {
    return this.words.get(page)![inPage / 4]!;
  }

  heat({ page }: { readonly page: number }, inPage: number): number {
    return this.heats.get(page)![inPage / 4]!;
  }
}

/** Keeps account of what a worker has been told. */
export class Telling {
  /** By page: the time from which on its heat is to be told again, and how long it will be good enough then. */
  private readonly told = new Map<number, { due: number; lasting: number }>();

  constructor(
    private readonly read: {
      words(page: number): Uint32Array;
      heat(recs: number): Uint16Array;
    },
    /** Instructions for which what has been told of heat is good enough: twice as many each time, as heat grows slower. */
    private readonly lasting: readonly [first: number, last: number],
  ) {}

  /** What is to be told with a job at the time `now`; of the pages in which it starts, always. */
  news({ entries }: RegionJob, now: number): PageNews[] {
    const news = new Map<number, PageNews>();
    for (const { pages } of entries)
      for (let i = 0; i < pages.length; i += 3) {
        const page = pages[i + 1]!;
        const told = this.told.get(page);
        const isOwn = pages[i] === 0;
        if ((told && now < told.due && !isOwn) || news.has(page)) continue;
        const [first, last] = this.lasting;
        if (!told) this.told.set(page, { due: now + first, lasting: 2 * first });
        else if (now >= told.due) {
          told.due = now + told.lasting;
          told.lasting = Math.min(last, 2 * told.lasting);
        }
        const heat = this.read.heat(pages[i + 2]! >>> 0);
        news.set(page, told ? { page, heat } : { page, heat, words: this.read.words(page) });
      }
    return [...news.values()];
  }

  /** What was told of a page is no longer true. */
  forget(page: number): void {
    this.told.delete(page);
  }
}
