// lazy-fp.S: three machines on one CPU, whose host uses FP and SIMD registers in its timer interrupt. The first computes
// with them without a pause, the second, too, and makes calls in between; the third does not use them. Watch whose they
// are.

	.set	SLICE_US, 10
	.set	HOST_NEON, 1
	.include "../story.inc"
	vm	entry=fp_storm, arg=(3000|1<<32|5<<40)
	vm	entry=fp_storm, arg=(300|2<<32|6<<40)
	vm	entry=exit_storm, arg=1000
	.include "../guests/lib.inc"
	.include "../guests/fp-storm.S"
	.include "../guests/exit-storm.S"
	.include "../hypervisor.S"
