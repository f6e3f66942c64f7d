// hypervisor.S: the host and the hypervisor, all of it; the last .include of every program. The story in the order in
// which it runs:
//
//   boot/el2.S          the CPU starts at EL2; a host is dropped to EL1, EL2 keeps only stub vectors
//   host/host.S         the host: MMU, console, interrupts, then everything below
//   host/hyp.S          the host builds the page tables of EL2 and calls hyp-init by HVC
//   hyp-init.S          EL2 switches its MMU on                         <- a good place for the first breakpoint
//   hyp/start.S         EL2 at its own addresses, with its own stack and vectors
//   host/cpus.S         the other CPUs do the same
//   host/vm.S           the host builds virtual machines: stage 2, vcpus
//   host/sched.S        which vcpu runs where
//   host/run.S          the host runs a vcpu by HVC and handles its exits
//   hyp/switch.S        the world switch: host out, guest in
//   hyp/exits.S         guest out, host in
//
// RAM starts at 0x40000000; programs are linked at 0x40080000, but need only that their sections are 4 KiB aligned
// and lie within 16 MiB.

	.include "lib/fpsimd.inc"
	.include "boot/el2.S"
	.include "boot/stub.S"
	.include "hyp-init.S"
	.include "hyp/start.S"
	.include "hyp/data.S"
	.include "hyp/vectors.S"
	.include "hyp/host-calls.S"
	.include "hyp/registers.S"
	.include "hyp/switch.S"
	.include "hyp/exits.S"
	.include "hyp/fpsimd.S"
	.include "hyp/vgic.S"
	.include "hyp/debug.S"
	.include "hyp/tlb.S"
	.include "hyp/panic.S"
	.include "host/host.S"
	.include "host/lock.S"
	.include "host/mmu.S"
	.include "host/irq.S"
	.include "host/cpus.S"
	.include "host/hyp.S"
	.include "host/hyp-test.S"
	.include "host/vm.S"
	.include "host/vmid.S"
	.include "host/sched.S"
	.include "host/fpsimd.S"
	.include "host/summary.S"
	.include "host/run.S"
	.include "host/script.S"
	.include "host/exits.S"
	.include "host/stage2.S"
	.include "host/hypercalls.S"
	.include "host/vgic.S"

// ---- The ends of the sections. ----------------------------------------------------------------------------------
	.section .hyp.idmap
	.balign	PAGE_SIZE
hyp_idmap_end:
	.section .hyp.text
	.balign	PAGE_SIZE
hyp_text_end:
	.section .hyp.rodata
	.balign	PAGE_SIZE
hyp_rodata_end:
	.section .hyp.data
	.balign	PAGE_SIZE
hyp_data_end:
	.section .guest
	.balign	PAGE_SIZE
guest_image_end:

// ---- What the debugger finds where -------------------------------------------------------------------------------
	.section .worldswitch.layout
	array	vcpus, vcpus, NR_VCPUS, vcpu
	array	vms, vms, NR_VMS, vm
	array	percpus, percpu_areas, NR_CPUS, percpu

	alias	hyp_idmap_start, hyp_idmap_end, 0, EL2
	alias	hyp_text_start, hyp_text_end, HYP_VA_OFFSET, EL2
	alias	hyp_rodata_start, hyp_rodata_end, HYP_VA_OFFSET, EL2
	alias	hyp_data_start, hyp_data_end, HYP_VA_OFFSET, EL2
	.irp	vmid, 1, 2, 3, 4, 5, 6, 7, 8
	.if	\vmid <= NR_VMS
	alias	guest_image_start, guest_image_end, 0, EL1, \vmid
	.endif
	.endr

	mark	hyp_save_host_fp, fpsimd_save, host
	mark	hyp_load_guest_fp, fpsimd_load, guest
	.if	ALWAYS_SWITCH_FPSIMD
	mark	hyp_save_guest_fp, fpsimd_save, guest
	mark	hyp_load_host_fp, fpsimd_load, host
	.endif
	mark	fpsimd_save_host, fpsimd_save, host
	mark	fpsimd_save_guest, fpsimd_save, guest
	mark	fpsimd_load_task, fpsimd_load, host
	mark	fpsimd_flush, fpsimd_flush
