import assert from 'node:assert/strict';
import { testGuest } from '../testing';

/** Sleeps 60 times for 10 ms of its own time: EL2's timer (PPI 26) through the GIC, WFI with interrupts masked. */
const SLEEPER = `
_start:
	// GIC: enable CNTHP PPI 26 via redistributor
	ldr	x0,=0x08000000
	mov	w1,#0x37
	str	w1,[x0]
	ldr	x0,=0x080a0014
	str	wzr,[x0]
	ldr	x0,=0x080b0080
	mov	w1,#-1
	str	w1,[x0]
	ldr	x0,=0x080b0100
	mov	w1,#(1<<26)
	str	w1,[x0]
	mov	x0,#0xf
	msr	S3_4_C12_C9_5, x0
	mov	x0,#0xff
	msr	S3_0_C4_C6_0,x0
	mov	x0,#1
	msr	S3_0_C12_C12_7,x0
	mov	x5, #60
again:
	ldr	x1,=625000
	msr	cnthp_tval_el2,x1
	mov	x1,#1
	msr	cnthp_ctl_el2,x1
	wfi
	sub	x5,x5,#1
	cbnz	x5,again
	ldr	x0,=0x84000008
	smc	#0
`;

describe('an idle guest', () => {
  const run = async (interactive: boolean): Promise<{ wall: number; vtime: bigint }> => {
    const guest = testGuest(SLEEPER);
    guest.control.interactive = interactive;
    const before = performance.now();
    guest.control.resume();
    assert.ok('kind' in (await guest.next()));
    return { wall: performance.now() - before, vtime: guest.target.machine.schedule.vtime };
  };

  it('is paced to wall time with a console, and computes the same', async () => {
    const paced = await run(true);
    const free = await run(false);
    assert.equal(paced.vtime, free.vtime);
    // 600 ms of virtual time; the last slice owes nothing any more.
    assert.ok(paced.wall > 250, `paced: ${paced.wall} ms`);
  });

  it('can be paused while it waits for wall time', async () => {
    const guest = testGuest(SLEEPER);
    guest.control.interactive = true;
    guest.control.resume();
    await new Promise((resolve) => setTimeout(resolve, 30));
    const report = await guest.stop(() => guest.control.pause(0));
    assert.equal(report.reason, 'pause');
  });
});
