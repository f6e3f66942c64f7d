// host-calls.S: what the host asks of the hypervisor, by HVC in SMCCC form.

	.section .hyp.text

// host_hvc: x0 per-CPU data, SP = the host's x0. Saves the host and finds the function.
	func	host_hvc
	stp	x1, x2, [x0, #HOST_CTXT + ctxt.x + 8 * 1]
	save_x3_to_x30
	mov	x3, x1				// first argument
	mov	x1, sp
	str	x1, [x0, #HOST_CTXT + ctxt.x]
	mov	w4, w1				// function id: W0 of the host
	save_sp_pc_pstate

	ldr	x1, [x0, #percpu.stack_top]
	mov	sp, x1

	mrs	x1, esr_el2
	lsr	x1, x1, #ESR_EC_BIT
	cmp	x1, #EC_HVC64
	b.ne	hyp_panic			// nothing else of the host traps

	mov_32	w1, HYP_FN_VCPU_RUN
	cmp	w4, w1
	b.eq	vcpu_run

	mov	x1, #SMCCC_NOT_SUPPORTED	// also for a second HYP_FN_INIT
	str	x1, [x0, #HOST_CTXT + ctxt.x]
	b	enter_host
	endfunc	host_hvc

// host_call_done: x0 per-CPU data, x1 exit reason. The host's call returns with SUCCESS, reason, 0, 0.
	func	host_call_done
	mov	x2, #SMCCC_SUCCESS
	stp	x2, x1, [x0, #HOST_CTXT + ctxt.x]
	stp	xzr, xzr, [x0, #HOST_CTXT + ctxt.x + 8 * 2]
	b	enter_host
	endfunc	host_call_done
