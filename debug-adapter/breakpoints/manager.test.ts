import assert from 'node:assert/strict';
import type { StopReport } from '../control/types';
import { POWER_OFF, testGuest, type TestGuest } from '../testing';
import { isVerified, type Breakpoint, type BreakpointSpec } from './manager';

/** A loop of five rounds, then the same code through another mapping: a page table maps RAM at 0x80000000 too. */
const PROGRAM = `
	.global _start
_start:
	mov	x0, #5
loop:
	sub	x0, x0, #1
	cbnz	x0, loop
	// EL2's own tables: entries 1 and 2 of level 1 are both the GiB of RAM.
	adr	x1, table
	ldr	x2, =0x40000705
	sub	x2, x2, #4
	str	x2, [x1, #8]
	str	x2, [x1, #16]
	msr	ttbr0_el2, x1
	ldr	x2, =0x80803519
	msr	tcr_el2, x2
	mov	x2, #0xff
	msr	mair_el2, x2
	isb
	mov	x2, #1
	movk	x2, #0x30c5, lsl #16
	msr	sctlr_el2, x2
	isb
	adr	x3, twice
	bl	twice
	mov	x4, #0x40000000
	add	x3, x3, x4
	blr	x3
off:
${POWER_OFF}
twice:
	mov	x6, #1
	ret
	.balign 4096
table:
	.space	4096
`;

describe('breakpoints', () => {
  let guest: TestGuest;
  beforeEach(() => {
    guest = testGuest(PROGRAM);
  });
  afterEach(() => guest.control.halt());

  const on = (name: string, more: Partial<BreakpointSpec> = {}): BreakpointSpec => ({
    subject: { k: 'function', name },
    ...more,
  });
  const set = (...specs: BreakpointSpec[]): Breakpoint[] =>
    guest.control.breakpoints.replace('function', '', specs);

  async function stops(): Promise<StopReport[]> {
    const list: StopReport[] = [];
    for (;;) {
      guest.control.resume();
      const report = await guest.next();
      if ('kind' in report) return list;
      list.push(report);
    }
  }
  const x0s = async (): Promise<bigint[]> => {
    const list: bigint[] = [];
    for (;;) {
      guest.control.resume();
      if ('kind' in (await guest.next())) return list;
      list.push(guest.target.arch.register(0, 'x0') ?? -1n);
    }
  };

  it('stop before their instruction, each time', async () => {
    set(on('loop'));
    assert.deepEqual(await x0s(), [5n, 4n, 3n, 2n, 1n]);
  });

  it('have conditions', async () => {
    set(on('loop', { condition: 'x0 < 4 && x0 != 2' }));
    assert.deepEqual(await x0s(), [3n, 1n]);
  });

  for (const [hitCondition, expected] of [
    ['2', [4n]],
    ['>= 4', [2n, 1n]],
    ['> 4', [1n]],
    ['<= 2', [5n, 4n]],
    ['% 2', [4n, 2n]],
  ] as const) {
    it(`have hit counts: ${hitCondition}`, async () => {
      set(on('loop', { hitCondition }));
      assert.deepEqual(await x0s(), expected);
    });
  }

  it('count only the hits whose condition holds', async () => {
    set(on('loop', { condition: 'x0 & 1', hitCondition: '2' }));
    assert.deepEqual(await x0s(), [3n]);
  });

  it('log instead of stopping', async () => {
    set(on('loop', { logMessage: 'x0 is {x0}, twice {x0 * 2} {nothing}' }));
    assert.deepEqual(await stops(), []);
    assert.equal(guest.messages.length, 5);
    assert.match(guest.messages[0] ?? '', /^x0 is 0x5, twice 0xa <"nothing" is no register.*>$/);
  });

  it('stop with an explanation when the condition cannot be evaluated', async () => {
    set(on('loop', { condition: '*(u8*)0x10 == 1' }));
    const [first] = await stops();
    assert.match(first?.text ?? '', /0x10 cannot be read/);
  });

  it('stop in every mapping of their code', async () => {
    const line = guest.lineOf('x6, #1');
    const [b] = guest.control.breakpoints.replace('line', guest.file, [
      { subject: { k: 'line', path: guest.file, line } },
    ]);
    assert.ok(b && isVerified(b));
    const pcs: bigint[] = [];
    for (;;) {
      guest.control.resume();
      if ('kind' in (await guest.next())) break;
      pcs.push(guest.target.machine.pc(0));
    }
    assert.equal(pcs.length, 2);
    assert.equal((pcs[1] ?? 0n) - (pcs[0] ?? 0n), 0x40000000n);
  });

  it('by address of a regime wait until it is mapped, and stop only there', async () => {
    const twice = guest.target.symbols.symbolByName('twice')[0]!.address;
    const reference = `EL2:0x${(twice + 0x40000000n).toString(16)}`;
    const [b] = guest.control.breakpoints.replace('instruction', '', [
      { subject: { k: 'instruction', reference, offset: 0 } },
    ]);
    assert.ok(b && !isVerified(b));
    assert.match(b.reason ?? '', /outside the machine's RAM|not mapped yet/);
    const list = await stops();
    assert.equal(list.length, 1);
    assert.equal(list[0]?.reason, 'instruction breakpoint');
    assert.deepEqual(guest.verified, [b.id]);
    assert.ok(isVerified(b));
  });

  it('say why they cannot bind', () => {
    const [nowhere, badCondition, badHit] = set(
      on('nothing'),
      on('loop', { condition: 'x0 ==' }),
      on('loop', { hitCondition: 'often' }),
    );
    assert.match(nowhere?.reason ?? '', /No code has the name "nothing"/);
    assert.match(badCondition?.reason ?? '', /column 6/);
    assert.match(badHit?.reason ?? '', /"often" is no hit count/);
    const [outside] = guest.control.breakpoints.replace('instruction', '', [
      { subject: { k: 'instruction', reference: 'PA:0x1000', offset: 0 } },
    ]);
    assert.match(outside?.reason ?? '', /outside the machine's RAM/);
  });

  it('that are set again keep their number and count; those that are gone stop no more', async () => {
    const [a] = set(on('loop', { hitCondition: '>= 2' }));
    await guest.stop(() => guest.control.resume());
    const [again, other] = set(on('loop', { hitCondition: '>= 2' }), on('off'));
    assert.equal(again?.id, a?.id);
    assert.notEqual(other?.id, a?.id);
    set(on('off'));
    const list = await stops();
    assert.deepEqual(
      list.map((r) => r.hitBreakpointIds),
      [[other?.id]],
    );
  });

  it('do not change what the guest computes', async () => {
    const run = async (specs: BreakpointSpec[]): Promise<string> => {
      guest = testGuest(PROGRAM);
      set(...specs);
      await stops();
      const { machine } = guest.target;
      return `${machine.schedule.vtime} ${guest.target.arch.register(0, 'x3')}`;
    };
    assert.equal(await run([]), await run([on('loop'), on('twice'), on('off', { condition: 'x0 == 77' })]));
  });
});
