// script.S: the CPUs do what a table says, one entry after the other, whichever CPU it names: so a test can try any order
// of runs, preemptions, migrations and uses of FP, and knows who must own what after each step.

	.if	SCRIPT

	.equ	SCRIPT_ENTRIES, 16384

	.macro	script_order op, cpu=0, vcpu=0, arg=0
	.byte	\op, \cpu, \vcpu, \arg
	.endm
	.equ	ORDER_END, 0
	.equ	ORDER_RUN, 1			// run the vcpu until it has left to the host `arg` times; it stays loaded
	.equ	ORDER_NEON, 2			// an interrupt, whose handler uses FP
	.equ	ORDER_PUT, 3			// whatever vcpu is loaded leaves the CPU
	.equ	ORDER_TIMER, 4			// a timer interrupt `arg` ticks from now
	.equ	ORDER_TASK_FP, 5		// the host task goes on with its own FP work; a loaded vcpu is put before
	.equ	ORDER_TASK, 6			// the CPU's other task; a loaded vcpu is put before

	.text

// host_run_script: on every CPU, until the end of the table. x22 is the entry, x19 and x27 the loaded vcpu and its VM (0
// if there is none). Clobbers everything but x20, x21, x28-x30.
	func	host_run_script
	stp	x29, x30, [sp, #-32]!
	mov	x29, sp
	stp	x20, x21, [sp, #16]
	mov	x19, #0
1:	adr_l	x0, host_script_at
	ldar	x1, [x0]
	adr_l	x22, host_script
	add	x22, x22, x1, lsl #2
	ldrb	w2, [x22, #order.op]
	cbz	w2, 3f
	ldrb	w3, [x22, #order.cpu]
	ldr	x4, [x28, #percpu.cpu]
	cmp	x3, x4
	b.eq	2f
	wfe					// another CPU's turn
	b	1b

2:	bl	host_script_step
	adr_l	x0, host_script_at
	ldr	x1, [x0]
	add	x1, x1, #1
	stlr	x1, [x0]
	sev
	b	1b

3:	bl	script_put
	ldp	x20, x21, [sp, #16]
	ldp	x29, x30, [sp], #32
	ret
	endfunc	host_run_script

// host_script_step: x22 entry, w2 its first byte: does what it says. Clobbers everything but x22, x28-x30.
	func	host_script_step
	stp	x29, x30, [sp, #-16]!
	mov	x29, sp
	cmp	w2, #ORDER_TASK
	b.hi	1f
	adr_l	x0, script_orders
	ldr	x0, [x0, x2, lsl #3]
	blr	x0
1:	ldp	x29, x30, [sp], #16
	ret
	endfunc	host_script_step

// The orders: x22 entry, x19 and x27 the loaded vcpu and its VM, or x19 = 0. All clobber x0-x17, x23, x24.

// script_run: a vcpu that is off, or loaded on another CPU, is left alone. Sets x19, x27.
	func	script_run
	stp	x29, x30, [sp, #-16]!
	mov	x29, sp
	ldrb	w0, [x22, #order.vcpu]
	mov	x1, #vcpu.size
	adr_l	x2, vcpus
	madd	x23, x0, x1, x2
	cmp	x23, x19
	b.eq	1f
	ldr	x0, [x23, #vcpu.state]
	cmp	x0, #VCPU_READY
	b.ne	3f
	bl	script_put
	mov	x19, x23
	ldr	x27, [x19, #vcpu.vm]
	to_host	x27
	mov	x0, #VCPU_RUNNING
	str	x0, [x19, #vcpu.state]
	ldr	x0, [x28, #percpu.cpu]
	str	x0, [x19, #vcpu.cpu]
	bl	vcpu_load
1:	ldrb	w24, [x22, #order.arg]
2:	cbz	w24, 3f
	bl	host_run_once
	sub	w24, w24, #1
	cbnz	x0, 2b				// ready, waiting, running: all the same here
	bl	vcpu_leave			// x0 = 0, VCPU_OFF
	mov	x19, #0
3:	ldp	x29, x30, [sp], #16
	ret
	endfunc	script_run

// script_put: whatever is loaded leaves the CPU: x19 = 0.
	func	script_put
	cbz	x19, 1f
	mov	x23, x30
	mov	x0, #VCPU_READY
	bl	vcpu_leave
	mov	x19, #0
	mov	x30, x23
1:	ret
	endfunc	script_put

// script_timer: the host's timer, `arg` ticks from now. Clobbers x0, x1.
	func	script_timer
	ldrb	w0, [x22, #order.arg]
	mrs	x1, cntpct_el0
	add	x0, x0, x1
	b	host_timer_at
	endfunc	script_timer

// script_task_fp: a rule that a test can follow: in every register the low half grows by 1, the high half by 2; the
// rounding mode changes by bit 0, the flags by IOC. x19 = 0 on return.
	func	script_task_fp
	stp	x29, x30, [sp, #-16]!
	mov	x29, sp
	bl	script_put
	bl	fpsimd_restore_task
	.irp	n, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31
	mov	x0, v\n\().d[0]
	mov	x1, v\n\().d[1]
	add	x0, x0, #1
	add	x1, x1, #2
	mov	v\n\().d[0], x0
	mov	v\n\().d[1], x1
	.endr
	mrs	x0, fpcr
	eor	x0, x0, #1 << 22
	msr	fpcr, x0
	mrs	x0, fpsr
	eor	x0, x0, #1
	msr	fpsr, x0
	ldp	x29, x30, [sp], #16
	ret
	endfunc	script_task_fp

// script_task: the task that goes leaves its FP values in memory, if they are not there; the one that comes finds its own
// there when it needs them. x19 = 0 on return.
	func	script_task
	stp	x29, x30, [sp, #-16]!
	mov	x29, sp
	bl	script_put
	bl	fpsimd_save
	bl	fpsimd_flush
	ldr	x0, [x28, #percpu.task]
	to_host	x0
	adr_l	x1, tasks			// the tasks of all CPUs, then all the other ones
	mov	x2, #NR_CPUS << TASK_SHIFT
	sub	x0, x0, x1
	cmp	x0, x2
	b.lo	1f
	sub	x0, x0, x2
	b	2f
1:	add	x0, x0, x2
2:	add	x0, x0, x1
	ldr	x1, [x28, #percpu.cpu]
	str	x1, [x0, #task.number]
	to_hyp	x0
	str	x0, [x28, #percpu.task]
	ldp	x29, x30, [sp], #16
	ret
	endfunc	script_task

	.section .rodata
	.balign	8
script_orders:
	.quad	0, script_run, host_interrupt_for_fp, script_put, script_timer, script_task_fp, script_task

	.data
	.balign	8
host_script_at:
	.quad	0				// the entry that is to be done next
host_script:					// a test writes its own; this is a short one
	script_order ORDER_RUN, 0, 0, 3
	script_order ORDER_RUN, 1, 1, 3
	script_order ORDER_NEON, 0
	script_order ORDER_RUN, 0, 0, 2
	script_order ORDER_PUT, 0
	script_order ORDER_PUT, 1
	script_order ORDER_RUN, 0, 1, 2
	script_order ORDER_RUN, 1, 0, 2
	script_order ORDER_TASK_FP, 0
	script_order ORDER_TASK, 1
	script_order ORDER_TIMER, 1, 0, 20
	script_order ORDER_RUN, 1, 1, 2
	script_order ORDER_TASK_FP, 1
	script_order ORDER_TASK, 1
	script_order ORDER_END
	.space	(SCRIPT_ENTRIES - 15) * 4
	.endif
