// cpus.S: the other CPUs. PSCI starts them at secondary_start, at EL2 like the first one.

	.text

// host_start_cpus: one after the other, and waits until each has its hypervisor. Those that the board does not have are
// left out. Clobbers everything but x28-x30.
	func	host_start_cpus
	stp	x29, x30, [sp, #-16]!
	mov	x29, sp
	mov	x19, #1				// the next CPU, and how many there are
1:	cmp	x19, #NR_CPUS
	b.hs	3f
	mov_32	w0, PSCI_CPU_ON
	mov	x1, x19				// MPIDR: Aff0 counts the CPUs
	adr_l	x2, secondary_start
	mov	x3, x19				// arrives in x0
	smc	#0
	cbnz	w0, 3f
	mov	x1, #percpu.size
	adr_l	x0, (percpu_areas+percpu.online)
	madd	x0, x19, x1, x0
2:	ldar	x1, [x0]
	cbz	x1, 2b
	adr_l	x0, msg_cpu
	bl	host_puts
	mov	x0, x19
	bl	host_putdec
	adr_l	x0, msg_cpu_on
	bl	host_puts
	add	x19, x19, #1
	b	1b
3:	adr_l	x0, cpus_online
	str	w19, [x0]
	ldp	x29, x30, [sp], #16
	ret
	endfunc	host_start_cpus

// kick_others: the other CPUs look again at what there is to do: those that run a guest leave it. Clobbers x0.
	func	kick_others
	mov	x0, #1 << 40			// IRM: all but this one
	dsb	ishst				// they find what was written before
	msr	icc_sgi1r_el1, x0		// INTID_KICK is 0
	isb
	ret
	endfunc	kick_others

	.section .rodata
msg_cpu:
	.asciz	"host: CPU "
msg_cpu_on:
	.asciz	" is on\n"

	.data
	.balign	8
cpus_online:
	.word	1, 0
