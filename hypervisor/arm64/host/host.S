// host.S: the host at EL1, the role that the Linux kernel plays for KVM. It owns the devices and decides what runs;
// for what only EL2 may do, it calls the hypervisor.

	.text

	console	host, UART_BASE

// host_start: entered by ERET from _start with the MMU off.
	func	host_start
	bl	host_mmu_on			// first of all: no store may bypass the caches
	adr_l	x0, host_stack_end
	mov	sp, x0
	adr_l	x0, host_vectors
	msr	vbar_el1, x0
	mov	x0, #CPACR_FPEN
	msr	cpacr_el1, x0
	isb

	mov	x1, #UART_BASE
	mov	w0, #0x70			// 8 bits, FIFO on
	str	w0, [x1, #UART_LCRH]
	mov	w0, #0x301			// UART, transmitter and receiver on
	str	w0, [x1, #UART_CR]

	adr_l	x0, msg_host
	bl	host_puts
	bl	host_start_hypervisor
	bl	host_irq_init
	bl	host_create_vm

	// Something of our own in an FP register: the guest uses them, too.
	mov_48	x20, 0x0808080808
	fmov	d8, x20
	bl	host_run_vm
	fmov	x0, d8
	cmp	x0, x20
	b.ne	1f
	adr_l	x0, msg_fp
	bl	host_puts

1:	bl	host_print_summary
	adr_l	x0, msg_off
	bl	host_puts
	b	host_power_off
	endfunc	host_start

// host_power_off: PSCI by SMC. It does not return.
	func	host_power_off
	mov_32	w0, PSCI_SYSTEM_OFF
	smc	#0
1:	wfe
	b	1b
	endfunc	host_power_off

// host_give_up: x0 message. Prints it, with ESR_EL1, ELR_EL1 and FAR_EL1, and powers off.
	func	host_give_up
	bl	host_puts
	mrs	x0, esr_el1
	bl	host_puthex
	adr_l	x0, msg_elr
	bl	host_puts
	mrs	x0, elr_el1
	bl	host_puthex
	adr_l	x0, msg_far
	bl	host_puts
	mrs	x0, far_el1
	bl	host_puthex
	adr_l	x0, msg_newline
	bl	host_puts
	b	host_power_off
	endfunc	host_give_up

	.section .rodata
msg_host:
	.asciz	"host: at EL1, MMU on; EL2 has only stub vectors\n"
msg_fp:
	.asciz	"host: d8 is as it was before the guest\n"
msg_off:
	.asciz	"host: power off\n"
msg_elr:
	.asciz	", ELR_EL1 "
msg_far:
	.asciz	", FAR_EL1 "
msg_newline:
	.asciz	"\n"

	.bss
	.balign	16
	.space	4096
host_stack_end:
