/**
 * The control flow of a region, as structured code needs it: an order of its blocks, which block dominates which, where
 * paths join and where loops begin. After N. Ramsey, "Beyond Relooper", ICFP 2022; dominators after K. Cooper, T. Harvey
 * and K. Kennedy, "A Simple, Fast Dominance Algorithm", 2001.
 */

export interface Flow {
  /** Nodes in reverse postorder; the entry first. */
  readonly order: readonly number[];
  /** Place of a node in `order`. */
  readonly place: ReadonlyMap<number, number>;
  /** The nodes that a node immediately dominates and in which paths join, the first in order first. */
  readonly joins: (node: number) => readonly number[];
  readonly isJoin: (node: number) => boolean;
  readonly isLoop: (node: number) => boolean;
  /** May a branch back from `from` to `to` be a jump to a loop that contains it? Not where a loop has two entries. */
  readonly dominates: (to: number, from: number) => boolean;
}

/** The node of a dispatch; no instruction is at an odd place. */
export const DISPATCH = 1;

export interface DispatchedFlow extends Flow {
  /**
   * Nodes that control may come to from anywhere by the dispatch, a loop around everything else: none when the region
   * does without one.
   */
  readonly dispatched: ReadonlySet<number>;
}

/**
 * Computes the flow of a region in which jumps may arrive at `landings`. They, and loops with more than one entry, are reached by a
 * dispatch, which then is the first node of all.
 */
export function dispatchedFlow(
  entry: number,
  landings: ReadonlySet<number>,
  edges: (node: number) => readonly number[],
): DispatchedFlow {
  const dispatched = new Set(landings);
  for (;;) {
    const root = dispatched.size > 0 ? DISPATCH : entry;
    if (root === DISPATCH) dispatched.add(entry);
    // The entry is gone through first and so stands last: what jumps arrive at leads on to loops that begin there.
    const first = [entry, ...dispatched];
    const flow = flowOf(root, (node) => (node === DISPATCH ? first : edges(node)), dispatched);
    const before = dispatched.size;
    for (const from of flow.order)
      for (const to of from === DISPATCH ? [] : edges(from))
        if (flow.place.get(to)! <= flow.place.get(from)! && !flow.dominates(to, from)) dispatched.add(to);
    if (dispatched.size === before) return { ...flow, dispatched };
  }
}

/** Computes the flow from an entry over edges. Nodes that cannot be reached are left out; `joined` ones are joins always. */
function flowOf(
  entry: number,
  edges: (node: number) => readonly number[],
  joined: ReadonlySet<number> = new Set(),
): Flow {
  const order = reversePostorder(entry, edges);
  const place = new Map(order.map((node, i) => [node, i]));
  const at = (node: number): number => place.get(node)!;
  const forward = new Map<number, number[]>();
  const loops = new Set<number>();
  for (const from of order)
    for (const to of edges(from))
      if (at(to) <= at(from)) loops.add(to);
      else forward.set(to, [...(forward.get(to) ?? []), from]);
  const dominator = dominators(order, place, edges);
  const dominates = (a: number, b: number): boolean => {
    let n = b;
    while (at(n) > at(a)) n = dominator.get(n)!;
    return n === a;
  };
  const isJoin = (node: number): boolean => joined.has(node) || (forward.get(node)?.length ?? 0) > 1;
  const children = new Map<number, number[]>();
  for (const node of order.slice(1)) {
    if (!isJoin(node)) continue;
    const parent = dominator.get(node)!;
    children.set(parent, [...(children.get(parent) ?? []), node]);
  }
  return {
    ...{ order, place, isJoin, dominates },
    joins: (node) => children.get(node) ?? [],
    isLoop: (node) => loops.has(node),
  };
}

function reversePostorder(entry: number, edges: (node: number) => readonly number[]): number[] {
  const done = new Set<number>();
  const out: number[] = [];
  const visit = (node: number): void => {
    done.add(node);
    for (const to of edges(node)) if (!done.has(to)) visit(to);
    out.push(node);
  };
  visit(entry);
  return out.reverse();
}

/** The immediate dominator of each node but the entry, which is its own. */
function dominators(
  order: readonly number[],
  place: ReadonlyMap<number, number>,
  edges: (node: number) => readonly number[],
): Map<number, number> {
  const entry = order[0]!;
  const from = new Map<number, number[]>();
  for (const node of order) for (const to of edges(node)) from.set(to, [...(from.get(to) ?? []), node]);
  const of = new Map([[entry, entry]]);
  const common = (a: number, b: number): number => {
    let [x, y] = [a, b];
    while (x !== y) {
      while (place.get(x)! > place.get(y)!) x = of.get(x)!;
      while (place.get(y)! > place.get(x)!) y = of.get(y)!;
    }
    return x;
  };
  for (let changed = true; changed;) {
    changed = false;
    for (const node of order.slice(1)) {
      const known = (from.get(node) ?? []).filter((p) => of.has(p));
      const best = known.reduce((a, b) => common(a, b));
      if (of.get(node) !== best) {
        of.set(node, best);
        changed = true;
      }
    }
  }
  return of;
}
