// data.S: the memory of the hypervisor. TPIDR_EL2 holds the EL2 address of this CPU's percpu struct. All offsets
// into it count from its start, so TPIDR_EL2 alone is enough to find everything: one MRS and one LDR give the
// running vcpu, from anywhere in EL2, with or without a usable stack.

	.section .hyp.data

	.equ	HYP_STACK_SIZE, 2048

	.balign	64
	.type	percpu_areas, %object
percpu_areas:
	.space	percpu.size * NR_CPUS
	.size	percpu_areas, . - percpu_areas

	.balign	64
	.type	vms, %object
vms:	.space	vm.size * NR_VMS
	.size	vms, . - vms

	.balign	64
	.type	vcpus, %object
vcpus:	.space	vcpu.size * NR_VCPUS
	.size	vcpus, . - vcpus

	.balign	16
	.type	hyp_stack, %object
hyp_stack:
	.space	HYP_STACK_SIZE * NR_CPUS
	.size	hyp_stack, . - hyp_stack
hyp_stack_end:
