/** A guest that makes code for ever: it writes functions, runs each until it is translated, and writes others over them. */
import { Computer } from '../../emulator/board/computer';
import type { TranslatorOptions } from '../../emulator/core/translator';
import { state } from '../../emulator/isa/a64/state';
import { program } from '../support/program';

/** Functions of 64 bytes in the buffer. */
const SLOTS = 1024;
const BUFFER = 0x4040_0000;
/** How often the guest calls what it has written (a line that was written gets hot after 16), and rounds of its loop. */
const CALLS = 24;
const ROUNDS = 2;

/**
 * x19 counts functions, x20 wrong results. A function adds one of `constants` immediates to x0, ROUNDS times; every seventh is
 * longer than a line of 64 bytes and reaches into the slot behind it.
 */
const source = (constants: number): string => `
_start:
	ldr	x21, =${BUFFER}
	mov	x19, #0
	mov	x20, #0
	ldr	w22, =0xd2800002	// movz x2, #0
	ldr	w23, =0xd2800003 + (${ROUNDS} << 5)	// movz x3, #ROUNDS
	ldr	w24, =0x8b020000	// add x0, x0, x2
	ldr	w25, =0xf1000463	// subs x3, x3, #1
	ldr	w26, =0x54ffffc1	// b.ne back two
	ldr	w27, =0xd65f03c0	// ret
	ldr	w28, =0xd503201f	// nop
next:
	and	x1, x19, #${SLOTS - 1}
	add	x1, x21, x1, lsl #6
	mov	x10, x1
	and	x4, x19, #${constants - 1}
	orr	w5, w22, w4, lsl #5
	stp	w5, w23, [x10], #8
	mov	x7, #7
	udiv	x6, x19, x7
	msub	x6, x6, x7, x19
	cbnz	x6, 2f
	mov	x8, #14
1:	str	w28, [x10], #4
	subs	x8, x8, #1
	b.ne	1b
2:	stp	w24, w25, [x10], #8
	stp	w26, w27, [x10], #8
	mov	x11, x1
3:	dc	cvau, x11
	ic	ivau, x11
	add	x11, x11, #64
	cmp	x11, x10
	b.lo	3b
	dsb	ish
	isb
	mov	x0, #0
	mov	x9, #${CALLS}
4:	blr	x1
	subs	x9, x9, #1
	b.ne	4b
	mov	x5, #${CALLS * ROUNDS}
	mul	x5, x5, x4
	cmp	x5, x0
	cinc	x20, x20, ne
	add	x19, x19, #1
	b	next
`;

export class SoakGuest {
  readonly computer: Computer;

  /**
   * @param constants a power of two: with few of them, what is remembered of instruction words is complete early
   * @param translate by default early, so that every function is translated
   */
  constructor(
    constants = 1 << 12,
    translate: Partial<TranslatorOptions> = { batch: 8, patience: 1000, heat: 1 },
  ) {
    const image = program(source(constants));
    this.computer = new Computer({ cpus: 1, memoryBytes: 64 << 20, image, translate });
  }

  run(instructions: number): void {
    this.computer.machine.run({ instructions });
  }

  /** Functions that the guest has written and called. */
  get functions(): number {
    return Number(this.computer.machine.state.get(0, state.x, 19));
  }

  /** Functions whose result was wrong. */
  get wrong(): number {
    return Number(this.computer.machine.state.get(0, state.x, 20));
  }

  get counts(): { readonly modules: number; readonly regions: number; readonly dropped: number } {
    const { translator } = this.computer.machine;
    if (!translator || translator.refused !== undefined)
      throw new Error(`nothing is translated: ${translator?.refused}`);
    return translator.counts;
  }
}
