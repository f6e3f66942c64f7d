/**
 * Control flow that regions keep inside: calls and returns, jumps, several pages. Both tiers run the same programs and stop after
 * each number of instructions in turn.
 */
import assert from 'node:assert/strict';
import { assemble } from '../../emulator/asm/assemble';
import { Computer } from '../../emulator/board/computer';
import { stressTranslation, type TranslatorOptions } from '../../emulator/core/translator';
import { common } from '../../emulator/ir/state';
import { a64Isa } from '../../emulator/isa/a64';
import { state } from '../../emulator/isa/a64/state';

/** Regions as large as those of a user, made at once, and again as soon as control goes from one to another a few times. */
const large: TranslatorOptions = { ...stressTranslation, instructions: 200, links: 1 };

const DATA = 0x4020_0000n;

/** Instructions that programs run before they are followed step by step: regions exist by then. */
const BEFORE = 3000;

function imageOf(source: string): Uint8Array {
  const made = assemble({ main: 'calls.S', read: () => source, isa: a64Isa });
  assert.ok(made.elf, made.diagnostics.map((d) => d.message).join('\n'));
  return made.elf;
}

/** Runs a program in both tiers, with stops everywhere. @returns the one with regions */
function inStep(source: string, options: TranslatorOptions = large): Computer {
  const image = imageOf(source);
  const [a, b] = ([false, options] as const).map((translate) => {
    return new Computer({ cpus: 1, memoryBytes: 8 << 20, image, translate });
  }) as [Computer, Computer];
  const step = (instructions: number): void => {
    const stops = [a, b].map((c) => c.machine.run({ instructions }));
    assert.deepEqual(stops[1], stops[0]);
    assert.equal(b.machine.pc(0), a.machine.pc(0), `at ${a.machine.now()}`);
  };
  step(BEFORE);
  assert.equal(b.machine.hash(), a.machine.hash());
  for (let instructions = 1; instructions < 90; instructions++) {
    step(instructions);
    for (let n = 0; n < 31; n++)
      assert.equal(b.machine.state.get(0, state.x, n), a.machine.state.get(0, state.x, n), `x${n}`);
    assert.equal(b.machine.state.num(0, state.nzcv), a.machine.state.num(0, state.nzcv));
  }
  step(20_000);
  assert.equal(b.machine.hash(), a.machine.hash());
  assert.equal(b.machine.translator?.refused, undefined);
  return b;
}

/** Transitions between regions for 1,000 instructions from now on. */
function transitions({ machine }: Computer): number {
  const before = Number(machine.state.get(0, common.entered));
  const instructions = 200_000;
  machine.run({ instructions });
  return ((Number(machine.state.get(0, common.entered)) - before) * 1000) / instructions;
}

const frame = (body: string): string => `
_start:
	ldr	x0, =${DATA}
	mov	sp, x0
${body}
`;

const fib = `
fib:	cmp	x0, #2
	b.lo	1f
	stp	x30, x19, [sp, #-32]!
	str	x0, [sp, #16]
	sub	x0, x0, #1
	bl	fib
	mov	x19, x0
	ldr	x0, [sp, #16]
	sub	x0, x0, #2
	bl	fib
	add	x0, x0, x19
	ldp	x30, x19, [sp], #32
1:	ret
`;

