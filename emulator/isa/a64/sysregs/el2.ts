/** Registers of EL2: trap control, stage 2 translation, exceptions (Arm ARM DDI 0487 D17.2). */
import type { Builder } from '../../../ir/builder';
import type { Val } from '../../../ir/nodes';
import { common } from '../../../ir/state';
import { sysreg, type RegisterAccess, type SysregRow } from '../../dsl/sysreg';
import { bitsWith } from '../features';
import { Line } from '../interrupt-lines';
import { withCounters } from '../pmu/counters';
import { state } from '../state';
import { settlePmu } from '../wires/pmu';
import {
  esrFields,
  mairFields,
  sctlrFields,
  sctlrUserFields,
  spsrFields,
  tcrFields,
  tcrOneRangeFields,
  ttbrFields,
} from './el1';

const E2H = 34;

/** Reads a register whose layout depends on HCR_EL2.E2H: the bits of each layout; `ones` are RES1 without E2H. */
export const byLayout =
  (name: string, plain: bigint, e2h: bigint, ones = 0n) =>
  (s: Builder, r: RegisterAccess): Val => {
    const v = r.get(name);
    return s.select(s.bit(r.get('HCR_EL2'), E2H), s.andi(v, e2h), s.ori(s.andi(v, plain), ones));
  };

/** Writable bits of HCR_EL2: those of Armv8.0 but HCD where EL3 has HCE, and the others with their features. */
const hcrMask = (s: Builder): Val =>
  [
    bitsWith(s, 'VHE', 1n << 34n),
    bitsWith(s, 'LOR', 1n << 35n),
    bitsWith(s, 'RAS', 3n << 36n),
    bitsWith(s, 'PAuth', 3n << 40n),
    bitsWith(s, 'FWB', 1n << 46n),
    bitsWith(s, 'EVT', (3n << 49n) | (1n << 52n) | (3n << 54n)),
  ].reduce((a, b) => s.or(a, b), s.select(s.get(state.hasEL3), s.i64(0x3dfffffffn), s.i64(0x3ffffffffn)));

