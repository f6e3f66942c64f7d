// exit-storm.S: as many exits as possible. A guest that does nothing else shows what an exit costs, and what it must not
// cost: these guests use no FP register, so nobody may save or load any.

	.section .guest
	.balign	8

// exit_storm: x0 = how often. Each call goes to EL2 and straight back.
	payload	exit_storm
	adr_l	x0, storm_begins
	bl	guest_puts
	mov	x21, x19
1:	guest_call PSCI_VERSION
	mov_32	w1, PSCI_1_1
	cmp	w0, w1
	b.ne	guest_failed
	subs	x21, x21, #1
	b.ne	1b
	b	storm_over
	endfunc	exit_storm

// host_storm: x0 = how often. Each call goes through EL2 to the host and back: two world switches.
	payload	host_storm
	adr_l	x0, storm_begins
	bl	guest_puts
	mov	x21, x19
1:	guest_call GUEST_FN_NOP
	cbnz	x0, guest_failed
	subs	x21, x21, #1
	b.ne	1b
	b	storm_over
	endfunc	host_storm

// storm_over: x19 exits were survived.
	func	storm_over
	adr_l	x0, storm_is_over
	bl	guest_puts
	report	0x51, x19
	mov	x1, #0
	b	guest_done
	endfunc	storm_over

storm_begins:
	.asciz	"storm: begins\n"
storm_is_over:
	.asciz	"storm: is over\n"
	.balign	8
