/** In a web worker: runs a program on the emulator, once translated and once interpreted, and says what came of it. */
import { assemble } from '../../emulator/asm/assemble';
import { Computer } from '../../emulator/board/computer';
import { a64Isa } from '../../emulator/isa/a64';
import { state } from '../../emulator/isa/a64/state';

/** What the page is told. */
export interface BrowserResult {
  /** x0 at the end: integers, doubles and vectors have gone into it. */
  readonly x0: string;
  readonly regions: number;
  readonly sameHash: boolean;
  /** What the machine had to say, such as that nothing can be compiled. */
  readonly messages: readonly string[];
}

/** x0 = the sum of i * i for i below 4,096, by integers, by doubles and by vectors, added up. */
const source = `
_start:
	mov	x1, #(3 << 20)
	msr	cpacr_el1, x1
	mov	x1, #0x33ff
	msr	cptr_el2, x1
	isb
	mov	x0, #0
	mov	x1, #0
	fmov	d0, xzr
	movi	v2.2d, #0
	movi	v3.2s, #1
	movi	v4.2d, #0
loop:
	madd	x0, x1, x1, x0
	scvtf	d1, x1
	fmul	d1, d1, d1
	fadd	d0, d0, d1
	umlal	v4.2d, v2.2s, v2.2s
	add	v2.2s, v2.2s, v3.2s
	add	x1, x1, #1
	cmp	x1, #4096
	b.ne	loop
	fcvtzu	x2, d0
	add	x0, x0, x2
	fmov	x2, d4
	add	x0, x0, x2
	b	.
`;

const INSTRUCTIONS = 60_000;

export function runGuest(): BrowserResult {
  const made = assemble({ main: 'main.S', read: () => source, isa: a64Isa });
  if (!made.elf) throw new Error(made.diagnostics.map((d) => d.message).join('\n'));
  const messages: string[] = [];
  const image = made.elf;
  const [translated, interpreted] = ([{ heat: 100, batch: 1 }, false] as const).map((translate) => {
    const c = new Computer({ cpus: 1, memoryBytes: 16 << 20, image, translate });
    c.onEvent = (e) => {
      if (e.kind === 'message') messages.push(e.text);
    };
    c.machine.run({ instructions: INSTRUCTIONS });
    return c;
  });
  return {
    x0: translated!.machine.state.get(0, state.x, 0).toString(),
    regions: translated!.machine.translator?.counts.regions ?? 0,
    sameHash: translated!.machine.hash() === interpreted!.machine.hash(),
    messages,
  };
}
