// hyp.S: the host prepares EL2's memory and calls hyp-init. With VHE there is nothing to call: the host is at EL2.

	.if	VHE == 0

	.text

// host_build_hyp_tables: EL2's page tables: its sections, at PA + HYP_VA_OFFSET and with no more rights than they need;
// the identity map; and the UART, for a panic. Nothing of the host or a guest is mapped. Clobbers everything but
// x19, x28-x30.
	func	host_build_hyp_tables
	stp	x29, x30, [sp, #-32]!
	mov	x29, sp
	str	x19, [sp, #16]
	bl	alloc_table
	mov	x19, x0
	adr_l	x1, hyp_pgd
	str	x0, [x1]
	adr_l	x20, hyp_map
	adr_l	x21, hyp_map_end
1:	mov	x0, x19
	ldp	x2, x3, [x20, #hyp_mapping.start]	// and end
	ldp	x1, x4, [x20, #hyp_mapping.offset]	// and attributes
	sub	x3, x3, x2
	add	x1, x1, x2
	bl	map_range
	add	x20, x20, #hyp_mapping.size
	cmp	x20, x21
	b.lo	1b
	ldr	x19, [sp, #16]
	ldp	x29, x30, [sp], #32
	ret
	endfunc	host_build_hyp_tables

// host_init_args: the arguments of hyp-init in x1-x3. TPIDR_EL2 is to hold the distance from where per-CPU data is
// linked to this CPU's copy, as EL2 sees it: both ends by their EL2 addresses, for the host's would not do there.
	func	host_init_args
	adr_l	x1, hyp_pgd
	ldr	x1, [x1]
	mov	x2, x28
	to_hyp	x2
	sub	x2, x2, #PERCPU_LINK
	adr_l	x3, hyp_start
	to_hyp	x3
	ret
	endfunc	host_init_args

// host_init_hyp_quietly: the two calls that bring the hypervisor to this CPU. Clobbers x0-x3.
	func	host_init_hyp_quietly
	stp	x29, x30, [sp, #-16]!
	mov	x29, sp
	mov	x0, #STUB_SET_VECTORS
	adr_l	x1, hyp_init_vectors
	hvc	#0
	cbnz	x0, 1f
	bl	host_init_args
	mov_32	w0, HYP_FN_INIT
	hvc	#0
	cbnz	x0, 1f
	ldp	x29, x30, [sp], #16
	ret
1:	adr_l	x0, msg_init_failed
	b	host_give_up
	endfunc	host_init_hyp_quietly

// host_start_hypervisor: the same for the first CPU, with a look at what is refused before, in between and after.
// Clobbers x0-x7.
	func	host_start_hypervisor
	stp	x29, x30, [sp, #-16]!
	mov	x29, sp

	// The stub does not know hyp-init: the call is not there yet.
	mov_32	w0, HYP_FN_INIT
	hvc	#0
	cmn	x0, #1				// NOT_SUPPORTED is -1
	b.ne	9f
	adr_l	x0, msg_stub
	bl	host_puts
	.if	TEST_STUB
	bl	host_test_stub_calls
	.endif

	// From the stub vectors to the init vectors.
	mov	x0, #STUB_SET_VECTORS
	adr_l	x1, hyp_init_vectors
	hvc	#0
	cbnz	x0, 9f

	// They know hyp-init and the stub calls, nothing else.
	mov_32	w0, HYP_FN_VCPU_RUN
	hvc	#0
	cmn	x0, #1
	b.ne	9f
	adr_l	x0, msg_refused
	bl	host_puts
	.if	TEST_STUB
	bl	host_test_stub_calls
	mov	x0, #STUB_SET_VECTORS		// the soft restart has left the stub's
	adr_l	x1, hyp_init_vectors
	hvc	#0
	.endif

	// Now. When this call returns, the hypervisor is there.
	bl	host_init_args
	mov_32	w0, HYP_FN_INIT
	hvc	#0
	orr	x1, x1, x2
	orr	x1, x1, x3
	orr	x0, x0, x1			// SUCCESS, 0, 0, 0
	cbnz	x0, 9f
	adr_l	x0, msg_init
	bl	host_puts

	// It cannot be initialized twice.
	mov_32	w0, HYP_FN_INIT
	hvc	#0
	cmn	x0, #1
	b.ne	9f
	.if	TEST_STUB
	bl	host_test_reinit
	.endif

	ldp	x29, x30, [sp], #16
	ret
9:	adr_l	x0, msg_init_failed
	b	host_give_up
	endfunc	host_start_hypervisor

	.section .rodata
	.balign	8
hyp_map:	// start, end, offset, attributes
	.quad	hyp_idmap_start, hyp_idmap_end, 0, EL2_TEXT
	.quad	hyp_text_start, hyp_text_end, HYP_VA_OFFSET, EL2_TEXT
	.quad	hyp_rodata_start, hyp_rodata_end, HYP_VA_OFFSET, EL2_RODATA
	.quad	hyp_data_start, hyp_data_end, HYP_VA_OFFSET, EL2_DATA
	.quad	UART_BASE, UART_BASE + PAGE_SIZE, HYP_VA_OFFSET, EL2_DEVICE
hyp_map_end:

msg_stub:
	.asciz	"host: the stub vectors do not know hyp-init: NOT_SUPPORTED\n"
msg_refused:
	.asciz	"host: the init vectors know nothing else: NOT_SUPPORTED\n"
msg_init:
	.asciz	"host: hyp-init: SUCCESS, EL2 runs at PA + 0x7000000000\n"
msg_init_failed:
	.asciz	"host: hyp-init failed, ESR_EL1 "

	.bss
	.balign	8
hyp_pgd:
	.space	8				// EL2's level 1 table
	.endif
