/** Registers of EL0 and EL1: control, translation, exceptions, thread IDs, PSTATE views (Arm ARM DDI 0487 D17.2). */
import { common } from '../../../ir/state';
import { sysreg, type Bits, type SysregRow, type TrapRule } from '../../dsl/sysreg';
import { bitsWith } from '../features';
import { physicalLines } from '../interrupt-lines';
import { state } from '../state';

/** Registers of the EL1 translation regime: HCR_EL2.TVM traps writes, TRVM reads. */
export const vmControls: readonly TrapRule[] = [
  { when: 'HCR_EL2.TVM', dir: 'w', from: [1], to: 2 },
  { when: 'HCR_EL2.TRVM', dir: 'r', from: [1], to: 2 },
];

export const sctlrFields: Readonly<Record<string, Bits>> = {
  M: 0,
  A: 1,
  C: 2,
  SA: 3,
  I: 12,
  EnDB: 13,
  WXN: 19,
  EE: 25,
  EnDA: 27,
  EnIB: 30,
  EnIA: 31,
};

/** SCTLR of a regime that has EL0: EL1&0, EL2&0. */
export const sctlrUserFields: Readonly<Record<string, Bits>> = {
  ...sctlrFields,
  SA0: 4,
  CP15BEN: 5,
  ITD: 7,
  SED: 8,
  DZE: 14,
  UCT: 15,
  nTWI: 16,
  nTWE: 18,
  IESB: 21,
  SPAN: 23,
  E0E: 24,
  UCI: 26,
  BT0: 35,
  BT: 36,
  DSSBS: 44,
};

/** TCR_EL2 without HCR_EL2.E2H and TCR_EL3, whose regimes have one range of addresses. */
export const tcrOneRangeFields: Readonly<Record<string, Bits>> = {
  T0SZ: [5, 0],
  IRGN0: [9, 8],
  ORGN0: [11, 10],
  SH0: [13, 12],
  TG0: [15, 14],
  PS: [18, 16],
  TBI: 20,
  HA: 21,
  HD: 22,
  HPD: 24,
  TBID: 29,
};

/** MAIR_EL1, MAIR_EL2 and MAIR_EL3. */
export const mairFields: Readonly<Record<string, Bits>> = Object.fromEntries(
  [0, 1, 2, 3, 4, 5, 6, 7].map((n) => [`Attr${n}`, [8 * n + 7, 8 * n] as const]),
);

/** TCR of a regime with two ranges: EL1&0, EL2&0. */
export const tcrFields: Readonly<Record<string, Bits>> = {
  T0SZ: [5, 0],
  EPD0: 7,
  IRGN0: [9, 8],
  ORGN0: [11, 10],
  SH0: [13, 12],
  TG0: [15, 14],
  T1SZ: [21, 16],
  A1: 22,
  EPD1: 23,
  IRGN1: [25, 24],
  ORGN1: [27, 26],
  SH1: [29, 28],
  TG1: [31, 30],
  IPS: [34, 32],
  AS: 36,
  TBI0: 37,
  TBI1: 38,
  HA: 39,
  HD: 40,
  HPD0: 41,
  HPD1: 42,
  TBID0: 51,
  TBID1: 52,
  E0PD0: 55,
  E0PD1: 56,
};

export const ttbrFields: Readonly<Record<string, Bits>> = { ASID: [63, 48], BADDR: [47, 1], CnP: 0 };

/** SPSR_ELx for an exception from AArch64. */
export const spsrFields: Readonly<Record<string, Bits>> = {
  N: 31,
  Z: 30,
  C: 29,
  V: 28,
  DIT: 24,
  UAO: 23,
  PAN: 22,
  SS: 21,
  IL: 20,
  SSBS: 12,
  BTYPE: [11, 10],
  D: 9,
  A: 8,
  I: 7,
  F: 6,
  nRW: 4,
  EL: [3, 2],
  SP: 0,
};

export const esrFields: Readonly<Record<string, Bits>> = { EC: [31, 26], IL: 25, ISS: [24, 0] };

