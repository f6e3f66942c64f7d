/** The GICv3 with two security states beside QEMU: who sees and changes what, and what is signalled as IRQ or FIQ where. */
import assert from 'node:assert/strict';
import {
  differences,
  el3OnQemu,
  el3Outcomes,
  el3Program,
  type El3Case,
  type World,
} from '../../../test/support/el3-cases';
import { requireTool } from '../../../test/support/oracles';
import { Run } from '../../../test/support/program';
import { scriptTools } from '../../../test/support/qemu-script';

const GICD = 0x0800_0000;
const GICR = 0x080a_0000;
const SGI = 0x080b_0000;
const FIQ = 4n;
const IRQ = 2n;

const worlds: readonly World[] = ['el3', 'n2', 'n1', 'n0', 's1', 's0'];
const kernels: readonly World[] = ['el3', 'n2', 'n1', 's1'];

const read = (at: number, ldr = 'ldr w1'): string[] => [`ldr x2, =${at}`, `${ldr}, [x2]`];
const write = (at: number, value: number, str = 'str w0'): string[] => [
  ...[`ldr x2, =${at}`, `ldr x0, =${value}`, `${str}, [x2]`, 'dsb sy'],
];
/** QEMU has LPIs. */
const LPIS = 'and x1, x1, #~0x20000';
const mrs = (name: string): string => `mrs x1, ${icc[name]!}`;
const msr = (name: string, value: number): string[] => [`ldr x0, =${value}`, `msr ${icc[name]!}, x0`, 'isb'];

/** Encodings: the assembler knows the names with an option of its own only. */
const icc: Readonly<Record<string, string>> = {
  PMR: 's3_0_c4_c6_0',
  IAR0: 's3_0_c12_c8_0',
  EOIR0: 's3_0_c12_c8_1',
  HPPIR0: 's3_0_c12_c8_2',
  BPR0: 's3_0_c12_c8_3',
  AP0R0: 's3_0_c12_c8_4',
  AP1R0: 's3_0_c12_c9_0',
  DIR: 's3_0_c12_c11_1',
  RPR: 's3_0_c12_c11_3',
  SGI1R: 's3_0_c12_c11_5',
  ASGI1R: 's3_0_c12_c11_6',
  SGI0R: 's3_0_c12_c11_7',
  IAR1: 's3_0_c12_c12_0',
  EOIR1: 's3_0_c12_c12_1',
  HPPIR1: 's3_0_c12_c12_2',
  BPR1: 's3_0_c12_c12_3',
  CTLR: 's3_0_c12_c12_4',
  IGRPEN0: 's3_0_c12_c12_6',
  IGRPEN1: 's3_0_c12_c12_7',
  CTLR3: 's3_6_c12_c12_4',
  IGRPEN3: 's3_6_c12_c12_7',
};

const step = (at: World, code: readonly string[], more: Partial<El3Case> = {}): El3Case => ({
  name: `${at}: ${code.join('; ')}`,
  ...{ at, code, ...more },
});

/** Written by one world, read by all. */
const window = (address: number, writes: readonly (readonly [World, number])[], ldr?: string): El3Case[] =>
  writes.flatMap(([at, value]) => [
    step(at, write(address, value)),
    ...kernels.map((w) => step(w, read(address, ldr))),
  ]);

/** SGI 0 belongs to group 0, SGI 1 to Secure group 1, SGI 2 and 3 to Non-secure group 1. */
const sgis = { groups: 0xc, modifier: 2 } as const;

