// vectors.S: the two vector tables of the hypervisor, one for the time when the host runs, one for a guest.
//
// An exception to EL2 arrives with x0-x30 of EL1 and no free register. The first scratch register comes from SP:
// the old value of SP_EL2 is worth nothing (it is reloaded from the per-CPU data), so x0 waits in it. No stack is
// touched, and so an exit works even if SP_EL2 points nowhere.

	.section .hyp.text

	.if	VHE == 0
// While the host runs: only its HVC is expected. SMCCC lets us change x0-x3, but x1-x3 are arguments still.
	.balign	2048
	.type	hyp_host_vectors, %function
hyp_host_vectors:
	.rept	8
	vector	hyp_panic			// EL2 itself has stumbled
	.endr
	.balign	128
	mov	sp, x0				// the host's HVC
	read_esr x0
	lsr	x0, x0, #ESR_EC_BIT
	cmp	x0, #EC_HVC64
	b.ne	hyp_panic			// nothing else of the host traps
	mov	x0, sp
	cmp	x0, #STUB_LIMIT
	b.lo	host_stub_call
	mrs	x0, tpidr_el2
	b	host_hvc
	.rept	7
	vector	hyp_panic
	.endr
	.size	hyp_host_vectors, . - hyp_host_vectors
	.endif

// A way out of the guest: x0 waits in SP; x1, x2 are saved; x0 = vcpu, w1 = the kind of exit.
	.macro	exit_vector kind
	.balign	128
	mov	sp, x0
	mrs	x0, tpidr_el2
	ldr	x0, [x0, #RUNNING_VCPU]
	stp	x1, x2, [x0, #vcpu.ctxt + ctxt.x + 8 * 1]
	mov	w1, #\kind
	b	guest_exit
	.endm

// While a guest runs.
	.balign	2048
	.type	hyp_guest_vectors, %function
hyp_guest_vectors:
	.rept	8
	vector	hyp_panic
	.endr
	exit_vector EXIT_SYNC
	exit_vector EXIT_IRQ
	exit_vector EXIT_IRQ			// FIQ: the host sees to it like to an IRQ
	exit_vector EXIT_SERROR
	.rept	4
	vector	hyp_panic			// AArch32: the guest has no way to get there, HCR_EL2.RW is 1
	.endr
	.size	hyp_guest_vectors, . - hyp_guest_vectors
