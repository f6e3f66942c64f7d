/** Pointer authentication and branch target identification of `max`, compared with QEMU: the same programs on both machines. */
import assert from 'node:assert/strict';
import { requireTool } from '../../test/support/oracles';
import { powerOff, Run } from '../../test/support/program';
import { gnuProgram, qemuOutput } from '../../test/support/qemu-program';
import { scriptTools } from '../../test/support/qemu-script';
import { Random, seed } from '../../test/support/random';

const hex = (v: bigint): string => `0x${BigInt.asUintN(64, v).toString(16)}`;
const quad = (...words: readonly bigint[]): string => `  .quad ${words.map(hex).join(', ')}`;

/** x26 goes on through results; at the end they are printed as they are. */
const begin = `
  .arch armv8.5-a
  .global _start
_start:
  ldr x26, =results
  mov x0, #3 << 20
  msr cpacr_el1, x0
`;
const end = `
  ldr x0, =results
  ldr x1, =0x09000000
1: cmp x0, x26
  b.hs 2f
  ldrb w2, [x0], #1
  strb w2, [x1]
  b 1b
2:
${powerOff}
  .ltorg
`;
const put = (register: string): string => `  str ${register}, [x26], #8`;

const E2H = 1n << 34n;
const PERMIT = (3n << 40n) | (1n << 31n);

function compare(
  source: string,
  describeWord: (index: number) => string,
  ignored: (index: number) => bigint = () => 0n,
): void {
  const image = gnuProgram(source);
  const theirs = qemuOutput(image, { cpus: 1, cpu: 'max' });
  const ours = Buffer.from(new Run(image, { cpu: 'max' }).toEnd(50_000_000).output);
  assert.equal(ours.length, theirs.length);
  for (let i = 0; i < ours.length; i += 8) {
    const [a, b] = [ours.readBigUInt64LE(i), theirs.readBigUInt64LE(i)];
    const same = ((a ^ b) & ~ignored(i / 8)) === 0n;
    if (!same) assert.fail(`${describeWord(i / 8)}: ours ${hex(a)}, QEMU ${hex(b)} (SEED=${seed})`);
  }
}

// --- authentication codes ---------------------------------------------------------------------------------------------

/** x0 the pointer, x1 the modifier, x2 a pointer with some code, x3 where a bit is inverted in a good one; x10 the result. */
const operations: readonly (readonly [name: string, code: string])[] = [
  ...['ia', 'ib', 'da', 'db'].flatMap((key): [string, string][] => [
    [`pac${key}`, `mov x10, x0\n pac${key} x10, x1`],
    [`pac${key[0]}z${key[1]}`, `mov x10, x0\n pac${key[0]}z${key[1]} x10`],
    [`aut${key} of a good pointer`, `mov x10, x0\n pac${key} x10, x1\n aut${key} x10, x1`],
    [`aut${key} of any pointer`, `mov x10, x2\n aut${key} x10, x1`],
    [
      `aut${key} of a spoilt pointer`,
      `mov x10, x0\n pac${key} x10, x1\n eor x10, x10, x3\n aut${key} x10, x1`,
    ],
    [`aut${key[0]}z${key[1]}`, `mov x10, x0\n pac${key[0]}z${key[1]} x10\n aut${key[0]}z${key[1]} x10`],
  ]),
  ['xpaci', 'mov x10, x2\n xpaci x10'],
  ['xpacd', 'mov x10, x2\n xpacd x10'],
  ['xpaclri', 'mov x30, x2\n xpaclri\n mov x10, x30'],
  ['pacga', 'pacga x10, x0, x1'],
  ['pacia1716', 'mov x17, x0\n mov x16, x1\n pacia1716\n mov x10, x17'],
  ['autib1716', 'mov x17, x2\n mov x16, x1\n autib1716\n mov x10, x17'],
  ['pacibsp and autibsp', 'mov x30, x0\n pacibsp\n mov x11, x30\n autibsp\n eor x10, x11, x30'],
  ['paciaz', 'mov x30, x0\n paciaz\n mov x10, x30'],
];

