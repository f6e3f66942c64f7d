/* EL2: reset, vectors, the way into the guest. EL1: the guest's first instructions and its calls. */

	.section .text.start, "ax"
	.global	_start
	.type	_start, %function
_start:
	adrp	x0, el2_stack_top
	add	x0, x0, :lo12:el2_stack_top
	mov	sp, x0
	mov	x29, xzr
	adr	x1, bss_start
	adr	x2, bss_end
1:	cmp	x1, x2
	b.hs	2f
	stp	xzr, xzr, [x1], #16
	b	1b
2:	bl	hyp_main
3:	wfe
	b	3b
	.size	_start, . - _start

	.text

	/* Where struct frame of trap.h has its fields. */
	.equ	FRAME_X30, 8 * 30
	.equ	FRAME_ELR, 8 * 31
	.equ	FRAME_SPSR, 8 * 32
	.equ	FRAME_ESR, 8 * 33
	.equ	FRAME_SIZE, 8 * 34

	/* The call frame information says where the guest's registers are, so that debuggers find its stack. */
	.type	trap_from_guest, %function
	.cfi_startproc
	.cfi_signal_frame
trap_from_guest:
	sub	sp, sp, #FRAME_SIZE
	stp	x0, x1, [sp, #8 * 0]
	stp	x2, x3, [sp, #8 * 2]
	stp	x4, x5, [sp, #8 * 4]
	stp	x6, x7, [sp, #8 * 6]
	stp	x8, x9, [sp, #8 * 8]
	stp	x10, x11, [sp, #8 * 10]
	stp	x12, x13, [sp, #8 * 12]
	stp	x14, x15, [sp, #8 * 14]
	stp	x16, x17, [sp, #8 * 16]
	stp	x18, x19, [sp, #8 * 18]
	stp	x20, x21, [sp, #8 * 20]
	stp	x22, x23, [sp, #8 * 22]
	stp	x24, x25, [sp, #8 * 24]
	stp	x26, x27, [sp, #8 * 26]
	stp	x28, x29, [sp, #8 * 28]
	mrs	x0, elr_el2
	mrs	x1, spsr_el2
	mrs	x2, esr_el2
	stp	x30, x0, [sp, #FRAME_X30]
	stp	x1, x2, [sp, #FRAME_SPSR]
	.cfi_remember_state
	.cfi_def_cfa	sp, 0
	.irp	n, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30
	.cfi_offset	x\n, 8 * \n
	.endr
	mov	x0, sp
	bl	handle_trap
	ldr	x1, [sp, #FRAME_SPSR]
	ldp	x30, x0, [sp, #FRAME_X30]
	msr	elr_el2, x0
	msr	spsr_el2, x1
	ldp	x28, x29, [sp, #8 * 28]
	ldp	x26, x27, [sp, #8 * 26]
	ldp	x24, x25, [sp, #8 * 24]
	ldp	x22, x23, [sp, #8 * 22]
	ldp	x20, x21, [sp, #8 * 20]
	ldp	x18, x19, [sp, #8 * 18]
	ldp	x16, x17, [sp, #8 * 16]
	ldp	x14, x15, [sp, #8 * 14]
	ldp	x12, x13, [sp, #8 * 12]
	ldp	x10, x11, [sp, #8 * 10]
	ldp	x8, x9, [sp, #8 * 8]
	ldp	x6, x7, [sp, #8 * 6]
	ldp	x4, x5, [sp, #8 * 4]
	ldp	x2, x3, [sp, #8 * 2]
	ldp	x0, x1, [sp, #8 * 0]
	add	sp, sp, #FRAME_SIZE
	.cfi_restore_state
	eret
	.cfi_endproc
	.size	trap_from_guest, . - trap_from_guest

	/* An exception that this program does not expect: its syndrome stays in ESR_EL2. */
	.type	unexpected, %function
unexpected:
	wfe
	b	unexpected
	.size	unexpected, . - unexpected

	/* Arm ARM DDI 0487 D1.10.2: 16 entries of 128 bytes; the ninth is a synchronous exception from a lower EL. */
	.balign	2048
	.global	hyp_vectors
	.type	hyp_vectors, %function
hyp_vectors:
	.rept	8
	b	unexpected
	.balign	128
	.endr
	b	trap_from_guest
	.balign	128
	.rept	7
	b	unexpected
	.balign	128
	.endr
	.size	hyp_vectors, . - hyp_vectors

	/* void enter_guest(void (*entry)(void), u64 spsr): to EL1, and never back. */
	.global	enter_guest
	.type	enter_guest, %function
enter_guest:
	msr	elr_el2, x0
	msr	spsr_el2, x1
	adrp	x2, el1_stack_top
	add	x2, x2, :lo12:el1_stack_top
	msr	sp_el1, x2
	mov	x29, xzr
	mov	x30, xzr
	eret
	.size	enter_guest, . - enter_guest

	.global	guest_start
	.type	guest_start, %function
guest_start:
	mov	x29, xzr
	bl	guest_main
	bl	power_off
	.size	guest_start, . - guest_start

	/* long hypercall(long number, long argument) */
	.global	hypercall
	.type	hypercall, %function
hypercall:
	hvc	#1
	ret
	.size	hypercall, . - hypercall

	/* PSCI SYSTEM_OFF (Arm DEN0022) by SMC. */
	.global	power_off
	.type	power_off, %function
power_off:
	mov	w0, #8
	movk	w0, #0x8400, lsl #16
	smc	#0
	b	power_off
	.size	power_off, . - power_off
