import { findChromium } from '../../../scripts/oracles.mjs';
import { requireTool } from '../../support/oracles';
import { openSample } from '../support/sample';
import type { WorkbenchSession } from '../support/session';
import type { Workbench } from '../support/workbench';
import { until } from '../support/workbench';

/** Who writes a field of the vcpu? */
describe('a data breakpoint', () => {
  let session: WorkbenchSession;
  let workbench: Workbench;

  before(async function () {
    requireTool(this, findChromium() ?? 'chromium');
    ({ session, workbench } = await openSample());
  });

  after(async () => session?.close());

  afterEach(async function () {
    if (this.currentTest?.isFailed()) await workbench?.screenshot('data-failed');
  });

  it('is set from the menu of a variable, and names the writer', async () => {
    await workbench.continue();
    await workbench.stopped('_start');
    await workbench.closeSection('Watch');
    await workbench.tickFilter('Guest exit');
    await workbench.continue();
    await workbench.stopped(/vectors\.S/);
    await workbench.tickFilter('Guest exit', false);
    await workbench.collapse('Registers');
    await workbench.expand('Current vcpu', 'ctxt');
    await workbench.variableMenu('pc', 'Break on Value Change');
    await workbench.continue();
    await until('the reason', async () =>
      /Paused on write of vcpu\.ctxt\.pc/.test(await workbench.stopReason()),
    );
    await workbench.screenshot('data-breakpoint');
  });
});
