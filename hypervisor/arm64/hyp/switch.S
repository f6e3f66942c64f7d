// switch.S: the world switch. EL1 has one set of system registers, and two worlds want to use it: so the hypervisor
// exchanges all of them, and the EL2 registers that say what EL1 may do, on the way in and on the way out.

	.section .hyp.text

	.macro	save_register reg		// into the ctxt at x3, by x4
	mrs	x4, \reg
	str	x4, [x3, #ctxt.\reg]
	.endm

	.macro	load_register reg
	ldr	x4, [x3, #ctxt.\reg]
	msr	\reg, x4
	.endm

// vcpu_run: x0 per-CPU data, x3 the host's address of the vcpu. The host's x0-x30 are saved already.
	func	vcpu_run
	orr	x1, x3, #HYP_VA_OFFSET		// our address of the same struct

	// The host's EL1 registers out, the guest's in. EL2 itself uses none of them.
	add	x3, x0, #HOST_CTXT
	for_each_el1_register save_register
	add	x3, x1, #vcpu.ctxt
	for_each_el1_register load_register

	// The virtual machine: stage 2 tables and VMID, how to walk them, and its idea of time.
	ldr	x2, [x1, #vcpu.vm]
	ldr	x3, [x2, #vm.vtcr_el2]
	msr	vtcr_el2, x3
	ldr	x3, [x2, #vm.vttbr_el2]
	msr	vttbr_el2, x3
	ldr	x3, [x2, #vm.cntvoff_el2]
	msr	cntvoff_el2, x3

	// The virtual CPU: what traps, who it believes to be, its virtual timer.
	ldr	x3, [x1, #vcpu.hcr_el2]
	msr	hcr_el2, x3
	ldr	x3, [x1, #vcpu.vmpidr_el2]
	msr	vmpidr_el2, x3
	ldr	x3, [x1, #vcpu.cntv_cval_el0]
	msr	cntv_cval_el0, x3
	ldr	x3, [x1, #vcpu.cntv_ctl_el0]
	msr	cntv_ctl_el0, x3
	msr	cnthctl_el2, xzr		// the physical counter and timer are the host's
	mov	x3, #CPTR_RES1 | CPTR_TFP
	msr	cptr_el2, x3			// the guest's first use of FP or SIMD traps

	// From here on an exception from EL1 is one of the guest.
	str	x1, [x0, #RUNNING_VCPU]
	adr_l	x3, hyp_guest_vectors
	msr	vbar_el2, x3
	mov	x0, x1
	b	enter_guest
	endfunc	vcpu_run

// enter_guest: x0 vcpu. Loads x0-x30, SP_EL0, pc and PSTATE and leaves EL2. An exit that the hypervisor handled by
// itself comes straight back here.
	func	enter_guest
	load_all_and_eret
	endfunc	enter_guest

// leave_guest: x0 vcpu, w1 exit reason; the guest's x0-x30 are saved. The guest's system registers out, the host's
// in, and the host's call of vcpu_run returns.
	func	leave_guest
	mov	x19, x0				// any register will do: the guest's and the host's are all in memory
	mov	w20, w1
	mrs	x21, tpidr_el2
	str	x20, [x19, #vcpu.exit_reason]

	mov	x0, x21
	bl	fpsimd_give_back

	add	x3, x19, #vcpu.ctxt
	for_each_el1_register save_register
	mrs	x2, cntv_ctl_el0
	str	x2, [x19, #vcpu.cntv_ctl_el0]
	mrs	x2, cntv_cval_el0
	str	x2, [x19, #vcpu.cntv_cval_el0]
	msr	cntv_ctl_el0, xzr		// a virtual timer of the guest must not disturb the host

	mov	x2, #CNTHCTL_EL1PCTEN | CNTHCTL_EL1PCEN
	msr	cnthctl_el2, x2
	msr	cntvoff_el2, xzr
	mov	x2, #HCR_HOST
	msr	hcr_el2, x2
	msr	vttbr_el2, xzr
	mrs	x2, mpidr_el1			// at EL2 this is the real one
	msr	vmpidr_el2, x2
	mov	x2, #CPTR_RES1
	msr	cptr_el2, x2

	add	x3, x21, #HOST_CTXT
	for_each_el1_register load_register

	adr_l	x2, hyp_host_vectors
	msr	vbar_el2, x2
	str	xzr, [x21, #RUNNING_VCPU]

	mov	x0, x21
	mov	x1, x20
	b	host_call_done
	endfunc	leave_guest
