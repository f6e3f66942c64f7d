// A hypervisor for specs: two virtual machines, three vcpus that take turns on CPU 0, FP registers switched lazily. It
// declares its structs with names of its own, so that nothing in the debugger can depend on those of the sample.
//
// EL2 runs at link address + HYP_OFFSET. Machine 1 sees memory at its own addresses, machine 2 GUEST2_OFFSET higher.

	.equ	HYP_OFFSET, 0x4000000000
	.equ	GUEST2_OFFSET, 0x40000000
	.equ	NR_VCPUS, 4
	.equ	NR_MACHINES, 2
	.equ	TFP, 1 << 10

	.include "../../../../hypervisor/arm64/lib/layout-macros.inc"
	value	owner, NOBODY, 0
	value	owner, A_GUEST, 1

	struct_begin machine
	field	machine, table, 8, 1, sysreg, vttbr_el2
	field	machine, vmid, 2
	struct_align 8
	struct_end machine

	struct_begin vector_state
	field	vector_state, q, 16, 32, vec
	struct_end vector_state

	struct_begin virtual_cpu
	field	virtual_cpu, r, 8, 31, gpr
	field	virtual_cpu, where, 8, 1, sysreg, elr_el2
	field	virtual_cpu, mode, 8, 1, sysreg, spsr_el2
	field	virtual_cpu, stack, 8, 1, sysreg, sp_el1
	field	virtual_cpu, control, 8, 1, sysreg, sctlr_el1
	field	virtual_cpu, vm, 8, 1, ptr, machine
	field	virtual_cpu, vcpu_id, 4
	field	virtual_cpu, turns, 4
	field	virtual_cpu, ich_lr, 8, 4, sysreg, ich_lr*_el2
	field	virtual_cpu, waiting, 8, 2, irqs
	struct_align 16
	field	virtual_cpu, vectors, vector_state.size, 1, struct, vector_state
	struct_end virtual_cpu

	struct_begin host_state
	field	host_state, running, 8, 1, ptr, virtual_cpu
	field	host_state, holder, 8, 1, ptr, virtual_cpu
	field	host_state, fp_owner, 8, 1, enum, owner
	struct_end host_state

	struct_begin cpu_data
	field	cpu_data, number
	field	cpu_data, state, host_state.size, 1, struct, host_state
	struct_end cpu_data

	chain	host_context, tpidr_el2, cpu_data, state, host_state
	chain	current_vcpu, tpidr_el2, cpu_data, state.running, virtual_cpu
	chain	fp_vcpu, tpidr_el2, cpu_data, state.holder, virtual_cpu
	array	vcpus, vcpu_area, NR_VCPUS, virtual_cpu
	array	vms, machine_area, NR_MACHINES, machine
	array	percpus, cpu_area, 2, cpu_data
	alias	_start, image_end, HYP_OFFSET, EL2
	alias	guest_code, guest_code_end, 0, EL1, 5
	alias	guest_code, guest_code_end, GUEST2_OFFSET, EL1, 6
	mark	save_vectors, fpsimd_save, guest
	mark	load_vectors, fpsimd_load, guest

	.equ	RUNNING, cpu_data.state + host_state.running
	.equ	HOLDER, cpu_data.state + host_state.holder
	.equ	OWNER, cpu_data.state + host_state.fp_owner

	.text
	.global	_start
_start:	ldr	x0, =0x80803519			// 39 bits, 4 KiB pages, write-back
	msr	tcr_el2, x0
	mov	x0, #0xff
	msr	mair_el2, x0
	adr	x0, el2_table
	msr	ttbr0_el2, x0
	ldr	x0, =0x80043559			// stage 2: 39 bits from level 1
	msr	vtcr_el2, x0
	ldr	x0, =0x30c51835
	msr	sctlr_el2, x0
	isb
	ldr	x0, =in_hyp
	mov	x10, #0
	movk	x10, #0x40, lsl #32
	add	x0, x0, x10
	br	x0