const KEYS = ['apia', 'apib', 'apda', 'apdb', 'apga'];

function pointerCase(r: Random): { e2h: boolean; words: bigint[] } {
  const e2h = r.below(3) > 0;
  const size = (): bigint => BigInt(r.below(8) === 0 ? r.below(64) : 12 + r.below(30));
  const bit = (n: bigint): bigint => BigInt(r.below(2)) << n;
  const tcr = e2h
    ? size() |
      (size() << 16n) |
      (BigInt(r.below(3)) << 14n) |
      (BigInt(1 + r.below(3)) << 30n) |
      bit(37n) |
      bit(38n) |
      bit(51n) |
      bit(52n)
    : size() | (BigInt(r.below(3)) << 14n) | bit(20n) | bit(29n);
  // Where only one half has tags, QEMU decides by that of the pointer which bit says the half (Arm ARM J1.1.3, AddPAC: any).
  const pointer = (): bigint => {
    const any = r.below(4) === 0 ? r.bits64() : r.bits64() & ((1n << BigInt(30 + r.below(20))) - 1n);
    const upper = r.below(2) === 1;
    const tagged = r.below(3) === 0 ? any ^ (BigInt(r.below(256)) << 56n) : any;
    const placed = upper ? BigInt.asUintN(64, ~tagged) : tagged;
    return (placed & ~(1n << 63n)) | (((placed >> 55n) & 1n) << 63n);
  };
  return {
    e2h,
    words: [tcr, r.bits64(), r.bits64(), pointer(), r.value(), pointer(), 1n << BigInt(r.below(64))],
  };
}

describe(`Pointer authentication against QEMU (SEED=${seed})`, function () {
  const COUNT = 120;

  it(`agrees on ${COUNT} keys, pointers and address spaces`, function () {
    requireTool(this, ...scriptTools);
    const r = new Random(seed);
    const cases = Array.from({ length: COUNT }, () => pointerCase(r));
    const source = `${begin}
  ldr x0, =0x30c50830 | 1 << 31 | 1 << 30 | 1 << 27 | 1 << 13
  msr sctlr_el2, x0
  ldr x20, =cases
  mov x21, #${COUNT}
next:
  ldp x0, x1, [x20], #16
  msr hcr_el2, x0
  isb
  msr tcr_el2, x1
  ldp x4, x5, [x20], #16
${KEYS.map((k) => `  msr ${k}keylo_el1, x4\n  msr ${k}keyhi_el1, x5`).join('\n')}
  ldp x0, x1, [x20], #16
  ldp x2, x3, [x20], #16
  isb
${operations.map(([, code]) => ` ${code}\n${put('x10')}`).join('\n')}
  subs x21, x21, #1
  b.ne next
${end}
  .balign 16
cases:
${cases.map(({ e2h, words }) => quad(PERMIT | (e2h ? E2H : 0n), ...words)).join('\n')}
  .bss
  .balign 16
results: .space ${COUNT * operations.length * 8}
`;
    compare(source, (i) => {
      const c = cases[Math.floor(i / operations.length)]!;
      const what = operations[i % operations.length]![0];
      const names = ['TCR_EL2', 'key low', 'key high', 'pointer', 'modifier', 'other pointer', 'spoilt bit'];
      const given = c.words.map((v, n) => `${names[n]} ${hex(v)}`).join(', ');
      return `${what}, ${c.e2h ? 'with' : 'without'} E2H, ${given}`;
    });
  });
});

// --- who may use it -----------------------------------------------------------------------------------------------------

/** Takes down what led to EL2, and goes on behind the instruction; what goes to EL1 comes here by an HVC. */
const vectors = `
  .macro handler
  mrs x13, esr_el2
${put('x13')}
  mrs x13, spsr_el2
${put('x13')}
  mrs x13, elr_el2
${put('x13')}
  mrs x13, esr_el1
${put('x13')}
  br x25
  .endm
  .balign 2048
vectors:
  .rept 16
  .balign 128
  handler
  .endr
  .balign 2048
vectors_el1:
  .rept 16
  .balign 128
  hvc #1
  .endr
`;

