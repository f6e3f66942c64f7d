// exit-storm.S: a guest that leaves as often as it can: what does an exit cost?

	.include "../story.inc"
	vm	entry=exit_storm, arg=10000
	vm	entry=host_storm, arg=10000
	.include "../guests/lib.inc"
	.include "../guests/exit-storm.S"
	.include "../hypervisor.S"
