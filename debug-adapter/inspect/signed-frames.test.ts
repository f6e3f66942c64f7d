/** Call stacks of code that signs its return addresses (FEAT_PAuth). */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { InspectBench } from './testing/bench';

const source = `
	.global	_start
_start:	ldr	x0, =0x40800000
	mov	sp, x0
	mov	x29, #0
	mov	x0, #16				// T0SZ: 48 bits
	msr	tcr_el2, x0
	ldr	x0, =0x0123456789abcdef
	msr	apiakeylo_el1, x0
	mvn	x0, x0
	msr	apiakeyhi_el1, x0
	mrs	x0, sctlr_el2
	orr	x0, x0, #(1 << 31)		// EnIA
	msr	sctlr_el2, x0
	isb
	bl	outer
strip:	xpaci	x1
	b	strip

outer:	paciasp					// as GCC does it: the record, then the frame pointer
	stp	x29, x30, [sp, #-32]!
	mov	x29, sp
	str	x19, [sp, #16]
	bl	middle
	ldr	x19, [sp, #16]
	ldp	x29, x30, [sp], #32
	autiasp
	ret

middle:	paciasp					// without a record
	str	x30, [sp, #-16]!
	bl	leaf
	ldr	x30, [sp], #16
	retaa

leaf:	paciasp					// saves nothing: the signed address stays in the register
	nop
	autiasp
	ret
`;

describe('the call stack of code that signs return addresses', () => {
  let folder: string;
  let b: InspectBench;
  before(() => {
    folder = mkdtempSync(path.join(tmpdir(), 'worldswitch-signed-'));
    writeFileSync(path.join(folder, 'main.S'), source);
    b = new InspectBench({ program: folder, memory: '16M', cpu: 'max' });
  });
  after(() => rmSync(folder, { recursive: true, force: true }));

  it('is that of the calls at every instruction', async () => {
    const { machine } = b.target;
    await b.runToFunction('outer');
    const shadow = ['_start', 'outer'];
    let signed = 0;
    let steps = 0;
    for (; shadow.length > 1; steps++) {
      assert.deepEqual(await b.stack(), [...shadow].reverse());
      if (BigInt((await b.evaluate('x30')).split(' ')[0] ?? 0) >> 48n !== 0n) signed++;
      const pc = machine.pc(0);
      const word = machine.physical.peek(pc, 4);
      const code = new DataView(word.buffer, word.byteOffset, 4).getUint32(0, true);
      await b.step();
      if (code >>> 26 === 0b100101) shadow.push(b.target.symbols.symbolAt(machine.pc(0))?.name ?? '');
      else if (code === 0xd65f03c0 || code === 0xd65f0bff) shadow.pop();
    }
    assert.deepEqual([steps, signed > 5], [18, true]);
  });

  it('takes a signature away as XPACI does, whatever the address space is', async () => {
    const { isa } = b.target.guest;
    const set = (expression: string, value: bigint): Promise<unknown> =>
      b.ask('setExpression', { expression, value: `0x${value.toString(16)}` });
    const read = b.target.guest.reader(0);
    await b.runToFunction('strip');
    // The sizes of both halves, the granules (64K), tags and tags for data only.
    const translations = [
      16n,
      25n,
      48n,
      12n | (1n << 14n),
      16n | (1n << 20n),
      16n | (1n << 20n) | (1n << 29n),
    ];
    const halves = [
      16n | (25n << 16n) | (2n << 30n),
      25n | (16n << 16n) | (1n << 37n) | (2n << 30n),
      16n | (16n << 16n) | (3n << 37n) | (1n << 52n) | (2n << 30n),
    ];
    const hosts = [0n, 1n << 34n];
    const addresses = [0x0012_4000_4020_0004n, 0xffab_8000_0800_0004n, 0x3f93_ffff_0000_1234n, 0x4000_0000n];
    for (const [n, list] of [translations, halves].entries())
      for (const tcr of list) {
        await set('HCR_EL2', (hosts[n] ?? 0n) | (1n << 31n));
        await set('TCR_EL2', tcr);
        for (const address of addresses) {
          await set('x1', address);
          const ours = isa.unsignedCode(2, address, read);
          await b.step();
          await b.step();
          const theirs = BigInt((await b.evaluate('x1')).split(' ')[0] ?? 0);
          assert.equal(ours, theirs, `0x${address.toString(16)} with TCR_EL2 0x${tcr.toString(16)}`);
        }
      }
  });

  it('is left alone on a CPU that signs nothing', () => {
    const { guest } = new InspectBench({ program: folder, memory: '16M', cpu: 'cortex-a76' }).target;
    assert.equal(guest.isa.unsignedCode(2, 0xffab_8000_0800_0004n, guest.reader(0)), 0xffab_8000_0800_0004n);
  });
});
