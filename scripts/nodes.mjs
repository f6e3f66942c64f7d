/**
 * npm run test:nodes -- [versions]     runs the translator's specs with other versions of Node (default 22 and 24)
 *
 * The versions come from npm's packages `node-<system>-<processor>`, into .cache/node.
 */
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { root } from './workbench.mjs';

const SPECS = ['test/translator/*.test.ts', 'test/soak/*.test.ts', 'emulator/core/*.test.ts'];

/**
 * The executable of a version, which is fetched if it is not there.
 * @param {string} version
 */
function nodeOf(version) {
  const folder = path.join(root, '.cache', 'node', version);
  const file = path.join(folder, 'node_modules', 'node', 'bin', 'node');
  if (existsSync(file)) return file;
  mkdirSync(folder, { recursive: true });
  writeFileSync(path.join(folder, 'package.json'), '{}\n');
  const wanted = `node@npm:node-${process.platform}-${process.arch}@${version}`;
  const { status } = spawnSync('npm', ['install', '--no-save', '--no-audit', '--no-fund', wanted], {
    ...{ cwd: folder, stdio: 'inherit' },
  });
  if (status !== 0 || !existsSync(file)) throw new Error(`There is no Node ${version} to be had from npm.`);
  return file;
}

const args = process.argv.slice(2);
for (const version of args.length > 0 ? args : ['22', '24']) {
  const node = nodeOf(version);
  console.log(`\n== Node ${spawnSync(node, ['--version'], { encoding: 'utf8' }).stdout.trim()}`);
  const mocha = path.join(root, 'node_modules', 'mocha', 'bin', 'mocha.js');
  const { status } = spawnSync(node, [mocha, '--timeout', '120000', ...SPECS], {
    cwd: root,
    stdio: 'inherit',
  });
  if (status !== 0) process.exitCode = 1;
}
