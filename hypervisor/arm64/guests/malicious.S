// malicious.S: a guest that wants out. It looks for what others left in its registers, touches addresses that are not its
// own, uses registers and calls of higher levels, and tries to keep the CPU for itself. All of it must end in exceptions
// of its own, refusals, or nothing.

	.section .guest
	.balign	8

// malicious: the very first instructions store every register, as the hypervisor handed it over. x0 is the argument.
	func	malicious
	adr	x0, malicious_registers
	stp	x1, x2, [x0, #8 * 1]
	stp	x3, x4, [x0, #8 * 3]
	stp	x5, x6, [x0, #8 * 5]
	stp	x7, x8, [x0, #8 * 7]
	stp	x9, x10, [x0, #8 * 9]
	stp	x11, x12, [x0, #8 * 11]
	stp	x13, x14, [x0, #8 * 13]
	stp	x15, x16, [x0, #8 * 15]
	stp	x17, x18, [x0, #8 * 17]
	stp	x19, x20, [x0, #8 * 19]
	stp	x21, x22, [x0, #8 * 21]
	stp	x23, x24, [x0, #8 * 23]
	stp	x25, x26, [x0, #8 * 25]
	stp	x27, x28, [x0, #8 * 27]
	stp	x29, x30, [x0, #8 * 29]
	mov	x1, sp
	str	x1, [x0, #8 * 31]
	mov	x2, #CPACR_FPEN			// before anything else can use them
	mrs	x3, cpacr_el1
	msr	cpacr_el1, x2
	isb
	add	x1, x0, #(malicious_vectors - malicious_registers)
	.irp	n, 0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23,24,25,26,27,28,29,30,31
	str	q\n, [x1], #16
	.endr
	add	x1, x0, #(malicious_system - malicious_registers)
	str	x3, [x1], #8
	.irp	r, sctlr_el1, ttbr0_el1, ttbr1_el1, tcr_el1, mair_el1, amair_el1, vbar_el1, contextidr_el1, tpidr_el0, tpidrro_el0, tpidr_el1, esr_el1, far_el1, afsr0_el1, afsr1_el1, par_el1, sp_el0, elr_el1, spsr_el1, mdscr_el1, cntkctl_el1, cntv_cval_el0, fpcr, fpsr
	mrs	x2, \r
	str	x2, [x1], #8
	.endr
	mov	x1, #0
	b	malicious_begin
	endfunc	malicious

// malicious_begin: x0 = 0. Everything else that it tries; from here on it is an ordinary payload.
	payload	malicious_begin
	adr_l	x0, malicious_fault
	adr_l	x1, guest_on_fault
	str	x0, [x1]

	// A stage 1 that lets it ask for every address that it can name: 512 GiB, VA = IPA, as ordinary memory.
	adr_l	x0, guest_l1
	mov	x1, #2
	ldr	x2, =(0x80000000 + GUEST_L1_RAM)
	mov	x3, #0x40000000
1:	str	x2, [x0, x1, lsl #3]
	add	x2, x2, x3
	add	x1, x1, #1
	cmp	x1, #512
	b.lo	1b
	dsb	ishst
	isb

	// 1. Memory that is not its own. x26 counts the aborts of its own that answer.
	mov	x26, #0
	adr_l	x21, malicious_addresses
	adr_l	x22, malicious_addresses_end
2:	ldr	x23, [x21]
	mov	x25, #0
	ldr	x24, [x23]			// read
	cbnz	x25, 3f
	report	0xbad1, x23			// something answered
	report	0xbad2, x24
3:	mov	x25, #0
	ldr	x24, =0x6d616c6963696f75
	str	x24, [x23]			// write
	cbnz	x25, 4f
	report	0xbad3, x23
4:	mov	x25, #0
	ldaxr	x24, [x23]			// and as an atomic
	cbnz	x25, 5f
	report	0xbad4, x23
5:	add	x21, x21, #8
	cmp	x21, x22
	b.lo	2b
	report	0xe1, x26			// three for each address

	// 2. Registers and instructions of EL2. x27 counts the Undefined Instruction exceptions.
	mov	x27, #0
	mov	x23, #0
	mov	x24, #0
	.irp	r, hcr_el2, vttbr_el2, vtcr_el2, tpidr_el2, vbar_el2, sctlr_el2, ttbr0_el2, tcr_el2, mair_el2, esr_el2, far_el2, hpfar_el2, elr_el2, spsr_el2, sp_el1, cptr_el2, mdcr_el2, cnthctl_el2, cntvoff_el2, vpidr_el2, vmpidr_el2, ich_hcr_el2, ich_lr0_el2, ich_vmcr_el2, icc_sre_el2
	mrs	x23, \r
	orr	x24, x24, x23			// stays 0: none of them gives anything
	.endr
	mov	x23, #0
	.irp	r, hcr_el2, vttbr_el2, tpidr_el2, vbar_el2, elr_el2, spsr_el2, cptr_el2, cntvoff_el2, ich_hcr_el2
	msr	\r, x23
	.endr
	tlbi	alle1
	tlbi	alle2
	tlbi	ipas2e1is, x23
	at	s1e2r, x23
	at	s12e1r, x23
	report	0xe2, x27
	report	0xe3, x24

	// 3. Calls: of firmware, of the host's side of the hypervisor, of the stub. Each is refused.
	mov	x24, #0				// refusals
	mov	x0, #0x84000000
	mov	x1, #0
	smc	#0
	bl	malicious_refused
	mov_32	x0, 0x84000008			// SYSTEM_OFF of the machine itself
	smc	#0
	bl	malicious_refused
	.irp	fn, 0xc6000000, 0xc6000001, 0xc6000002, 0xc6000003, 0xc6000004, 0xc6000005, 0x00000000, 0x00000001, 0x00000002, 0xffffffff, 0x8600ffff, 0x80000000
	mov_32	x0, \fn
	adr_l	x1, malicious_registers
	hvc	#0
	bl	malicious_refused
	.endr
	mov_32	x0, 0xc6000001
	hvc	#0x1234				// another immediate does not help
	bl	malicious_refused
	report	0xe4, x24

	// 4. A return to EL2: an illegal one, which must not leave EL1.
	mov	x26, #0
	mov	x0, #0x3c9			// EL2, with SP_EL2
	msr	spsr_el1, x0
	adr	x0, 6f
	msr	elr_el1, x0
	eret
6:	mov	x25, #0				// executed after the Illegal Execution state exception
	mrs	x0, currentel
	lsr	x24, x0, #2
	report	0xe5, x24

	// 5. Debug and performance registers: nothing of the host's in them. The physical timer, too.
	mov	x24, #0
	.irp	r, dbgbvr0_el1, dbgwvr0_el1, dbgbcr0_el1, pmcr_el0, pmccntr_el0, pmcntenset_el0, cntpct_el0, cntp_ctl_el0, cntp_cval_el0
	mrs	x23, \r
	orr	x24, x24, x23
	.endr
	report	0xe6, x24

	// 6. Maintenance of everything, as often as it likes: it may cost time, but harms nobody.
	tlbi	vmalle1is
	ic	ialluis
	mov	x0, #0
	dc	cisw, x0
	dsb	sy
	isb

	adr_l	x0, malicious_message
	bl	guest_puts
	mov	x1, #0
	b	guest_done
	endfunc	malicious_begin

// malicious_refused: x0 must be NOT_SUPPORTED. Counts in x24.
	func	malicious_refused
	cmn	x0, #1
	cinc	x24, x24, eq
	ret
	endfunc	malicious_refused

// malicious_fault: x0 ESR_EL1, x1 ELR_EL1. Counts, and goes on behind the instruction.
	func	malicious_fault
	lsr	x2, x0, #ESR_EC_BIT
	mov	x25, #1
	cmp	x2, #0x25			// data abort
	cinc	x26, x26, eq
	cmp	x2, #0x00			// undefined
	cinc	x27, x27, eq
	cmp	x2, #0x0e			// illegal execution state: clear PSTATE.IL, and execute it
	b.eq	1f
	add	x0, x1, #4
	ret
1:	mrs	x2, spsr_el1
	bic	x2, x2, #1 << 20
	msr	spsr_el1, x2
	mov	x0, x1
	ret
	endfunc	malicious_fault

// malicious_spin: everything masked, the interrupt controller closed, and not one instruction that traps. The host's
// timer must get the CPU all the same; after three of its interrupts the host sets the flag.
	payload	malicious_spin
	mov	x1, #3
	guest_call GUEST_FN_TICKS
	msr	daifset, #0xf
	msr	icc_pmr_el1, xzr
	msr	icc_igrpen1_el1, xzr
	mov_32	x21, GUEST_FLAG
	mov	x22, #0
1:	add	x22, x22, #1
	ldar	w0, [x21]
	cbz	w0, 1b
	adr_l	x0, malicious_spin_message
	bl	guest_puts
	mov	x1, #0
	b	guest_done
	endfunc	malicious_spin
	.ltorg

	.balign	8
malicious_addresses:
	.quad	0x00000000, 0x08000000, 0x08010000, 0x080a0000, 0x09020000, 0x0a000000, 0x3ffffff8
	.quad	0x42000000, 0x44000000, 0x50080000, 0x52000000, 0x5ffffff8, 0x60000000, 0x80080000
	.quad	0x4010000000, 0x7040080000, 0x7ffffffff8
malicious_addresses_end:

	.balign	16
malicious_registers:
	.space	8 * 32
malicious_vectors:
	.space	16 * 32
malicious_system:
	.space	8 * 25
malicious_registers_end:
malicious_message:
	.asciz	"malicious: could not get out\n"
malicious_spin_message:
	.asciz	"malicious: could not keep the CPU\n"
	.balign	8
