// smp.S: two virtual machines with four vcpus each on four CPUs: CPU_ON, a spinlock, interrupts from vcpu to vcpu, and
// vcpus that wander from CPU to CPU.

	.set	NR_CPUS, 4
	.set	SLICE_US, 20
	.include "../story.inc"
	vm	entry=smp, vcpus=4, arg=4
	vm	entry=smp, vcpus=4, arg=4
	.include "../guests/lib.inc"
	.include "../guests/smp.S"
	.include "../hypervisor.S"
