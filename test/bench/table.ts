/** The rows of the benchmark and how they are shown. */

export interface Result {
  readonly name: string;
  readonly value: number;
  readonly unit: string;
  /** What it must reach: at least, or at most. */
  readonly bar: { readonly atLeast: number } | { readonly atMost: number };
  /** The figures behind a ratio. */
  readonly note?: string;
}

/** How benchmarks run. */
export interface Options {
  /** Names of rows and parts that were asked for. */
  readonly names: readonly string[];
  /** Pairs of runs, ours and QEMU's, of which the median counts. */
  readonly runs: number;
  /** CPU time instead of wall time: for a machine that does other things as well. */
  readonly cpuTime: boolean;
  /** Everything is interpreted. */
  readonly interpret: boolean;
  /** Without QEMU, and so without ratios: for a comparison of two of our own builds. */
  readonly ours: boolean;
}

export interface Bench {
  readonly name: string;
  /** What is measured, for the reader of the table. */
  readonly what: string;
  /** Names of what can be measured by itself. */
  readonly parts?: readonly string[];
  readonly run: (options: Options) => Promise<Result>;
}

export const holds = (r: Result): boolean =>
  'atLeast' in r.bar ? r.value >= r.bar.atLeast : r.value <= r.bar.atMost;

export const median = (values: readonly number[]): number => {
  const sorted = [...values].sort((a, b) => a - b);
  const mid = sorted.length >> 1;
  return sorted.length % 2 ? sorted[mid]! : (sorted[mid - 1]! + sorted[mid]!) / 2;
};

/** The value below which `p` (0 to 1) of the values are. */
export const percentile = (values: readonly number[], p: number): number => {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.ceil(p * sorted.length) - 1)]!;
};

const barText = (r: Result): string => ('atLeast' in r.bar ? `>= ${r.bar.atLeast}` : `<= ${r.bar.atMost}`);

/** One line of the table. */
export function line(b: Bench, r: Result): string {
  const value = r.value >= 100 ? r.value.toFixed(0) : r.value.toFixed(r.unit === 'x' ? 2 : 1);
  const what = r.note === undefined ? b.what : `${b.what} (${r.note})`;
  return `${b.name.padEnd(18)} ${value.padStart(8)} ${r.unit.padEnd(5)} ${barText(r).padEnd(9)} ${holds(r) ? 'holds' : 'MISSED'}  ${what}`;
}

/** What `--json` writes. */
export const json = (r: Result): object => ({
  name: r.name,
  value: r.value,
  unit: r.unit,
  bar: barText(r),
  holds: holds(r),
  ...(r.note === undefined ? {} : { note: r.note }),
});
