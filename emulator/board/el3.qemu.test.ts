/** EL3 and Secure state beside QEMU: who takes what where, and what each level reads. */
import assert from 'node:assert/strict';
import {
  differences,
  el3OnQemu,
  el3Outcomes,
  el3Program,
  tables,
  type El3Case,
  type World,
} from '../../test/support/el3-cases';
import { requireTool } from '../../test/support/oracles';
import { Run } from '../../test/support/program';
import { scriptTools } from '../../test/support/qemu-script';

const SCR = {
  IRQ: 2n,
  FIQ: 4n,
  EA: 8n,
  SMD: 0x80n,
  HCE: 0x100n,
  RW: 0x400n,
  ST: 0x800n,
  TWI: 0x1000n,
  TWE: 0x2000n,
};
const below: readonly World[] = ['n2', 'n1', 'n0', 's1', 's0'];
const all: readonly World[] = ['el3', ...below];
const nonSecure: readonly World[] = ['n2', 'n1', 'n0'];
/** PAR_EL1 without SH, where QEMU has what the tables say. */
const par = ['mrs x1, par_el1', 'and x1, x1, #~0x180'];

const each = (
  name: string,
  at: readonly World[],
  code: readonly string[],
  more: Partial<El3Case> = {},
): El3Case[] => at.map((w) => ({ name: `${name} at ${w}`, at: w, code, ...more }));

