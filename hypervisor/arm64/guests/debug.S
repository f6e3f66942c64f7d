// debug.S: breakpoint and watchpoint registers are the guest's own, whoever else runs and wherever it runs next.

	.section .guest
	.balign	8

	.equ	DEBUG_ROUNDS,	100

// debug_registers: x0 = a number that other machines do not have.
	payload	debug_registers
	mov	x21, #DEBUG_ROUNDS
	lsl	x22, x19, #2			// an address
	mrs	x0, dbgbvr2_el1
	cbnz	x0, guest_failed		// not the host's, and not another guest's
	msr	dbgbvr2_el1, x22
	msr	dbgwvr1_el1, x22
	mov	x0, #0x1e0			// not enabled
	msr	dbgbcr2_el1, x0
1:	guest_call GUEST_FN_YIELD
	tbnz	x21, #0, 2f			// the first access after an entry traps: now this one, now that one
	mrs	x0, dbgbvr2_el1
	cmp	x0, x22
	b.ne	guest_failed
2:	mrs	x0, dbgwvr1_el1
	cmp	x0, x22
	b.ne	guest_failed
	and	x1, x21, #1
	guest_call GUEST_FN_MIGRATE
	subs	x21, x21, #1
	b.ne	1b
	report	0xdb, x22
	mov	x1, #0
	b	guest_done
	endfunc	debug_registers
