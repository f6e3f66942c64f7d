import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { cachedDebian } from '../../../scripts/debian.mjs';
import { findChromium } from '../../../scripts/oracles.mjs';
import { requireTool } from '../../support/oracles';
import type { WorkbenchSession } from '../support/session';
import { openSession, packageExtension } from '../support/session';
import { until, Workbench } from '../support/workbench';

/** docs/linux.md by mouse and keyboard. Each test goes on where the one before stopped. */
describe('a stock Debian kernel in the workbench', function () {
  this.bail(true);
  let temporary = '';
  let session: WorkbenchSession;
  let workbench: Workbench;

  before(async function () {
    requireTool(this, findChromium() ?? 'chromium');
    // `npm test` fetches the kernel before its specs.
    const debian = cachedDebian();
    if (!debian) return this.skip();
    temporary = mkdtempSync(path.join(tmpdir(), 'worldswitch-linux-'));
    mkdirSync(path.join(temporary, '.vscode'));
    const configuration = {
      ...{ type: 'worldswitch', request: 'launch', name: 'Linux with KVM', cpu: 'cortex-a57' },
      ...{ kernel: debian.kernel, initrd: debian.initrd },
      append: 'console=ttyAMA0 earlycon nokaslr cryptomgr.notests',
    };
    writeFileSync(
      path.join(temporary, '.vscode', 'launch.json'),
      JSON.stringify({ version: '0.2.0', configurations: [configuration] }),
    );
    session = await openSession({
      workspace: temporary,
      vsix: packageExtension(),
      settings: { 'terminal.integrated.gpuAcceleration': 'off', 'workbench.tree.enableStickyScroll': false },
    });
    workbench = new Workbench(session.page);
    await workbench.open(session.server.url(session.folder));
  });

  after(async () => {
    await session?.close();
    if (temporary) rmSync(temporary, { recursive: true });
  });

  afterEach(async function () {
    if (this.currentTest?.isFailed()) await workbench.screenshot('linux-failed');
  });

  it('F5 stops at the first instruction of the kernel', async () => {
    // By its arrow: in this workbench F5 is bound when the first extension has become active, and none has so far.
    await workbench.command('View: Show Run and Debug');
    await session.page.getByText('Linux with').first().waitFor();
    await session.page.locator('.start-debug-action-item .codicon-debug-start').click();
    await workbench.stopped(/./);
    await workbench.closeSection('Watch');
    await workbench.screenshot('linux-1-entry');
  });

  it('shows how far the boot is, and Pause answers', async () => {
    await workbench.continue();
    // The terminal follows: its last line is how far the kernel has come.
    const spoken = async (): Promise<string> => workbench.terminalEnd();
    const first = await until(
      'the kernel to speak',
      async () => /\[ +\d+\.\d+\] /.test(await spoken()) && spoken(),
    );
    await workbench.screenshot('linux-2-boot');
    await until('the kernel to go on', async () => (await spoken()) !== first);
    await session.page.keyboard.press('F6');
    await workbench.stopped(/./);
    await workbench.screenshot('linux-3-paused');
  });

  it('a function breakpoint in nVHE code stops before the guest runs', async () => {
    await workbench.addFunctionBreakpoint('__kvm_nvhe___guest_enter');
    await workbench.continue();
    await workbench.stopped('__kvm_nvhe___guest_enter');
    await until('the reason', async () => /function breakpoint/.test(await workbench.stopReason()));
    await workbench.screenshot('linux-4-guest-enter');
    await workbench.collapse('Registers');
    await workbench.expand('Current vcpu', 'arch', 'ctxt', 'regs');
    await workbench.shows('pc', /0x40000000/);
    await workbench.screenshot('linux-5-vcpu');
  });

  it('another one stops where the guest has left', async () => {
    await workbench.addFunctionBreakpoint('__kvm_nvhe___guest_exit');
    await workbench.continue();
    await workbench.stopped('__kvm_nvhe___guest_exit');
    await workbench.screenshot('linux-6-guest-exit');
  });

  it('goes on to the end of the guest, and the machine powers off', async () => {
    await workbench.command('Remove All Breakpoints');
    await workbench.continue();
    await until(
      'the end',
      async () => (await workbench.notifications()).some((text) => text.includes('powered off')),
      120_000,
    );
    assert.match(await workbench.terminalEnd(), /reboot: Power down/);
    await workbench.screenshot('linux-7-end');
  });
});
