/** Sources in the style of KVM's hyp code: gcc and as make the same bytes and the same line table of them. */
import assert from 'node:assert/strict';
import { requireTool } from '../../../test/support/oracles';
import { gnuTools } from '../../../test/support/gnu';
import { compareSources } from '../../../test/support/asm-sources';

const headers = {
  'include/asm/offsets.h': `
#ifndef OFFSETS_H
#define OFFSETS_H
#define VCPU_CONTEXT 0x40
#define CPU_XREG_OFFSET(n) (VCPU_X0 + 8 * (n))
#define VCPU_X0 0 /* in struct vcpu */
#define HOST_VCPU 0x2f0
#define HCR_VM (UL(1) << 0)
#define HCR_FMO (UL(1) << 3)
#define HCR_GUEST_FLAGS (HCR_VM | HCR_FMO | HCR_TWI)
#define HCR_TWI (UL(1) << 13)
#endif
`,
  'include/asm/const.h': `
#pragma once
#ifdef __ASSEMBLY__
#define _AC(X, Y) X
#else
#define __AC(X, Y) (X##Y)
#define _AC(X, Y) __AC(X, Y)
#endif
#define UL(x) _AC(x, UL)
#define BIT(n) (UL(1) << (n))
#define __stringify_1(x...) #x
#define __stringify(x...) __stringify_1(x)
`,
  'include/asm/linkage.h': `
#define ASM_NL ;
#define __ALIGN .balign 16
#define SYM_L_GLOBAL(name) .globl name
#define SYM_L_WEAK(name) .weak name
#define SYM_L_LOCAL(name) /* nothing */
#define SYM_A_ALIGN __ALIGN
#define SYM_ENTRY(name, linkage, align...) \\
	linkage(name) ASM_NL		\\
	align ASM_NL			\\
	name:
#define SYM_START(name, linkage, align...) \\
	SYM_ENTRY(name, linkage, align)
#define SYM_END(name, sym_type) \\
	.type name sym_type ASM_NL \\
	.size name, .-name
#define SYM_T_FUNC , %function
#define SYM_FUNC_START(name) SYM_START(name, SYM_L_GLOBAL, SYM_A_ALIGN)
#define SYM_FUNC_START_LOCAL(name) SYM_START(name, SYM_L_LOCAL, SYM_A_ALIGN)
#define SYM_FUNC_START_WEAK(name) SYM_START(name, SYM_L_WEAK, SYM_A_ALIGN)
#define SYM_FUNC_END(name) SYM_END(name, SYM_T_FUNC)
`,
  'include/asm/alternative.h': `
#define ALTINSTR_ENTRY(cpucap) \\
	.word 661b - . ; .word 663f - . ; .hword cpucap ; .byte 662b-661b ; .byte 664f-663f
	.macro alternative_insn insn1, insn2, cap, enable = 1
	.if \\enable
661:	\\insn1
662:	.pushsection .altinstructions, "a"
	ALTINSTR_ENTRY(\\cap)
	.popsection
	.subsection 1
663:	\\insn2
664:	.org	. - (664b-663b) + (662b-661b)
	.org	. - (662b-661b) + (664b-663b)
	.previous
	.endif
	.endm
#define ALTERNATIVE(old, new, cap, ...) alternative_insn __stringify(old), __stringify(new), cap, 1
#define _ALTERNATIVE_CFG(insn1, insn2, cap, cfg, ...) alternative_insn insn1, insn2, cap, IS_ENABLED(cfg)
	.macro alternative_if cap
	.set .Lasm_alt_mode, 0
	.pushsection .altinstructions, "a"
	ALTINSTR_ENTRY(\\cap)
	.popsection
661:
	.endm
	.macro alternative_else
662:
	.if .Lasm_alt_mode==0
	.subsection 1
	.else
	.previous
	.endif
663:
	.endm
	.macro alternative_endif
664:
	.org . - (664b-663b) + (662b-661b)
	.org . - (662b-661b) + (664b-663b)
	.if .Lasm_alt_mode==0
	.previous
	.endif
	.endm
	.macro alternative_else_nop_endif
alternative_else
	nops	(662b-661b) / 4
alternative_endif
	.endm
	.macro nops, num
	.rept \\num
	nop
	.endr
	.endm
`,
};