const cases: readonly El3Case[] = [
  ...each('nothing', all, ['nop']),
  ...each('SVC', all, ['svc #3']),
  // QEMU takes HVC of EL3 and of Secure EL1 to EL2, against J1.1.3 "AArch64.CheckForHVC": see below.
  ...each('HVC', nonSecure, ['hvc #4']),
  ...each('HVC without HCE', all, ['hvc #4'], { clear: SCR.HCE }),
  ...each('HVC with HCD', nonSecure, ['hvc #4'], { set: { hcr_el2: (1n << 31n) | (1n << 29n) } }),
  ...each('SMC', all, ['smc #5']),
  ...each('SMC with SMD', all, ['smc #5'], { scr: SCR.SMD }),
  ...each('SMC with TSC', all, ['smc #5'], { set: { hcr_el2: (1n << 31n) | (1n << 19n) } }),
  ...each('an unknown instruction', all, ['.word 0']),
  ...each(
    'an unknown instruction with TGE',
    below.filter((w) => w !== 'n1'),
    ['.word 0'],
    {
      set: { hcr_el2: (1n << 31n) | (1n << 27n) },
    },
  ),
  ...each('BRK', all, ['brk #6']),
  ...each('BRK with MDCR_EL2.TDE', all, ['brk #6'], { set: { mdcr_el2: 0x106n } }),
  ...each('FP', all, ['fmov d0, x1']),
  ...each('FP with CPTR_EL3.TFP', all, ['fmov d0, x1'], { set: { cptr_el3: 0x400n } }),
  ...each('FP with CPTR_EL2.TFP', all, ['fmov d0, x1'], { set: { cptr_el2: 0x37ffn } }),
  ...each('FP with CPACR_EL1', all, ['fmov d0, x1'], { set: { cpacr_el1: 0n, cptr_el3: 0x400n } }),
  ...each('CPACR_EL1 with CPTR_EL3.TCPAC', all, ['mrs x1, cpacr_el1'], { set: { cptr_el3: 1n << 31n } }),
  ...each('CPTR_EL2 with CPTR_EL3.TCPAC', ['el3', 'n2'], ['mrs x1, cptr_el2'], {
    set: { cptr_el3: 1n << 31n },
  }),
  ...each('WFI with TWI', below, ['wfi'], { scr: SCR.TWI }),
  ...each('WFI with HCR_EL2.TWI', ['n1', 's1'], ['wfi'], {
    scr: SCR.TWI,
    set: { hcr_el2: (1n << 31n) | (1n << 13n) },
  }),
  ...each('a debug register with TDA', all, ['mrs x1, mdscr_el1'], { set: { mdcr_el3: 0x240n } }),
  ...each('a debug register with MDCR_EL2.TDA', all, ['mrs x1, mdscr_el1'], { set: { mdcr_el2: 0x206n } }),
  ...each('OSLAR_EL1 with TDOSA', all, ['msr oslar_el1, xzr'], { set: { mdcr_el3: 0x440n } }),
  ...each('TTBR0_EL1 with TVM', ['n1', 's1'], ['msr ttbr0_el1, xzr'], {
    set: { hcr_el2: (1n << 31n) | (1n << 26n) },
  }),
  ...each('SCR_EL3', all, ['mrs x1, scr_el3']),
  ...each('SCTLR_EL2', all, ['mrs x1, sctlr_el2']),
  ...each('VBAR_EL3 written', all, ['msr tpidr_el3, x1']),
  ...each('SP_EL2', all, ['mrs x1, sp_el2']),
  ...each('RVBAR_EL2', all, ['mrs x1, rvbar_el2']),
  ...each('MIDR_EL1', all, ['mrs x1, midr_el1'], { set: { vpidr_el2: 0x1234n } }),
  ...each('ID_AA64PFR0_EL1', all, ['mrs x1, id_aa64pfr0_el1']),
  ...each('CurrentEL', all, ['mrs x1, currentel']),
  ...each('CNTFRQ_EL0 written', all, ['msr cntfrq_el0, x1']),
  ...each('CNTPS_CTL_EL1', all, ['mrs x1, cntps_ctl_el1']),
  ...each('CNTPS_CTL_EL1 with ST', all, ['mrs x1, cntps_ctl_el1'], { scr: SCR.ST }),
  ...each('CNTP_CTL_EL0 under CNTHCTL_EL2', ['n1', 's1'], ['mrs x1, cntp_ctl_el0'], {
    set: { cnthctl_el2: 0n },
  }),
  // AArch32 below, which only EL3 may return to: illegal here.
  ...each(
    'ERET to EL2',
    ['el3'],
    ['mov x0, #9', 'msr spsr_el3, x0', 'adr x0, 1f', 'msr elr_el3, x0', 'eret', '1: nop'],
    {
      clear: 1n,
    },
  ),
  ...each(
    'ERET to EL1 with TGE',
    ['el3'],
    [...['mov x0, #5', 'msr spsr_el3, x0', 'adr x0, 1f', 'msr elr_el3, x0', 'eret', '1: nop']],
    { set: { hcr_el2: (1n << 31n) | (1n << 27n) } },
  ),
  ...each('ERET to EL1 from EL2 in Secure state', ['s1'], ['mov x0, #9', 'msr spsr_el1, x0', 'eret']),
  // Group 0 and group 1 of the CPU interface.
  ...each('ICC_IAR0_EL1 with FIQ', below, ['mrs x1, s3_0_c12_c8_0'], { scr: SCR.FIQ }),
  ...each('ICC_IAR1_EL1 with FIQ', below, ['mrs x1, s3_0_c12_c12_0'], { scr: SCR.FIQ }),
  ...each('ICC_IAR1_EL1 with IRQ', below, ['mrs x1, s3_0_c12_c12_0'], { scr: SCR.IRQ }),
  ...each('ICC_PMR_EL1 with FIQ', below, ['mrs x1, s3_0_c4_c6_0'], { scr: SCR.FIQ }),
  ...each('ICC_PMR_EL1 with both', below, ['mrs x1, s3_0_c4_c6_0'], { scr: SCR.FIQ | SCR.IRQ }),
  ...each('ICC_PMR_EL1 with both, virtual', ['n1', 's1'], ['mrs x1, s3_0_c4_c6_0'], {
    scr: SCR.FIQ | SCR.IRQ,
    set: { hcr_el2: (1n << 31n) | 0x18n },
  }),
  ...each('ICC_SGI1R_EL1 with both', ['n2', 'n1', 's1'], ['msr s3_0_c12_c11_5, xzr'], {
    scr: SCR.FIQ | SCR.IRQ,
  }),
  ...each('ICC_CTLR_EL3', all, ['mrs x1, s3_6_c12_c12_4']),
  ...each('ICC_CTLR_EL1', ['el3', 'n2', 's1'], ['mrs x1, s3_0_c12_c12_4']),
  ...each('ICC_BPR1_EL1', ['el3', 'n2', 's1'], ['mrs x1, s3_0_c12_c12_3']),
  // Translation on request: PAR_EL1 says whose memory it is.
  ...each('AT S1E1R', ['el3', 'n2', 'n1', 's1'], ['at s1e1r, x26', ...par]),
  ...each('AT S1E1R with NS = 0', ['el3'], ['at s1e1r, x26', ...par], { clear: 1n }),
  ...each('AT S1E2R', ['el3', 'n2', 's1'], ['at s1e2r, x26', ...par]),
  ...each('AT S1E3R', all, ['at s1e3r, x26', ...par]),
  ...each('AT S12E1R', ['el3', 'n2', 'n1', 's1'], ['at s12e1r, x26', ...par]),
  ...each('AT S12E1R with NS = 0 and VM', ['el3'], ['at s12e1r, x26', ...par], {
    clear: 1n,
    set: { hcr_el2: (1n << 31n) | 1n, vttbr_el2: 0n, vtcr_el2: 0x80000000n },
  }),
  ...each('AT S1E2R with NS = 0', ['el3'], ['at s1e2r, x26', ...par], { clear: 1n }),
  ...each('TLBI ALLE3', all, ['tlbi alle3']),
  ...each('TLBI VAE3IS', all, ['tlbi vae3is, x26']),
  ...each('TLBI ALLE1', all, ['tlbi alle1']),
  ...each('a misaligned PC', all, ['add x0, x26, #2', 'br x0']),
  ...each(
    'a load without alignment',
    all.filter((w) => w !== 'n2'),
    ['ldr x0, [x26, #1]'],
    {
      set: { sctlr_el1: 0x30d5083an, sctlr_el2: 0x30c50832n, sctlr_el3: 0x30c50832n },
    },
  ),
];

