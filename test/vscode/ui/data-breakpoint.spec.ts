import { withSample } from '../support/sample';
import type { Workbench } from '../support/workbench';
import { until } from '../support/workbench';

/** Who writes a field of the vcpu? */
describe('a data breakpoint', () => {
  let workbench: Workbench;

  withSample('data', (opened) => (workbench = opened));

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
