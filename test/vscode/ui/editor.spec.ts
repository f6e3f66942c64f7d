import assert from 'node:assert/strict';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import { requireTool } from '../../support/oracles';
import { findChromium } from '../../../scripts/oracles.mjs';
import type { WorkbenchSession } from '../support/session';
import { openSession, packageExtension, SAMPLE } from '../support/session';
import { until, Workbench } from '../support/workbench';

describe('the editor around the debugger', function () {
  let temporary = '';
  let session: WorkbenchSession;
  let workbench: Workbench;

  before(async function () {
    requireTool(this, findChromium() ?? 'chromium');
    temporary = mkdtempSync(path.join(tmpdir(), 'worldswitch-editor-'));
    const workspace = path.join(temporary, 'plain');
    mkdirSync(workspace);
    writeFileSync(path.join(workspace, 'alone.S'), '_start:\n\tmov\tx0, #1\n\tb\t.\n');
    writeFileSync(path.join(workspace, 'wrong.S'), '_start:\n\tmov\tx0, #1\n\tmvo\tx0, x1\n\tadd\tx0, x1\n');
    session = await openSession({ workspace, vsix: packageExtension() });
    workbench = new Workbench(session.page);
    await workbench.open(session.server.url(session.folder));
  });

  after(async () => {
    await session?.close();
    if (temporary) rmSync(temporary, { recursive: true });
  });

  afterEach(async function () {
    if (this.currentTest?.isFailed()) await workbench?.screenshot('editor-failed');
  });

  it('offers the sample and the first steps in the Run view', async () => {
    await workbench.openFile('alone.S');
    await workbench.command('View: Show Run and Debug');
    await session.page.getByRole('button', { name: 'Open the Worldswitch Sample' }).waitFor();
    await workbench.screenshot('editor-run-view');
    await session.page.getByRole('button', { name: 'First Steps' }).click();
    await session.page.getByText('First Steps with Worldswitch').first().waitFor();
    await session.page.getByText('The sample hypervisor').first().waitFor();
    await workbench.screenshot('editor-first-steps');
  });

  it('offers to debug an assembly file in the Explorer', async () => {
    await workbench.command('Explorer: Focus on Folders View');
    await session.page
      .locator('.explorer-folders-view .monaco-list-row', { hasText: 'alone.S' })
      .click({ button: 'right' });
    await session.page.getByRole('menuitem', { name: 'Debug with Worldswitch' }).waitFor();
    await workbench.screenshot('editor-context-menu');
    await session.page.keyboard.press('Escape');
  });

  it('lists what there is to debug without a launch.json', async () => {
    await workbench.openFile('alone.S');
    await workbench.command('Debug: Select and Start Debugging');
    await session.page
      .locator('.quick-input-list .monaco-list-row', { hasText: 'Worldswitch' })
      .first()
      .click();
    await session.page.locator('.quick-input-list .monaco-list-row', { hasText: 'Debug alone.S' }).waitFor();
    await workbench.screenshot('editor-dynamic');
    await session.page.keyboard.press('Escape');
  });

  it('says at F5 which line does not assemble, and lists all such lines in Problems', async () => {
    await workbench.openFile('wrong.S');
    await workbench.continue();
    const dialog = session.page.locator('.monaco-dialog-box');
    await dialog.waitFor();
    assert.match(await dialog.innerText(), /wrong\.S:3\b.*mvo/);
    await workbench.screenshot('editor-assembly-error');
    await dialog.getByRole('button', { name: 'Cancel' }).click();
    await workbench.command('Problems: Focus on Problems View');
    const problems = session.page.locator('.markers-panel .monaco-list-row');
    await problems.filter({ hasText: 'mvo' }).first().waitFor();
    await problems.filter({ hasText: /Ln 4/ }).first().waitFor();
    // The file, and each error once, although both F5 and the language server have found them.
    await until('each error once', async () => (await problems.count()) === 3);
    await workbench.screenshot('editor-problems');
  });

  it('copies the sample to a folder of the user and opens it there, README and hyp-init.S first', async () => {
    await workbench.command('Worldswitch: Open Sample');
    const input = session.page.getByRole('textbox', { name: /Where to put the sample hypervisor/ });
    await until('the dialog', async () => (await input.inputValue()).endsWith('/'));
    // The dialog fills in the present folder, looks up what one types meanwhile, and takes a folder only then.
    await until('the folder in the dialog', async () => {
      if ((await input.inputValue()) !== `${temporary}/`) await input.fill(`${temporary}/`);
      await session.page
        .locator('.quick-input-list .monaco-list-row', { hasText: 'plain' })
        .waitFor({ timeout: 10_000 });
      return (await input.inputValue()) === `${temporary}/`;
    });
    const opened = session.page.context().waitForEvent('page');
    await session.page.getByRole('button', { name: 'Copy Sample Here' }).click();
    const copy = path.join(temporary, 'worldswitch-sample');
    // The new window opens when the last file has been copied.
    const page = await opened;
    await until('the copy', async () => existsSync(path.join(copy, 'main.S')));
    await until('all of the copy', async () =>
      isDeepStrictEqual(readdirSync(copy).sort(), readdirSync(SAMPLE).sort()),
    );
    await page.setViewportSize({ width: 1400, height: 900 });
    await page.locator('.tab.active[data-resource-name="hyp-init.S"]').waitFor();
    await page.locator('.tab[data-resource-name="README.md"]').waitFor();
    await new Workbench(page).screenshot('editor-sample');
  });
});
