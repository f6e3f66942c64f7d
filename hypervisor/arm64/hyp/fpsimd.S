// fpsimd.S: EL2's part in the FP and SIMD registers. They are exchanged only for a guest that uses them: CPTR_EL2 traps
// its first use, and from then on they stay the guest's, across all exits, until the host needs them. Whose they are is
// percpu.host.fp_owner; the host's part, and the whole story, is in host/fpsimd.S.

	.section .hyp.text

	.if	ALWAYS_SWITCH_FPSIMD == 0

// fpsimd_enter: x0 per-CPU data, x1 vcpu that is about to be entered. Its use of FP traps unless it owns the registers.
// Clobbers x2, x3.
	func	fpsimd_enter
	ldr	x2, [x0, #FP_VCPU]		// null, unless the owner is a guest
	cmp	x2, x1
	mov_32	x2, CPTR_GUEST_FP
	mov_32	x3, CPTR_GUEST_TRAP
	csel	x2, x2, x3, eq
	msr	cptr_el2, x2
	ret
	endfunc	fpsimd_enter

// fpsimd_leave: nothing is saved. The host may use FP, after it has asked who the owner is. Clobbers x2.
	func	fpsimd_leave
	mov_32	x2, CPTR_HOST
	msr	cptr_el2, x2
	ret
	endfunc	fpsimd_leave

// fpsimd_trap: x0 vcpu. The guest wants the registers: the host's out, if they are the host's, the guest's in, and the
// same instruction again.
	func	fpsimd_trap
	mov_32	x1, CPTR_GUEST_FP
	msr	cptr_el2, x1			// the trap would be ours, too ...
	isb					// ... until this
	mrs	x1, tpidr_el2
	ldr	x2, [x1, #FP_OWNER]
	cmp	x2, #FP_GUEST
	b.eq	hyp_panic			// a vcpu that was not put: its registers would be lost
	cmp	x2, #FP_HOST
	b.ne	1f				// FP_NONE: what is in there is in memory, too
	ldr	x2, [x0, #vcpu.host_fp]
hyp_save_host_fp:
	save_fp	x2, x3
1:	add	x2, x0, #vcpu.fp
hyp_load_guest_fp:
	load_fp	x2, x3
	mov	x2, #FP_GUEST
	str	x2, [x1, #FP_OWNER]
	str	x0, [x1, #FP_VCPU]
	ldr	x2, [x0, #vcpu.fp_traps]
	add	x2, x2, #1
	str	x2, [x0, #vcpu.fp_traps]
	b	handled_at_el2
	endfunc	fpsimd_trap

	.else

// The build to compare with: the host's out, if they are there, and the guest's in at every entry, and back at every
// exit. fpsimd_enter: x0 per-CPU data, x1 vcpu. Clobbers x2, x3.
	func	fpsimd_enter
	ldr	x2, [x0, #FP_OWNER]
	cbnz	x2, 1f				// not FP_HOST
	ldr	x2, [x1, #vcpu.host_fp]
hyp_save_host_fp:
	save_fp	x2, x3
1:	add	x2, x1, #vcpu.fp
hyp_load_guest_fp:
	load_fp	x2, x3
	mov_32	x2, CPTR_GUEST_FP
	msr	cptr_el2, x2
	mov	x2, #FP_GUEST
	str	x2, [x0, #FP_OWNER]
	str	x1, [x0, #FP_VCPU]
	ret
	endfunc	fpsimd_enter

// fpsimd_leave: x0 vcpu. Clobbers x1-x3.
	func	fpsimd_leave
	mov_32	x2, CPTR_HOST
	msr	cptr_el2, x2
	isb
	add	x2, x0, #vcpu.fp
hyp_save_guest_fp:
	save_fp	x2, x3
	ldr	x2, [x0, #vcpu.host_fp]
hyp_load_host_fp:
	load_fp	x2, x3
	mrs	x1, tpidr_el2
	str	xzr, [x1, #FP_OWNER]		// FP_HOST
	str	xzr, [x1, #FP_VCPU]
	ret
	endfunc	fpsimd_leave

	func	fpsimd_trap
	b	hyp_panic			// nothing traps
	endfunc	fpsimd_trap
	.endif
