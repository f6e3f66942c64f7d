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
1:      ldr     x3, step
        ldr     x4, [x2]
        add     x4, x4, x3
        str     x4, [x2]
        subs    x1, x1, #1
        b.ne    1b
        ldr     x0, counter
        ret
        .balign 64
step:
        .quad   0x5851f42d4c957f2d
counter:
        .quad   1
