// hello.S: the guest. It is linked into the same ELF, copied into guest memory, and runs there at its link address,
// which stage 2 maps to another place. Everything that it does makes it leave in another way.

	.section .guest

	.equ	GUEST_L1_DEVICES, EL1_DEVICE | DESC_BLOCK
	.equ	GUEST_L1_RAM, EL1_RAM | DESC_BLOCK

// guest_start: EL1, MMU off, no arguments. Does not return.
	func	guest_start
	// Values that are easy to find again: in the registers here, in the vcpu struct after an exit.
	ldr	x19, =0x1919191919191919
	ldr	x20, =0x2020202020202020
	ldr	x21, =0x2121212121212121
	ldr	x22, =0x2222222222222222
	ldr	x23, =0x2323232323232323
	ldr	x24, =0x2424242424242424
	ldr	x25, =0x2525252525252525
	ldr	x26, =0x2626262626262626
	ldr	x27, =0x2727272727272727
	ldr	x28, =0x2828282828282828

	// The guest's own stage 1, VA = IPA. Its walks go through stage 2, too.
	mov	x0, #MAIR_VALUE
	msr	mair_el1, x0
	mov_32	x0, TCR_EL1_VALUE
	pa_range x1, x2
	bfi	x0, x1, #TCR_EL1_IPS_BIT, #3
	msr	tcr_el1, x0
	adr_l	x0, guest_l1
	msr	ttbr0_el1, x0
	isb
	tlbi	vmalle1
	dsb	ish
	isb
	mov_32	x0, SCTLR_EL1_ON
	msr	sctlr_el1, x0
	isb

	adr_l	x0, guest_stack_end
	mov	sp, x0
	adr_l	x0, guest_vectors
	msr	vbar_el1, x0
	mov	x0, #CPACR_FPEN
	msr	cpacr_el1, x0
	isb

	// Hypercall, answered by the host.
	mov_32	w0, GUEST_FN_VMID
	hvc	#0
	adr_l	x1, guest_vmid_digit
	add	w0, w0, #'0'
	strb	w0, [x1]
	adr_l	x0, guest_msg_hello
	bl	guest_puts

	// Hypercall, answered by the hypervisor.
	mov	w0, #PSCI_VERSION
	hvc	#0
	mov_32	w1, PSCI_1_1
	cmp	w0, w1
	b.ne	guest_failed
	adr_l	x0, guest_msg_psci
	bl	guest_puts

	// A hypercall that nobody knows, and an SMC: the same answer, by two ways.
	mov_32	w0, 0x8600ffff
	hvc	#0
	cmn	x0, #1
	b.ne	guest_failed
	mov	w0, #PSCI_VERSION
	smc	#0
	cmn	x0, #1
	b.ne	guest_failed
	adr_l	x0, guest_msg_refused
	bl	guest_puts

	// An exception of the guest's own: it does not leave EL1.
	mov	x9, #0
	svc	#0x42
	cmp	x9, #0x42			// the handler puts the immediate there
	b.ne	guest_failed
	adr_l	x0, guest_msg_svc
	bl	guest_puts

	// FP registers: the first use after each entry traps.
	fmov	d8, x19
	mov	v9.16b, v8.16b

	// Memory that stage 2 does not map yet. It must come zeroed.
	mov_32	x1, GUEST_LAZY
	ldr	x2, [x1, #0x128]
	cbnz	x2, guest_failed
	str	x19, [x1, #0x128]
	ldr	x2, [x1, #0x128]
	cmp	x2, x19
	b.ne	guest_failed
	adr_l	x0, guest_msg_lazy
	bl	guest_puts

	// The physical counter is the host's; the virtual one is ours.
	mov	x0, #1
	mrs	x0, cntpct_el0
	cbnz	x0, guest_failed
	mrs	x0, cntvct_el0
	cbz	x0, guest_failed

	// Wait.
	wfi
	adr_l	x0, guest_msg_wfi
	bl	guest_puts

	// Be interrupted three times, without noticing: the host sets the flag after the third.
	mov_32	w0, GUEST_FN_TICKS
	mov	x1, #3
	hvc	#0
	mov_32	x1, GUEST_SHARED
	mov	x3, #0
1:	add	x3, x3, #1
	ldar	w2, [x1]
	cbz	w2, 1b
	adr_l	x0, guest_msg_irq
	bl	guest_puts

	// Is everything still as it was?
	fmov	x0, d9
	cmp	x0, x19
	b.ne	guest_failed
	.irp	n, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28
	ldr	x0, =0x\n\n\n\n\n\n\n\n
	cmp	x\n, x0
	b.ne	guest_failed
	.endr
	adr_l	x0, guest_msg_registers
	bl	guest_puts
	b	guest_off
	endfunc	guest_start
// guest_failed: says so and goes on to guest_off. No arguments; does not return.
	func	guest_failed
	adr_l	x0, guest_msg_failed
	bl	guest_puts
	endfunc	guest_failed
// guest_off: switches the machine off. No arguments; does not return.
	func	guest_off
	mov_32	w0, PSCI_SYSTEM_OFF
	hvc	#0
1:	wfi
	b	1b
	endfunc	guest_off
	.ltorg

// guest_puts: x0 string. Stage 2 maps no UART: each load and store here is an exit, and the host does the rest.
	func	guest_puts
	mov	x1, #UART_BASE
1:	ldr	w2, [x1, #UART_FR]
	tbnz	w2, #UART_FR_TXFF_BIT, 1b
2:	ldrb	w2, [x0], #1
	cbz	w2, 3f
	strb	w2, [x1, #UART_DR]
	b	2b
3:	ret
	endfunc	guest_puts

	.balign	2048
	.type	guest_vectors, %function
guest_vectors:
	.rept	4
	vector	guest_failed
	.endr
	vector	guest_sync			// from EL1 with SP_EL1
	.rept	11
	vector	guest_failed
	.endr
	.size	guest_vectors, . - guest_vectors

// guest_sync: an SVC returns its immediate in x9; everything else is an error.
	func	guest_sync
	stp	x0, x1, [sp, #-16]!
	mrs	x0, esr_el1
	lsr	x1, x0, #ESR_EC_BIT
	cmp	x1, #EC_SVC64
	b.ne	guest_failed
	and	x9, x0, #0xffff
	ldp	x0, x1, [sp], #16
	eret					// SVC leaves ELR behind itself
	endfunc	guest_sync

guest_msg_hello:
	.ascii	"guest: hello from EL1, vmid "
guest_vmid_digit:
	.asciz	"?\n"
guest_msg_psci:
	.asciz	"guest: PSCI 1.1\n"
guest_msg_refused:
	.asciz	"guest: unknown HVC and SMC refused\n"
guest_msg_svc:
	.asciz	"guest: SVC in my own vectors\n"
guest_msg_lazy:
	.asciz	"guest: new page is zero\n"
guest_msg_wfi:
	.asciz	"guest: woken\n"
guest_msg_irq:
	.asciz	"guest: flag is set\n"
guest_msg_registers:
	.asciz	"guest: registers intact\n"
guest_msg_failed:
	.asciz	"guest: something is wrong\n"

	.balign	PAGE_SIZE
guest_l1:
	.quad	0x00000000 + GUEST_L1_DEVICES
	.quad	0x40000000 + GUEST_L1_RAM
	.space	510 * 8

	.balign	16
	.space	1024
guest_stack_end:
