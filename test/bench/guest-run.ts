/**
 * Runs one program of guests/c on our machine, in a process of its own as the debug adapter is one, and prints what was
 * measured between its two lines as JSON: `node guest-run.js IMAGE interpreter.wasm [--interpret]`.
 */
import { readFileSync } from 'node:fs';
import { Runner } from '../../debug-adapter/control/runner';
import { Computer } from '../../emulator/board/computer';
import { useInterpreter } from '../../emulator/core/interpreter';
import { common } from '../../emulator/ir/state';
import { a64Isa } from '../../emulator/isa/a64';
import { cpuMs } from './clock';
import { MarkReader, type GuestRun } from './marks';

const [image, interpreter, ...options] = process.argv.slice(2);
if (image === undefined || interpreter === undefined) throw new Error('usage: guest-run IMAGE INTERPRETER');

useInterpreter(a64Isa, new Uint8Array(readFileSync(interpreter)));
const computer = new Computer({
  ...{ cpus: 1, memoryBytes: 512 << 20, image: readFileSync(image) },
  ...(options.includes('--interpret') ? { translate: false } : {}),
});
const { machine } = computer;

/** Figures that grow. */
function figures(): Omit<GuestRun, 'checksum'> {
  const field = (f: (typeof common)['misses']): number => Number(machine.state.get(0, f));
  const counts = machine.translator?.counts;
  return {
    wallMs: performance.now(),
    cpuMs: cpuMs(),
    instructions: Number(machine.now()),
    translated: field(common.translated),
    entered: field(common.entered),
    handedBack: field(common.handedBack),
    misses: field(common.misses),
    regions: counts?.regions ?? 0,
    dropped: counts?.dropped ?? 0,
  };
}

let [begin, end] = [figures(), figures()];
const marks = new MarkReader({ begin: () => (begin = figures()), end: () => (end = figures()) });
computer.onEvent = (e) => {
  if (e.kind === 'uart') marks.see(Buffer.from(e.bytes).toString('latin1'));
};

/** As the debug adapter runs a guest. */
async function main(): Promise<void> {
  const runner = new Runner(computer);
  while (marks.checksum === undefined) {
    const { kind } = runner.slices();
    if (kind !== 'limit' && marks.checksum === undefined)
      throw new Error(`the program ended early: ${marks.text}`);
    await runner.breathe();
  }
  const run = Object.fromEntries(
    Object.entries(end).map(([name, value]) => [name, value - begin[name as keyof typeof begin]]),
  );
  console.log(JSON.stringify({ ...run, checksum: marks.checksum }));
}

void main();
