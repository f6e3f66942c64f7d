// vmid.S: VMIDs tag TLB entries, and there are few of them. Each is given away once in a generation. When they run out,
// a new generation begins: all CPUs leave their guests, all translations are forgotten, and every VM gets a new number
// when it runs next. (VM_ID, which people see, never changes.)

	.text

	.equ	LAST_VMID, (1 << VMID_BITS) - 1	// 0 is the host's

// vmid_check: x19 vcpu, x27 vm; interrupts are masked. On return the VM's VMID is one of this generation, and it stays so
// until this CPU has left the guest: percpu.in_guest says so to the one who begins a new generation. Clobbers x0-x15.
	func	vmid_check
	stp	x29, x30, [sp, #-16]!
	mov	x29, sp
1:	mov	x0, #1
	str	x0, [x28, #percpu.in_guest]
	dmb	ish				// first the announcement, then the look
	adr_l	x1, vmid_generation
	ldr	x1, [x1]
	ldr	x0, [x27, #vm.generation]
	cmp	x0, x1
	b.eq	2f
	str	xzr, [x28, #percpu.in_guest]
	bl	lock_host
	bl	vmid_allocate
	bl	unlock_host
	b	1b

	// Was it another vcpu of this VM that ran on this CPU last? It may have used the same ASIDs for other tables.
2:	dmb	ishld
	ldr	x0, [x28, #percpu.cpu]
	add	x1, x27, #vm.last_vcpu
	ldr	x2, [x1, x0, lsl #3]
	str	x19, [x1, x0, lsl #3]
	cbz	x2, 3f
	cmp	x2, x19
	b.eq	3f
	mov	x1, x27
	.if	VHE
	bl	flush_vm_locally
	.else
	mov_32	w0, HYP_FN_FLUSH_LOCAL
	hvc	#0
	.endif
3:	ldp	x29, x30, [sp], #16
	ret
	endfunc	vmid_check

// vmid_allocate: x27 vm. Under the lock. Clobbers x0-x8.
	func	vmid_allocate
	adr_l	x6, vmid_generation
	ldr	x0, [x6]
	ldr	x1, [x27, #vm.generation]
	cmp	x0, x1
	b.eq	2f				// another vcpu of this VM was faster
	ldr	x7, [x6, #vmid_pool.next]
	cmp	x7, #LAST_VMID
	b.ls	1f
	mov	x8, x30
	bl	vmid_new_generation
	mov	x30, x8
	mov	x7, #1
1:	add	x1, x7, #1
	str	x1, [x6, #vmid_pool.next]
	str	x7, [x27, #vm.vmid]
	ldr	x1, [x27, #vm.stage2]
	orr	x1, x1, x7, lsl #VTTBR_VMID_BIT
	str	x1, [x27, #vm.vttbr_el2]
	dmb	ishst				// who sees the generation sees the rest
	ldr	x0, [x6]
	str	x0, [x27, #vm.generation]
2:	ret
	endfunc	vmid_allocate

// vmid_new_generation: x6 vmid_generation. Clobbers x0-x5.
	func	vmid_new_generation
	ldr	x0, [x6]
	add	x0, x0, #1
	str	x0, [x6]
	dmb	ish				// first the new generation, then a look at who is in a guest
	mov	x0, #1 << 40			// all others leave their guests; whoever enters now sees the generation
	dsb	ishst
	msr	icc_sgi1r_el1, x0
	isb
	adr_l	x1, (percpu_areas+percpu.in_guest)
	mov	x2, #NR_CPUS
1:	ldar	x3, [x1]
	cbnz	x3, 1b
	add	x1, x1, #percpu.size
	subs	x2, x2, #1
	b.ne	1b
	.if	VHE
	mov	x5, x30
	bl	flush_all_vmids
	mov	x30, x5
	.else
	mov_32	w0, HYP_FN_FLUSH_ALL
	hvc	#0
	.endif
	ret
	endfunc	vmid_new_generation

	.data
	.balign	16
vmid_generation:
	.quad	1, 1				// the generation; the VMID that is given away next
