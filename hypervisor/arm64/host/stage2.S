// stage2.S: stage 2 has stopped the guest: its RAM, one of its devices, or nothing that it has.

	.text

// exit_stage2: HPFAR_EL2 has the page, FAR_EL2 the offset in it; together the IPA. (Where the architecture leaves
// HPFAR_EL2 UNKNOWN, EL2 has put the page there: hyp/exits.S.) Only an address in RAM or in a device means something.
// Gives those who answer x8 ESR_EL2, x9 IPA, x10 offset in a device, x12 the device; they clobber x0-x15.
	func	exit_stage2
	ldr	w8, [x19, #vcpu.esr_el2]
	ldr	x9, [x19, #vcpu.hpfar_el2]
	ldr	x0, [x19, #vcpu.far_el2]
	ubfx	x9, x9, #4, #36			// HPFAR_EL2.FIPA is IPA[47:12]
	lsl	x9, x9, #12
	and	x0, x0, #0xfff
	orr	x9, x9, x0			// x9: the IPA
	and	w10, w8, #ESR_FSC_TYPE
	cmp	w10, #ESR_FSC_TRANSLATION
	ccmp	w10, #ESR_FSC_PERMISSION, #4, ne
	b.ne	exit_unknown			// an external abort, for instance: it is not the guest's fault
	mov_32	x0, GUEST_RAM
	sub	x1, x9, x0
	mov_32	x0, GUEST_RAM_SIZE
	cmp	x1, x0
	b.lo	stage2_page
	lsr	w0, w8, #ESR_EC_BIT
	cmp	w0, #EC_DABT_LOW
	b.ne	stage2_abort			// code cannot be fetched from a device
	adr_l	x12, guest_devices
1:	ldr	x0, [x12]
	cbz	x0, stage2_abort
	sub	x10, x9, x0			// x10: the offset in the device
	cmp	x10, #PAGE_SIZE
	b.lo	stage2_mmio
	add	x12, x12, #guest_device.size
	b	1b
	endfunc	exit_stage2

// stage2_abort: w8 ESR_EL2. There is nothing at this address: the guest takes an external abort, as on a board.
	handler	stage2_abort
	count	STAT_ABORT
	lsr	w0, w8, #ESR_EC_BIT
	ldr	x1, [x19, #vcpu.ctxt + ctxt.pstate]
	tst	x1, #0xf
	cinc	w0, w0, ne			// EC 0x20, 0x24: from EL0; 0x21, 0x25: from EL1
	lsl	w0, w0, #ESR_EC_BIT
	orr	w0, w0, #ESR_IL
	and	w1, w8, #1 << ESR_WNR_BIT
	orr	w0, w0, w1
	mov	w1, #ESR_FSC_EXTERNAL
	orr	w0, w0, w1
	ldr	x1, [x19, #vcpu.far_el2]
	bl	inject_exception
	handled
	endfunc	stage2_abort

// stage2_page: x9 IPA in RAM. Translation fault: a page of zeros. Permission fault: the page was read-only so that we see
// the first write; let it happen. Another vcpu may have been here in the meantime: then there is nothing to do.
	handler	stage2_page
	and	x9, x9, #~0xfff			// the page
	ldr	x0, [x27, #vm.stage2]
	mov	x1, x9
	bl	find_page			// x5 where its descriptor is, x6 the descriptor
	tbnz	x6, #0, 2f

	count	STAT_PAGE
	ldr	x11, [x27, #vm.pa_offset]
	add	x11, x9, x11
	mov	x0, x11
	mov	x1, #PAGE_SIZE
	bl	zero_memory
	mov	x0, x11
	mov	x1, #PAGE_SIZE
	bl	clean_memory
	ldr	x0, [x27, #vm.stage2]
	mov	x1, x9
	mov	x2, x11
	mov	x3, #PAGE_SIZE
	mov	x4, #STAGE2_RAM
	bl	map_range
	say	msg_page
	handled

2:	ldr	w8, [x19, #vcpu.esr_el2]
	and	w8, w8, #ESR_FSC_TYPE
	cmp	w8, #ESR_FSC_PERMISSION
	b.ne	3f
	tst	x6, #STAGE2_WRITE
	b.ne	3f
	count	STAT_WRITE
	orr	x6, x6, #STAGE2_WRITE
	bl	stage2_change
3:	handled
	endfunc	stage2_page

// stage2_change: x5 address of a descriptor of x27, x6 its new value, x9 the IPA. Old permissions may be in the TLB of
// any CPU. Clobbers x0-x4.
	func	stage2_change
	str	x6, [x5]
	.if	VHE
	mov	x5, x30
	mov	x1, x27
	mov	x2, x9
	bl	flush_ipa
	mov	x30, x5
	.else
	dsb	ishst
	mov_32	w0, HYP_FN_FLUSH_IPA
	mov	x1, x27
	mov	x2, x9
	hvc	#0
	.endif
	ret
	endfunc	stage2_change

// stage2_protect: x3 IPA: the page becomes read-only until the next write. Returns x0: 0, or INVALID_PARAMETERS if it is
// no page of RAM that the guest has. Clobbers x1-x9.
	func	stage2_protect
	stp	x29, x30, [sp, #-16]!
	mov	x29, sp
	mov	x0, #PSCI_INVALID_PARAMETERS
	and	x9, x3, #~0xfff
	mov_32	x1, GUEST_RAM
	sub	x1, x9, x1
	mov_32	x2, GUEST_RAM_SIZE
	cmp	x1, x2
	b.hs	1f
	ldr	x0, [x27, #vm.stage2]
	mov	x1, x9
	bl	find_page
	mov	x0, #PSCI_INVALID_PARAMETERS
	cbz	x5, 1f
	tbz	x6, #0, 1f
	and	x6, x6, #~STAGE2_WRITE
	bl	stage2_change
	mov	x0, #SMCCC_SUCCESS
1:	ldp	x29, x30, [sp], #16
	ret
	endfunc	stage2_protect

// stage2_mmio: x10 offset in the device, x12 its line in guest_devices. The syndrome (ISS) tells all that an emulation
// needs: which register of the CPU, read or write, how many bytes.
	handler	stage2_mmio
	count	STAT_MMIO
	ldr	w11, [x19, #vcpu.esr_el2]
	tbz	w11, #ESR_ISV_BIT, 9f		// LDP and the like have no such syndrome
	ubfx	w13, w11, #ESR_SAS_BIT, #2	// log2 of the bytes
	ubfx	x1, x11, #ESR_SRT_BIT, #5
	tbz	w11, #ESR_WNR_BIT, 2f

	bl	get_guest_register
	ldr	x2, [x12, #guest_device.write]
	blr	x2
	b	3f

	// A load: the value is as wide as the access, with its sign if the instruction asks for it, in a register of 32
	// or 64 bits.
2:	ldr	x2, [x12, #guest_device.read]
	blr	x2
	ubfx	x1, x11, #ESR_SRT_BIT, #5
	mov	w4, #8
	lsl	w3, w4, w13			// bits
	mov	w4, #64
	sub	w3, w4, w3
	lsl	x2, x2, x3
	asr	x4, x2, x3
	lsr	x2, x2, x3
	tst	w11, #1 << ESR_SSE_BIT
	csel	x2, x2, x4, eq
	mov	w4, w2
	tst	w11, #1 << ESR_SF_BIT
	csel	x2, x4, x2, eq
	bl	set_guest_register
3:	skip_instruction
	handled
9:	ldp	x29, x30, [sp], #16
	b	exit_unknown
	endfunc	stage2_mmio

// A device has two functions. Read: returns x2; write: takes x0. x10 is the offset, w13 log2 of the bytes, x27 the vm.
// They clobber x0-x5 and keep the rest.

// uart_read: x10; returns x2. The flags say that there is always room; all others read as zero.
	func	uart_read
	cmp	x10, #UART_FR
	mov	x2, #0x90			// transmitter empty, receiver empty
	csel	x2, x2, xzr, eq
	ret
	endfunc	uart_read

// uart_write: x10, w0. The data register takes a character; all others are ignored.
	func	uart_write
	cmp	x10, #UART_DR
	and	w0, w0, #0xff
	b.eq	vm_write_character
	ret
	endfunc	uart_write

// scratch_read: x10; returns x2. 16 bytes that keep what is written, in any size.
	func	scratch_read
	mov	x2, #0
	cmp	x10, #16
	b.hs	1f
	add	x4, x27, #vm.scratch
	ldr	x2, [x4, x10]
1:	ret
	endfunc	scratch_read

// scratch_write: x10, w13, x0.
	func	scratch_write
	cmp	x10, #16
	b.hs	5f
	add	x4, x27, #vm.scratch
	add	x4, x4, x10
	cmp	w13, #2
	b.hi	4f
	b.eq	3f
	cbnz	w13, 2f
	strb	w0, [x4]
	ret
2:	strh	w0, [x4]
	ret
3:	str	w0, [x4]
	ret
4:	str	x0, [x4]
5:	ret
	endfunc	scratch_write

// vm_write_character: w0, from the guest of x27. The line is printed when it is complete, so that lines of guests do not
// mix. Clobbers x0-x5.
	func	vm_write_character
	ldr	x1, [x27, #vm.line_length]
	add	x2, x27, #vm.line
	strb	w0, [x2, x1]
	add	x1, x1, #1
	str	x1, [x27, #vm.line_length]
	cmp	w0, #'\n'
	b.eq	vm_print_line
	cmp	x1, #VM_LINE_BYTES - 2		// room for a new line and a zero
	b.hs	vm_flush_line
	ret
	endfunc	vm_write_character

// vm_flush_line: prints what there is, as a line. vm_print_line: a line that has its end. x27 vm. Clobber x0-x5.
	func	vm_flush_line
	ldr	x1, [x27, #vm.line_length]
	cbz	x1, 1f
	add	x2, x27, #vm.line
	mov	w0, #'\n'
	strb	w0, [x2, x1]
	add	x1, x1, #1
	str	x1, [x27, #vm.line_length]
	b	vm_print_line
1:	ret
	endfunc	vm_flush_line

	func	vm_print_line
	add	x0, x27, #vm.line
	ldr	x1, [x27, #vm.line_length]
	strb	wzr, [x0, x1]
	str	xzr, [x27, #vm.line_length]
	b	host_puts
	endfunc	vm_print_line

	.section .rodata
	.balign	8
guest_devices:	// a page each: IPA, read, write
	.quad	GUEST_UART, uart_read, uart_write
	.quad	GUEST_SCRATCH, scratch_read, scratch_write
	.quad	0
msg_page:
	.asciz	"host: the guest touched new memory, page mapped\n"
