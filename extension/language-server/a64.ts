/** AArch64 as the language server sees it: the project's own assembler, instruction rows and system register rows. */
import path from 'node:path';
import { assemble } from '../../emulator/asm/assemble';
import { a64Rows } from '../../emulator/isa/a64/rows';
import { sysregs } from '../../emulator/isa/a64/sysregs';
import { instructionHover, instructionIndex } from './instructions';
import type { Language } from './language';
import { registerHover, registerIndex } from './registers';

const isa = { name: 'A64', rows: a64Rows };
const instructions = instructionIndex(a64Rows);
const registers = registerIndex(sysregs);

export const a64: Language = {
  diagnose(main, read) {
    return assemble({ main, read, isa }).diagnostics.map(({ file, stack, ...rest }) => ({
      ...rest,
      file: path.normalize(file),
      related: stack.map((entry) => ({ ...entry, file: path.normalize(entry.file) })),
    }));
  },

  hover(word, isMnemonic) {
    const name = word.toLowerCase();
    if (isMnemonic) {
      const forms = instructions.get(name);
      return forms && instructionHover(forms);
    }
    const register = registers.get(name);
    return register && registerHover(register);
  },
};
