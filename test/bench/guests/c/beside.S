// A literal, a counter and the loop that uses both in one page: hand-written code, and what JIT compilers make.
        .section .text
        .global prepare
prepare:
        ret
        .global work
work:   b       loop_start

        .section .open, "awx"
        .balign 4096
loop_start:
        lsl     x1, x0, #10
        adr     x2, counter
1:      ldr     x3, multiplier
        ldr     x4, [x2]
        madd    x4, x4, x3, x1
        str     x4, [x2]
        ror     x4, x4, #7
        add     x5, x5, x4
        subs    x1, x1, #1
        b.ne    1b
        ldr     x0, counter
        ret
        .balign 64
multiplier:
        .quad   0x5851f42d4c957f2d
counter:
        .quad   1
