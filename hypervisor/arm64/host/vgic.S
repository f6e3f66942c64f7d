// vgic.S: virtual interrupts. vcpu.pending and vcpu.active say what waits and what the guest is busy with; before an
// entry the most important ones go to list registers, after an exit they are folded back.

	.text

// host_vgic_init: how many list registers are there? Clobbers x0-x3.
	func	host_vgic_init
	.if	VHE
	mrs	x1, ich_vtr_el2
	str	x1, [x28, #percpu.ich_vtr_el2]
	.else
	ldr	x1, [x28, #percpu.ich_vtr_el2]	// EL2 has left it there
	.endif
	and	x1, x1, #0x1f			// ListRegs, less one
	add	x1, x1, #1
	mov	x0, #MAX_LRS
	cmp	x1, x0
	csel	x1, x1, x0, lo
	adr_l	x0, vgic_lrs
	str	x1, [x0]
	ret
	endfunc	host_vgic_init

// vgic_timer: x19 vcpu, x27 vm. The virtual timer's interrupt is a level: pending as long as the timer says so. Once it
// is in a list register, the physical interrupt must not disturb us: it is made active, and the guest's end of
// interrupt deactivates both (ICH_LR.HW). Under the lock. Clobbers x0-x6.
	func	vgic_timer
	ldr	x0, [x19, #vcpu.cntv_ctl_el0]
	and	x0, x0, #TIMER_ENABLE | TIMER_IMASK
	ldr	x1, [x19, #vcpu.cntv_cval_el0]
	ldr	x2, [x27, #vm.cntvoff_el2]
	mrs	x3, cntpct_el0
	sub	x2, x3, x2			// the guest's time
	cmp	x0, #TIMER_ENABLE
	ccmp	x2, x1, #0, eq
	ldr	x3, [x19, #vcpu.pending]
	ldr	x4, [x19, #vcpu.active]
	b.lo	1f				// (#0: C clear, as if the time had not come)
	orr	x5, x3, #1 << INTID_VTIMER
	tst	x4, #1 << INTID_VTIMER
	csel	x3, x5, x3, eq			// with HW, never pending and active at once
	b	2f
1:	and	x3, x3, #~(1 << INTID_VTIMER)
2:	str	x3, [x19, #vcpu.pending]
	orr	x3, x3, x4
	ubfx	x3, x3, #INTID_VTIMER, #1
	b	vgic_set_vtimer_active
	endfunc	vgic_timer

// vgic_set_vtimer_active: x3 1 or 0: the state of the physical interrupt of this CPU's virtual timer. Clobbers x0, x1,
// x5, x6.
	func	vgic_set_vtimer_active
	ldr	x5, [x28, #percpu.vtimer_active]
	cmp	x5, x3
	b.eq	1f
	str	x3, [x28, #percpu.vtimer_active]
	gicr	x0, x1
	mov	w1, #1 << INTID_VTIMER
	mov_32	x5, GICR_ISACTIVER0
	mov_32	x6, GICR_ICACTIVER0
	cmp	x3, #0
	csel	x5, x6, x5, eq
	str	w1, [x0, x5]
	dsb	sy
1:	ret
	endfunc	vgic_set_vtimer_active

// vgic_flush: x19 vcpu, x27 vm: to the list registers. Clobbers x0-x15.
	func	vgic_flush
	ldr	x0, [x19, #vcpu.pending]
	ldr	x1, [x19, #vcpu.active]
	ldr	x2, [x19, #vcpu.cntv_ctl_el0]
	and	x2, x2, #TIMER_ENABLE
	orr	x0, x0, x1
	orr	x0, x0, x2
	ldr	x2, [x28, #percpu.vtimer_active]
	orr	x0, x0, x2
	mov	x1, #ICH_HCR_EN
	cbz	x0, 4f				// most of the time there is nothing

	stp	x29, x30, [sp, #-16]!
	mov	x29, sp
	bl	lock_host
	bl	vgic_timer
	ldr	x8, [x19, #vcpu.pending]
	ldr	x9, [x19, #vcpu.active]
	adr_l	x10, vgic_lrs
	ldr	x10, [x10]
	mov	x11, #0				// list registers in use
	add	x12, x19, #vcpu.ich_lr

	// First what is active: it has to be there when the guest ends it. Then what is pending.
1:	cmp	x11, x10
	b.hs	3f
	mov	x0, x9
	cbnz	x0, 2f
	mov	x0, x8
	cbz	x0, 3f
2:	bl	vgic_first
	mov	x2, #1
	lsl	x2, x2, x1
	tst	x8, x2
	cset	x3, ne				// pending
	tst	x9, x2
	cset	x4, ne				// active
	bic	x8, x8, x2
	bic	x9, x9, x2
	lsl	x3, x3, #ICH_LR_PENDING
	orr	x3, x3, x4, lsl #ICH_LR_ACTIVE
	orr	x3, x3, x1			// vINTID
	orr	x3, x3, x0, lsl #ICH_LR_PRIORITY
	orr	x3, x3, #1 << ICH_LR_GROUP1
	cmp	x1, #INTID_VTIMER
	mov	x4, #INTID_VTIMER
	lsl	x4, x4, #ICH_LR_PINTID
	orr	x4, x4, #1 << ICH_LR_HW		// pINTID, and the link
	csel	x4, x4, xzr, eq
	orr	x3, x3, x4
	cmp	x1, #32
	mov	x4, #1 << ICH_LR_EOI
	csel	x4, x4, xzr, hs			// shared interrupts: tell us when the guest has done with it
	orr	x3, x3, x4
	str	x3, [x12, x11, lsl #3]
	add	x11, x11, #1
	b	1b

	// What found no place stays pending, and asks for an interrupt as soon as there is room.
3:	str	x8, [x19, #vcpu.pending]
	str	x9, [x19, #vcpu.active]
	orr	x0, x8, x9
	mov	x1, #ICH_HCR_EN
	mov	x2, #ICH_HCR_EN | ICH_HCR_UIE
	cmp	x0, #0
	csel	x1, x1, x2, eq
	str	x11, [x19, #vcpu.used_lrs]
	str	x1, [x19, #vcpu.ich_hcr_el2]
	bl	unlock_host
	ldp	x29, x30, [sp], #16
	ret
4:	str	xzr, [x19, #vcpu.used_lrs]
	str	x1, [x19, #vcpu.ich_hcr_el2]
	ret
	endfunc	vgic_flush

// vgic_first: x0 a set of INTIDs, not empty; x19 vcpu. Returns x1, the one with the highest priority (the lowest number),
// and x0, its priority. Clobbers x2-x6.
	func	vgic_first
	mov	x2, x0
	mov	w0, #0x100
	add	x6, x19, #vcpu.priority
1:	rbit	x3, x2
	clz	x3, x3				// the lowest one
	ldrb	w4, [x6, x3]
	cmp	w4, w0
	csel	w0, w4, w0, lo
	csel	x1, x3, x1, lo
	sub	x5, x2, #1
	ands	x2, x2, x5			// the others
	b.ne	1b
	ret
	endfunc	vgic_first

// vgic_sync: x19 vcpu: back from the list registers. Interrupts may have become pending in between: nothing of that is
// lost. Clobbers x0-x10, x15-x17.
	func	vgic_sync
	ldr	x10, [x19, #vcpu.used_lrs]
	cbz	x10, 4f
	mov	x9, x30
	bl	lock_host
	ldr	x0, [x19, #vcpu.pending]
	ldr	x1, [x19, #vcpu.active]
	add	x2, x19, #vcpu.ich_lr
	mov	x8, #0				// is the timer's interrupt still on its way?
1:	ldr	x3, [x2], #8
	and	x4, x3, #0x3f			// vINTID
	mov	x5, #1
	lsl	x5, x5, x4
	tbz	x3, #ICH_LR_PENDING, 2f
	orr	x0, x0, x5
2:	tbz	x3, #ICH_LR_ACTIVE, 3f
	orr	x1, x1, x5
3:	subs	x10, x10, #1
	b.ne	1b
	str	x0, [x19, #vcpu.pending]
	str	x1, [x19, #vcpu.active]
	str	xzr, [x19, #vcpu.used_lrs]
	orr	x0, x0, x1
	ubfx	x0, x0, #INTID_VTIMER, #1
	cbnz	x0, 5f
	str	xzr, [x28, #percpu.vtimer_active]	// the guest has ended it, and with it the physical one
5:	ldr	x0, [x19, #vcpu.ich_eisr_el2]
	ldr	x1, [x19, #vcpu.eois]
6:	cbz	x0, 7f
	sub	x2, x0, #1
	and	x0, x0, x2
	add	x1, x1, #1
	b	6b
7:	str	x1, [x19, #vcpu.eois]
	bl	unlock_host
	mov	x30, x9
4:	ret
	endfunc	vgic_sync

// vgic_put: the vcpu leaves this CPU, and with it its interest in this CPU's timer. Clobbers x0, x1, x3, x5, x6.
	func	vgic_put
	mov	x3, #0
	b	vgic_set_vtimer_active
	endfunc	vgic_put

// vgic_send_sgi: x0 what the guest wrote to ICC_SGI1R_EL1; x19 vcpu, x27 vm. Under the lock. Clobbers x0-x9.
	func	vgic_send_sgi
	ubfx	x1, x0, #24, #4			// INTID
	mov	x2, #1
	lsl	x1, x2, x1
	mov	x3, #0				// number of the vcpu
	ldr	x4, [x27, #vm.vcpus]
	to_host	x4
	ldr	x5, [x27, #vm.nr_vcpus]
	mov	x7, #0				// is there another one among the targets?
1:	cmp	x4, x19
	cset	x9, ne
	tbnz	x0, #40, 2f			// IRM: all but the sender
	lsr	x6, x0, x3			// target list: bit n is Aff0 = n
	tbz	x6, #0, 3f
	b	4f
2:	cbz	x9, 3f
4:	orr	x7, x7, x9
	ldr	x8, [x4, #vcpu.pending]
	orr	x8, x8, x1
	str	x8, [x4, #vcpu.pending]
3:	add	x4, x4, #vcpu.size
	add	x3, x3, #1
	cmp	x3, x5
	b.lo	1b
	cbnz	x7, kick_others
	ret
	endfunc	vgic_send_sgi

	.bss
	.balign	8
vgic_lrs:
	.space	8
