// el2.S: the first instructions of every CPU. It is at EL2 with the MMU off and interrupts masked. We give EL1 to a host
// and keep nothing at EL2 but stub vectors, as the Linux kernel does when it is started at EL2. With VHE the host stays
// at EL2, which HCR_EL2.E2H makes look like EL1 to it.

	.text

// _start: the first CPU; nothing is passed in. secondary_start: the others, started by PSCI; x0 is the CPU's number.
// Uses x0, x1 and x19, which goes to the host: the number. No stack, no memory.
	func	_start
	mov	x19, #0
	b	el2_setup
	endfunc	_start

	func	secondary_start
	mov	x19, x0
	endfunc	secondary_start			// it goes on

// el2_setup: x19 number of the CPU. Goes to the host; it does not return.
	func	el2_setup
	mrs	x0, currentel
	cmp	x0, #2 << 2			// CurrentEL.EL is bits 3:2
	b.ne	not_at_el2
	.if	VHE
	mrs	x0, id_aa64mmfr1_el1
	ubfx	x0, x0, #8, #4
	cbz	x0, no_vhe
	.endif

	// What EL2 controls and reset leaves UNKNOWN.
	mov_48	x0, HCR_HOST
	msr	hcr_el2, x0			// EL1 is AArch64, no stage 2, nothing traps
	isb
	.if	VHE
	mov_32	x0, SCTLR_EL1_OFF		// with E2H = 1, SCTLR_EL2 has the bits of SCTLR_EL1
	.else
	mov_32	x0, SCTLR_EL2_OFF
	.endif
	msr	sctlr_el2, x0
	mov_32	x0, CPTR_HOST
	msr	cptr_el2, x0			// FP and SIMD do not trap
	msr	hstr_el2, xzr
	mrs	x0, pmcr_el0
	ubfx	x0, x0, #11, #5			// PMCR_EL0.N, the number of event counters ...
	msr	mdcr_el2, x0			// ... all of which EL1 may use (HPMN); nothing else traps
	msr	mdscr_el1, xzr			// no breakpoints, no single steps
	msr	vttbr_el2, xzr			// the host's translations carry VMID 0
	mrs	x0, midr_el1
	msr	vpidr_el2, x0			// what EL1 reads as MIDR_EL1 ...
	mrs	x0, mpidr_el1
	msr	vmpidr_el2, x0			// ... and MPIDR_EL1

	// The host may use the physical counter and timer; its virtual time equals physical time.
	mov	x0, #CNTHCTL_HOST
	msr	cnthctl_el2, x0
	msr	cntvoff_el2, xzr
	msr	cnthp_ctl_el2, xzr		// no timer runs
	.if	VHE
	msr	cntp_ctl_el02, xzr
	msr	cntv_ctl_el02, xzr
	msr	cntv_ctl_el0, xzr		// CNTHV_CTL_EL2
	.else
	msr	cntp_ctl_el0, xzr
	msr	cntv_ctl_el0, xzr
	.endif

	branch_without_ras x0, 1f
	write_vdisr_el2 xzr			// no SError is waiting, for no guest ...
	msr	s3_0_c12_c1_1, xzr		// ... and not for the host: DISR_EL1
1:

	// The host may use the GIC by system registers.
	mov	x0, #0xf			// SRE, DFB, DIB, Enable
	msr	icc_sre_el2, x0
	isb
	msr	ich_hcr_el2, xzr		// the virtual CPU interface is off
	mrs	x0, ich_vtr_el2
	and	x0, x0, #0x1f			// ListRegs: the last list register; all are empty
	.irp	n, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15
	cmp	x0, #\n
	b.lo	1f
	msr	ich_lr\n\()_el2, xzr
	.endr
1:

	// No TLB entry from before the reset may survive: EL2's own, and those of EL1 with every VMID.
	tlbi	alle2
	tlbi	alle1
	dsb	sy
	ic	iallu
	dsb	sy
	isb

	// The host starts with its MMU off, with a stack pointer of its own, everything masked.
	adr_l	x1, host_start
	adr_l	x0, host_secondary_start
	cmp	x19, #0
	csel	x1, x1, x0, eq
	.if	VHE
	msr	daifset, #0xf
	msr	spsel, #1
	br	x1
	.else
	adr_l	x0, stub_vectors
	msr	vbar_el2, x0
	mov_32	x0, SCTLR_EL1_OFF
	msr	sctlr_el1, x0
	mov	x0, #PSR_DAIF | PSR_EL1H
	msr	spsr_el2, x0
	msr	elr_el2, x1
	eret
	.endif
	endfunc	el2_setup

	.if	VHE
// no_vhe: started on a CPU without VHE that should have it: say so. Uses x0-x2; does not return.
	func	no_vhe
	adr_l	x0, no_vhe_message
	b	boot_stop
	endfunc	no_vhe
	.endif

// not_at_el2: started at EL1 or EL3: say so. Uses x0-x2; does not return.
	func	not_at_el2
	adr_l	x0, not_at_el2_message
	endfunc	not_at_el2			// it goes on

// boot_stop: x0 message.
	func	boot_stop
	mov	x1, #UART_BASE
1:	ldrb	w2, [x0], #1
	cbz	w2, 2f
	str	w2, [x1, #UART_DR]
	b	1b
2:	wfe
	b	2b
	endfunc	boot_stop

	.section .rodata
not_at_el2_message:
	.asciz	"This program starts at EL2: give the board EL2 (QEMU: -M virt,virtualization=on).\n"
	.if	VHE
no_vhe_message:
	.asciz	"This program needs a CPU with VHE: choose cortex-a76.\n"
	.endif
