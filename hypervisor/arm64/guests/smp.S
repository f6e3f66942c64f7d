// smp.S: one guest on several vcpus. The first starts the others by PSCI; all of them count under one spinlock, and send
// each other software generated interrupts round a ring.

	.section .guest
	.balign	8

	.equ	SMP_ROUNDS,	200		// additions of each vcpu
	.equ	SMP_SGIS,	20		// rounds of the interrupt that they pass on
	.equ	SMP_SGI,	3
	.equ	MPIDR_RES1,	1 << 31
	.equ	PSCI_OFF,	1

// smp: x0 = number of vcpus.
	payload	smp
	bl	smp_prepare
	adr_l	x0, smp_vcpus
	str	x19, [x0]

	// A vcpu that does not exist, and one that is on already.
	mov	x1, #0x80
	adr_l	x2, smp_secondary
	guest_call PSCI_CPU_ON
	cmn	x0, #2				// INVALID_PARAMETERS
	b.ne	guest_failed
	mov	x1, #0
	adr_l	x2, smp_secondary
	guest_call PSCI_CPU_ON
	cmn	x0, #4				// ALREADY_ON
	b.ne	guest_failed

	mov	x21, #1
1:	cmp	x21, x19
	b.hs	2f
	mov	x1, x21
	adr_l	x2, smp_secondary
	add	x3, x21, #0x100			// the context id, which it must find in x0
	guest_call PSCI_CPU_ON
	cbnz	x0, guest_failed
	add	x21, x21, #1
	b	1b

2:	bl	smp_work

	// Wait until the others are off.
	mov	x21, #1
3:	cmp	x21, x19
	b.hs	5f
4:	mov	x1, x21
	mov	x2, #0
	guest_call PSCI_AFFINITY_INFO
	cmp	x0, #PSCI_OFF
	b.eq	6f
	guest_call GUEST_FN_YIELD
	b	4b
6:	add	x21, x21, #1
	b	3b

5:	adr_l	x0, smp_counter
	ldr	x21, [x0]
	report	0x50, x21
	adr_l	x0, smp_sgis
	ldr	x21, [x0]
	report	0x51, x21
	adr_l	x0, smp_message
	bl	guest_puts
	b	guest_off
	endfunc	smp

// smp_secondary: x0 = number of this vcpu + 0x100, the context id of CPU_ON.
	payload	smp_secondary
	add	x0, x20, #0x100
	cmp	x19, x0
	b.ne	guest_failed
	bl	smp_prepare
	adr_l	x0, smp_vcpus
	ldr	x19, [x0]
	bl	smp_work
	guest_call PSCI_CPU_OFF
	b	guest_failed			// it does not return
	endfunc	smp_secondary

// smp_prepare: interrupts, and "this vcpu is ready". Clobbers x0-x2, x30 is kept in x29.
	func	smp_prepare
	mov	x29, x30
	bl	guest_gic_on
	adr_l	x0, smp_irq
	adr_l	x1, guest_on_irq
	str	x0, [x1]
	adr_l	x0, smp_ready
1:	ldaxr	x1, [x0]
	add	x1, x1, #1
	stlxr	w2, x1, [x0]
	cbnz	w2, 1b
	mov	x30, x29
	ret
	endfunc	smp_prepare

// smp_work: x19 vcpus, x20 own number. Clobbers x0-x5, x22-x25, x28, x29.
	func	smp_work
	mov	x28, x30
	adr_l	x0, smp_ready			// start together
1:	ldar	x1, [x0]
	cmp	x1, x19
	b.hs	2f
	wfe
	b	1b

	// Count, one at a time: load, add and store with nothing but the lock between the vcpus.
2:	msr	daifclr, #2
	sev
	mov	x22, #SMP_ROUNDS
	adr_l	x23, smp_lock
	adr_l	x24, smp_counter
3:	bl	smp_acquire
	ldr	x0, [x24]
	add	x0, x0, #1
	str	x0, [x24]
	bl	smp_release
	subs	x22, x22, #1
	b.ne	3b

	// One interrupt goes round and round: the first vcpu sends it, everybody passes it on. smp_got says how often it
	// has come to this vcpu; there is never a second one that could merge with it.
	add	x25, x20, #1
	cmp	x25, x19
	csel	x25, xzr, x25, hs
	mov	x22, #1
	adr_l	x24, smp_got
	add	x24, x24, x20, lsl #3
4:	cbz	x20, 5f
	bl	smp_await
5:	mov	x0, #1
	lsl	x0, x0, x25			// target list: affinity 0.0.0.x
	orr	x0, x0, #SMP_SGI << 24
	msr	icc_sgi1r_el1, x0
	isb
	cbnz	x20, 6f
	bl	smp_await
6:	add	x22, x22, #1
	cmp	x22, #SMP_SGIS
	b.ls	4b
	msr	daifset, #2
	mov	x30, x28
	ret
	endfunc	smp_work

// smp_await: until the interrupt has come here for the x22nd time. x24: where that is counted. Clobbers x0.
	func	smp_await
1:	ldar	x0, [x24]
	cmp	x0, x22
	b.hs	2f
	wfi
	b	1b
2:	ret
	endfunc	smp_await

// smp_acquire, smp_release: x23 lock. Clobbers w0, w1.
	func	smp_acquire
	mov	w1, #1
1:	ldaxr	w0, [x23]
	cbnz	w0, 2f
	stxr	w0, w1, [x23]
	cbnz	w0, 1b
	ret
2:	wfe					// the release is an event: it clears our exclusive monitor
	b	1b
	endfunc	smp_acquire

	func	smp_release
	stlr	wzr, [x23]
	ret
	endfunc	smp_release

// smp_irq: x0 INTID. Interrupts are masked here: only this vcpu writes its smp_got.
	func	smp_irq
	cmp	w0, #SMP_SGI
	b.ne	guest_failed
	mrs	x1, mpidr_el1
	and	x1, x1, #0xff
	adr_l	x0, smp_got
	add	x0, x0, x1, lsl #3
	ldr	x1, [x0]
	add	x1, x1, #1
	stlr	x1, [x0]
	adr_l	x0, smp_sgis
1:	ldaxr	x1, [x0]
	add	x1, x1, #1
	stlxr	w2, x1, [x0]
	cbnz	w2, 1b
	ret
	endfunc	smp_irq

	.balign	64
smp_lock:
	.quad	0
	.balign	64
smp_counter:
	.quad	0
smp_sgis:
	.quad	0
smp_ready:
	.quad	0
smp_vcpus:
	.quad	0
smp_got:
	.space	8 * GUEST_VCPUS
smp_message:
	.asciz	"smp: all vcpus counted and rang\n"
