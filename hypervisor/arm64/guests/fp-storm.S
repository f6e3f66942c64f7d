// fp-storm.S: all FP and SIMD registers are in use all the time, and something happens to the vcpu after each round. The
// sums depend on every bit of V0-V31, on the rounding mode in FPCR and on the flags in FPSR: a register that is lost or
// mixed up once changes the checksum. A vcpu alone on an idle machine computes the same.

	.section .guest
	.balign	8

	.equ	FPCR_RMODE_BIT,	22

// fp_storm: x0 = rounds | seed << 32 | what to call after a round << 40 (a number of fp_storm_calls, or 6: each in turn)
// | rarely << 48: 1 to use FP in every fourth round only, by chance.
	payload	fp_storm
	ubfx	x22, x19, #32, #8		// seed
	add	x22, x22, x20, lsl #4		// two vcpus of a machine do not compute the same
	ubfx	x23, x19, #40, #8		// call
	ubfx	x25, x19, #48, #1		// rarely
	add	x26, x22, #0x5a			// random numbers for that
	and	x21, x19, #0xffffffff		// rounds

	// FPCR: a rounding mode of our own. FPSR: clear, but for QC.
	and	x0, x22, #3
	lsl	x0, x0, #FPCR_RMODE_BIT
	msr	fpcr, x0
	mov	x0, #1 << 27
	msr	fpsr, x0

	// v0-v28: two numbers each between 0 and 1, which differ in all registers and with the seed. v30: 3.99. v31: 1.
	fmov	v31.2d, #1.0
	mov_48	x0, 0x9e3779b97f4b
	add	x1, x22, #1
	mul	x0, x0, x1
	.irp	n, 0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23,24,25,26,27,28
	bl	fp_storm_next
	fmov	d\n, x1
	bl	fp_storm_next
	mov	v\n\().d[1], x1
	fsub	v\n\().2d, v\n\().2d, v31.2d
	.endr
	ldr	x0, =0x400feb851eb851ec
	dup	v30.2d, x0

	// A round: every number x becomes 3.99 x (1 - x), which doubles a difference on average, until it is as large as the
	// numbers: what one round has lost, no later one mends. v29 is the scratch register.
1:	cbz	x25, 2f
	mov_32	x0, 1103515245
	mul	x26, x26, x0
	add	x26, x26, #3093
	ubfx	x0, x26, #27, #2
	cbnz	x0, 3f
2:
	.irp	n, 0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23,24,25,26,27,28
	fsub	v29.2d, v31.2d, v\n\().2d
	fmul	v\n\().2d, v\n\().2d, v29.2d
	fmul	v\n\().2d, v\n\().2d, v30.2d
	.endr
	fsqrt	v28.2d, v28.2d
3:	bl	fp_storm_call
	subs	x21, x21, #1
	b.ne	1b

	// The checksum: all 512 bytes, FPCR and FPSR.
	mov	x0, #0
	.irp	n, 0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23,24,25,26,27,28,29,30,31
	ror	x0, x0, #7
	fmov	x1, d\n
	add	x0, x0, x1
	ror	x0, x0, #7
	mov	x1, v\n\().d[1]
	eor	x0, x0, x1
	.endr
	mrs	x1, fpcr
	add	x0, x0, x1
	mrs	x1, fpsr
	eor	x24, x0, x1, lsl #32
	report	0xf0, x24
	mov	x1, #0
	b	guest_done
	endfunc	fp_storm
	.ltorg

// fp_storm_next: x0 state of the random numbers -> x0 the next one, x1 a double from 1 up to 2. Clobbers x2.
	func	fp_storm_next
	mov_48	x2, 0x5851f42d4c95
	mul	x0, x0, x2
	eor	x0, x0, x0, lsr #29
	add	x0, x0, #11
	lsr	x1, x0, #12
	orr	x1, x1, #0x3ff0000000000000
	ret
	endfunc	fp_storm_next

// fp_storm_call: x23 says what to do, x21 counts. Leaves the FP registers alone. Clobbers x0-x3.
	func	fp_storm_call
	mov	x2, x23
	cmp	x2, #6
	b.ne	1f
	mov	x3, #5				// 6: each in turn
	udiv	x2, x21, x3
	msub	x2, x2, x3, x21
1:	adr_l	x3, fp_storm_calls
	ldr	w0, [x3, x2, lsl #2]
	and	x1, x21, #1			// for MIGRATE: CPU 0 and 1 in turn
	cbz	w0, 2f
	hvc	#0
2:	ret
	endfunc	fp_storm_call

fp_storm_calls:
	.word	GUEST_FN_NOP, PSCI_VERSION, GUEST_FN_YIELD, GUEST_FN_MIGRATE, GUEST_FN_HOST_FP, 0
