// Firmware at EL3 with an MMU of its own, a hypervisor at Non-secure EL2 that calls it, and a payload at Secure EL1.
	.global	_start
	.type	_start, %function
_start:
	mrs	x0, mpidr_el1
	and	x0, x0, #0xff
	cbnz	x0, idle
	adr	x0, vectors
	msr	vbar_el3, x0
	adr	x0, stack
	mov	sp, x0
	// 0x40000000 stands where it is, and at 0x80000000 as well.
	adr	x1, tables
	ldr	x2, =0x40000000000405		// devices, below 1 GiB
	str	x2, [x1]
	ldr	x2, =0x40000701
	str	x2, [x1, #8]
	str	x2, [x1, #16]
	msr	ttbr0_el3, x1
	ldr	x2, =0x80803519
	msr	tcr_el3, x2
	mov	x2, #0xff
	msr	mair_el3, x2
	isb
	tlbi	alle3
	mov	x2, #1
	movk	x2, #0x30c5, lsl #16
	msr	sctlr_el3, x2
	isb
	mov	x2, #0x531			// NS, HCE, RW
	msr	scr_el3, x2
	mov	x2, #0x3c9
	msr	spsr_el3, x2
	adr	x2, hypervisor
	msr	elr_el3, x2
	eret
idle:
	wfi
	b	idle

	.global	hypervisor
	.type	hypervisor, %function
hypervisor:
	mov	x29, #0
	mov	x30, #0
	smc	#5
	nop
after_call:
	b	.

	.global	payload
	.type	payload, %function
payload:
	mrs	x3, currentel
	smc	#6
	b	.

	.global	handle
	.type	handle, %function
handle:
	mrs	x9, esr_el3
	and	x9, x9, #0xffff
	cmp	x9, #5
	b.ne	finish
	// Into Secure state.
	mov	x2, #0x530
	msr	scr_el3, x2
	mov	x2, #0x3c5
	msr	spsr_el3, x2
	ldr	x2, =payload			// this runs at the upper address
	msr	elr_el3, x2
	eret
finish:
	ldr	x1, =0x90b0000			// off, by the GPIO of Secure state
	mov	w0, #3
	str	w0, [x1, #0x400]
	mov	w0, #1
	str	w0, [x1, #4]
	b	.
	.ltorg

	.balign	2048
vectors:
	.rept	16
	.balign	128
	ldr	x4, =handle + 0x40000000	// by the upper mapping
	br	x4
	.endr
	.ltorg
	.balign	4096
tables:	.space	4096
	.space	4096
stack:
