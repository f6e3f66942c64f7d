/** What the language server needs of the assembler and the instruction set: one implementation connects both. */
import type { AssemblerSettings } from './settings';

/** A range of a line. Lines and columns are 1-based, ends exclusive. */
export interface Place {
  readonly file: string;
  readonly line: number;
  readonly column: number;
  readonly endColumn: number;
}

/** A place in a source file with something to say about it. */
export interface Diagnostic extends Place {
  readonly message: string;
  readonly severity: 'error' | 'warning' | 'info';
  /** How the assembler got there: macro bodies and includes, innermost first. */
  readonly related: readonly { readonly file: string; readonly line: number; readonly text: string }[];
}

/** Lines that `#if` leaves out, both ends included. */
export interface InactiveLines {
  readonly file: string;
  readonly from: number;
  readonly to: number;
}

export interface Proposal {
  readonly label: string;
  readonly kind: 'instruction' | 'directive' | 'sysreg' | 'operation' | 'symbol' | 'macro' | 'constant';
  /** Markdown. */
  readonly doc?: string;
}

/** A name under the cursor: the text, and where it stands. */
export interface NameAt extends Place {
  readonly text: string;
}

/** What is known of a program. */
export interface Analysis {
  readonly diagnostics: readonly Diagnostic[];
  readonly inactive: readonly InactiveLines[];
  /** Where the name is defined. */
  definitions(name: NameAt): Place[];
  /** Where else it stands; undefined for names that are not followed. */
  references(name: NameAt): Place[] | undefined;
  /** Markdown about the name; undefined if it is not one of the program. */
  describe(name: NameAt): string | undefined;
  /** What can stand at a column (from 1) of a line. */
  complete(line: string, column: number): Proposal[];
}

/** Reads a source file: open documents first, then the disk. Undefined when there is none. */
export type ReadText = (file: string) => string | undefined;

export interface Language {
  /** Assembles the program whose root is `main`. */
  analyse(main: string, read: ReadText, settings: AssemblerSettings): Analysis;
  /** Markdown about a mnemonic or system register; undefined for any other word. */
  hover(word: string, atLineStart: boolean): string | undefined;
}
