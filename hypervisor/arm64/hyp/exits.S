// exits.S: the guest has trapped. Save it, find out why, and decide whether the hypervisor answers itself or the
// host has to know.

	.section .hyp.text

// guest_exit: x0 vcpu, w1 kind; the guest's x0 is in SP, its x1 and x2 are saved.
	func	guest_exit
	save_x3_to_x30
	mov	w3, w1
	mov	x1, sp
	str	x1, [x0, #vcpu.ctxt + ctxt.x]
	save_sp_pc_pstate

	// The syndrome, before anything can overwrite it.
	mrs	x4, esr_el2
	mrs	x1, far_el2
	mrs	x2, hpfar_el2
	str	x4, [x0, #vcpu.esr_el2]
	str	x1, [x0, #vcpu.far_el2]
	str	x2, [x0, #vcpu.hpfar_el2]

	// Now a stack, in case that something below needs it.
	mrs	x1, tpidr_el2
	ldr	x1, [x1, #percpu.stack_top]
	mov	sp, x1

	mov	w1, w3
	cmp	w1, #EXIT_SYNC
	b.ne	leave_guest			// IRQ or SError: for the host

	// Synchronous: the exception class says why.
	lsr	x2, x4, #ESR_EC_BIT
	adr_l	x3, exit_reason_of_class
	ldrb	w1, [x3, x2]
	cmp	w1, #EXIT_FPSIMD
	b.eq	fpsimd_trap
	cmp	w1, #EXIT_HVC
	b.ne	leave_guest

	// A hypercall. The version of PSCI is answered here: the cheapest exit there is.
	ldr	w2, [x0, #vcpu.ctxt + ctxt.x]
	mov	w3, #PSCI_VERSION
	cmp	w2, w3
	b.ne	leave_guest
	mov_32	x2, PSCI_1_1
	str	x2, [x0, #vcpu.ctxt + ctxt.x]
	b	handled_at_el2
	endfunc	guest_exit

// handled_at_el2: x0 vcpu. Count it and go back; the guest's EL1 registers are still in place.
	func	handled_at_el2
	ldr	x1, [x0, #vcpu.el2_exits]
	add	x1, x1, #1
	str	x1, [x0, #vcpu.el2_exits]
	b	enter_guest
	endfunc	handled_at_el2

	.section .hyp.rodata

// Exception class (ESR_EL2.EC) -> exit reason. One row has eight classes.
	.type	exit_reason_of_class, %object
exit_reason_of_class:
	.byte	0, EXIT_WFX, 0, 0, 0, 0, 0, EXIT_FPSIMD			// 0x01 WFI, WFE; 0x07 FP or SIMD
	.byte	0, 0, 0, 0, 0, 0, 0, 0
	.byte	0, 0, 0, 0, 0, 0, EXIT_HVC, EXIT_SMC			// 0x16 HVC, 0x17 SMC, both from AArch64
	.byte	EXIT_SYSREG, 0, 0, 0, 0, 0, 0, 0			// 0x18 MSR, MRS or system instruction
	.byte	EXIT_STAGE2, 0, 0, 0, EXIT_STAGE2, 0, 0, 0		// 0x20 instruction abort, 0x24 data abort
	.byte	0, 0, 0, 0, 0, 0, 0, 0
	.byte	0, 0, 0, 0, 0, 0, 0, 0
	.byte	0, 0, 0, 0, 0, 0, 0, 0
	.size	exit_reason_of_class, . - exit_reason_of_class
