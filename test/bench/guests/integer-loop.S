// An integer loop with loads and stores at EL2, MMU on (1 GiB blocks): what the interpreter's speed is measured with.
        .equ    DEVICE_BLOCK, 0x0000000000000401      // AF, AttrIndx 0
        .equ    NORMAL_BLOCK, 0x0000000040000705      // AF, inner shareable, AttrIndx 1

        .text
        .global _start
_start: adrp    x0, table
        add     x0, x0, :lo12:table
        msr     ttbr0_el2, x0
        mov     x1, #0xff00
        msr     mair_el2, x1
        ldr     x1, =0x80803519               // T0SZ 25, 4 KiB, write-back, PS 36 bits, RES1
        msr     tcr_el2, x1
        isb
        tlbi    alle2
        dsb     nsh
        ldr     x1, =0x30c51835               // RES1, I, C, M
        msr     sctlr_el2, x1
        isb
        adrp    x20, buffer
        mov     x21, #0
outer:  mov     x2, #1024
        mov     x3, x20
1:      ldr     x4, [x3]
        add     x4, x4, x2, lsl #2
        eor     x21, x21, x4
        str     x4, [x3], #8
        ubfx    x5, x4, #3, #12
        cmp     x5, #77
        csel    x6, x5, x21, hi
        add     x22, x22, x6
        subs    x2, x2, #1
        b.ne    1b
        b       outer

        .data
        .balign 4096
table:  .quad   DEVICE_BLOCK, NORMAL_BLOCK
        .balign 4096
buffer: .space  8192
