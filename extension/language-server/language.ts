/** What the language server needs of the assembler and the instruction set: one implementation connects both. */

/** A place in a source file with something to say about it. Lines and columns are 1-based, ends exclusive. */
export interface Diagnostic {
  readonly file: string;
  readonly line: number;
  readonly column: number;
  readonly endColumn: number;
  readonly message: string;
  readonly severity: 'error' | 'warning' | 'info';
  /** How the assembler got there: macro bodies and includes, innermost first. */
  readonly related: readonly { readonly file: string; readonly line: number; readonly text: string }[];
}

/** Reads a source file: open documents first, then the disk. Undefined when there is none. */
export type ReadText = (file: string) => string | undefined;

export interface Language {
  /** Assembles the program whose root is `main` and returns what is wrong with it. */
  diagnose(main: string, read: ReadText): Diagnostic[];
  /** Markdown about a mnemonic or system register; undefined for any other word. */
  hover(word: string, atLineStart: boolean): string | undefined;
}
