// Where the board enters a benchmark: at EL2 or EL1, MMU off. Goes to EL1, has the page tables built, turns MMU and caches
// on and enters the program at EL0. Exceptions but SVC from EL0 end the run with a message (Arm ARM DDI 0487 D1.4.2).
        .equ    HCR_RW, 1 << 31
        .equ    CPTR_RES1, 0x33ff
        .equ    TIMERS_FOR_EL1, 3
        .equ    SPSR_EL1H, 0x3c5
        .equ    SPSR_EL0, 0x3c0
        .equ    FPEN, 3 << 20
        // RES1, M, C, SA, SA0, I, DZE, UCT, nTWI, nTWE, UCI
        .equ    SCTLR_OFF, 0x30d00800
        .equ    SCTLR_ON, SCTLR_OFF | 0x0405d01d
        // T0SZ 16, write-back walks, inner shareable, EPD1, IPS 40 bits
        .equ    TCR, 0x200803510
        .equ    MAIR, 0x04ff                    // attribute 0 is write-back memory, 1 Device-nGnRE

        .section .boot, "ax"
        .global _start
_start: mrs     x1, CurrentEL
        cmp     x1, #8
        b.ne    1f
        mov     x2, #HCR_RW
        msr     hcr_el2, x2
        mov     x2, #CPTR_RES1
        msr     cptr_el2, x2
        mov     x2, #TIMERS_FOR_EL1
        msr     cnthctl_el2, x2
        msr     cntvoff_el2, xzr
        msr     hstr_el2, xzr
        mrs     x2, midr_el1
        msr     vpidr_el2, x2
        mrs     x2, mpidr_el1
        msr     vmpidr_el2, x2
        ldr     x2, =SCTLR_OFF
        msr     sctlr_el1, x2
        mov     x2, #SPSR_EL1H
        msr     spsr_el2, x2
        adr     x2, 1f
        msr     elr_el2, x2
        eret
1:      msr     spsel, #1
        adrp    x1, kernel_stack_end
        add     sp, x1, :lo12:kernel_stack_end
        adr     x1, vectors
        msr     vbar_el1, x1
        bl      build_tables
        msr     ttbr0_el1, x0
        ldr     x1, =TCR
        msr     tcr_el1, x1
        ldr     x1, =MAIR
        msr     mair_el1, x1
        mov     x1, #FPEN
        msr     cpacr_el1, x1
        dsb     ish
        tlbi    vmalle1
        dsb     ish
        isb
        ldr     x1, =SCTLR_ON
        msr     sctlr_el1, x1
        isb
        mov     x1, #SPSR_EL0
        msr     spsr_el1, x1
        ldr     x1, =user_start
        msr     elr_el1, x1
        ldr     x1, =user_stack_end
        msr     sp_el0, x1
        ldr     x0, rounds
        eret

        // The runner writes here how much there is to do.
        .balign 8
        .ascii  "WSROUNDS"
rounds: .quad   1

        .balign 2048
vectors:
        .rept   8
        b       fault
        .balign 128
        .endr
        // Synchronous, from EL0
        stp     x29, x30, [sp, #-160]!
        stp     x0, x1, [sp, #16]
        stp     x2, x3, [sp, #32]
        stp     x4, x5, [sp, #48]
        stp     x6, x7, [sp, #64]
        b       from_el0
        .balign 128
        .rept   7
        b       fault
        .balign 128
        .endr

from_el0:
        stp     x8, x9, [sp, #80]
        stp     x10, x11, [sp, #96]
        stp     x12, x13, [sp, #112]
        stp     x14, x15, [sp, #128]
        stp     x16, x17, [sp, #144]
        sub     sp, sp, #16
        str     x18, [sp]
        mrs     x3, esr_el1
        lsr     x3, x3, #26
        cmp     x3, #0x15                       // SVC from AArch64
        b.ne    fault
        mov     x2, x8
        bl      system_call
        ldr     x18, [sp], #16
        ldp     x0, x1, [sp, #16]
        ldp     x2, x3, [sp, #32]
        ldp     x4, x5, [sp, #48]
        ldp     x6, x7, [sp, #64]
        ldp     x8, x9, [sp, #80]
        ldp     x10, x11, [sp, #96]
        ldp     x12, x13, [sp, #112]
        ldp     x14, x15, [sp, #128]
        ldp     x16, x17, [sp, #144]
        ldp     x29, x30, [sp], #160
        eret

fault:  mrs     x0, esr_el1
        mrs     x1, elr_el1
        mrs     x2, far_el1
        bl      report_fault
        b       .

        .bss
        .balign 16
        .space  8192
kernel_stack_end:
