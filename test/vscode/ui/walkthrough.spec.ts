import { lineOf, rowAt, withSample } from '../support/sample';
import type { Workbench } from '../support/workbench';
import { until } from '../support/workbench';

/** The walkthrough of the extension, each step by the button that it offers. */
describe('the walkthrough', function () {
  this.bail(true);
  let workbench: Workbench;

  withSample('walkthrough', (opened) => (workbench = opened));

  /** Opens a step of the walkthrough, and presses its button. */
  async function press(step: string, button: string): Promise<void> {
    await workbench.openWalkthrough('First Steps with Worldswitch');
    await workbench.walkthroughStep(step);
    await workbench.screenshot(`walkthrough-${button.toLowerCase().replaceAll(' ', '-')}`);
    await workbench.walkthroughButton(button);
  }

  it('starts debugging, with a breakpoint set', async () => {
    await workbench.clickBreakpoint(lineOf('hyp-init.S', 'msr\tsctlr_el2, x0'));
    await press('Press F5', 'Start Debugging');
    await workbench.stopped('_start');
    await workbench.closeSection('Watch');
  });

  it('shows the breakpoints, and continues to an HVC', async () => {
    await press('Tick HVC', 'Show Breakpoints');
    await workbench.tickFilter('HVC');
    await press('Tick HVC', 'Continue');
    await workbench.stopped(
      rowAt('host/hyp.S', lineOf('host/hyp.S', 'hvc\t#0', 'func\thost_start_hypervisor')),
    );
  });

  it('shows the variables', async () => {
    await press('Look at EL2', 'Show Variables');
    await workbench.expand('EL2 system registers', 'Trap control');
    await workbench.shows('HCR_EL2', /^0x/);
  });

  it('steps into the hypervisor', async () => {
    await press('Step into the hypervisor', 'Step Into');
    // The first call of all arrives in the vectors that EL2 has before hyp-init.
    await workbench.stopped(/stub_vectors/);
  });

  it('shows the trace', async () => {
    await press('Show the trace', 'Show World-Switch Trace');
    await until('the trace', async () => (await workbench.panelText()).includes('HVC'));
    await workbench.screenshot('walkthrough-trace');
  });
});
