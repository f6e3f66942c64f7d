// script.S: for tests: four vcpus that use FP all the time, on three CPUs that do what a table says (host/script.S).

	.set	NR_CPUS, 3
	.set	SCRIPT, 1
	.include "../story.inc"
	vm	entry=fp_storm, arg=(0x1000000|1<<32|6<<40)
	vm	entry=fp_storm, arg=(0x1000000|2<<32|6<<40|1<<48)
	vm	entry=fp_storm, arg=(0x1000000|3<<32|6<<40|1<<48)
	vm	entry=exit_storm, arg=0x1000000
	.include "../guests/lib.inc"
	.include "../guests/fp-storm.S"
	.include "../guests/exit-storm.S"
	.include "../hypervisor.S"
