// lazy-fp.S: two vcpus that compute with FP and SIMD registers, and one that does not, on one CPU, whose host uses the
// registers in an interrupt. Watch whose they are.

	.set	SLICE_US, 50
	.set	HOST_NEON, 1
	.include "../story.inc"
	vm	entry=fp_storm, arg=(300|1<<32|6<<40)
	vm	entry=fp_storm, arg=(300|2<<32|6<<40)
	vm	entry=exit_storm, arg=1000
	.include "../guests/lib.inc"
	.include "../guests/fp-storm.S"
	.include "../guests/exit-storm.S"
	.include "../hypervisor.S"
