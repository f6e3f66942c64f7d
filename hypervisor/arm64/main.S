// main.S: the reference hypervisor for AArch64, in the shape of KVM without VHE.
//
// This is the file to assemble; all others arrive by .include. The story in the order in which it runs:
//
//   boot/el2.S          the CPU starts at EL2; a host is dropped to EL1, EL2 keeps only stub vectors
//   host/host.S         the host at EL1: MMU, console, interrupts, then everything below
//   host/hyp.S          the host builds the page tables of EL2 and calls hyp-init by HVC
//   hyp-init.S          EL2 switches its MMU on                         <- a good place for the first breakpoint
//   hyp/start.S         EL2 at its own addresses, with its own stack and vectors
//   host/vm.S           the host builds a virtual machine: stage 2, vcpu
//   host/run.S          the host runs the vcpu by HVC and handles its exits
//   hyp/switch.S        the world switch: host out, guest in
//   guests/hello.S      the guest
//   hyp/exits.S         guest out, host in
//
// RAM starts at 0x40000000; the program is linked at 0x40080000, but needs only that its sections are 4 KiB aligned
// and lie within 64 MiB.

	.include "constants.inc"
	.include "layout.inc"
	.include "macros.inc"
	.include "lib/console.inc"

	.equ	NR_CPUS, 1
	.equ	NR_VMS, 1
	.equ	NR_VCPUS, 1

// ---- Sections, each with a symbol at its start. A section that EL2 maps, or that is copied, fills whole pages. -----
	.text
	.balign	PAGE_SIZE
	.section .rodata, "a", %progbits
	.balign	PAGE_SIZE
	.data
	.balign	PAGE_SIZE
	.bss
	.balign	PAGE_SIZE

	.section .hyp.idmap, "ax", %progbits	// EL2 code with VA = PA: stub and init vectors
	.balign	PAGE_SIZE
hyp_idmap_start:
	.section .hyp.text, "ax", %progbits	// EL2 code at PA + HYP_VA_OFFSET
	.balign	PAGE_SIZE
hyp_text_start:
	.section .hyp.rodata, "a", %progbits
	.balign	PAGE_SIZE
hyp_rodata_start:
	.section .hyp.data, "aw", %progbits
	.balign	PAGE_SIZE
hyp_data_start:
	.section .guest, "ax", %progbits	// the guest's image, which the host copies into guest memory
	.balign	PAGE_SIZE
guest_image_start:

	.include "boot/el2.S"
	.include "boot/stub.S"
	.include "hyp-init.S"
	.include "hyp/start.S"
	.include "hyp/data.S"
	.include "hyp/vectors.S"
	.include "hyp/host-calls.S"
	.include "hyp/switch.S"
	.include "hyp/exits.S"
	.include "hyp/fpsimd.S"
	.include "hyp/panic.S"
	.include "host/host.S"
	.include "host/mmu.S"
	.include "host/irq.S"
	.include "host/hyp.S"
	.include "host/vm.S"
	.include "host/run.S"
	.include "host/exits.S"
	.include "guests/hello.S"

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
