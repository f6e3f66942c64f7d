/** Whole sources: our sections must have the bytes that GNU as and ld produce for the same addresses. */
import { gnuTools } from '../../test/support/gnu';
import { requireTool } from '../../test/support/oracles';
import { compareSources } from '../../test/support/asm-sources';

const cases: Readonly<Record<string, string>> = {
  'comments and separators': `
    /* a comment
       over lines */ mov x0, #1 // rest
    # whole line
    mov x1, #2; mov x2, #3 /* in the middle */ ; mov x3, #4
    .ascii "// no comment; /* neither */ # \\" ;"
    .byte ';', '"', '/', ' '
  `,
  'labels, local labels, branches': `
    1: b 1b
    b 1f
    2: cbz x0, 2b
    1: tbz x1, #33, 2b
    b.ne 1b
    bl far
    .skip 400
    far: ret
    adr x0, far
    adr x1, . + 8
    ldr x2, far
    1: .quad 1b, 2b, far - 1b, . - far
    a: b: .word b - 2b
  `,
  expressions: `
    .equ A, 1 << 4 | 3
    .equ B, 2 + 3 * 4 - 10 / 3 % 2
    .set C, (A & ~B) ^ 0x55 ! 3
    D = -5 >> 60
    E == 7
    .word A, B, C, D, E, A + B | C, 1 + 2 == 3, 3 < 2, 3 > 2, !0, !5, ~0, 1 && 0, 1 || 0, 2 <> 2, 5 >= 5, 4 <= 3, 4 != 5
    .quad 0xffffffffffffffff, 0x8000000000000000 >> 4, -1, 'A', 'z' - 'a', 010, 0b101, 0X1F
    .quad 1 << 63, -8 / 3, -8 % 3, 7 & 3 << 1, 1 + 1 & 3
    .set N, 5
    .word N
    .set N, N + 1
    .word N
    x: .word y - x
    y:
    .quad later + 4
    .equ later, x + 2
    .equ alias, y
    adr x0, alias
    mov x0, #A
    add x1, x2, #y - x
  `,
  immediates: `
    mov x0, #0
    mov x0, #0xffff0000
    mov x0, #-1
    mov w0, #-1
    mov x0, #0xffffffffffff1234
    mov w1, #0xffff1234
    mov x0, #0x5555555555555555
    mov x0, 0xff00ff00ff00ff00
    mov w3, #0xfffffffe
    mov sp, x0
    mov x29, sp
    add x0, x1, #4095
    add x0, x1, #4096
    add x0, x1, #0xfff000
    add x0, x1, #1, lsl #12
    add x0, x1, #-1
    sub x0, x1, #-4096
    cmp x0, #-7
    cmn w0, #-7
    adds x0, x1, #-4
    and x0, x1, #~0xf
    and w0, w1, #~0xf
    bic x0, x1, #0xf
    orr x0, x1, #1 << 40
    ldr x0, [x1, #-8]
    ldr x0, [x1, #4]
    str w0, [sp, #16]
    ldr x0, [x1, 8]!
    ldr x0, [x1], #-8
    ldrb w0, [x1, x2]
    ldr x0, [x1, w2, uxtw #3]
    ldp x0, x1, [sp], #16
    stp x29, x30, [sp, #-32]!
    movz x0, #0x1234, lsl #48
    movk w0, 0xffff, lsl 16
    tbz x0, #63, .
    lsl x0, x1, #63
    lsr w0, w1, #31
    ubfx x0, x1, #8, #8
    bfi x0, x1, #60, #4
    ror x0, x1, #1
    add sp, sp, x1
    add x0, sp, w1, uxtw #2
    cmp sp, x1
    neg x0, x1
    mvn w0, w1, lsl #3
    cset x0, hs
    cinc w0, w1, lo
    ccmp x0, #3, #0b1001, ne
    fmov d0, #1.0
    fmov s1, #-0.125
    msr daifset, #2
    msr tpidr_el2, x1
    mrs x2, s3_4_c1_c1_0
    msr scr_el3, x0
    dsb ish
    isb
    isb sy
    dmb #3
    tlbi vmalls12e1is
    tlbi ipas2e1is, x0
    dc civac, x1
    ic iallu
    at s12e1r, x2
    prfm pldl1keep, [x0, #64]
    hint #5
    wfi
    sys #4, c8, c7, #4
    ret
    eret
    hvc #0xffff
  `,
  'registers under other names': `
    ptr .req x5
    cnt .req w6
    mov PTR, x1
    ldr cnt, [ptr, #4]
    .unreq ptr
    ptr .req x7
    add ptr, ptr, #1
    mov lr, fp
    str ip0, [sp]
    MOV X0, XZR
    LDR W1, [SP, #4]
  `,
  'data directives': `
    .data
    .byte 1, -1, 'a, 0xff
    .hword 0x1234, -2
    .short 5
    .2byte 6
    .word -1, 0xffffffff
    .long 7
    .int 8
    .4byte 9
    .quad 1, -1
    .xword 10
    .dword 11
    .8byte 12
    .octa 0x0123456789abcdef0011223344556677, -1
    .ascii "abc", "de\\n\\t\\\\\\"\\101\\x41"
    .asciz "one", "two"
    .string "h\u00e4"
    .asciz "joined" " and" , "not" "" "so"
    .ascii "x" "y", "z"
    .zero 3
    .skip 2, 0xaa
    .space 2
    .fill 3, 2, 0x1234
    .fill 2
    .fill 2, 8, -1
    .float 1.5, -2.25
    .double 3.141592653589793
    .uleb128 300, 0, 127
    .sleb128 -129, 63, -64
    .balign 8
    .byte 1
    .p2align 4, 0xcc
    .byte 2
    .align 3
    .balign 16, , 4
    .byte 3
    .balign 16, 0, 40
    .org . + 5
    .byte 4
    .balign 4
    .balignl 16, 0x12345678
    .balignw 32, 0x4142
  `,
  'alignment of code': `
    nop
    .balign 16
    ret
    .byte 1
    .balign 8
    ret
    .p2align 5
    ret
    .balign 64, 0
    .align 2
    ret
  `,
  sections: `
    .text
    nop
    .section .rodata.str, "a", %progbits
    s1: .asciz "one"
    .section .mine, "aw", @progbits
    .quad s1
    .pushsection .text
    ret
    .pushsection .data
    .word 5
    .popsection
    hvc #1
    .popsection
    .word 6
    .previous
    .byte 2
    .data
    .word 7
    .previous
    .byte 3
    .bss
    buf: .skip 100
    .balign 64
    .section .code2, "ax"
    adrp x0, buf
    add x0, x0, :lo12:buf
    ldr x1, [x0, :lo12:s1]
    b start
    .text
    start: adrp x3, start
    ldr x0, [x3, #:lo12:quad]
    movz x0, #:abs_g1:buf
    movk x0, #:abs_g0_nc:buf
    movz x0, :abs_g3:buf
    .section .mine
    .balign 8
    quad: .quad buf, quad + 8, start - 4
    .section ".weird-name", "a"
    .byte 1
    .section .note.info, "", %note
    .word 1, 2
    .lcomm loc, 24
    .comm com, 8, 8
    .text 1
    mov x1, #1
    .text 0
    mov x0, #0
    .subsection 1
    mov x1, #2
  `,
  'literal pools': `
    ldr x0, =1
    ldr w1, =0x12345678
    ldr x2, =0x123456789abcdef0
    ldr x3, =sym
    ldr x4, =sym
    ldr x5, =sym + 4
    ldr x6, =1
    ldr w7, =-1
    ldr d0, =5
    ldr s1, =0x3f800000
    ret
    .ltorg
    ldr x0, =1
    ldr x1, =forward
    ldrsw x2, =77
    b 1f
    .pool
    1: ldr x0, =forward + 0
    sym: ret
    .equ forward, 0x1234
    .section .other, "ax"
    ldr x0, =sym
    nop
    ldr q0, =1
  `,
  macros: `
    .macro save r1, r2=x9, off:req
    stp \\r1, \\r2, [sp, #\\off]
    .endm
    save x0, x1, 16
    save x0, off=32
    save off=48, r1=x3
    save x5 x6 0
    .macro many first, rest:vararg
    .word \\first
    .ifnb \\rest
    many \\rest
    .endif
    .endm
    many 1, 2, 3 , 4
    .macro paste a, b
    \\a\\()_\\b: .word 0x\\a\\b
    .ascii "\\a-\\b\\n"
    .balign 4
    .endm
    paste ab, cd
    .word ab_cd - .
    .macro uniq
    l\\@: b l\\@
    .endm
    uniq
    uniq
    .macro expr v
    mov x0, #(\\v)
    mov x1, #\\v
    .endm
    expr 1 + 2
    expr (1 + 2) * 3
    expr 4*(1 + 1)
    .macro outer op
    .macro inner_\\op reg
    \\op \\reg, \\reg, #1
    .endm
    .endm
    outer add
    inner_add x3
    .macro early x
    .if \\x
    nop
    .exitm
    .endif
    wfi
    .endm
    early 0
    early 1
    .purgem early
    .macro early
    sev
    .endm
    EARLY
    .macro str_arg s, t
    .asciz "\\s"
    .asciz \\t
    .balign 4
    .endm
    str_arg "a b", """quoted, text"""
    str_arg c, """"""
    .macro sum a:req, b=5, c
    .word \\a + \\b + 0\\c
    .endm
    sum 1
    sum 1,,3
    sum 1, 2, 3
    .macro neg_arg a, b
    .word \\a, \\b
    .endm
    neg_arg 1, -2
    neg_arg 1 - 2, 3
  `,
  repetitions: `
    .rept 3
    nop
    .rept 2
    wfe
    .endr
    .endr
    .irp r, x0, x1, x2
    mov \\r, #1
    .irp n, 1, 2
    add \\r, \\r, #\\n
    .endr
    .endr
    .irp p
    .byte 0\\p
    .endr
    .irpc c, 0123
    .byte 0x1\\c
    .endr
    .rept 0
    bad instruction
    .endr
    .set i, 0
    .rept 4
    .word i
    .set i, i + 1
    .endr
    .macro vec t
    .balign 128
    b \\t
    .endm
    .rept 4
    vec 1f
    .endr
    1: .irp reg, x1 x2 x3
    mov \\reg, xzr
    .endr
  `,
  conditions: `
    .equ A, 1
    .if A
    .byte 1
    .else
    .byte 2
    .endif
    .if A == 2
    .byte 3
    .elseif A == 1
    .byte 4
    .elseif 1
    .byte 5
    .else
    .byte 6
    .endif
    .ifdef A
    .byte 7
    .endif
    .ifndef B
    .byte 8
    .endif
    .if 0
    nonsense here
    .if 1
    .byte 9
    .else
    more nonsense
    .endif
    .else
    .byte 10
    .endif
    .ifc abc, abc
    .byte 11
    .endif
    .ifnc a b, ab
    .byte 12
    .endif
    .ifeqs "x", "x"
    .byte 13
    .endif
    .ifeq A - 1
    .byte 14
    .endif
    .ifgt A
    .byte 15
    .endif
    .ifle A
    .byte 16
    .endif
    x:
    .skip 12
    .if . - x == 12
    .byte 17
    .endif
    .ifb
    .byte 18
    .endif
    # if this is a comment, nothing happens
    .equ SPAN, stop - start
    start: .skip 6
    stop:
    .if SPAN == 6
    .byte 19
    .endif
    .skip SPAN, 0x77
  `,
  'symbols and attributes': `
    .arch armv8-a
    .cpu cortex-a57
    .arch_extension crc
    .file "x.c"
    .ident "nothing"
    .cfi_sections .debug_frame
    .global _start
    .type _start, %function
    _start:
    .cfi_startproc
    bl weak_one
    .cfi_endproc
    .size _start, . - _start
    .weak weak_one, weak_two
    .hidden _start
    .local here
    here: .quad weak_two
    weak_one: ret
    .equiv ONCE, 5
    .word ONCE
    .inst 0xd503201f, 0xd65f03c0
    .warning "only a warning"
    .print "and a message"
    crc32x w0, w1, x2
    .extern nowhere
  `,
};

describe('Assembler against GNU as, whole sources', () => {
  before(function () {
    requireTool(this, ...gnuTools);
  });
  for (const [name, text] of Object.entries(cases))
    it(name, () => compareSources('main.s', { 'main.s': text }));

  it('includes, with definitions and macros from other files', () => {
    compareSources('main.s', {
      'main.s':
        '.include "lib/defs.inc"\n.include "body.S"\n.incbin "data.bin"\n.incbin "data.bin", 2, 3\n.word COUNT\n',
      'lib/defs.inc': '.equ COUNT, 3\n.macro twice i\n\\i\n\\i\n.endm\n',
      'body.S': 'start: twice "mov x0, #COUNT"\n twice nop\n b start\n',
      'data.bin': 'abcdefgh',
    });
  });
});