/** Blocks of 1 GiB from 2 GiB on, all of RAM: what a regime makes of AP, XN, NS, AF and an output beyond the CPU's. */
const RAM = 0x40000000n;
const blocks = [
  RAM | 0x701n,
  RAM | 0x741n,
  RAM | 0x781n,
  RAM | 0x7c1n,
  RAM | 0x701n | (1n << 54n),
  RAM | 0x701n | (1n << 53n),
  RAM | 0x721n,
  RAM | 0x301n,
  (1n << 46n) | 0x701n,
  0n,
  RAM | 0x705n,
];
/** Tables and attributes of both regimes; a case switches its MMU on. */
const regimes = [
  ...[1, 3].flatMap((n) => [
    `ldr x0, =TABLES`,
    `msr ttbr0_el${n}, x0`,
    'mov x0, #0x44ff',
    `msr mair_el${n}, x0`,
  ]),
  ...['ldr x0, =0x80803519', 'msr tcr_el3, x0', 'ldr x0, =0x200803519', 'msr tcr_el1, x0', 'isb'],
].join('\n ');
const address = (n: number): bigint => BigInt(n + 2) << 30n;
const ofEl3 = { sctlr_el3: 0x30c51835n };
const ofEl1 = { sctlr_el1: 0x30d51835n };
const at = (op: string, n: number): string[] => [`ldr x0, =${address(n) + 0x80000n}`, `at ${op}, x0`, ...par];
const go = (n: number, code: readonly string[]): string[] => [
  `ldr x2, =${address(n) - RAM}`,
  'add x2, x2, x26',
  ...code,
];
const indices = blocks.map((_, n) => n);

