// vm.S: the host makes a virtual machine: memory with an image in it, a stage 2 that leads there, and a vcpu.

	.text

// host_create_vm: clobbers everything but x29, x30.
	func	host_create_vm
	stp	x29, x30, [sp, #-16]!
	mov	x29, sp

	// The image goes to guest memory, GUEST_PA_OFFSET above the place where it was loaded and linked. Its IPA
	// is the link address again: stage 2 takes the offset out.
	adr_l	x19, guest_image_start
	adr_l	x20, guest_image_end
	mov	x0, x19
	mov	x1, x20
	mov	x2, #GUEST_PA_OFFSET
1:	ldp	x3, x4, [x0]
	add	x5, x0, x2
	stp	x3, x4, [x5]
	add	x0, x0, #16
	cmp	x0, x1
	b.lo	1b

	// The guest begins with its MMU off: it fetches and reads past the caches. So clean what we wrote to memory.
	mrs	x3, ctr_el0
	ubfx	x3, x3, #16, #4			// DminLine: log2 of the number of words
	mov	x4, #4
	lsl	x3, x4, x3
	add	x0, x19, x2
	add	x1, x20, x2
2:	dc	civac, x0
	add	x0, x0, x3
	cmp	x0, x1
	b.lo	2b
	dsb	ish
	ic	ialluis				// old instructions from the same addresses
	dsb	ish
	isb

	// Stage 2: the image in 4 KiB pages, one 2 MiB block to share, and the rest when it is touched.
	bl	alloc_table
	adr_l	x21, guest_stage2
	str	x0, [x21]
	mov	x1, x19
	mov	x2, #GUEST_PA_OFFSET
	add	x2, x19, x2
	sub	x3, x20, x19
	mov	x4, #STAGE2_RAM
	bl	map_range
	mov_32	x1, GUEST_SHARED
	mov_32	x2, (GUEST_SHARED+GUEST_PA_OFFSET)
	mov	x3, #BLOCK_SIZE
	bl	map_range
	mov_32	x0, (GUEST_SHARED+GUEST_PA_OFFSET)
	mov	x1, #BLOCK_SIZE
	bl	zero_memory			// a guest must not find what others have left

	// The vm.
	adr_l	x22, vms
	mov	x1, #1
	str	x1, [x22, #vm.vmid]
	ldr	x0, [x21]
	orr	x0, x0, x1, lsl #VTTBR_VMID_BIT
	str	x0, [x22, #vm.vttbr_el2]
	mov_32	x0, VTCR_VALUE
	pa_range x1, x2
	bfi	x0, x1, #VTCR_PS_BIT, #3
	str	x0, [x22, #vm.vtcr_el2]
	mrs	x0, cntpct_el0
	str	x0, [x22, #vm.cntvoff_el2]	// the guest's time starts at 0

	// The vcpu. What is not set here is zero.
	adr_l	x23, vcpus
	orr	x0, x22, #HYP_VA_OFFSET		// a pointer for EL2
	str	x0, [x23, #vcpu.vm]
	mov_32	x0, HCR_GUEST
	str	x0, [x23, #vcpu.hcr_el2]
	mov	x0, #1 << 31			// MPIDR_EL1: RES1, affinity 0.0.0.0
	str	x0, [x23, #vcpu.vmpidr_el2]
	mov_32	x0, SCTLR_EL1_OFF
	str	x0, [x23, #vcpu.ctxt + ctxt.sctlr_el1]
	mov	x0, #PSR_DAIF | PSR_EL1H
	str	x0, [x23, #vcpu.ctxt + ctxt.pstate]
	adr_l	x0, guest_start
	str	x0, [x23, #vcpu.ctxt + ctxt.pc]

	adr_l	x0, msg_vm
	bl	host_puts
	ldp	x29, x30, [sp], #16
	ret
	endfunc	host_create_vm

// zero_memory: x0 address, x1 size, multiples of 4 KiB, in RAM. Clobbers x0-x3.
	func	zero_memory
	mrs	x2, dczid_el0
	and	x2, x2, #0xf			// BS: log2 of the words that one DC ZVA clears, at most 2 KiB
	mov	x3, #4
	lsl	x2, x3, x2
	add	x1, x0, x1
1:	dc	zva, x0
	add	x0, x0, x2
	cmp	x0, x1
	b.lo	1b
	ret
	endfunc	zero_memory

	.section .rodata
msg_vm:
	.asciz	"host: vm 1: guest memory is at IPA + 0x10000000\n"

	.bss
	.balign	8
guest_stage2:
	.space	8				// level 1 table of the guest's stage 2