in_hyp:	adr	x0, cpu_area
	msr	tpidr_el2, x0
	adr	x0, hyp_stack_top
	mov	sp, x0
	adr	x0, vectors
	msr	vbar_el2, x0
	mov	x0, #3 << 20			// EL1 does not trap FP
	msr	cpacr_el1, x0
	adr	x0, vcpu_area
	adr	x1, machine_area
	adr	x2, guest_code			// of machine 1: EL2's offset away
	sub	x2, x2, x10
	mov	x3, #0
	bl	create_vcpu
	mov	x3, #1
	bl	create_vcpu
	add	x1, x1, #machine.size
	mov	x3, #0
	movz	x4, #GUEST2_OFFSET >> 16, lsl #16
	add	x2, x2, x4
	bl	create_vcpu
	adr	x0, vcpu_area
	movz	x1, #0x5000, lsl #48		// pending, group 1, INTID 27
	movk	x1, #27
	str	x1, [x0, #virtual_cpu.ich_lr + 8]
	mov	x1, #0x100000000
	str	x1, [x0, #virtual_cpu.waiting + 8]
	bl	run_all
	bl	all_waiting
	bl	run_all
	ldr	x0, =0x84000008
	smc	#0

// create_vcpu: x0 vcpu, moved to the next; x1 machine, x2 entry, x3 number.
create_vcpu:
	str	x1, [x0, #virtual_cpu.vm]
	str	w3, [x0, #virtual_cpu.vcpu_id]
	str	x2, [x0, #virtual_cpu.where]
	mov	x5, #0x3c5
	str	x5, [x0, #virtual_cpu.mode]
	ldr	x5, =0x30d00800
	str	x5, [x0, #virtual_cpu.control]
	str	x3, [x0, #virtual_cpu.r]
	add	x0, x0, #virtual_cpu.size
	ret

all_waiting:
	ret

// run_all: each vcpu until its next HVC.
run_all:
	stp	x29, x30, [sp, #-32]!
	str	x19, [sp, #16]
	mov	x29, sp
	adr	x19, vcpu_area
1:	ldr	x0, [x19, #virtual_cpu.vm]
	cbz	x0, 2f
	mov	x0, x19
	bl	run
	add	x19, x19, #virtual_cpu.size
	b	1b
2:	ldr	x19, [sp, #16]
	ldp	x29, x30, [sp], #32
	ret

run:	stp	x29, x30, [sp, #-32]!
	stp	x19, x20, [sp, #16]
	mrs	x1, tpidr_el2
	str	x0, [x1, #RUNNING]
	ldr	x2, [x1, #HOLDER]
	mov	x3, #0x33ff			// RES1
	cmp	x2, x0
	b.eq	1f
	orr	x3, x3, #TFP
1:	msr	cptr_el2, x3
	ldr	x2, [x0, #virtual_cpu.vm]
	ldr	x2, [x2, #machine.table]
	msr	vttbr_el2, x2
	movz	x2, #0x8000, lsl #16
	orr	x2, x2, #1
	msr	hcr_el2, x2
	b	enter

enter:	ldr	x1, [x0, #virtual_cpu.where]
	msr	elr_el2, x1
	ldr	x1, [x0, #virtual_cpu.mode]
	msr	spsr_el2, x1
	ldr	x1, [x0, #virtual_cpu.stack]
	msr	sp_el1, x1
	ldr	x1, [x0, #virtual_cpu.control]
	msr	sctlr_el1, x1
	ldr	x1, [x0, #virtual_cpu.ich_lr + 8]
	msr	ich_lr1_el2, x1
	.irp	n, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30
	ldr	x\n, [x0, #virtual_cpu.r + 8 * \n]
	.endr
	ldp	x0, x1, [x0, #virtual_cpu.r]
	eret

leave:	str	x1, [sp, #-16]!
	mrs	x1, tpidr_el2
	ldr	x1, [x1, #RUNNING]
	str	x0, [x1, #virtual_cpu.r]
	ldr	x0, [sp], #16
	str	x0, [x1, #virtual_cpu.r + 8]
	.irp	n, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30
	str	x\n, [x1, #virtual_cpu.r + 8 * \n]
	.endr
	mov	x0, x1
	mrs	x1, elr_el2
	str	x1, [x0, #virtual_cpu.where]
	mrs	x1, spsr_el2
	str	x1, [x0, #virtual_cpu.mode]
	mrs	x1, sp_el1
	str	x1, [x0, #virtual_cpu.stack]
	mrs	x1, esr_el2
	lsr	x1, x1, #26
	cmp	x1, #7
	b.eq	give_vectors
	mrs	x1, tpidr_el2
	str	xzr, [x1, #RUNNING]
	msr	ich_lr1_el2, xzr
	movz	x2, #0x8000, lsl #16
	msr	hcr_el2, x2
	ldp	x19, x20, [sp, #16]
	ldp	x29, x30, [sp], #32
	ret

// give_vectors: x0 vcpu. The vectors of the guest that has them out, this guest's in.
give_vectors:
	mov	x1, #0x33ff
	msr	cptr_el2, x1
	isb
	mrs	x20, tpidr_el2
	mov	x19, x0
	ldr	x0, [x20, #HOLDER]
	cbz	x0, 1f
	bl	save_vectors
1:	mov	x0, x19
	bl	load_vectors
	str	x19, [x20, #HOLDER]
	mov	x1, #A_GUEST
	str	x1, [x20, #OWNER]
	mov	x0, x19
	b	enter

save_vectors:
	stp	q0, q1, [x0, #virtual_cpu.vectors]
	ret
load_vectors:
	ldp	q0, q1, [x0, #virtual_cpu.vectors]
	ret

	.balign	2048
vectors:
	.space	0x400
	b	leave
	.balign	2048

guest_code:
	adr	x1, guest_stack_top
	sub	x1, x1, x0, lsl #8		// a stack for each vcpu
	tbz	x1, #31, 1f
	sub	x1, x1, #0x400
1:
	mov	sp, x1
	mov	x19, x0
	bl	guest_main
guest_end:
	b	guest_end

guest_main:
	stp	x29, x30, [sp, #-16]!
	mov	x29, sp
	bl	guest_call
	add	x19, x19, #0x10
	b	guest_main + 8
guest_call:
	stp	x29, x30, [sp, #-16]!
	mov	x29, sp
	cbnz	x19, 1f
	fmov	d0, x29				// only the first vcpu of each machine, on its first turn
1:	add	x0, x19, #0x700
	hvc	#0
after_hvc:
	ldp	x29, x30, [sp], #16
	ret
	.balign	16
	.space	2048
guest_stack_top:
guest_code_end:

	.ltorg
	.balign	4096
el2_table:				// 1 GiB blocks: as it is, and at HYP_OFFSET
	.quad	0x701, 0x40000701
	.space	8 * 254
	.quad	0, 0x40000701
	.space	8 * 254
vm1_table:
	.quad	0, 0x400007fd
	.space	8 * 510
vm2_table:
	.quad	0, 0, 0x400007fd
	.space	8 * 509
machine_area:
	.quad	vm1_table + 0x5000000000000, 5
	.quad	vm2_table + 0x6000000000000, 6
	.balign	16
vcpu_area:
	.space	virtual_cpu.size * NR_VCPUS
cpu_area:
	.space	2 * cpu_data.size
	.balign	16
	.space	1024
hyp_stack_top:
image_end:
