// sched.S: which vcpu runs where. Each CPU takes the next one that is ready and allowed there, in turn. All of it under
// the lock.

	.text

// host_scheduler: runs vcpus on this CPU until all are off. Clobbers everything but x20, x21, x28-x30.
	func	host_scheduler
	stp	x29, x30, [sp, #-32]!
	mov	x29, sp
	stp	x20, x21, [sp, #16]
1:	bl	lock_host
	bl	pick_vcpu
	bl	unlock_host
	cbz	x19, 2f
	bl	wake_idle_cpus			// there may be more than this one
	bl	host_run_vcpu
	b	1b
2:	cbz	x0, 3f
	bl	host_idle
	b	1b
3:	bl	kick_others			// they have nothing left to do, either
	ldp	x20, x21, [sp, #16]
	ldp	x29, x30, [sp], #32
	ret
	endfunc	host_scheduler

// pick_vcpu: returns x19, a vcpu that was ready and is marked running now, or 0; then x0 is the number of vcpus that are
// not off, and x1 the time at which the first one that waits on this CPU has a timer interrupt (or -1). Clobbers x2-x12.
	func	pick_vcpu
	adr_l	x2, vcpus
	ldr	x3, [x28, #percpu.next]
	ldr	x4, [x28, #percpu.cpu]
	mov	x5, #1
	lsl	x5, x5, x4			// this CPU in a mask
	mov	x6, #NR_VCPUS
	mrs	x7, cntpct_el0
	mov	x0, #0
	mov	x1, #-1
	mov	x19, #0

1:	mov	x8, #vcpu.size
	madd	x9, x3, x8, x2			// the candidate
	add	x3, x3, #1
	cmp	x3, #NR_VCPUS
	csel	x3, x3, xzr, lo
	ldr	x10, [x9, #vcpu.state]
	cbz	x10, 4f				// VCPU_OFF
	cmp	x10, #VCPU_RUNNING
	b.eq	5f
	ldr	x12, [x9, #vcpu.vm]
	to_host	x12
	ldr	x11, [x12, #vm.ended]
	cbnz	x11, 6f				// its VM has ended without it
	ldr	x11, [x9, #vcpu.cpu_mask]
	tst	x11, x5
	b.eq	5f
	cmp	x10, #VCPU_READY
	b.eq	3f

	// It waits (WFI). An interrupt wakes it: one that is pending, or that of its timer when the time has come.
	ldr	x10, [x9, #vcpu.pending]
	cbnz	x10, 3f
	ldr	x10, [x9, #vcpu.cntv_ctl_el0]
	and	x10, x10, #TIMER_ENABLE | TIMER_IMASK
	cmp	x10, #TIMER_ENABLE
	b.ne	5f
	ldr	x10, [x9, #vcpu.cntv_cval_el0]
	ldr	x11, [x12, #vm.cntvoff_el2]
	add	x10, x10, x11
	cmp	x10, x7
	b.ls	3f
	cmp	x10, x1
	csel	x1, x10, x1, lo
	b	5f

3:	mov	x19, x9
	mov	x10, #VCPU_RUNNING
	str	x10, [x9, #vcpu.state]
	str	x4, [x9, #vcpu.cpu]
	str	x3, [x28, #percpu.next]
	str	xzr, [x28, #percpu.idle]
	ret
6:	str	xzr, [x9, #vcpu.state]
	b	4f
5:	add	x0, x0, #1
4:	subs	x6, x6, #1
	b.ne	1b
	mov	x10, #1
	str	x10, [x28, #percpu.idle]
	ret
	endfunc	pick_vcpu

// wake_idle_cpus: kicks those that have found nothing. Each says so under the lock, so whoever had the lock later than
// the one who made a vcpu ready sees it. Clobbers x0-x5.
	func	wake_idle_cpus
	.if	NR_CPUS > 1
	mov	x0, #0				// target list: bit n is CPU n
	mov	x1, #1
	mov	x2, #NR_CPUS
	adr_l	x3, (percpu_areas+percpu.idle)
1:	ldr	x4, [x3]
	cmp	x4, #0
	orr	x5, x0, x1
	csel	x0, x0, x5, eq
	lsl	x1, x1, #1
	add	x3, x3, #percpu.size
	subs	x2, x2, #1
	b.ne	1b
	cbz	x0, 2f
	msr	icc_sgi1r_el1, x0		// INTID_KICK is 0
	isb
2:
	.endif
	ret
	endfunc	wake_idle_cpus

// host_idle: x1 when to wake up at the latest, or -1. A kick of another CPU that comes earlier is pending, and ends the
// WFI at once. Clobbers x0, x1.
	func	host_idle
	stp	x29, x30, [sp, #-16]!
	mov	x29, sp
	msr	cntp_ctl_el0, xzr
	cmn	x1, #1
	b.eq	1f
	mov	x0, x1
	bl	host_timer_at
1:	isb
	dsb	sy
	wfi
	bl	host_take_interrupts
	msr	cntp_ctl_el0, xzr
	isb
	ldp	x29, x30, [sp], #16
	ret
	endfunc	host_idle
