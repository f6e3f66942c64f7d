// everything.S: all guests there are, at the same time, on four CPUs, with short time slices and three VMIDs for eight
// machines. None of them may notice the others.

	.set	NR_CPUS, 4
	.set	SLICE_US, 30
	.set	HOST_NEON, 1
	.set	VMID_BITS, 2
	.include "../story.inc"
	vm	entry=smp, vcpus=4, arg=4
	vm	entry=timer, arg=20
	vm	entry=fp_storm, arg=(500|1<<32|6<<40)
	vm	entry=malicious, arg=0x5555
	vm	entry=faulting
	vm	entry=host_storm, arg=3000
	vm	entry=vmid_watch, arg=(100|7<<32)
	vm	entry=debug_registers, arg=0x1234
	.include "../guests/lib.inc"
	.include "../guests/smp.S"
	.include "../guests/timer.S"
	.include "../guests/fp-storm.S"
	.include "../guests/malicious.S"
	.include "../guests/faulting.S"
	.include "../guests/exit-storm.S"
	.include "../guests/vmid.S"
	.include "../guests/debug.S"
	.include "../hypervisor.S"