const translation: readonly El3Case[] = [
  ...['s1e3r', 's1e3w'].flatMap((op) =>
    indices.map((n) => ({ name: `AT ${op} of block ${n}`, at: 'el3' as const, set: ofEl3, code: at(op, n) })),
  ),
  ...(['n1', 's1'] as const).flatMap((w) =>
    ['s1e1r', 's1e1w', 's1e0r', 's1e0w'].flatMap((op) =>
      indices.map((n) => ({ name: `AT ${op} of block ${n} at ${w}`, at: w, set: ofEl1, code: at(op, n) })),
    ),
  ),
  // From EL3 into the regime of either security state.
  ...[0n, 1n].flatMap((clear) =>
    ['s1e1r', 's12e1w', 's12e0r'].flatMap((op) =>
      indices.map((n) => ({
        ...{ name: `AT ${op} of block ${n} at EL3, clearing ${clear}`, at: 'el3' as const, clear },
        ...{ set: ofEl1, code: at(op, n) },
      })),
    ),
  ),
  // Loads, stores and fetches; SIF forbids Secure state to execute from Non-secure memory.
  ...[0n, 0x200n].flatMap((scr) =>
    (['el3', 's1', 's0', 'n1'] as const).flatMap((w) =>
      indices.flatMap((n) =>
        [['ldr w1, [x2]'], ['ldr w0, [x2]', 'str w0, [x2]'], ['add x2, x2, #16', 'br x2', 'nop']].map(
          (code) => ({
            ...{ name: `${code.at(-2) ?? code[0]!} in block ${n} at ${w}, SCR_EL3 ${scr}`, at: w, scr },
            ...{ set: { ...ofEl1, ...ofEl3 }, code: go(n, code) },
          }),
        ),
      ),
    ),
  ),
];

/** Three spaces in which 4 GiB is another page of RAM each: that of EL3, and EL1's tables at TABLES + 0x1000 and + 0x2000. */
const spaces = [0, 1, 2]
  .flatMap((n) => [
    ...[`ldr x0, =TABLES + ${n * 0x1000}`, `ldr x1, =TABLES + ${0x3000 + n * 0x1000}`, 'orr x2, x1, #3'],
    ...['ldr x3, =0x0060000000000401', 'str x3, [x0]', 'ldr x3, =0x40000705', 'str x3, [x0, #8]'],
    ...['str x2, [x0, #32]', `ldr x3, =${0x40800741 + n * 0x200000}`, 'str x3, [x1]'],
    ...[`ldr x3, =${0x40800000 + n * 0x200000}`, `mov x2, #${0x51 + n}`, 'str x2, [x3]'],
  ])
  .join('\n ');
const look = ['ldr x2, =0x100000000', 'ldr x1, [x2]'];
const inSpace = (name: string, at: World, n: number, code: readonly string[] = look): El3Case => ({
  ...{ name, at, code },
  set: { ...ofEl1, ...ofEl3, ttbr0_el1: 0x40400000n + BigInt(n) * 0x1000n },
});
/** Moves the page of EL3's space, or of one of EL1's, to where another one's is, and drops the old translation. */
const move = (n: number, to: number, tlbi: string): El3Case =>
  inSpace(`${tlbi} of space ${n}`, 'el3', 1, [
    ...[`ldr x2, =${0x40403000 + n * 0x1000}`, `ldr x3, =${0x40800741 + to * 0x200000}`, 'str x3, [x2]'],
    ...['dsb sy', 'ldr x2, =0x100000', tlbi, 'dsb sy', 'isb', ...look],
  ]);

/** Secure and Non-secure EL1 have tables of their own under one ASID, and nobody invalidates between them. */
const apart: readonly El3Case[] = [
  inSpace('EL3', 'el3', 1),
  ...[1, 2, 3].flatMap(() => [
    inSpace('Non-secure', 'n1', 1),
    inSpace('Secure', 's1', 2),
    inSpace('EL3', 'el3', 2),
  ]),
  move(0, 1, 'tlbi alle3'),
  inSpace('Non-secure', 'n1', 1),
  move(0, 2, 'tlbi vae3, x2'),
  move(0, 0, 'tlbi vale3is, x2'),
  move(1, 2, 'tlbi alle1'),
  inSpace('Non-secure', 'n1', 1),
  inSpace('Secure', 's1', 2),
  move(1, 1, 'tlbi vmalls12e1'),
  inSpace('Non-secure', 'n1', 1),
  // SCR_EL3.NS = 0: the operations of EL1&0 mean Secure state.
  { ...move(2, 0, 'tlbi vmalle1'), clear: 1n },
  inSpace('Secure', 's1', 2),
  { ...move(2, 1, 'tlbi alle1is'), clear: 1n },
  inSpace('Secure', 's1', 2),
  inSpace('Non-secure', 'n1', 1),
];

