// debug.S: breakpoint and watchpoint registers. There are many of them, and hardly a guest uses them: so MDCR_EL2.TDA
// traps the first access after an entry, and only then they are exchanged. (MDSCR_EL1 is one of the registers that
// every world switch exchanges: so a guest's breakpoints are never enabled in the host.)

	.section .hyp.text

	.macro	save_debug_register n, type
	mrs	x4, dbg\type\()\n\()_el1
	str	x4, [x3, #debug.dbg\type + 8 * \n]
	.endm

	.macro	load_debug_register n, type
	ldr	x4, [x3, #debug.dbg\type + 8 * \n]
	msr	dbg\type\()\n\()_el1, x4
	.endm

// Each register that exists: `count` is the number of the last one.
	.macro	for_debug_registers op, value, control, count
	.irp	n, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15
	cmp	\count, #\n
	b.lo	1f
	\op	\n, \value
	\op	\n, \control
	.endr
1:
	.endm

// save_debug, load_debug: x3 debug struct. Clobber x4, x5.
	func	save_debug
	mrs	x5, id_aa64dfr0_el1
	ubfx	x5, x5, #12, #4			// BRPs, less one
	for_debug_registers save_debug_register, bvr, bcr, x5
	mrs	x5, id_aa64dfr0_el1
	ubfx	x5, x5, #20, #4			// WRPs, less one
	for_debug_registers save_debug_register, wvr, wcr, x5
	ret
	endfunc	save_debug

	func	load_debug
	mrs	x5, id_aa64dfr0_el1
	ubfx	x5, x5, #12, #4
	for_debug_registers load_debug_register, bvr, bcr, x5
	mrs	x5, id_aa64dfr0_el1
	ubfx	x5, x5, #20, #4
	for_debug_registers load_debug_register, wvr, wcr, x5
	ret
	endfunc	load_debug

// debug_trap: x0 vcpu. The guest wants the registers: the host's out, the guest's in, no more traps until the guest
// leaves for the host, and the same instruction again.
	func	debug_trap
	mrs	x3, tpidr_el2
	add	x3, x3, #HOST_DEBUG
	bl	save_debug
	add	x3, x0, #vcpu.debug
	bl	load_debug
	mov	x1, #1
	str	x1, [x0, #vcpu.debug_loaded]
	mrs	x1, mdcr_el2
	bic	x1, x1, #MDCR_TDA
	msr	mdcr_el2, x1
	b	handled_at_el2
	endfunc	debug_trap

// debug_leave: x0 vcpu. If the CPU has the guest's registers: out, and the host's in. Clobbers x1-x6.
	func	debug_leave
	ldr	x1, [x0, #vcpu.debug_loaded]
	cbz	x1, 1f
	mov	x6, x30
	add	x3, x0, #vcpu.debug
	bl	save_debug
	mrs	x3, tpidr_el2
	add	x3, x3, #HOST_DEBUG
	bl	load_debug
	str	xzr, [x0, #vcpu.debug_loaded]
	mov	x30, x6
1:	ret
	endfunc	debug_leave
