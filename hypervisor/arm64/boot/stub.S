// stub.S: the vectors that EL2 has before the hypervisor is there. They know three calls, whose ids are below
// STUB_LIMIT.

	.section .hyp.idmap

	.balign	2048				// VBAR_EL2 has no low 11 bits
	.type	stub_vectors, %function
stub_vectors:
	.rept	8				// from EL2 itself: nothing may happen there
	vector	stub_unexpected
	.endr
	vector	stub_hvc			// from EL1, AArch64, synchronous
	.rept	7
	vector	stub_unexpected
	.endr
	.size	stub_vectors, . - stub_vectors

// stub_hvc: x0 id, x1 argument. Returns x0: SUCCESS, or NOT_SUPPORTED for an id that the stub does not know.
// Without HCR_EL2 bits that trap, HVC is the only synchronous exception from EL1 that comes here: no look at ESR_EL2.
	func	stub_hvc
	cmp	x0, #STUB_LIMIT
	b.lo	stub_call
	mov	x0, #SMCCC_NOT_SUPPORTED
	eret
	endfunc	stub_hvc

// stub_call: the same contract; the init vectors come here too. Clobbers x0, x1. The exception return makes the new
// VBAR_EL2 visible.
	func	stub_call
	cmp	x0, #STUB_SET_VECTORS
	b.eq	1f
	cmp	x0, #STUB_RESET_VECTORS
	mov	x0, #SMCCC_NOT_SUPPORTED
	b.ne	2f
	adr	x1, stub_vectors
1:	msr	vbar_el2, x1
	mov	x0, #SMCCC_SUCCESS
2:	eret
	endfunc	stub_call

// An exception that cannot be explained before there is a hypervisor: stay here, where a debugger finds it.
	func	stub_unexpected
	b	stub_unexpected
	endfunc	stub_unexpected
