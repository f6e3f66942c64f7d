import assert from 'node:assert/strict';
import { EL2_MMU_ON, POWER_OFF, testGuest, type TestGuest } from '../testing';

/**
 * A `ret` at two places of RAM, which are called by their own addresses, and one after the other at 0xc0100000 by tables
 * of EL2.
 */
const PROGRAM = `
_start:
	ldr	w2, =0xd65f03c0
	mov	x3, #0x40100000
	str	w2, [x3]
	mov	x4, #0x40300000
	str	w2, [x4]
	blr	x3
	adr	x5, table
	ldr	x6, =0x40000701
	str	x6, [x5, #8]
	adr	x7, table2
	orr	x8, x7, #3
	str	x8, [x5, #24]
	str	x6, [x7]
${EL2_MMU_ON}	blr	x3
	mov	x9, #0xc0000000
	add	x9, x9, #0x100000
	blr	x9
	ldr	x6, =0x40200701
	str	x6, [x7]
	dsb	ish
	tlbi	alle2
	dsb	ish
	isb
	blr	x9
	blr	x4
${POWER_OFF}
	.ltorg
	.balign	4096
table:	.space	4096
table2:	.space	4096
`;

const HERE = 0xc0100000n;

describe('breakpoints by the value of the PC', () => {
  let guest: TestGuest;
  beforeEach(() => {
    guest = testGuest(PROGRAM);
  });

  /** Runs to the end. @returns PC and breakpoints of each stop */
  async function stops(): Promise<[bigint, readonly number[] | undefined][]> {
    const list: [bigint, readonly number[] | undefined][] = [];
    for (;;) {
      guest.control.resume();
      const report = await guest.next();
      if ('kind' in report) return list;
      assert.deepEqual(report.hitBreakpointIds, []);
      list.push([guest.target.machine.pc(0), report.others]);
    }
  }

  it('stop wherever that address is mapped, and nowhere else', async () => {
    const id = guest.control.addresses.add(HERE, 'software');
    assert.deepEqual(await stops(), [
      [HERE, [id]],
      [HERE, [id]],
    ]);
  });

  it('stop while one of their kinds is left, whatever was removed in between', async () => {
    const { addresses } = guest.control;
    const id = addresses.add(HERE, 'software');
    guest.control.resume();
    await guest.next();
    assert.equal(addresses.add(HERE, 'hardware'), id);
    addresses.remove(HERE, 'software');
    addresses.remove(HERE, 'hardware');
    assert.equal(addresses.add(HERE, 'hardware'), id);
    assert.deepEqual(await stops(), [[HERE, [id]]]);
  });

  it('stop no more when they are removed', async () => {
    const { addresses } = guest.control;
    addresses.add(HERE, 'software');
    addresses.add(0x40100000n, 'hardware');
    addresses.remove(HERE, 'software');
    const at = (await stops()).map(([pc]) => pc);
    assert.deepEqual(at, [0x40100000n, 0x40100000n]);
  });

  it('are forgotten together, and are there in a new guest otherwise', async () => {
    const { control } = guest;
    const id = control.addresses.add(HERE, 'software');
    control.attach(guest.target.again());
    assert.equal((await stops()).length, 2);
    control.attach(guest.target.again());
    control.addresses.clear();
    assert.deepEqual(await stops(), []);
    assert.notEqual(control.addresses.add(HERE, 'software'), id);
  });

  it('take nothing away from a breakpoint of the client at the same place', async () => {
    const { control } = guest;
    const id = control.addresses.add(0x40100000n, 'software');
    const [mine] = control.breakpoints.replace('instruction', '', [
      { subject: { k: 'instruction', reference: 'PA:0x40100000', offset: 0 } },
    ]);
    control.resume();
    const both = await guest.next();
    assert.ok(!('kind' in both));
    assert.deepEqual(
      [both.reason, both.hitBreakpointIds, both.others],
      ['instruction breakpoint', [mine?.id], [id]],
    );
    control.breakpoints.clear();
    control.resume();
    const other = await guest.next();
    assert.ok(!('kind' in other));
    assert.deepEqual([other.reason, other.hitBreakpointIds, other.others], ['breakpoint', [], [id]]);
  });
});
