// timer.S: interrupts that a hypervisor makes. The virtual timer ticks; then interrupts are pending in numbers and with
// priorities that the list registers alone cannot hold.

	.section .guest
	.balign	8

	.equ	TIMER_PERIOD,	2000		// ticks of the counter: 32 microseconds

// timer: x0 = ticks to wait for.
	payload	timer
	bl	guest_gic_on
	adr_l	x0, timer_irq
	adr_l	x1, guest_on_irq
	str	x0, [x1]
	adr_l	x21, timer_ticks_seen
	adr_l	x0, timer_wanted
	str	x19, [x0]

	// 1. The virtual timer, once each time it is armed.
	mov	x0, #TIMER_PERIOD
	msr	cntv_tval_el0, x0
	mov	x0, #1
	msr	cntv_ctl_el0, x0
	msr	daifclr, #2
1:	ldr	x0, [x21]
	cmp	x0, x19
	b.hs	2f
	wfi
	b	1b
2:	msr	daifset, #2
	msr	cntv_ctl_el0, xzr
	report	0x71, x0
	adr_l	x0, timer_strange
	ldr	x0, [x0]
	cbnz	x0, guest_failed

	// 2. Two are pending: the more urgent one comes first, though it was made later.
	mov	x1, #40
	mov	x2, #0xa0
	guest_call GUEST_FN_INJECT
	mov	x1, #41
	mov	x2, #0x40
	guest_call GUEST_FN_INJECT
	bl	timer_take_all
	adr_l	x0, timer_order
	ldr	x0, [x0]			// the last INTID in bits 7:0, the one before above
	report	0x72, x0

	// 3. A mask by priority: PMR lets only the urgent one through, until it is opened.
	mov	x0, #0x80
	msr	icc_pmr_el1, x0
	mov	x1, #40
	mov	x2, #0xa0
	guest_call GUEST_FN_INJECT
	mov	x1, #41
	mov	x2, #0x40
	guest_call GUEST_FN_INJECT
	guest_call GUEST_FN_YIELD		// another machine may run now, and open its own mask
	bl	timer_take_all
	adr_l	x0, timer_order
	ldr	x3, [x0]
	and	x3, x3, #0xff
	report	0x73, x3
	mov	x0, #0xff
	msr	icc_pmr_el1, x0
	bl	timer_take_all
	adr_l	x0, timer_order
	ldr	x3, [x0]
	and	x3, x3, #0xffff
	report	0x74, x3

	// 4. Twenty at once: each is taken once, however few list registers there are.
	adr_l	x0, timer_seen
	stp	xzr, xzr, [x0]			// and timer_twice
	mov	x22, #40
3:	mov	x1, x22
	mov	x2, #0xa0
	guest_call GUEST_FN_INJECT
	add	x22, x22, #1
	cmp	x22, #60
	b.lo	3b
	bl	timer_take_all
	adr_l	x0, timer_seen
	ldr	x3, [x0]			// a bit for each INTID
	report	0x75, x3
	adr_l	x0, timer_twice
	ldr	x3, [x0]			// how often one came that had been seen
	report	0x76, x3

	adr_l	x0, timer_message
	bl	guest_puts
	mov	x1, #0
	b	guest_done
	endfunc	timer

// timer_take_all: until none that the priority mask lets through is pending any more. Clobbers x0.
	func	timer_take_all
	msr	daifclr, #2
1:	isb
	mrs	x0, isr_el1
	tbnz	x0, #7, 1b			// I: an IRQ is pending
	msr	daifset, #2
	ret
	endfunc	timer_take_all

// timer_irq: x0 INTID.
	func	timer_irq
	cmp	w0, #VIRTUAL_TIMER_INTID
	b.eq	1f
	adr_l	x1, timer_order
	ldr	x2, [x1]
	orr	x2, x0, x2, lsl #8
	str	x2, [x1]
	adr_l	x1, timer_seen
	ldr	x2, [x1]
	mov	x3, #1
	lsl	x3, x3, x0
	tst	x2, x3
	orr	x2, x2, x3
	str	x2, [x1]
	b.eq	2f
	adr_l	x1, timer_twice
	b	3f

	// The timer: its condition must hold (ISTATUS). Arm it again, until it has come as often as it should.
1:	mrs	x0, cntv_ctl_el0
	adr_l	x1, timer_strange
	tbz	x0, #2, 3f
	adr_l	x1, timer_ticks_seen
	ldp	x2, x3, [x1]			// and timer_wanted
	add	x2, x2, #1
	cmp	x2, x3
	b.hs	4f
	mov	x0, #TIMER_PERIOD
	msr	cntv_tval_el0, x0
	b	5f
4:	msr	cntv_ctl_el0, xzr
5:	isb
3:	ldr	x2, [x1]
	add	x2, x2, #1
	str	x2, [x1]
2:	ret
	endfunc	timer_irq

	.balign	8
timer_ticks_seen:
	.quad	0
timer_wanted:
	.quad	0
timer_strange:
	.quad	0
timer_order:
	.quad	0
timer_seen:
	.quad	0
timer_twice:
	.quad	0
timer_message:
	.asciz	"timer: interrupts came as they should\n"
