/**
 * A workbench of its own for one test run: a server on a free port with fresh data folders, a copy of the workspace,
 * and a page in Chromium. Everything is stopped and removed by `close`.
 */
import { spawnSync } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import type { Browser, Page } from 'playwright-core';
import { chromium } from 'playwright-core';
import { findChromium } from '../../../scripts/oracles.mjs';
import { installExtension, installWorkbench, root, startWorkbench } from '../../../scripts/workbench.mjs';

const CHROMIUM = [
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
  '--disable-dev-shm-usage',
];

/** Nothing pops up where the mouse happens to rest, and takes a click or the wheel. */
const SETTINGS = { 'workbench.hover.delay': 100_000 };

export const SAMPLE = path.join(root, 'hypervisor', 'arm64');

/** Packages the extension as it is now into .cache, and returns the .vsix: what a user would install. */
export function packageExtension(): string {
  // One that is there already, while a test is being written.
  const given = process.env['WORLDSWITCH_VSIX'];
  if (given !== undefined) return given;
  const vsix = path.join(root, '.cache', 'test.vsix');
  mkdirSync(path.dirname(vsix), { recursive: true });
  const result = spawnSync('npx', ['vsce', 'package', '--no-dependencies', '--out', vsix], {
    cwd: root,
    encoding: 'utf8',
    shell: process.platform === 'win32',
  });
  if (result.status !== 0) throw new Error(`npm run package failed:\n${result.stdout}${result.stderr}`);
  return vsix;
}

export interface SessionOptions {
  /** Copied; the page opens the copy. */
  readonly workspace: string;
  /** A packaged extension to install. */
  readonly vsix?: string;
  /** Server arguments, such as the smoke test driver. */
  readonly args?: string[];
  readonly settings?: Record<string, unknown>;
}

export interface WorkbenchSession {
  /** The copy of the workspace. */
  readonly folder: string;
  readonly page: Page;
  readonly server: Awaited<ReturnType<typeof startWorkbench>>;
  close(): Promise<void>;
}

/** Starts server and browser. The page is still blank, so that a test can expose functions before it opens the folder. */
export async function openSession(options: SessionOptions): Promise<WorkbenchSession> {
  const executablePath = findChromium();
  if (executablePath === undefined) throw new Error('No Chromium here: install the Debian package chromium.');
  installWorkbench(console.log);
  const temporary = mkdtempSync(path.join(tmpdir(), 'worldswitch-ui-'));
  const folder = path.join(temporary, 'workspace');
  cpSync(options.workspace, folder, { recursive: true });
  const state = path.join(temporary, 'state');
  let server: Awaited<ReturnType<typeof startWorkbench>> | undefined;
  let browser: Browser | undefined;
  const close = async (): Promise<void> => {
    await browser?.close();
    await server?.stop();
    // The server's own children end, and write their logs, a little later than the server.
    await rm(temporary, { recursive: true, force: true, maxRetries: 20, retryDelay: 200 });
  };
  try {
    if (options.vsix !== undefined) installExtension(state, options.vsix);
    server = await startWorkbench({
      state,
      settings: { ...SETTINGS, ...options.settings },
      args: options.args ?? [],
    });
    browser = await chromium.launch({ executablePath, args: CHROMIUM });
    const page = await browser.newPage({ viewport: { width: 1400, height: 900 } });
    page.setDefaultTimeout(60_000);
    return { folder, page, server, close };
  } catch (error) {
    await close();
    throw error;
  }
}
