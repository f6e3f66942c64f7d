// exits.S: what the host does for each reason that a guest can have to leave. In every handler x19 is the vcpu, x27 its
// VM, x28 this CPU's percpu struct; x0-x15 are free; the lock is held. x0 on return is the state of the vcpu:
// VCPU_RUNNING means to go on with it here.

	.text

	.macro	handler name
	func	\name
	stp	x29, x30, [sp, #-16]!
	mov	x29, sp
	.endm

	.macro	handled
	mov	x0, #VCPU_RUNNING
	ldp	x29, x30, [sp], #16
	ret
	.endm

	.macro	skip_instruction		// the guest's pc stands on the instruction that trapped
	ldr	x0, [x19, #vcpu.ctxt + ctxt.pc]
	add	x0, x0, #4
	str	x0, [x19, #vcpu.ctxt + ctxt.pc]
	.endm

	.macro	count stat
	ldr	x1, [x19, #vcpu.exits + 8 * \stat]
	add	x1, x1, #1
	str	x1, [x19, #vcpu.exits + 8 * \stat]
	.endm

	.macro	say message			// the story as it happens, for those who asked for it
	.if	VERBOSE
	adr_l	x0, \message
	bl	host_puts
	.endif
	.endm

// A physical interrupt came while the guest ran. HCR_EL2.IMO brought it to EL2, which only looked for a way out of the
// guest; it stayed pending, and the host has taken it since (host/run.S), as if it had come a moment later. Clobbers x1.
	handler	exit_irq
	count	STAT_IRQ
	handled
	endfunc	exit_irq

// A hypercall: function in w0, arguments from x1 on, result in x0. HVC leaves pc behind itself.
	handler	exit_hvc
	count	STAT_HVC
	ldr	w2, [x19, #vcpu.ctxt + ctxt.x]
	ldp	x3, x4, [x19, #vcpu.ctxt + ctxt.x + 8 * 1]
	ldr	x5, [x19, #vcpu.ctxt + ctxt.x + 8 * 3]
	bl	host_answer_call			// returns x0 result, x1 state
	str	x0, [x19, #vcpu.ctxt + ctxt.x]
	mov	x0, x1
	ldp	x29, x30, [sp], #16
	ret
	endfunc	exit_hvc

// The guest has no firmware: HCR_EL2.TSC trapped its SMC. A trapped SMC leaves pc on itself. Clobbers x1.
	handler	exit_smc
	count	STAT_SMC
	mov	x0, #SMCCC_NOT_SUPPORTED
	str	x0, [x19, #vcpu.ctxt + ctxt.x]
	skip_instruction
	handled
	endfunc	exit_smc

// WFE: the guest spins; others may run. WFI: it has nothing to do until an interrupt comes. If none can come, because
// its timer is off and there is no other vcpu to send one, WFI returns at once, as the architecture allows. Clobbers
// x1-x5.
	handler	exit_wfx
	count	STAT_WFX
	skip_instruction
	ldr	w1, [x19, #vcpu.esr_el2]
	mov	x0, #VCPU_READY
	tbnz	w1, #ESR_WFE_BIT, 1f
	say	msg_wfx
	mov	x0, #VCPU_RUNNING
	ldr	x1, [x19, #vcpu.pending]
	cbnz	x1, 1f
	ldr	x2, [x27, #vm.vcpus_on]
	cmp	x2, #1
	b.hi	2f
	ldr	x1, [x19, #vcpu.cntv_ctl_el0]
	and	x1, x1, #TIMER_ENABLE | TIMER_IMASK
	cmp	x1, #TIMER_ENABLE
	b.ne	1f
2:	mov	x0, #VCPU_WAITING
1:	ldp	x29, x30, [sp], #16
	ret
	endfunc	exit_wfx

// A system register that the guest may not touch. ISS: direction in bit 0 (1 = read), register number in bits 9:5.
// What is the host's (debug, PMU, timers, GIC, error records, ordering regions, ACTLR_EL1) reads as zero, and writes do
// nothing; only the SGI register does something. Nor does cache maintenance by set/way. The rest does not exist.
// Clobbers x1-x9.
	handler	exit_sysreg
	count	STAT_SYSREG
	ldr	w4, [x19, #vcpu.esr_el2]
	mov_32	w1, ISS_SYSREG
	and	w1, w4, w1
	mov_32	w2, ISS_ICC_SGI1R_EL1
	cmp	w1, w2
	b.eq	3f
	ubfx	w2, w4, #20, #2			// op0
	cmp	w2, #2
	b.eq	1f
	ubfx	w3, w4, #10, #4			// CRn
	cmp	w3, #7				// with op0 = 1: cache maintenance
	ccmp	w2, #1, #0, eq
	b.eq	2f
	mov	w1, #(1 << 1 | 1 << 5 | 1 << 9 | 1 << 10 | 1 << 12 | 1 << 14)
	lsr	w1, w1, w3			// ACTLR_EL1, error records, PMU, ordering regions, GIC, timers
	tbnz	w1, #0, 1f
	mov_32	w0, (ESR_IL)			// EC 0: unknown reason
	mov	x1, #0
	bl	inject_exception
	handled

1:	tbz	w4, #0, 2f
	ubfx	x1, x4, #5, #5
	mov	x2, #0
	bl	set_guest_register
2:	skip_instruction
	say	msg_sysreg
	handled

3:	ubfx	x1, x4, #5, #5
	bl	get_guest_register
	bl	vgic_send_sgi
	skip_instruction
	handled
	endfunc	exit_sysreg

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

// inject_exception: x0 syndrome for ESR_EL1, x1 address for FAR_EL1: the guest takes a synchronous exception at EL1, as
// if the CPU had raised it. Clobbers x0-x4.
	func	inject_exception
	str	x0, [x19, #vcpu.ctxt + ctxt.esr_el1]
	str	x1, [x19, #vcpu.ctxt + ctxt.far_el1]
	ldp	x2, x3, [x19, #vcpu.ctxt + ctxt.pc]	// and pstate
	str	x2, [x19, #vcpu.ctxt + ctxt.elr_el1]
	str	x3, [x19, #vcpu.ctxt + ctxt.spsr_el1]
	ldr	x2, [x19, #vcpu.ctxt + ctxt.vbar_el1]
	and	x4, x3, #0xf
	cmp	x4, #PSR_EL1H
	b.eq	1f
	cbnz	x4, 2f				// EL1 with SP_EL0: the first quarter of the table
	add	x2, x2, #0x200			// EL0: the third
1:	add	x2, x2, #0x200			// EL1 with SP_EL1: the second
2:	str	x2, [x19, #vcpu.ctxt + ctxt.pc]
	and	x3, x3, #PSR_PAN
	mov	x4, #PSR_DAIF | PSR_EL1H
	orr	x3, x3, x4
	str	x3, [x19, #vcpu.ctxt + ctxt.pstate]
	ret
	endfunc	inject_exception

// Whatever else: the guest cannot go on. x0 = VCPU_OFF, and its VM ends.
	handler	exit_unknown
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
	mov	x0, #1
	str	x0, [x27, #vm.ended]
	mov	x0, #VCPU_OFF
	ldp	x29, x30, [sp], #16
	ret
	endfunc	exit_unknown

	.section .rodata
msg_wfx:
	.asciz	"host: the guest waits (WFI)\n"
msg_sysreg:
	.asciz	"host: the guest read a register that is not its own\n"
msg_unknown:
	.asciz	"host: cannot go on with the guest, ESR_EL2 "
msg_guest_pc:
	.asciz	", pc "
