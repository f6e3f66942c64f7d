// tlb.S: translations that are no longer true. Only EL2 may invalidate entries of another VMID than the current one.
// All functions: x0 per-CPU data, x1, x2 arguments; return x1 = 0; clobber x1-x4.

	.section .hyp.text

// Invalidating for a virtual machine takes its VMID, and with VHE a world in which EL1 and EL0 are the guest's
// (HCR_EL2.TGE = 0): x4 keeps HCR_EL2.
	.macro	in_world_of_vm vm, scratch
	ldr	\scratch, [\vm, #vm.vttbr_el2]
	msr	vttbr_el2, \scratch
	.if	VHE
	mrs	x4, hcr_el2
	bic	\scratch, x4, #HCR_TGE
	msr	hcr_el2, \scratch
	.endif
	isb
	.endm

	.macro	back_in_world_of_host
	.if	VHE
	msr	hcr_el2, x4
	.endif
	msr	vttbr_el2, xzr
	isb
	mov	x1, #0
	ret
	.endm

// flush_all_vmids: VMIDs are about to get a new meaning. Every CPU forgets them, and instructions fetched under them.
// x1 = 0.
	func	flush_all_vmids
	dsb	ishst
	tlbi	alle1is
	ic	ialluis
	dsb	ish
	isb
	mov	x1, #0
	ret
	endfunc	flush_all_vmids

// flush_ipa: x1 vm (host's address), x2 IPA. Stage 2 of that page has changed. Entries that combine stage 1 and stage 2
// are not found by IPA: so all of stage 1 goes, too.
	func	flush_ipa
	to_hyp	x1
	dsb	ishst
	in_world_of_vm x1, x3
	lsr	x2, x2, #12
	tlbi	ipas2e1is, x2
	dsb	ish
	tlbi	vmalle1is
	dsb	ish
	isb
	back_in_world_of_host
	endfunc	flush_ipa

// flush_vm_locally: x1 vm (host's address). Two vcpus may use the same ASID for different address spaces; when one
// follows the other on this CPU, nothing of the first may be left.
	func	flush_vm_locally
	to_hyp	x1
	in_world_of_vm x1, x3
	tlbi	vmalle1
	dsb	nsh
	isb
	back_in_world_of_host
	endfunc	flush_vm_locally
