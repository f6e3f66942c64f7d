// hypercalls.S: what a guest can ask of the host by HVC: PSCI, and functions of our own (../../ABI.md).

	.text

// host_answer_call: w2 function, x3-x5 arguments; x19 vcpu, x27 vm. Returns x0 result, x1 state of the vcpu. Clobbers x0-x15.
	func	host_answer_call
	mov	x1, #VCPU_RUNNING
	mov_32	w6, GUEST_FN
	sub	w6, w2, w6
	cmp	w6, #GUEST_FN_LIMIT
	b.hs	1f
	adr_l	x7, guest_call_table
	ldr	x7, [x7, w6, uxtw #3]
	br	x7
1:	adr_l	x7, psci_table
2:	ldp	x8, x9, [x7], #16
	cbz	x9, unknown_call
	cmp	w2, w8
	b.ne	2b
	br	x9
	endfunc	host_answer_call

// unknown_call: returns x0 NOT_SUPPORTED.
	func	unknown_call
	mov	x0, #SMCCC_NOT_SUPPORTED
	ret
	endfunc	unknown_call

// ---- PSCI: x3-x5 arguments; return x0 and x1 as above; clobber x6-x15 -------------------------------------------------
// psci_cpu_off: x1 = VCPU_OFF.
	func	psci_cpu_off
	mov	x0, #SMCCC_SUCCESS
	mov	x1, #VCPU_OFF
	ret
	endfunc	psci_cpu_off

// psci_target: x3 MPIDR. Returns x6, the vcpu of this VM with that affinity, or 0. Clobbers x7, x8.
	func	psci_target
	mov	x6, #0
	ldr	x7, [x27, #vm.nr_vcpus]
	cmp	x3, x7
	b.hs	1f
	ldr	x6, [x27, #vm.vcpus]
	to_host	x6
	mov	x7, #vcpu.size
	madd	x6, x3, x7, x6
1:	ret
	endfunc	psci_target

// psci_cpu_on: x3 MPIDR, x4 entry, x5 context. The vcpu becomes ready; another CPU may run it.
	func	psci_cpu_on
	stp	x29, x30, [sp, #-32]!
	mov	x29, sp
	str	x19, [sp, #16]
	bl	psci_target
	mov	x0, #PSCI_INVALID_PARAMETERS
	cbz	x6, 1f
	mov	x0, #PSCI_ALREADY_ON
	ldr	x7, [x6, #vcpu.state]
	cbnz	x7, 1f
	mov	x19, x6
	mov	x0, x4
	mov	x1, x5
	bl	vcpu_reset
	mov	x0, #VCPU_READY
	str	x0, [x19, #vcpu.state]
	ldr	x0, [x27, #vm.vcpus_on]
	add	x0, x0, #1
	str	x0, [x27, #vm.vcpus_on]
	bl	kick_others
	mov	x0, #SMCCC_SUCCESS
1:	mov	x1, #VCPU_RUNNING
	ldr	x19, [sp, #16]
	ldp	x29, x30, [sp], #32
	ret
	endfunc	psci_cpu_on

// psci_affinity_info: x3 MPIDR, x4 level, of which there is only 0. Returns 0 for on, 1 for off.
	func	psci_affinity_info
	mov	x5, x30
	bl	psci_target
	mov	x30, x5
	mov	x0, #PSCI_INVALID_PARAMETERS
	cbz	x6, 1f
	cbnz	x4, 1f
	ldr	x0, [x6, #vcpu.state]
	cmp	x0, #VCPU_OFF
	cset	x0, eq
1:	ret
	endfunc	psci_affinity_info

// psci_system_off: the VM ends; its other vcpus see it when they leave their guests. x1 = VCPU_OFF.
	func	psci_system_off
	stp	x29, x30, [sp, #-16]!
	mov	x29, sp
	mov	x0, #1
	str	x0, [x27, #vm.ended]
	bl	vm_flush_line
	.if	VERBOSE
	adr_l	x0, msg_guest_off
	bl	host_puts
	.endif
	bl	kick_others
	mov	x0, #SMCCC_SUCCESS
	mov	x1, #VCPU_OFF
	ldp	x29, x30, [sp], #16
	ret
	endfunc	psci_system_off

// psci_features: x3 function. 0 if it exists.
	func	psci_features
	adr_l	x7, psci_table
	mov	x0, #SMCCC_NOT_SUPPORTED
1:	ldp	x8, x9, [x7], #16
	cbz	x9, 2f
	cmp	w3, w8
	b.ne	1b
	mov	x0, #SMCCC_SUCCESS
2:	ret
	endfunc	psci_features

// ---- Our own: the same contract ----------------------------------------------------------------------------------------
// call_vmid: returns x0 the VMID. It is that of this generation.
	func	call_vmid
	ldr	x0, [x27, #vm.vmid]
	ret
	endfunc	call_vmid

// call_ticks: x3 how many.
	func	call_ticks
	str	x3, [x19, #vcpu.ticks_left]
	mov	x0, #SMCCC_SUCCESS
	ret
	endfunc	call_ticks

// call_nop: changes x0 alone.
	func	call_nop
	mov	x0, #SMCCC_SUCCESS
	ret
	endfunc	call_nop

// call_report: x3 tag, x4 value: a line of the host's. call_done: x3 status: the same, and the vcpu is off.
	func	call_report
	stp	x29, x30, [sp, #-32]!
	mov	x29, sp
	stp	x3, x4, [sp, #16]
	bl	vm_flush_line
	bl	print_vcpu
	adr_l	x0, msg_report
	bl	host_puts
	ldr	x0, [sp, #16]
	bl	host_puthex
	adr_l	x0, msg_space
	bl	host_puts
	ldr	x0, [sp, #24]
	bl	host_puthex
	adr_l	x0, msg_newline
	bl	host_puts
	mov	x0, #SMCCC_SUCCESS
	mov	x1, #VCPU_RUNNING
	ldp	x29, x30, [sp], #32
	ret
	endfunc	call_report

	func	call_done
	stp	x29, x30, [sp, #-32]!
	mov	x29, sp
	str	x3, [sp, #16]
	bl	vm_flush_line
	bl	print_vcpu
	adr_l	x0, msg_done
	bl	host_puts
	ldr	x0, [sp, #16]
	bl	host_puthex
	adr_l	x0, msg_newline
	bl	host_puts
	mov	x0, #SMCCC_SUCCESS
	mov	x1, #VCPU_OFF
	ldp	x29, x30, [sp], #32
	ret
	endfunc	call_done

// call_yield: x1 = VCPU_READY: whoever is next may run.
	func	call_yield
	mov	x0, #SMCCC_SUCCESS
	mov	x1, #VCPU_READY
	ret
	endfunc	call_yield

// call_host_fp: the host is interrupted, and uses FP registers in the handler. Clobbers x6, x7, x14, x15.
	func	call_host_fp
	mov	x15, x30
	bl	host_interrupt_for_fp
	mov	x0, #SMCCC_SUCCESS
	mov	x1, #VCPU_RUNNING
	ret	x15
	endfunc	call_host_fp

// call_migrate: x3 number of a CPU: from now on the vcpu runs there.
	func	call_migrate
	mov	x0, #PSCI_INVALID_PARAMETERS
	adr_l	x6, cpus_online
	ldr	w6, [x6]
	cmp	x3, x6
	b.hs	1f
	ldr	x6, [x19, #vcpu.cpu_allowed]
	lsr	x7, x6, x3
	tbz	x7, #0, 1f
	mov	x6, #1
	lsl	x6, x6, x3
	str	x6, [x19, #vcpu.cpu_mask]
	mov	x0, #SMCCC_SUCCESS
	mov	x1, #VCPU_READY
1:	ret
	endfunc	call_migrate

// call_inject: x3 INTID, x4 priority: an interrupt for the vcpu itself.
	func	call_inject
	mov	x0, #PSCI_INVALID_PARAMETERS
	cmp	x3, #64
	b.hs	1f
	add	x6, x19, #vcpu.priority
	strb	w4, [x6, x3]
	mov	x6, #1
	lsl	x6, x6, x3
	ldr	x7, [x19, #vcpu.pending]
	orr	x7, x7, x6
	str	x7, [x19, #vcpu.pending]
	mov	x0, #SMCCC_SUCCESS
1:	ret
	endfunc	call_inject

// call_protect: x3 IPA.
	func	call_protect
	mov	x15, x30
	bl	stage2_protect
	mov	x1, #VCPU_RUNNING
	ret	x15
	endfunc	call_protect

// call_host_cpu: returns x0 the number of this CPU.
	func	call_host_cpu
	ldr	x0, [x28, #percpu.cpu]
	ret
	endfunc	call_host_cpu

// print_vcpu: `vm 1 vcpu 0`, of x19. Clobbers x0-x5.
	func	print_vcpu
	stp	x29, x30, [sp, #-16]!
	mov	x29, sp
	adr_l	x0, msg_vm_number
	bl	host_puts
	ldr	x0, [x19, #vcpu.vm]
	to_host	x0
	ldr	x0, [x0, #vm.vm_id]
	bl	host_putdec
	adr_l	x0, msg_vcpu_number
	bl	host_puts
	ldr	x0, [x19, #vcpu.vcpu_id]
	bl	host_putdec
	ldp	x29, x30, [sp], #16
	ret
	endfunc	print_vcpu

	.section .rodata
	.balign	8
guest_call_table:	// by number
	.quad	unknown_call, call_vmid, call_ticks, call_nop, call_report, call_done, call_yield, call_host_fp
	.quad	call_migrate, call_inject, call_protect, call_host_cpu
psci_table:		// function id, code; PSCI_VERSION is answered by EL2
	.quad	PSCI_CPU_OFF, psci_cpu_off
	.quad	PSCI_CPU_ON, psci_cpu_on
	.quad	PSCI_AFFINITY_INFO, psci_affinity_info
	.quad	PSCI_SYSTEM_OFF, psci_system_off
	.quad	PSCI_FEATURES, psci_features
	.quad	PSCI_VERSION, unknown_call
	.quad	0, 0
msg_guest_off:
	.asciz	"host: the guest switched itself off\n"
msg_report:
	.asciz	": report "
msg_done:
	.asciz	": done, status "
msg_space:
	.asciz	" "
msg_vm_number:
	.asciz	"vm "
msg_vcpu_number:
	.asciz	" vcpu "
