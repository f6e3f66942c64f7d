// fpsimd.S: FP and SIMD registers, lazily. There is one set of registers in a CPU, and many who have values for it: the
// tasks of the host, the guests, and the host's interrupt handlers. Nothing is exchanged before somebody needs it.
//
// percpu.fp_loaded points to the fp struct whose values the registers hold (the struct itself may be out of date);
// it is 0 if nobody's values are there. percpu.host.fp_owner says the same in one word, for EL2 and the debugger.
// While a guest runs, EL2 may give the registers to it (hyp/fpsimd.S); fp_loaded learns that after the exit.
//
// Four hooks of the run loop:
//	fpsimd_map	another host task runs this vcpu now: EL2 must be able to reach that task's fp struct
//	fpsimd_load	into the run loop
//	fpsimd_ctxsync	after an exit, before interrupts: whoever wants the registers must know whose values to save
//	fpsimd_put	out of the run loop: the guest's values go home
// All of them: x19 vcpu, x28 percpu; interrupts are masked. The registers never hold values of a guest whose vcpu is not
// loaded on this CPU.

	.text

// fpsimd_map: under no lock: it takes it. Clobbers x0-x17.
	func	fpsimd_map
	ldr	x0, [x28, #percpu.task]
	ldr	x1, [x19, #vcpu.task]
	cmp	x0, x1
	b.eq	2f
	str	x0, [x19, #vcpu.task]
	add	x1, x0, #task.fp
	str	x1, [x19, #vcpu.host_fp]
	.if	VHE == 0
	stp	x29, x30, [sp, #-16]!
	mov	x29, sp
	bl	lock_host
	ldr	x10, [x28, #percpu.task]
	to_host	x10
	ldr	x0, [x10, #task.mapped]
	cbnz	x0, 1f
	mov	x0, #1
	str	x0, [x10, #task.mapped]
	adr_l	x0, hyp_pgd
	ldr	x0, [x0]
	mov	x1, x10
	to_hyp	x1
	mov	x2, x10
	mov	x3, #PAGE_SIZE
	ldr	x4, =EL2_DATA
	bl	map_range
1:	bl	unlock_host
	ldp	x29, x30, [sp], #16
	.endif
2:	ret
	endfunc	fpsimd_map

// fpsimd_load: are the task's values in the registers? If not, they are in memory, and EL2 has nothing to save before it
// gives the registers to the guest. Clobbers x0, x1.
	func	fpsimd_load
	ldr	x0, [x28, #percpu.task]
	to_host	x0
	add	x0, x0, #task.fp
	ldr	x1, [x28, #percpu.fp_loaded]
	cmp	x0, x1
	mov	x0, #FP_HOST
	mov	x1, #FP_NONE
	csel	x0, x0, x1, eq
	str	x0, [x28, #FP_OWNER]
	str	xzr, [x28, #FP_VCPU]
	ret
	endfunc	fpsimd_load

// fpsimd_ctxsync: if the guest has used FP, the registers are its own. Clobbers x0, x1.
	func	fpsimd_ctxsync
	ldr	x0, [x28, #FP_OWNER]
	cmp	x0, #FP_GUEST
	b.ne	1f
	add	x0, x19, #vcpu.fp
	b	fpsimd_bind_state_to_cpu
1:	ret
	endfunc	fpsimd_ctxsync

// fpsimd_put: the guest's values, if they are in the registers, to the vcpu. Clobbers x0, x1.
	func	fpsimd_put
	ldr	x0, [x28, #FP_OWNER]
	cmp	x0, #FP_GUEST
	b.ne	1f
	stp	x29, x30, [sp, #-16]!
	mov	x29, sp
	bl	fpsimd_save
	bl	fpsimd_flush
	ldp	x29, x30, [sp], #16
1:	ret
	endfunc	fpsimd_put

// fpsimd_bind_state_to_cpu: x0 fp struct: its values are in the registers of this CPU.
	func	fpsimd_bind_state_to_cpu
	str	x0, [x28, #percpu.fp_loaded]
	ret
	endfunc	fpsimd_bind_state_to_cpu

// fpsimd_save, fpsimd_save_guest: the registers, to where their values belong, be that a task or a vcpu. Clobbers x0, x1.
	func	fpsimd_save
	ldr	x0, [x28, #percpu.fp_loaded]
	cbz	x0, 1f
	ldr	x1, [x28, #FP_OWNER]
	cmp	x1, #FP_GUEST
	b.eq	fpsimd_save_guest
fpsimd_save_host:
	save_fp	x0, x1
1:	ret
	endfunc	fpsimd_save

	func	fpsimd_save_guest
	save_fp	x0, x1
	ret
	endfunc	fpsimd_save_guest

// fpsimd_flush: nobody's values are in the registers any more. Clobbers x0.
	func	fpsimd_flush
	str	xzr, [x28, #percpu.fp_loaded]
	mov	x0, #FP_NONE
	str	x0, [x28, #FP_OWNER]
	str	xzr, [x28, #FP_VCPU]
	ret
	endfunc	fpsimd_flush

// fpsimd_restore_task: the host task goes on with its own work: its values must be there. Clobbers x0, x1.
	func	fpsimd_restore_task
	ldr	x0, [x28, #percpu.task]
	to_host	x0
	add	x0, x0, #task.fp
	ldr	x1, [x28, #percpu.fp_loaded]
	cmp	x0, x1
	b.eq	1f
fpsimd_load_task:
	load_fp	x0, x1
	str	x0, [x28, #percpu.fp_loaded]
	str	xzr, [x28, #FP_OWNER]		// FP_HOST
	str	xzr, [x28, #FP_VCPU]
1:	ret
	endfunc	fpsimd_restore_task

// host_neon_section: an interrupt handler that uses SIMD registers. Before, whatever is in them is saved to where it
// belongs; after, nothing is restored: who needs it will load it. It writes all registers, and the rounding mode, so
// that a loss would be noticed. Clobbers x0, x1.
	func	host_neon_section
	stp	x29, x30, [sp, #-16]!
	mov	x29, sp
	bl	fpsimd_save
	bl	fpsimd_flush
	ldr	x0, [x28, #percpu.neon_sections]
	add	x0, x0, #1
	str	x0, [x28, #percpu.neon_sections]
	movk	x0, #0x4e4e, lsl #48		// "NN", to be recognised by
	.irp	n, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15
	dup	v\n\().2d, x0
	.endr
	.irp	n, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31
	dup	v\n\().2d, x0
	.endr
	mov	x1, #3 << 22			// FPCR.RMode: towards zero
	msr	fpcr, x1
	mov	x1, #0x1f			// FPSR: all exceptions have happened
	msr	fpsr, x1
	ldp	x29, x30, [sp], #16
	ret
	endfunc	host_neon_section
	.ltorg