/** Registers of Cortex-A53, A57 and A72 that the architecture leaves to the implementation; software sets them up early. */
const implementation: readonly SysregRow[] = (
  [
    ['L2CTLR_EL1', [3, 1, 11, 0, 2], 'L2 control'],
    ['L2ECTLR_EL1', [3, 1, 11, 0, 3], 'L2 extended control'],
    ['L2ACTLR_EL1', [3, 1, 15, 0, 0], 'L2 auxiliary control'],
    ['CPUACTLR_EL1', [3, 1, 15, 2, 0], 'CPU auxiliary control'],
    ['CPUECTLR_EL1', [3, 1, 15, 2, 1], 'CPU extended control'],
    ['CPUMERRSR_EL1', [3, 1, 15, 2, 2], 'CPU memory error syndrome'],
    ['L2MERRSR_EL1', [3, 1, 15, 2, 3], 'L2 memory error syndrome'],
  ] as const
).map(([name, enc, doc]) =>
  sysreg(name, enc, {
    min: 1,
    doc,
    feature: 'CortexV8',
    trap: [{ when: 'HCR_EL2.TIDCP', from: [1], to: 2 }],
  }),
);

export const el1Registers: readonly SysregRow[] = [
  sysreg('SCTLR_EL1', [3, 0, 1, 0, 0], {
    min: 1,
    e2h: 'SCTLR_EL2',
    doc: 'System control of EL1 and EL0: MMU, caches, alignment, traps from EL0',
    // Reset value of Cortex-A57 (TRM 4.3.30): little-endian, MMU and caches off.
    reset: 0x00c50838n,
    fields: { ...sctlrUserFields, UMA: 9 },
    trap: vmControls,
    context: 'below2',
  }),
  sysreg('ACTLR_EL1', [3, 0, 1, 0, 1], {
    min: 1,
    doc: 'Auxiliary control of EL1',
    trap: [{ when: 'HCR_EL2.TACR', from: [1], to: 2 }],
    mask: 0n,
  }),
  sysreg('CPACR_EL1', [3, 0, 1, 0, 2], {
    min: 1,
    e2h: 'CPTR_EL2',
    doc: 'Architectural feature access: FP and SIMD at EL0 and EL1',
    fields: { FPEN: [21, 20], TTA: 28 },
    mask: 0x10300000n,
    trap: [{ when: 'CPTR_EL2.TCPAC', from: [1], to: 2 }],
    context: 'below2',
  }),
  sysreg('TTBR0_EL1', [3, 0, 2, 0, 0], {
    min: 1,
    e2h: 'TTBR0_EL2',
    doc: 'Translation table of the lower half of the EL1 and EL0 address space',
    fields: ttbrFields,
    trap: vmControls,
    context: 'below2',
  }),
  sysreg('TTBR1_EL1', [3, 0, 2, 0, 1], {
    min: 1,
    e2h: 'TTBR1_EL2',
    doc: 'Translation table of the upper half of the EL1 and EL0 address space',
    fields: ttbrFields,
    trap: vmControls,
    context: 'below2',
  }),
  sysreg('TCR_EL1', [3, 0, 2, 0, 2], {
    min: 1,
    e2h: 'TCR_EL2',
    doc: 'Translation control of EL1 and EL0: sizes, granules, attributes of walks',
    fields: tcrFields,
    trap: vmControls,
    context: 'below2',
  }),
  sysreg('SPSR_EL1', [3, 0, 4, 0, 0], {
    min: 1,
    e2h: 'SPSR_EL2',
    doc: 'PSTATE saved by an exception to EL1',
    fields: spsrFields,
    mask: 0xffffffffn,
  }),
  sysreg('ELR_EL1', [3, 0, 4, 0, 1], {
    min: 1,
    e2h: 'ELR_EL2',
    doc: 'Return address of an exception to EL1',
  }),
  sysreg('SP_EL0', [3, 0, 4, 1, 0], {
    min: 1,
    doc: 'Stack pointer of EL0',
    view: { field: state.spEl, index: 0 },
    // While it is the current stack pointer it has no name of its own (Arm ARM DDI 0487 C5.2.19).
    undefinedWhen: (s) => s.eqz(s.get(state.spsel)),
  }),
  sysreg('SPSel', [3, 0, 4, 2, 0], {
    min: 1,
    doc: 'Which stack pointer is in use: SP_EL0 (0) or that of the exception level (1)',
    fields: { SP: 0 },
    view: { field: state.spsel },
    write: (s, v) => {
      // The current stack pointer lives in x[31]: put it away and fetch the other.
      const to = s.bit(v, 0);
      const el = s.get(state.el);
      const from = s.select(s.get(state.spsel), el, s.i32(0));
      const next = s.select(to, el, s.i32(0));
      const slot = (n: typeof el) => s.addi(s.shli(n, 3), state.spEl.offset);
      s.setSlot(state.spEl, slot(from), s.get(state.x, 31));
      s.set(state.x, s.getSlot(state.spEl, slot(next)), 31);
      s.set(state.spsel, to);
    },
  }),
  sysreg('CurrentEL', [3, 0, 4, 2, 2], {
    min: 1,
    access: 'ro',
    doc: 'The current exception level',
    fields: { EL: [3, 2] },
    computed: true,
    read: (s) => s.zext(s.shli(s.get(state.el), 2)),
  }),
  sysreg('PAN', [3, 0, 4, 2, 3], {
    min: 1,
    doc: 'Privileged access never',
    fields: { PAN: 22 },
    view: { field: state.pan },
    feature: 'PAN',
    context: true,
    read: (s) => s.zext(s.shli(s.get(state.pan), 22)),
    write: (s, v) => s.set(state.pan, s.bit(v, 22)),
  }),
  sysreg('UAO', [3, 0, 4, 2, 4], {
    min: 1,
    doc: 'User access override: LDTR and STTR act as at the current exception level',
    fields: { UAO: 23 },
    view: { field: state.uao },
    feature: 'UAO',
    read: (s) => s.zext(s.shli(s.get(state.uao), 23)),
    write: (s, v) => s.set(state.uao, s.bit(v, 23)),
  }),
  sysreg('DIT', [3, 3, 4, 2, 5], {
    min: 0,
    doc: 'Data-independent timing',
    fields: { DIT: 24 },
    view: { field: state.dit },
    feature: 'DIT',
    read: (s) => s.zext(s.shli(s.get(state.dit), 24)),
    write: (s, v) => s.set(state.dit, s.bit(v, 24)),
  }),
  sysreg('SSBS', [3, 3, 4, 2, 6], {
    min: 0,
    doc: 'Speculative store bypassing is safe',
    fields: { SSBS: 12 },
    view: { field: state.ssbs },
    feature: 'SSBS2',
    read: (s) => s.zext(s.shli(s.get(state.ssbs), 12)),
    write: (s, v) => s.set(state.ssbs, s.bit(v, 12)),
  }),
  sysreg('NZCV', [3, 3, 4, 2, 0], {
    min: 0,
    doc: 'Condition flags',
    fields: { N: 31, Z: 30, C: 29, V: 28 },
    view: { field: state.nzcv },
    write: (s, v) => s.set(state.nzcv, s.andi(s.wrap(v), 0xf0000000n)),
  }),
  sysreg('DAIF', [3, 3, 4, 2, 1], {
    min: 0,
    doc: 'Interrupt masks: debug, SError, IRQ, FIQ',
    fields: { D: 9, A: 8, I: 7, F: 6 },
    view: { field: state.daif },
    trap: [{ when: '!SCTLR_EL1.UMA', to: 1 }],
    irq: true,
    write: (s, v) => s.set(state.daif, s.andi(s.wrap(v), 0x3c0)),
  }),
  sysreg('FPCR', [3, 3, 4, 4, 0], {
    min: 0,
    doc: 'FP control: rounding, flush to zero, default NaN',
    // Stride and Len mean nothing to AArch64, which keeps them for AArch32.
    fields: { AHP: 26, DN: 25, FZ: 24, RMode: [23, 22], Stride: [21, 20], FZ16: 19, Len: [18, 16] },
    // The enable bits of trapped exceptions are RES0: no CPU model traps them.
    write: (s, v, r) => r.set('FPCR', s.and(v, s.or(s.i64(0x07f70000), bitsWith(s, 'FP16', 1n << 19n)))),
    mask: 0x07f70000n,
    fp: true,
  }),
  sysreg('FPSR', [3, 3, 4, 4, 1], {
    min: 0,
    doc: 'FP status: cumulative exception flags and saturation',
    fields: { QC: 27, IDC: 7, IXC: 4, UFC: 3, OFC: 2, DZC: 1, IOC: 0 },
    mask: 0xf800009fn,
    fp: true,
  }),
  sysreg('AFSR0_EL1', [3, 0, 5, 1, 0], {
    min: 1,
    e2h: 'AFSR0_EL2',
    doc: 'Auxiliary fault status of EL1',
    trap: vmControls,
    mask: 0n,
  }),
  sysreg('AFSR1_EL1', [3, 0, 5, 1, 1], {
    min: 1,
    e2h: 'AFSR1_EL2',
    doc: 'Auxiliary fault status of EL1',
    trap: vmControls,
    mask: 0n,
  }),
  sysreg('ESR_EL1', [3, 0, 5, 2, 0], {
    min: 1,
    e2h: 'ESR_EL2',
    doc: 'Exception syndrome of EL1',
    fields: esrFields,
    mask: 0xffffffffn,
    trap: vmControls,
  }),
  sysreg('FAR_EL1', [3, 0, 6, 0, 0], {
    min: 1,
    e2h: 'FAR_EL2',
    doc: 'Fault address of EL1',
    trap: vmControls,
  }),
  sysreg('PAR_EL1', [3, 0, 7, 4, 0], {
    min: 1,
    doc: 'Result of the last AT instruction',
    fields: { ATTR: [63, 56], PA: [47, 12], NS: 9, S: 9, SH: [8, 7], PTW: 8, FST: [6, 1], F: 0 },
  }),
  sysreg('MAIR_EL1', [3, 0, 10, 2, 0], {
    min: 1,
    e2h: 'MAIR_EL2',
    doc: 'Memory attributes that descriptors of EL1 tables index',
    fields: mairFields,
    trap: vmControls,
    context: 'below2',
  }),
  sysreg('AMAIR_EL1', [3, 0, 10, 3, 0], {
    min: 1,
    e2h: 'AMAIR_EL2',
    doc: 'Auxiliary memory attributes of EL1',
    trap: vmControls,
    mask: 0n,
  }),
  sysreg('VBAR_EL1', [3, 0, 12, 0, 0], {
    min: 1,
    e2h: 'VBAR_EL2',
    doc: 'Vector base of EL1',
    fields: { BASE: [63, 11] },
    mask: 0xfffffffffffff800n,
  }),
  sysreg('RVBAR_EL1', [3, 0, 12, 0, 1], {
    min: 1,
    access: 'ro',
    doc: 'Reset address, when EL1 is the highest level',
    id: true,
    undefinedWhen: (s) => s.get(state.hasEL2),
  }),
  sysreg('RMR_EL1', [3, 0, 12, 0, 2], {
    min: 1,
    doc: 'Reset management, when EL1 is the highest level',
    fields: { RR: 1, AA64: 0 },
    reset: 1n,
    mask: 0n,
    undefinedWhen: (s) => s.get(state.hasEL2),
  }),
  sysreg('ISR_EL1', [3, 0, 12, 1, 0], {
    min: 1,
    access: 'ro',
    doc: 'Interrupts that are pending, whatever the masks',
    fields: { A: 8, I: 7, F: 6 },
    computed: true,
    read: (s, r) => {
      // At EL1 the virtual interrupts stand here when HCR_EL2 routes the physical ones to EL2: Arm ARM D17.2.64.
      const lines = s.get(common.irqLines);
      const hcr = r.get('HCR_EL2');
      const el1 = s.and(s.eqi(s.get(state.el), 1), s.eqz(s.get(state.el2Off)));
      const imo = s.and(el1, s.bit(hcr, 4));
      const fmo = s.and(el1, s.bit(hcr, 3));
      const amo = s.and(el1, s.bit(hcr, 5));
      const virq = s.or(s.bit(lines, 2), s.bit(hcr, 7));
      const vfiq = s.or(s.bit(lines, 3), s.bit(hcr, 6));
      const { irq, fiq } = physicalLines(s);
      const i = s.select(imo, virq, irq);
      const f = s.select(fmo, vfiq, fiq);
      const a = s.and(amo, s.bit(hcr, 8));
      return s.zext(s.or(s.shli(a, 8), s.or(s.shli(i, 7), s.shli(f, 6))));
    },
  }),
  sysreg('CONTEXTIDR_EL1', [3, 0, 13, 0, 1], {
    min: 1,
    e2h: 'CONTEXTIDR_EL2',
    doc: 'Context ID, for debug and trace',
    fields: { PROCID: [31, 0] },
    mask: 0xffffffffn,
    trap: vmControls,
  }),
  sysreg('TPIDR_EL1', [3, 0, 13, 0, 4], {
    min: 1,
    doc: 'Thread ID of EL1: the kernel keeps its per-CPU base here',
  }),
  sysreg('TPIDR_EL0', [3, 3, 13, 0, 2], { min: 0, doc: 'Thread ID of EL0' }),
  sysreg('TPIDRRO_EL0', [3, 3, 13, 0, 3], { min: 0, minWrite: 1, doc: 'Thread ID that EL0 can only read' }),
  ...implementation,
  sysreg('CBAR_EL1', [3, 1, 15, 3, 0], {
    min: 1,
    access: 'ro',
    doc: 'Base of the CPU peripherals: the GIC',
    reset: 0x08000000n,
    trap: [{ when: 'HCR_EL2.TIDCP', from: [1], to: 2 }],
  }),
];
