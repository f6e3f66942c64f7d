/** The same ELF on QEMU: the same text, and of single vcpus the same exits. */
import assert from 'node:assert/strict';
import { buildProgram } from './program';
import { ExitRecorder, guestExits, runOnQemu } from './qemu';
import { Rig } from './rig';
import { cases } from './stories';
import { requireTool } from '../support/oracles';

/**
 * What does not depend on time. QEMU's guest time is the wall's: counts of interrupts and waits differ, with time slices
 * those of FP traps too, and several CPUs or slices mix the lines of machines. The `sequence` that the host computes over
 * exits has each syndrome in it, which differ where QEMU deviates: exits are compared one by one instead.
 */
function timeless(uart: string, mixed: boolean): string[] {
  const lines = uart
    .replaceAll('\r', '')
    .split('\n')
    .map((l) =>
      l
        .replace(/, (wfx|irq) \d+/g, '')
        .replace(/(sequence) .*/, '$1')
        .replace(ESR_LINE, withoutIss),
    )
    .map((l) => (mixed ? l.replace(/; at EL2 \d+/, '').replace(/(exits).*/, '$1') : l))
    // Which VMIDs a machine had depends on who ran when.
    .map((l) => (mixed ? l.replace(/(report 0x0*d0) .*/, '$1') : l));
  return mixed ? lines.sort() : lines;
}

/**
 * QEMU 7.2 sets ISV and what belongs to it for aborts from EL2 itself: they are valid for stage 2 aborts only (ESR_ELx,
 * "ISS encoding for an exception from a Data Abort").
 */
const ESR_LINE = /(esr_el2 +0x)([0-9a-f]{16})/;
const withoutIss = (_line: string, head: string, digits: string): string => {
  const esr = BigInt(`0x${digits}`);
  const same = esr >> 26n === 0x25n;
  return `${head}${(same ? esr & ~0x1ff_c000n : esr).toString(16)}`;
};

describe('The reference hypervisor on QEMU', function () {
  before(function () {
    requireTool(this, 'qemu-system-aarch64');
  });

  for (const c of cases)
    it(`${c.name}: prints the same${c.qemu === 'exits' ? ', and its guests leave for the same reasons' : ''}`, async () => {
      const program = buildProgram(c.story);
      const rig = new Rig(program, { cpus: c.cpus, ...(c.cpu === undefined ? {} : { cpu: c.cpu }) });
      const recorder = rig.observe((r) => new ExitRecorder(r));
      assert.equal(rig.run(), 'off', rig.uart);
      const qemu = await runOnQemu(program, {
        cpus: c.cpus,
        exits: c.qemu === 'exits',
        ...(c.cpu === undefined ? {} : { cpu: c.cpu }),
      });
      const mixed = c.qemu === 'text';
      assert.deepEqual(timeless(qemu.uart, mixed), timeless(rig.uart, mixed));
      assert.ok(qemu.ended);
      if (mixed) return;
      const [theirs, ours] = [guestExits(program, qemu.exits), guestExits(program, recorder.exits)];
      assert.ok(ours.length > 20);
      assert.deepEqual(theirs, ours);
    });
});
