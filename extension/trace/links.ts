/** A place in a source file that a trace line names. */
export interface SourceLink {
  /** Where the name stands in the line. */
  readonly start: number;
  readonly end: number;
  readonly file: string;
  readonly line: number;
}

/** `(file:line)` as the trace has it behind a symbol; the name may have spaces, and on Windows a drive. */
const PLACE = /(?<=\()((?:[A-Za-z]:(?=[\\/]))?[^():]+):([1-9]\d*)(?=\))/g;

/** The `file:line` places in a line of trace. */
export function sourceLinks(text: string): SourceLink[] {
  return [...text.matchAll(PLACE)].map((match) => ({
    start: match.index,
    end: match.index + match[0].length,
    file: match[1] ?? '',
    line: Number(match[2]),
  }));
}
