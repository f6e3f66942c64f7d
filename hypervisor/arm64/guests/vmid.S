// vmid.S: a guest that keeps looking at its own memory while others with the same addresses run. A translation of
// another machine that survived in the TLB under a reused VMID shows up as another machine's number.

	.section .guest
	.balign	8

// vmid_watch: x0 = rounds | number of this machine << 32. Reports how many different VMIDs it had.
	payload	vmid_watch
	lsr	x21, x19, #32
	and	x22, x19, #0xffffffff
	mov	x23, #0				// VMIDs that it has had, a bit each (those below 64)
	mov_32	x24, (GUEST_SHARED+0x1000)
	mov_32	x25, (GUEST_RAM+0x1800000)	// not mapped until it is touched: another page each round
	str	x21, [x24]
1:	ldr	x0, [x24]
	cmp	x0, x21
	b.ne	vmid_wrong
	ldr	x0, [x25]			// new memory, which must be empty
	cbnz	x0, vmid_wrong
	str	x21, [x25]
	guest_call GUEST_FN_VMID
	mov	x1, #1
	lsl	x1, x1, x0
	orr	x23, x23, x1
	guest_call GUEST_FN_YIELD
	ldr	x0, [x25]
	cmp	x0, x21
	b.ne	vmid_wrong
	add	x25, x25, #PAGE_SIZE
	subs	x22, x22, #1
	b.ne	1b
	report	0xd0, x23
	mov	x1, #0
	b	guest_done
	endfunc	vmid_watch

// vmid_wrong: x0 is what was found.
	func	vmid_wrong
	mov	x24, x0
	report	0xdead, x24
	b	guest_failed
	endfunc	vmid_wrong
