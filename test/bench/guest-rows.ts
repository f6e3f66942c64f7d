/** The rows of programs in C: the same ELF on our machine and on QEMU's, one after the other. */
import { writeFileSync } from 'node:fs';
import path from 'node:path';
import { guestImage } from './guest-image';
import { benchFolder, explain, runPairs, timeOf, type Pair } from './machines';
import { programs, rowOf, rows, type GuestProgram, type Row } from './programs';
import type { Run, RunSpec, Figures } from './spec';
import { median, type Bench, type Options } from './table';

/** What a program is run with: the file is made. */
export function guestSpec(program: GuestProgram): RunSpec {
  const image = path.join(benchFolder(), `${program.name.replace('/', '-')}.elf`);
  writeFileSync(image, guestImage(program, program.rounds));
  return { image, marks: ['begin\n', 'end '] };
}

const checksum = (run: Run<Figures>): string => /end ([0-9a-f]{16})\n/.exec(run.text)?.[1] ?? run.text;

/** Ours / QEMU, with one line of what explains it. */
async function measure(program: GuestProgram, options: Options): Promise<number> {
  const pairs = await runPairs(guestSpec(program), options);
  const ours = (p: Pair): number => timeOf(p.we.spans[0], options);
  const theirs = (p: Pair): number => timeOf(p.they?.spans[0], options);
  const [first] = pairs;
  const wrong = pairs.find((p) => p.they && first && checksum(p.they) !== checksum(first.we));
  if (first && wrong?.they)
    throw new Error(`${program.name}: ${checksum(first.we)} here, ${checksum(wrong.they)} on QEMU`);
  const ratio = median(pairs.map((p) => theirs(p) / ours(p)));
  const middle = [...pairs].sort((a, b) => ours(a) - ours(b))[pairs.length >> 1];
  const times = `${median(pairs.map(ours)).toFixed(0).padStart(6)} ms against ${median(pairs.map(theirs)).toFixed(0).padStart(5)}`;
  const why = middle ? explain(middle, options) : '';
  console.log(`  ${program.name.padEnd(20)} ${ratio.toFixed(2).padStart(6)} x ${times}; ${why}`);
  return ratio;
}

function bench(row: Row): Bench {
  const all = programs.filter((p) => rowOf(p) === row.name);
  return {
    name: row.name,
    what: `${row.what}: ours / QEMU`,
    parts: all.map((p) => p.name),
    run: async (options) => {
      const chosen = all.filter((p) => options.names.includes(p.name));
      const ratios: number[] = [];
      for (const p of chosen.length > 0 ? chosen : all) ratios.push(await measure(p, options));
      const note = `median of ${ratios.length}; the lowest is ${Math.min(...ratios).toFixed(2)}`;
      return { name: row.name, value: median(ratios), unit: 'x', bar: { atLeast: row.bar }, note };
    },
  };
}

export const guestBenches: readonly Bench[] = rows.map(bench);