const windows: readonly El3Case[] = [
  ...kernels.flatMap((w) => [step(w, read(GICD)), step(w, [...read(GICD + 4), LPIS])]),
  ...window(GICD, [
    ['el3', 0x37],
    ['n2', 0],
    ['s1', 0],
    ['n1', 2],
    ['el3', 7],
  ]),
  // QEMU lets Non-secure state see and change GICR_WAKER, see below.
  ...[0, 2, 0].flatMap((v) => [step('el3', write(GICR + 0x14, v)), step('s1', read(GICR + 0x14))]),
  ...window(SGI + 0x80, [
    ['n2', 0xffff],
    ['el3', sgis.groups],
    ['s1', 0xffff0000 | sgis.groups],
  ]),
  ...window(SGI + 0xd00, [
    ['n2', 0xffff],
    ['el3', sgis.modifier],
  ]),
  ...window(SGI + 0x100, [
    ['n2', 0xf],
    ['el3', 0xf],
  ]),
  ...window(SGI + 0x180, [
    ['n2', 0xf],
    ['el3', 1],
  ]),
  ...window(SGI + 0x400, [
    ['el3', 0xa0802010],
    ['n2', 0x40506070],
    ['s1', 0xc8908820],
  ]),
  step('n1', write(SGI + 0x403, 0x30, 'strb w0')),
  step('n1', write(SGI + 0x401, 0x30, 'strb w0')),
  step('el3', read(SGI + 0x400)),
  step('n1', read(SGI + 0x402, 'ldrb w1')),
  ...window(SGI + 0x200, [
    ['n2', 0xf],
    ['el3', 0xf],
  ]),
  ...window(SGI + 0x280, [
    ['n2', 0xf],
    ['el3', 0xf],
  ]),
  ...window(SGI + 0x300, [
    ['n2', 0xf],
    ['el3', 0xf],
  ]),
  ...window(SGI + 0x380, [
    ['n2', 0xf],
    ['el3', 0xf],
  ]),
  // The PPIs are Non-secure by now, SPIs 32 to 63 Secure until some are given away.
  ...window(SGI + 0xc04, [
    ['n2', 0xaaaa],
    ['el3', 0],
  ]),
  ...window(GICD + 0xc08, [
    ['n2', 0xaaaa],
    ['el3', 0xaa],
  ]),
  ...window(GICD + 0x84, [['el3', 0xf0]]),
  ...window(GICD + 0xd04, [['el3', 0xf]]),
  ...window(GICD + 0xc08, [
    ['n2', 0xaaaaaaaa],
    ['el3', 0],
  ]),
  ...window(GICD + 0x6100 + 8 * 1, [
    ['n2', 1],
    ['el3', 1],
  ]),
  ...window(GICD + 0x6100 + 8 * 4, [
    ['n2', 1],
    ['el3', 0],
  ]),
  ...window(GICD + 0x104, [
    ['n2', 0xff],
    ['el3', 0],
  ]),
  ...window(GICD + 0x184, [['el3', 0xff]]),
];

/** Banked by security state; `ns0`: at EL3 with SCR_EL3.NS = 0. */
const ns0 = { clear: 1n } as const;
const banked = (name: string, value: number): El3Case[] => [
  ...kernels.map((w) => step(w, [mrs(name)])),
  step('el3', [mrs(name)], ns0),
  step('el3', msr(name, value), ns0),
  ...kernels.map((w) => step(w, [mrs(name)])),
  step('n1', msr(name, value >> 1)),
  step('el3', [mrs(name)], ns0),
  ...kernels.map((w) => step(w, [mrs(name)])),
  step('s1', msr(name, 0)),
  step('n2', msr(name, 0)),
  ...kernels.map((w) => step(w, [mrs(name)])),
  step('el3', [mrs(name)], ns0),
];

const registers: readonly El3Case[] = [
  ...['BPR0', 'BPR1', 'CTLR', 'IGRPEN0', 'IGRPEN1', 'AP1R0', 'AP0R0', 'PMR'].flatMap((r) => banked(r, 7)),
  ...[1, 2, 3, 0].flatMap((v) => [
    step('el3', msr('IGRPEN3', v)),
    ...kernels.map((w) => step(w, [mrs('IGRPEN1')])),
  ]),
  ...[0x1f, 1, 2, 0].flatMap((v) => [
    step('el3', msr('CTLR3', v)),
    // QEMU shows CBPR_EL1NS as CBPR_EL1S too.
    step('el3', [mrs('CTLR3'), 'and x1, x1, #~1']),
    ...kernels.flatMap((w) => [
      step(w, [mrs('CTLR')]),
      step(w, msr('BPR1', 5)),
      step(w, [mrs('BPR1')]),
      step(w, [mrs('BPR0')]),
    ]),
    step('el3', [mrs('BPR1')], ns0),
    step('el3', msr('BPR0', 0)),
  ]),
  // The mask as Non-secure state sees it while FIQ belongs to EL3.
  ...[0xff, 0xf0, 0x80, 0x70, 0].flatMap((v) => [
    step('el3', msr('PMR', v)),
    step('n1', [mrs('PMR')], { scr: FIQ }),
    step('n2', msr('PMR', 0x48), { scr: FIQ }),
    step('s1', [mrs('PMR')]),
    step('el3', [mrs('PMR')], { scr: FIQ }),
  ]),
  step('el3', [...msr('PMR', 0xf8), ...msr('BPR0', 0), ...msr('BPR1', 0), ...msr('IGRPEN0', 1)]),
  step('el3', [...msr('IGRPEN3', 3), ...msr('CTLR3', 0)]),
  step('el3', msr('BPR1', 0), ns0),
];

/** At EL3: nothing is pending or active but these. */
const only = (pending: number): string[] => [
  ...['mrs x9, scr_el3', 'mov x0, #0'],
  ...[`msr ${icc['AP0R0']!}, x0`, `msr ${icc['AP1R0']!}, x0`],
  ...['eor x9, x9, #1', 'msr scr_el3, x9', 'isb', `msr ${icc['AP1R0']!}, x0`],
  ...['eor x9, x9, #1', 'msr scr_el3, x9', 'isb'],
  ...write(SGI + 0x380, 0xffff),
  ...write(SGI + 0x280, 0xffff),
  ...write(SGI + 0x200, pending),
  'isb',
];

