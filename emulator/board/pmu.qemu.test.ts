import assert from 'node:assert/strict';
import { requireTool } from '../../test/support/oracles';
import { enablePpis, powerOff, printHex, program, Run } from '../../test/support/program';
import { gnuProgram, qemuOutput } from '../../test/support/qemu-program';
import { scriptTools } from '../../test/support/qemu-script';

/** EL2 with vectors of its own; x20 is the UART. */
const start = `
	.globl _start
_start:	ldr x20, =0x09000000
	mov w1, #0x301
	str w1, [x20, #0x30]
	adr x0, vectors
	msr vbar_el2, x0
	mov x0, #6
	msr mdcr_el2, x0
	mov x0, #0x80000000
	msr hcr_el2, x0
	isb
`;

/** A table whose entries go to \`sync\`, \`irq\` and \`lower\` (synchronous, from below). */
const vectors = `
	.balign 2048
vectors:
	.rept 4
	.balign 128
	b .
	.endr
	.balign 128
	b sync
	.balign 128
	b irq
	.balign 128
	b .
	.balign 128
	b .
	.balign 128
	b lower
	.balign 128
	b irq
	.rept 6
	.balign 128
	b .
	.endr
`;

const shows = (...registers: string[]): string => registers.map((r) => `\tmrs x1, ${r}\n\tbl hex\n`).join('');

/** Stops all counting, and prints what was counted. */
const stopAndShow = `
	msr pmcntenclr_el0, x19
	isb
${shows('pmccntr_el0', 'pmevcntr0_el0', 'pmevcntr1_el0', 'pmevcntr2_el0', 'pmevcntr3_el0', 'pmovsset_el0')}
`;

/** Filters so that each counter counts another level: all; EL2; EL1; EL0. */
const byLevel = `
	ldr x0, =0x08000000
	msr pmccfiltr_el0, x0
	ldr x0, =0xc8000008
	msr pmevtyper0_el0, x0
	ldr x0, =0x40000008
	msr pmevtyper1_el0, x0
	ldr x0, =0x80000008
	msr pmevtyper2_el0, x0
	ldr x0, =0x08000008
	msr pmevtyper3_el0, x0
	mov x0, #0x47
	msr pmcr_el0, x0
	isb
	ldr x19, =0x8000000f
	msr pmcntenset_el0, x19
	isb
`;

/** EL2, EL1 and EL0 take turns; EL0 and EL1 call, EL1 loops, and EL1 takes a data abort that is mended. */
const levels = `${start}${byLevel}
	adr x0, el1_vectors
	msr vbar_el1, x0
	adr x0, el1
	msr elr_el2, x0
	mov x0, #0x3c5
	msr spsr_el2, x0
	eret
el1:	mov x2, #100
1:	subs x2, x2, #1
	b.ne 1b
	hvc #1
	adr x0, el0
	msr elr_el1, x0
	mov x0, #0x3c0
	msr spsr_el1, x0
	eret
el0:	nop
	nop
	svc #1
	mov x3, #50
2:	subs x3, x3, #1
	b.ne 2b
	svc #2
	b .
	// EL1's: a call from EL0 that goes back at once; the second asks EL2 to end.
svc:	add x5, x5, #1
	cmp x5, #2
	b.eq 3f
	eret
3:	adr x6, word + 1
	ldxr x8, [x6]			// misaligned
	hvc #2
	b .
abort:	adr x6, word
	eret
	.balign 8
word:	.dword 0
lower:	add x4, x4, #1
	cmp x4, #2
	b.eq end
	nop
	eret
sync:	b .
irq:	b .
end:	${stopAndShow}
	${powerOff}
	${printHex}
	.ltorg
${vectors}
	.balign 2048
el1_vectors:
	.rept 4
	.balign 128
	b .
	.endr
	.balign 128
	b abort
	.rept 3
	.balign 128
	b .
	.endr
	.balign 128
	b svc
	.rept 7
	.balign 128
	b .
	.endr
`;

