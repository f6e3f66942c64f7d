/**
 * The blocks of a region: what can be reached from its entry by direct branches, calls included, hot code first. A block is
 * entered at its start only, may branch away in its middle, and ends where it cannot go on, where another block starts or
 * with its page. Places are byte distances from the start of the entry's page; those of other pages are outside 0 to 4095.
 */
import type { Instruction, Placed } from './instruction';

export interface Block {
  readonly offset: number;
  readonly instructions: readonly Placed[];
  /** Where control goes on behind the last instruction; undefined when it does not. */
  readonly next: number | undefined;
}

/** The code around an entry. */
export interface CodeSource {
  /** The instruction at a place; undefined where the interpreter must take over. */
  at(offset: number): Instruction | undefined;
  /** How often control has come to a place by a branch, from 0 to 1; more than 0 is what deserves to be translated. */
  heat(offset: number): number;
  /** Places that the region is to have, too. `byJump`: jumps lead there, whatever else does. */
  readonly learned: readonly { readonly place: number; readonly byJump: boolean }[];
  /** Hot places in the page (see `pageOf`) of which it is not known from where control comes to them. */
  hotIn(page: number): Iterable<number>;
}

interface Limits {
  /** Instructions of a region: a compiler that optimises takes about a microsecond for each of wasm. */
  readonly instructions: number;
  /** Pages of a region beside that of its entry: each is looked at whenever the region is entered. */
  readonly pages: number;
  readonly pageBytes: number;
}

export interface Blocks {
  /** By their places; none when the first instruction cannot be translated. */
  readonly blocks: ReadonlyMap<number, Block>;
  /** Blocks at which a jump may arrive: behind calls, and where jumps have been seen to lead. */
  readonly landings: ReadonlySet<number>;
}

interface Lead {
  readonly offset: number;
  readonly heat: number;
}

/** Finds the blocks of a region. */
export function findBlocks(entry: number, code: CodeSource, limits: Limits): Blocks {
  return new Search(entry, code, limits).run();
}

class Search {
  private readonly seen = new Map<number, Placed>();
  private readonly leaders = new Set<number>();
  private readonly landings = new Set<number>();
  /** Where jumps may lead. */
  private readonly guesses = new Set<number>();
  private readonly pages = new Set<number>();
  /** Pages whose hot places have been taken up. */
  private readonly surveyed = new Set<number>();
  private readonly work: Lead[] = [];
  private readonly home: number;

  constructor(
    private readonly entry: number,
    private readonly code: CodeSource,
    private readonly limits: Limits,
  ) {
    this.home = this.pageOf(entry);
  }

  run(): Blocks {
    this.lead(this.entry, 1);
    for (const { place } of this.code.learned) {
      this.guesses.add(place);
      this.lead(place, 1);
    }
    for (let lead = this.hottest(); lead; lead = this.hottest()) this.follow(lead);
    // What branches of the region lead to needs no jump to be reached; more would keep loops from being loops.
    const targets = new Set([...this.seen.values()].flatMap((i) => i.targets.map((d) => i.offset + d)));
    for (const guess of this.guesses) if (!targets.has(guess)) this.landings.add(guess);
    for (const { place, byJump } of this.code.learned) if (byJump) this.landings.add(place);
    const blocks = new Map<number, Block>();
    for (const leader of this.leaders) {
      const block = this.blockAt(leader);
      if (block) blocks.set(leader, block);
    }
    return this.reached(blocks);
  }

  private pageOf(offset: number): number {
    return Math.floor(offset / this.limits.pageBytes);
  }

  private lead(offset: number, heat: number): void {
    if (this.leaders.has(offset)) return;
    this.leaders.add(offset);
    this.work.push({ offset, heat });
  }

  /** The first of the hottest. */
  private hottest(): Lead | undefined {
    let best = 0;
    this.work.forEach(({ heat }, i) => {
      if (heat > this.work[best]!.heat) best = i;
    });
    return this.work.splice(best, 1)[0];
  }

  private isOpen(page: number): boolean {
    return page === this.home || this.pages.has(page) || this.pages.size < this.limits.pages;
  }

  /** Takes up instructions from a place on, up to where control cannot go on or where that is done already. */
  private follow({ offset: start, heat }: Lead): void {
    for (let offset = start; !this.seen.has(offset); offset += 4) {
      const page = this.pageOf(offset);
      const isFirst = offset % this.limits.pageBytes === 0;
      const found =
        this.seen.size < this.limits.instructions && this.isOpen(page) ? this.code.at(offset) : undefined;
      if (!found) return;
      if (isFirst) this.leaders.add(offset);
      if (page !== this.home) this.pages.add(page);
      this.seen.set(offset, { ...found, offset });
      let stays = false;
      for (const d of found.targets) {
        const warm = Math.min(1, this.code.heat(offset + d));
        if (warm > 0) this.lead(offset + d, warm);
        stays ||= warm > 0;
      }
      if (found.links && (stays || found.jumps)) {
        this.landings.add(offset + 4);
        this.lead(offset + 4, heat);
      }
      // Subroutines are anywhere, the cases of a switch near.
      if (found.jumps && !found.returns && !found.links) this.survey(page);
      if (!found.falls) return;
    }
  }

  /** Takes hot places of a page for where a jump there leads. */
  private survey(page: number): void {
    if (this.surveyed.has(page)) return;
    this.surveyed.add(page);
    for (const offset of this.code.hotIn(page)) {
      this.guesses.add(offset);
      this.lead(offset, this.code.heat(offset));
    }
  }

  private blockAt(start: number): Block | undefined {
    const instructions: Placed[] = [];
    let offset = start;
    for (let i = this.seen.get(offset); i; i = this.seen.get(offset)) {
      instructions.push(i);
      offset += 4;
      if (!i.falls) return { offset: start, instructions, next: undefined };
      if (this.leaders.has(offset)) break;
    }
    return instructions.length > 0 ? { offset: start, instructions, next: offset } : undefined;
  }

  /** Leaves out what control cannot come to. */
  private reached(blocks: ReadonlyMap<number, Block>): Blocks {
    const found = new Map<number, Block>();
    const landings = new Set<number>();
    const work = [this.entry];
    const visit = (offset: number): void => {
      const block = blocks.get(offset);
      if (!block || found.has(offset)) return;
      found.set(offset, block);
      work.push(...successors(block, blocks));
      if (!jumps(block)) return;
      for (const landing of this.landings) if (blocks.has(landing)) landings.add(landing);
      work.push(...landings);
    };
    for (let offset = work.pop(); offset !== undefined; offset = work.pop()) visit(offset);
    return { blocks: found, landings };
  }
}

/** Does a block branch to addresses that are known only when it does? */
export const jumps = (block: Block): boolean => block.instructions.some((i) => i.jumps);

/** The blocks to which a block may go by itself, in order, with repetitions. */
export function successors(block: Block, blocks: ReadonlyMap<number, Block>): number[] {
  const all = block.instructions.flatMap((i) => i.targets.map((d) => i.offset + d));
  if (block.next !== undefined) all.push(block.next);
  return all.filter((offset) => blocks.has(offset));
}