/** What becomes of a pending SGI of each group in each world and with each routing. */
const signalling: readonly El3Case[] = [
  ...[1, 2, 4].flatMap((pending) =>
    worlds.flatMap((at) =>
      [0n, FIQ, IRQ, FIQ | IRQ].map((scr) => ({
        name: `SGI bit ${pending} pending at ${at}, SCR_EL3 ${scr}`,
        ...{ at, scr, daif: 0n, before: only(pending), code: ['nop'] },
      })),
    ),
  ),
  // To EL2, masked or not; and masked at EL3.
  ...[1, 2, 4].flatMap((pending) =>
    (['n2', 'n1', 's1'] as const).flatMap((at) =>
      [0n, 0xfn].map((daif) => ({
        name: `SGI bit ${pending} pending at ${at}, HCR_EL2.IMO and FMO, DAIF ${daif}`,
        ...{ at, daif, before: only(pending), code: ['nop'], set: { hcr_el2: (1n << 31n) | 0x18n } },
      })),
    ),
  ),
  ...[1, 2, 4].flatMap((pending) =>
    worlds.map((at) => ({
      name: `SGI bit ${pending} pending at ${at}, routed to EL3, masked`,
      ...{ at, scr: FIQ | IRQ, before: only(pending), code: ['nop'] },
    })),
  ),
];

const handling: readonly El3Case[] = [
  ...[1, 2, 4, 8, 7, 6].flatMap((pending) =>
    kernels.flatMap((at) =>
      ['HPPIR0', 'HPPIR1', 'IAR0', 'IAR1'].map((r) => ({
        name: `${r} at ${at} with SGI bits ${pending}`,
        ...{ at, before: only(pending), code: [mrs(r)] },
      })),
    ),
  ),
  // Acknowledged here, ended there.
  ...[1, 2, 4].flatMap((pending) =>
    kernels.flatMap((at) =>
      ['EOIR0', 'EOIR1'].flatMap((r) => [
        {
          name: `SGI bit ${pending} acknowledged at EL3, ${r} at ${at}`,
          at,
          before: [...only(pending), `mrs x0, ${icc[pending === 1 ? 'IAR0' : 'IAR1']!}`],
          code: [...msr(r, Math.log2(pending)), mrs('RPR')],
        },
        step('el3', read(SGI + 0x300)),
      ]),
    ),
  ),
  // Priority drop without deactivation, in each bank's own way.
  ...[0, 4, 8, 0x10].flatMap((control) =>
    [1, 2, 4].flatMap((pending) =>
      kernels.flatMap((at) => [
        {
          name: `ICC_CTLR_EL3 ${control}: SGI bit ${pending} dropped at EL3 and deactivated at ${at}`,
          at,
          before: [
            ...only(pending),
            ...msr('CTLR3', control | 4),
            `mrs x0, ${icc[pending === 1 ? 'IAR0' : 'IAR1']!}`,
            `msr ${icc[pending === 1 ? 'EOIR0' : 'EOIR1']!}, x0`,
            ...msr('CTLR3', control),
          ],
          code: msr('DIR', Math.log2(pending)),
        },
        step('el3', read(SGI + 0x300)),
      ]),
    ),
  ),
  step('el3', msr('CTLR3', 0)),
  // The running priority as each sees it.
  ...[1, 2, 4].flatMap((pending) =>
    kernels.flatMap((at) =>
      [0n, FIQ].map((scr) => ({
        name: `ICC_RPR_EL1 at ${at} with SGI bit ${pending} active, SCR_EL3 ${scr}`,
        ...{ at, scr, code: [mrs('RPR')] },
        before: [...only(pending), `mrs x0, ${icc[pending === 1 ? 'IAR0' : 'IAR1']!}`],
      })),
    ),
  ),
  // Software interrupts: which register reaches which group from where.
  ...['SGI0R', 'SGI1R', 'ASGI1R'].flatMap((r) =>
    kernels.flatMap((at) =>
      [0, 1, 2].flatMap((intid) => [
        { name: `${r} for SGI ${intid} at ${at}`, at, before: only(0), code: msr(r, intid * 0x1000000 + 1) },
        step('el3', read(SGI + 0x200)),
      ]),
    ),
  ),
];

describe('GICv3 with two security states', function () {
  it('is what QEMU has: windows, banked registers, signals and their handling', function () {
    for (const tool of scriptTools) requireTool(this, tool);
    const cases = [...windows, ...registers, ...signalling, ...handling];
    const image = el3Program(cases);
    const here = el3Outcomes(new Run(image, { secure: true }).toEnd(50_000_000).output, cases);
    assert.deepEqual(differences(cases, here, el3OnQemu(image, cases, 'cortex-a57')), []);
  });
});