const options = { includeDirs: ['include'] };

const cases: Readonly<Record<string, string>> = {
  'save and restore of a context': `
#include <asm/const.h>
#include <asm/linkage.h>
#include <asm/offsets.h>
	.text
#define CPU_LR CPU_XREG_OFFSET(30)
.macro save_callee_saved_regs ctxt
	str	x18, [\\ctxt, #CPU_XREG_OFFSET(18)]
	stp	x19, x20, [\\ctxt, #CPU_XREG_OFFSET(19)]
	stp	x29, lr, [\\ctxt, #CPU_XREG_OFFSET(29)]
.endm
#define SAVE2(base, a, b, off) stp x##a, x##b, [base, #(off) + CPU_XREG_OFFSET(a)]
#define get_vcpu_ptr(vcpu, ctxt) \\
	mrs	ctxt, tpidr_el2 ; \\
	ldr	vcpu, [ctxt, #HOST_VCPU]

SYM_FUNC_START(__guest_enter)
	// x0: vcpu
	save_callee_saved_regs x1
	SAVE2(x0, 2, 3, VCPU_CONTEXT)
	SAVE2(x0, 4,
	      5, VCPU_CONTEXT)
	get_vcpu_ptr(x1, x0)
	mov	x2, #HCR_GUEST_FLAGS
	msr	hcr_el2, x2
	ldr	lr, [x1, #CPU_LR]
#if HCR_GUEST_FLAGS & HCR_VM
	eret
#else
	ret
#endif
	sb_like	x0, x1
SYM_FUNC_END(__guest_enter)
SYM_FUNC_START_WEAK(weak_one)
	ret
SYM_FUNC_END(weak_one)
SYM_FUNC_START_LOCAL(local_one) ; ret
SYM_FUNC_END(local_one)
`.replace('\tsb_like\tx0, x1\n', ''),
  alternatives: `
#define __ASSEMBLY__
#include <asm/const.h>
#include <asm/alternative.h>
#define ARM64_HAS_VHE 11
#define sysreg_read(reg, vhe) ALTERNATIVE(mrs x0, reg, mrs x0, vhe, 1)
	.text
start:
	ALTERNATIVE("nop", "hint #20", ARM64_HAS_VHE)
`.replace('ALTERNATIVE("nop", "hint #20", ARM64_HAS_VHE)', 'ALTERNATIVE(nop, hint #20, ARM64_HAS_VHE)')
    .concat(`
	alternative_insn "mov x0, #1", "mov x1, #16", ARM64_HAS_VHE
alternative_if ARM64_HAS_VHE
	isb
	mov x0, #_AC(5, UL)
alternative_else_nop_endif
	b start
	alternative_insn nop, wfe, 1, 0
`),
  'vectors and conditional macros': `
#include <asm/const.h>
#define VECTOR(name, n...) valid_vect name, ##n
#define VEC_ALIGN 7
.macro valid_vect target, nr=0
	.align VEC_ALIGN
661:
	stp	x0, x1, [sp, #-16]!
	.ifb \\target
	b .
	.else
	.ifc \\target, el1_sync
	mov x0, #\\nr
	.endif
	b \\target
	.endif
	.org 661b + (1 << VEC_ALIGN)
.endm
	.section .vectors, "ax"
	.align 11
vectors:
	VECTOR(el1_sync, 3)
	VECTOR(el1_irq)
	valid_vect
	.purgem valid_vect
.macro valid_vect target
	.align VEC_ALIGN
	b	\\target
.endm
	valid_vect el1_irq
	.text
	.hidden el1_sync
el1_sync:	hvc #BIT(0)
el1_irq:	.inst 0xd503201f
	.irp	n, 0, 1, 2
	mov	x\\n, #BIT(\\n)
	.endr
#ifdef CONFIG_X
	.error "not here"
#elif !defined(CONFIG_Y) || CONFIG_Y > 3
	mov x9, #CONFIG_Y
#endif
	.set alias, el1_irq
other = alias + 4
	adr x0, alias
	adr x0, other
	.macro uniq
.Lu\\@:	b .Lu\\@
	.endm
	uniq
	uniq
`,
  'macros of the assembler around those of the preprocessor': `
#define __emit(x) .inst (x)
#define sys_reg(op0, op1, crn, crm, op2) \\
	(((op0) << 19) | ((op1) << 16) | ((crn) << 12) | ((crm) << 8) | ((op2) << 5))
#define SYS_VTTBR_EL2 sys_reg(3, 4, 2, 1, 0)
#define SET_PAN(x) __emit(0xd500401f | (4 << 5) | ((!!x) << 8))
	.irp	num,0,1,2,3,29,30
	.equ	.L_num_x\\num, \\num
	.endr
	.equ	.L_num_xzr, 31
	.macro	mrs_s, rt, sreg
	__emit(0xd5200000|(\\sreg)|(.L_num_\\rt))
	.endm
	.macro	msr_s, sreg, rt
	__emit(0xd5000000|(\\sreg)|(.L_num_\\rt))
	.endm
	.macro adr_l, dst, sym
	adrp	\\dst, \\sym
	add	\\dst, \\dst, :lo12:\\sym
	.endm
	.macro ldr_l, dst, sym, tmp=
	.ifb \\tmp
	adrp	\\dst, \\sym
	ldr	\\dst, [\\dst, :lo12:\\sym]
	.else
	adrp	\\tmp, \\sym
	ldr	\\dst, [\\tmp, :lo12:\\sym]
	.endif
	.endm
	.macro frame_regs, reg1, reg2, op, num
	.if .Lcount == \\num
	\\op\\()r	\\reg1, [sp, #(\\num + 1) * 8]
	.elseif .Lcount > \\num
	\\op\\()p	\\reg1, \\reg2, [sp, #(\\num + 1) * 8]
	.endif
	.endm
	.macro frame, op, count, extra=0
	.ifc	\\op, st
	.if (\\count) < 0 || (\\count) > 10
	.error "count should be in the range [0 ... 10]"
	.endif
	.if ((\\extra) % 16) != 0
	.error "extra should be a multiple of 16"
	.endif
	.ifdef	.Lcount
	.if .Lcount != -1
	.error "frame_push/frame_pop may not be nested"
	.endif
	.endif
	.set .Lcount, \\count
	.set .Llocal, ((\\count + 3) / 2) * 16
	stp	x29, x30, [sp, #-.Llocal - \\extra]!
	mov	x29, sp
	.endif
	frame_regs	x19, x20, \\op, 1
	frame_regs	x21, x22, \\op, 3
	frame_regs	x23, x24, \\op, 5
	.ifc	\\op, ld
	ldp	x29, x30, [sp], #.Llocal + \\extra
	.set	.Lcount, -1
	.endif
	.endm
	.macro check_len start, end
.if ((\\end-\\start) != 8)
	.error "wrong length"
.endif
	.endm
	.macro cond_b, cc, to
	b.\\cc	\\to
	.endm
	.macro for from, to, insn:vararg
	.if \\to - \\from >= 0
	\\insn \\from
	for (\\from + 1), \\to, \\insn
	.endif
	.endm
	.macro sve nm, op, args:vararg
	.ifnb \\args
	\\nm \\op, \\args
	.else
	\\nm \\op
	.endif
	.endm
	.text
	.weak	w1
	.hidden	start
start:
	msr_s	SYS_VTTBR_EL2, x3
	mrs_s	x29, SYS_VTTBR_EL2
	msr_s	SYS_VTTBR_EL2, xzr
	SET_PAN(1)
	SET_PAN(0) ; nop
1:	adr_l	x0, data
	ldr_l	x1, data
	ldr_l	w2, data, x3
	frame	st, 5, 32
	frame	ld, 5, 32
	frame	st, 2
	frame	ld, 2
10:	stp	x0, x1, [sp, #-16]!
	nop
11:	check_len 10b, 11b
	cond_b	ne, 1b
	for 0, 3, .byte
	.balign 4
	sve mov, x0, x1
	sve ret
	.rept	2
	.irp	a, x0, x1
	.irp	b, x2, x3
	add	\\a, \\a, \\b
	.endr
	.endr
	.endr
0:	b	0b ; b 0f
0:	.pushsection .rodata, "a", %progbits
	.asciz "x"
	.popsection
	.pushsection .text, 2
	hint #5
	.popsection
	.balign 4
	.section .idmap.text, "awx"
	ret
	.data
	.set here, .
data:	.quad	here, data, . - data
`,
  'offsets and a header for both languages': `
#include "shared.h"
	.data
	.quad	PAGE_SIZE, PAGE_MASK
table:
#define ENTRY(name, value) .quad value ; .asciz #name ; .balign 8
	LIST
#undef ENTRY
	.quad	table_end - table
table_end:
	.text
	mov	x0, #(PAGE_SIZE - 1) & 0xff
	movz	x1, #:abs_g1:PAGE_SIZE
	cmp	x0, #'A'
	b.eq	1f
	# 1 is no directive
1:	ldr	x0, =PAGE_MASK
`,
};