describe('calls, returns and jumps inside regions', () => {
  it('recursion', () => {
    const c = inStep(frame(`again:	mov	x0, #9\n	bl	fib\n	add	x20, x20, x0\n	b	again\n${fib}`));
    assert.ok(transitions(c) < 5);
  });

  it('mutual recursion over pages', () => {
    const c = inStep(
      frame(`
again:	mov	x0, #12
	bl	even
	add	x20, x20, x0
	b	again
	.balign	4096
even:	cbz	x0, yes
	sub	x0, x0, #1
	str	x30, [sp, #-16]!
	bl	odd
	ldr	x30, [sp], #16
	ret
	.balign	4096
yes:	mov	x0, #1
	ret
	.balign	4096
odd:	cbz	x0, no
	sub	x0, x0, #1
	str	x30, [sp, #-16]!
	bl	even
	ldr	x30, [sp], #16
	ret
no:	ret
`),
    );
    assert.ok(transitions(c) < 10);
  });

  it('falls from one page into the next', () => {
    inStep(
      frame(`
	b	again
	.balign	4096
	.space	4096 - 8
again:	add	x1, x1, #1
	eor	x2, x2, x1
	subs	x3, x2, x1, lsl #2
	adc	x4, x4, x3
	tbz	x1, #1, again
	add	x5, x5, #3
	b	again
`),
    );
  });

  it('a jump table', () => {
    const c = inStep(
      frame(`
	adr	x10, table
again:	madd	x1, x1, x11, x12
	add	x12, x12, #7
	movz	x11, #0x4c95
	lsr	x2, x1, #13
	and	x2, x2, #3
	ldr	w3, [x10, x2, lsl #2]
	add	x3, x10, w3, sxtw
	br	x3
one:	add	x5, x5, #1
	b	again
two:	subs	x5, x5, x1
	b.mi	one
	b	again
three:	eor	x6, x6, x5
	b	again
four:	add	x7, x7, x6, lsl #3
	b	again
table:	.word	one - table, two - table, three - table, four - table
`),
    );
    assert.ok(transitions(c) < 5);
  });

  it('calls by a table, to other pages', () => {
    const c = inStep(
      frame(`
	ldr	x10, =one
	ldr	x11, =two
	ldr	x12, =three
again:	add	x1, x1, #1
	tst	x1, #1
	csel	x2, x10, x11, eq
	tst	x1, #4
	csel	x2, x12, x2, eq
	blr	x2
	eor	x20, x20, x0
	b	again
	.pool
	.balign	4096
one:	add	x0, x0, #5
	ret
	.balign	4096
two:	sub	x0, x0, x1
	ret
three:	orr	x0, x0, #2
	ret
`),
    );
    assert.ok(transitions(c) < 10);
  });

  it('a return to somewhere else', () => {
    inStep(
      frame(`
again:	add	x1, x1, #1
	bl	odd
	add	x2, x2, #1
	add	x3, x3, #1
	b	again
odd:	tst	x1, #3
	b.ne	1f
	add	x30, x30, #4
	tst	x1, #7
	b.ne	1f
	adr	x30, other
1:	ret
other:	add	x4, x4, #1
	ret	x5
	.balign	64
`).replace('again:', 'adr	x5, again\nagain:'),
    );
  });

  it('a loop with two entries', () => {
    inStep(
      frame(`
again:	add	x1, x1, #1
	mov	x2, #5
	tbz	x1, #0, inside
head:	add	x3, x3, x2
inside:	eor	x4, x4, x3
	subs	x2, x2, #1
	b.ne	head
	b	again
`),
    );
  });

  it('code of the second page that changes', () => {
    inStep(
      frame(`
	ldr	x10, =changing
	ldr	w11, [x10]
again:	bl	changing
	add	x1, x1, #1
	tst	x1, #15
	b.ne	again
	eor	w11, w11, #(1 << 10)
	str	w11, [x10]
	dc	cvau, x10
	dsb	ish
	ic	ivau, x10
	dsb	ish
	isb
	b	again
	.pool
	.balign	4096
changing:
	add	x0, x0, #2
	ret
`),
    );
  });

  it('the same in tiny regions', () => {
    const tiny = { ...stressTranslation, instructions: 3 };
    inStep(frame(`again:	mov	x0, #9\n	bl	fib\n	add	x20, x20, x0\n	b	again\n${fib}`), tiny);
  });

  it('a page of a region that another takes the place of', () => {
    // Level 1 maps the first GiB and RAM as blocks but for 2 MiB at 0x8000_0000, whose page 0 is one of two.
    const { machine } = inStep(
      frame(`
	ldr	x0, =tables
	ldr	x1, =0x40000705
	str	x1, [x0, #8]
	add	x2, x0, #4096
	orr	x1, x2, #3
	str	x1, [x0, #16]
	add	x3, x2, #4096
	orr	x1, x3, #3
	str	x1, [x2]
	ldr	x4, =home
	movz	x5, #0x703
	orr	x1, x4, x5
	str	x1, [x3]
	ldr	x6, =first
	orr	x6, x6, x5
	ldr	x7, =second
	orr	x7, x7, x5
	str	x6, [x3, #8]
	ldr	x1, =0x80823519
	msr	tcr_el2, x1
	mov	x1, #0xff
	msr	mair_el2, x1
	msr	ttbr0_el2, x0
	isb
	tlbi	alle2
	dsb	ish
	mrs	x1, sctlr_el2
	orr	x1, x1, #1
	msr	sctlr_el2, x1
	isb
	mov	x1, #0x80000000
	br	x1
	.pool
	.balign	4096
tables:	.space	3 * 4096
home:	bl	home + 4096
	add	x20, x20, x0
	add	x21, x21, #1
	tst	x21, #31
	b.ne	home
	eor	x8, x6, x7
	ldr	x9, [x3, #8]
	eor	x9, x9, x8
	str	x9, [x3, #8]
	dsb	ish
	movz	x9, #1
	movk	x9, #8, lsl #16
	tlbi	vae2, x9
	dsb	ish
	isb
	b	home
	.balign	4096
first:	add	x0, x0, #1
	ret
	.balign	4096
second:	eor	x0, x0, #0x10
	ret
`),
    );
    assert.equal(machine.pc(0) >> 16n, 0x8000n);
    assert.ok((machine.translator?.counts.regions ?? 0) > 1);
  });
});
