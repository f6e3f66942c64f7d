// irq.S: the host's vectors, its interrupt controller (GICv3) and its timer.

	.text

	.equ	GICD_CTLR, 0x0
	.equ	GICR_STRIDE_BIT, 17		// 128 KiB a CPU
	.equ	GICR_WAKER, 0x14
	.equ	GICR_SGI, 0x10000		// second frame of the redistributor: interrupts 0-31
	.equ	GICR_IGROUPR0, GICR_SGI + 0x80
	.equ	GICR_ISENABLER0, GICR_SGI + 0x100
	.equ	GICR_ISACTIVER0, GICR_SGI + 0x300
	.equ	GICR_ICACTIVER0, GICR_SGI + 0x380
	.equ	GICR_IPRIORITYR, GICR_SGI + 0x400

// What may interrupt a CPU. The maintenance interrupt and the virtual timer only bring us out of the guest: on the way
// out EL2 silences their sources, and the host finds out what happened from what was saved.
	.equ	HOST_INTIDS, 1 << INTID_KICK | 1 << INTID_HOST_FP | 1 << INTID_MAINTENANCE | 1 << INTID_VTIMER | 1 << INTID_HOST_TIMER

	.balign	2048
	.type	host_vectors, %function
host_vectors:
	.rept	4
	vector	host_unexpected			// with SP_EL0
	.endr
	vector	host_unexpected			// from ourselves: synchronous
	vector	host_irq			//   IRQ
	.rept	10
	vector	host_unexpected
	.endr
	.size	host_vectors, . - host_vectors

// host_unexpected: any other exception of the host. It does not return.
	func	host_unexpected
	adr_l	x0, msg_unexpected
	b	host_give_up
	endfunc	host_unexpected

// host_irq: acknowledge, do what the interrupt asks for, end of interrupt. Interrupts come only where the host lets them
// in (host_take_interrupts), so x28 is valid. Registers that a function may change are saved.
	func	host_irq
	stp	x29, x30, [sp, #-192]!
	mov	x29, sp
	stp	x0, x1, [sp, #16]
	stp	x2, x3, [sp, #32]
	stp	x4, x5, [sp, #48]
	stp	x6, x7, [sp, #64]
	stp	x8, x9, [sp, #80]
	stp	x10, x11, [sp, #96]
	stp	x12, x13, [sp, #112]
	stp	x14, x15, [sp, #128]
	stp	x16, x17, [sp, #144]
	mrs	x0, icc_iar1_el1		// which one; from here on it is active
	stp	x18, x0, [sp, #160]
	cmp	w0, #1020			// 1020-1023: nothing is pending any more, and nothing is to be ended
	b.hs	2f
	cmp	w0, #INTID_HOST_TIMER
	b.eq	3f
	cmp	w0, #INTID_HOST_FP
	b.ne	1f				// the others have done their work by interrupting
	bl	host_neon_section
1:	ldr	x0, [sp, #168]
	msr	icc_eoir1_el1, x0
2:	ldp	x18, x0, [sp, #160]
	ldp	x16, x17, [sp, #144]
	ldp	x14, x15, [sp, #128]
	ldp	x12, x13, [sp, #112]
	ldp	x10, x11, [sp, #96]
	ldp	x8, x9, [sp, #80]
	ldp	x6, x7, [sp, #64]
	ldp	x4, x5, [sp, #48]
	ldp	x2, x3, [sp, #32]
	ldp	x0, x1, [sp, #16]
	ldp	x29, x30, [sp], #192
	eret

3:	msr	cntp_ctl_el0, xzr		// level-sensitive: silence it before the EOI
	isb
	ldr	x1, [x28, #percpu.timer_ticks]
	add	x1, x1, #1
	str	x1, [x28, #percpu.timer_ticks]
	mov	x1, #1
	str	x1, [x28, #percpu.need_resched]
	.if	HOST_NEON
	bl	host_neon_section
	.endif
	b	1b
	endfunc	host_irq

// host_irq_init: the distributor, and what belongs to the first CPU. Clobbers x0-x2.
	func	host_irq_init
	mov	x0, #GICD_BASE
	mov	w1, #0x12			// affinity routing, group 1
	str	w1, [x0, #GICD_CTLR]
	endfunc	host_irq_init			// it goes on

// host_irq_init_cpu: redistributor and CPU interface of this CPU. Clobbers x0-x2.
	func	host_irq_init_cpu
	str	xzr, [x28, #percpu.vtimer_active]
	gicr	x0, x1
	ldr	w1, [x0, #GICR_WAKER]
	and	w1, w1, #~(1 << 1)		// ProcessorSleep = 0 ...
	str	w1, [x0, #GICR_WAKER]
1:	ldr	w1, [x0, #GICR_WAKER]
	tbnz	w1, #2, 1b			// ... until ChildrenAsleep is 0

	add	x0, x0, #GICR_SGI
	mov	w1, #-1
	str	w1, [x0, #GICR_IGROUPR0 - GICR_SGI]	// all in group 1: signalled as IRQ
	add	x1, x0, #GICR_IPRIORITYR - GICR_SGI
	mov_32	w2, 0x80808080
	.irp	n, 0, 4, 8, 12, 16, 20, 24, 28
	str	w2, [x1, #\n]
	.endr
	mov_32	w1, HOST_INTIDS
	str	w1, [x0, #GICR_ISENABLER0 - GICR_SGI]
	dsb	sy

	mov	x1, #1
	msr	icc_sre_el1, x1			// system registers instead of the memory-mapped CPU interface
	isb
	mov	x1, #0xff
	msr	icc_pmr_el1, x1			// every priority may interrupt
	msr	icc_bpr1_el1, xzr
	mov	x1, #1
	msr	icc_igrpen1_el1, x1
	isb
	ret
	endfunc	host_irq_init_cpu

// host_timer_start: x0 microseconds from now. Clobbers x0-x2.
	func	host_timer_start
	mrs	x1, cntfrq_el0
	mul	x0, x0, x1
	mov_32	x1, 1000000
	udiv	x0, x0, x1
	mrs	x1, cntpct_el0
	add	x0, x0, x1
	endfunc	host_timer_start		// it goes on

// host_timer_at: x0 the time. Clobbers x1.
	func	host_timer_at
	msr	cntp_cval_el0, x0
	mov	x1, #TIMER_ENABLE
	msr	cntp_ctl_el0, x1
	isb
	ret
	endfunc	host_timer_at

// host_take_interrupts: open the window for an interrupt that is pending. No register changes; the FP registers may.
	func	host_take_interrupts
	msr	daifclr, #2
	isb					// it is taken here at the latest
	msr	daifset, #2
	ret
	endfunc	host_take_interrupts

// host_interrupt_for_fp: interrupts this CPU with INTID_HOST_FP, and waits until the handler has done its work. Clobbers
// x0, x1, x6, x7, x14.
	func	host_interrupt_for_fp
	mov	x14, x30
	ldr	x0, [x28, #percpu.cpu]
	mov	x1, #1
	lsl	x1, x1, x0			// the target list: ourselves
	mov	x0, #INTID_HOST_FP
	orr	x0, x1, x0, lsl #24
	ldr	x6, [x28, #percpu.neon_sections]
	msr	icc_sgi1r_el1, x0
	isb
1:	bl	host_take_interrupts
	ldr	x7, [x28, #percpu.neon_sections]
	cmp	x6, x7
	b.eq	1b
	ret	x14
	endfunc	host_interrupt_for_fp

	.section .rodata
msg_unexpected:
	.asciz	"host: unexpected exception, ESR_EL1 "
