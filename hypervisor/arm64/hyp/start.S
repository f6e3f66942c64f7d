// start.S: the hypervisor's first instructions at its own address, PA + HYP_VA_OFFSET. Here it takes a stack and
// vectors, saves the host, and returns to it: for the host, that is the return of the HVC that called hyp-init.

	.if	VHE == 0

	.section .hyp.text

// hyp_start: TPIDR_EL2 is set; x4-x30 and SP_EL0 are still the host's. x0-x3 are free (SMCCC).
	func	hyp_start
	mrs	x0, tpidr_el2
	ldr	x1, [x0, #percpu.stack_top]
	mov	sp, x1
	adr_l	x1, hyp_host_vectors
	msr	vbar_el2, x1
	isb

	// Something that the host will want to know, and cannot read.
	mrs	x1, ich_vtr_el2
	str	x1, [x0, #percpu.ich_vtr_el2]

	// Save what the host expects to find again. x0-x3 are not saved: they carry the results.
	// (x3 is stored here as the partner of x4, and then overwritten.)
	save_x3_to_x30
	save_sp_pc_pstate
	mov	x1, #SMCCC_SUCCESS
	stp	x1, xzr, [x0, #HOST_CTXT + ctxt.x]
	stp	xzr, xzr, [x0, #HOST_CTXT + ctxt.x + 8 * 2]
	b	enter_host
	endfunc	hyp_start
	.endif
