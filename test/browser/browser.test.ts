/** The emulator in a browser's web worker: regions are compiled and used there. */
import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import path from 'node:path';
import { build } from 'esbuild';
import { chromium } from 'playwright-core';
import { findChromium } from '../../scripts/oracles.mjs';
import { requireTool } from '../support/oracles';
import { runGuest, type BrowserResult } from './guest';

/** 3 times the sum of the squares below 4,096. */
const SUM = (3n * (4095n * 4096n * 8191n)) / 6n;

/** Starts the worker and leaves its answer where the spec can wait for it. */
const page = `<!doctype html><title>Worldswitch</title><script>
window.answer = new Promise((done, failed) => {
  const worker = new Worker('/worker.js');
  worker.onmessage = (e) => done(e.data);
  worker.onerror = (e) => failed(new Error(e.message));
});
</script>`;

/** Runs the guest in a worker of a page: there, unlike in the page itself, modules of any size compile at once. */
async function inBrowser(): Promise<BrowserResult> {
  const entry = path.join(__dirname, 'worker.ts');
  const made = await build({
    ...{ entryPoints: [entry], bundle: true, platform: 'browser', format: 'iife', write: false },
    minify: true,
  });
  const server = createServer((request, response) => {
    const isScript = request.url === '/worker.js';
    response.setHeader('content-type', isScript ? 'text/javascript' : 'text/html');
    response.end(isScript ? made.outputFiles[0]!.text : page);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const browser = await chromium.launch({ executablePath: findChromium()!, args: ['--no-sandbox'] });
  try {
    const tab = await browser.newPage();
    await tab.goto(`http://127.0.0.1:${(server.address() as AddressInfo).port}/`);
    return (await tab.evaluate('window.answer')) as BrowserResult;
  } finally {
    await browser.close();
    server.close();
  }
}

describe('the emulator without Node', function () {
  it('gives here what the browser is to give', () => {
    const { x0, regions, sameHash } = runGuest();
    assert.equal(x0, String(SUM));
    assert.ok(regions > 0 && sameHash);
  });

  it('translates in a web worker of Chromium', async function () {
    requireTool(this, findChromium() ?? 'chromium');
    const { x0, regions, sameHash, messages } = await inBrowser();
    assert.deepEqual(messages, []);
    assert.equal(x0, String(SUM));
    assert.ok(regions > 0, 'nothing was translated');
    assert.ok(sameHash, 'the state differs from the interpreter');
  });
});
