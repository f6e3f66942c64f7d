// mmu.S: the host's own address space, and the routine that builds page tables for everybody else.
//
// Host, hypervisor (stage 1) and guest (stage 2) all use 39 bits of address and 4 KiB pages: three levels of 512
// entries, 1 GiB, 2 MiB and 4 KiB each. So one routine builds all the trees; only the attributes of the leaves
// differ.

	.text

// host_mmu_on: the host's MMU and caches, with VA = PA. No stack; clobbers x0-x2.
	func	host_mmu_on
	mov	x0, #MAIR_VALUE			// (With VHE, the names that end in _EL1 are EL2's own registers here.)
	msr	mair_el1, x0
	mov_32	x0, TCR_EL1_VALUE
	pa_range x1, x2
	bfi	x0, x1, #TCR_EL1_IPS_BIT, #3
	msr	tcr_el1, x0
	adr_l	x0, host_l1
	msr	ttbr0_el1, x0
	isb					// first the tables, then the MMU: a write to a system register ...
	mov_32	x0, SCTLR_EL1_ON
	msr	sctlr_el1, x0
	isb					// ... is sure to have its effect only after an ISB (Arm ARM,
						// "Synchronization requirements for AArch64 System registers")
	ret
	endfunc	host_mmu_on

// map_range: x0 level 1 table, x1 input address, x2 output address, x3 size, x4 leaf attributes. All multiples of 4
// KiB. Uses a 2 MiB block where the addresses and the rest of the size allow it. Only for addresses that were not
// mapped before: going from invalid to valid needs no TLB invalidation. Clobbers x1-x3, x5-x9.
	func	map_range
	stp	x29, x30, [sp, #-16]!
	mov	x29, sp
1:	cbz	x3, 5f
	ubfx	x5, x1, #30, #9			// level 1: 1 GiB an entry
	add	x5, x0, x5, lsl #3
	bl	next_table
	ubfx	x5, x1, #21, #9			// level 2: 2 MiB
	add	x5, x6, x5, lsl #3

	orr	x7, x1, x2
	mov	x8, #BLOCK_SIZE
	tst	x7, #(BLOCK_SIZE - 1)
	b.ne	2f
	cmp	x3, x8
	b.lo	2f
	orr	x7, x2, x4
	orr	x7, x7, #DESC_BLOCK
	b	3f

2:	bl	next_table
	ubfx	x5, x1, #12, #9			// level 3: 4 KiB
	add	x5, x6, x5, lsl #3
	orr	x7, x2, x4
	orr	x7, x7, #DESC_PAGE
	mov	x8, #PAGE_SIZE
3:	str	x7, [x5]
	add	x1, x1, x8
	add	x2, x2, x8
	sub	x3, x3, x8
	b	1b

5:	dsb	ishst				// the walker sees the entries ...
	isb					// ... before what comes next
	ldp	x29, x30, [sp], #16
	ret
	endfunc	map_range

// next_table: x5 address of a descriptor; returns x6, the table it points to; makes an empty one if there is none.
// Clobbers x7-x9. The pool is zero when the program is loaded, and zero is "invalid".
	func	next_table
	ldr	x6, [x5]
	tbz	x6, #0, 1f
	and	x6, x6, #0x0000fffffffff000
	ret
1:	adr_l	x7, table_pool_used
	ldr	x8, [x7]
	cmp	x8, #TABLE_POOL_PAGES
	b.hs	2f
	add	x9, x8, #1
	str	x9, [x7]
	adr_l	x6, table_pool
	add	x6, x6, x8, lsl #12
	orr	x8, x6, #DESC_TABLE
	str	x8, [x5]
	ret
2:	adr_l	x0, msg_no_tables
	b	host_give_up
	endfunc	next_table

// alloc_table: returns x0, an empty table. Clobbers x5-x9.
	func	alloc_table
	stp	x29, x30, [sp, #-32]!
	mov	x29, sp
	add	x5, sp, #16			// next_table wants a descriptor: a local one
	str	xzr, [x5]
	bl	next_table
	mov	x0, x6
	ldp	x29, x30, [sp], #32
	ret
	endfunc	alloc_table

// find_page: x0 level 1 table, x1 address. Returns x5, the address of the level 3 descriptor, and x6, its value; x5 = 0
// if there is no level 3 table: a block (x6 is its descriptor), or nothing (x6 = 0).
	func	find_page
	ubfx	x5, x1, #30, #9
	ldr	x6, [x0, x5, lsl #3]
	tbz	x6, #0, 1f
	and	x5, x6, #0x0000fffffffff000
	ubfx	x6, x1, #21, #9
	ldr	x6, [x5, x6, lsl #3]
	tbz	x6, #0, 1f
	mov	x5, #0
	tbz	x6, #1, 2f			// a block
	and	x5, x6, #0x0000fffffffff000
	ubfx	x6, x1, #12, #9
	add	x5, x5, x6, lsl #3
	ldr	x6, [x5]
	ret
1:	mov	x5, #0
	mov	x6, #0
2:	ret
	endfunc	find_page

	.section .rodata
msg_no_tables:
	.asciz	"host: no page left for page tables; ESR_EL1 "

	.data
	.balign	PAGE_SIZE
// The host's level 1 table: devices below 1 GiB, RAM in the second GiB, nothing else.
host_l1:
	.quad	0x00000000 + (EL1_DEVICE | DESC_BLOCK)
	.quad	0x40000000 + (EL1_RAM | DESC_BLOCK)
	.space	510 * 8

	.bss
	.balign	PAGE_SIZE
	.equ	TABLE_POOL_PAGES, 24 + 12 * NR_VMS
table_pool:
	.space	TABLE_POOL_PAGES * PAGE_SIZE
table_pool_used:
	.space	8
