/**
 * Runs the mocha specs of this folder inside the extension host of an embedded workbench, where `vscode` is the real
 * API: bundles them, opens a workbench that loads the extension from this checkout, and prints what mocha prints.
 */
import { spawnSync } from 'node:child_process';
import { readdirSync } from 'node:fs';
import path from 'node:path';
import * as esbuild from 'esbuild';
import { root } from '../../../scripts/workbench.mjs';
import { MARK } from './mark';
import { openSession, SAMPLE } from '../support/session';

const OUT = path.join(root, '.cache', 'host-tests');
const TIMEOUT = 300_000;

function build(): void {
  const built = spawnSync(process.execPath, ['esbuild.mjs'], { cwd: root, stdio: 'inherit' });
  if (built.status !== 0) throw new Error('The extension does not build.');
  esbuild.buildSync({
    absWorkingDir: root,
    entryPoints: readdirSync(__dirname)
      .filter((name) => name === 'index.ts' || name.endsWith('.host.ts'))
      .map((name) => path.join(__dirname, name)),
    outdir: OUT,
    bundle: true,
    platform: 'node',
    format: 'cjs',
    target: 'node20',
    external: ['vscode', 'mocha'],
    sourcemap: 'inline',
  });
}

async function main(): Promise<number> {
  build();
  const noise: string[] = [];
  const session = await openSession({ workspace: SAMPLE, args: ['--enable-smoke-test-driver'] });
  try {
    const { page, server, folder } = session;
    const ended = new Promise<number>((resolve, reject) => {
      setTimeout(
        () => reject(new Error(`No end after ${TIMEOUT / 1000} s.\n${noise.slice(-50).join('\n')}`)),
        TIMEOUT,
      ).unref();
      void page.exposeFunction('codeAutomationLog', (_type: string, args: unknown[]) => {
        const text = args.map(String).join(' ');
        if (text.startsWith(MARK)) console.log(text.slice(MARK.length));
        else noise.push(text);
      });
      void page.exposeFunction('codeAutomationExit', resolve);
    });
    const payload: [string, string][] = [
      ['extensionDevelopmentPath', server.remote(root)],
      ['extensionTestsPath', server.remote(path.join(OUT, 'index.js'))],
      ['skipWelcome', 'true'],
    ];
    await page.goto(server.url(folder, payload));
    return await ended;
  } finally {
    await session.close();
  }
}

main().then(
  (code) => {
    process.exitCode = code;
  },
  (error: unknown) => {
    console.error(error);
    process.exitCode = 1;
  },
);
