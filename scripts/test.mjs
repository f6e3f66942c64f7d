/**
 * npm test               everything: lint, types, unit specs, then the tests in a real workbench
 * npm test -- unit ui    only these stages; `stress` runs when it is named
 *
 * The last line is `N passed, N failed`, with `, N skipped` where an oracle is absent. With CI=true or
 * WS_REQUIRE_ORACLES=1 an absent oracle is a failure.
 */
import { spawn } from 'node:child_process';
import { readdirSync } from 'node:fs';
import path from 'node:path';
import { stripVTControlCharacters } from 'node:util';
import { cachedDebian, installDebian } from './debian.mjs';
import { installDependencies } from './dependencies.mjs';
import { installOracles } from './oracles.mjs';
import { root } from './workbench.mjs';

const required = process.env.CI === 'true' || process.env.WS_REQUIRE_ORACLES === '1';

/**
 * Stage -> its command. A stage that runs mocha is counted by test, any other one as a whole. One with `each` runs it
 * for each file of a folder: a file that fails gets a second try, in a workbench of its own again, and the summary
 * says so, because an editor in a browser on a busy machine is late now and then.
 * @type {Record<string, { command: string, mocha?: true, each?: string, named?: true }>}
 */
const STAGES = {
  lint: { command: 'npm run --silent lint' },
  types: { command: 'npm run --silent typecheck' },
  unit: {
    command: "npx mocha '{emulator,debug-adapter,extension,scripts,test}/**/*.test.ts'",
    mocha: true,
  },
  // Every machine translates all code at once, in tiny regions that soon go again: where that matters most. The rest: test:stress.
  // It would bring npm test to its limit of 20 minutes, so it is run when it is named.
  stress: {
    command:
      "WS_TRANSLATE=stress npx mocha --timeout 120000 '{emulator/{core,board},emulator/dev/gicv3,emulator/isa/a64/system-tests,debug-adapter/{control,breakpoints},test/hypervisor}/*.test.ts'",
    mocha: true,
    named: true,
  },
  ui: { command: 'npx mocha --config test/vscode/.mocharc.json', mocha: true, each: 'test/vscode/ui' },
  host: { command: 'npx tsx test/vscode/host/run.ts', mocha: true },
};

/** @typedef {{ passed: number, failed: number, skipped: number }} Counts */

/**
 * @param {string} command
 * @returns {Promise<{ code: number, output: string }>}
 */
function execute(command) {
  return new Promise((resolve) => {
    const child = spawn(command, {
      cwd: root,
      shell: true,
      stdio: ['ignore', 'pipe', 'pipe'],
      env: {
        ...process.env,
        ...(required ? { WS_REQUIRE_ORACLES: '1' } : {}),
        ...(process.stdout.isTTY ? { FORCE_COLOR: '1' } : {}),
      },
    });
    let output = '';
    child.stdout.on('data', (chunk) => {
      output += chunk;
      process.stdout.write(chunk);
    });
    child.stderr.on('data', (chunk) => process.stderr.write(chunk));
    child.on('close', (code) => resolve({ code: code ?? 1, output: stripVTControlCharacters(output) }));
  });
}

/**
 * The counts of mocha's closing lines; a run that ends without them, or badly in spite of them, is one failure.
 * @param {{ code: number, output: string }} result
 * @returns {Counts}
 */
function mochaCounts({ code, output }) {
  const count = (/** @type {string} */ word) =>
    Number([...output.matchAll(RegExp(`^ +(\\d+) ${word}`, 'gm'))].at(-1)?.[1] ?? 0);
  const [passed, failed, skipped] = [count('passing'), count('failing'), count('pending')];
  const complete = /^ +\d+ passing/m.test(output);
  return { passed, failed: failed === 0 && (code !== 0 || !complete) ? 1 : failed, skipped };
}

/**
 * @param {{ command: string, mocha?: true }} stage
 * @returns {Promise<Counts>}
 */
async function run({ command, mocha }) {
  const result = await execute(command);
  if (mocha) return mochaCounts(result);
  const good = result.code === 0;
  return { passed: good ? 1 : 0, failed: good ? 0 : 1, skipped: 0 };
}

/**
 * Runs the command for each spec of the folder, and once more for one that fails.
 * @param {string} command
 * @param {string} folder
 * @param {string[]} summary gets a line for each file that needed its second try
 */
async function runEach(command, folder, summary) {
  /** @type {Counts} */
  const counts = { passed: 0, failed: 0, skipped: 0 };
  for (const file of readdirSync(path.join(root, folder)).sort()) {
    if (!file.endsWith('.spec.ts')) continue;
    const stage = { command: `${command} ${folder}/${file}`, mocha: /** @type {const} */ (true) };
    let result = await run(stage);
    if (result.failed > 0) {
      console.log(`\n${file} failed: a second try`);
      result = await run(stage);
      if (result.failed === 0) summary.push(`${file} passed at its second try only.`);
    }
    add(counts, result);
  }
  return counts;
}

/**
 * @param {Counts} total
 * @param {Counts} counts
 */
function add(total, counts) {
  total.passed += counts.passed;
  total.failed += counts.failed;
  total.skipped += counts.skipped;
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
  const unknown = wanted.find((name) => !(name in STAGES));
  if (unknown !== undefined) {
    throw new Error(`npm test does not know "${unknown}". Its stages are ${Object.keys(STAGES).join(', ')}.`);
  }
  installDependencies();
  /** @type {Counts} */
  const total = { passed: 0, failed: 0, skipped: 0 };
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
  for (const [name, stage] of Object.entries(STAGES)) {
    if (wanted.length > 0 ? !wanted.includes(name) : stage.named) continue;
    console.log(`\n== ${name}: ${stage.command}`);
    const start = Date.now();
    const counts =
      stage.each === undefined ? await run(stage) : await runEach(stage.command, stage.each, summary);
    add(total, counts);
    summary.push(`${name.padEnd(6)} ${text(counts)} (${Math.round((Date.now() - start) / 1000)} s)`);
  }
  console.log(`\n${summary.join('\n')}\n\n${text(total)}`);
  process.exitCode = total.failed > 0 ? 1 : 0;
}

/** @param {Counts} counts */
function text({ passed, failed, skipped }) {
  return `${passed} passed, ${failed} failed${skipped > 0 ? `, ${skipped} skipped` : ''}`;
}

main().catch((error) => {
  console.error(error instanceof Error ? error.message : error);
  console.log('0 passed, 1 failed');
  process.exitCode = 1;
});
