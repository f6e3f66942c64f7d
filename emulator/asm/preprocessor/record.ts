/** What editors want to know of a preprocessed program. */
import type { MacroDefinition } from './macro-definition';
import type { SourceFile } from './source-file';
import { spell, type Origin, type PpToken } from './tokens';

/** A range of a line: line and columns from 1, endColumn behind the last character. */
export interface Range {
  readonly file: string;
  readonly line: number;
  readonly column: number;
  readonly endColumn: number;
}

/** A macro's name in the source. */
export interface MacroUse extends Range {
  readonly name: string;
  readonly macro: MacroDefinition | undefined;
  /** What it becomes there; undefined where it is only named, in `#ifdef` and the like. */
  readonly expansion?: () => string;
}

/** Lines that `#if` leaves out, both ends included. */
export interface InactiveLines {
  readonly file: string;
  readonly from: number;
  readonly to: number;
}

export interface IncludedFile extends Range {
  readonly path: string;
}

/** Whether a token came from between the first and the last token of a call. */
function within(o: Origin, first: Origin, last: Origin): boolean {
  const after = o.line > first.line || (o.line === first.line && o.column >= first.column);
  return after && (o.line < last.line || (o.line === last.line && o.column < last.endColumn));
}

export class Recorder {
  /** Every `#define`, in the order of the source. */
  readonly definitions: MacroDefinition[] = [];
  /** Uses in text and mentions in conditions. */
  readonly uses: MacroUse[] = [];
  readonly inactive: InactiveLines[] = [];
  readonly includes: IncludedFile[] = [];

  /** The line whose macros are being replaced. */
  #line: { tokens: readonly PpToken[] } = { tokens: [] };

  use(file: SourceFile | undefined, macro: MacroDefinition, name: PpToken, end: Origin): void {
    if (name.origin.via) return;
    const line = this.#line;
    const from = name.origin;
    this.mention(file, macro, name, () =>
      spell(line.tokens.filter(({ origin }) => within(origin, from, end))),
    );
  }

  /** All macros of a line are replaced. */
  lineDone(tokens: readonly PpToken[]): void {
    this.#line.tokens = tokens;
    this.#line = { tokens: [] };
  }

  mention(
    file: SourceFile | undefined,
    macro: MacroDefinition | undefined,
    name: PpToken,
    expansion?: () => string,
  ): void {
    if (!file) return;
    const { line, column, endColumn } = name.origin;
    this.uses.push({
      file: file.path,
      line,
      column: column + 1,
      endColumn: endColumn + 1,
      name: name.text,
      macro,
      ...(expansion ? { expansion } : {}),
    });
  }

  /** The lines of a file before `line` end a stretch that was left out, if one is open. */
  skipped(file: SourceFile, line: number): void {
    const from = file.skippedFrom;
    file.skippedFrom = undefined;
    if (from !== undefined && line > from) this.inactive.push({ file: file.path, from, to: line - 1 });
  }
}
