// fpsimd.S: FP and SIMD registers are 528 bytes a world. They are exchanged only for a guest that uses them:
// CPTR_EL2.TFP traps its first use after an entry.

	.section .hyp.text

	.macro	save_fp base, scratch
	stp	q0, q1, [\base, #fp.v + 16 * 0]
	stp	q2, q3, [\base, #fp.v + 16 * 2]
	stp	q4, q5, [\base, #fp.v + 16 * 4]
	stp	q6, q7, [\base, #fp.v + 16 * 6]
	stp	q8, q9, [\base, #fp.v + 16 * 8]
	stp	q10, q11, [\base, #fp.v + 16 * 10]
	stp	q12, q13, [\base, #fp.v + 16 * 12]
	stp	q14, q15, [\base, #fp.v + 16 * 14]
	stp	q16, q17, [\base, #fp.v + 16 * 16]
	stp	q18, q19, [\base, #fp.v + 16 * 18]
	stp	q20, q21, [\base, #fp.v + 16 * 20]
	stp	q22, q23, [\base, #fp.v + 16 * 22]
	stp	q24, q25, [\base, #fp.v + 16 * 24]
	stp	q26, q27, [\base, #fp.v + 16 * 26]
	stp	q28, q29, [\base, #fp.v + 16 * 28]
	stp	q30, q31, [\base, #fp.v + 16 * 30]
	mrs	\scratch, fpsr
	str	\scratch, [\base, #fp.fpsr]
	mrs	\scratch, fpcr
	str	\scratch, [\base, #fp.fpcr]
	.endm

	.macro	load_fp base, scratch
	ldp	q0, q1, [\base, #fp.v + 16 * 0]
	ldp	q2, q3, [\base, #fp.v + 16 * 2]
	ldp	q4, q5, [\base, #fp.v + 16 * 4]
	ldp	q6, q7, [\base, #fp.v + 16 * 6]
	ldp	q8, q9, [\base, #fp.v + 16 * 8]
	ldp	q10, q11, [\base, #fp.v + 16 * 10]
	ldp	q12, q13, [\base, #fp.v + 16 * 12]
	ldp	q14, q15, [\base, #fp.v + 16 * 14]
	ldp	q16, q17, [\base, #fp.v + 16 * 16]
	ldp	q18, q19, [\base, #fp.v + 16 * 18]
	ldp	q20, q21, [\base, #fp.v + 16 * 20]
	ldp	q22, q23, [\base, #fp.v + 16 * 22]
	ldp	q24, q25, [\base, #fp.v + 16 * 24]
	ldp	q26, q27, [\base, #fp.v + 16 * 26]
	ldp	q28, q29, [\base, #fp.v + 16 * 28]
	ldp	q30, q31, [\base, #fp.v + 16 * 30]
	ldr	\scratch, [\base, #fp.fpsr]
	msr	fpsr, \scratch
	ldr	\scratch, [\base, #fp.fpcr]
	msr	fpcr, \scratch
	.endm

// fpsimd_trap: x0 vcpu. The guest wants the registers: the host's out, the guest's in, and the same instruction again.
	func	fpsimd_trap
	mov	x1, #CPTR_RES1
	msr	cptr_el2, x1			// TFP would trap us, too ...
	isb					// ... until this
	mrs	x1, tpidr_el2
	add	x2, x1, #HOST_FP
	save_fp	x2, x3
	add	x2, x0, #vcpu.fp
	load_fp	x2, x3
	mov	x2, #FP_GUEST
	str	x2, [x1, #FP_OWNER]
	b	handled_at_el2
	endfunc	fpsimd_trap

// fpsimd_give_back: x0 per-CPU data. If the registers hold the guest's values: the guest's out, the host's in.
// Clobbers x1-x3. CPTR_EL2 does not trap when the guest owns them.
	func	fpsimd_give_back
	ldr	x1, [x0, #FP_OWNER]
	cmp	x1, #FP_GUEST
	b.ne	1f
	ldr	x1, [x0, #RUNNING_VCPU]
	add	x2, x1, #vcpu.fp
	save_fp	x2, x3
	add	x2, x0, #HOST_FP
	load_fp	x2, x3
	mov	x1, #FP_HOST
	str	x1, [x0, #FP_OWNER]
1:	ret
	endfunc	fpsimd_give_back