/** Where QEMU does not do what the Arm ARM says. */
const byTheBook: readonly (El3Case & {
  readonly level: number;
  readonly ec: number;
  readonly elr: bigint;
})[] = [
  { name: 'HVC at EL3', at: 'el3', code: ['hvc #4'], level: 3, ec: 0x16, elr: 4n },
  { name: 'HVC at Secure EL1', at: 's1', code: ['hvc #4'], level: 1, ec: 0, elr: 0n },
  // J1.3 "AArch64.WFxTrap".
  { name: 'WFE', at: 'n2', code: ['sevl', 'wfe', 'wfe'], scr: SCR.TWE, level: 3, ec: 1, elr: 8n },
  { name: 'WFE at EL0', at: 's0', code: ['sevl', 'wfe', 'wfe'], scr: SCR.TWE, level: 3, ec: 1, elr: 8n },
  // Synchronous external aborts, at an address where nothing is.
  {
    name: 'an external abort',
    at: 'n1',
    code: ['mov x0, #0x20', 'ldr x0, [x0]'],
    level: 1,
    ec: 0x25,
    elr: 4n,
  },
  {
    name: 'with EA',
    at: 'n1',
    code: ['mov x0, #0x20', 'ldr x0, [x0]'],
    scr: SCR.EA,
    level: 3,
    ec: 0x24,
    elr: 4n,
  },
  {
    name: 'with EA at EL3',
    at: 'el3',
    code: ['mov x0, #0x20', 'ldr x0, [x0]'],
    scr: SCR.EA,
    level: 3,
    ec: 0x25,
    elr: 4n,
  },
];

describe('EL3 beside QEMU', function () {
  for (const cpu of ['cortex-a57', 'cortex-a76'])
    it(`takes exceptions and traps as QEMU's ${cpu} does`, function () {
      for (const tool of scriptTools) requireTool(this, tool);
      const image = el3Program(cases);
      const run = new Run(image, { cpu, secure: true }).toEnd(20_000_000);
      const here = el3Outcomes(run.output, cases);
      assert.deepEqual(differences(cases, here, el3OnQemu(image, cases, cpu)), []);
    });

  it('translates in EL3 and in both security states as QEMU does', function () {
    for (const tool of scriptTools) requireTool(this, tool);
    const image = el3Program(translation, tables(...blocks) + regimes);
    const here = el3Outcomes(new Run(image, { secure: true }).toEnd(20_000_000).output, translation);
    assert.deepEqual(differences(translation, here, el3OnQemu(image, translation, 'cortex-a57')), []);
  });

  it('keeps the translations of EL3 and of both security states apart, and drops those that TLBI names', function () {
    for (const tool of scriptTools) requireTool(this, tool);
    const image = el3Program(apart, tables() + regimes + '\n' + spaces + '\n b 5f\n .ltorg\n5:');
    const here = el3Outcomes(new Run(image, { secure: true }).toEnd(20_000_000).output, apart);
    assert.deepEqual(differences(apart, here, el3OnQemu(image, apart, 'cortex-a57')), []);
    assert.deepEqual(new Set(here.map((o) => o.x1)), new Set([0x51n, 0x52n, 0x53n]));
  });

  it('does what the Arm ARM says where QEMU does not', () => {
    const outcomes = el3Outcomes(new Run(el3Program(byTheBook), { secure: true }).toEnd().output, byTheBook);
    for (const [n, c] of byTheBook.entries()) {
      const o = outcomes[n]!;
      assert.deepEqual(
        { level: o.level, ec: Number(o.esr >> 26n), elr: o.elr },
        { level: c.level, ec: c.ec, elr: c.elr },
        c.name,
      );
    }
  });
});
