// panic.S: EL2 has met an exception that it cannot explain. Say what is known and switch the machine off. The vcpu
// is found through TPIDR_EL2, so this works even after an exception that a wrong SP_EL2 has caused.

	.section .hyp.text

	console	hyp, (UART_BASE+HYP_VA_OFFSET)

	.macro	panic_line label, reg
	adr_l	x0, \label
	bl	hyp_puts
	mrs	x0, \reg
	bl	hyp_puthex
	.endm

// hyp_panic: from any exception of EL2, with any registers. SP_EL2 may be anything: what is needed comes from
// TPIDR_EL2. Does not return.
	func	hyp_panic
	mrs	x19, tpidr_el2
	ldr	x0, [x19, #percpu.stack_top]
	mov	sp, x0
	adr_l	x0, panic_message
	bl	hyp_puts
	panic_line panic_elr, elr_el2
	adr_l	x0, panic_esr
	bl	hyp_puts
	read_esr x0
	bl	hyp_puthex
	panic_line panic_far, far_el2
	panic_line panic_hpfar, hpfar_el2
	panic_line panic_par, par_el1
	adr_l	x0, panic_cpu
	bl	hyp_puts
	ldr	x0, [x19, #percpu.cpu]
	bl	hyp_puthex
	adr_l	x0, panic_vcpu
	bl	hyp_puts
	ldr	x0, [x19, #RUNNING_VCPU]
	bl	hyp_puthex
	adr_l	x0, panic_end
	bl	hyp_puts
	mov_32	w0, PSCI_SYSTEM_OFF
	smc	#0
1:	wfe
	b	1b
	endfunc	hyp_panic

	.section .hyp.rodata
panic_message:
	.asciz	"hyp: panic"
panic_elr:
	.asciz	"\nhyp:   elr_el2    "
panic_esr:
	.asciz	"\nhyp:   esr_el2    "
panic_far:
	.asciz	"\nhyp:   far_el2    "
panic_hpfar:
	.asciz	"\nhyp:   hpfar_el2  "
panic_par:
	.asciz	"\nhyp:   par_el1    "
panic_cpu:
	.asciz	"\nhyp:   cpu        "
panic_vcpu:
	.asciz	"\nhyp:   vcpu       "
panic_end:
	.asciz	"\n"
