// registers.S: the EL1 system registers of host and guest, in and out of memory. Macros only. All use x4; x3 is the
// ctxt.

	.macro	save_register reg, name		// `name` is what the CPU calls it, seen from EL2
	mrs	x4, \name
	str	x4, [x3, #ctxt.\reg]
	.endm

	.macro	load_register reg, name
	ldr	x4, [x3, #ctxt.\reg]
	msr	\name, x4
	.endm

	// The guest's: with VHE the banked ones have names that end in _EL12.
	.macro	save_guest_register reg, el12
	.if	VHE
	save_register \reg, \el12
	.else
	save_register \reg, \reg
	.endif
	.endm

	.macro	load_guest_register reg, el12
	.if	VHE
	load_register \reg, \el12
	.else
	load_register \reg, \reg
	.endif
	.endm

	// The host's, whose names are the plain ones.
	.macro	save_host_register reg, el12
	save_register \reg, \reg
	.endm

	.macro	load_host_register reg, el12
	load_register \reg, \reg
	.endm

// A host at EL1 gives up all of them to the guest. One at EL2 keeps its own of the banked ones in EL2's registers.
	.macro	save_host_registers
	.if	VHE == 0
	for_each_banked_register save_host_register
	.endif
	for_each_shared_register save_host_register
	.endm

	.macro	load_host_registers
	.if	VHE == 0
	for_each_banked_register load_host_register
	.endif
	for_each_shared_register load_host_register
	.endm

	.macro	save_guest_registers
	for_each_banked_register save_guest_register
	for_each_shared_register save_guest_register
	.endm

	.macro	load_guest_registers
	for_each_banked_register load_guest_register
	for_each_shared_register load_guest_register
	.endm

// The guest's virtual timer, of the vcpu at x0. It runs only while the guest does: the host looks at what is saved,
// and the timer must not disturb the host. Clobbers x2.
	.macro	save_timer
	.if	VHE
	mrs	x2, cntv_ctl_el02
	str	x2, [x0, #vcpu.cntv_ctl_el0]
	mrs	x2, cntv_cval_el02
	str	x2, [x0, #vcpu.cntv_cval_el0]
	msr	cntv_ctl_el02, xzr
	.else
	mrs	x2, cntv_ctl_el0
	str	x2, [x0, #vcpu.cntv_ctl_el0]
	mrs	x2, cntv_cval_el0
	str	x2, [x0, #vcpu.cntv_cval_el0]
	msr	cntv_ctl_el0, xzr
	.endif
	msr	cntvoff_el2, xzr
	mov	x2, #CNTHCTL_HOST
	msr	cnthctl_el2, x2
	isb					// the timer's line is low before anybody looks at the GIC
	.endm

// x1: the vm. CNTVOFF_EL2 comes first: the comparison depends on it.
	.macro	load_timer
	mov	x2, #CNTHCTL_GUEST
	msr	cnthctl_el2, x2
	ldr	x2, [x1, #vm.cntvoff_el2]
	msr	cntvoff_el2, x2
	ldr	x2, [x0, #vcpu.cntv_cval_el0]
	ldr	x3, [x0, #vcpu.cntv_ctl_el0]
	.if	VHE
	msr	cntv_cval_el02, x2
	isb
	msr	cntv_ctl_el02, x3
	.else
	msr	cntv_cval_el0, x2
	isb
	msr	cntv_ctl_el0, x3
	.endif
	.endm
