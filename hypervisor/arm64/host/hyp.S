// hyp.S: the host prepares EL2's memory and calls hyp-init.

	.text

// host_start_hypervisor: clobbers everything but x29, x30.
	func	host_start_hypervisor
	stp	x29, x30, [sp, #-16]!
	mov	x29, sp

	// EL2's page tables: its sections, at PA + HYP_VA_OFFSET and with no more rights than they need; the
	// identity map; and the UART, for a panic. Nothing of the host or the guest is mapped.
	bl	alloc_table
	mov	x19, x0
	adr_l	x20, hyp_map
	adr_l	x21, hyp_map_end
1:	mov	x0, x19
	ldp	x2, x3, [x20]			// start, end
	ldp	x1, x4, [x20, #16]		// offset, attributes
	sub	x3, x3, x2
	add	x1, x1, x2
	bl	map_range
	add	x20, x20, #32
	cmp	x20, x21
	b.lo	1b

	// This CPU's per-CPU data, by the address that EL2 uses for it.
	adr_l	x20, percpu_areas
	adr_l	x0, hyp_stack_end
	orr	x0, x0, #HYP_VA_OFFSET
	str	x0, [x20, #percpu.stack_top]
	orr	x20, x20, #HYP_VA_OFFSET

	// The stub does not know hyp-init: the call is not there yet.
	mov	w0, #HYP_FN_INIT
	hvc	#0
	cmn	x0, #1				// NOT_SUPPORTED is -1
	b.ne	9f
	adr_l	x0, msg_stub
	bl	host_puts

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

	// Now. When this call returns, the hypervisor is there.
	mov	w0, #HYP_FN_INIT
	mov	x1, x19
	mov	x2, x20
	adr_l	x3, hyp_start
	orr	x3, x3, #HYP_VA_OFFSET
	hvc	#0
	cbnz	x0, 9f
	adr_l	x0, msg_init
	bl	host_puts

	// It cannot be initialized twice.
	mov	w0, #HYP_FN_INIT
	hvc	#0
	cmn	x0, #1
	b.ne	9f

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
