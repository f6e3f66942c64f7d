/**
 * The GICv3 CPU interface (Arm IHI 0069, chapter 12.2). ICC_* belong to the interrupt controller of the board; under
 * HCR_EL2.IMO or FMO the guest sees the virtual interface ICV_* at the same encodings. ICH_* are stored state.
 */
import type { Val } from '../../../ir/nodes';
import { settleVirtual } from '../wires/virtual-interface';
import { sysreg, type Encoding, type SysregRow, type SysregSpec, type TrapRule } from '../../dsl/sysreg';

type Group = 0 | 1 | 'common';

/** SCR_EL3 takes the physical interface away from EL1 and EL2 with the interrupts themselves (IHI 0069 12.2). */
const toEl3 = (...fields: readonly ('FIQ' | 'IRQ')[]): readonly TrapRule[] => {
  const routed = fields.map((f) => `SCR_EL3.${f}`);
  const notVirtual = fields.map((f) => `!HCR_EL2.${f === 'FIQ' ? 'FMO' : 'IMO'}`);
  return [
    { when: routed, from: [2], to: 3 },
    { when: [...routed, ...notVirtual], from: [1], to: 3 },
  ];
};

/** Registers of the interface as a guest sees them are trapped by ICH_HCR_EL2, by group. */
const traps: Readonly<Record<string, readonly TrapRule[]>> = {
  '0': [{ when: 'ICH_HCR_EL2.TALL0', from: [1], to: 2 }, ...toEl3('FIQ')],
  '1': [{ when: 'ICH_HCR_EL2.TALL1', from: [1], to: 2 }, ...toEl3('IRQ')],
  common: [{ when: 'ICH_HCR_EL2.TC', from: [1], to: 2 }, ...toEl3('FIQ', 'IRQ')],
};

/** What makes a guest see the virtual interface: registers of both groups follow as soon as one group does. */
const redirect: Readonly<Record<string, readonly string[]>> = {
  '0': ['HCR_EL2.FMO'],
  '1': ['HCR_EL2.IMO'],
  common: ['HCR_EL2.IMO', 'HCR_EL2.FMO'],
};

const icc = (
  rest: string,
  enc: Encoding,
  group: Group,
  doc: string,
  more: Partial<SysregSpec> = {},
): SysregRow =>
  sysreg(`ICC_${rest}`, enc, {
    min: 1,
    doc,
    trap: traps[String(group)] ?? [],
    irq: true,
    device: true,
    virtual: { name: `ICV_${rest}`, by: redirect[String(group)] ?? [] },
    ...more,
  });

/** SGI registers exist only in the physical interface: with IMO or FMO they trap (IHI 0069 12.2.18). */
const sgi: readonly TrapRule[] = [
  { when: 'ICH_HCR_EL2.TC', from: [1], to: 2 },
  { when: 'HCR_EL2.IMO', from: [1], to: 2 },
  { when: 'HCR_EL2.FMO', from: [1], to: 2 },
  ...toEl3('FIQ', 'IRQ'),
];

const ich = (
  name: string,
  crm: number,
  op2: number,
  doc: string,
  more: Partial<SysregSpec> = {},
): SysregRow =>
  sysreg(name, [3, 4, 12, crm, op2], {
    min: 2,
    doc,
    irq: true,
    after: (s) => s.call(settleVirtual),
    ...more,
  });

/** The smallest binary point of group 0: 5 bits of priority can preempt; that of group 1 is one more. */
const MIN_BPR = 2;

const intid = { INTID: [23, 0] } as const;

