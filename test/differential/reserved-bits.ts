/**
 * Bits of registers that hold on one side what was written and not on the other. All are reserved, or belong to
 * extensions that a Cortex-A57 does not have: software must write what it read, and what it reads means nothing.
 */
export interface ReservedBits {
  readonly register: string;
  /** The bits that are not compared. */
  readonly bits: bigint;
  readonly reason: string;
}

const HIGH = 0xffffffff00000000n;
const ALL = 0xffffffffffffffffn;

const rows = (names: string, bits: bigint, reason: string): ReservedBits[] =>
  names.split(' ').map((register) => ({ register, bits, reason }));

const numbered = (prefix: string, suffix: string, count: number): string =>
  Array.from({ length: count }, (_, n) => `${prefix}${n}${suffix}`).join(' ');

export const reservedBits: readonly ReservedBits[] = [
  ...rows('SCTLR_EL1 SCTLR_EL2', HIGH, 'RES0 in Armv8.0: QEMU drops the bits of MTE and keeps the others.'),
  ...rows(
    'ESR_EL1 ESR_EL2 SPSR_EL1 SPSR_EL2 SPSR_irq SPSR_abt SPSR_und SPSR_fiq CONTEXTIDR_EL1 DACR32_EL2 IFSR32_EL2 VPIDR_EL2 CNTFRQ_EL0',
    HIGH,
    'The upper half is RES0; QEMU keeps it.',
  ),
  ...rows('CONTEXTIDR_EL2', HIGH, 'The upper half is RES0; QEMU keeps it.'),
  ...rows('DISR_EL1 VDISR_EL2', ~0x81ffffffn & ALL, 'All but A and the syndrome is RES0; QEMU keeps it.'),
  ...rows('VSESR_EL2', ~0x1ffffffn & ALL, 'All but the syndrome is RES0; QEMU keeps it.'),
  ...rows('CPACR_EL1', ~0x10300000n & ALL, 'All but TTA and FPEN is RES0; QEMU keeps it.'),
  ...rows(
    'CPTR_EL2',
    ~0x80100400n & ALL,
    'All but TCPAC, TTA and TFP is RES0 or RES1; QEMU keeps what was written.',
  ),
  ...rows('MDCR_EL2', ~0xfffn & ALL, 'RES0 in Armv8.0; QEMU keeps it.'),
  ...rows('HSTR_EL2', ~0xffffn & ALL, 'RES0; QEMU keeps it.'),
  ...rows('CNTKCTL_EL1', ~0x3ffn & ALL, 'RES0 without FEAT_ECV; QEMU keeps it.'),
  ...rows('CNTHCTL_EL2', ~0xffn & ALL, 'RES0 without FEAT_ECV; QEMU keeps it.'),
  ...rows('HPFAR_EL2', ~0xffffffffff0n & ALL, 'All but FIPA is RES0; QEMU keeps it.'),
  ...rows('VBAR_EL1 VBAR_EL2', 0x7ffn, 'Bits 10-0 are RES0; QEMU drops only bits 4-0.'),
  ...rows(
    'L2CTLR_EL1 L2ECTLR_EL1 L2ACTLR_EL1 CPUACTLR_EL1 CPUECTLR_EL1 CPUMERRSR_EL1 L2MERRSR_EL1 ACTLR_EL2',
    ALL,
    'IMPLEMENTATION DEFINED: QEMU reads zero, here they hold what was written.',
  ),
  ...rows(
    numbered('DBGBCR', '_EL1', 6),
    ~0xffe007n & ALL,
    'RES0 bits, and BAS, of which QEMU copies bits 0 and 2 to 1 and 3 as for an AArch32 breakpoint.',
  ),
  ...rows(numbered('DBGWCR', '_EL1', 4), ~0x1f1fffffn & ALL, 'RES0; QEMU keeps it.'),
  ...rows('PMCR_EL0', 1n << 7n, 'LP belongs to Armv8.5; QEMU keeps it.'),
  ...rows(
    `PMXEVTYPER_EL0 ${numbered('PMEVTYPER', '_EL0', 6)}`,
    0xfc00n | (1n << 25n),
    'Bits 15-10 of evtCount belong to Armv8.1, bit 25 to multithreading; QEMU keeps the former.',
  ),
  ...rows('PMCCFILTR_EL0 PMXEVTYPER_EL0', 1n << 26n, 'M filters EL3, which is not there; QEMU keeps it.'),
];
