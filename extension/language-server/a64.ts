/** AArch64 as the language server sees it: the project's own assembler, instruction rows and system register rows. */
import path from 'node:path';
import { assemble } from '../../emulator/asm/assemble';
import { completionsAt } from '../../emulator/asm/line-index';
import { a64Rows } from '../../emulator/isa/a64/rows';
import { sysregs } from '../../emulator/isa/a64/sysregs';
import { instructionHover, instructionIndex } from './instructions';
import type { Language } from './language';
import { Names } from './names';
import { registerHover, registerIndex } from './registers';

const isa = { name: 'A64', rows: a64Rows };
const instructions = instructionIndex(a64Rows);
const registers = registerIndex(sysregs);

const normal = <T extends { readonly file: string }>(of: T): T => ({ ...of, file: path.normalize(of.file) });

export const a64: Language = {
  analyse(main, read, { defines, includeDirs }) {
    const result = assemble({ main, read, isa, defines, includeDirs });
    const names = new Names(result);
    return {
      diagnostics: result.diagnostics.map(({ stack, ...rest }) => ({
        ...normal(rest),
        related: stack.map(normal),
      })),
      inactive: result.preprocessed?.inactive.map(normal) ?? [],
      definitions: (name) => names.definitions(name),
      references: (name) => names.references(name),
      describe: (name) => names.describe(name),
      complete: (line, column) => completionsAt(isa, line, column, result),
    };
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
