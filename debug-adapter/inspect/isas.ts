/** The description of each instruction set that a machine may have. */
import type { Isa } from '../../emulator/isa/dsl/isa';
import type { IsaDebug } from '../../emulator/isa/dsl/debug';
import { a64Debug } from '../../emulator/isa/a64/debug/debug';

const descriptions: Readonly<Record<string, IsaDebug>> = { a64: a64Debug };

/** @throws Error for an instruction set without a description. */
export function debugOf(isa: Isa): IsaDebug {
  const found = descriptions[isa.name];
  if (!found) throw new Error(`the instruction set ${isa.name} has no description for the debugger`);
  return found;
}
