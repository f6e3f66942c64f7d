/** Pages that are written before they hold code, and again while they do: through whatever entries of the TLB, code is what was written last. */
import assert from 'node:assert/strict';
import { assemble } from '../../emulator/asm/assemble';
import { Computer } from '../../emulator/board/computer';
import { stressTranslation } from '../../emulator/core/translator';
import { a64Isa } from '../../emulator/isa/a64';
import { state } from '../../emulator/isa/a64/state';
import { mmuOnAtEl2, windowTables } from '../support/program';

/** Pages of the window; more than a TLB's tables have entries for at first. */
const PAGES = 2048;
const RAM = 0x4100_0000;
const WINDOW = 0x8000_0000;
const SHIFTED = 0x8080_0000;

/**
 * EL2 with its MMU on: RAM at its own address, at 2 GiB a window of pages of 4 KiB that shows RAM from 0x41000000 on, and 8 MiB behind it
 * another one of the same.
 */
const setup = `
  .global _start
_start:
${windowTables(2 * PAGES)}
  ldr x2, =${RAM | 0x703}
  mov x5, #0
2: and x6, x5, #${PAGES - 1}
  add x6, x2, x6, lsl #12
  str x6, [x4, x5, lsl #3]
  add x5, x5, #1
  cmp x5, #${2 * PAGES}
  b.ne 2b
${mmuOnAtEl2}
  mrs x28, sctlr_el2
  bic x27, x28, #1
  mov x21, #0
`;
const end = `
  mov x22, #1
  b .
  .ltorg
  .bss
  .balign 4096
level1: .skip 4096
level2: .skip 4096
level3: .skip ${2 * PAGES * 8}
`;

/** Writes \`mov x10, #n; ret\` there. */
const write = (va: number, n: number): string => `
  ldr x0, =${va}
  ldr x1, =${0xd65f03c0_0000_0000n | BigInt(0xd280000a + (n << 5))}
  str x1, [x0]
  dsb ish
  ic iallu
  isb`;
/** Runs what is there, and appends what it says to x21. */
const call = (va: number): string => `
  ldr x0, =${va}
  blr x0
  lsl x21, x21, #4
  add x21, x21, x10`;
const mmu = (on: boolean): string => `
  msr sctlr_el2, ${on ? 'x28' : 'x27'}
  isb`;
/** Writes to every page of the window. */
const touchAll = `
  ldr x0, =${WINDOW + 8}
  mov x5, #${PAGES}
3: str x5, [x0]
  add x0, x0, #4096
  subs x5, x5, #1
  b.ne 3b`;

const page = (window: number, n: number): number => window + 4096 * n;

const cases: Readonly<Record<string, readonly string[]>> = {
  'through one address': [
    ...[write(page(WINDOW, 3), 1), call(page(RAM, 3)), write(page(WINDOW, 3), 2), call(page(RAM, 3))],
    ...[write(page(WINDOW, 3), 3), call(page(RAM, 3))],
  ],
  'through two addresses': [
    ...[write(page(WINDOW, 5), 4), write(page(SHIFTED, 5), 1), call(page(RAM, 5))],
    ...[write(page(WINDOW, 5), 2), call(page(RAM, 5)), write(page(SHIFTED, 5), 3), call(page(RAM, 5))],
  ],
  'from another context': [
    ...[write(page(RAM, 7), 1), mmu(false), call(page(RAM, 7)), mmu(true), write(page(RAM, 7), 2)],
    ...[mmu(false), call(page(RAM, 7)), write(page(RAM, 7), 3), mmu(true), call(page(RAM, 7))],
  ],
  'through tables that have grown': [
    touchAll,
    ...[write(page(WINDOW, 1500), 1), call(page(RAM, 1500))],
    ...[write(page(WINDOW, 1500), 2), call(page(RAM, 1500)), write(page(WINDOW, 1500), 3)],
    call(page(RAM, 1500)),
  ],
};

describe('code that is written', () => {
  for (const [name, steps] of Object.entries(cases))
    it(name, () => {
      const source = setup + steps.join('') + end;
      const { elf, diagnostics } = assemble({ main: 'writers.S', read: () => source, isa: a64Isa });
      assert.ok(elf, diagnostics.map((d) => d.message).join('\n'));
      for (const translate of [false, stressTranslation] as const) {
        const c = new Computer({ cpu: 'cortex-a76', cpus: 1, memoryBytes: 48 << 20, image: elf, translate });
        const x = (n: number): bigint => c.machine.state.get(0, state.x, n);
        for (let n = 0; n < 20 && x(22) !== 1n; n++) c.machine.run({ instructions: 10_000 });
        assert.equal(x(21).toString(16), '123', translate ? 'in regions' : 'interpreted');
      }
    });
});