describe('Sources in the style of KVM, against gcc', () => {
  before(function () {
    requireTool(this, ...gnuTools, 'aarch64-linux-gnu-gcc');
  });

  const shared = {
    'shared.h': `
#define PAGE_SHIFT 12
#define PAGE_SIZE (1 << PAGE_SHIFT)
#define PAGE_MASK (~(PAGE_SIZE - 1))
#ifndef __ASSEMBLER__
struct vcpu { unsigned long x[31]; };
#endif
#define LIST ENTRY(one, 1) ; ENTRY(two, 2)
`,
  };
  for (const [name, text] of Object.entries(cases)) {
    it(name, () => {
      const files = { ...headers, ...shared, 'main.S': text };
      // Of the two places of an alternative GNU as gives the second no row of its own; a debugger needs one.
      const given = {
        ...options,
        lines: name !== 'alternatives',
        defines: { __ASSEMBLY__: '', CONFIG_Y: '7' },
      };
      const result = compareSources('main.S', files, given);
      assert.deepEqual(result.diagnostics, []);
    });
  }

  it('does not preprocess what .include brings, as GNU', () => {
    const files = {
      'main.S': '#define N 1\n#define nop wfi\n.include "part.inc"\nmov x0, #N\nnop\n',
      'part.inc': '.equ N2, 2\nnop\nmov x1, #N2\n# a comment with N\n',
    };
    compareSources('main.S', files, { lines: true });
  });

  it('puts what #include brings on its own lines, macros on the line of their use', () => {
    const files = {
      'main.S':
        '#include "a.h"\nstart: nop\n#include "code.S"\nTWO(mov x0, #1,\n mov x1, #2)\nmov x2, #3; \\\n mov x3, #4\n' +
        '#line 50 "gen.c"\nnop\n# 90 "more.c"\nnop\nnop\n',
      'a.h': '#define TWO(a, b, c, d) a, b ; c, d\n#define CODE ret\n',
      'code.S': '\n\nnop\nCODE\n/* a\n comment */ CODE\n',
    };
    compareSources('main.S', files, { lines: true });
  });
});
