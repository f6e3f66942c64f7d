/**
 * npm test               everything: lint, types, unit specs, then the tests in a real workbench
 * npm test -- unit ui    only these stages
 *
 * The last line is `N passed, N failed`, with `, N skipped` where an oracle is absent. With CI=true or
 * WS_REQUIRE_ORACLES=1 an absent oracle is a failure.
 */
import { readdirSync } from 'node:fs';
import path from 'node:path';
import { add, execute, mochaCounts, none, text } from './counted.mjs';
import { cachedDebian, installDebian } from './debian.mjs';
import { installDependencies } from './dependencies.mjs';
import { findChromium, installOracles } from './oracles.mjs';
import { installWorkbench, root } from './workbench.mjs';

const required = process.env.CI === 'true' || process.env.WS_REQUIRE_ORACLES === '1';
if (required) process.env.WS_REQUIRE_ORACLES = '1';

/** @typedef {import('./counted.mjs').Counts} Counts */

/** How many commands of a group run at once: as many as the machine has cores that are often idle beside an oracle or an editor. */
const AT_ONCE = 2;

const vsix = path.join(root, '.cache', 'test.vsix');

/**
 * @typedef {object} Stage
 * @property {string} command  run as a whole, or once for each file of `each`
 * @property {true} [mocha]    counted by test; any other one as a whole
 * @property {string} [each]   a folder of specs: one that fails gets a second try, alone and in a workbench of its own again,
 *   and the summary says so, because an editor in a browser on a busy machine is late now and then
 * @property {string} [first]  what all of `each` need
 * @property {true} [workbench]  that the embedded workbench is installed, too, where there is an editor to open it in
 * @property {Record<string, string>} [env]
 */

/**
 * Groups run one after the other, and what is in one at the same time. Mocha shares out specs itself, those that take
 * longest first.
 * @type {Record<string, Stage>[]}
 */
const GROUPS = [
  {
    lint: { command: 'npm run --silent lint' },
    types: { command: 'npm run --silent typecheck' },
  },
  {
    unit: {
      command: `npx mocha --parallel --jobs ${AT_ONCE} 'test/**/*.test.ts' '{emulator,debug-adapter,extension,scripts}/**/*.test.ts'`,
      mocha: true,
    },
  },
  {
    ui: {
      command: 'npx mocha --config test/vscode/.mocharc.json',
      mocha: true,
      each: 'test/vscode/ui',
      // Once: it takes longer than to install it.
      first: `npx vsce package --no-dependencies --out ${vsix}`,
      workbench: true,
      env: { WORLDSWITCH_VSIX: vsix },
    },
    host: { command: 'npx tsx test/vscode/host/run.ts', mocha: true },
  },
];

/**
 * @param {Stage} stage
 * @param {string} command
 * @param {boolean} isAlone
 * @returns {Promise<Counts>}
 */
async function run({ mocha, env }, command, isAlone) {
  const result = await execute(command, { env, isAlone });
  if (mocha) return mochaCounts(result);
  const good = result.code === 0;
  return { passed: good ? 1 : 0, failed: good ? 0 : 1, skipped: 0 };
}

/**
 * The files that a stage runs its command for; the one file of '' where it is no such stage. The last of the alphabet
 * first: those are the long ones.
 * @param {Stage} stage
 */
function filesOf({ each }) {
  if (each === undefined) return [''];
  const specs = readdirSync(path.join(root, each)).filter((name) => name.endsWith('.spec.ts'));
  return specs
    .sort()
    .reverse()
    .map((name) => `${each}/${name}`);
}

/**
 * Runs a group, AT_ONCE commands at a time.
 * @param {[string, Stage][]} stages
 * @param {string[]} summary gets a line for each stage, and for each file that needed its second try
 * @returns {Promise<Counts>}
 */
async function runGroup(stages, summary) {
  const start = Date.now();
  const total = none();
  const done = new Map(stages.map(([name]) => [name, { counts: none(), seconds: 0 }]));
  for (const [name, { first, workbench }] of stages) {
    if (workbench && findChromium()) installWorkbench(console.log);
    if (first !== undefined && (await execute(first, { isAlone: true })).code !== 0)
      throw new Error(`${first} failed: there is no stage ${name} without it.`);
  }
  const jobs = stages.flatMap(([name, stage]) => filesOf(stage).map((file) => ({ name, stage, file })));
  const isAlone = jobs.length === 1;
  /** @type {typeof jobs} */
  const again = [];
  /** @param {(typeof jobs)[number]} job @param {Counts} counts */
  const end = ({ name }, counts) => {
    add(total, counts);
    const of = done.get(name);
    if (!of) return;
    add(of.counts, counts);
    of.seconds = Math.round((Date.now() - start) / 1000);
  };
  const worker = async () => {
    for (let job = jobs.shift(); job; job = jobs.shift()) {
      const counts = await run(job.stage, `${job.stage.command} ${job.file}`.trim(), isAlone);
      if (counts.failed > 0 && job.file !== '') again.push(job);
      else end(job, counts);
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, worker));
  for (const job of again) {
    console.log(`\n${job.file} failed: a second try`);
    const counts = await run(job.stage, `${job.stage.command} ${job.file}`, true);
    if (counts.failed === 0) summary.push(`${job.file} passed at its second try only.`);
    end(job, counts);
  }
  for (const [name, { counts, seconds }] of done)
    summary.push(`${name.padEnd(6)} ${text(counts)} (${seconds} s)`);
  return total;
}

/** Fetches the kernel that specs boot and read, once. @returns why there is none */
function fetchKernel() {
  if (cachedDebian()) return undefined;
  console.log('Fetching a stock kernel to boot and to read symbols from (apt-get download), once ...');
  try {
    installDebian();
    return undefined;
  } catch (error) {
    return error instanceof Error ? (error.message.split('\n')[0] ?? '') : String(error);
  }
}

async function main() {
  const wanted = process.argv.slice(2);
  const names = GROUPS.flatMap((group) => Object.keys(group));
  const unknown = wanted.find((name) => !names.includes(name));
  if (unknown !== undefined) {
    throw new Error(`npm test does not know "${unknown}". Its stages are ${names.join(', ')}.`);
  }
  installDependencies();
  const total = none();
  /** @type {string[]} */
  const summary = [];
  for (const { command, debian, use } of installOracles()) {
    summary.push(`${command} is not here (Debian package ${debian}): no ${use}.`);
    if (required) total.failed += 1;
  }
  const noKernel = wanted.length === 0 || wanted.includes('unit') ? fetchKernel() : undefined;
  if (noKernel !== undefined) {
    summary.push(`There is no stock kernel here (${noKernel}): no boot of Debian, and no symbols of it.`);
    if (required) total.failed += 1;
  }
  for (const line of summary) console.log(line);
  for (const group of GROUPS) {
    const stages = Object.entries(group).filter(([name]) => wanted.length === 0 || wanted.includes(name));
    if (stages.length === 0) continue;
    for (const [name, { command }] of stages) console.log(`\n== ${name}: ${command}`);
    add(total, await runGroup(stages, summary));
  }
  console.log(`\n${summary.join('\n')}\n\n${text(total)}`);
  process.exitCode = total.failed > 0 ? 1 : 0;
}

main().catch((error) => {
  console.error(error instanceof Error ? error.message : error);
  console.log('0 passed, 1 failed');
  process.exitCode = 1;
});
