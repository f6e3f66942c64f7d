/** Programs that use more memory than small tables of a TLB have entries for: the tables grow while they run. */
import assert from 'node:assert/strict';
import { assemble } from '../../emulator/asm/assemble';
import { Computer } from '../../emulator/board/computer';
import { placeMask, Tlb } from '../../emulator/codegen/tlb';
import { stressTranslation } from '../../emulator/core/translator';
import { common } from '../../emulator/ir/state';
import { a64Isa } from '../../emulator/isa/a64';
import { state } from '../../emulator/isa/a64/state';
import { mmuOnAtEl2, windowTables } from '../support/program';
import { Random, seed } from '../support/random';

const PAGES = 8192;

/**
 * EL2 with its MMU on: RAM at its own address, and at 2 GiB a window of 8,192 pages of 4 KiB that shows RAM from
 * 0x41000000 on. Each round adds to a word of every page, in an order without locality, and then swaps two pages of the
 * window, with the TLBIs that this takes.
 */
const program = `
  .global _start
_start:
${windowTables(PAGES)}
  ldr x2, =0x41000703
  mov x5, #0
2: str x2, [x4, x5, lsl #3]
  add x2, x2, #4096
  add x5, x5, #1
  cmp x5, #${PAGES}
  b.ne 2b
${mmuOnAtEl2}
  mov x20, #0
  mov x21, #0
round:
  mov x5, #${PAGES}
  ldr x6, =0x80000000
3: madd x7, x5, x20, x5
  eor x7, x7, x5, lsl #5
  and x7, x7, #${PAGES - 1}
  add x8, x6, x7, lsl #12
  lsr x9, x7, #6
  add x8, x8, x9, lsl #3
  ldr x9, [x8]
  add x9, x9, x5
  add x21, x21, x9
  str x9, [x8]
  subs x5, x5, #1
  b.ne 3b
  and x7, x21, #${PAGES - 1}
  add x8, x7, #77
  and x8, x8, #${PAGES - 1}
  ldr x9, [x4, x7, lsl #3]
  ldr x10, [x4, x8, lsl #3]
  str x10, [x4, x7, lsl #3]
  str x9, [x4, x8, lsl #3]
  dsb ishst
  lsr x6, x6, #12
  add x7, x7, x6
  add x8, x8, x6
  tlbi vae2is, x7
  tlbi vae2is, x8
  dsb ish
  isb
  add x20, x20, #2
  b round
  .ltorg
  .bss
  .balign 4096
level1: .skip 4096
level2: .skip 4096
level3: .skip ${PAGES * 8}
`;

/** The sum that the program has in x21 after so many rounds. */
function sumAfter(rounds: number): bigint {
  const physical = Array.from({ length: PAGES }, (_, i) => i);
  const words = new Map<string, bigint>();
  let sum = 0n;
  for (let round = 0n; round < BigInt(rounds); round++) {
    for (let n = BigInt(PAGES); n > 0n; n--) {
      const page = Number(((n * (2n * round) + n) ^ (n << 5n)) & BigInt(PAGES - 1));
      const word = `${physical[page]}/${page >> 6}`;
      const v = (words.get(word) ?? 0n) + n;
      words.set(word, v);
      sum = BigInt.asUintN(64, sum + v);
    }
    const a = Number(sum & BigInt(PAGES - 1));
    const b = (a + 77) & (PAGES - 1);
    [physical[a], physical[b]] = [physical[b]!, physical[a]!];
  }
  return sum;
}

describe('a TLB whose tables grow', () => {
  const made = assemble({ main: 'window.S', read: () => program, isa: a64Isa });
  const image = made.elf;
  const boot = (translate: typeof stressTranslation | false): Computer => {
    assert.ok(image, made.diagnostics.map((d) => d.message).join('\n'));
    return new Computer({ cpu: 'cortex-a76', cpus: 1, memoryBytes: 48 << 20, image, translate });
  };
  const count = (c: Computer, f: typeof common.misses | typeof common.tlbMask): number =>
    Number(c.machine.state.get(0, f));

  it('drops what a TLBI names, and soon misses nothing else', function () {
    const c = boot(false);
    const { machine } = c;
    const rounds = 5;
    const x = (n: number): bigint => machine.state.get(0, state.x, n);
    while (x(20) < 2n * BigInt(rounds)) {
      const before = [x(20), count(c, common.misses)] as const;
      machine.run({ instructions: PAGES * 12 + 20 });
      // Once the tables are large enough: the two pages that were swapped, for reads and for writes, and the tables' own.
      if (before[0] > 6n) assert.ok(count(c, common.misses) - before[1] < 20);
    }
    assert.equal(count(c, common.tlbMask), placeMask(Tlb.most));
    // In the middle of the next round: the sum of all that are over is what it began with.
    while (x(5) !== BigInt(PAGES)) machine.run({ instructions: 1 });
    assert.equal(x(21), sumAfter(Number(x(20)) / 2));
  });

  it('grows at the same instruction in both tiers, and after a snapshot has come back', function () {
    const pair = [boot(false), boot({ ...stressTranslation, instructions: 60, live: 8192 })];
    const hashes = (): string[] => pair.map((c) => c.machine.hash());
    const later: string[] = [];
    const taken = pair.map((c) => c.machine.snapshots.take());
    for (const again of [false, true]) {
      const sizes = new Set<number>();
      const random = new Random(seed);
      for (let step = 0; step < 12; step++) {
        const instructions = 20_000 + random.below(30_000);
        for (const c of pair) c.machine.run({ instructions });
        sizes.add(count(pair[0]!, common.tlbMask));
        const [a, b] = hashes();
        assert.equal(b, a, `step ${step} (SEED=${seed})`);
        if (again) assert.equal(a, later[step], 'once more');
        else later.push(a!);
      }
      // A long step may lead over the size between.
      assert.ok(sizes.size > 1 && sizes.has(placeMask(Tlb.most)), [...sizes].join());
      pair.forEach((c, i) => c.machine.snapshots.restore(taken[i]!));
    }
  });
});
