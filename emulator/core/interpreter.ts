/** The compiled interpreter of an instruction set: made once a process, shared by all machines. */
import { makeHandlers, type Handler } from '../codegen/handlers';
import { generateInterpreter } from '../codegen/interpreter';
import { tlbLayout } from '../codegen/tlb';
import type { Isa } from '../isa/dsl/isa';

interface Compiled {
  readonly module: WebAssembly.Module;
  readonly handlers: readonly Handler[];
}

const compiled = new WeakMap<Isa, Compiled>();

/** The module's bytes, for a build that generates them beforehand. */
export function interpreterBytes(isa: Isa): Uint8Array<ArrayBuffer> {
  return generateInterpreter(isa, tlbLayout(isa.stateEnd), makeHandlers(isa)).bytes;
}

/**
 * Gives the module that `interpreterBytes` made of the same sources, so that the process need not generate it again: that is
 * most of the time to the first stop.
 */
export function useInterpreter(isa: Isa, bytes: Uint8Array<ArrayBuffer>): void {
  compiled.set(isa, { module: new WebAssembly.Module(bytes), handlers: makeHandlers(isa) });
}

/** The compiled module and the handlers that its records name. */
export function interpreterOf(isa: Isa): Compiled {
  if (!compiled.has(isa)) useInterpreter(isa, interpreterBytes(isa));
  return compiled.get(isa)!;
}
