/**
 * The blocks of a region: what can be reached from its entry by direct branches within one page. A block is entered at its
 * start only, may branch away in its middle, and ends where it cannot go on or where another block starts.
 */
import type { Instruction, Placed } from './instruction';

export interface Block {
  readonly offset: number;
  readonly instructions: readonly Placed[];
  /** Where control goes on behind the last instruction; undefined when it does not. */
  readonly next: number | undefined;
}

export interface Limits {
  /** Instructions of a region: a compiler that optimises takes about a microsecond for each of wasm. */
  readonly instructions: number;
  readonly pageBytes: number;
}

/**
 * Finds the blocks of a region.
 * @param at the instruction at an offset of the page; undefined where the interpreter must take over
 * @returns the blocks by their offsets; none when the first instruction cannot be translated
 */
export function findBlocks(
  entry: number,
  at: (offset: number) => Instruction | undefined,
  limits: Limits,
): ReadonlyMap<number, Block> {
  const seen = new Map<number, Placed>();
  const leaders = new Set([entry]);
  const work = [entry];
  for (let start = work.shift(); start !== undefined; start = work.shift())
    for (let offset = start; offset < limits.pageBytes && !seen.has(offset); offset += 4) {
      const found = seen.size < limits.instructions ? at(offset) : undefined;
      if (!found) break;
      seen.set(offset, { ...found, offset });
      for (const d of found.targets) {
        const target = offset + d;
        if (target < 0 || target >= limits.pageBytes || leaders.has(target)) continue;
        leaders.add(target);
        work.push(target);
      }
      if (!found.falls) break;
    }
  const blocks = new Map<number, Block>();
  for (const leader of leaders) {
    const block = blockAt(leader, seen, leaders);
    if (block) blocks.set(leader, block);
  }
  return blocks;
}

function blockAt(
  start: number,
  seen: ReadonlyMap<number, Placed>,
  leaders: ReadonlySet<number>,
): Block | undefined {
  const instructions: Placed[] = [];
  let offset = start;
  for (let i = seen.get(offset); i; i = seen.get(offset)) {
    instructions.push(i);
    offset += 4;
    if (!i.falls) return { offset: start, instructions, next: undefined };
    if (leaders.has(offset)) break;
  }
  return instructions.length > 0 ? { offset: start, instructions, next: offset } : undefined;
}

/** The blocks to which a block may go, in order, with repetitions. */
export function successors(block: Block, blocks: ReadonlyMap<number, Block>): number[] {
  const all = block.instructions.flatMap((i) => i.targets.map((d) => i.offset + d));
  if (block.next !== undefined) all.push(block.next);
  return all.filter((offset) => blocks.has(offset));
}
