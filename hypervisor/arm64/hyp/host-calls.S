// host-calls.S: what the host asks of the hypervisor, by HVC in SMCCC form. With VHE, the host calls the same functions
// by BL, and this file is empty.

	.if	VHE == 0

	.section .hyp.text

// host_stub_call: x0 an id below STUB_LIMIT, x1-x3 the host's arguments. Nothing is saved, so nothing but x0-x3 may
// change. The answers are in the identity map, because they turn the MMU off. Only the vectors cannot be set: they are
// the hypervisor's now.
	func	host_stub_call
	cmp	x0, #STUB_SOFT_RESTART
	b.eq	1f
	b.lo	2f
	adr_l	x1, stub_reset
	to_host	x1
	br	x1
1:	adr_l	x0, stub_restart
	to_host	x0
	br	x0
2:	mov	x0, #SMCCC_NOT_SUPPORTED
	eret
	endfunc	host_stub_call

// host_hvc: x0 per-CPU data, SP = the host's x0, which is W0 the function id; x1-x3 its arguments. Saves the host and
// calls the function with x0 per-CPU data, x1, x2 the arguments; it returns x1, the host's result, and may change
// everything else.
	func	host_hvc
	stp	x1, x2, [x0, #HOST_CTXT + ctxt.x + 8 * 1]
	save_x3_to_x30
	mov	x3, sp
	str	x3, [x0, #HOST_CTXT + ctxt.x]
	ldr	x4, [x0, #percpu.stack_top]
	mov	sp, x4
	save_sp_pc_pstate
	ldp	x1, x2, [x0, #HOST_CTXT + ctxt.x + 8 * 1]

	mov_32	w4, HYP_FN_VCPU_RUN		// the one that is called most
	cmp	w3, w4
	b.eq	vcpu_run

	mov_32	w4, HYP_FN_INIT
	sub	w3, w3, w4
	cmp	w3, #HYP_FN_LIMIT
	b.hs	1f
	adr_l	x4, host_functions
	ldr	x4, [x4, w3, uxtw #3]
	cbz	x4, 1f
	to_hyp	x4				// the table has link addresses
	blr	x4
	mrs	x0, tpidr_el2
	b	host_call_done
1:	mov	x1, #SMCCC_NOT_SUPPORTED	// also for a second HYP_FN_INIT
	str	x1, [x0, #HOST_CTXT + ctxt.x]
	b	enter_host
	endfunc	host_hvc

// host_call_done: x0 per-CPU data, x1 result. The host's call returns with SUCCESS, result, 0, 0.
	func	host_call_done
	mov	x2, #SMCCC_SUCCESS
	stp	x2, x1, [x0, #HOST_CTXT + ctxt.x]
	stp	xzr, xzr, [x0, #HOST_CTXT + ctxt.x + 8 * 2]
	b	enter_host
	endfunc	host_call_done

// enter_host: x0 per-CPU data. Loads the host's context and leaves EL2. Does not return.
	func	enter_host
	load_all_and_eret
	endfunc	enter_host

	.section .hyp.rodata
	.balign	8
host_functions:	// by function id
	.quad	0				// HYP_FN_INIT: done already
	.quad	0				// HYP_FN_VCPU_RUN: above
	.quad	flush_all_vmids
	.quad	flush_ipa
	.quad	flush_vm_locally
	.if	WRECK_STACK
	.quad	wreck_stack
	.else
	.quad	0
	.endif
	.endif
