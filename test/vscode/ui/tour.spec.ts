import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { root } from '../../../scripts/workbench.mjs';
import { lineOf, rowAt, withSample } from '../support/sample';
import type { Workbench } from '../support/workbench';
import { until } from '../support/workbench';

/** README's "Five minutes with the sample", step by step. Each test goes on where the one before stopped. */
describe('the five-minute tour', function () {
  this.bail(true);
  let workbench: Workbench;
  const initialise = lineOf('hyp-init.S', 'msr\tsctlr_el2, x0');
  const saved = lineOf('hyp/switch.S', 'str\tx20, [x19, #vcpu.exit_reason]') + 2;

  withSample('tour', (opened) => (workbench = opened));

  it('1: stops on entry, then where EL2 is about to switch its MMU on', async () => {
    await workbench.clickBreakpoint(initialise);
    await workbench.continue();
    await workbench.stopped('_start');
    await workbench.closeSection('Watch');
    await workbench.continue();
    await workbench.stopped(rowAt('hyp-init.S', initialise));
    await workbench.expand('EL2 system registers', 'Translation');
    await workbench.shows('TTBR0_EL2', /^0x0*[1-9a-f]/);
    await workbench.shows('TCR_EL2', /^0x0*[1-9a-f]/);
    await workbench.screenshot('tour-1');
    await workbench.stepOver();
    await workbench.stopped(rowAt('hyp-init.S', initialise + 1));
    await workbench.collapse('EL2 system registers');
  });

  it('2: HVC stops before each call, and in the end before one of the guest', async () => {
    await workbench.clickBreakpoint(initialise, false);
    await workbench.tickFilter('HVC');
    let guest = false;
    for (let stops = 0; !guest; stops++) {
      assert.ok(stops < 10, 'no guest_start after ten stops');
      const before = await workbench.callStack();
      await workbench.continue();
      await until('another stop', async () => {
        const now = await workbench.callStack();
        return now.length > 0 && now.join('\n') !== before.join('\n');
      });
      guest = (await workbench.callStack())[0]?.includes('guest_start') ?? false;
    }
    await workbench.shows('x0', /^0x/);
    await workbench.screenshot('tour-2');
  });

  it('3: Trap entry shows the vector, the hypercall and the guest; Trap exit the ERET', async () => {
    await workbench.tickFilter('Trap entry');
    await workbench.continue();
    await workbench.stopped(/vectors\.S/);
    await until('the guest in the call stack', async () => {
      const rows = await workbench.callStack();
      const call = rows.findIndex((row) => row.includes('HVC #0 from EL1'));
      return call > 0 && rows.slice(call).some((row) => row.includes('hello.S'));
    });
    await workbench.collapse('Registers');
    await workbench.expand('Syndrome');
    await workbench.screenshot('tour-3-entry');
    await workbench.collapse('Syndrome');
    await workbench.tickFilter('Trap entry', false);
    await workbench.tickFilter('Trap exit');
    await workbench.continue();
    await until('the reason', async () => /trap exit/.test(await workbench.stopReason()));
    await workbench.screenshot('tour-3-exit');
  });

  it('4: the vcpu has what the hypervisor saved of the guest', async () => {
    await workbench.tickFilter('Trap exit', false);
    await workbench.tickFilter('HVC', false);
    await workbench.openFile('hyp/switch.S');
    await workbench.clickBreakpoint(saved);
    await workbench.continue();
    await workbench.stopped(rowAt('hyp/switch.S', saved));
    await workbench.expand('Current vcpu');
    await workbench.shows('exit_reason', /\w/);
    await workbench.shows('esr_el2', /^0x/);
    await workbench.screenshot('tour-4');
  });

  it('5: expressions, and a changed register of the guest', async () => {
    assert.match(await workbench.evaluate('HCR_EL2.VM'), /1/);
    assert.match(await workbench.evaluate('vcpu.ctxt.pc'), /0x/);
    assert.match(await workbench.evaluate('*(u32*)IPA(1):0x400a0000'), /0x/);
    await workbench.expand('ctxt', 'x');
    await workbench.setVariable('x28', '0');
    await workbench.shows('x28', /^0x0+\b|^0\b/);
    await workbench.screenshot('tour-5');
  });

  it('6: the trace, and what the guest makes of it', async () => {
    await workbench.command('Worldswitch: Show World-Switch Trace');
    await until('the trace', async () => (await workbench.panelText()).includes('HVC'));
    await workbench.screenshot('tour-6-trace');
    await workbench.openFile('hyp/switch.S');
    await workbench.clickBreakpoint(saved, false);
    await workbench.continue();
    await until('the end', async () =>
      (await workbench.notifications()).some((text) => text.includes('powered off')),
    );
    await workbench.command('Terminal: Focus on Terminal View');
    await until('the text', async () => /guest: something is wrong/.test(await workbench.terminalEnd()));
    await workbench.screenshot('tour-6-end');
  });

  it('names every step of README', () => {
    const readme = readFileSync(path.join(root, 'README.md'), 'utf8');
    for (const words of [
      'msr sctlr_el2, x0',
      'guest_start',
      'something is wrong',
      'Show World-Switch Trace',
      'x28',
    ]) {
      assert.ok(readme.includes(words), words);
    }
  });
});
