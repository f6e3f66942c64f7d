// vhe.S: the same guest, under a host at EL2.

	.set	VHE, 1
	.set	VERBOSE, 1
	.include "../story.inc"
	vm	entry=guest_start
	.include "../guests/hello.S"
	.include "../hypervisor.S"