describe('Traps of pointer authentication against QEMU', function () {
  const instructions = [
    'paciasp',
    'autibsp',
    'pacda x1, x2',
    'pacga x1, x2, x3',
    'xpacd x1',
    'mrs x1, apiakeylo_el1',
    'msr apgakeyhi_el1, x1',
    'pacdza x4\n ldraa x1, [x4]',
    'mrs x1, id_aa64afr0_el1',
    'mrs x1, s3_0_c0_c7_7',
    'msr dit, #1\n mrs x1, dit\n msr dit, #0',
    'msr ssbs, #1\n mrs x1, ssbs',
  ];
  const TGE = 1n << 27n;
  const hcrs = [0n, 1n << 40n, 1n << 41n, 3n << 40n, E2H, E2H | TGE, TGE].map((v) => v | (1n << 31n));
  const enables = [0n, (1n << 31n) | (1n << 30n) | (1n << 27n) | (1n << 13n)];
  const cases = instructions.flatMap((code) =>
    [0, 1, 2].flatMap((el) =>
      hcrs.flatMap((hcr) =>
        el === 1 && hcr & TGE ? [] : enables.map((enable) => ({ code, el, hcr, enable })),
      ),
    ),
  );

  it(`agrees on ${cases.length} instructions at EL0, EL1 and EL2`, function () {
    requireTool(this, ...scriptTools);
    const source = `${begin}
  ldr x0, =vectors
  msr vbar_el2, x0
  ldr x0, =vectors_el1
  msr vbar_el1, x0
  msr esr_el1, xzr
${cases
  .map(
    ({ code, el, hcr, enable }) => `
  ldr x0, =0x30c50830 | ${hex(enable)}
  msr sctlr_el2, x0
  ldr x0, =0x30d50830 | ${hex(enable)}
  msr sctlr_el1, x0
  ldr x0, =${hex(hcr)}
  msr hcr_el2, x0
  isb
  ldr x25, =3f
  ldr x4, =_start
  ldr x0, =2f
  msr elr_el2, x0
  mov x0, #${el === 0 ? 0x3c0 : el === 1 ? 0x3c5 : 0x3c9}
  msr spsr_el2, x0
  mov x1, #0
  mov x2, #0
  eret
2: ${code}
  hvc #2
3: mov x0, #1 << 31
  msr hcr_el2, x0
  isb
${put('x1')}`,
  )
  .map((text, i) => (i % 20 === 19 ? `${text}\n  b 1f\n  .ltorg\n1:` : text))
  .join('\n')}
${end}
${vectors}
  .bss
  .balign 16
results: .space ${cases.length * 40}
`;
    compare(source, (i) => {
      const { code, el, hcr, enable } = cases[Math.floor(i / 5)]!;
      const what = ['ESR_EL2', 'SPSR_EL2', 'ELR_EL2', 'ESR_EL1', 'x1'][i % 5];
      return `${what} after ${code} at EL${el}, HCR_EL2 ${hex(hcr)}, ${enable ? 'enabled' : 'not enabled'}`;
    });
  });
});

// --- landing pads -------------------------------------------------------------------------------------------------------

