/**
 * `npm run bench [-- NAME...]`: speed and memory, as a table; or only rows and parts (`neon`, `neon/dot`) by name.
 *
 *     --runs N      pairs of runs of which the median counts; 3
 *     --cpu-time    CPU time of the threads that execute the guest, not wall time
 *     --interpret   our machine without the translator
 *     --ours        without QEMU
 *     --json FILE   the results, for a program
 */
import { execFileSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { activationBench } from './activation';
import { adapterBenches } from './adapter';
import { conditionBench } from './condition';
import { debuggedBench } from './debugged';
import { guestBenches } from './guest-rows';
import { linuxBenches } from './linux';
import { interpreterBench } from './interpreter';
import { roundTripBenches } from './round-trips';
import { holds, json, line, type Bench, type Options, type Result } from './table';

const { values, positionals: names } = parseArgs({
  allowPositionals: true,
  options: {
    json: { type: 'string' },
    runs: { type: 'string', default: '3' },
    'cpu-time': { type: 'boolean', default: false },
    interpret: { type: 'boolean', default: false },
    ours: { type: 'boolean', default: false },
  },
});
const options: Options = {
  names,
  runs: Number(values.runs),
  cpuTime: values['cpu-time'],
  interpret: values.interpret,
  ours: values.ours,
};

const all: readonly Bench[] = [
  interpreterBench,
  ...guestBenches,
  ...roundTripBenches,
  ...adapterBenches,
  ...linuxBenches,
  debuggedBench,
  conditionBench,
  activationBench,
];
const known = all.flatMap((b) => [b.name, ...(b.parts ?? [])]);
const unknown = names.filter((name) => !known.includes(name));
const chosen = all.filter(
  (b) => names.length === 0 || [b.name, ...(b.parts ?? [])].some((n) => names.includes(n)),
);

async function main(): Promise<void> {
  if (unknown.length > 0) {
    console.error(`There is no benchmark "${unknown.join('", "')}"; there are ${known.join(', ')}.`);
    process.exitCode = 2;
    return;
  }
  const root = path.resolve(__dirname, '../..');
  execFileSync(process.execPath, ['esbuild.mjs', '--production'], { cwd: root, stdio: 'inherit' });
  const results: Result[] = [];
  for (const b of chosen) {
    const r = await b.run(options);
    results.push(r);
    console.log(line(b, r));
  }
  if (values.json) writeFileSync(values.json, `${JSON.stringify(results.map(json), null, 2)}\n`);
  if (!results.every(holds)) process.exitCode = 1;
}

void main();
