/** A place in a source file that a trace line names. */
export interface SourceLink {
  /** Where the name stands in the line. */
  readonly start: number;
  readonly end: number;
  readonly file: string;
  readonly line: number;
}

/** `file:line` of a source file, relative or absolute; `ESR_EL2.EC:22` and `EL2:0x40` are none. */
const PLACE =
  /(?<![\w./\\-])((?:[A-Za-z]:[\\/])?[\w./\\+-]*[\w+-]\.(?:S|s|asm|inc|c|h|cc|cpp|cxx|hpp|rs)):([1-9]\d*)(?!\w)/g;

/** The `file:line` places in a line of trace. */
export function sourceLinks(text: string): SourceLink[] {
  return [...text.matchAll(PLACE)].map((match) => ({
    start: match.index,
    end: match.index + match[0].length,
    file: match[1] ?? '',
    line: Number(match[2]),
  }));
}