describe('Branch target identification against QEMU', function () {
  const sources = [
    'br x5',
    'br x16',
    'br x17',
    'blr x5',
    'ret x5',
    'braaz x5',
    'braaz x17',
    'blraaz x16',
    'retaa',
  ];
  const targets = [
    ...['nop', 'bti', 'bti c', 'bti j', 'bti jc', 'paciasp', 'pacibsp', 'paciaz', 'autiasp'],
    ...['brk #1', 'svc #3', 'udf #0', 'b .+4', 'str x1, [x26]'],
  ];
  /** The second gigabyte is RAM; the third is the same RAM in guarded pages. */
  const ALIAS = 0x4000_0000n;
  const cases = [0, 1, 2].flatMap((el) =>
    [...sources.map((_, i) => i), -1, -2, -3].flatMap((source) =>
      targets.flatMap((_, target) =>
        [0, 1, 2, 3].flatMap((pages) => [0, 1].map((strict) => ({ el, source, target, pages, strict }))),
      ),
    ),
  );

  it(`agrees on ${cases.length} branches`, function () {
    requireTool(this, ...scriptTools);
    const spsr = [0x3c0n, 0x3c5n, 0x3c9n];
    const source = `${begin}
  ldr x0, =vectors
  msr vbar_el2, x0
  ldr x0, =vectors_el1
  msr vbar_el1, x0
  ldr x0, =tables
  msr ttbr0_el2, x0
  ldr x0, =tables_el1
  msr ttbr0_el1, x0
  mov x0, #0xff
  msr mair_el2, x0
  msr mair_el1, x0
  // 39 bits from level 1, 40 bits of output; write-back walks.
  ldr x0, =25 | 1 << 8 | 1 << 10 | 3 << 12 | 2 << 16 | 1 << 31 | 1 << 23
  msr tcr_el2, x0
  ldr x0, =25 | 1 << 8 | 1 << 10 | 3 << 12 | 1 << 23 | 2 << 32
  msr tcr_el1, x0
  ldr x0, =1 << 31 | 3 << 40
  msr hcr_el2, x0
  isb
  ldr x20, =cases
  ldr x21, =${cases.length}
next:
  ldp x0, x1, [x20], #16
  ldp x2, x3, [x20], #16
  ldr x4, =0x30c51835
  orr x4, x4, x3
  msr sctlr_el2, x4
  ldr x4, =0x30d51835
  orr x4, x4, x3
  msr sctlr_el1, x4
  mov x5, x1
  mov x16, x1
  mov x17, x1
  mov x30, x1
  msr elr_el2, x0
  msr spsr_el2, x2
  msr esr_el1, xzr
  msr spsr_el1, xzr
  msr elr_el1, xzr
  isb
  ldr x25, =back
  eret
back:
  mrs x13, spsr_el1
${put('x13')}
  mrs x13, elr_el1
${put('x13')}
  subs x21, x21, #1
  b.ne next
${end}
${sources.map((code, i) => `source${i}: ${code}\n  nop`).join('\n')}
${targets.map((code, i) => `target${i}: ${code}\n  hvc #2\n  nop`).join('\n')}
${vectors}
  .balign 4096
tables: .quad 0x401, 0x40000701, 0x4000040000701
  .space 4072
tables_el1: .quad 0, 0x400007c1, 0x40000400007c1
  .space 4072
cases:
${cases
  .map(({ el, source, target, pages, strict }) => {
    const [from, to] = [pages & 1, pages >> 1].map((guarded) => (guarded ? ALIAS : 0n));
    const start = source < 0 ? `target${target} + ${hex(to!)}` : `source${source} + ${hex(from!)}`;
    const state = spsr[el]! | (source < 0 ? BigInt(-source) << 10n : 0n);
    return `  .quad ${start}, target${target} + ${hex(to!)}, ${hex(state)}, ${hex(strict ? 3n << 35n : 0n)}`;
  })
  .join('\n')}
  .bss
  .balign 16
results: .space ${cases.length * 48}
`;
    compare(
      source,
      (i) => {
        const c = cases[Math.floor(i / 6)]!;
        const what = ['ESR_EL2', 'SPSR_EL2', 'ELR_EL2', 'ESR_EL1', 'SPSR_EL1', 'ELR_EL1'][i % 6];
        const how = c.source < 0 ? `ERET with BTYPE ${-c.source}` : sources[c.source];
        const where = `${c.pages & 1 ? 'guarded' : 'plain'} to ${c.pages & 2 ? 'guarded' : 'plain'}`;
        return `${what} after ${how} to ${targets[c.target]} at EL${c.el}, ${where}, BT ${c.strict}`;
      },
      (i) => {
        // What but BRK saves BTYPE may save 0 (J1.1.1, TakeException); BRK outside of guarded pages: see branch-target.ts.
        const c = cases[Math.floor(i / 6)]!;
        const spsr = i % 6 === 1 || i % 6 === 4;
        const exact = c.source < 0 && targets[c.target] === 'brk #1';
        return spsr && !exact && !(c.pages & 2) ? 3n << 10n : 0n;
      },
    );
  });
});
