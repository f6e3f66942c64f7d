// init.S: how EL2 comes to life, slowly: every call of the stub vectors and of the init vectors, what is refused and
// what is not, the way back and in again. Then the guest of the first world switch.

	.set	TEST_STUB, 1
	.set	NR_CPUS, 2
	.include "../story.inc"
	vm	entry=guest_start
	.include "../guests/hello.S"
	.include "../hypervisor.S"
