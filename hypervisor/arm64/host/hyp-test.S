// hyp-test.S: for the story hyp-init: every call of the stub and init vectors, the way back from the hypervisor to the
// stub, and the way in again.

	.if	TEST_STUB && !VHE

	.text

// host_test_stub_calls: what works before hyp-init: soft restart, an id below the limit that is none, and the reset of
// the vectors, after which the stub answers; so the vectors are put back. Clobbers x0-x7.
	func	host_test_stub_calls
	stp	x29, x30, [sp, #-16]!
	mov	x29, sp
	bl	host_test_soft_restart
	mov_32	w0, 0xc600ffff			// no such function, whoever answers
	mov_48	x4, 0x444444444444
	hvc	#0
	cmn	x0, #1
	b.ne	1f
	mov_48	x0, 0x444444444444
	cmp	x4, x0
	b.ne	1f
	adr_l	x0, msg_stub_works
	bl	host_puts
	ldp	x29, x30, [sp], #16
	ret
1:	adr_l	x0, msg_stub_fails
	b	host_give_up
	endfunc	host_test_stub_calls

// host_test_soft_restart: goes to soft_restart_target at EL2, which comes back with an exception return, and then sets
// the vectors that were there: a soft restart leaves the stub's. x29, x30 as a function. Clobbers x0-x7.
	func	host_test_soft_restart
	mov	x0, #STUB_SOFT_RESTART
	adr_l	x1, soft_restart_target
	mov	x2, #0x22
	mov	x3, #0x33
	hvc	#0
	cmp	x0, #0x22
	b.ne	1f
	cmp	x1, #0x33
	b.ne	1f
	cmp	x2, #2 << 2			// CurrentEL was EL2
	b.ne	1f
	tbnz	x3, #0, 1f			// SCTLR_EL2.M was 0
	ret
1:	adr_l	x0, msg_stub_fails
	b	host_give_up
	endfunc	host_test_soft_restart

// soft_restart_target: at EL2, MMU off; x0, x1 arguments. ELR_EL2 and SPSR_EL2 still lead to the host. Returns x2
// CurrentEL, x3 SCTLR_EL2.
	func	soft_restart_target
	mrs	x2, currentel
	mrs	x3, sctlr_el2
	eret
	endfunc	soft_restart_target

// host_test_reinit: from the hypervisor back to the stub, and hyp-init again, twice: after a reset of the vectors, and
// after a soft restart. In between nobody answers as the hypervisor. Clobbers x0-x7.
	func	host_test_reinit
	stp	x29, x30, [sp, #-16]!
	mov	x29, sp
	mov	x0, #STUB_SET_VECTORS		// no longer: the vectors are the hypervisor's
	adr_l	x1, hyp_init_vectors
	hvc	#0
	cmn	x0, #1
	b.ne	1f
	mov	x0, #STUB_RESET_VECTORS
	hvc	#0
	cbnz	x0, 1f
	mov_32	w0, HYP_FN_FLUSH_ALL
	hvc	#0
	cmn	x0, #1
	b.ne	1f
	bl	host_init_hyp_quietly
	bl	host_test_soft_restart
	mov_32	w0, HYP_FN_FLUSH_ALL
	hvc	#0
	cmn	x0, #1
	b.ne	1f
	bl	host_init_hyp_quietly
	mov_32	w0, HYP_FN_FLUSH_ALL
	hvc	#0
	cbnz	x0, 1f
	adr_l	x0, msg_reinit
	bl	host_puts
	ldp	x29, x30, [sp], #16
	ret
1:	adr_l	x0, msg_stub_fails
	b	host_give_up
	endfunc	host_test_reinit

	.section .rodata
msg_stub_works:
	.asciz	"host: soft restart and unknown functions: as they should\n"
msg_reinit:
	.asciz	"host: vectors reset, hyp-init again, soft restart, hyp-init again: SUCCESS\n"
msg_stub_fails:
	.asciz	"host: a call to the stub went wrong, ESR_EL1 "
	.endif
