// summary.S: what happened, at the end: for each vcpu that ran, its exits by kind.

	.text

// Statistics: one counter in vcpu.exits for each kind of exit to the host.
	.equ	STAT_HVC, 0
	.equ	STAT_SMC, 1
	.equ	STAT_WFX, 2
	.equ	STAT_SYSREG, 3
	.equ	STAT_MMIO, 4
	.equ	STAT_PAGE, 5
	.equ	STAT_WRITE, 6
	.equ	STAT_ABORT, 7
	.equ	STAT_IRQ, 8
	.equ	STATS, 9

// host_print_summary: clobbers x0-x15.
	func	host_print_summary
	stp	x29, x30, [sp, #-48]!
	mov	x29, sp
	stp	x19, x20, [sp, #16]
	str	x21, [sp, #32]
	adr_l	x19, vcpus
	mov	x21, #NR_VCPUS
1:	ldr	x0, [x19, #vcpu.task]
	cbz	x0, 3f				// it never ran
	adr_l	x0, msg_host_prefix
	bl	host_puts
	bl	print_vcpu
	mov	x20, #0
2:	adr_l	x0, stat_names
	ldr	x0, [x0, x20, lsl #3]
	bl	host_puts
	add	x0, x19, #vcpu.exits
	ldr	x0, [x0, x20, lsl #3]
	bl	host_putdec
	add	x20, x20, #1
	cmp	x20, #STATS
	b.lo	2b
	adr_l	x0, msg_at_el2
	bl	host_puts
	ldr	x0, [x19, #vcpu.el2_exits]
	bl	host_putdec
	adr_l	x0, msg_newline
	bl	host_puts
	adr_l	x0, msg_host_prefix
	bl	host_puts
	bl	print_vcpu
	adr_l	x0, msg_sequence
	bl	host_puts
	ldr	x0, [x19, #vcpu.sequence]
	bl	host_puthex
	adr_l	x0, msg_newline
	bl	host_puts
3:	add	x19, x19, #vcpu.size
	subs	x21, x21, #1
	b.ne	1b
	ldr	x21, [sp, #32]
	ldp	x19, x20, [sp, #16]
	ldp	x29, x30, [sp], #48
	ret
	endfunc	host_print_summary

	.section .rodata
	.balign	8
stat_names:
	.quad	name_hvc, name_smc, name_wfx, name_sysreg, name_mmio, name_page, name_write, name_abort, name_irq
msg_host_prefix:
	.asciz	"host: "
name_hvc:
	.asciz	": exits: hvc "
name_smc:
	.asciz	", smc "
name_wfx:
	.asciz	", wfx "
name_sysreg:
	.asciz	", sysreg "
name_mmio:
	.asciz	", mmio "
name_page:
	.asciz	", page "
name_write:
	.asciz	", write "
name_abort:
	.asciz	", abort "
name_irq:
	.asciz	", irq "
msg_at_el2:
	.asciz	"; at EL2 "
msg_sequence:
	.asciz	": sequence "
