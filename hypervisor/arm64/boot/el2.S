// el2.S: the first instructions. The CPU is at EL2 with the MMU off and interrupts masked. We give EL1 to a host
// and keep nothing at EL2 but stub vectors, as the Linux kernel does when it is started at EL2.

	.text

// _start: nothing is passed in. Uses x0, x1; no stack, no memory.
	func	_start
	mrs	x0, currentel
	cmp	x0, #2 << 2			// CurrentEL.EL is bits 3:2
	b.ne	not_at_el2

	// What EL2 controls and reset leaves UNKNOWN.
	mov	x0, #HCR_HOST
	msr	hcr_el2, x0			// EL1 is AArch64, no stage 2, nothing traps
	mov_32	x0, SCTLR_EL2_OFF
	msr	sctlr_el2, x0
	mov	x0, #CPTR_RES1
	msr	cptr_el2, x0			// FP and SIMD do not trap
	msr	hstr_el2, xzr
	mrs	x0, pmcr_el0
	ubfx	x0, x0, #11, #5			// PMCR_EL0.N, the number of event counters ...
	msr	mdcr_el2, x0			// ... all of which EL1 may use (HPMN); nothing else traps
	msr	vttbr_el2, xzr			// the host's translations carry VMID 0
	mrs	x0, midr_el1
	msr	vpidr_el2, x0			// what EL1 reads as MIDR_EL1 ...
	mrs	x0, mpidr_el1
	msr	vmpidr_el2, x0			// ... and MPIDR_EL1

	// The host may use the physical counter and timer; its virtual time equals physical time.
	mov	x0, #CNTHCTL_EL1PCTEN | CNTHCTL_EL1PCEN
	msr	cnthctl_el2, x0
	msr	cntvoff_el2, xzr

	// The host may use the GIC by system registers.
	mov	x0, #0xf			// SRE, DFB, DIB, Enable
	msr	icc_sre_el2, x0
	isb

	// No TLB entry from before the reset may survive: EL2's own, and those of EL1 with every VMID.
	tlbi	alle2
	tlbi	alle1
	dsb	sy
	ic	iallu
	dsb	sy
	isb

	adr_l	x0, stub_vectors
	msr	vbar_el2, x0

	// The host starts with its MMU off, at EL1 with SP_EL1, everything masked.
	mov_32	x0, SCTLR_EL1_OFF
	msr	sctlr_el1, x0
	mov	x0, #PSR_DAIF | PSR_EL1H
	msr	spsr_el2, x0
	adr_l	x0, host_start
	msr	elr_el2, x0
	eret
	endfunc	_start

// Started at EL1 or EL3: say so and stay here.
	func	not_at_el2
	mov	x1, #UART_BASE
	adr_l	x0, not_at_el2_message
1:	ldrb	w2, [x0], #1
	cbz	w2, 2f
	str	w2, [x1, #UART_DR]
	b	1b
2:	wfe
	b	2b
	endfunc	not_at_el2

	.section .rodata
not_at_el2_message:
	.asciz	"This program starts at EL2: give the board EL2 (QEMU: -M virt,virtualization=on).\n"
