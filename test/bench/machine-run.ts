/**
 * Runs a guest on our machine as the debug adapter does, in a process of its own, and prints what was measured as JSON:
 * `node machine-run.js SPEC DIST`, a RunSpec as JSON and the folder of the product's bundles.
 */
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { A64 } from '../../debug-adapter/arch/a64';
import { Runner } from '../../debug-adapter/control/runner';
import { Computer } from '../../emulator/board/computer';
import { RAM_BASE } from '../../emulator/board/map';
import { useWasmFeatures } from '../../debug-adapter/launch/wasm-features';
import { useInterpreter } from '../../emulator/core/interpreter';
import { common } from '../../emulator/ir/state';
import { a64Isa } from '../../emulator/isa/a64';
import { cpuMs } from './clock';
import { MarkReader, type OurFigures, type OurSpec } from './spec';

const [json, dist] = process.argv.slice(2);
if (json === undefined || dist === undefined) throw new Error('usage: machine-run SPEC DIST');
const spec = JSON.parse(json) as OurSpec;

useWasmFeatures();
useInterpreter(a64Isa, new Uint8Array(readFileSync(path.join(dist, 'interpreter.wasm'))));
const computer = new Computer({
  ...{ cpus: 1, memoryBytes: 512 << 20, image: readFileSync(spec.image) },
  ...(spec.initrd === undefined ? {} : { initrd: readFileSync(spec.initrd) }),
  ...(spec.append === undefined ? {} : { bootargs: spec.append }),
  ...(spec.interpret ? { translate: false } : {}),
});
const { machine } = computer;

function figures(): OurFigures {
  const field = (f: (typeof common)['misses']): number => Number(machine.state.get(0, f));
  const counts = machine.translator?.counts;
  return {
    wallMs: performance.now(),
    cpuMs: cpuMs(),
    // Of CPU 0, without the time that it sleeps.
    instructions: field(common.retiredEnd) - machine.state.num(0, common.left),
    translated: field(common.translated),
    entered: field(common.entered),
    handedBack: field(common.handedBack),
    misses: field(common.misses),
    invalidations: machine.tlb.invalidations,
    regions: counts?.regions ?? 0,
    dropped: counts?.dropped ?? 0,
  };
}

if (spec.debugged) {
  const arch = new A64(machine, computer.board);
  computer.onEventCall = (block, kind) => arch.trace.event(block, kind);
  arch.arm(new Set(), false);
  arch.trace.isQuiet = true;
  machine.predecode.addBreakpoint(spec.debugged.code - Number(RAM_BASE));
  machine.watch.add({ pa: BigInt(spec.debugged.data), bytes: 8, kind: 'access' });
}
const reader = new MarkReader(spec.marks, figures);
computer.onEvent = (e) => {
  if (e.kind === 'uart') reader.see(Buffer.from(e.bytes).toString('latin1'));
};

/** The speed of the last quarter, when everything hot has been translated and optimised. */
function lateMips(samples: readonly OurFigures[]): number {
  const [end, begin] = [samples.at(-1), samples.find((f) => f.instructions > 0)];
  if (!end || !begin) return NaN;
  const from = end.instructions - (end.instructions - begin.instructions) / 4;
  const late = samples.find((f) => f.instructions >= from) ?? begin;
  return (end.instructions - late.instructions) / 1000 / (end.cpuMs - late.cpuMs);
}

async function main(): Promise<void> {
  const runner = new Runner(computer);
  const samples: OurFigures[] = [];
  while (reader.run === undefined) {
    const { kind } = runner.slices();
    if (kind !== 'limit' && reader.run === undefined)
      throw new Error(`the guest ended early, by ${kind}: ${reader.text.slice(-500)}`);
    if (reader.started) samples.push(figures());
    await runner.breathe();
  }
  process.stdout.write(JSON.stringify({ ...reader.run, lateMips: lateMips(samples) }), () => process.exit(0));
}

void main();
