import assert from 'node:assert/strict';
import { assemble } from '../../emulator/asm/assemble';
import { Computer } from '../../emulator/board/computer';
import type { TranslatorOptions } from '../../emulator/core/translator';
import { a64Isa } from '../../emulator/isa/a64';
import { state } from '../../emulator/isa/a64/state';

const MIB = 2 ** 20;

/** Copies a loop to the end of 2.5 GiB of RAM, which changes one of its own instructions every 256 rounds. */
const source = `
_start:	ldr	x20, =0xdf000000
	adr	x0, loop
	adr	x1, end
	mov	x2, x20
1:	ldr	w3, [x0], #4
	str	w3, [x2], #4
	cmp	x0, x1
	b.ne	1b
	br	x20

loop:	add	x9, x9, #1
	tst	x9, #0xff
	b.ne	patch
	adr	x3, patch
	ldr	w4, [x3]
	eor	w4, w4, #0x400			// add x10, x10, #1 or #2 ... by turns
	str	w4, [x3]
	dc	cvau, x3
	dsb	ish
	ic	ivau, x3
	dsb	ish
	isb
patch:	add	x10, x10, #1
	b	loop
end:
`;

const far = 0xdf00_0000n;

describe('RAM beyond 2 GiB', () => {
  const made = assemble({ main: 'far.S', read: () => source, isa: a64Isa });
  assert.ok(made.elf, made.diagnostics.map((d) => d.message).join('\n'));
  const boot = (translate: Partial<TranslatorOptions> | false): Computer =>
    new Computer({ cpus: 1, memoryBytes: 2560 * MIB, image: made.elf!, translate });

  it('drops regions of code that changes', () => {
    const [here, there] = [boot({ batch: 1, patience: 0, heat: 8 }), boot(false)];
    for (let step = 0; step < 10; step++) {
      for (const c of [here, there]) c.machine.run({ instructions: 3001 });
      for (const n of [9, 10])
        assert.equal(here.machine.state.get(0, state.x, n), there.machine.state.get(0, state.x, n), `x${n}`);
      assert.equal(here.machine.pc(0), there.machine.pc(0));
    }
    assert.ok((here.machine.translator?.counts.dropped ?? 0) > 5);
  });

  it('has breakpoints', () => {
    const c = boot(false);
    c.machine.run({ instructions: 1000 });
    c.machine.predecode.addBreakpoint(Number(far - c.machine.physical.ramBase));
    assert.equal(c.machine.run({ instructions: 1000 }).kind, 'breakpoint');
    assert.equal(c.machine.pc(0), far);
  });

  it('may be written by the debugger where code is', () => {
    const c = boot(false);
    c.machine.run({ instructions: 1000 });
    c.machine.physical.poke(far, Uint8Array.of(0, 0, 0, 0x14)); // b .
    c.machine.run({ instructions: 1000 });
    assert.equal(c.machine.pc(0), far);
    const rounds = c.machine.state.get(0, state.x, 9);
    c.machine.run({ instructions: 1000 });
    assert.equal(c.machine.state.get(0, state.x, 9), rounds);
  });
});
