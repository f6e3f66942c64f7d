// exits.S: the guest has trapped. Save it, find out why, and decide whether the hypervisor answers itself or the
// host has to know.

	.section .hyp.text

// guest_exit: x0 vcpu, w1 kind; the guest's x0 is in SP, its x1 and x2 are saved.
	func	guest_exit
	save_x3_to_x30
	mov	w3, w1
	mov	x1, sp
	str	x1, [x0, #vcpu.ctxt + ctxt.x]

	// Now a stack, in case that something below needs it. SP_EL2 is true from here on.
	mrs	x1, tpidr_el2
	ldr	x1, [x1, #percpu.stack_top]
	mov	sp, x1
	save_sp_pc_pstate

	// The syndrome, before anything can overwrite it.
	read_esr x4
	mrs	x1, far_el2
	mrs	x2, hpfar_el2
	str	x4, [x0, #vcpu.esr_el2]
	str	x1, [x0, #vcpu.far_el2]
	str	x2, [x0, #vcpu.hpfar_el2]

	mov	w1, w3
	cmp	w1, #EXIT_SYNC
	b.ne	leave_guest			// IRQ or SError: for the host

	// Synchronous: the exception class says why. x4 stays ESR_EL2.
	lsr	x2, x4, #ESR_EC_BIT
	adr_l	x3, exit_reason_of_class
	ldrb	w1, [x3, x2]
	cmp	w1, #EXIT_FPSIMD
	b.eq	fpsimd_trap
	cmp	w1, #EXIT_STAGE2
	b.eq	stage2_exit
	cmp	w1, #EXIT_SYSREG
	b.eq	sysreg_exit
	cmp	w1, #EXIT_HVC
	b.ne	leave_guest

	// A hypercall. The version of PSCI is answered here: the cheapest exit there is.
	ldr	w2, [x0, #vcpu.ctxt + ctxt.x]
	.if	WRECK_STACK
	mov_32	w3, GUEST_FN_CRASH
	cmp	w2, w3
	b.eq	crash
	.endif
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

// stage2_exit: x0 vcpu, w1 EXIT_STAGE2, x4 ESR_EL2. The architecture gives the IPA in HPFAR_EL2 for a translation or
// access flag fault, and for any fault in a walk of the guest's tables, but leaves HPFAR_EL2 UNKNOWN for a permission
// fault of the access itself. Then the guest's own tables, which are still in place, must be asked.
	func	stage2_exit
	tbnz	x4, #ESR_S1PTW_BIT, leave_guest
	and	x2, x4, #ESR_FSC_TYPE
	cmp	x2, #ESR_FSC_PERMISSION
	b.ne	leave_guest
	ldr	x2, [x0, #vcpu.far_el2]
	mrs	x3, par_el1			// the guest's: it may stand between an AT and its MRS
	at	s1e1r, x2
	isb
	mrs	x2, par_el1
	msr	par_el1, x3
	tbnz	x2, #0, handled_at_el2		// PAR_EL1.F: another CPU has changed the tables. Just try again.
	ubfx	x2, x2, #12, #36		// PA[47:12], which is the IPA here,
	lsl	x2, x2, #4			// is HPFAR_EL2.FIPA
	str	x2, [x0, #vcpu.hpfar_el2]
	b	leave_guest
	endfunc	stage2_exit

// sysreg_exit: x0 vcpu, w1 EXIT_SYSREG, x4 ESR_EL2. op0 = 2, op1 = 0, CRn = 0 are breakpoint and watchpoint registers.
	func	sysreg_exit
	mov_32	x2, (3 << 20 | 7 << 14 | 15 << 10)	// op0, op1, CRn
	and	x2, x4, x2
	mov_32	x3, (2 << 20)
	cmp	x2, x3
	b.ne	leave_guest
	ldr	x2, [x0, #vcpu.debug_loaded]
	cbz	x2, debug_trap
	b	leave_guest
	endfunc	sysreg_exit

	.if	WRECK_STACK
// wreck_stack: a call of the host: fills this CPU's EL2 stack with rubbish; SP_EL2 itself is wrecked at every entry of
// a guest. x0 per-CPU data; clobbers x1-x3.
	func	wreck_stack
	ldr	x1, [x0, #percpu.stack_top]
	mov	x2, #HYP_STACK_SIZE
	mov_48	x3, 0xdeaddeaddead
1:	str	x3, [x1, #-8]!
	subs	x2, x2, #8
	b.ne	1b
	mov	x1, #0
	ret
	endfunc	wreck_stack

// crash: x0 vcpu. The guest asks EL2 to fail with the stack in ruins. SP points nowhere: the store aborts.
	func	crash
	mov_48	x1, 0xdead00000000
	mov	sp, x1
	str	x1, [sp]
	b	crash
	endfunc	crash
	.endif

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