export const el2Registers: readonly SysregRow[] = [
  sysreg('VPIDR_EL2', [3, 4, 0, 0, 0], { min: 2, doc: 'MIDR_EL1 as EL1 reads it', mask: 0xffffffffn }),
  sysreg('VMPIDR_EL2', [3, 4, 0, 0, 5], { min: 2, doc: 'MPIDR_EL1 as EL1 reads it' }),
  sysreg('SCTLR_EL2', [3, 4, 1, 0, 0], {
    min: 2,
    doc: 'System control of EL2: MMU, caches, alignment',
    reset: 0x30c50830n,
    fields: { ...sctlrFields, BT: 36 },
    e2hFields: sctlrUserFields,
    context: true,
  }),
  sysreg('ACTLR_EL2', [3, 4, 1, 0, 1], { min: 2, doc: 'Auxiliary control of EL2' }),
  sysreg('HCR_EL2', [3, 4, 1, 1, 0], {
    min: 2,
    doc: 'Hypervisor configuration: stage 2, what EL1 and EL0 trap to EL2, virtual interrupts',
    reset: 0n,
    fields: {
      VM: 0,
      SWIO: 1,
      PTW: 2,
      FMO: 3,
      IMO: 4,
      AMO: 5,
      VF: 6,
      VI: 7,
      VSE: 8,
      FB: 9,
      BSU: [11, 10],
      DC: 12,
      TWI: 13,
      TWE: 14,
      TID0: 15,
      TID1: 16,
      TID2: 17,
      TID3: 18,
      TSC: 19,
      TIDCP: 20,
      TACR: 21,
      TSW: 22,
      TPCP: 23,
      TPU: 24,
      TTLB: 25,
      TVM: 26,
      TGE: 27,
      TDZ: 28,
      HCD: 29,
      TRVM: 30,
      RW: 31,
      CD: 32,
      ID: 33,
      E2H,
      TLOR: 35,
      TERR: 36,
      TEA: 37,
      APK: 40,
      API: 41,
      FWB: 46,
      TID4: 49,
      TICAB: 50,
      TOCU: 52,
      TTLBIS: 54,
      TTLBOS: 55,
    },
    context: true,
    irq: true,
    write: (s, v, r) => {
      r.set('HCR_EL2', s.and(v, hcrMask(s)));
      // VF, VI and VSE are interrupt lines of their own.
      const lines = s.andi(s.get(common.irqLines), ~Line.internal);
      const virtual = s.nei(s.bits(v, 6, 3), 0);
      s.set(common.irqLines, s.or(lines, s.shli(virtual, 7)));
    },
  }),
  sysreg('MDCR_EL2', [3, 4, 1, 1, 1], {
    min: 2,
    doc: 'Debug control of EL2: traps of debug and PMU registers',
    reset: 6n,
    fields: { HPMN: [4, 0], TPMCR: 5, TPM: 6, HPME: 7, TDE: 8, TDA: 9, TDOSA: 10, TDRA: 11, HPMD: 17 },
    context: true,
    write: (s, v, r) => {
      const write = (): void => r.set('MDCR_EL2', s.and(v, s.ori(bitsWith(s, 'PMUv3p1', 1n << 17n), 0xfffn)));
      // A world switch writes it: counters that are off need no look.
      s.if(s.eqz(r.get('PMCNTENSET_EL0')), write, () => withCounters(s, write));
    },
    after: (s) => s.call(settlePmu),
  }),
  sysreg('CPTR_EL2', [3, 4, 1, 1, 2], {
    min: 2,
    doc: 'Architectural feature trap: FP, SIMD, trace',
    mask: 0x90300400n,
    fields: { TCPAC: 31, TTA: 20, TFP: 10 },
    e2hFields: { TCPAC: 31, TTA: 28, FPEN: [21, 20] },
    read: byLayout('CPTR_EL2', 0x80100400n, 0x90300000n, 0x33ffn),
    trap: [{ when: 'CPTR_EL3.TCPAC', from: [2], to: 3 }],
    context: true,
  }),
  sysreg('HSTR_EL2', [3, 4, 1, 1, 3], {
    min: 2,
    doc: 'Traps of AArch32 coprocessor accesses',
    mask: 0xffffn,
    fields: Object.fromEntries([0, 1, 2, 3, 5, 6, 7, 8, 9, 10, 11, 12, 13, 15].map((n) => [`T${n}`, n])),
  }),
  sysreg('HACR_EL2', [3, 4, 1, 1, 7], { min: 2, doc: 'Auxiliary traps', mask: 0n }),
  sysreg('TTBR0_EL2', [3, 4, 2, 0, 0], {
    min: 2,
    doc: 'Translation table of EL2; with HCR_EL2.E2H of the lower half of its address space',
    fields: { BADDR: [47, 1], CnP: 0 },
    e2hFields: ttbrFields,
    context: true,
  }),
  sysreg('TTBR1_EL2', [3, 4, 2, 0, 1], {
    min: 2,
    doc: 'Translation table of the upper half of the EL2 address space, with HCR_EL2.E2H',
    fields: ttbrFields,
    feature: 'VHE',
    context: true,
  }),
  sysreg('TCR_EL2', [3, 4, 2, 0, 2], {
    min: 2,
    doc: 'Translation control of EL2',
    fields: tcrOneRangeFields,
    e2hFields: tcrFields,
    context: true,
  }),
  sysreg('VTTBR_EL2', [3, 4, 2, 1, 0], {
    min: 2,
    doc: 'Stage 2 translation table and VMID',
    fields: { VMID: [63, 48], BADDR: [47, 1], CnP: 0 },
    context: 'below2',
  }),
  sysreg('VTCR_EL2', [3, 4, 2, 1, 2], {
    min: 2,
    doc: 'Stage 2 translation control',
    reset: 0x80000000n,
    fields: {
      T0SZ: [5, 0],
      SL0: [7, 6],
      IRGN0: [9, 8],
      ORGN0: [11, 10],
      SH0: [13, 12],
      TG0: [15, 14],
      PS: [18, 16],
      VS: 19,
      HA: 21,
      HD: 22,
    },
    context: 'below2',
  }),
  sysreg('DACR32_EL2', [3, 4, 3, 0, 0], { min: 2, doc: 'DACR of AArch32', mask: 0xffffffffn }),
  sysreg('SPSR_EL2', [3, 4, 4, 0, 0], {
    min: 2,
    doc: 'PSTATE saved by an exception to EL2',
    fields: spsrFields,
    mask: 0xffffffffn,
  }),
  sysreg('ELR_EL2', [3, 4, 4, 0, 1], { min: 2, doc: 'Return address of an exception to EL2' }),
  sysreg('SP_EL1', [3, 4, 4, 1, 0], {
    min: 2,
    doc: 'Stack pointer of EL1',
    view: { field: state.spEl, index: 1 },
  }),
  sysreg('SPSR_irq', [3, 4, 4, 3, 0], { min: 2, doc: 'SPSR of AArch32 IRQ mode', mask: 0xffffffffn }),
  sysreg('SPSR_abt', [3, 4, 4, 3, 1], { min: 2, doc: 'SPSR of AArch32 Abort mode', mask: 0xffffffffn }),
  sysreg('SPSR_und', [3, 4, 4, 3, 2], { min: 2, doc: 'SPSR of AArch32 Undefined mode', mask: 0xffffffffn }),
  sysreg('SPSR_fiq', [3, 4, 4, 3, 3], { min: 2, doc: 'SPSR of AArch32 FIQ mode', mask: 0xffffffffn }),
  sysreg('IFSR32_EL2', [3, 4, 5, 0, 1], { min: 2, doc: 'IFSR of AArch32', mask: 0xffffffffn }),
  sysreg('AFSR0_EL2', [3, 4, 5, 1, 0], { min: 2, doc: 'Auxiliary fault status of EL2', mask: 0n }),
  sysreg('AFSR1_EL2', [3, 4, 5, 1, 1], { min: 2, doc: 'Auxiliary fault status of EL2', mask: 0n }),
  sysreg('ESR_EL2', [3, 4, 5, 2, 0], {
    min: 2,
    doc: 'Exception syndrome of EL2',
    fields: esrFields,
    mask: 0xffffffffn,
  }),
  sysreg('FPEXC32_EL2', [3, 4, 5, 3, 0], {
    min: 2,
    doc: 'FPEXC of AArch32',
    reset: 0x700n,
    mask: 0xffffffffn,
    fields: { EX: 31, EN: 30 },
    fp: true,
  }),
  sysreg('FAR_EL2', [3, 4, 6, 0, 0], { min: 2, doc: 'Fault address of EL2' }),
  sysreg('HPFAR_EL2', [3, 4, 6, 0, 4], {
    min: 2,
    doc: 'Intermediate physical address of a stage 2 fault',
    fields: { FIPA: [43, 4] },
    mask: 0xffffffffff0n,
  }),
  sysreg('MAIR_EL2', [3, 4, 10, 2, 0], {
    min: 2,
    doc: 'Memory attributes that descriptors of EL2 tables index',
    fields: mairFields,
    context: true,
  }),
  sysreg('AMAIR_EL2', [3, 4, 10, 3, 0], { min: 2, doc: 'Auxiliary memory attributes of EL2', mask: 0n }),
  sysreg('VBAR_EL2', [3, 4, 12, 0, 0], {
    min: 2,
    doc: 'Vector base of EL2',
    fields: { BASE: [63, 11] },
    mask: 0xfffffffffffff800n,
  }),
  sysreg('RVBAR_EL2', [3, 4, 12, 0, 1], {
    min: 2,
    access: 'ro',
    doc: 'Reset address, when EL2 is the highest level',
    id: true,
    undefinedWhen: (s) => s.get(state.hasEL3),
  }),
  sysreg('RMR_EL2', [3, 4, 12, 0, 2], {
    min: 2,
    doc: 'Reset management, when EL2 is the highest level',
    fields: { RR: 1, AA64: 0 },
    reset: 1n,
    mask: 0n,
    undefinedWhen: (s) => s.get(state.hasEL3),
  }),
  sysreg('CONTEXTIDR_EL2', [3, 4, 13, 0, 1], {
    min: 2,
    doc: 'Context ID of EL2, for debug and trace',
    fields: { PROCID: [31, 0] },
    mask: 0xffffffffn,
    feature: 'VHE',
  }),
  sysreg('TPIDR_EL2', [3, 4, 13, 0, 2], {
    min: 2,
    doc: 'Thread ID of EL2: a hypervisor keeps its per-CPU base here',
  }),
];
