import { SymbolError } from '../errors';
import type { LineHeader } from './line-header';
import { ROW_IS_STMT, ROW_PROLOGUE_END, runLineProgram } from './line-program';
import type { RowSink } from './line-program';
import type { DebugSections } from './sections';

/** A run of rows with ascending addresses: the code [base, base + length). */
export interface Sequence {
  base: bigint;
  end: bigint;
  first: number;
  count: number;
}

/** One row, with the address range that it covers. */
export interface LineRow {
  address: bigint;
  endAddress: bigint;
  file: number;
  line: number;
  column: number;
  flags: number;
}

const MAX_ROWS = 1 << 23;

/** The rows of one line program in typed arrays, so that a row costs 21 bytes. */
export class LineTable implements RowSink {
  private readonly closed: Sequence[] = [];
  private running: { base: bigint; first: number; sorted: boolean } | undefined;
  private count = 0;
  private delta = new Float64Array(256);
  private line = new Uint32Array(256);
  private file = new Uint32Array(256);
  private column = new Uint32Array(256);
  private flags = new Uint8Array(256);

  /** Runs the program of the header. `keep` says whether an address is code: discarded functions were linked to 0. */
  constructor(
    sections: DebugSections,
    readonly header: LineHeader,
    private readonly keep: (address: bigint) => boolean,
  ) {
    runLineProgram(sections, header, this);
    this.closed.sort((a, b) => (a.base < b.base ? -1 : a.base > b.base ? 1 : 0));
    this.grow(this.count);
  }

  get rowCount(): number {
    return this.count;
  }

  get sequences(): readonly Sequence[] {
    return this.closed;
  }

  private grow(capacity: number): void {
    const widen = <T extends Float64Array | Uint32Array | Uint8Array>(from: T, to: T): T => {
      to.set(from.subarray(0, Math.min(this.count, capacity)));
      return to;
    };
    this.delta = widen(this.delta, new Float64Array(capacity));
    this.line = widen(this.line, new Uint32Array(capacity));
    this.file = widen(this.file, new Uint32Array(capacity));
    this.column = widen(this.column, new Uint32Array(capacity));
    this.flags = widen(this.flags, new Uint8Array(capacity));
  }

  begin(base: bigint): void {
    this.running = { base, first: this.count, sorted: true };
  }

  row(delta: number, file: number, line: number, column: number, flags: number): void {
    const at = this.count;
    if (at >= MAX_ROWS) throw new SymbolError('A line program has too many rows: rebuild the file with -g.');
    if (at === this.delta.length) this.grow(at * 2);
    const running = this.running;
    if (running !== undefined && at > running.first && delta < (this.delta[at - 1] ?? 0))
      running.sorted = false;
    this.delta[at] = delta;
    this.file[at] = file;
    this.line[at] = line;
    this.column[at] = column;
    this.flags[at] = flags;
    this.count = at + 1;
  }

  end(delta: number): void {
    const running = this.running;
    this.running = undefined;
    if (running === undefined) return;
    if (!running.sorted) this.sortRows(running.first);
    const count = this.count - running.first;
    const base = running.base + BigInt(count > 0 ? Math.trunc(this.delta[running.first] ?? 0) : 0);
    const end = running.base + BigInt(Math.trunc(delta));
    if (count === 0 || end <= base || !this.keep(base)) {
      this.count = running.first;
      return;
    }
    // Rows count from the sequence's first address from here on.
    const shift = this.delta[running.first] ?? 0;
    if (shift !== 0)
      for (let i = running.first; i < this.count; i++) this.delta[i] = (this.delta[i] ?? 0) - shift;
    this.closed.push({ base, end, first: running.first, count });
  }

  /** A program may go back in a sequence (the standard forbids it, some producers do it). */
  private sortRows(first: number): void {
    const order = Array.from({ length: this.count - first }, (_, i) => first + i);
    order.sort((a, b) => (this.delta[a] ?? 0) - (this.delta[b] ?? 0) || a - b);
    const apply = (column: Float64Array | Uint32Array | Uint8Array) => {
      const moved = order.map((i) => column[i] ?? 0);
      moved.forEach((value, i) => {
        column[first + i] = value;
      });
    };
    [this.delta, this.line, this.file, this.column, this.flags].forEach(apply);
  }

