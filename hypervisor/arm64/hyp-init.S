// hyp-init.S: how the hypervisor comes to life. The host calls this code by HVC; the MMU of EL2 is still off. It
// runs at its physical address, which EL2's page tables map to itself (the "identity map"): so the instruction
// after the one that turns the MMU on is found at the same address.
//
// The call is an SMCCC fast call. A caller may expect that only x0-x3 change, and there is no stack and no memory
// to save anything in: EL2's data access still bypasses the caches, and would see stale memory. So the code lives
// in x0-x3.

	.if	VHE == 0

	.section .hyp.idmap

	.balign	2048
	.type	hyp_init_vectors, %function
hyp_init_vectors:
	.rept	8
	vector	stub_unexpected
	.endr
	vector	hyp_init			// from EL1, AArch64, synchronous: the HVC
	.rept	7
	vector	stub_unexpected
	.endr
	.size	hyp_init_vectors, . - hyp_init_vectors

// hyp_init: x0 HYP_FN_INIT, x1 physical address of EL2's level 1 table, x2 per-CPU offset, x3 EL2 address of hyp_start.
// An unknown function returns NOT_SUPPORTED in x0 and changes nothing else that the host can see.
	func	hyp_init
	cmp	x0, #STUB_LIMIT			// the stub calls still work here
	b.lo	stub_call

	// The per-CPU offset goes where it will stay. That frees x2, and hurts nobody: before hyp_start runs, nothing
	// uses TPIDR_EL2.
	msr	tpidr_el2, x2

	mov_32	w2, HYP_FN_INIT
	cmp	w0, w2				// SMCCC: the function id is W0
	b.eq	1f
	mov	x0, #SMCCC_NOT_SUPPORTED
	eret

	// 1. The tables.
1:	msr	ttbr0_el2, x1

	// 2. How to walk them: cacheability and granule like the host's, whose caches wrote the tables; the size of the
	//    address space is that of the identity map; the physical size is the CPU's.
	mrs	x0, tcr_el1
	and	x0, x0, #TCR_EL2_SHARED
	mov_32	x1, TCR_EL2_OWN
	orr	x0, x0, x1
	pa_range x1, x2
	bfi	x0, x1, #TCR_EL2_PS_BIT, #3
	msr	tcr_el2, x0

	// 3. What the attribute indexes in the tables mean: the same as for the host.
	mrs	x0, mair_el1
	msr	mair_el2, x0
	isb					// the invalidation below comes after the new values

	// 4. Whatever a boot loader left in the TLB is for other tables.
	tlbi	alle2
	dsb	sy				// complete ...
	isb					// ... and seen by this CPU

	// 5. MMU and caches on. The ISB makes it true for the next instruction, which the identity map still finds.
	mov_32	x0, SCTLR_EL2_ON
	msr	sctlr_el2, x0
	isb

	// 6. Leave the identity map.
	br	x3
	endfunc	hyp_init
	.endif
