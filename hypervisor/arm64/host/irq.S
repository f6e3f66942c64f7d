// irq.S: the host's vectors, its interrupt controller (GICv3) and its timer.

	.text

	.equ	TIMER_INTID, 30			// the EL1 physical timer
	.equ	GICD_CTLR, 0x0
	.equ	GICR_WAKER, 0x14
	.equ	GICR_SGI, 0x10000		// second frame of the redistributor: interrupts 0-31
	.equ	GICR_IGROUPR0, GICR_SGI + 0x80
	.equ	GICR_ISENABLER0, GICR_SGI + 0x100
	.equ	GICR_IPRIORITYR, GICR_SGI + 0x400

	.balign	2048
	.type	host_vectors, %function
host_vectors:
	.rept	4
	vector	host_unexpected			// from EL1 with SP_EL0
	.endr
	vector	host_unexpected			// from EL1 with SP_EL1: synchronous
	vector	host_irq			//   IRQ
	.rept	10
	vector	host_unexpected
	.endr
	.size	host_vectors, . - host_vectors

	func	host_unexpected
	adr_l	x0, msg_unexpected
	b	host_give_up
	endfunc	host_unexpected

// host_irq: acknowledge, silence the timer, count, end of interrupt.
	func	host_irq
	stp	x0, x1, [sp, #-32]!
	stp	x2, x3, [sp, #16]
	mrs	x0, icc_iar1_el1		// which one; from here on it is active
	cmp	w0, #TIMER_INTID
	b.ne	1f
	msr	cntp_ctl_el0, xzr		// level-sensitive: silence it before the EOI
	isb
	adr_l	x1, timer_ticks
	ldr	x2, [x1]
	add	x2, x2, #1
	str	x2, [x1]
1:	cmp	w0, #1020			// 1020-1023: nothing was pending, and nothing is to be ended
	b.hs	2f
	msr	icc_eoir1_el1, x0
2:	ldp	x2, x3, [sp, #16]
	ldp	x0, x1, [sp], #32
	eret
	endfunc	host_irq

// host_irq_init: distributor, redistributor and CPU interface, for the one interrupt that we use. Clobbers x0, x1.
	func	host_irq_init
	mov	x0, #GICD_BASE
	mov	w1, #0x12			// affinity routing, group 1
	str	w1, [x0, #GICD_CTLR]

	mov_32	x0, GICR_BASE
	ldr	w1, [x0, #GICR_WAKER]
	and	w1, w1, #~(1 << 1)		// ProcessorSleep = 0 ...
	str	w1, [x0, #GICR_WAKER]
1:	ldr	w1, [x0, #GICR_WAKER]
	tbnz	w1, #2, 1b			// ... until ChildrenAsleep is 0

	add	x0, x0, #GICR_SGI
	mov	w1, #-1
	str	w1, [x0, #GICR_IGROUPR0 - GICR_SGI]	// all in group 1: signalled as IRQ
	mov	w1, #0x80
	strb	w1, [x0, #GICR_IPRIORITYR - GICR_SGI + TIMER_INTID]
	mov	w1, #1 << TIMER_INTID
	str	w1, [x0, #GICR_ISENABLER0 - GICR_SGI]
	dsb	sy

	mov	x1, #1
	msr	icc_sre_el1, x1			// system registers instead of the memory-mapped CPU interface
	isb
	mov	x1, #0xff
	msr	icc_pmr_el1, x1			// every priority may interrupt
	mov	x1, #1
	msr	icc_igrpen1_el1, x1
	isb
	ret
	endfunc	host_irq_init

// host_timer_start: one interrupt, a quarter of a millisecond from now. Clobbers x0, x1.
	func	host_timer_start
	mrs	x0, cntfrq_el0
	mov	x1, #4000
	udiv	x0, x0, x1
	msr	cntp_tval_el0, x0
	mov	x0, #1				// enabled, not masked
	msr	cntp_ctl_el0, x0
	isb
	ret
	endfunc	host_timer_start

// host_take_interrupts: open the window for an interrupt that is pending.
	func	host_take_interrupts
	msr	daifclr, #2
	isb					// it is taken here at the latest
	msr	daifset, #2
	ret
	endfunc	host_take_interrupts

	.section .rodata
msg_unexpected:
	.asciz	"host: unexpected exception, ESR_EL1 "

	.bss
	.balign	8
timer_ticks:
	.space	8
