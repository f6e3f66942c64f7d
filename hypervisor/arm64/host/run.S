// run.S: the run loop. Enter the guest, see why it came back, do what is needed, enter it again. In all of the loop, x19
// is the vcpu, x27 its virtual machine, x28 this CPU's percpu struct.

	.text

// host_run_vcpu: x19 vcpu, marked as running here. Returns when its time is over, when it waits, or when it is off.
// Clobbers everything but x28-x30.
	func	host_run_vcpu
	stp	x29, x30, [sp, #-16]!
	mov	x29, sp
	ldr	x27, [x19, #vcpu.vm]
	to_host	x27
	bl	vcpu_load
1:	bl	host_run_once
	cmp	x0, #VCPU_RUNNING
	b.ne	2f
	.if	SLICE_US
	ldr	x1, [x28, #percpu.need_resched]
	cbz	x1, 1b
	mov	x0, #VCPU_READY
	.else
	b	1b
	.endif
2:	bl	vcpu_leave
	ldp	x29, x30, [sp], #16
	ret
	endfunc	host_run_vcpu

// host_run_once: x19 vcpu, loaded on this CPU. Enters the guest, and handles the exit. Returns x0, the state of the vcpu
// now. Clobbers everything but x19, x22-x30.
	func	host_run_once
	stp	x29, x30, [sp, #-16]!
	mov	x29, sp
	bl	host_before_entry
	.if	VHE == 0
	mov_32	w0, HYP_FN_VCPU_RUN
	mov	x1, x19
	hvc	#0				// --- the guest runs here ---
	cbnz	x0, 3f
	.else
	mov	x1, x19
	bl	vcpu_run			// --- or here, if the host is at EL2, too ---
	.endif
	cmp	x1, #EXIT_REASONS
	b.hs	3f
	mov	x20, x1
	str	xzr, [x28, #percpu.in_guest]
	bl	fpsimd_ctxsync			// before interrupts: their handlers may use FP
	bl	vgic_sync
	ldr	x21, [x28, #percpu.timer_ticks]
	bl	host_take_interrupts

	bl	lock_host
	bl	host_count_tick
	adr_l	x2, exit_handlers
	ldr	x2, [x2, x20, lsl #3]
	blr	x2				// returns x0, the state of the vcpu now
	bl	host_record_exit
	bl	unlock_host
	ldr	x1, [x27, #vm.ended]
	cmp	x1, #0
	csel	x0, x0, xzr, eq			// another vcpu may have ended the VM: VCPU_OFF
	ldp	x29, x30, [sp], #16
	ret
3:	adr_l	x0, msg_run_failed
	b	host_give_up
	endfunc	host_run_once

// vcpu_leave: x19 vcpu, x27 its VM: it leaves this CPU, in the state x0. Clobbers x0-x17.
	func	vcpu_leave
	stp	x29, x30, [sp, #-32]!
	mov	x29, sp
	str	x0, [sp, #16]
	bl	lock_host
	bl	vcpu_put
	ldr	x0, [sp, #16]
	bl	vcpu_set_state
	bl	unlock_host
	ldp	x29, x30, [sp], #32
	ret
	endfunc	vcpu_leave

// vcpu_load: this CPU takes the vcpu at x19. Clobbers x0-x15.
	func	vcpu_load
	stp	x29, x30, [sp, #-16]!
	mov	x29, sp
	bl	fpsimd_map
	bl	fpsimd_load
	str	xzr, [x28, #percpu.need_resched]
	.if	SLICE_US
	mov_32	x0, SLICE_US
	bl	host_timer_start
	.endif
	ldp	x29, x30, [sp], #16
	ret
	endfunc	vcpu_load

// vcpu_put: it gives it back: nothing of the vcpu is left in the CPU. Clobbers x0-x15.
	func	vcpu_put
	stp	x29, x30, [sp, #-16]!
	mov	x29, sp
	bl	fpsimd_put
	bl	vgic_put
	msr	cntp_ctl_el0, xzr
	isb
	ldp	x29, x30, [sp], #16
	ret
	endfunc	vcpu_put

// vcpu_set_state: x19 vcpu, x27 its VM, x0 the state in which it has left this CPU. A VM ends with its last vcpu.
// Clobbers x0-x15.
	func	vcpu_set_state
	stp	x29, x30, [sp, #-16]!
	mov	x29, sp
	str	x0, [x19, #vcpu.state]
	mov	x1, #-1
	str	x1, [x19, #vcpu.cpu]
	cbnz	x0, 1f
	ldr	x1, [x27, #vm.vcpus_on]
	subs	x1, x1, #1
	str	x1, [x27, #vm.vcpus_on]
	b.ne	2f
	mov	x1, #1
	str	x1, [x27, #vm.ended]
	bl	vm_flush_line
	b	2f
1:	cmp	x0, #VCPU_READY			// somebody else may have time for it
	b.ne	3f
	ldr	x1, [x19, #vcpu.cpu_mask]
	ldr	x2, [x28, #percpu.cpu]
	lsr	x1, x1, x2
	tbnz	x1, #0, 3f			// we have
2:	bl	kick_others
3:	ldp	x29, x30, [sp], #16
	ret
	endfunc	vcpu_set_state

// host_before_entry: x19 vcpu, x27 vm. VMID, virtual interrupts, and the timer if the guest waits for ticks.
// Clobbers x0-x15.
	func	host_before_entry
	stp	x29, x30, [sp, #-16]!
	mov	x29, sp
	bl	vgic_flush
	bl	vmid_check
	ldr	x0, [x19, #vcpu.ticks_left]
	cbz	x0, 1f
	mrs	x1, cntp_ctl_el0
	tbnz	x1, #0, 1f			// it runs already
	mov	x0, #250
	bl	host_timer_start
1:	ldp	x29, x30, [sp], #16
	ret
	endfunc	host_before_entry

// host_count_tick: x19 vcpu, x27 vm, x21 percpu.timer_ticks before interrupts were taken. The guest may have asked to be
// told after some ticks. Clobbers x0-x6.
	func	host_count_tick
	ldr	x6, [x28, #percpu.timer_ticks]
	cmp	x6, x21
	b.eq	1f
	ldr	x0, [x19, #vcpu.ticks_left]
	cbz	x0, 1f
	subs	x0, x0, #1
	str	x0, [x19, #vcpu.ticks_left]
	b.ne	2f
	mov_32	x0, GUEST_SHARED
	ldr	x1, [x27, #vm.pa_offset]
	add	x0, x0, x1
	mov	w1, #1
	stlr	w1, [x0]			// the guest reads it with LDAR
2:	.if	VERBOSE
	mov	x7, x30
	adr_l	x0, msg_irq
	bl	host_puts
	mov	x0, x6
	bl	host_putdec
	adr_l	x0, msg_newline
	bl	host_puts
	mov	x30, x7
	.endif
1:	ret
	endfunc	host_count_tick

// host_record_exit: x19 vcpu, x20 exit reason. A hash of all exits that do not depend on when an interrupt comes: on any
// machine a guest has the same. Clobbers x1-x6; x0 is kept.
	func	host_record_exit
	cmp	x20, #EXIT_IRQ
	b.eq	1f
	cmp	x20, #EXIT_WFX
	b.eq	1f
	ldr	x1, [x19, #vcpu.sequence]
	movz	x2, #0x1b3			// the prime of 64-bit FNV
	movk	x2, #0x100, lsl #32
	eor	x1, x1, x20
	mul	x1, x1, x2
	ldr	w3, [x19, #vcpu.esr_el2]
	eor	x1, x1, x3
	mul	x1, x1, x2
	adr_l	x5, guest_image_start
	ldr	x3, [x19, #vcpu.ctxt + ctxt.pc]
	sub	x3, x3, x5			// wherever the program is linked
	eor	x1, x1, x3
	mul	x1, x1, x2
	str	x1, [x19, #vcpu.sequence]
	cmp	x20, #EXIT_STAGE2
	b.ne	1f
	ldr	x3, [x19, #vcpu.hpfar_el2]
	ubfx	x3, x3, #4, #36
	lsl	x3, x3, #12			// the page
	adr_l	x6, guest_image_end
	cmp	x3, x5
	ccmp	x3, x6, #2, hs
	b.hs	2f
	sub	x3, x3, x5			// one of the image
2:	eor	x1, x1, x3
	mul	x1, x1, x2
	str	x1, [x19, #vcpu.sequence]
1:	ret
	endfunc	host_record_exit

	.section .rodata
	.balign	8
exit_handlers:	// by exit reason
	.quad	exit_unknown
	.quad	exit_irq
	.quad	exit_hvc
	.quad	exit_smc
	.quad	exit_wfx
	.quad	exit_sysreg
	.quad	exit_stage2
	.quad	exit_unknown			// FP traps are handled at EL2
	.quad	exit_unknown			// SError
msg_irq:
	.asciz	"host: the timer interrupted the guest, tick "
msg_run_failed:
	.asciz	"host: vcpu_run failed, ESR_EL1 "
