// vm.S: the host makes the virtual machines of the story: memory with an image in it, a stage 2 that leads there, and
// vcpus.

	.text

// host_create_vms: all that the `vm` lines ask for. Clobbers everything but x28-x30.
	func	host_create_vms
	stp	x29, x30, [sp, #-16]!
	mov	x29, sp
	adr_l	x24, story_vms
	adr_l	x22, vms
	adr_l	x19, vcpus
	mov	x25, #0				// number of the VM, less one
1:	bl	host_create_vm
	add	x24, x24, #story_vm.size
	add	x22, x22, #vm.size
	add	x25, x25, #1
	cmp	x25, #NR_VMS
	b.lo	1b
	ldp	x29, x30, [sp], #16
	ret
	endfunc	host_create_vms

// host_create_vm: x22 vm, x24 its line in story_vms, x25 its index, x19 its first vcpu. Returns x19, the vcpu behind its
// last one. Clobbers everything but x22, x24, x25, x28-x30.
	func	host_create_vm
	stp	x29, x30, [sp, #-16]!
	mov	x29, sp

	// The image goes to guest memory, pa_offset above the place where it was loaded and linked. Its IPA is the
	// link address again: stage 2 takes the offset out.
	mov_32	x26, GUEST_STRIDE
	mul	x26, x26, x25
	mov_32	x0, GUEST_PA_OFFSET
	add	x26, x26, x0
	str	x26, [x22, #vm.pa_offset]
	adr_l	x20, guest_image_start
	adr_l	x21, guest_image_end
	mov	x0, x20
1:	ldp	x3, x4, [x0]
	add	x5, x0, x26
	stp	x3, x4, [x5]
	add	x0, x0, #16
	cmp	x0, x21
	b.lo	1b

	add	x0, x20, x26
	sub	x1, x21, x20
	bl	clean_memory
	ic	ialluis				// old instructions from the same addresses
	dsb	ish
	isb

	// Stage 2: the image in 4 KiB pages, read-only until the guest writes to one; a 2 MiB block to share; and the
	// rest when it is touched.
	bl	alloc_table
	str	x0, [x22, #vm.stage2]
	mov	x1, x20
	add	x2, x20, x26
	sub	x3, x21, x20
	mov	x4, #STAGE2_RAM_RO
	bl	map_range
	mov_32	x1, GUEST_SHARED
	add	x2, x1, x26
	mov	x3, #BLOCK_SIZE
	mov	x4, #STAGE2_RAM
	bl	map_range
	mov_32	x0, GUEST_SHARED
	add	x0, x0, x26
	mov	x1, #BLOCK_SIZE
	bl	zero_memory			// a guest must not find what others have left
	mov_32	x0, GUEST_SHARED
	add	x0, x0, x26
	mov	x1, #BLOCK_SIZE
	bl	clean_memory

	// The vm. Its VMID comes at the first entry (host/vmid.S).
	add	x0, x25, #1
	str	x0, [x22, #vm.vm_id]
	mov_32	x0, VTCR_VALUE
	pa_range x1, x2
	bfi	x0, x1, #VTCR_PS_BIT, #3
	str	x0, [x22, #vm.vtcr_el2]
	mrs	x0, cntpct_el0
	str	x0, [x22, #vm.cntvoff_el2]	// the guest's time starts at 0
	ldr	x20, [x24, #story_vm.vcpus]			// how many vcpus
	str	x20, [x22, #vm.nr_vcpus]
	mov	x0, x19
	to_hyp	x0
	str	x0, [x22, #vm.vcpus]
	mov	x0, #1
	str	x0, [x22, #vm.vcpus_on]

	// The vcpus. What is not set here is zero.
	mov	x21, #0
3:	mov	x0, x22
	to_hyp	x0				// pointers are for EL2
	str	x0, [x19, #vcpu.vm]
	str	x21, [x19, #vcpu.vcpu_id]
	mov_48	x0, HCR_GUEST
	str	x0, [x19, #vcpu.hcr_el2]
	mov	x0, #1 << 31			// MPIDR_EL1: RES1; Aff0 is the number of the vcpu
	orr	x0, x0, x21
	str	x0, [x19, #vcpu.vmpidr_el2]
	mov	x0, #-1
	str	x0, [x19, #vcpu.cpu]
	ldr	x0, [x24, #story_vm.cpus]
	str	x0, [x19, #vcpu.cpu_mask]
	str	x0, [x19, #vcpu.cpu_allowed]
	mov	x0, #ICH_HCR_EN
	str	x0, [x19, #vcpu.ich_hcr_el2]
	mov_48	x0, 0xa0a0a0a0a0a0		// the priority of all interrupts
	orr	x0, x0, x0, lsl #16
	mov	x1, #0
	add	x2, x19, #vcpu.priority
4:	str	x0, [x2, x1]
	add	x1, x1, #8
	cmp	x1, #64
	b.lo	4b
	cbnz	x21, 5f
	ldr	x0, [x24, #story_vm.entry]	// the first one starts at the entry
	ldr	x1, [x24, #story_vm.arg]
	bl	vcpu_reset
	mov	x0, #VCPU_READY
	str	x0, [x19, #vcpu.state]
5:	add	x19, x19, #vcpu.size
	add	x21, x21, #1
	cmp	x21, x20
	b.lo	3b

	adr_l	x0, msg_vm
	bl	host_puts
	ldr	x0, [x22, #vm.vm_id]
	bl	host_putdec
	adr_l	x0, msg_vm_memory
	bl	host_puts
	mov	x0, x26
	bl	host_putaddress
	adr_l	x0, msg_newline
	bl	host_puts
	ldp	x29, x30, [sp], #16
	ret
	endfunc	host_create_vm

// vcpu_reset: x19 vcpu, x0 entry, x1 argument. EL1, MMU off, everything masked, the argument in x0 and zero in all other
// registers. Clobbers x2, x3.
	func	vcpu_reset
	add	x2, x19, #vcpu.ctxt
	add	x3, x2, #ctxt.size
1:	stp	xzr, xzr, [x2], #16
	cmp	x2, x3
	b.lo	1b
	add	x2, x19, #vcpu.fp
	add	x3, x2, #fp.size
2:	stp	xzr, xzr, [x2], #16
	cmp	x2, x3
	b.lo	2b
	str	x1, [x19, #vcpu.ctxt + ctxt.x]
	str	x0, [x19, #vcpu.ctxt + ctxt.pc]
	mov	x2, #PSR_DAIF | PSR_EL1H
	str	x2, [x19, #vcpu.ctxt + ctxt.pstate]
	mov_32	x2, SCTLR_EL1_OFF
	str	x2, [x19, #vcpu.ctxt + ctxt.sctlr_el1]
	str	xzr, [x19, #vcpu.cntv_ctl_el0]
	str	xzr, [x19, #vcpu.vdisr_el2]
	str	xzr, [x19, #vcpu.pending]
	str	xzr, [x19, #vcpu.active]
	str	xzr, [x19, #vcpu.ich_vmcr_el2]
	str	xzr, [x19, #vcpu.ich_ap1r0_el2]
	ret
	endfunc	vcpu_reset

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

// clean_memory: x0 address, x1 size. A guest begins with its MMU off: it fetches and reads past the caches. So what we
// wrote has to be in memory. Clobbers x0-x3.
	func	clean_memory
	mrs	x2, ctr_el0
	ubfx	x2, x2, #16, #4			// DminLine: log2 of the number of words
	mov	x3, #4
	lsl	x2, x3, x2
	add	x1, x0, x1
1:	dc	civac, x0
	add	x0, x0, x2
	cmp	x0, x1
	b.lo	1b
	dsb	ish
	ret
	endfunc	clean_memory

	.section .rodata
msg_vm:
	.asciz	"host: vm "
msg_vm_memory:
	.asciz	": guest memory is at IPA + "
