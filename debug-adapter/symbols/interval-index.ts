/** A half-open range of addresses with what it belongs to. */
export interface Interval<T> {
  low: bigint;
  high: bigint;
  value: T;
}

/**
 * Finds the intervals that contain an address. Intervals may overlap and nest: the search walks back from the last
 * interval that starts at or before the address, and stops where no earlier one reaches so far.
 */
export class IntervalIndex<T> {
  private readonly items: readonly Interval<T>[];
  private readonly reach: readonly bigint[];

  constructor(intervals: Iterable<Interval<T>>) {
    this.items = [...intervals]
      .filter((i) => i.high > i.low)
      .sort((a, b) =>
        a.low < b.low ? -1 : a.low > b.low ? 1 : a.high > b.high ? -1 : a.high < b.high ? 1 : 0,
      );
    let furthest = 0n;
    this.reach = this.items.map((i) => (furthest = i.high > furthest ? i.high : furthest));
  }

  get size(): number {
    return this.items.length;
  }

  /** The intervals that contain the address, the one that starts last (the innermost, when they nest) first. */
  *containing(address: bigint): Generator<Interval<T>> {
    let lo = 0;
    let hi = this.items.length;
    while (lo < hi) {
      const mid = (lo + hi) >>> 1;
      if ((this.items[mid]?.low ?? 0n) <= address) lo = mid + 1;
      else hi = mid;
    }
    for (let i = lo - 1; i >= 0 && (this.reach[i] ?? 0n) > address; i--) {
      const item = this.items[i];
      if (item !== undefined && address < item.high) yield item;
    }
  }

  /** The innermost interval that contains the address. */
  find(address: bigint): Interval<T> | undefined {
    for (const item of this.containing(address)) return item;
    return undefined;
  }
}
