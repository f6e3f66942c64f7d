// vmid-rollover.S: five virtual machines and three VMIDs on two CPUs. Nobody may ever see the memory of another one.

	.set	NR_CPUS, 2
	.set	SLICE_US, 20
	.set	VMID_BITS, 2
	.include "../story.inc"
	vm	entry=vmid_watch, arg=(100|1<<32)
	vm	entry=vmid_watch, arg=(100|2<<32)
	vm	entry=vmid_watch, arg=(100|3<<32)
	vm	entry=vmid_watch, arg=(100|4<<32)
	vm	entry=vmid_watch, arg=(100|5<<32)
	.include "../guests/lib.inc"
	.include "../guests/vmid.S"
	.include "../hypervisor.S"
