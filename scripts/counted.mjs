/** Commands that are counted by what mocha prints at their end: for the scripts that run tests. */
import { spawn } from 'node:child_process';
import { stripVTControlCharacters } from 'node:util';
import { root } from './workbench.mjs';

/** @typedef {{ passed: number, failed: number, skipped: number }} Counts */

/**
 * @param {string | readonly string[]} command a line for the shell, or a program and its arguments
 * @param {object} options
 * @param {Record<string, string>} [options.env]
 * @param {boolean} options.isAlone one that is not prints when it has ended
 * @param {{ seconds: number, bytes: number }} [options.limit] what takes longer or prints more is ended
 * @returns {Promise<{ code: number, output: string }>}
 */
export function execute(command, { env = {}, isAlone, limit }) {
  return new Promise((resolve) => {
    const [file = '', ...args] = typeof command === 'string' ? [command] : command;
    const child = spawn(file, args, {
      cwd: root,
      shell: typeof command === 'string',
      stdio: ['ignore', 'pipe', 'pipe'],
      env: {
        ...process.env,
        ...env,
        ...(process.stdout.isTTY ? { FORCE_COLOR: '1' } : {}),
      },
    });
    let [output, errors, bytes] = ['', '', 0];
    const late = limit && setTimeout(() => child.kill('SIGKILL'), 1000 * limit.seconds);
    for (const stream of [child.stdout, child.stderr])
      stream.on('data', (chunk) => {
        const had = bytes;
        bytes += chunk.length;
        if (limit && bytes > limit.bytes) return void (had <= limit.bytes && child.kill('SIGKILL'));
        if (stream === child.stdout) output += chunk;
        else errors += chunk;
        if (isAlone) (stream === child.stdout ? process.stdout : process.stderr).write(chunk);
      });
    child.on('close', (code) => {
      clearTimeout(late);
      if (!isAlone) {
        process.stdout.write(`\n== ${typeof command === 'string' ? command : command.join(' ')}\n${output}`);
        process.stderr.write(errors);
      }
      resolve({ code: code ?? 1, output: stripVTControlCharacters(output) });
    });
  });
}

/**
 * The counts of mocha's closing lines; a run that ends without them, or badly in spite of them, is one failure.
 * @param {{ code: number, output: string }} result
 * @returns {Counts}
 */
export function mochaCounts({ code, output }) {
  const count = (/** @type {string} */ word) =>
    Number([...output.matchAll(RegExp(`^ +(\\d+) ${word}`, 'gm'))].at(-1)?.[1] ?? 0);
  const [passed, failed, skipped] = [count('passing'), count('failing'), count('pending')];
  const complete = /^ +\d+ passing/m.test(output);
  return { passed, failed: failed === 0 && (code !== 0 || !complete) ? 1 : failed, skipped };
}

/** @returns {Counts} */
export const none = () => ({ passed: 0, failed: 0, skipped: 0 });

/**
 * @param {Counts} total
 * @param {Counts} counts
 */
export function add(total, counts) {
  total.passed += counts.passed;
  total.failed += counts.failed;
  total.skipped += counts.skipped;
}

/** @param {Counts} counts */
export function text({ passed, failed, skipped }) {
  return `${passed} passed, ${failed} failed${skipped > 0 ? `, ${skipped} skipped` : ''}`;
}
