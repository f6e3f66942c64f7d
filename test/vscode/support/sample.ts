/** The sample hypervisor in a workbench: what README and the sample's README ask the person to open. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { findChromium } from '../../../scripts/oracles.mjs';
import { requireTool } from '../../support/oracles';
import type { WorkbenchSession } from './session';
import { openSession, packageExtension, SAMPLE } from './session';
import { Workbench } from './workbench';

/** The first line of a file of the sample that holds a text, or the first one behind another; so the sample may change. */
export function lineOf(file: string, text: string, behind = ''): number {
  const lines = readFileSync(path.join(SAMPLE, file), 'utf8').split('\n');
  const start = lines.findIndex((line) => line.includes(behind));
  const index = lines.findIndex((line, at) => at >= start && line.includes(text));
  assert.ok(start >= 0 && index >= 0, `${file} has no "${text}" behind "${behind}"`);
  return index + 1;
}

/** The row of the call stack for a line of a file. */
export function rowAt(file: string, line: number): RegExp {
  return new RegExp(`\\b${path.basename(file, '.S')}\\.S ${line}:`);
}

/** Opens a copy of the sample, with the packaged extension, and waits for the files that it shows at first. */
async function openSample(): Promise<WorkbenchSession & { workbench: Workbench }> {
  const session = await openSession({
    workspace: SAMPLE,
    vsix: packageExtension(),
    settings: { 'terminal.integrated.gpuAcceleration': 'off', 'workbench.tree.enableStickyScroll': false },
  });
  const workbench = new Workbench(session.page);
  await workbench.open(session.server.url(session.folder));
  await session.page.locator('.tab[data-resource-name="README.md"]').waitFor();
  await session.page.locator('.tab.active[data-resource-name="hyp-init.S"]').waitFor();
  return { ...session, workbench };
}

/**
 * For a suite: opens the sample before its tests and closes it behind them. A test that fails leaves a picture,
 * NAME-failed.
 */
export function withSample(name: string, use: (workbench: Workbench) => void): void {
  let sample: Awaited<ReturnType<typeof openSample>> | undefined;

  before(async function () {
    requireTool(this, findChromium() ?? 'chromium');
    sample = await openSample();
    use(sample.workbench);
  });

  after(async () => sample?.close());

  afterEach(async function () {
    if (this.currentTest?.isFailed()) await sample?.workbench.screenshot(`${name}-failed`);
  });
}
