/** Names for the values of system register fields (Arm ARM DDI 0487 D17), and which register belongs to which view. */
import { exceptionClasses, type Values } from './syndrome-names';

const granule0: Values = { 0: '4 KiB', 1: '64 KiB', 2: '16 KiB' };
const granule1: Values = { 1: '16 KiB', 2: '4 KiB', 3: '64 KiB' };
const share: Values = { 0: 'non-shareable', 2: 'outer shareable', 3: 'inner shareable' };
const cache: Values = { 0: 'non-cacheable', 1: 'write-back allocate', 2: 'write-through', 3: 'write-back' };
const size: Values = {
  0: '4 GiB',
  1: '64 GiB',
  2: '1 TiB',
  3: '4 TiB',
  4: '16 TiB',
  5: '256 TiB',
};
const level: Values = { 0: 'EL0', 1: 'EL1', 2: 'EL2', 3: 'EL3' };
const stack: Values = { 0: 'SP_EL0', 1: 'SP_ELx' };
const implemented: Values = { 0: 'no', 1: 'AArch64', 2: 'AArch64 and AArch32' };

/** `REGISTER.FIELD` -> names; a register without its level (`TCR.TG0`) stands for those of all levels. */
const table: Readonly<Record<string, Values>> = {
  'CPACR.FPEN': { 0: 'EL0 and EL1 trap', 1: 'EL0 traps', 2: 'EL0 and EL1 trap', 3: 'no trap' },
  'CurrentEL.EL': level,
  'SPSel.SP': stack,
  'SPSR.EL': level,
  'SPSR.SP': stack,
  'SPSR.M': {
    0: 'EL0t',
    4: 'EL1t',
    5: 'EL1h',
    8: 'EL2t',
    9: 'EL2h',
    12: 'EL3t',
    13: 'EL3h',
  },
  'CPSR.EL': level,
  'CPSR.SP': stack,
  'ESR.EC': exceptionClasses,
  'ESR.IL': { 0: '16-bit instruction', 1: '32-bit instruction' },
  'TCR.TG0': granule0,
  'TCR.TG1': granule1,
  'VTCR.TG0': granule0,
  'TCR.SH0': share,
  'TCR.SH1': share,
  'VTCR.SH0': share,
  'TCR.IRGN0': cache,
  'TCR.IRGN1': cache,
  'TCR.ORGN0': cache,
  'TCR.ORGN1': cache,
  'VTCR.IRGN0': cache,
  'VTCR.ORGN0': cache,
  'TCR.IPS': size,
  'TCR.PS': size,
  'VTCR.PS': size,
  'TCR.AS': { 0: '8-bit ASID', 1: '16-bit ASID' },
  'VTCR.VS': { 0: '8-bit VMID', 1: '16-bit VMID' },
  'VTCR.SL0': { 0: 'level 2', 1: 'level 1', 2: 'level 0' },
  'HCR.BSU': { 0: 'no effect', 1: 'inner shareable', 2: 'outer shareable', 3: 'full system' },
  'SCR.NS': { 0: 'Secure below EL3', 1: 'Non-secure below EL3' },
  'SCR.RW': { 0: 'AArch32 below EL3', 1: 'AArch64 below EL3' },
  'HCR.RW': { 0: 'EL1 is AArch32', 1: 'EL1 is AArch64' },
  'SCTLR.EE': { 0: 'little-endian', 1: 'big-endian' },
  'SCTLR.E0E': { 0: 'little-endian', 1: 'big-endian' },
  'FPCR.RMode': { 0: 'to nearest', 1: 'up', 2: 'down', 3: 'to zero' },
  'ID_AA64PFR0.EL0': implemented,
  'ID_AA64PFR0.EL1': implemented,
  'ID_AA64PFR0.EL2': implemented,
  'ID_AA64PFR0.EL3': implemented,
  'ID_AA64PFR0.FP': { 0: 'yes', 15: 'no' },
  'ID_AA64PFR0.AdvSIMD': { 0: 'yes', 15: 'no' },
  'ID_AA64MMFR0.PARange': size,
  'ICH_LR.State': { 0: 'invalid', 1: 'pending', 2: 'active', 3: 'pending and active' },
  'ICH_LR.Group': { 0: 'group 0', 1: 'group 1' },
};

/** A register's name without its number and level: ICH_LR2_EL2 -> ICH_LR, SPSR_irq -> SPSR. */
const stem = (register: string): string =>
  register.replace(/_(EL[0-3]|irq|fiq|abt|und)$/, '').replace(/^(ICH_LR)\d+$/, '$1');

/** Names of a field's values. */
export function fieldValues(register: string, field: string): Values | undefined {
  return table[`${register}.${field}`] ?? table[`${stem(register)}.${field}`];
}

/** Fields that are addresses, and how many of an address's low bits they leave out. */
const addressFields: Readonly<Record<string, number>> = {
  'TTBR0.BADDR': 1,
  'TTBR1.BADDR': 1,
  'VTTBR.BADDR': 1,
  'VBAR.BASE': 11,
  'PAR.PA': 12,
  'HPFAR.FIPA': 12,
  'MDRAR.ROMADDR': 12,
};

export const addressShift = (register: string, field: string): number | undefined =>
  addressFields[`${stem(register)}.${field}`];

/** What registers point to. */
export const pointsTo: Readonly<Record<string, 'code' | 'data'>> = {
  ELR: 'code',
  VBAR: 'code',
  FAR: 'data',
  TPIDR: 'data',
  SP: 'data',
};

export const pointerKind = (register: string): 'code' | 'data' | undefined => pointsTo[stem(register)];

/** The groups of the system register views, by `file of the row/NAME`: the first pattern that fits decides. */
export const viewGroups: readonly (readonly [string, RegExp])[] = [
  ['PSTATE', /\/(NZCV|DAIF|CurrentEL|SPSel|PAN|UAO)$/],
  ['FP', /\/FP[CS]R$/],
  ['ID', /^id\//],
  ['GIC', /^gic\/|\/ICC_/],
  ['Timer', /^timer\//],
  ['PMU', /^pmu\//],
  ['Debug', /^debug\//],
  ['Trap control', /\/(SCR|HCR|CPTR|HSTR|HACR|MDCR|CPACR|ACTLR|SDER32)_EL[123]$/],
  ['Translation', /\/(SCTLR|TTBR[01]|TCR|MAIR|AMAIR|VTTBR|VTCR|CONTEXTIDR|PAR|DACR32)_EL[123]$/],
  ['Exception', /\/(ESR|FAR|ELR|VBAR|RVBAR|RMR|AFSR[01]|HPFAR|ISR|IFSR32|FPEXC32|SP)_EL[0123]$|\/SPSR_/],
  ['ID', /\/(VPIDR|VMPIDR)_EL2$/],
  ['Thread', /\/(TPIDR|TPIDRRO)_EL[0123]$/],
  ['Implementation', /\//],
];
