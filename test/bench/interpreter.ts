import { readFileSync } from 'node:fs';
import path from 'node:path';
import { assemble } from '../../emulator/asm/assemble';
import { Computer } from '../../emulator/board/computer';
import { a64Isa } from '../../emulator/isa/a64';
import { median, type Bench } from './table';

const SOURCE = path.join(__dirname, 'guests/integer-loop.S');
const PER_ROUND = 20_000_000;
/** V8 compiles the interpreter's loop a second time, with optimisation, while it runs: that is not measured. */
const WARM_UP_MS = 6_000;

function guest(): Computer {
  const made = assemble({ main: SOURCE, read: (p) => readFileSync(p, 'utf8'), isa: a64Isa });
  if (!made.elf) throw new Error(made.diagnostics.map((d) => d.message).join('\n'));
  return new Computer({ cpus: 1, memoryBytes: 64 << 20, image: made.elf });
}

export const interpreterBench: Bench = {
  name: 'interpreter',
  what: 'integer loop with loads and stores at EL2, MMU on',
  run: async () => {
    const { machine } = guest();
    const round = (): number => {
      const from = performance.now();
      machine.run({ instructions: PER_ROUND });
      return PER_ROUND / 1000 / (performance.now() - from);
    };
    for (const from = performance.now(); performance.now() - from < WARM_UP_MS;) round();
    const value = median(Array.from({ length: 7 }, round));
    return { name: 'interpreter', value, unit: 'MIPS', bar: { atLeast: 100 } };
  },
};
