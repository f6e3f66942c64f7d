/** Registers of EL3, on CPUs that have it (Arm ARM DDI 0487 D17.2; ICC_*_EL3: Arm IHI 0069 12.2). */
import { sysreg, type Encoding, type SysregRow, type SysregSpec } from '../../dsl/sysreg';
import { bitsWith } from '../features';
import { withCounters } from '../pmu/counters';
import { state } from '../state';
import { esrFields, mairFields, sctlrFields, spsrFields, tcrOneRangeFields } from './el1';

const el3 = (name: string, enc: Encoding, doc: string, more: Partial<SysregSpec> = {}): SysregRow =>
  sysreg(name, enc, { min: 3, feature: 'EL3', doc, ...more });

/** SCR_EL3.NS. */
export const NS = 1n;

export const el3Registers: readonly SysregRow[] = [
  el3('SCTLR_EL3', [3, 6, 1, 0, 0], 'System control of EL3: MMU, caches, alignment', {
    fields: { ...sctlrFields, BT: 36, DSSBS: 44 },
    reset: 0x30c50830n,
    context: true,
  }),
  el3('ACTLR_EL3', [3, 6, 1, 0, 1], 'Auxiliary control of EL3', { mask: 0n }),
  el3('SCR_EL3', [3, 6, 1, 1, 0], 'Secure configuration: security state, what is taken to EL3', {
    fields: {
      NS: 0,
      IRQ: 1,
      FIQ: 2,
      EA: 3,
      SMD: 7,
      HCE: 8,
      SIF: 9,
      RW: 10,
      ST: 11,
      TWI: 12,
      TWE: 13,
      TLOR: 14,
      TERR: 15,
      APK: 16,
      API: 17,
    },
    // Bits 5 and 4 are RES1.
    reset: 0x30n,
    context: true,
    irq: true,
    write: (s, v, r) => {
      const more = [
        bitsWith(s, 'LOR', 1n << 14n),
        bitsWith(s, 'RAS', 1n << 15n),
        bitsWith(s, 'PAuth', 3n << 16n),
      ].reduce((a, b) => s.or(a, b), s.i64(0x3f8fn));
      // RW reads as one where nothing below EL3 can be AArch32.
      const only64 = s.eqi(s.wrap(s.bits(r.get('ID_AA64PFR0_EL1'), 4, 4)), 1);
      const ones = s.select(only64, s.i64(0x430), s.i64(0x30));
      const kept = s.or(s.and(v, more), ones);
      r.set('SCR_EL3', kept);
      s.set(state.el2Off, s.and(s.get(state.hasEL3), s.eqz(s.bit(kept, 0))));
    },
  }),
  el3('SDER32_EL3', [3, 6, 1, 1, 1], 'Secure debug enable of AArch32', {
    fields: { SUNIDEN: 1, SUIDEN: 0 },
    mask: 3n,
  }),
  el3('CPTR_EL3', [3, 6, 1, 1, 2], 'Architectural feature trap to EL3: FP, SIMD, trace', {
    fields: { TCPAC: 31, TTA: 20, TFP: 10 },
    mask: 0x80100400n,
    context: true,
  }),
  el3('MDCR_EL3', [3, 6, 1, 3, 1], 'Debug control of EL3: traps of debug and PMU registers', {
    fields: { TPM: 6, TDA: 9, TDOSA: 10, SPD32: [15, 14], SDD: 16, SPME: 17, EDAD: 20, EPMAD: 21 },
    write: (s, v, r) => withCounters(s, () => r.set('MDCR_EL3', s.andi(v, 0x33c640n))),
  }),
  el3('TTBR0_EL3', [3, 6, 2, 0, 0], 'Translation table of EL3', {
    fields: { BADDR: [47, 1], CnP: 0 },
    context: true,
  }),
  el3('TCR_EL3', [3, 6, 2, 0, 2], 'Translation control of EL3', {
    fields: tcrOneRangeFields,
    context: true,
  }),
  el3('SPSR_EL3', [3, 6, 4, 0, 0], 'PSTATE saved by an exception to EL3', {
    fields: spsrFields,
    mask: 0xffffffffn,
  }),
  el3('ELR_EL3', [3, 6, 4, 0, 1], 'Return address of an exception to EL3'),
  el3('SP_EL2', [3, 6, 4, 1, 0], 'Stack pointer of EL2', { view: { field: state.spEl, index: 2 } }),
  el3('AFSR0_EL3', [3, 6, 5, 1, 0], 'Auxiliary fault status of EL3', { mask: 0n }),
  el3('AFSR1_EL3', [3, 6, 5, 1, 1], 'Auxiliary fault status of EL3', { mask: 0n }),
  el3('ESR_EL3', [3, 6, 5, 2, 0], 'Exception syndrome of EL3', { fields: esrFields, mask: 0xffffffffn }),
  el3('FAR_EL3', [3, 6, 6, 0, 0], 'Fault address of EL3'),
  el3('MAIR_EL3', [3, 6, 10, 2, 0], 'Memory attributes that descriptors of EL3 tables index', {
    fields: mairFields,
    context: true,
  }),
  el3('AMAIR_EL3', [3, 6, 10, 3, 0], 'Auxiliary memory attributes of EL3', { mask: 0n }),
  el3('VBAR_EL3', [3, 6, 12, 0, 0], 'Vector base of EL3', {
    fields: { BASE: [63, 11] },
    mask: 0xfffffffffffff800n,
  }),
  el3('RVBAR_EL3', [3, 6, 12, 0, 1], 'Reset address', { access: 'ro', id: true }),
  el3('RMR_EL3', [3, 6, 12, 0, 2], 'Reset management', {
    fields: { RR: 1, AA64: 0 },
    reset: 1n,
    mask: 0n,
  }),
  el3('ICC_CTLR_EL3', [3, 6, 12, 12, 4], 'Control of the GIC CPU interface in both security states', {
    feature: 'GICv3 EL3',
    irq: true,
    device: true,
    fields: {
      CBPR_EL1S: 0,
      CBPR_EL1NS: 1,
      EOImode_EL3: 2,
      EOImode_EL1S: 3,
      EOImode_EL1NS: 4,
      RM: 5,
      PMHE: 6,
      PRIbits: [10, 8],
      IDbits: [13, 11],
      SEIS: 14,
      A3V: 15,
      nDS: 17,
      RSS: 18,
      ExtRange: 19,
    },
  }),
  el3('ICC_SRE_EL3', [3, 6, 12, 12, 5], 'System register enable of EL3', {
    feature: 'GICv3 EL3',
    fields: { SRE: 0, DFB: 1, DIB: 2, Enable: 3 },
    reset: 0xfn,
    mask: 0n,
  }),
  el3('ICC_IGRPEN1_EL3', [3, 6, 12, 12, 7], 'Enables interrupts of group 1 in both security states', {
    feature: 'GICv3 EL3',
    irq: true,
    device: true,
    fields: { EnableGrp1NS: 0, EnableGrp1S: 1 },
  }),
  el3('TPIDR_EL3', [3, 6, 13, 0, 2], 'Thread ID of EL3: firmware keeps its per-CPU base here'),
];

/** The traps of EL3 that have the form of one of EL2's: what EL2 can trap from EL1, EL3 can trap from EL2 too. */
export const el3Controls: Readonly<Record<string, string>> = {
  'MDCR_EL2.TPM': 'MDCR_EL3.TPM',
  'MDCR_EL2.TDA': 'MDCR_EL3.TDA',
  'MDCR_EL2.TDRA': 'MDCR_EL3.TDA',
  'MDCR_EL2.TDOSA': 'MDCR_EL3.TDOSA',
  'CPTR_EL2.TCPAC': 'CPTR_EL3.TCPAC',
  'HCR_EL2.TLOR': 'SCR_EL3.TLOR',
  'HCR_EL2.TERR': 'SCR_EL3.TERR',
  '!HCR_EL2.APK': '!SCR_EL3.APK',
};
