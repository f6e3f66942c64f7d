// main.S: the reference hypervisor for AArch64, in the shape of KVM without VHE, with one guest that leaves in every way
// there is. This is the file to assemble; all others arrive by .include. stories/ has more programs of this kind;
// hypervisor.S tells what each file does.

	.set	VERBOSE, 1
	.include "story.inc"
	vm	entry=guest_start
	.include "guests/hello.S"
	.include "hypervisor.S"