/** On QEMU one instruction is a nanosecond, and so is a cycle. */
const counted = ['-icount', 'shift=0'] as const;

function bothPrint(source: string, cpu: string): string {
  const theirs = qemuOutput(gnuProgram(source), { cpus: 1, cpu, more: counted }).toString();
  const run = new Run(program(source), { cpu }).toEnd();
  assert.equal(run.text, theirs);
  return theirs;
}

describe('the performance monitors against QEMU', function () {
  beforeEach(function () {
    requireTool(this, ...scriptTools);
  });

  for (const cpu of ['cortex-a57', 'cortex-a76'])
    it(`count instructions and cycles by exception level, one by one (${cpu})`, () => {
      const lines = bothPrint(levels, cpu).trim().split('\n');
      assert.equal(lines.length, 6);
    });

  it('counts by software, in chains, divided by 64, and flags what wraps', () => {
    const source = `${start}
	mov x0, #0x46
	msr pmcr_el0, x0
	ldr x0, =0x08000000			// SW_INCR at EL2
	msr pmevtyper0_el0, x0
	ldr x0, =0x0800001e			// chained to it
	msr pmevtyper1_el0, x0
	ldr x0, =0x08000011
	msr pmevtyper2_el0, x0
	ldr x0, =0x0800001e
	msr pmevtyper3_el0, x0
	ldr x0, =0x08000000
	msr pmccfiltr_el0, x0
	ldr x0, =0xffffffff
	msr pmevcntr0_el0, x0
	ldr x0, =0xfffffff0
	msr pmevcntr2_el0, x0
	mov x0, #-20
	msr pmccntr_el0, x0
	ldr x19, =0x8000000f
	msr pmcntenset_el0, x19
	mov x0, #0x41
	msr pmcr_el0, x0
	isb
	mov x0, #0x3f
	msr pmswinc_el0, x0
	msr pmswinc_el0, x0
	mov x0, #1
	msr pmselr_el0, x0
	isb
	mrs x5, pmxevcntr_el0
	.rept 30
	nop
	.endr
${stopAndShow}
	mov x1, x5
	bl hex
	ldr x0, =0x80000001
	msr pmovsclr_el0, x0
	mov x0, #4
	msr pmovsset_el0, x0
	mov x0, #31
	msr pmselr_el0, x0
${shows('pmovsclr_el0', 'pmxevtyper_el0', 'pmcr_el0', 'pmcntenset_el0', 'pmintenset_el1')}
	mov x0, #0xd			// D: a tick in 64
	msr pmcr_el0, x0
	msr pmcntenset_el0, x19
	mov x0, #256
1:	subs x0, x0, #1
	b.ne 1b
	mrs x1, pmccntr_el0
	lsr x1, x1, #1
	bl hex
	${powerOff}
sync:	b .
irq:	b .
lower:	b .
	${printHex}
	.ltorg
${vectors}`;
    const lines = new Run(program(source)).toEnd().text.trim().split('\n');
    // QEMU has no chains, and SW_INCR moves there without being counted.
    const value = (n: number): number => Number.parseInt(lines[n]!, 16);
    assert.deepEqual(
      [lines[1], lines[2], lines[4], lines[5], lines[6]],
      ['1', '1', '1', '80000005', '1'].map((v) => v.padStart(16, '0')),
    );
    // From behind the write of PMCR_EL0 to the one of PMCNTENCLR_EL0: 9 and 30 instructions.
    assert.equal(value(0), 39 - 20);
    // Both have counted the same instructions.
    assert.equal(value(3) + 16, value(0) + 20);
    assert.deepEqual(lines.slice(7, 12), [
      '0000000000000004',
      '0000000008000000',
      '0000000041013041',
      '0000000000000000',
      '0000000000000000',
    ]);
    // 513 instructions are 8 ticks, or 9 where they begin in the middle of one: halved.
    assert.equal(value(12), 4);
  });

  it('give EL1 the counters below MDCR_EL2.HPMN, and EL2 the others to itself', () => {
    const source = `${start}
	mov x0, #0x82			// HPMN 2, HPME
	msr mdcr_el2, x0
	ldr x0, =0x08000008
	msr pmevtyper0_el0, x0
	msr pmevtyper3_el0, x0
	mov x19, #9
	msr pmcntenset_el0, x19
	adr x0, el1
	msr elr_el2, x0
	mov x0, #0x3c5
	msr spsr_el2, x0
	mov x0, #7
	msr pmevcntr0_el0, x0
	eret
el1:	mrs x3, pmcr_el0
	mrs x4, pmcntenset_el0
	mov x0, #2
	msr pmcr_el0, x0			// clears those of EL1
	mov x0, #-1
	msr pmcntenclr_el0, x0
	mov x0, #1
	msr pmselr_el0, x0
	mov x0, #5
	msr pmxevcntr_el0, x0
	mov x0, #3
	msr pmselr_el0, x0
	mov x0, #5
	msr pmxevcntr_el0, x0
	mrs x5, pmxevcntr_el0
	mrs x6, pmevcntr3_el0		// UNDEFINED: to EL1's vectors, which are nowhere
	hvc #0
sync:	b .
irq:	b .
lower:	mov x1, x3
	bl hex
	mov x1, x4
	bl hex
	mov x1, x5
	bl hex
${shows('pmcntenset_el0', 'pmevcntr0_el0', 'pmevcntr1_el0')}
	mrs x1, pmevcntr3_el0
	lsr x1, x1, #3
	bl hex
	${powerOff}
	${printHex}
	.ltorg
	.balign 2048
el1_vectors:
	.rept 4
	.balign 128
	b .
	.endr
	.balign 128
	hvc #1
${vectors}`.replace('adr x0, el1\n', 'adr x0, el1_vectors\n\tmsr vbar_el1, x0\n\tadr x0, el1\n');
    const lines = new Run(program(source)).toEnd().text.trim().split('\n');
    assert.deepEqual(lines.slice(0, 6), [
      '0000000041011000',
      '0000000000000001',
      '0000000000000000',
      '0000000000000008',
      '0000000000000000',
      '0000000000000005',
    ]);
    // Only what was executed at EL2 and EL1 after it was turned on, which goes on while lines are printed.
    assert.ok(Number.parseInt(lines[6]!, 16) > 50);
  });

  it('interrupt at the instruction that overflows, whatever the slices of the run', () => {
    const source = `${start}
	mov x0, #0x18
	msr hcr_el2, x0
${enablePpis(23)}
	ldr x0, =0x08000008
	msr pmevtyper4_el0, x0
	mov x0, #-1000
	msr pmevcntr4_el0, x0
	mov x19, #0x10
	msr pmintenset_el1, x19
	mov x0, #0x41
	msr pmcr_el0, x0
	msr daifclr, #2
	isb
	msr pmcntenset_el0, x19
	mov x2, #0
1:	add x2, x2, #1
	b 1b
irq:	mrs x1, pmevcntr4_el0
	bl hex
	mov x1, x2
	bl hex
${shows('icc_iar1_el1', 'pmovsclr_el0')}
	msr pmovsclr_el0, x19
	mrs x1, isr_el1
	bl hex
	${powerOff}
sync:	b .
lower:	b .
	${printHex}
	.ltorg
${vectors}`;
    const whole = new Run(program(source)).toEnd();
    const pieces = new Run(program(source));
    for (let n = 0; !pieces.computer.ended && n < 10_000; n++)
      pieces.computer.machine.run({ instructions: 1 + (n % 7) });
    assert.equal(pieces.text, whole.text);
    assert.equal(pieces.computer.machine.hash(), whole.computer.machine.hash());
    assert.deepEqual(whole.text.trim().split('\n'), [
      // The vector's branch and the read itself.
      '0000000000000002',
      // 1000 after the write: one for x2, and two in each round.
      (500).toString(16).padStart(16, '0'),
      '0000000000000017',
      '0000000000000010',
      '0000000000000000',
    ]);
  });
});
