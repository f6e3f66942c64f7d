import assert from 'node:assert/strict';
import { requireTool } from '../../test/support/oracles';
import { program, powerOff, printHex32, Run } from '../../test/support/program';
import { gnuProgram, qemuOutput } from '../../test/support/qemu-program';
import { scriptImage, scriptResults, scriptTools, type ScriptOp } from '../../test/support/qemu-script';
import { random } from '../dev/testing/bench';
import { gicv2Bench, playGicv2, playVirtualV2 } from '../dev/testing/gicv2-script';

/** Executes a script on the whole machine and on QEMU. */
function onBoth(ops: readonly ScriptOp[], cpus = 2): [(bigint | 'abort')[], (bigint | 'abort')[]] {
  const image = scriptImage(ops, true);
  const ours = new Run(image, { cpus, gic: 2 }).toEnd(20_000_000);
  return [scriptResults(ours.output, ops), scriptResults(qemuOutput(image, { cpus, gic: 2 }), ops)];
}

/**
 * A hypervisor with a guest at EL1, both with a GICv2: the guest takes an SGI from a list register through GICV at the
 * place where it expects GICC, the timer's PPI as a hardware interrupt, and an interrupt that GICH asks maintenance for.
 * Two CPUs send each other SGIs first. Each step prints a letter.
 */
const guestAndHypervisor = `
	.globl _start
_start:
	mrs x0, mpidr_el1
	ands x0, x0, #0xff
	b.ne second
	ldr x20, =0x09000000
	mov w1, #0x301
	str w1, [x20, #0x30]
	ldr x21, =0x08000000
	ldr x22, =0x08010000
	ldr x23, =0x08030000
	ldr x24, =0x08040000
	adr x0, vectors
	msr vbar_el2, x0
	mov w1, #1
	str w1, [x21]
	mov w1, #0xff
	str w1, [x22, #4]
	mov w1, #0x201			// EOImode 1: as KVM does
	str w1, [x22]
	ldr w1, =(1 << 25) | (1 << 27)
	str w1, [x21, #0x100]
	// CPU 1 sends SGI 3 here, and gets SGI 4 back.
	ldr x0, =0xc4000003
	mov x1, #1
	adr x2, second
	mov x3, #0
	smc #0
1:	mrs x0, isr_el1
	tbz x0, #7, 1b
	ldr w1, [x22, #0xc]
	bl hex
	str w1, [x22, #0x10]
	ldr w2, [x22, #0x14]
	mov w25, w1
	mov w1, w2
	bl hex				// idle again, and still active
	ldr w1, [x21, #0x300]
	bl hex
	mov w1, w25
	add x2, x22, #0x1000
	str w1, [x2]
	ldr w1, [x21, #0x300]
	bl hex
	ldr w1, =(1 << 16 << 1) | 4
	str w1, [x21, #0xf00]
	adr x2, done
2:	ldr w1, [x2]
	cbz w1, 2b
	bl hex
	// The guest.
	mov x0, #0x80000000
	orr x0, x0, #0x18
	msr hcr_el2, x0
	adr x0, guest_vectors
	msr vbar_el1, x0
	mov w1, #1
	str w1, [x23]
	ldr w1, =(1 << 28) | (0x14 << 23) | (2 << 10) | 7	// SGI 7 from CPU 2
	str w1, [x23, #0x100]
	ldr w1, =(1 << 28) | (0x15 << 23) | (1 << 19) | 100	// asks for maintenance at its end
	str w1, [x23, #0x104]
	adr x0, guest
	msr elr_el2, x0
	mov x0, #0x5
	msr spsr_el2, x0
	eret
second:
	ldr x21, =0x08000000
	ldr x22, =0x08010000
	mov w1, #0xff
	str w1, [x22, #4]
	mov w1, #1
	str w1, [x22]
	ldr w1, =(1 << 16) | 3
	str w1, [x21, #0xf00]
1:	mrs x0, isr_el1
	tbz x0, #7, 1b
	ldr w1, [x22, #0xc]
	str w1, [x22, #0x10]
	adr x2, done
	str w1, [x2]
	b .
guest:
	// Settings of its own, by GICV.
	mov w1, #0xf8
	str w1, [x24, #4]
	mov w1, #1
	str w1, [x24]
	msr daifclr, #2
	mov x0, #1
	msr cntv_cval_el0, xzr
	msr cntv_ctl_el0, x0
1:	cmp x26, #3
	b.lo 1b
	hvc #2
${printHex32}irq2:	// At EL2: maintenance, or the virtual timer, which becomes a hardware interrupt of the guest.
	ldr w27, [x22, #0xc]
	mov w1, w27
	bl hex
	str w27, [x22, #0x10]
	cmp w27, #25
	b.eq 1f
	ldr w1, =(1 << 31) | (1 << 28) | (0x10 << 23) | (27 << 10) | 27
	str w1, [x23, #0x108]
	eret
1:	ldr w1, [x23, #0x10]		// MISR
	bl hex
	ldr w1, [x23, #0x20]		// EISR
	bl hex
	ldr w1, [x23, #0x30]		// ELRSR
	bl hex
	str wzr, [x23, #0x104]
	add x2, x22, #0x1000
	str w27, [x2]
	eret
irq1:	// At EL1.
	ldr w28, [x24, #0xc]
	mov w1, w28
	bl hex
	ldr w1, [x24, #0x14]
	bl hex
	cmp w28, #27
	b.ne 1f
	msr cntv_ctl_el0, xzr
1:	str w28, [x24, #0x10]
	add x26, x26, #1
	eret
sync2:	ldr w1, [x21, #0x300]		// all are deactivated
	bl hex
	ldr w1, [x23, #0x8]
	bl hex
	${powerOff}
	.balign 4
done:	.word 0
	.ltorg
	.balign 2048
vectors:
	.rept 8
	.balign 128
	b .
	.endr
	.balign 128
	b sync2
	.balign 128
	b irq2
	.rept 6
	.balign 128
	b .
	.endr
	.balign 2048
guest_vectors:
	.rept 5
	.balign 128
	b .
	.endr
	.balign 128
	b irq1
	.rept 10
	.balign 128
	b .
	.endr
`;

