/** Makes regions of what is hot, as a module. To translate an instruction costs as much as to interpret it some thousand times. */
import type { Decoded } from '../codegen/decoder';
import { findBlocks, type Block, type CodeSource } from '../codegen/region/blocks';
import { Translatability, type RegionOptions } from '../codegen/region/instruction';
import { entriesOf, regionModule, type Region } from '../codegen/region/region';
import type { Builder } from '../ir/builder';
import type { Isa } from '../isa/dsl/isa';
import { PAGE } from './layout';

/** Pages of a region beside its entry's. */
const MORE_PAGES = 8;

/** Control comes to it by a branch less than this part of how often it comes to what is translated: it stays out of regions. */
const COLD = 64;

/** A predecoded page: which page of RAM it is, and the address of its records. */
export interface CodePlace {
  readonly page: number;
  readonly recs: number;
}

/** Where a region is to start. */
export interface Entry {
  /** Byte offset in its page. */
  readonly offset: number;
  /** Pages around the entry as the fetch TLB had them, by how many pages behind the entry's own they are. */
  readonly pages: ReadonlyMap<number, CodePlace>;
  /** Where control often went from a region that started here, as byte distances from the start of the entry's page. */
  readonly learned: readonly Learned[];
  /** TLB entries may ask for alignment in the context in which control comes there. */
  readonly entriesAlign: boolean;
}

/** A place that a region is to have, too. */
export interface Learned {
  readonly place: number;
  /** Jumps lead there although branches of the region do, too. */
  readonly byJump: boolean;
}

interface RegionJob extends Pick<RegionOptions, 'count'> {
  readonly entries: readonly Entry[];
  /** RAM offsets at which the interpreter must take over. */
  readonly stops: readonly number[];
  /** Those of instructions that have been seen to write beside code. */
  readonly besides: readonly number[];
  /** Instructions of a region at most. */
  readonly instructions: number;
  /** How often control has come to what is to be translated. */
  readonly heat: number;
}

/** What a maker sees of the guest's code. */
export interface CodeReader {
  /** The instruction word at a byte offset of a page of RAM. */
  word(page: number, inPage: number): number;
  /** How often control has come there by a branch. */
  heat(place: CodePlace, inPage: number): number;
  /** Code to put before an instruction, which then is no stop: the condition of a breakpoint. */
  before(page: number, inPage: number): ((b: Builder) => void) | undefined;
}

/** A region that was made: the n-th of its module. */
export interface MadeRegion {
  /** RAM offsets of the instructions at which it may be entered, that for which it was made first. */
  readonly entries: readonly number[];
  /** RAM offsets of its instructions. */
  readonly code: readonly number[];
}

/** What came of a job. */
export interface RegionAnswer {
  /** Undefined when nothing can be translated. */
  readonly module?: WebAssembly.Module;
  readonly bytes: number;
  readonly regions: readonly MadeRegion[];
  /** Why the host compiles nothing. */
  readonly refused?: string;
}

/** Why a host compiles nothing, by what it has thrown. */
export const reasonOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));

const inPage = (offset: number): number => offset - Math.floor(offset / PAGE) * PAGE;

export class RegionMaker {
  private readonly can: Translatability;

  /** @param decode as the CPU model does: undefined for a word that is undefined there */
  constructor(
    private readonly isa: Isa,
    private readonly decode: (word: number) => Decoded | undefined,
  ) {
    this.can = new Translatability(isa);
  }

  make(job: RegionJob, code: CodeReader): RegionAnswer {
    const regions: Region[] = [];
    const made: MadeRegion[] = [];
    const taken = new Set<number>();
    for (const entry of job.entries) {
      const { offset, pages } = entry;
      const home = pages.get(0)!.page * PAGE;
      if (taken.has(home + offset)) continue;
      const limits = { instructions: job.instructions, pages: MORE_PAGES, pageBytes: PAGE };
      const found = findBlocks(offset, this.source(pages, entry.learned, job, code), limits);
      if (!found.blocks.has(offset)) continue;
      const recs = new Map<number, number>();
      for (const block of found.blocks.values()) {
        const page = Math.floor(block.offset / PAGE);
        if (page !== 0) recs.set(page, pages.get(page)!.recs);
      }
      const region = { entry: offset, ...found, pages: recs };
      const entries = entriesOf(region).map((place) => home + place);
      entries.forEach((at) => taken.add(at));
      regions.push(region);
      made.push({ entries, code: codeOf(found.blocks.values(), pages) });
    }
    if (regions.length === 0) return { bytes: 0, regions: [] };
    const { bytes } = regionModule(this.isa, regions, {
      count: job.count,
      entriesAlign: job.entries.some((entry) => entry.entriesAlign),
    });
    try {
      return { module: new WebAssembly.Module(bytes), bytes: bytes.length, regions: made };
    } catch (error) {
      return { bytes: 0, regions: [], refused: reasonOf(error) };
    }
  }

  private source(
    pages: ReadonlyMap<number, CodePlace>,
    learned: readonly Learned[],
    job: RegionJob,
    code: CodeReader,
  ): CodeSource {
    const needed = job.heat / COLD;
    const stops = new Set(job.stops);
    const besides = new Set(job.besides);
    const placeOf = (offset: number): CodePlace | undefined => pages.get(Math.floor(offset / PAGE));
    return {
      learned,
      at: (offset) => {
        const place = placeOf(offset);
        if (!place || stops.has(place.page * PAGE + inPage(offset))) return undefined;
        const before = code.before(place.page, inPage(offset));
        const word = code.word(place.page, inPage(offset));
        const found = before
          ? this.can.guarded(word, this.decode, before)
          : this.can.instruction(word, this.decode);
        const besideCode = besides.has(place.page * PAGE + inPage(offset));
        return found && besideCode ? { ...found, besideCode } : found;
      },
      heat: (offset) => {
        const place = placeOf(offset);
        if (!place) return 0;
        const heat = Math.max(0, code.heat(place, inPage(offset)));
        return heat < Math.floor(needed) ? 0 : (heat + 1) / job.heat;
      },
      hotIn: function* (page) {
        const place = pages.get(page);
        for (let at = 0; place && at < PAGE; at += 4)
          if (code.heat(place, at) >= Math.max(1, needed)) yield page * PAGE + at;
      },
    };
  }
}

function codeOf(blocks: Iterable<Block>, pages: ReadonlyMap<number, CodePlace>): number[] {
  const code: number[] = [];
  for (const { instructions } of blocks)
    for (const { offset } of instructions)
      code.push(pages.get(Math.floor(offset / PAGE))!.page * PAGE + inPage(offset));
  return code;
}
