// vgic.S: the virtual CPU interface of the GIC. While a guest runs, HCR_EL2.IMO makes its ICC_* registers those of the
// virtual interface, which shows it what stands in the list registers (ICH_LR<n>_EL2). What to put there, and what came
// of it, is the host's business (host/vgic.S).

	.section .hyp.text

// One access for each list register that is in use: the number is in `used`.
	.macro	for_used_lrs op, used, done
	.irp	n, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15
	cmp	\used, #\n
	b.ls	\done
	\op	\n
	.endr
	.endm

	.macro	load_lr n
	ldr	x4, [x0, #vcpu.ich_lr + 8 * \n]
	msr	ich_lr\n\()_el2, x4
	.endm

	.macro	save_lr n
	mrs	x4, ich_lr\n\()_el2
	str	x4, [x0, #vcpu.ich_lr + 8 * \n]
	msr	ich_lr\n\()_el2, xzr
	.endm

// vgic_enter: x0 vcpu. Clobbers x2-x4.
	func	vgic_enter
	ldr	x2, [x0, #vcpu.ich_vmcr_el2]
	msr	ich_vmcr_el2, x2
	ldr	x2, [x0, #vcpu.ich_ap0r0_el2]
	msr	ich_ap0r0_el2, x2
	ldr	x2, [x0, #vcpu.ich_ap1r0_el2]
	msr	ich_ap1r0_el2, x2
	ldr	x3, [x0, #vcpu.used_lrs]
	for_used_lrs load_lr, x3, 1f
1:	ldr	x2, [x0, #vcpu.ich_hcr_el2]
	msr	ich_hcr_el2, x2
	ret
	endfunc	vgic_enter

// vgic_leave: x0 vcpu. Switches the virtual interface off, and with it a maintenance interrupt. Clobbers x2-x4.
	func	vgic_leave
	ldr	x3, [x0, #vcpu.used_lrs]
	cbz	x3, 1f				// no list register, no maintenance interrupt
	mrs	x2, ich_misr_el2		// why there is one, if there is
	str	x2, [x0, #vcpu.ich_misr_el2]
	mrs	x2, ich_eisr_el2		// which list registers saw an end of interrupt
	str	x2, [x0, #vcpu.ich_eisr_el2]
1:	mrs	x2, ich_vmcr_el2
	str	x2, [x0, #vcpu.ich_vmcr_el2]
	mrs	x2, ich_ap0r0_el2
	str	x2, [x0, #vcpu.ich_ap0r0_el2]
	mrs	x2, ich_ap1r0_el2
	str	x2, [x0, #vcpu.ich_ap1r0_el2]
	for_used_lrs save_lr, x3, 2f
2:	msr	ich_hcr_el2, xzr
	isb
	ret
	endfunc	vgic_leave