const rows: readonly SysregRow[] = [
  icc('PMR_EL1', [3, 0, 4, 6, 0], 'common', 'Priority mask', { fields: { Priority: [7, 0] } }),
  icc('IAR0_EL1', [3, 0, 12, 8, 0], 0, 'Acknowledges an interrupt of group 0', {
    access: 'ro',
    fields: intid,
  }),
  icc('EOIR0_EL1', [3, 0, 12, 8, 1], 0, 'Ends an interrupt of group 0', { access: 'wo', fields: intid }),
  icc('HPPIR0_EL1', [3, 0, 12, 8, 2], 0, 'Highest priority pending interrupt of group 0', {
    access: 'ro',
    fields: intid,
  }),
  icc('BPR0_EL1', [3, 0, 12, 8, 3], 0, 'Binary point of group 0', { fields: { BinaryPoint: [2, 0] } }),
  icc('AP0R0_EL1', [3, 0, 12, 8, 4], 0, 'Active priorities of group 0'),
  icc('AP1R0_EL1', [3, 0, 12, 9, 0], 1, 'Active priorities of group 1'),
  icc('DIR_EL1', [3, 0, 12, 11, 1], 'common', 'Deactivates an interrupt', {
    access: 'wo',
    fields: intid,
    trap: [
      { when: 'ICH_HCR_EL2.TC', from: [1], to: 2 },
      { when: 'ICH_HCR_EL2.TDIR', from: [1], to: 2 },
      ...toEl3('FIQ', 'IRQ'),
    ],
  }),
  icc('RPR_EL1', [3, 0, 12, 11, 3], 'common', 'Running priority', {
    access: 'ro',
    fields: { Priority: [7, 0] },
  }),
  icc('SGI1R_EL1', [3, 0, 12, 11, 5], 1, 'Sends a software interrupt of group 1', {
    access: 'wo',
    device: true,
    trap: sgi,
    fields: {
      Aff3: [55, 48],
      RS: [47, 44],
      IRM: 40,
      Aff2: [39, 32],
      INTID: [27, 24],
      Aff1: [23, 16],
      TargetList: [15, 0],
    },
  }),
  icc('ASGI1R_EL1', [3, 0, 12, 11, 6], 1, 'Sends a software interrupt to the other security state', {
    access: 'wo',
    device: true,
    trap: sgi,
  }),
  icc('SGI0R_EL1', [3, 0, 12, 11, 7], 0, 'Sends a software interrupt of group 0', {
    access: 'wo',
    device: true,
    trap: sgi,
  }),
  icc('IAR1_EL1', [3, 0, 12, 12, 0], 1, 'Acknowledges an interrupt of group 1', {
    access: 'ro',
    fields: intid,
  }),
  icc('EOIR1_EL1', [3, 0, 12, 12, 1], 1, 'Ends an interrupt of group 1', { access: 'wo', fields: intid }),
  icc('HPPIR1_EL1', [3, 0, 12, 12, 2], 1, 'Highest priority pending interrupt of group 1', {
    access: 'ro',
    fields: intid,
  }),
  icc('BPR1_EL1', [3, 0, 12, 12, 3], 1, 'Binary point of group 1', { fields: { BinaryPoint: [2, 0] } }),
  icc('CTLR_EL1', [3, 0, 12, 12, 4], 'common', 'Control of the CPU interface', {
    fields: {
      CBPR: 0,
      EOImode: 1,
      PMHE: 6,
      PRIbits: [10, 8],
      IDbits: [13, 11],
      SEIS: 14,
      A3V: 15,
      RSS: 18,
      ExtRange: 19,
    },
  }),
  // The system registers are the only interface: SRE, DFB and DIB read as one.
  sysreg('ICC_SRE_EL1', [3, 0, 12, 12, 5], {
    min: 1,
    doc: 'System register enable of EL1',
    fields: { SRE: 0, DFB: 1, DIB: 2 },
    reset: 7n,
    mask: 0n,
  }),
  icc('IGRPEN0_EL1', [3, 0, 12, 12, 6], 0, 'Enables interrupts of group 0', { fields: { Enable: 0 } }),
  icc('IGRPEN1_EL1', [3, 0, 12, 12, 7], 1, 'Enables interrupts of group 1', { fields: { Enable: 0 } }),
  sysreg('ICC_SRE_EL2', [3, 4, 12, 9, 5], {
    min: 2,
    doc: 'System register enable of EL2',
    fields: { SRE: 0, DFB: 1, DIB: 2, Enable: 3 },
    reset: 0xfn,
    mask: 0n,
  }),
  ich('ICH_AP0R0_EL2', 8, 0, 'Active priorities of virtual group 0', { mask: 0xffffffffn }),
  ich('ICH_AP1R0_EL2', 9, 0, 'Active priorities of virtual group 1', { mask: 0xffffffffn }),
  ich('ICH_HCR_EL2', 11, 0, 'Control of the virtual CPU interface', {
    mask: 0xf8007cffn,
    fields: {
      En: 0,
      UIE: 1,
      LRENPIE: 2,
      NPIE: 3,
      VGrp0EIE: 4,
      VGrp0DIE: 5,
      VGrp1EIE: 6,
      VGrp1DIE: 7,
      TC: 10,
      TALL0: 11,
      TALL1: 12,
      TSEI: 13,
      TDIR: 14,
      EOIcount: [31, 27],
    },
  }),
  // 4 list registers, 5 bits of priority and preemption, 16 bits of INTID, affinity 3 (IHI 0069 12.4.9).
  ich('ICH_VTR_EL2', 11, 1, 'What the virtual CPU interface implements', {
    access: 'ro',
    irq: false,
    reset: (4n << 29n) | (4n << 26n) | (1n << 23n) | (1n << 21n) | (1n << 20n) | (1n << 19n) | 3n,
    fields: {
      PRIbits: [31, 29],
      PREbits: [28, 26],
      IDbits: [25, 23],
      SEIS: 22,
      A3V: 21,
      nV4: 20,
      TDS: 19,
      ListRegs: [4, 0],
    },
  }),
  ich('ICH_MISR_EL2', 11, 2, 'Causes of the maintenance interrupt', {
    access: 'ro',
    irq: false,
    fields: { EOI: 0, U: 1, LRENP: 2, NP: 3, VGrp0E: 4, VGrp0D: 5, VGrp1E: 6, VGrp1D: 7 },
  }),
  ich('ICH_EISR_EL2', 11, 3, 'List registers that ask for an EOI maintenance interrupt', {
    access: 'ro',
    irq: false,
    computed: true,
    // State invalid, HW = 0 and EOI (bit 41) = 1.
    read: (s, r) =>
      [0, 1, 2, 3]
        .map((n) => {
          const lr = r.get(`ICH_LR${n}_EL2`);
          const invalid = s.eqz(s.bits(lr, 61, 3));
          return s.zext(s.shli(s.and(invalid, s.bit(lr, 41)), n));
        })
        .reduce((a, b) => s.or(a, b)),
  }),
  ich('ICH_ELRSR_EL2', 11, 5, 'List registers that are empty', {
    access: 'ro',
    irq: false,
    computed: true,
    // State invalid, and either HW = 1 or no EOI maintenance interrupt asked for.
    read: (s, r) =>
      [0, 1, 2, 3]
        .map((n) => {
          const lr = r.get(`ICH_LR${n}_EL2`);
          const invalid = s.eqz(s.bits(lr, 62, 2));
          const quiet = s.or(s.bit(lr, 61), s.eqz(s.bit(lr, 41)));
          return s.zext(s.shli(s.and(invalid, quiet), n));
        })
        .reduce((a, b) => s.or(a, b)),
  }),
  ich('ICH_VMCR_EL2', 11, 7, 'Virtual machine view of the CPU interface', {
    // The smallest binary points, and VFIQEn, which is one where system registers are the only interface.
    reset: 0x4c0008n,
    mask: 0xfffc0213n,
    write: (s, v, r) => {
      const point = (lsb: number, least: number): Val => {
        const bits = s.bits(v, lsb, 3);
        const low = s.ltu(bits, s.i64(least));
        return s.shli(s.select(low, s.i64(least), bits), lsb);
      };
      const rest = s.ori(s.andi(v, 0xff000213n), 8);
      r.set('ICH_VMCR_EL2', s.or(rest, s.or(point(18, MIN_BPR + 1), point(21, MIN_BPR))));
    },
    fields: {
      VENG0: 0,
      VENG1: 1,
      VAckCtl: 2,
      VFIQEn: 3,
      VCBPR: 4,
      VEOIM: 9,
      VBPR1: [20, 18],
      VBPR0: [23, 21],
      VPMR: [31, 24],
    },
  }),
  ...[0, 1, 2, 3].map((n) =>
    ich(`ICH_LR${n}_EL2`, 12, n, `List register ${n}: a virtual interrupt`, {
      // Of a priority only the upper bits exist; the others are RES0.
      mask: 0xfff8ffffffffffffn,
      fields: {
        vINTID: [31, 0],
        pINTID: [44, 32],
        EOI: 41,
        Priority: [55, 48],
        Group: 60,
        HW: 61,
        State: [63, 62],
      },
    }),
  ),
];

/** With another interrupt controller the CPU has none of them. */
export const gicRegisters: readonly SysregRow[] = rows.map((r) => ({ ...r, feature: 'GICv3' }));
