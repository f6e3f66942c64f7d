import { directiveTable } from '../../emulator/asm/preprocessor/directives';

export interface Word {
  readonly text: string;
  /** 0-based columns, the end exclusive. */
  readonly start: number;
  readonly end: number;
  /** The word stands where a statement has its mnemonic. */
  readonly isMnemonic: boolean;
}

const WORD = /[A-Za-z_][\w.]*/g;

/** Nothing but labels, closed comments and the previous statement's separator may stand before a mnemonic. */
const BEFORE_MNEMONIC = /(^|;)\s*(?:(?:[\w.$]+:|\/\*.*?\*\/)\s*)*$/;

/**
 * Where the comment of a line begins: `//`, or `#` as the first character of a line (GNU as for AArch64) that is no
 * directive of the preprocessor.
 */
function commentStart(line: string): number {
  const slashes = line.indexOf('//');
  const hash = /^\s*#\s*(\w*)/.exec(line);
  if (hash && !directiveTable.has(hash[1] ?? '')) return 0;
  return slashes < 0 ? line.length : slashes;
}

/** The mnemonic, register or symbol at a column; undefined in comments and between words. */
export function wordAt(line: string, column: number): Word | undefined {
  if (column >= commentStart(line)) return undefined;
  for (const match of line.matchAll(WORD)) {
    const [text] = match;
    const start = match.index;
    const end = start + text.length;
    if (column < start || column >= end) continue;
    return { text, start, end, isMnemonic: BEFORE_MNEMONIC.test(line.slice(0, start)) };
  }
  return undefined;
}
