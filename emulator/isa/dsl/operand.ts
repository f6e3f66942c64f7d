/**
 * What an instruction set tells the assembler about operands: for each kind that templates use, how it is read from
 * source text and printed from the fields of a word. The assembler brings the tokens and the expressions.
 */
import type { RawFields, Row } from './row';
import type { Field } from './pattern';

/** Fields while an instruction is put together; `undefined`: not yet known. */
export type PartialFields = Record<string, number | undefined>;

export interface OperandToken {
  readonly kind: 'id' | 'num' | 'float' | 'str' | 'punct' | 'local' | 'value';
  /** As written; strings without their quotes. */
  readonly text: string;
  /** `text` in lower case for identifiers: the names of registers and keywords. */
  readonly lower: string;
}

/** The value of an expression in an operand. */
export interface OperandValue {
  /** `later`: known only when all labels are; the operand takes 0 for now and calls nothing. */
  readonly kind: 'number' | 'address' | 'later';
  /** Meaningful unless `later`. */
  readonly value: bigint;
}

/** The source text of operands, read from left to right. */
export interface OperandReader {
  peek(): OperandToken | undefined;
  next(): OperandToken | undefined;
  /** Takes the token if it is this punctuation or (lower case) word. */
  accept(text: string): boolean;
  /** Reads an expression; a string is the error. */
  expression(): OperandValue | string;
  /** Reads the expression behind `:lo12:` and its kin, of which a part of the address is used. */
  address(): OperandValue | string;
  /** Like expression, but for branch and literal targets: the distance from this instruction, or of its 4 KiB page. */
  distance(page: boolean): OperandValue | string;
  /** `:lo12:` and its kin: takes it and returns the name between the colons. */
  relocation(): string | undefined;
  /** The assembler is trying the opposite instruction: immediates of add and sub count negated. */
  readonly negate: boolean;
  /** The mnemonic, for error texts. */
  readonly mnemonic: string;
}

/** Where printed text belongs. */
export interface PrintContext {
  readonly address: bigint;
  /** Name of an address such as `main+0x10`, if it has one. */
  readonly symbolize?: ((address: bigint) => string | undefined) | undefined;
  /** Set by operands that are addresses: branch and literal targets. */
  target?: bigint;
}

/** What is wrong with an operand. `wrong`: it is of the right sort, but its value is not possible. */
export interface OperandError {
  readonly text: string;
  readonly wrong: boolean;
}

export interface OperandHandler {
  /** What may stand here, for error texts: 'a 64-bit register x0-x30 or xzr'. */
  readonly expects: string;
  /** Reads the operand and sets its fields, or says what is wrong. */
  parse(from: OperandReader, fields: PartialFields): OperandError | undefined;
  /** The operand's text; undefined when the template does not fit these fields. */
  print(fields: RawFields, context: PrintContext): string | undefined;
  /** Whether the optional group around this operand is printed although all its fields have their defaults. */
  keep?(fields: RawFields): boolean;
  /** For operands inside a mnemonic (`b.<cond:cond>`): all names, with their value. */
  readonly names?: readonly (readonly [string, number])[];
}

/** A field of an operand; `literal` numbers stand for constants such as the access size of `ldextend`. */
export type OperandField = Field | { readonly literal: number };

/** Where an operand stands. */
export interface OperandPlace {
  /** Mnemonic of the template; empty for an operand inside the mnemonic. */
  readonly mnemonic: string;
  /** The fields that are fixed for this template. */
  readonly shape: RawFields;
}

/** Makes the handler of one operand of a template. */
export type OperandFactory = (fields: readonly OperandField[], place: OperandPlace) => OperandHandler;

/** An instruction set, as far as the assembler must know it beside the rows. */
export interface AsmSyntax {
  /** The factory of a kind such as `x` or `v.8b`; undefined if there is none. */
  kind(name: string): OperandFactory | undefined;
  /** Whether a (lower case) word names a register or is otherwise reserved in operands. */
  isReserved(word: string): boolean;
  /** What to try when no template of a mnemonic fits: GNU as picks SUB for ADD of a negative number. */
  readonly fallbacks: Readonly<Record<string, { mnemonic: string; negate: boolean }>>;
  /** Further spellings for the assembler alone, tried when no row of the instruction set fits. */
  readonly assembleOnly: readonly Row[];
  /** `ldr x0, =value`: the mnemonics that take a literal, and the size of it by register; undefined if impossible. */
  literalSize(mnemonic: string, register: string): number | undefined;
  /** The instruction that does nothing, to fill code up to an alignment. */
  readonly nop: number;
}
