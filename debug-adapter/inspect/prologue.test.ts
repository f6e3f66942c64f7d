/** Call stacks of code that has neither call frame information nor frame records. */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { InspectBench } from './testing/bench';

const source = `
	.global	_start
_start:	ldr	x0, =0x40800000
	mov	sp, x0
	mov	x19, #0x11
	mov	x20, #0x22
	mov	x29, #0
	bl	outer
done:	b	done

outer:	sub	sp, sp, #48			// SP first, then the registers
	str	x30, [sp, #40]
	stp	x19, x20, [sp, #16]
	mov	x19, #0x33
	cbz	x19, 1f
	bl	middle
	bl	paired
1:	ldp	x19, x20, [sp, #16]
	ldr	x30, [sp, #40]
	add	sp, sp, #48
	ret

middle:	str	x30, [sp, #-16]!		// the way of hand-written code
	bl	leaf
	ldr	x30, [sp], #16
	ret

paired:	stp	x29, x30, [sp, #-32]!		// a pair, but nothing in x29
	stp	d8, d9, [sp, #16]
	sub	sp, sp, #1, lsl #12
	mov	x20, #0x44
	bl	leaf
	add	sp, sp, #1, lsl #12
	ldp	d8, d9, [sp, #16]
	ldp	x29, x30, [sp], #32
	ret

leaf:	sub	sp, sp, #16			// saves nothing
	str	xzr, [sp]
	add	sp, sp, #16
	ret
`;

describe('the call stack by prologues', () => {
  let folder: string;
  let b: InspectBench;
  before(() => {
    folder = mkdtempSync(path.join(tmpdir(), 'worldswitch-prologue-'));
    writeFileSync(path.join(folder, 'main.S'), source);
    b = new InspectBench({ program: folder, memory: '16M' });
  });
  after(() => rmSync(folder, { recursive: true, force: true }));

  it('is that of the calls at every instruction', async () => {
    const at = (name: string): bigint => b.target.symbols.symbolByName(name)[0]?.address ?? 0n;
    const { machine } = b.target;
    const x = machine.fieldByName('x')!;
    await b.runToFunction('outer');
    // The witness: calls and returns as they happen.
    const shadow = ['_start', 'outer'];
    const stacks = ['outer sp', `${0x40800000n}`];
    const pointers = [0x40800000n];
    let steps = 0;
    for (; shadow.length > 1; steps++) {
      const pc = machine.pc(0);
      const frames = await b.frames();
      assert.deepEqual(
        frames.map((f) => f.name),
        [...shadow].reverse(),
        `${stacks[0]} at ${frames[0]?.name}+0x${(pc - at(frames[0]?.name ?? '')).toString(16)}`,
      );
      // The stack pointer of each caller is what it was when it made the call.
      for (let n = 1; n < frames.length; n++)
        assert.equal(
          (await b.evaluate('sp', 'watch', n)).split(' ')[0],
          `0x${(pointers[pointers.length - n] ?? 0n).toString(16)}`,
        );
      const caller = (await b.evaluate('x19', 'watch', frames.length - 1)).split(' ')[0];
      assert.equal(caller, '0x11', `x19 of _start at ${frames[0]?.name}`);
      const word = machine.physical.peek(pc, 4);
      const code = new DataView(word.buffer, word.byteOffset, 4).getUint32(0, true);
      const sp = machine.state.get(0, x, 31);
      await b.step();
      if (code >>> 26 === 0b100101) {
        shadow.push(b.target.symbols.symbolAt(machine.pc(0))?.name ?? '');
        pointers.push(sp);
      } else if (code === 0xd65f03c0) {
        shadow.pop();
        pointers.pop();
      }
    }
    assert.equal(steps, 32);
  });

  it("writes a caller's register where its callee has put it", async () => {
    b = new InspectBench({ program: folder, memory: '16M' });
    await b.runToFunction('leaf');
    assert.deepEqual(await b.stack(), ['leaf', 'middle', 'outer', '_start']);
    const registers = await b.scope('Registers', 3);
    await b.ask('setVariable', {
      variablesReference: registers.variablesReference,
      name: 'x20',
      value: '0x77',
    });
    await b.runToFunction('done');
    assert.equal(await b.evaluate('x20'), '0x77');
  });
});
