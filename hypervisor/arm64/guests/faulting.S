// faulting.S: a guest whose memory is not there. Whatever it touches is made, emulated or allowed by the host while it
// waits, and it must not notice.

	.section .guest
	.balign	8

	.equ	FAULT_NEW,	GUEST_RAM + 0x1400000	// RAM that nobody has touched
	.equ	FAULT_TABLE,	GUEST_RAM + 0x1500000	// the same, for a translation table
	.equ	FAULT_ALIAS,	0x80000000		// where the third GiB of the guest's addresses begins
	.equ	FAULT_PATTERN,	0x8182838485868788

	.macro	expect reg, value
	ldr	x9, =\value
	cmp	\reg, x9
	b.ne	faulting_wrong
	.endm

// faulting: x0 is not used. x28 counts the checks that were good, so that a failure says which came next.
	payload	faulting
	mov	x28, #0
	adr_l	x0, faulting_abort
	adr_l	x1, guest_on_fault
	str	x0, [x1]

	// 1. New pages: zero at first, whoever touches them and how.
	mov_32	x21, FAULT_NEW
	ldr	x0, [x21, #0x128]
	cbnz	x0, faulting_wrong
	add	x28, x28, #1
	ldr	x22, =FAULT_PATTERN
	str	x22, [x21, #0x1000]		// a store first
	ldr	x0, [x21, #0x1000]
	expect	x0, FAULT_PATTERN
	add	x28, x28, #1
	add	x23, x21, #0x3000
	stur	x22, [x23, #-4]			// one store, two new pages
	ldur	x0, [x23, #-4]
	expect	x0, FAULT_PATTERN
	ldr	w0, [x23]
	expect	x0, 0x81828384
	add	x28, x28, #1
	add	x23, x21, #0x4000
	stp	x22, x21, [x23, #-8]		// a pair across two pages, one of which is new
	ldp	x0, x1, [x23, #-8]
	expect	x0, FAULT_PATTERN
	cmp	x1, x21
	b.ne	faulting_wrong
	add	x28, x28, #1
	add	x23, x21, #0x5000
1:	ldaxr	x0, [x23]			// an atomic sequence on a new page
	add	x0, x0, #5
	stlxr	w1, x0, [x23]
	cbnz	w1, 1b
	ldr	x0, [x23]
	expect	x0, 5
	add	x28, x28, #1
	add	x23, x21, #0x6000
	dc	zva, x23			// cleared before it was there
	ldr	x0, [x23]
	cbnz	x0, faulting_wrong
	add	x28, x28, #1

	// 2. Code on a new page: first written, then executed.
	add	x23, x21, #0x8000
	ldr	w0, faulting_code
	ldr	w1, (faulting_code+4)
	stp	w0, w1, [x23]
	dc	cvau, x23
	dsb	ish
	ic	ivau, x23
	dsb	ish
	isb
	blr	x23
	expect	x0, 42
	add	x28, x28, #1
	report	0xfa, x28

	// 3. A device, by every size and sign.
	mov_32	x21, GUEST_SCRATCH
	str	x22, [x21]
	ldr	x0, [x21]
	expect	x0, 0x8182838485868788
	add	x28, x28, #1
	ldr	w0, [x21]
	expect	x0, 0x85868788
	ldr	w0, [x21, #4]
	expect	x0, 0x81828384
	ldrsw	x0, [x21, #4]
	expect	x0, 0xffffffff81828384
	add	x28, x28, #1
	ldrh	w0, [x21, #2]
	expect	x0, 0x8586
	ldrsh	w0, [x21, #2]
	expect	x0, 0xffff8586
	ldrsh	x0, [x21, #6]
	expect	x0, 0xffffffffffff8182
	add	x28, x28, #1
	ldrb	w0, [x21, #7]
	expect	x0, 0x81
	ldrsb	w0, [x21, #5]
	expect	x0, 0xffffff83
	ldrsb	x0, [x21, #3]
	expect	x0, 0xffffffffffffff85
	add	x28, x28, #1
	ldr	x0, =0x1122334455667788
	strb	w0, [x21, #1]			// only the byte changes
	strh	w0, [x21, #4]
	ldr	x0, [x21]
	expect	x0, 0x8182778885868888
	add	x28, x28, #1
	str	wzr, [x21, #4]			// register 31 is zero, not SP
	strb	wzr, [x21]
	ldr	x0, [x21]
	expect	x0, 0x0000000085868800
	ldr	xzr, [x21]			// a load into nothing
	add	x28, x28, #1
	mov	x30, x22
	str	x30, [x21, #8]			// x30 is an ordinary register here
	ldar	x30, [x21]			// and this one tells all that is needed, too
	expect	x30, 0x0000000085868800
	ldr	x0, [x21, #8]
	expect	x0, 0x8182838485868788
	add	x28, x28, #1
	report	0xfb, x28

	// 4. Pages that were made read-only: the store comes through, and loads are never disturbed. HPFAR_EL2 is not
	// valid for these faults, so the host must find the page in another way.
	mov_32	x21, FAULT_NEW
	mov	x1, x21
	guest_call GUEST_FN_PROTECT
	cbnz	x0, faulting_wrong
	ldr	x0, [x21, #0x128]
	cbnz	x0, faulting_wrong
	str	x22, [x21, #0x128]
	ldr	x0, [x21, #0x128]
	expect	x0, FAULT_PATTERN
	add	x28, x28, #1
	mov	x1, x21
	guest_call GUEST_FN_PROTECT
	add	x23, x21, #0x1000
	stur	x21, [x23, #-4]			// across a protected and a writable page
	ldur	x0, [x23, #-4]
	cmp	x0, x21
	b.ne	faulting_wrong
	add	x28, x28, #1

	// 5. The guest's own translation tables, protected as shadow paging or migration would do it: an entry is
	// written while the table is read-only, and then works.
	adr_l	x21, guest_l1
	mov	x1, x21
	guest_call GUEST_FN_PROTECT
	cbnz	x0, faulting_wrong
	mov_32	x0, (0x40000000+GUEST_L1_RAM)
	str	x0, [x21, #16]			// FAULT_ALIAS is RAM once more
	dsb	ishst
	isb
	mov_32	x1, FAULT_ALIAS
	mov_32	x0, (FAULT_NEW-GUEST_RAM)
	add	x1, x1, x0
	ldr	x2, [x1, #0x128]
	expect	x2, FAULT_PATTERN
	mov_32	x0, FAULT_NEW			// protected by its address, written by its alias: the address of the
	add	x25, x1, #0x128			// fault is not that of the memory
	mov	x1, x0
	guest_call GUEST_FN_PROTECT
	str	xzr, [x25]
	mov_32	x0, FAULT_NEW
	ldr	x0, [x0, #0x128]
	cbnz	x0, faulting_wrong
	add	x28, x28, #1

	// 6. A table that is not in memory: the walk itself faults at stage 2, the host brings an empty page, and the
	// fault that is left is the guest's own.
	mov_32	x0, (FAULT_TABLE+DESC_TABLE)
	str	x0, [x21, #24]
	dsb	ishst
	isb
	mov	x26, #0
	mov_32	x23, 0xc0000000
	ldr	x0, [x23]			// faulting_abort skips it
	cmp	x26, #1
	b.ne	faulting_wrong
	add	x28, x28, #1
	report	0xfc, x28

	adr_l	x0, faulting_message
	bl	guest_puts
	mov	x1, #0
	b	guest_done
	endfunc	faulting

faulting_code:
	mov	x0, #42
	ret
	.ltorg

// faulting_wrong: x0 what was found, x28 how many checks were good. Does not return.
	func	faulting_wrong
	mov	x27, x0
	report	0xdead, x28
	report	0xdeae, x27
	b	guest_failed
	endfunc	faulting_wrong

// faulting_abort: x0 ESR_EL1, x1 ELR_EL1. Only one fault is the guest's own: a translation fault of level 2. Skip it.
	func	faulting_abort
	lsr	x2, x0, #ESR_EC_BIT
	cmp	x2, #0x25			// data abort from EL1
	b.ne	guest_failed
	and	x2, x0, #0x3f
	cmp	x2, #0x06
	b.ne	guest_failed
	add	x26, x26, #1
	add	x0, x1, #4
	ret
	endfunc	faulting_abort

faulting_message:
	.asciz	"faulting: memory was always there\n"
