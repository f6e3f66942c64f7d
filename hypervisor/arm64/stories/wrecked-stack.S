// wrecked-stack.S: EL2's stack pointer and stack are rubbish whenever a guest runs. Exits find the vcpu all the same, and
// so does the panic at the end.

	.set	WRECK_STACK, 1
	.set	VERBOSE, 1
	.include "../story.inc"
	vm	entry=wrecked
	.include "../guests/lib.inc"

	.section .guest
	.balign	8
// wrecked: leaves in several ways, and then asks EL2 to fail.
	payload	wrecked
	adr_l	x0, wrecked_hello
	bl	guest_puts
	mov	x21, #100
1:	guest_call GUEST_FN_NOP			// through EL2 to the host and back
	guest_call PSCI_VERSION			// to EL2 and back
	subs	x21, x21, #1
	b.ne	1b
	fmov	d0, x20
	fmov	d1, x20
	mov_32	x1, GUEST_LAZY
	str	x20, [x1]			// a page fault
	adr_l	x0, wrecked_alive
	bl	guest_puts
	guest_call GUEST_FN_CRASH
	b	guest_failed			// EL2 does not come back
	endfunc	wrecked

wrecked_hello:
	.asciz	"guest: EL2's stack is in ruins\n"
wrecked_alive:
	.asciz	"guest: 200 calls, FP and a page fault later\n"
	.balign	8

	.include "../hypervisor.S"
