import assert from 'node:assert/strict';
import { POWER_OFF, testGuest } from '../testing';

/** Each exception goes on behind its instruction; at EL2 and, behind `lower`, at EL1. */
const around = (body: string, lower = ''): string => `
_start:
	adr	x0, vectors
	msr	VBAR_EL2, x0
	msr	VBAR_EL1, x0
${body}
	mov	x0, #0x3c5
	msr	SPSR_EL2, x0
	mov	x0, #1 << 31
	msr	HCR_EL2, x0
	adr	x0, el1
	msr	ELR_EL2, x0
	eret
el1:
${lower}
	${POWER_OFF}
	.ltorg
	.balign	2048
vectors:
	.rept	16
	.balign	128
	mrs	x9, CurrentEL
	cmp	x9, #8
	b.ne	1f
	mrs	x9, ELR_EL2
	add	x9, x9, #4
	msr	ELR_EL2, x9
	eret
1:	mrs	x9, ELR_EL1
	add	x9, x9, #4
	msr	ELR_EL1, x9
	eret
	.endr
`;

/** What the console says while such a program runs. */
async function messages(source: string, launch: Record<string, unknown> = {}): Promise<string[]> {
  const guest = testGuest(source, launch);
  guest.control.resume();
  const end = await guest.next();
  assert.ok('kind' in end && end.kind === 'poweroff');
  return guest.messages;
}

describe('what a guest touches that is not there', () => {
  it('is told once, with its name and place', async () => {
    const source = around(`
one:	mrs	x1, S3_0_C13_C0_7
	mrs	x1, S3_0_C13_C0_7
	msr	S3_0_C13_C0_7, x1
	mrs	x1, S3_0_C15_C2_0
	mrs	x1, S3_0_C14_C15_5
	sys	#3, c11, c1, #1
`);
    const told = await messages(source);
    assert.deepEqual(
      told.map((t) => t.replace(/ \(EL.*/, '')),
      [
        'Read of S3_0_C13_C0_7 (SCXTNUM_EL1), which is not implemented: UNDEFINED',
        'Write of S3_0_C13_C0_7 (SCXTNUM_EL1), which is not implemented: UNDEFINED',
        'Read of S3_0_C15_C2_0, an IMPLEMENTATION DEFINED register: UNDEFINED',
        'Read of S3_0_C14_C15_5, no register that is known here: UNDEFINED',
        'S1_3_C11_C1_1, an IMPLEMENTATION DEFINED system instruction: UNDEFINED',
      ],
    );
    assert.match(told[0] ?? '', /\(EL2, one \(main\.S:7\)\)\.$/);
    assert.match(told[1] ?? '', /\(EL2, one\+0x8 \(main\.S:9\)\)\.$/);
  });

  it('has the instructions that the CPU model or the emulator has not', async () => {
    const source = around(`
	.inst	0x04200000
	.inst	0x5ac02020
	.inst	0xb8200020
	.inst	0xb8210020
	.inst	0xb8200040
`);
    const short = (told: readonly string[]): string[] => told.map((t) => t.replace(/: UNDEFINED.*/, ''));
    assert.deepEqual(short(await messages(source)), [
      'Instruction 0x04200000 (an instruction of SVE, FEAT_SVE), which is not implemented',
      'Instruction 0x5ac02020 (ABS, FEAT_CSSC), which is not implemented',
      'Instruction 0xb8200020 (LDADD), which this CPU does not have (LSE)',
    ]);
    assert.deepEqual(short(await messages(around('mrs x1, S3_4_C2_C0_1'))), [
      'Read of S3_4_C2_C0_1 (TTBR1_EL2), which this CPU does not have (VHE)',
    ]);
    assert.deepEqual(await messages(around('mrs x1, S3_4_C2_C0_1'), { cpu: 'cortex-a76' }), []);
  });

  it('has addresses where nothing answers, a page at a time', async () => {
    const source = around(
      `
	ldr	x2, =0x10000000
	ldr	w3, [x2]
	ldr	w3, [x2, #16]
	str	w3, [x2, #16]
`,
      `
	ldr	x2, =0x18000000
	ldp	x3, x4, [x2]
`,
    );
    const told = await messages(source);
    assert.deepEqual(
      told.map((t) => t.replace(/_start.*/, '').replace(/el1.*/, 'el1')),
      [
        'Read from the physical address 0x10000000, where the board has nothing: external abort (EL2, ',
        'Write to the physical address 0x10000010, where the board has nothing: external abort (EL2, ',
        'Read from the physical address 0x18000000, where the board has nothing: external abort (EL1, el1',
      ],
    );
  });

  it('has the functions that the firmware does not know', async () => {
    const told = await messages(around('ldr x0, =0x84000050\n\tsmc #0\n\tldr x0, =0x84000050\n\tsmc #0\n'));
    assert.equal(told.length, 1);
    assert.match(
      told[0] ?? '',
      /^SMC of function 0x84000050, which the firmware does not have: NOT_SUPPORTED \(EL2/,
    );
  });

  it('leaves out what is UNDEFINED by the architecture', async () => {
    const source = around(
      '\t.inst 0\n\tmrs x1, MIDR_EL1\n\tmrs x1, S3_0_C0_C7_7',
      '\tmrs x1, HCR_EL2\n\tmsr S3_4_C13_C0_7, x1\n',
    );
    assert.deepEqual(await messages(source), []);
  });

  it('ends after many of a kind', async () => {
    const reads = Array.from({ length: 60 }, (_, n) => `\tmrs x1, S3_${n % 7}_C15_C${n % 16}_${n % 8}`);
    const told = await messages(around(reads.join('\n'), ''));
    assert.ok(told.length > 20 && told.length <= 33, String(told.length));
    assert.match(told.at(-1) ?? '', /not reported any more/);
  });
});
