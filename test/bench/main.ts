/** `npm run bench [-- --json FILE] [-- --only NAME]`: speed and memory, as a table. */
import { execFileSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { activationBench } from './activation';
import { adapterBenches } from './adapter';
import { linuxBenches } from './linux';
import { interpreterBench } from './interpreter';
import { roundTripBenches } from './round-trips';
import { holds, json, line, type Bench, type Result } from './table';

const { values } = parseArgs({ options: { json: { type: 'string' }, only: { type: 'string' } } });

const all: readonly Bench[] = [
  interpreterBench,
  ...roundTripBenches,
  ...adapterBenches,
  ...linuxBenches,
  activationBench,
];
const chosen = all.filter((b) => !values.only || b.name === values.only);

async function main(): Promise<void> {
  if (chosen.length === 0) {
    console.error(`There is no benchmark "${values.only}"; there are ${all.map((b) => b.name).join(', ')}.`);
    process.exitCode = 2;
    return;
  }
  const root = path.resolve(__dirname, '../..');
  execFileSync(process.execPath, ['esbuild.mjs', '--production'], { cwd: root, stdio: 'inherit' });
  const results: Result[] = [];
  for (const b of chosen) {
    const r = await b.run();
    results.push(r);
    console.log(line(b, r));
  }
  if (values.json) writeFileSync(values.json, `${JSON.stringify(results.map(json), null, 2)}\n`);
  if (!results.every(holds)) process.exitCode = 1;
}

void main();
