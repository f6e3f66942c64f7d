/** The lines that the assembler reads: files, macro bodies and repetitions, each inside the other. */
import { includeStack, type Diagnostic } from './diagnostics';
import { LineSplitter } from './lexer';
import type { SourceLine } from './sections';

/** A line of source, wherever it comes from. */
export interface InputLine {
  readonly text: string;
  /** What errors and line tables name: for macros the line of the outermost call. */
  readonly at: SourceLine;
  /** Where it is written. */
  readonly written: SourceLine;
  /** Where a range of its text is written, when the preprocessor has changed it; columns from 0. */
  readonly locate?: (from: number, to: number) => Located;
}

export interface Located {
  readonly line: number;
  readonly column: number;
  readonly endColumn: number;
  /** The macros of the preprocessor that made it. */
  readonly stack: Diagnostic['stack'];
}

/** Lines to read, once or several times. */
export interface Frame {
  readonly kind: 'file' | 'macro' | 'repeat';
  /** For the stack of diagnostics: 'in macro save', 'included from here'. */
  readonly what: string;
  /** The call or .include. */
  readonly from: SourceLine | undefined;
  /** The lines of one iteration; undefined when there are no more. */
  readonly iteration: (n: number) => readonly InputLine[] | undefined;
  /** Open conditionals when it began. */
  readonly conditionals: number;
}

interface Open {
  readonly frame: Frame;
  lines: readonly InputLine[];
  index: number;
  turn: number;
  readonly splitter: LineSplitter;
}

/** Macros may call macros to this depth, files include files. */
export const maxDepth = 100;
/** Lines that a program may have after all macros and repetitions: stops those without end. */
export const maxLines = 500_000;

export class Input {
  readonly #open: Open[] = [];
  /** Called when a frame ends. */
  onEnd: (frame: Frame) => void = () => undefined;
  current: InputLine | undefined;
  count = 0;

  get depth(): number {
    return this.#open.length;
  }

  get splitter(): LineSplitter {
    return this.#open.at(-1)?.splitter ?? new LineSplitter();
  }

  /** Whether the current line is written where errors are shown: so that columns mean something. */
  get inFile(): boolean {
    const line = this.current;
    return line !== undefined && line.at === line.written;
  }

  push(frame: Frame): void {
    this.#open.push({
      frame,
      lines: frame.iteration(0) ?? [],
      index: 0,
      turn: 0,
      splitter: new LineSplitter(),
    });
  }

  /** The innermost frame of a kind. */
  innermost(kind: Frame['kind']): Frame | undefined {
    return this.#open.findLast((o) => o.frame.kind === kind)?.frame;
  }

  /** Leaves frames up to the innermost macro (.exitm). */
  leaveMacro(): void {
    for (let o = this.#open.pop(); o; o = this.#open.pop()) {
      this.onEnd(o.frame);
      if (o.frame.kind === 'macro') return;
    }
  }

  next(): InputLine | undefined {
    for (;;) {
      const o = this.#open.at(-1);
      if (!o) return undefined;
      const line = o.lines[o.index];
      if (line) {
        o.index++;
        this.count++;
        this.current = line;
        return line;
      }
      const again = o.index > 0 ? o.frame.iteration(++o.turn) : undefined;
      if (again) {
        o.lines = again;
        o.index = 0;
        // A round without lines counts, too: it must not run for ever.
        this.count++;
        continue;
      }
      this.#open.pop();
      this.onEnd(o.frame);
    }
  }

  /** Drops everything: after a fatal error. */
  clear(): void {
    this.#open.length = 0;
  }

  /** How the current line was reached, innermost first. */
  stack(): Diagnostic['stack'] {
    const out: { file: string; line: number; text: string }[] = [];
    let written = this.current?.written;
    const add = (at: SourceLine | undefined, text: string): void => {
      if (at) out.push({ file: at.file, line: at.line, text });
    };
    for (let i = this.#open.length - 1; i >= 0 && out.length < 10; i--) {
      const { frame } = this.#open[i] as Open;
      if (frame.kind === 'repeat') continue;
      if (frame.kind === 'macro') add(written, frame.what);
      else {
        out.push(...includeStack(written));
        add(frame.from, frame.what);
      }
      written = frame.from;
    }
    return out;
  }
}
