// host.S: the host, the role that the Linux kernel plays for KVM. It owns the devices and decides what runs; for what
// only EL2 may do, it calls the hypervisor. It runs at EL1, and at EL2 if there is VHE. On every CPU, x28 is the
// address of the CPU's percpu struct.

	.equ	HOST_STACK_SHIFT, 12
	.equ	TASK_SHIFT, 12			// a page for each: EL2 maps those that it needs

	.text

	console	host, UART_BASE

// host_start: the first CPU, entered by ERET from el2_setup with the MMU off; x19 is 0.
	func	host_start
	bl	host_mmu_on			// first of all: no store may bypass the caches
	bl	host_cpu_setup

	mov	x1, #UART_BASE
	mov	w0, #0x70			// 8 bits, FIFO on
	str	w0, [x1, #UART_LCRH]
	mov	w0, #0x301			// UART, transmitter and receiver on
	str	w0, [x1, #UART_CR]

	adr_l	x0, msg_host
	bl	host_puts
	.if	VHE == 0
	bl	host_build_hyp_tables
	bl	host_start_hypervisor
	.endif
	bl	host_irq_init
	bl	host_vgic_init
	bl	host_start_cpus
	bl	host_create_vms
	adr_l	x0, host_go
	mov	w1, #1
	stlr	w1, [x0]
	sev
	b	host_work
	endfunc	host_start

// host_secondary_start: the others; x19 is the CPU's number.
	func	host_secondary_start
	bl	host_mmu_on
	bl	host_cpu_setup
	.if	VHE == 0
	bl	host_init_hyp_quietly
	.endif
	bl	host_irq_init_cpu
	mov	x0, #1
	add	x1, x28, #percpu.online
	stlr	x0, [x1]
	sev
	adr_l	x1, host_go			// wait until there is something to run
1:	ldar	w0, [x1]
	cbnz	w0, host_work
	wfe
	b	1b
	endfunc	host_secondary_start

// host_cpu_setup: x19 number of the CPU, with the MMU on. Sets x28, SP, vectors, and this CPU's task, to which the FP
// registers belong. Clobbers x0-x3.
	func	host_cpu_setup
	adr_l	x28, percpu_areas
	mov	x0, #percpu.size
	madd	x28, x19, x0, x28
	str	x19, [x28, #percpu.cpu]

	add	x1, x19, #1
	adr_l	x0, host_stacks
	add	x0, x0, x1, lsl #HOST_STACK_SHIFT
	mov	sp, x0
	str	x0, [x28, #percpu.stack]
	adr_l	x0, hyp_stack
	mov	x2, #HYP_STACK_SIZE
	madd	x0, x1, x2, x0
	to_hyp	x0
	str	x0, [x28, #percpu.stack_top]

	adr_l	x0, host_vectors
	msr	vbar_el1, x0			// with VHE, this is VBAR_EL2
	mov	x0, #CPACR_FPEN
	msr	cpacr_el1, x0			// ... and this CPTR_EL2
	.if	VHE
	msr	tpidr_el2, x28
	.endif
	isb

	adr_l	x0, tasks
	add	x0, x0, x19, lsl #TASK_SHIFT
	str	x19, [x0, #task.number]
	mov	x1, x0
	to_hyp	x1
	str	x1, [x28, #percpu.task]
	add	x0, x0, #task.fp
	str	x0, [x28, #percpu.fp_loaded]
	ret					// FP_OWNER is 0, FP_HOST
	endfunc	host_cpu_setup

// host_work: what every CPU does: something of its own in an FP register, as the guests use them, too; then run vcpus
// until none is left. The first CPU ends the program; it does not return.
	func	host_work
	ldr	x21, [x28, #percpu.cpu]
	mov_48	x20, 0x0808080808
	add	x20, x20, x21
	fmov	d8, x20
	.if	WRECK_STACK && VHE == 0
	mov_32	w0, HYP_FN_WRECK
	hvc	#0
	.endif
	.if	SCRIPT
	bl	host_run_script
	.else
	bl	host_scheduler
	.endif
	bl	fpsimd_restore_task
	fmov	x0, d8
	cmp	x0, x20
	cset	w0, eq
	adr_l	x1, cpus_intact			// how many CPUs found their register again
	adr_l	x2, cpus_done
1:	ldaxr	w3, [x1]
	add	w3, w3, w0
	stlxr	w4, w3, [x1]
	cbnz	w4, 1b
2:	ldaxr	w3, [x2]
	add	w3, w3, #1
	stlxr	w4, w3, [x2]
	cbnz	w4, 2b
	sev
	cbnz	x21, 4f

	adr_l	x5, cpus_online
	ldr	w5, [x5]
3:	ldar	w3, [x2]
	cmp	w3, w5
	b.ne	3b
	ldr	w0, [x1]
	cmp	w0, w5
	b.ne	5f
	adr_l	x0, msg_fp
	bl	host_puts
5:	bl	host_print_summary
	adr_l	x0, msg_off
	bl	host_puts
	b	host_power_off

4:	mov_32	w0, PSCI_CPU_OFF
	smc	#0
	b	4b
	endfunc	host_work

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
	.if	VHE
	.asciz	"host: at EL2 by VHE, MMU on\n"
	.else
	.asciz	"host: at EL1, MMU on; EL2 has only stub vectors\n"
	.endif
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
	.balign	PAGE_SIZE
tasks:	.space	(1 + SCRIPT) * NR_CPUS << TASK_SHIFT
host_stacks:
	.space	NR_CPUS << HOST_STACK_SHIFT
host_go:
	.space	8
cpus_intact:
	.space	8
cpus_done:
	.space	8
