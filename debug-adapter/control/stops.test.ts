import assert from 'node:assert/strict';
import type { FilterId } from '../arch/types';
import { POWER_OFF, testGuest, type TestGuest } from '../testing';

/**
 * EL2 starts a guest at EL1 with stage 2 on (an identity map of RAM by one 1 GiB block, nothing else). The guest makes
 * an SVC and an undefined instruction in its own vectors, an HVC, a stage 2 fault, and an SMC that is trapped.
 */
const PROGRAM = `
	.global _start
_start:
	adr	x0, el2_vectors
	msr	vbar_el2, x0
	// Stage 2: 4 KiB granule, 39 bits, from level 1; entry 1 is the GiB of RAM.
	ldr	x0, =0x80023559
	msr	vtcr_el2, x0
	adr	x0, stage2
	ldr	x1, =0x400007fd
	str	x1, [x0, #8]
	movz	x1, #5, lsl #48
	orr	x0, x0, x1
	msr	vttbr_el2, x0
	ldr	x0, =0x80080001		// RW, TSC, VM
	msr	hcr_el2, x0
	adr	x0, guest
	msr	elr_el2, x0
	mov	x0, #0x3c5
	msr	spsr_el2, x0
enter:
	eret
guest:
	adr	x0, el1_vectors
	msr	vbar_el1, x0
	mov	x7, #3
supervisor:
	svc	#7
wrong:
	.inst	0
hypercall:
	hvc	#1
	mov	x8, #0x9000000
stage2_access:
	ldr	w9, [x8]
secure:
	smc	#2
last:
	hvc	#99

	.balign 4096
stage2:
	.space	4096

	.balign	2048
el1_vectors:
	.space	0x200
el1_sync:
	mrs	x10, esr_el1
	lsr	x10, x10, #26
	cbnz	x10, 1f
	mrs	x11, elr_el1
	add	x11, x11, #4
	msr	elr_el1, x11
1:	eret

	.balign	2048
el2_vectors:
	.space	0x400
el2_sync:
	mrs	x10, esr_el2
	and	x11, x10, #0xffff
	cmp	x11, #99
	b.eq	off
	lsr	x10, x10, #26
	cmp	x10, #0x16
	b.eq	back
	mrs	x11, elr_el2
	add	x11, x11, #4
	msr	elr_el2, x11
back:
	eret
off:
${POWER_OFF}
`;

describe('exception filters', () => {
  let guest: TestGuest;

  beforeEach(() => {
    guest = testGuest(PROGRAM);
  });
  afterEach(() => guest.control.halt());

  const filter = (...ids: FilterId[]): void => {
    assert.deepEqual(
      guest.control.setFilters(ids.map((id) => ({ id }))),
      ids.map(() => undefined),
    );
  };

  /** Continues until the guest ends: where it stopped, and how that was described. */
  async function stops(): Promise<string[]> {
    const list: string[] = [];
    for (;;) {
      guest.control.resume();
      const report = await guest.next();
      if ('kind' in report) return list;
      list.push(`${guest.where()}: ${report.reason}: ${report.description}`);
    }
  }

  it('stops on HVC, SMC and SVC before they execute, once each', async () => {
    filter('hvc', 'smc', 'svc');
    assert.deepEqual(await stops(), [
      'supervisor: trap: Paused on SVC #7 from EL1',
      'hypercall: trap: Paused on HVC #1 from EL1',
      'secure: trap: Paused on SMC #2 from EL1',
      'last: trap: Paused on HVC #99 from EL1',
      'off+4: trap: Paused on SMC #0 from EL2',
    ]);
  });

  it('stops at the first instruction of the vector when EL2 takes an exception', async () => {
    filter('trap-entry');
    assert.deepEqual(await stops(), [
      'el2_sync: trap: Paused on trap entry: HVC #1 from EL1',
      'el2_sync: trap: Paused on trap entry: data abort read, translation fault level 1 at IPA 0x9000000 from EL1',
      'el2_sync: trap: Paused on trap entry: SMC #2 from EL1',
      'el2_sync: trap: Paused on trap entry: HVC #99 from EL1',
    ]);
  });

  it('names all filters at one boundary in one stop', async () => {
    filter('trap-entry', 'guest-exit', 'stage2-fault');
    const list = await stops();
    assert.equal(list.length, 4);
    assert.equal(
      list[1],
      'el2_sync: trap: Paused on trap entry, guest exit, stage 2 fault: data abort read, translation fault level 1 at IPA 0x9000000 from EL1',
    );
  });

  it('stops at ERETs out of EL2, and at first instructions of the guest', async () => {
    filter('trap-exit', 'guest-entry');
    const hex = (name: string): string =>
      `0x${guest.target.symbols.symbolByName(name)[0]!.address.toString(16)}`;
    const list = await stops();
    assert.deepEqual(list.slice(0, 4), [
      `enter: trap: Paused on trap exit: ERET to EL1 at ${hex('guest')}`,
      `guest: trap: Paused on guest entry: EL1, VMID 5 at ${hex('guest')}`,
      `back: trap: Paused on trap exit: ERET to EL1 at 0x${(BigInt(hex('hypercall')) + 4n).toString(16)}`,
      `hypercall+4: trap: Paused on guest entry: EL1, VMID 5 at 0x${(BigInt(hex('hypercall')) + 4n).toString(16)}`,
    ]);
    assert.equal(list.length, 8, 'the ERETs inside EL1 are not of EL2');
  });

  it('stops in the vector of an undefined instruction, as an exception', async () => {
    filter('undefined');
    assert.deepEqual(await stops(), [
      'el1_sync: exception: Paused on undefined instruction: undefined instruction from EL1',
    ]);
  });

  it('has the syndrome valid at the stop, and fits conditions on it', async () => {
    guest.control.setFilters([
      { id: 'trap-entry', condition: 'ec == 0x24 && ipa == 0x9000000 && ESR_EL2.EC == ec' },
    ]);
    assert.deepEqual(await stops(), [
      'el2_sync: trap: Paused on trap entry: data abort read, translation fault level 1 at IPA 0x9000000 from EL1',
    ]);
  });

  it('knows the syndrome of a call that has not executed', async () => {
    guest.control.setFilters([{ id: 'hvc', condition: 'iss == 1 && ec == 0x16 && vmid == 5 && el == 1' }]);
    assert.deepEqual(await stops(), ['hypercall: trap: Paused on HVC #1 from EL1']);
  });

  it('refuses a condition that cannot be read, and names the column', () => {
    const [problem] = guest.control.setFilters([{ id: 'hvc', condition: 'x0 ==' }]);
    assert.match(problem ?? '', /column 6/);
  });

  it('stops once where a breakpoint and filters meet', async () => {
    guest.control.breakpoints.replace('function', '', [
      { subject: { k: 'function', name: 'hypercall' } },
      { subject: { k: 'function', name: 'el2_sync' }, condition: 'ec == 0x17' },
    ]);
    filter('hvc', 'trap-entry');
    assert.deepEqual(
      (await stops()).map((s) => s.replace(/.*Paused on /, '')),
      [
        'HVC #1 from EL1, and on a breakpoint',
        'trap entry: HVC #1 from EL1',
        'trap entry: data abort read, translation fault level 1 at IPA 0x9000000 from EL1',
        'trap entry: SMC #2 from EL1, and on a breakpoint',
        'HVC #99 from EL1',
        'trap entry: HVC #99 from EL1',
      ],
    );
  });

  it('stops at a filter in the middle of a step over', async () => {
    filter('trap-entry');
    guest.control.breakpoints.replace('function', '', [{ subject: { k: 'function', name: 'hypercall' } }]);
    await guest.stop(() => guest.control.resume());
    const report = await guest.stop(() => guest.control.step(0, 'over', 'line'));
    assert.equal(report.description, 'Paused on trap entry: HVC #1 from EL1');
  });
});

describe('runs', () => {
  it('pause within a tight loop', async () => {
    const guest = testGuest('_start:\n\tnop\n1:\tb 1b\n');
    guest.control.resume();
    await new Promise((resolve) => setTimeout(resolve, 50));
    const before = performance.now();
    const report = await guest.stop(() => guest.control.pause(0));
    assert.equal(report.reason, 'pause');
    assert.ok(performance.now() - before < 1000);
    assert.equal(guest.where(), '_start+4');
  });

  it('pause while every CPU sleeps for ever', async () => {
    const guest = testGuest('_start:\n1:\twfi\n\tb 1b\n');
    guest.control.resume();
    await new Promise((resolve) => setTimeout(resolve, 20));
    assert.equal((await guest.stop(() => guest.control.pause(0))).reason, 'pause');
  });

  it('end with the machine', async () => {
    const guest = testGuest(`_start:\n${POWER_OFF}`);
    guest.control.resume();
    assert.deepEqual(await guest.next(), { kind: 'poweroff', reason: 'PSCI SYSTEM_OFF by CPU 0' });
    assert.throws(() => guest.control.resume(), /powered off/);
  });

  it('stop on an exception loop, and say why', async () => {
    const guest = testGuest('_start:\n\tmov x0, #0x100\n\tbr x0\n');
    const report = await guest.stop(() => guest.control.resume());
    assert.equal(report.reason, 'exception');
    assert.match(report.text ?? '', /again and again.*VBAR/);
  });

  it('stop on what the emulator cannot do', async () => {
    const guest = testGuest(
      '_start:\n\tadr x0, _start\n\tmsr elr_el2, x0\n\tmov x0, #0x1d3\n\tmsr spsr_el2, x0\n\teret\n',
    );
    const report = await guest.stop(() => guest.control.resume());
    assert.equal(report.reason, 'exception');
    assert.match(report.text ?? '', /AArch32/);
  });

  it('run the same with and without filters that never hold', async () => {
    const hashes = [];
    for (const condition of [undefined, 'x0 == 0x123456789']) {
      const guest = testGuest(PROGRAM);
      if (condition !== undefined)
        guest.control.setFilters(
          (['hvc', 'trap-entry', 'trap-exit', 'guest-entry', 'undefined'] as const).map((id) => ({
            id,
            condition,
          })),
        );
      guest.control.resume();
      assert.ok('kind' in (await guest.next()));
      hashes.push(`${guest.target.machine.schedule.vtime} ${guest.target.machine.pc(0)}`);
    }
    assert.equal(hashes[0], hashes[1]);
  });
});
