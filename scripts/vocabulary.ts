/** The words of AArch64 assembly, from the rows and the assembler: nothing is listed here. */
import { directives } from '../emulator/asm/directives';
import { directiveTable } from '../emulator/asm/preprocessor/directives';
import { a64Syntax } from '../emulator/isa/a64/operands/operands';
import { systemOperations } from '../emulator/isa/a64/operands/sysops';
import { a64Rows } from '../emulator/isa/a64/rows';
import { sysregs } from '../emulator/isa/a64/sysregs';
import { instructionIndex } from '../extension/language-server/instructions';
import type { Vocabulary } from './grammar';

/** Kinds of operands that are one of a list of names. */
const NAMED_KINDS = ['barrier', 'prfop', 'pstate'];

function namesOf(kind: string): string[] {
  const fields = [{ literal: 0 }, { literal: 0 }];
  const names = a64Syntax.kind(kind)?.(fields, { mnemonic: '', shape: {} }).names;
  if (!names || names.length === 0) throw new Error(`the operand kind ${kind} has no names`);
  return names.map(([name]) => name);
}

export function vocabulary(): Vocabulary {
  return {
    mnemonics: [...instructionIndex(a64Rows).keys()],
    systemRegisters: sysregs.map(({ name }) => name.toLowerCase()),
    operands: [...systemOperations.map(({ name }) => name), ...NAMED_KINDS.flatMap(namesOf)],
    directives: [...directives.keys()],
    preprocessor: [...directiveTable.keys()],
  };
}
