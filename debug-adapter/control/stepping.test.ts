import assert from 'node:assert/strict';
import { POWER_OFF, testGuest, type TestGuest } from '../testing';
import type { Granularity, StepKind } from './types';

/** EL2 with a vector table, an EL1 host that calls it, and a function with a frame. */
const PROGRAM = `
	.global _start
_start:
	adr	x0, vectors
	msr	vbar_el2, x0
	ldr	x0, =0x80000000
	msr	hcr_el2, x0
	adr	x0, host
	msr	elr_el2, x0
	mov	x0, #0x3c5
	msr	spsr_el2, x0
	ldr	x0, =0x40200000
	mov	sp, x0
	msr	sp_el1, x0
to_host:
	eret
host:
	mov	x1, #1
call:
	bl	function
after_call:
	mov	x1, #2
hypercall:
	hvc	#3
after_hvc:
	mov	x1, #3
service:
	smc	#0
after_smc:
	nop
	b	end

function:
	stp	x29, x30, [sp, #-16]!
	mov	x29, sp
in_function:
	mov	x2, #5
	bl	leaf
after_leaf:
	mov	x3, #6
	ldp	x29, x30, [sp], #16
	ret

leaf:
	mov	x4, #7
	ret

recursive:
	cbz	x5, 1f
	stp	x29, x30, [sp, #-16]!
	mov	x29, sp
	sub	x5, x5, #1
	bl	recursive
	ldp	x29, x30, [sp], #16
1:	ret

end:
	mov	x5, #4
recurse:
	bl	recursive
after_recurse:
	nop
off:
${POWER_OFF}
	.balign	2048
vectors:
	.space	0x400
handler:
	mov	x9, #9
	nop
handler_eret:
	eret
`;

describe('stepping', () => {
  let guest: TestGuest;

  /** Runs to a label. */
  async function runTo(label: string): Promise<void> {
    guest.control.breakpoints.replace('function', '', [{ subject: { k: 'function', name: label } }]);
    const report = await guest.stop(() => guest.control.resume());
    assert.equal(report.reason, 'function breakpoint');
    assert.equal(guest.where(), label);
    guest.control.breakpoints.replace('function', '', []);
  }

  /** One step; where it ends. */
  async function step(kind: StepKind, granularity: Granularity = 'instruction'): Promise<string> {
    const report = await guest.stop(() => guest.control.step(0, kind, granularity));
    assert.equal(report.reason, 'step');
    return guest.where();
  }

  beforeEach(() => {
    guest = testGuest(PROGRAM);
  });

  afterEach(() => guest.control.halt());

  for (const granularity of ['instruction', 'line'] as const) {
    it(`goes over a call and into it by ${granularity}`, async () => {
      await runTo('call');
      assert.equal(await step('over', granularity), 'after_call');
      assert.equal(guest.target.arch.register(0, 'x4'), 7n, 'the function has run');
    });

    it(`goes over a hypercall, and with step-in into its vector, by ${granularity}`, async () => {
      await runTo('hypercall');
      assert.equal(await step('over', granularity), 'after_hvc');
      assert.equal(guest.target.arch.register(0, 'x9'), 9n, 'the handler has run');
      assert.equal(guest.target.arch.context(0).el, 1);
    });

    it(`follows a hypercall into EL2 and its ERET back, by ${granularity}`, async () => {
      await runTo('hypercall');
      assert.equal(await step('in', granularity), 'handler');
      assert.equal(guest.target.arch.context(0).el, 2);
      await step('over', granularity);
      assert.equal(await step('over', granularity), 'handler_eret');
      assert.equal(await step('in', granularity), 'after_hvc');
      assert.equal(guest.target.arch.context(0).el, 1);
    });
  }

  it('goes into a call, and out of it by its frame and by the link register', async () => {
    await runTo('call');
    assert.equal(await step('in'), 'function');
    assert.equal(await step('out'), 'after_call');
    guest = testGuest(PROGRAM);
    await runTo('leaf');
    assert.equal(await step('out'), 'after_leaf');
    assert.equal(await step('out'), 'after_call');
  });

  it('leaves an exception handler to what it interrupted', async () => {
    await runTo('handler');
    assert.equal(await step('out'), 'after_hvc');
  });

  it('comes back to EL2 when it goes over the ERET that left it', async () => {
    await runTo('to_host');
    assert.equal(await step('over'), 'handler');
  });

  it('goes over a firmware call', async () => {
    await runTo('service');
    assert.equal(await step('over'), 'after_smc');
  });

  it('does not stop in a deeper call of a recursion', async () => {
    await runTo('recurse');
    assert.equal(await step('over'), 'after_recurse');
    assert.equal(guest.target.arch.register(0, 'x5'), 0n);
  });

  it('stops at a breakpoint on the way, and names it', async () => {
    await runTo('call');
    const [b] = guest.control.breakpoints.replace('function', '', [
      { subject: { k: 'function', name: 'leaf' } },
    ]);
    const report = await guest.stop(() => guest.control.step(0, 'over', 'line'));
    assert.deepEqual(report.hitBreakpointIds, [b?.id]);
    assert.equal(guest.where(), 'leaf');
  });

  it('retires one instruction a step, on a schedule that stays the same', async () => {
    const { machine } = guest.target;
    const before = machine.schedule.vtime;
    for (let i = 0; i < 5; i++) await step('in');
    assert.equal(machine.schedule.vtime - before, 5n);
  });
});
