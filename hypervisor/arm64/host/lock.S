// lock.S: one lock for all that CPUs of the host share: the scheduler's table, page tables, the console, and the vcpus
// of others. It is held for short times only, with interrupts masked.

	.text

// lock_host, unlock_host: clobber x15-x17.
	func	lock_host
	adr_l	x15, host_lock
	mov	w17, #1
	sevl					// the first WFE falls through
1:	wfe
2:	ldaxr	w16, [x15]
	cbnz	w16, 1b				// taken: wait for the event that the holder's store makes
	stxr	w16, w17, [x15]
	cbnz	w16, 2b
	ret
	endfunc	lock_host

	func	unlock_host
	adr_l	x15, host_lock
	stlr	wzr, [x15]			// it clears the monitors of those who wait, which is an event
	ret
	endfunc	unlock_host

	.bss
	.balign	64
host_lock:
	.space	64
