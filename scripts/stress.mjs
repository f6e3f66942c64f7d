/**
 * npm run test:stress -- [TEXT...]     the specs with WS_TRANSLATE=stress (test/support/tier.ts), or those whose path has a text
 *
 * Every machine translates all code when it is first reached, in tiny regions that soon go again. Each file runs in a process
 * of its own, for V8 keeps much of the many modules that it compiles; one that takes too long or prints too much is ended and
 * counts as a failure. The last line is `N passed, N failed`.
 */
import { readdirSync } from 'node:fs';
import path from 'node:path';
import { add, execute, mochaCounts, none, text } from './counted.mjs';
import { root } from './workbench.mjs';

/** Folders and files where stress means nothing, by why. */
const LEFT_OUT = {
  'no machine runs': [
    ...[
      'emulator/asm/',
      'emulator/ir/',
      'extension/',
      'scripts/',
      'debug-adapter/launch/',
      'debug-adapter/protocol/',
      'debug-adapter/symbols/',
    ],
    ...[
      'test/docs.test.ts',
      'test/layering.test.ts',
      'test/sample/layout.test.ts',
      'test/sample/readme.test.ts',
    ],
  ],
  'the machine is in a process of its own, with the options of the product': [
    ...['test/browser/', 'test/dap/', 'test/gnu/', 'test/linux/', 'test/vscode/'],
    ...['test/hypervisor/launch.test.ts', 'test/hypervisor/walks.test.ts'],
  ],
  'the spec chooses the tier of each machine, stress among them': ['test/translator/'],
};

const LIMIT = { seconds: 1800, bytes: 1 << 22 };

async function main() {
  const wanted = process.argv.slice(2);
  const leftOut = Object.values(LEFT_OUT).flat();
  const files = ['emulator', 'debug-adapter', 'extension', 'scripts', 'test']
    .flatMap((folder) =>
      readdirSync(path.join(root, folder), { recursive: true, encoding: 'utf8' })
        .map((file) => `${folder}/${file.replaceAll(path.sep, '/')}`)
        .sort(),
    )
    .filter((file) => file.endsWith('.test.ts') && !leftOut.some((start) => file.startsWith(start)))
    .filter((file) => wanted.length === 0 || wanted.some((part) => file.includes(part)));
  const mocha = path.join(root, 'node_modules', 'mocha', 'bin', 'mocha.js');
  const total = none();
  /** @type {string[]} */
  const summary = [];
  for (const file of files) {
    const start = Date.now();
    const command = [process.execPath, mocha, '--timeout', String(1000 * LIMIT.seconds), file];
    const counts = mochaCounts(
      await execute(command, { env: { WS_TRANSLATE: 'stress' }, isAlone: true, limit: LIMIT }),
    );
    add(total, counts);
    const line = `${file}: ${text(counts)} (${Math.round((Date.now() - start) / 1000)} s)`;
    console.log(line);
    if (counts.failed > 0) summary.push(line);
  }
  for (const [why, starts] of Object.entries(LEFT_OUT))
    summary.push(`Left out, since ${why}: ${starts.join(', ')}`);
  console.log(`\n${files.length} files in stress mode.\n${summary.join('\n')}`);
  console.log(`\n${text(total)}`);
  process.exitCode = total.failed > 0 ? 1 : 0;
}

void main();
