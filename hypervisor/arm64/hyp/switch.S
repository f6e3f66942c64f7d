// switch.S: the world switch. EL1 has one set of system registers, and two worlds want to use it: so the hypervisor
// exchanges all of them, and the EL2 registers that say what EL1 may do, on the way in and on the way out.

	.section .hyp.text

// vcpu_run: x1 the host's address of the vcpu. By HVC: x0 per-CPU data, the host's x0-x30 are saved already. With VHE it
// is a function: returns x1, the exit reason; clobbers x0-x18; SP is the host's stack, and the host's x19-x30 are saved
// here. Interrupts are masked.
	func	vcpu_run
	to_hyp	x1				// our address of the same struct
	.if	VHE
	mrs	x0, tpidr_el2
	save_preserved_registers x2
	.endif

	// The host's EL1 registers out, the guest's in. EL2 itself uses none of them.
	add	x3, x0, #HOST_CTXT
	save_host_registers
	add	x3, x1, #vcpu.ctxt
	load_guest_registers

	// Who has the FP and SIMD registers, and does the first use trap?
	bl	fpsimd_enter

	// From here on x0 is the vcpu, x1 its virtual machine.
	mrs	x19, tpidr_el2
	str	x1, [x19, #RUNNING_VCPU]
	mov	x0, x1
	ldr	x1, [x0, #vcpu.vm]

	// The virtual machine: stage 2 tables and VMID, how to walk them.
	ldr	x2, [x1, #vm.vtcr_el2]
	msr	vtcr_el2, x2
	ldr	x2, [x1, #vm.vttbr_el2]
	msr	vttbr_el2, x2

	// The virtual CPU: who it believes to be, what traps. Debug and PMU registers trap, too.
	ldr	x2, [x0, #vcpu.vmpidr_el2]
	msr	vmpidr_el2, x2
	mrs	x2, mdcr_el2
	mov	x3, #MDCR_GUEST
	orr	x2, x2, x3
	msr	mdcr_el2, x2
	branch_without_ras x2, 1f
	ldr	x2, [x0, #vcpu.vdisr_el2]
	write_vdisr_el2 x2
1:	load_timer
	bl	vgic_enter
	ldr	x2, [x0, #vcpu.hcr_el2]
	msr	hcr_el2, x2

	// An exception from EL1 is one of the guest now.
	adr_l	x2, hyp_guest_vectors
	msr	vbar_el2, x2
	b	enter_guest
	endfunc	vcpu_run

// enter_guest: x0 vcpu. Loads x0-x30, SP_EL0, pc and PSTATE and leaves EL2. An exit that the hypervisor handled by
// itself comes straight back here.
	func	enter_guest
	.if	WRECK_STACK
	mov_48	x1, 0xdead00000007		// no such address, and not even aligned
	mov	sp, x1
	.endif
	load_all_and_eret
	endfunc	enter_guest

// leave_guest: x0 vcpu, w1 exit reason; the guest's x0-x30 are saved. The guest's system registers out, the host's
// in, and the host's call of vcpu_run returns.
	func	leave_guest
	mov	x19, x0				// any register will do: the guest's and the host's are all in memory
	mov	w20, w1
	mrs	x21, tpidr_el2
	str	x20, [x19, #vcpu.exit_reason]

	save_timer
	branch_without_ras x2, 1f
	read_vdisr_el2 x2
	str	x2, [x0, #vcpu.vdisr_el2]
1:	bl	vgic_leave
	bl	debug_leave
	bl	fpsimd_leave

	add	x3, x19, #vcpu.ctxt
	save_guest_registers

	// What the host may do.
	mov_48	x2, HCR_HOST
	msr	hcr_el2, x2
	msr	vttbr_el2, xzr
	mrs	x2, mpidr_el1			// at EL2 this is the real one
	msr	vmpidr_el2, x2
	mrs	x2, mdcr_el2
	and	x2, x2, #MDCR_HPMN
	msr	mdcr_el2, x2

	add	x3, x21, #HOST_CTXT
	load_host_registers

	str	xzr, [x21, #RUNNING_VCPU]
	mov	x0, x21
	mov	x1, x20
	.if	VHE
	adr_l	x2, host_vectors
	msr	vbar_el2, x2
	isb					// nobody else synchronizes here: there is no exception return
	load_preserved_registers x2
	ret
	.else
	adr_l	x2, hyp_host_vectors
	msr	vbar_el2, x2
	b	host_call_done
	.endif
	endfunc	leave_guest
