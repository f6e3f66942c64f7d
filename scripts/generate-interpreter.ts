/** Build step: generates the interpreter's module beforehand and writes it to the path given as first argument. */
import { writeFileSync } from 'node:fs';
import { interpreterBytes } from '../emulator/core/interpreter';
import { a64Isa } from '../emulator/isa/a64';

const [out] = process.argv.slice(2);
if (!out) throw new Error('usage: generate-interpreter OUT.wasm');
writeFileSync(out, interpreterBytes(a64Isa));
