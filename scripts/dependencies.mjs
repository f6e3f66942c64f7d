/** Brings node_modules in step with package-lock.json. Plain Node: it runs before there are any dependencies. */
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { root } from './workbench.mjs';

/**
 * @param {string} file
 * @returns {Record<string, { version?: string, optional?: boolean }>}
 */
function packages(file) {
  try {
    return JSON.parse(readFileSync(path.join(root, file), 'utf8')).packages ?? {};
  } catch {
    return {};
  }
}

/** True when a package of the lock file is absent from node_modules, or there in another version. */
function stale() {
  const there = packages('node_modules/.package-lock.json');
  return Object.entries(packages('package-lock.json')).some(
    ([name, wanted]) => name !== '' && !wanted.optional && there[name]?.version !== wanted.version,
  );
}

/** Runs `npm install` when, and only when, something is missing. */
export function installDependencies() {
  if (!stale()) return;
  console.log('Installing the dependencies of package-lock.json (npm install) ...');
  run('npm', ['install', '--no-audit', '--no-fund', '--loglevel=error']);
}

/**
 * Runs a command in the project's folder with this terminal; throws when it fails.
 * @param {string} command
 * @param {string[]} args
 * @param {{ quiet?: boolean }} [options] quiet: its output is shown only when it fails
 */
export function run(command, args, { quiet = false } = {}) {
  const windows = process.platform === 'win32';
  // On Windows npm and code are scripts, which only a shell starts; it splits at spaces.
  const quoted = windows ? args.map((arg) => (/\s/.test(arg) ? `"${arg}"` : arg)) : args;
  const result = spawnSync(command, quoted, {
    cwd: root,
    stdio: quiet ? 'pipe' : 'inherit',
    encoding: 'utf8',
    shell: windows,
  });
  if (result.status === 0) return;
  if (quiet) process.stderr.write(`${result.stdout ?? ''}${result.stderr ?? ''}`);
  throw new Error(`${command} ${args.join(' ')} failed${result.error ? `: ${result.error.message}` : ''}.`);
}
