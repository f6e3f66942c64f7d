/** A file that is being preprocessed. */
import type { SourceLine } from '../sections';
import { LogicalLines, locate, type LogicalLine } from './lines';
import type { Origin, PpToken } from './tokens';

/** An `#if` that is open. */
export interface Group {
  /** Its lines are used. */
  active: boolean;
  /** A branch of it was used already. */
  done: boolean;
  /** The lines around it are used. */
  readonly outer: boolean;
  sawElse: boolean;
  /** The directive, for what is wrong with it. */
  readonly directive: PpToken;
}

export class SourceFile {
  readonly groups: Group[] = [];
  readonly #lines: LogicalLines;
  #pushed: LogicalLine | undefined;
  /** The line that was read last. */
  current: LogicalLine | undefined;
  /** What `#line` says: the name of the file, and what to add to the number of a line. */
  presumed: string;
  /** The same as it is written there: for `__FILE__`. */
  spelled: string;
  #shift = 0;
  /** First line of the skipped lines at the moment. */
  skippedFrom: number | undefined;

  constructor(
    readonly path: string,
    text: string,
    /** The `#include`. */
    readonly from: SourceLine | undefined,
    /** Which folder it was found in: for #include_next. */
    readonly searchIndex: number,
  ) {
    this.#lines = new LogicalLines(text.split(/\r?\n/));
    this.presumed = path;
    this.spelled = path;
  }

  get active(): boolean {
    return this.groups.at(-1)?.active ?? true;
  }

  next(): LogicalLine | undefined {
    const line = this.#pushed ?? this.#lines.next();
    this.#pushed = undefined;
    if (line) this.current = line;
    return line;
  }

  /** Gives back the line that was read last. */
  putBack(line: LogicalLine): void {
    this.#pushed = line;
  }

  /** `#line`: the next line is number `line`. */
  renumber(line: number, after: LogicalLine, file: { path: string; spelled: string } | undefined): void {
    this.#shift = line - (after.lastLine + 1);
    this.presumed = file?.path ?? this.presumed;
    this.spelled = file?.spelled ?? this.spelled;
  }

  /** The number that a line has for errors and debuggers. */
  presumedLine(line: number): number {
    return line + this.#shift;
  }

  /** A line as errors and line tables name it. */
  at(line: number): SourceLine {
    const at = { file: this.presumed, line: this.presumedLine(line) };
    return this.from ? { ...at, from: this.from } : at;
  }

  /** Places of pieces of a line. */
  places(line: LogicalLine): (from: number, to: number) => Origin {
    return (from, to) => locate(line, from, to);
  }
}
