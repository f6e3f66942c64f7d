import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { findChromium } from '../../../scripts/oracles.mjs';
import { requireTool } from '../../support/oracles';
import type { WorkbenchSession } from '../support/session';
import { openSession, packageExtension, SAMPLE } from '../support/session';
import { until, Workbench } from '../support/workbench';

/** The first line of a file of the sample that holds a text, or the first one behind another; so the sample may change. */
function lineOf(file: string, text: string, behind = ''): number {
  const lines = readFileSync(path.join(SAMPLE, file), 'utf8').split('\n');
  const start = lines.findIndex((line) => line.includes(behind));
  const index = lines.findIndex((line, at) => at >= start && line.includes(text));
  assert.ok(start >= 0 && index >= 0, `${file} has no "${text}" behind "${behind}"`);
  return index + 1;
}

/** The walk of the sample's README, by mouse and keyboard. Each test goes on where the one before stopped. */
describe('a first world switch', function () {
  this.bail(true);
  let session: WorkbenchSession;
  let workbench: Workbench;

  before(async function () {
    requireTool(this, findChromium() ?? 'chromium');
    session = await openSession({
      workspace: SAMPLE,
      vsix: packageExtension(),
      settings: { 'terminal.integrated.gpuAcceleration': 'off', 'workbench.tree.enableStickyScroll': false },
    });
    workbench = new Workbench(session.page);
    await workbench.open(session.server.url(session.folder));
    // The extension shows them when the sample is opened for the first time.
    await session.page.locator('.tab[data-resource-name="README.md"]').waitFor();
    await session.page.locator('.tab.active[data-resource-name="hyp-init.S"]').waitFor();
  });

  after(async () => session?.close());

  afterEach(async function () {
    if (this.currentTest?.isFailed()) await workbench?.screenshot('debug-failed');
  });

  it('F5 with a breakpoint in hyp-init stops on entry first, and says what is next', async () => {
    await workbench.clickBreakpoint(lineOf('hyp-init.S', 'msr\tsctlr_el2, x0'));
    await workbench.continue();
    await workbench.stopped('_start');
    await until('the message', async () =>
      (await workbench.notifications()).some((text) => text.includes('tick HVC')),
    );
    await workbench.screenshot('debug-1-entry');
  });

  it('F5 again stops in hyp-init, where EL2 has its tables but no MMU yet', async () => {
    await workbench.closeSection('Watch');
    await workbench.continue();
    await workbench.stopped(/hyp_init.*hyp-init\.S/);
    assert.match(await workbench.variable('x0'), /^0x/);
    await workbench.screenshot('debug-2-hyp-init');
  });

  it('shows HCR_EL2 with its fields', async () => {
    await workbench.collapse('Registers');
    await workbench.expand('EL2 system registers', 'Trap control', 'HCR_EL2');
    assert.match(await workbench.variable('HCR_EL2'), /^0x[0-9a-f]+ .*\bRW\b/);
    assert.match(await workbench.variable('RW'), /^1\b/);
    await workbench.screenshot('debug-3-hcr');
    await workbench.collapse('EL2 system registers');
  });

  it('the HVC filter stops the host before its hypercall executes', async () => {
    await workbench.tickFilter('HVC');
    await workbench.continue();
    const second = lineOf('host/hyp.S', 'hvc\t#0', 'It cannot be initialized twice');
    await workbench.stopped(new RegExp(`${second}:1`));
    assert.equal(await workbench.stopReason(), 'Paused on HVC #0 from EL1');
    await workbench.screenshot('debug-4-hvc');
    await workbench.continue();
    await workbench.stopped(new RegExp(`${lineOf('host/run.S', 'hvc\t#0')}:1`));
    await workbench.expand('Registers');
    assert.match(await workbench.variable('x0'), /^0xc6000001/i);
  });

  it('F11 steps into the hypervisor, and F5 goes on to the guest', async () => {
    await workbench.stepInto();
    await workbench.stopped(/vectors\.S/);
    await workbench.screenshot('debug-5-vector');
    await workbench.continue();
    await workbench.stopped(new RegExp(`${lineOf('guests/hello.S', 'hvc\t#0')}:`));
    assert.match(await workbench.variable('x19'), /^0x1919191919191919/);
    await workbench.screenshot('debug-6-guest');
  });

  it('the vcpu struct has the registers of the guest that has left', async () => {
    await workbench.openFile('hyp/switch.S');
    await workbench.clickBreakpoint(lineOf('hyp/switch.S', '#vcpu.exit_reason'));
    await workbench.continue();
    await workbench.stopped(/switch\.S/);
    await workbench.collapse('Registers');
    await workbench.expand('Current vcpu', 'ctxt', 'x');
    assert.match(await workbench.variable('x19'), /^0x1919191919191919/);
    await workbench.screenshot('debug-7-vcpu');
    await workbench.clickBreakpoint(lineOf('hyp/switch.S', '#vcpu.exit_reason'), false);
  });

  it('a changed register takes effect: the guest believes what it is told', async () => {
    await workbench.collapse('Current vcpu');
    await workbench.openFile('host/exits.S');
    const line = lineOf('host/exits.S', 'str\tx0, [x19, #vcpu.ctxt + ctxt.x]');
    await workbench.clickBreakpoint(line);
    await workbench.continue();
    await workbench.stopped(new RegExp(`${line}:`));
    await workbench.expand('Registers');
    await workbench.setVariable('x0', '7');
    await workbench.clickBreakpoint(line, false);
    await workbench.tickFilter('HVC', false);
    await workbench.continue();
    await until('the end', async () =>
      (await workbench.notifications()).some((text) => text.includes('powered off')),
    );
    await workbench.screenshot('debug-8-end');
    assert.match(await workbench.terminalText(), /guest: hello from EL1, vmid 7/);
    await workbench.screenshot('debug-9-uart');
  });
});
