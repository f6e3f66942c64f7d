/** The build generates the interpreter's module and puts it beside the bundle; run from the sources there is none. */
import * as fs from 'node:fs';
import path from 'node:path';
import { useInterpreter } from '../../emulator/core/interpreter';
import { a64Isa } from '../../emulator/isa/a64';

/** Takes the module that was built with this bundle, if there is one; otherwise it is generated at the first launch. */
export function useBuiltInterpreter(): void {
  const file = path.join(__dirname, 'interpreter.wasm');
  if (fs.existsSync(file)) useInterpreter(a64Isa, new Uint8Array(fs.readFileSync(file)));
}