describe('the machine with a GICv2 against QEMU', function () {
  it('answers random accesses to the distributor and the physical interface alike, by instructions', function () {
    requireTool(this, ...scriptTools);
    const [ours, theirs] = onBoth(playGicv2(gicv2Bench(2), random(21), 300).accesses);
    assert.deepEqual(ours, theirs);
  });

  it('answers a guest and its hypervisor alike, by instructions', function () {
    requireTool(this, ...scriptTools);
    const [ours, theirs] = onBoth(playVirtualV2(gicv2Bench(2), random(22), 200).accesses);
    assert.deepEqual(ours, theirs);
  });

  it('has no CPU interface in system registers, and no redistributors', function () {
    requireTool(this, ...scriptTools);
    const regs = ['icc_pmr_el1', 'icc_iar1_el1', 'icc_sre_el1', 'icc_sre_el2', 'ich_vtr_el2', 'ich_lr0_el2'];
    const ids = ['id_aa64pfr0_el1', 'id_pfr1_el1'];
    const [ours, theirs] = onBoth([
      ...[...regs, ...ids].map((reg) => ({ op: 'mrs', reg }) as const),
      { op: 'read', at: 0x080a_0000n, bytes: 4 },
    ]);
    assert.deepEqual(ours, theirs);
    assert.deepEqual(ours, [...regs.map(() => 'abort'), 0x222n, 0x11001n, 'abort']);
  });

  it('serves SGIs between CPUs, a guest, hardware interrupts and maintenance as QEMU does', function () {
    requireTool(this, ...scriptTools);
    const theirs = qemuOutput(gnuProgram(guestAndHypervisor), { cpus: 2, gic: 2 }).toString();
    const run = new Run(program(guestAndHypervisor), { cpus: 2, gic: 2 }).toEnd();
    assert.equal(run.text, theirs);
    assert.equal(theirs.split('\n').length, 19, theirs);
  });

  it('goes on from a snapshot as it would have gone on', () => {
    const make = (): Run => new Run(program(guestAndHypervisor), { cpus: 2, gic: 2 });
    const { machine } = make().computer;
    for (const at of [500, 700, 900, 1500, 2500]) {
      machine.run({ instructions: at });
      const snapshot = machine.snapshots.take();
      machine.run({ instructions: 3000 });
      const after = machine.hash();
      machine.snapshots.restore(snapshot);
      machine.run({ instructions: 3000 });
      assert.equal(machine.hash(), after, `after ${at}`);
      machine.snapshots.restore(snapshot);
    }
  });
});
