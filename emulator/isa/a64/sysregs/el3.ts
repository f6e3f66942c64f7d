/** Registers of EL3. No CPU model here implements EL3, so accesses are UNDEFINED; the assembler knows the names. */
import { sysreg, type Encoding, type SysregRow, type SysregSpec } from '../../dsl/sysreg';
import { esrFields, sctlrFields, spsrFields } from './el1';

const el3 = (name: string, enc: Encoding, doc: string, more: Partial<SysregSpec> = {}): SysregRow =>
  sysreg(name, enc, { min: 3, doc, ...more });

export const el3Registers: readonly SysregRow[] = [
  el3('SCTLR_EL3', [3, 6, 1, 0, 0], 'System control of EL3', { fields: sctlrFields }),
  el3('ACTLR_EL3', [3, 6, 1, 0, 1], 'Auxiliary control of EL3'),
  el3('SCR_EL3', [3, 6, 1, 1, 0], 'Secure configuration: security state, routing to EL3', {
    fields: { NS: 0, IRQ: 1, FIQ: 2, EA: 3, SMD: 7, HCE: 8, SIF: 9, RW: 10, ST: 11, TWI: 12, TWE: 13 },
  }),
  el3('SDER32_EL3', [3, 6, 1, 1, 1], 'Secure debug enable of AArch32'),
  el3('CPTR_EL3', [3, 6, 1, 1, 2], 'Architectural feature trap to EL3', {
    fields: { TFP: 10, TTA: 20, TCPAC: 31 },
  }),
  el3('MDCR_EL3', [3, 6, 1, 3, 1], 'Debug control of EL3', { fields: { TPM: 6, TDA: 9, TDOSA: 10 } }),
  el3('TTBR0_EL3', [3, 6, 2, 0, 0], 'Translation table of EL3'),
  el3('TCR_EL3', [3, 6, 2, 0, 2], 'Translation control of EL3'),
  el3('SPSR_EL3', [3, 6, 4, 0, 0], 'PSTATE saved by an exception to EL3', { fields: spsrFields }),
  el3('ELR_EL3', [3, 6, 4, 0, 1], 'Return address of an exception to EL3'),
  el3('SP_EL2', [3, 6, 4, 1, 0], 'Stack pointer of EL2, as EL3 sees it'),
  el3('AFSR0_EL3', [3, 6, 5, 1, 0], 'Auxiliary fault status of EL3'),
  el3('AFSR1_EL3', [3, 6, 5, 1, 1], 'Auxiliary fault status of EL3'),
  el3('ESR_EL3', [3, 6, 5, 2, 0], 'Exception syndrome of EL3', { fields: esrFields }),
  el3('FAR_EL3', [3, 6, 6, 0, 0], 'Fault address of EL3'),
  el3('MAIR_EL3', [3, 6, 10, 2, 0], 'Memory attributes of EL3'),
  el3('AMAIR_EL3', [3, 6, 10, 3, 0], 'Auxiliary memory attributes of EL3'),
  el3('VBAR_EL3', [3, 6, 12, 0, 0], 'Vector base of EL3'),
  el3('RVBAR_EL3', [3, 6, 12, 0, 1], 'Reset address', { access: 'ro' }),
  el3('RMR_EL3', [3, 6, 12, 0, 2], 'Reset management'),
  el3('ICC_CTLR_EL3', [3, 6, 12, 12, 4], 'Control of the GIC CPU interface, EL3'),
  el3('ICC_SRE_EL3', [3, 6, 12, 12, 5], 'System register enable of EL3'),
  el3('ICC_IGRPEN1_EL3', [3, 6, 12, 12, 7], 'Enables interrupts of group 1, EL3'),
  el3('TPIDR_EL3', [3, 6, 13, 0, 2], 'Thread ID of EL3'),
  el3('CNTPS_TVAL_EL1', [3, 7, 14, 2, 0], 'Ticks until the secure timer fires'),
  el3('CNTPS_CTL_EL1', [3, 7, 14, 2, 1], 'Control of the secure timer', {
    fields: { ENABLE: 0, IMASK: 1, ISTATUS: 2 },
  }),
  el3('CNTPS_CVAL_EL1', [3, 7, 14, 2, 2], 'Counter value at which the secure timer fires'),
];
