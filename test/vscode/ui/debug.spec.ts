import assert from 'node:assert/strict';
import { lineOf, rowAt, withSample } from '../support/sample';
import type { Workbench } from '../support/workbench';
import { until } from '../support/workbench';

/** The walk of the sample's README, by mouse and keyboard. Each test goes on where the one before stopped. */
describe('a first world switch', function () {
  this.bail(true);
  let workbench: Workbench;

  withSample('debug', (opened) => (workbench = opened));

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
    await workbench.shows('x0', /^0x/);
    await workbench.screenshot('debug-2-hyp-init');
  });

  it('shows HCR_EL2 with its fields', async () => {
    await workbench.collapse('Registers');
    await workbench.expand('EL2 system registers', 'Trap control', 'HCR_EL2');
    await workbench.shows('HCR_EL2', /^0x[0-9a-f]+ .*\bRW\b/);
    await workbench.shows('RW', /^1\b/);
    await workbench.screenshot('debug-3-hcr');
    await workbench.collapse('EL2 system registers');
  });

  it('the HVC filter stops the host before its hypercall executes', async () => {
    await workbench.tickFilter('HVC');
    await workbench.continue();
    const second = lineOf('host/hyp.S', 'hvc\t#0', 'It cannot be initialized twice');
    await workbench.stopped(rowAt('host/hyp.S', second));
    await until('the reason', async () => (await workbench.stopReason()) === 'Paused on HVC #0 from EL1');
    await workbench.screenshot('debug-4-hvc');
    await workbench.continue();
    await workbench.stopped(rowAt('host/run.S', lineOf('host/run.S', 'hvc\t#0')));
    await workbench.expand('Registers');
    await workbench.shows('x0', /^0xc6000001/i);
  });

  it('F11 steps into the hypervisor, which Trap exit shows leaving EL2', async () => {
    await workbench.stepInto();
    await workbench.stopped(/vectors\.S/);
    await workbench.screenshot('debug-5-vector');
    await workbench.tickFilter('Trap exit');
    await workbench.continue();
    await workbench.stopped(/switch\.S/);
    await until('the reason', async () => /trap exit/.test(await workbench.stopReason()));
    await workbench.screenshot('debug-5-trap-exit');
    await workbench.tickFilter('Trap exit', false);
  });

  it('F11 follows the ERET into the guest', async () => {
    await workbench.stepInto();
    await workbench.stopped(/hello\.S/);
    await workbench.continue();
    await workbench.stopped(rowAt('guests/hello.S', lineOf('guests/hello.S', 'hvc\t#0')));
    await workbench.shows('x19', /^0x1919191919191919/);
    await workbench.screenshot('debug-6-guest');
  });

  it('Trap entry shows the vector that its HVC takes', async () => {
    await workbench.tickFilter('Trap entry');
    await workbench.continue();
    await workbench.stopped(/vectors\.S/);
    await until('the reason', async () => /trap entry/.test(await workbench.stopReason()));
    await workbench.screenshot('debug-6-trap-entry');
    await workbench.tickFilter('Trap entry', false);
  });

  it('the vcpu struct has the registers of the guest that has left', async () => {
    await workbench.openFile('hyp/switch.S');
    await workbench.clickBreakpoint(lineOf('hyp/switch.S', '#vcpu.exit_reason'));
    await workbench.continue();
    await workbench.stopped(/switch\.S/);
    await workbench.collapse('Registers');
    await workbench.expand('Current vcpu', 'ctxt', 'x');
    await workbench.shows('x19', /^0x1919191919191919/);
    await workbench.screenshot('debug-7-vcpu');
    await workbench.clickBreakpoint(lineOf('hyp/switch.S', '#vcpu.exit_reason'), false);
  });

  it('a changed register takes effect: the guest believes what it is told', async () => {
    await workbench.collapse('Current vcpu');
    await workbench.openFile('host/exits.S');
    const line = lineOf('host/exits.S', 'str\tx0, [x19, #vcpu.ctxt + ctxt.x]');
    await workbench.clickBreakpoint(line);
    await workbench.continue();
    await workbench.stopped(rowAt('host/exits.S', line));
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