  private at(sequence: Sequence, index: number): LineRow {
    const last = sequence.first + sequence.count;
    const start = this.delta[index] ?? 0;
    let next = index + 1;
    while (next < last && this.delta[next] === start) next++;
    return {
      address: sequence.base + BigInt(start),
      endAddress: next < last ? sequence.base + BigInt(this.delta[next] ?? 0) : sequence.end,
      file: this.file[index] ?? 0,
      line: this.line[index] ?? 0,
      column: this.column[index] ?? 0,
      flags: this.flags[index] ?? 0,
    };
  }

  /**
   * Of several rows at one address the last has the size; but when it is no statement and an earlier one is, a stop at
   * this address belongs to that statement's line (gdb decides the same way).
   */
  private statementAt(sequence: Sequence, index: number): number {
    for (let i = index; i >= sequence.first && this.delta[i] === this.delta[index]; i--) {
      if (((this.flags[i] ?? 0) & ROW_IS_STMT) !== 0) return i;
      if (this.line[i] === 0) break;
    }
    return index;
  }

  /** The row that covers an address. */
  find(address: bigint): LineRow | undefined {
    let lo = 0;
    let hi = this.closed.length;
    while (lo < hi) {
      const mid = (lo + hi) >>> 1;
      if ((this.closed[mid]?.base ?? 0n) <= address) lo = mid + 1;
      else hi = mid;
    }
    for (let s = lo - 1; s >= 0; s--) {
      const sequence = this.closed[s];
      if (sequence === undefined || address >= sequence.end) continue;
      const wanted = Number(address - sequence.base);
      let low = sequence.first;
      let high = sequence.first + sequence.count;
      while (low < high) {
        const mid = (low + high) >>> 1;
        if ((this.delta[mid] ?? 0) <= wanted) low = mid + 1;
        else high = mid;
      }
      if (low === sequence.first) return undefined;
      // Inside an instruction (of a call, for a caller's frame) nothing stops: there it counts whose code it is.
      const isStop = (address & 1n) === 0n;
      return this.at(sequence, isStop ? this.statementAt(sequence, low - 1) : low - 1);
    }
    return undefined;
  }

  /**
   * Where the body of the function at [entry, end) begins: at the row that the compiler marked, else with
   * `guess` at the second row, since compilers give the prologue a row of its own.
   */
  bodyOf(entry: bigint, end: bigint, guess: boolean): bigint | undefined {
    const sequence = this.closed.find((s) => entry >= s.base && entry < s.end);
    if (sequence === undefined) return undefined;
    const from = Number(entry - sequence.base);
    const to = Number((end < sequence.end ? end : sequence.end) - sequence.base);
    let second: number | undefined;
    for (let i = sequence.first; i < sequence.first + sequence.count; i++) {
      const delta = this.delta[i] ?? 0;
      if (delta < from || delta >= to) continue;
      if (((this.flags[i] ?? 0) & ROW_PROLOGUE_END) !== 0) return sequence.base + BigInt(delta);
      if (delta > from && second === undefined && this.line[i] !== 0) second = delta;
    }
    return guess && second !== undefined ? sequence.base + BigInt(second) : undefined;
  }

  /** All rows, sequence by sequence in address order. */
  *rows(): Generator<LineRow> {
    for (const sequence of this.closed) {
      for (let i = sequence.first; i < sequence.first + sequence.count; i++) yield this.at(sequence, i);
    }
  }

  /**
   * The places where code of a wanted line begins, in address order: `visit(line, address, empty)` for the first row of
   * each contiguous block of one line and file. `empty` rows share their address with a later row.
   */
  blocks(
    files: ReadonlySet<number>,
    visit: (line: number, column: number, address: bigint, empty: boolean) => void,
  ) {
    for (const sequence of this.closed) {
      let previousLine = -1;
      let previousFile = -1;
      const last = sequence.first + sequence.count;
      for (let i = sequence.first; i < last; i++) {
        const line = this.line[i] ?? 0;
        const file = this.file[i] ?? 0;
        const empty =
          i + 1 < last
            ? this.delta[i + 1] === this.delta[i]
            : sequence.base + BigInt(this.delta[i] ?? 0) >= sequence.end;
        const isStmt = ((this.flags[i] ?? 0) & ROW_IS_STMT) !== 0;
        const continues = line === previousLine && file === previousFile;
        if (!isStmt) {
          // Code that is not a statement of its own breaks a block only when it belongs to another line.
          if (!continues && !empty) previousLine = -1;
          continue;
        }
        if (!continues && line !== 0 && files.has(file)) {
          visit(line, this.column[i] ?? 0, sequence.base + BigInt(this.delta[i] ?? 0), empty);
        }
        if (!empty || continues) {
          previousLine = line;
          previousFile = file;
        }
      }
    }
  }
}
