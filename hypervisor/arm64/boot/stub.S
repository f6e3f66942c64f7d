// stub.S: the vectors that EL2 has before the hypervisor is there. They know three calls, whose ids are below
// STUB_LIMIT. The hypervisor's own vectors answer two of them, too, by stub_call: so there is always a way back.

	.if	VHE == 0

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

// stub_hvc: x0 id, x1-x3 arguments. Returns x0: SUCCESS, or NOT_SUPPORTED for an id that the stub does not know.
// Without HCR_EL2 bits that trap, HVC is the only synchronous exception from EL1 that comes here: no look at ESR_EL2.
	func	stub_hvc
	cmp	x0, #STUB_LIMIT
	b.lo	stub_call
	mov	x0, #SMCCC_NOT_SUPPORTED
	eret
	endfunc	stub_hvc

// stub_call: the same contract; the init vectors come here, too. Clobbers x0, x1; the soft restart x0-x3. The
// exception return makes the new VBAR_EL2 visible.
	func	stub_call
	cmp	x0, #STUB_SOFT_RESTART
	b.hi	stub_reset
	b.eq	stub_restart
	msr	vbar_el2, x1
	mov	x0, #SMCCC_SUCCESS
	eret
	endfunc	stub_call

// Back to the state in which boot/el2.S left EL2: no MMU, stub vectors. Only at an address that is a physical one.
	.macro	stub_state scratch
	mrs	\scratch, sctlr_el2
	bic	\scratch, \scratch, #SCTLR_M
	bic	\scratch, \scratch, #SCTLR_C
	bic	\scratch, \scratch, #SCTLR_I
	msr	sctlr_el2, \scratch
	isb
	adr	\scratch, stub_vectors
	msr	vbar_el2, \scratch
	.endm

// stub_reset: returns SUCCESS in x0. Clobbers x1.
	func	stub_reset
	stub_state x1
	mov	x0, #SMCCC_SUCCESS
	eret
	endfunc	stub_reset

// stub_restart: x1 physical address, x2 and x3 its arguments. No exception return, but a jump, at EL2; x0 and x1 hold
// the arguments there. ELR_EL2 and SPSR_EL2 still say where the HVC came from.
	func	stub_restart
	stub_state x0
	mov	x0, x2
	mov	x2, x1
	mov	x1, x3
	isb
	br	x2
	endfunc	stub_restart

// An exception that cannot be explained before there is a hypervisor: stay here, with all registers as they
// are, where a debugger finds it.
	func	stub_unexpected
	b	stub_unexpected
	endfunc	stub_unexpected
	.endif
