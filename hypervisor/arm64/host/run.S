// run.S: the run loop. Enter the guest, see why it came back, do what is needed, enter it again.

	.text

// Statistics: one counter a kind of exit. The names are in host_print_summary's table, in the same order.
	.equ	STAT_HVC, 0
	.equ	STAT_SMC, 1
	.equ	STAT_WFX, 2
	.equ	STAT_SYSREG, 3
	.equ	STAT_MMIO, 4
	.equ	STAT_PAGE, 5
	.equ	STAT_IRQ, 6
	.equ	STATS, 7

	.macro	count stat
	adr_l	x0, (exit_stats+8*\stat)
	ldr	x1, [x0]
	add	x1, x1, #1
	str	x1, [x0]
	.endm

// host_run_vm: runs the vcpu until its guest switches itself off. x19 is the vcpu, for the handlers, too.
	func	host_run_vm
	stp	x29, x30, [sp, #-32]!
	mov	x29, sp
	stp	x19, x20, [sp, #16]
	adr_l	x19, vcpus

1:	bl	host_before_entry
	mov_32	w0, HYP_FN_VCPU_RUN
	mov	x1, x19
	hvc	#0				// --- the guest runs here ---
	cbnz	x0, 3f
	cmp	x1, #EXIT_REASONS
	b.hs	3f
	adr_l	x2, exit_handlers
	ldr	x2, [x2, x1, lsl #3]
	blr	x2				// returns x0: 0 to go on
	cbz	x0, 1b

	ldp	x19, x20, [sp, #16]
	ldp	x29, x30, [sp], #32
	ret
3:	adr_l	x0, msg_run_failed
	b	host_give_up
	endfunc	host_run_vm

// host_before_entry: if the guest waits for timer interrupts, start the timer.
	func	host_before_entry
	adr_l	x0, ticks_wanted
	ldr	x0, [x0]
	adr_l	x1, timer_ticks
	ldr	x1, [x1]
	cmp	x1, x0
	b.lo	host_timer_start		// a tail call: it returns to our caller
	ret
	endfunc	host_before_entry

// host_print_summary: how often the guest came back, by kind.
	func	host_print_summary
	stp	x29, x30, [sp, #-32]!
	mov	x29, sp
	stp	x19, x20, [sp, #16]
	mov	x19, #0
1:	adr_l	x0, stat_names
	ldr	x0, [x0, x19, lsl #3]
	bl	host_puts
	adr_l	x0, exit_stats
	ldr	x0, [x0, x19, lsl #3]
	bl	host_putdec
	add	x19, x19, #1
	cmp	x19, #STATS
	b.lo	1b
	adr_l	x0, msg_at_el2
	bl	host_puts
	adr_l	x0, vcpus
	ldr	x0, [x0, #vcpu.el2_exits]
	bl	host_putdec
	adr_l	x0, msg_newline
	bl	host_puts
	ldp	x19, x20, [sp, #16]
	ldp	x29, x30, [sp], #32
	ret
	endfunc	host_print_summary

	.section .rodata
	.balign	8
exit_handlers:	// by exit reason
	.quad	exit_unknown
	.quad	exit_irq
	.quad	exit_hvc
	.quad	exit_smc
	.quad	exit_wfx
	.quad	exit_sysreg
	.quad	exit_stage2
	.quad	exit_unknown			// FP traps are handled at EL2
	.quad	exit_unknown			// SError
stat_names:
	.quad	name_hvc, name_smc, name_wfx, name_sysreg, name_mmio, name_page, name_irq
name_hvc:
	.asciz	"host: exits: hvc "
name_smc:
	.asciz	", smc "
name_wfx:
	.asciz	", wfi "
name_sysreg:
	.asciz	", sysreg "
name_mmio:
	.asciz	", mmio "
name_page:
	.asciz	", page "
name_irq:
	.asciz	", irq "
msg_at_el2:
	.asciz	"\nhost: exits that EL2 handled alone: "
msg_run_failed:
	.asciz	"host: vcpu_run failed, ESR_EL1 "

	.bss
	.balign	8
exit_stats:
	.space	8 * STATS
ticks_wanted:
	.space	8
