/** What the assembler has to say about a source. */
import type { SourceLine } from './sections';

export interface Diagnostic {
  readonly file: string;
  /** From 1. */
  readonly line: number;
  /** From 1; endColumn is the one after the last character. */
  readonly column: number;
  readonly endColumn: number;
  readonly severity: 'error' | 'warning' | 'info';
  readonly message: string;
  /** How the assembler got there: macro definitions and includes, innermost first. */
  readonly stack: readonly { readonly file: string; readonly line: number; readonly text: string }[];
}

/** A place in the sources, with the way that leads to it. */
export interface Place extends SourceLine {
  readonly column: number;
  readonly endColumn: number;
  readonly stack: Diagnostic['stack'];
}

/** The chain of `#include` that leads to a line. */
export function includeStack(at: SourceLine | undefined): Diagnostic['stack'] {
  const out: Diagnostic['stack'][number][] = [];
  for (let f = at?.from; f && out.length < 10; f = f.from) {
    out.push({ file: f.file, line: f.line, text: 'included from here' });
  }
  return out;
}

export const maxErrors = 50;

export class Diagnostics {
  readonly list: Diagnostic[] = [];
  errors = 0;

  /** No more than maxErrors are kept, the last one says so. */
  get full(): boolean {
    return this.errors >= maxErrors;
  }

  add(severity: Diagnostic['severity'], place: Place, message: string): void {
    if (this.full || this.list.length > 4 * maxErrors) return;
    const { file, line, column, endColumn, stack } = place;
    this.list.push({ file, line, column, endColumn, severity, message, stack });
    if (severity !== 'error') return;
    this.errors++;
    if (this.full) {
      const text = `There are ${maxErrors} errors already; the rest of the source is not checked.`;
      this.list.push({ file, line, column, endColumn, severity: 'error', message: text, stack });
    }
  }
}
