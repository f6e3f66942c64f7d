import assert from 'node:assert/strict';
import { assemble } from '../../emulator/asm/assemble';
import { Computer } from '../../emulator/board/computer';
import { stressTranslation } from '../../emulator/core/translator';
import { a64Isa } from '../../emulator/isa/a64';

const conditions = ['eq', 'ne', 'cs', 'cc', 'mi', 'pl', 'vs', 'vc', 'hi', 'ls', 'ge', 'lt', 'gt', 'le'];

/** What sets the flags, from X1 and X2. */
const producers = [
  'cmp x1, x2',
  'cmp w1, w2',
  'subs x3, x1, #1',
  'subs w3, w1, #1',
  'cmp x1, #0',
  'cmp w1, #0',
  'cmp x1, x1',
  'cmn x1, x2',
  'adds w3, w1, w2',
  'tst x1, x2',
  'ands w3, w1, #0xff00',
  'bics x3, x1, x2',
  'sbcs x3, x1, x2',
  'negs x3, x1',
  'cmp x1, w2, sxtb',
  'cmp x1, x2\n\tccmp x2, x1, #5, lt',
  'tst w1, w2\n\tccmn w1, #7, #10, ne',
  'fcmp d1, d2',
];

/** What reads them: each leaves something of its own in X0. */
const readers = [
  ...conditions.map((c) => `cset x4, ${c}`),
  ...conditions.map((c) => `csinc w4, w1, w2, ${c}`),
  ...conditions.map((c, i) => `b.${c} 1f\n\tadd x0, x0, #${i + 1}\n1:\tmov x4, x0`),
  // Read twice, behind a branch and behind a place where ways meet.
  ...conditions.map(
    (c, i) => `b.${c} 1f\n\tb.${conditions[13 - i]!} 1f\n\tadd x0, x0, #3\n1:\tcset x4, ${c}`,
  ),
  ...conditions.map((c) => `tbz x1, #0, 1f\n\tcmp x2, x1\n1:\tcset x4, ${c}`),
  'adc x4, x1, x2',
  'mrs x4, nzcv',
  'ccmp x1, #3, #9, hi\n\tcset x4, lo',
];

const values = [0n, 2n, 0x80000000n, 0xffffffffn, 2n ** 63n, 2n ** 64n - 1n];

const source = `
_start:	mov	x9, #(3 << 20)
	msr	cpacr_el1, x9
	mov	x9, #0x33ff
	msr	cptr_el2, x9
	isb
	adr	x10, values
	adr	x11, values
again:	ldr	x1, [x10], #8
	ldr	x2, [x11]
	fmov	d1, x1
	fmov	d2, x2
${producers.flatMap((p) => readers.map((r) => `\t${p}\n\t${r}\n\teor x0, x4, x0, ror #7`)).join('\n')}
	adr	x12, end
	cmp	x10, x12
	b.ne	again
	adr	x10, values
	add	x11, x11, #8
	cmp	x11, x12
	b.ne	again
1:	wfi
	b	1b
	.balign	8
values:	.quad	${values.join(', ')}
end:
`;

describe('the flags in a region', () => {
  it('are what the interpreter makes of them, whatever sets and reads them', function () {
    const made = assemble({ main: 'flags.S', read: () => source, isa: a64Isa });
    assert.deepEqual(made.diagnostics, []);
    for (const instructions of [6, 40]) {
      const [a, b] = [false as const, { ...stressTranslation, live: 4000, instructions }].map(
        (translate) => new Computer({ cpus: 1, memoryBytes: 4 << 20, image: made.elf!, translate }),
      ) as [Computer, Computer];
      for (let n = 0; n < 400; n++) {
        const stops = [a, b].map((c) => c.machine.run({ instructions: 250_007 }).kind);
        assert.equal(b.machine.hash(), a.machine.hash(), `at ${a.machine.now()}`);
        if (stops.some((kind) => kind !== 'limit')) break;
      }
      assert.ok((b.machine.translator?.counts.instructions ?? 0) > 2000);
    }
  });
});
