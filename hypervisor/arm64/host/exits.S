// exits.S: what the host does for each reason that a guest can have to leave. In every handler x19 is the vcpu;
// x0-x15 are free; x0 = 0 on return means: go on with the guest.

	.text

	.macro	handler name
	func	\name
	stp	x29, x30, [sp, #-16]!
	mov	x29, sp
	.endm

	.macro	handled
	mov	x0, #0
	ldp	x29, x30, [sp], #16
	ret
	.endm

	.macro	skip_instruction		// the guest's pc stands on the instruction that trapped
	ldr	x0, [x19, #vcpu.ctxt + ctxt.pc]
	add	x0, x0, #4
	str	x0, [x19, #vcpu.ctxt + ctxt.pc]
	.endm

// A physical interrupt came while the guest ran. It is still pending: HCR_EL2.IMO brought it to EL2, which only
// looked for a way out of the guest. We take it now, as if it had come a moment later.
	handler	exit_irq
	count	STAT_IRQ
	bl	host_take_interrupts
	adr_l	x0, msg_irq
	bl	host_puts
	adr_l	x6, timer_ticks
	ldr	x6, [x6]
	mov	x0, x6
	bl	host_putdec
	adr_l	x0, msg_newline
	bl	host_puts
	adr_l	x0, ticks_wanted
	ldr	x0, [x0]
	cmp	x6, x0
	b.lo	1f
	mov_32	x0, (GUEST_SHARED+GUEST_PA_OFFSET)
	mov	w1, #1
	stlr	w1, [x0]			// the guest reads it with LDAR
1:	handled
	endfunc	exit_irq

// A hypercall: function in w0, argument in x1, result in x0. HVC leaves pc behind itself.
	handler	exit_hvc
	count	STAT_HVC
	ldr	w2, [x19, #vcpu.ctxt + ctxt.x]
	ldr	x3, [x19, #vcpu.ctxt + ctxt.x + 8 * 1]
	mov_32	w4, PSCI_SYSTEM_OFF
	cmp	w2, w4
	b.eq	3f
	mov	x0, #SMCCC_NOT_SUPPORTED
	mov_32	w4, GUEST_FN_VMID
	cmp	w2, w4
	b.eq	1f
	mov_32	w4, GUEST_FN_TICKS
	cmp	w2, w4
	b.ne	2f
	adr_l	x0, ticks_wanted
	str	x3, [x0]
	mov	x0, #SMCCC_SUCCESS
	b	2f
1:	adr_l	x0, vms
	ldr	x0, [x0, #vm.vmid]
2:	str	x0, [x19, #vcpu.ctxt + ctxt.x]
	handled
3:	adr_l	x0, msg_guest_off
	bl	host_puts
	mov	x0, #1				// the end
	ldp	x29, x30, [sp], #16
	ret
	endfunc	exit_hvc

// The guest has no firmware: HCR_EL2.TSC trapped its SMC. A trapped SMC leaves pc on itself.
	handler	exit_smc
	count	STAT_SMC
	mov	x0, #SMCCC_NOT_SUPPORTED
	str	x0, [x19, #vcpu.ctxt + ctxt.x]
	skip_instruction
	handled
	endfunc	exit_smc

// WFI: the guest has nothing to do. A host with more guests would run another; ours says so and goes on.
	handler	exit_wfx
	count	STAT_WFX
	skip_instruction
	adr_l	x0, msg_wfx
	bl	host_puts
	handled
	endfunc	exit_wfx

// A system register that the guest may not touch: it reads as zero, a write does nothing.
// ISS: direction in bit 0 (1 = read), register number in bits 9:5.
	handler	exit_sysreg
	count	STAT_SYSREG
	ldr	w0, [x19, #vcpu.esr_el2]
	tbz	w0, #0, 1f
	ubfx	x1, x0, #5, #5
	mov	x2, #0
	bl	set_guest_register
1:	skip_instruction
	adr_l	x0, msg_sysreg
	bl	host_puts
	handled
	endfunc	exit_sysreg

// Stage 2 has no mapping. HPFAR_EL2 has the page, FAR_EL2 the offset in it; together the IPA.
	func	exit_stage2
	ldr	w0, [x19, #vcpu.esr_el2]
	and	w0, w0, #ESR_FSC_TYPE
	cmp	w0, #ESR_FSC_TRANSLATION	// and not a permission fault or an external abort: there
	b.ne	exit_unknown			// HPFAR_EL2 need not be valid
	ldr	x9, [x19, #vcpu.hpfar_el2]
	ldr	x0, [x19, #vcpu.far_el2]
	and	x9, x9, #0xfffffffff0		// HPFAR_EL2.FIPA, bits 39:4, is IPA[47:12]
	lsl	x9, x9, #8
	and	x0, x0, #0xfff
	orr	x9, x9, x0			// x9: the IPA
	mov_32	x0, GUEST_RAM
	sub	x1, x9, x0
	mov_32	x0, GUEST_RAM_SIZE
	cmp	x1, x0
	b.lo	stage2_page
	mov	x0, #UART_BASE
	sub	x10, x9, x0			// x10: the offset in the UART
	cmp	x10, #PAGE_SIZE
	b.lo	stage2_mmio
	b	exit_unknown
	endfunc	exit_stage2

// The guest touched RAM of its own for the first time: give it a page of zeros and let it try again.
	handler	stage2_page
	count	STAT_PAGE
	and	x9, x9, #~0xfff			// the page
	mov	x10, #GUEST_PA_OFFSET
	add	x10, x9, x10
	mov	x0, x10
	mov	x1, #PAGE_SIZE
	bl	zero_memory
	mov	x1, x9
	mov	x2, x10
	adr_l	x0, guest_stage2
	ldr	x0, [x0]
	mov	x3, #PAGE_SIZE
	mov	x4, #STAGE2_RAM
	bl	map_range
	adr_l	x0, msg_page
	bl	host_puts
	handled
	endfunc	stage2_page

// The guest touched its UART. The syndrome (ISS) tells all that an emulation needs: which register, and read or write.
	handler	stage2_mmio
	count	STAT_MMIO
	ldr	w11, [x19, #vcpu.esr_el2]
	tbz	w11, #ESR_ISV_BIT, 9f		// LDP and the like have no such syndrome
	ubfx	x1, x11, #ESR_SRT_BIT, #5
	tbz	w11, #ESR_WNR_BIT, 2f

	// A store. The data register goes to the real UART, all others are ignored.
	cmp	x10, #UART_DR
	b.ne	3f
	bl	get_guest_register
	mov	x1, #UART_BASE
	and	w2, w0, #0xff
	uart_send
	b	3f

	// A load. The flags say that there is always room; all others read as zero.
2:	cmp	x10, #UART_FR
	mov	x2, #0x90			// transmitter empty, receiver empty
	csel	x2, x2, xzr, eq
	bl	set_guest_register
3:	skip_instruction
	handled
9:	b	exit_unknown
	endfunc	stage2_mmio

// get_guest_register: x1 number; returns x0. 31 is the zero register. set_guest_register: x1 number, x2 value.
	func	get_guest_register
	mov	x0, #0
	cmp	x1, #31
	b.eq	1f
	add	x0, x19, #vcpu.ctxt + ctxt.x
	ldr	x0, [x0, x1, lsl #3]
1:	ret
	endfunc	get_guest_register

	func	set_guest_register
	cmp	x1, #31
	b.eq	1f
	add	x0, x19, #vcpu.ctxt + ctxt.x
	str	x2, [x0, x1, lsl #3]
1:	ret
	endfunc	set_guest_register

// Whatever else: the guest cannot go on.
	func	exit_unknown
	adr_l	x0, msg_unknown
	bl	host_puts
	ldr	x0, [x19, #vcpu.esr_el2]
	bl	host_puthex
	adr_l	x0, msg_guest_pc
	bl	host_puts
	ldr	x0, [x19, #vcpu.ctxt + ctxt.pc]
	bl	host_puthex
	adr_l	x0, msg_newline
	bl	host_puts
	b	host_power_off
	endfunc	exit_unknown

	.section .rodata
msg_irq:
	.asciz	"host: the timer interrupted the guest, tick "
msg_wfx:
	.asciz	"host: the guest waits (WFI)\n"
msg_sysreg:
	.asciz	"host: the guest read a register that is not its own\n"
msg_page:
	.asciz	"host: the guest touched new memory, page mapped\n"
msg_guest_off:
	.asciz	"host: the guest switched itself off\n"
msg_unknown:
	.asciz	"host: cannot go on with the guest, ESR_EL2 "
msg_guest_pc:
	.asciz	", pc "
