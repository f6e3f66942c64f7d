/** What a directive is. */
import type { Assembler } from './assembler';
import type { Token } from './lexer';

export interface Arguments {
  /** As written, without the blanks around. */
  readonly text: string;
  readonly tokens: readonly Token[];
  /** The directive, with its dot. */
  readonly name: string;
}

export type Directive = (a: Assembler, args: Arguments) => void;
