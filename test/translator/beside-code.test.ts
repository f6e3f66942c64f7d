/** Programs that write into the page, and into the line, of the code that they execute: data beside it, and the code itself. */
import assert from 'node:assert/strict';
import { assemble } from '../../emulator/asm/assemble';
import { Computer } from '../../emulator/board/computer';
import { stressTranslation, type TranslatorOptions } from '../../emulator/core/translator';
import { common } from '../../emulator/ir/state';
import { a64Isa } from '../../emulator/isa/a64';
import { state } from '../../emulator/isa/a64/state';
import { mmuOnAtEl2 } from '../support/program';
import { Random, seed } from '../support/random';

/** Both CPUs with their MMUs on, so that RAM is Normal memory and accesses may be misaligned. CPU 1 goes on at `second`. */
const frame = (body: string): string => `
  .global _start
_start:
  adrp x1, level1
  ldr x2, =0x40000705
  str x2, [x1, #8]
  mov x0, #3
  movk x0, #0xc400, lsl #16
  mov x1, #1
  adr x2, started
  mov x3, #1
  smc #0
  mov x0, #0
started:
  mov x27, x0
  adrp x1, level1
${mmuOnAtEl2}
  mov x9, #0
  cbnz x27, second
  b first
  .ltorg
  .balign 4096
${body}
  .bss
  .balign 4096
level1: .skip 4096
`;

/** A loop that counts in its own page; x9 is how often it has gone round. */
const counting = frame(`
first:
  adr x20, counter
1: ldr x1, [x20]
  add x1, x1, #1
  str x1, [x20]
  stp x1, x20, [x20, #16]
  strb w1, [x20, #40]
  str q1, [x20, #48]
  add x9, x9, #1
  b 1b
  .balign 16
counter: .skip 64
second: b second
`);

/** The same, and now and then it rewrites an instruction of its own line, of the next one, or writes over the end of a line. */
const rewriting = frame(`
first:
  adr x20, counter
  adr x21, edge
1: ldr x1, [x20]
  add x1, x1, #1
  str x1, [x20]
own: add x2, x2, #1
  str x1, [x21, #60]
  ldr w3, [x21, #62]
  add x2, x2, x3
  tst x1, #0x3f
  b.ne 2f
  ldr w5, own
  ldr w6, other
  adr x7, own
  str w6, [x7]
  str w5, [x7, other - own]
2: add x9, x9, #1
  tst x1, #0x1c
  b.ne 3f
  ldr w5, next
  ldr w6, other2
  adr x7, next
  str w6, [x7]
  str w5, [x7, other2 - next]
  .balign 64
3: mov x3, #7
next: sub x2, x2, x3
  b 1b
other: eor x2, x2, x1
other2: add x2, x2, x3, lsl #4
counter: .quad 0
  .balign 64
edge: .skip 256
second:
  adr x7, own
  ldr w6, =0xca010042 // eor x2, x2, x1
  ldr w5, =0x91000442 // add x2, x2, #1
4: add x9, x9, #1
  tst x9, #0x7f
  b.ne 4b
  str w6, [x7]
  eor w6, w6, w5
  eor w5, w6, w5
  eor w6, w6, w5
  b 4b
  .ltorg
`);

/** Everything is translated early, in regions of the usual size. */
const soon: Partial<TranslatorOptions> = { batch: 1, patience: 0, heat: 8 };

function boot(source: string, translate: Partial<TranslatorOptions> | false): Computer {
  const made = assemble({ main: 'beside.S', read: () => source, isa: a64Isa });
  assert.ok(made.elf, made.diagnostics.map((d) => d.message).join('\n'));
  return new Computer({ cpus: 2, memoryBytes: 4 << 20, image: made.elf, translate });
}

describe('code that writes beside itself', () => {
  for (const [name, source] of Object.entries({ counting, rewriting }))
    for (const [how, translate] of [['soon', soon] as const, ['in stress mode', stressTranslation] as const])
      it(`runs the same in both tiers: ${name}, translated ${how}`, function () {
        const r = new Random(seed);
        const [here, there] = [boot(source, translate), boot(source, false)];
        for (let step = 0; step < 20; step++) {
          const instructions = 1 + r.below(r.pick([9, 300, 60_000]));
          const stops = [here, there].map((c) => c.machine.run({ instructions }));
          assert.deepEqual(stops[0], stops[1]);
          assert.equal(here.machine.hash(), there.machine.hash(), `step ${step} (SEED=${seed})`);
        }
        assert.ok((here.machine.translator?.counts.regions ?? 0) > 2);
        for (const cpu of [0, 1])
          assert.ok((cpu > 0 && name === 'counting') || there.machine.state.get(cpu, state.x, 9) > 1000n);
      });

  it('stays in a region that has been made for it', () => {
    const c = boot(counting, soon);
    const writes = (): number => c.machine.state.num(0, common.besides);
    c.machine.run({ instructions: 200_000 });
    const before = writes();
    assert.ok(before > 0);
    c.machine.run({ instructions: 400_000 });
    // Some 100,000 have been made; the interpreter has those at the ends of turns.
    assert.ok(writes() - before < 300, `${writes() - before} left the region`);
    const dropped = c.machine.translator?.counts.dropped ?? 0;
    assert.ok(dropped < 40, `${dropped} regions were made for nothing`);
  });

  it('leaves it when the page is watched, and comes back', () => {
    const c = boot(counting, soon);
    c.machine.run({ instructions: 200_000 });
    const pa = c.machine.state.get(0, state.x, 20);
    const range = { pa, bytes: 8, kind: 'write' as const };
    let seen = 0;
    c.machine.watch.onAccess = () => (seen++, false);
    c.machine.watch.add(range);
    const rounds = c.machine.state.get(0, state.x, 9);
    c.machine.run({ instructions: 50_000 });
    assert.ok(Math.abs(seen - Number(c.machine.state.get(0, state.x, 9) - rounds)) <= 1);
    assert.ok(seen > 1000);
    c.machine.watch.remove(range);
    c.machine.run({ instructions: 50_000 });
    const taken = seen;
    c.machine.run({ instructions: 50_000 });
    assert.equal(seen, taken);
  });
});
