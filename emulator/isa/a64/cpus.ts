/** CPU models: identification registers and features as data, and the state at reset (Arm ARM DDI 0487 D1.9). */
import type { StateField } from '../../ir/nodes';
import { common } from '../../ir/state';
import { Event } from './pmu/counters';
import { CpuFeature, SP, state } from './state';
import { sysregNamed, sysregs } from './sysregs';
import { UnknownId, unknownValue } from './unknown';

export interface CpuModel {
  readonly name: string;
  /** What rows ask for with `feature`. */
  readonly features: ReadonlySet<string>;
  /** log2 of the physical address space, as ID_AA64MMFR0_EL1.PARange says. */
  readonly paBits: number;
  /** Values of ID registers; those not named are zero. */
  readonly id: Readonly<Record<string, bigint>>;
  /** CCSIDR_EL1 of the first level data, first level instruction and second level cache. */
  readonly ccsidr: readonly [bigint, bigint, bigint];
}

/** Common events 0-31 that are counted: SW_INCR, INST_RETIRED, CPU_CYCLES, CHAIN (the real CPUs count more). */
const EVENTS = Object.values(Event).reduce((bits, n) => bits | (1n << BigInt(n)), 0n);

/** What Cortex-A53, A57 and A72 have in common: Armv8.0-A with CRC32 and the cryptographic extension. */
const armv8: Readonly<Record<string, bigint>> = {
  CLIDR_EL1: 0x0a200023n,
  CTR_EL0: 0x8444c004n,
  // EL0 to EL2 in both states, no EL3, FP and SIMD, GIC system registers.
  ID_AA64PFR0_EL1: 0x01000222n,
  ID_AA64DFR0_EL1: 0x10305106n,
  ID_AA64ISAR0_EL1: 0x00011120n,
  ID_AA64MMFR0_EL1: 0x00001124n,
  ID_PFR0_EL1: 0x00000131n,
  ID_PFR1_EL1: 0x10011001n,
  ID_DFR0_EL1: 0x03010006n,
  ID_MMFR0_EL1: 0x10101105n,
  ID_MMFR1_EL1: 0x40000000n,
  ID_MMFR2_EL1: 0x01260000n,
  ID_MMFR3_EL1: 0x02102211n,
  ID_ISAR0_EL1: 0x02101110n,
  ID_ISAR1_EL1: 0x13112111n,
  ID_ISAR2_EL1: 0x21232042n,
  ID_ISAR3_EL1: 0x01112131n,
  ID_ISAR4_EL1: 0x00011142n,
  ID_ISAR5_EL1: 0x00011121n,
  MVFR0_EL1: 0x10110222n,
  MVFR1_EL1: 0x12111111n,
  MVFR2_EL1: 0x00000043n,
  PMCEID0_EL0: EVENTS,
  PMCR_EL0: 0x41013000n,
};

/** GICv3: the CPU interface as system registers; AArch32: at EL0. */
const features = new Set(['CRC32', 'AES', 'PMULL', 'SHA1', 'SHA256', 'GICv3', 'AArch32']);

/** Those of Armv8.0, with the IMPLEMENTATION DEFINED registers that their software knows. */
const featuresV8 = new Set([...features, 'CortexV8']);

/** Cortex-A76 (TRM r4p1), without EL3: Armv8.2-A. */
const cortexA76: Readonly<Record<string, bigint>> = {
  MIDR_EL1: 0x414fd0b1n,
  CLIDR_EL1: 0x82000023n,
  CTR_EL0: 0x8444c004n,
  ID_AA64PFR0_EL1: 0x1100000011110112n,
  ID_AA64PFR1_EL1: 0x10n,
  ID_AA64DFR0_EL1: 0x10305408n,
  ID_AA64ISAR0_EL1: 0x100010211120n,
  ID_AA64ISAR1_EL1: 0x100001n,
  ID_AA64MMFR0_EL1: 0x101122n,
  ID_AA64MMFR1_EL1: 0x10212122n,
  ID_AA64MMFR2_EL1: 0x1011n,
  ID_PFR0_EL1: 0x10010131n,
  ID_PFR1_EL1: 0x10010000n,
  ID_PFR2_EL1: 0x11n,
  ID_DFR0_EL1: 0x4010008n,
  ID_MMFR0_EL1: 0x10201105n,
  ID_MMFR1_EL1: 0x40000000n,
  ID_MMFR2_EL1: 0x1260000n,
  ID_MMFR3_EL1: 0x2122211n,
  ID_MMFR4_EL1: 0x21110n,
  ID_ISAR0_EL1: 0x2101110n,
  ID_ISAR1_EL1: 0x13112111n,
  ID_ISAR2_EL1: 0x21232042n,
  ID_ISAR3_EL1: 0x1112131n,
  ID_ISAR4_EL1: 0x10142n,
  ID_ISAR5_EL1: 0x1011121n,
  ID_ISAR6_EL1: 0x10n,
  MVFR0_EL1: 0x10110222n,
  MVFR1_EL1: 0x13211111n,
  MVFR2_EL1: 0x43n,
  PMCEID0_EL0: EVENTS,
  PMCEID1_EL0: 0x18n,
  PMCR_EL0: 0x410b3000n,
};

const featuresA76 = (
  'PAN PAN2 VHE LSE LOR HPDS HAFDBS PMUv3p1 RDM ' + // Armv8.1
  'UAO RAS DPB XNX LRCPC SSBS FP16 DotProd'
) // Armv8.2 and later
  .split(' ');

/**
 * What exists of Armv8.3 to Armv8.5, on top of Cortex-A76 and without AArch32 state, whose ID registers are zero. MIDR_EL1 is that
 * of no real CPU.
 */
const max: Readonly<Record<string, bigint>> = {
  MIDR_EL1: 0x000f0510n,
  CLIDR_EL1: 0x82000023n,
  CTR_EL0: 0x8444c004n,
  ID_AA64PFR0_EL1: 0x1101000011110111n,
  ID_AA64PFR1_EL1: 0x21n,
  ID_AA64DFR0_EL1: 0x10305408n,
  ID_AA64ISAR0_EL1: 0x221100110212120n,
  ID_AA64ISAR1_EL1: 0x10001101211012n,
  ID_AA64MMFR0_EL1: 0x22200101126n,
  ID_AA64MMFR1_EL1: 0x1010212122n,
  ID_AA64MMFR2_EL1: 0x1221011010011011n,
  PMCEID0_EL0: EVENTS,
  PMCEID1_EL0: 0x18n,
  PMCR_EL0: 0x41013000n,
};

const featuresMax = (
  'FCMA JSCVT PAuth LRCPC2 FRINTTS I8MM SHA512 SHA3 FHM FlagM FlagM2 SB SSBS2 DIT DPB2 BTI ' +
  'TLBIOS TLBIRANGE EVT IDST LVA LPA TTST E0PD FWB'
).split(' ');

const models: readonly CpuModel[] = [
  {
    name: 'cortex-a57',
    features: featuresV8,
    paBits: 44,
    id: { ...armv8, MIDR_EL1: 0x411fd070n },
    ccsidr: [0x701fe00an, 0x201fe012n, 0x70ffe07an],
  },
  {
    name: 'cortex-a53',
    features: featuresV8,
    paBits: 40,
    id: {
      ...armv8,
      MIDR_EL1: 0x410fd034n,
      CTR_EL0: 0x84448004n,
      ID_AA64MMFR0_EL1: 0x00001122n,
      PMCR_EL0: 0x41033000n,
    },
    ccsidr: [0x700fe01an, 0x201fe00an, 0x707fe07an],
  },
  {
    name: 'cortex-a72',
    features: featuresV8,
    paBits: 44,
    id: {
      ...armv8,
      MIDR_EL1: 0x410fd083n,
      ID_MMFR0_EL1: 0x10201105n,
      PMCR_EL0: 0x41023000n,
      ID_AA64MMFR0_EL1: 0x00001124n,
    },
    ccsidr: [0x701fe00an, 0x201fe012n, 0x707fe07an],
  },
  {
    name: 'cortex-a76',
    features: new Set([...features, ...featuresA76]),
    paBits: 40,
    id: cortexA76,
    ccsidr: [0x701fe01an, 0x201fe01an, 0x707fe03an],
  },
  {
    name: 'max',
    features: new Set([...features, ...featuresA76, ...featuresMax].filter((f) => f !== 'AArch32')),
    paBits: 52,
    id: max,
    ccsidr: [0x701fe01an, 0x201fe01an, 0x707fe03an],
  },
];

export const cpuModels: ReadonlyMap<string, CpuModel> = new Map(models.map((m) => [m.name, m]));

/** A model by name. @throws Error that names the models there are. */
export function cpuModel(name: string): CpuModel {
  const model = cpuModels.get(name.toLowerCase());
  if (!model)
    throw new Error(`There is no CPU model '${name}': choose one of ${[...cpuModels.keys()].join(', ')}.`);
  return model;
}

/**
 * The model on a board whose interrupt controller it does not reach by system registers: ID_AA64PFR0_EL1.GIC and
 * ID_PFR1_EL1.GIC are zero, and ICC_* and ICH_* are not there.
 */
export function withoutGicRegisters(model: CpuModel): CpuModel {
  const { id, features: all } = model;
  return {
    ...model,
    features: new Set([...[...all].filter((f) => f !== 'GICv3'), 'GICv2']),
    id: {
      ...id,
      ID_AA64PFR0_EL1: (id['ID_AA64PFR0_EL1'] ?? 0n) & ~0x0f000000n,
      ID_PFR1_EL1: (id['ID_PFR1_EL1'] ?? 0n) & ~0xf0000000n,
    },
  };
}

/**
 * The model with EL3, which ID_AA64PFR0_EL1.EL3 says is like EL2, and what the AArch32 registers say of it: ID_PFR1.Security
 * where EL1 can be AArch32, ID_DFR0.CopSDbg as ID_DFR0.CopDbg.
 */
export function withEl3(model: CpuModel): CpuModel {
  const id = (name: string): bigint => model.id[name] ?? 0n;
  const pfr0 = id('ID_AA64PFR0_EL1');
  // Features with registers and operations of EL3's own.
  const shared = ['GICv3', 'TLBIOS', 'TLBIRANGE'].filter((f) => model.features.has(f));
  const security = ((pfr0 >> 4n) & 15n) === 2n ? 0x10n : 0n;
  return {
    ...model,
    features: new Set([...model.features, 'EL3', ...shared.map((f) => `${f} EL3`)]),
    id: {
      ...model.id,
      ID_AA64PFR0_EL1: pfr0 | ((pfr0 & 0xf00n) << 4n),
      ID_PFR1_EL1: id('ID_PFR1_EL1') | security,
      ID_DFR0_EL1: id('ID_DFR0_EL1') | ((id('ID_DFR0_EL1') & 15n) << 4n),
    },
  };
}

/** Who can write the fields of CPU blocks. */
export interface CpuWriter {
  set(cpu: number, field: StateField, value: bigint, index?: number): void;
}

/**
 * MPIDR_EL1: affinity 0 is the CPU's number in its cluster of 16, affinity 1 the cluster; bit 31 is RES1. The board's
 * PSCI, GIC and device tree count in the same way (one SGI reaches the 16 CPUs of a cluster).
 */
export function mpidr(cpuIndex: number): bigint {
  return 0x80000000n | (BigInt(cpuIndex >> 4) << 8n) | BigInt(cpuIndex & 15);
}

/**
 * SCR_EL3 of a boot loader that hands over to Non-secure EL2 in AArch64: NS, HCE, RW, and the RES1 bits; APK and API permit
 * pointer authentication.
 */
const HANDED_OVER = 0x531n;
const PERMIT_PAUTH = 3n << 16n;

/**
 * Puts a CPU into its state after reset, at the highest exception level that it has; the entry address is 0. `firmware`:
 * the board stands for the firmware at EL3, which has handed over to EL2.
 */
export function resetCpu(
  to: CpuWriter,
  cpuIndex: number,
  model: CpuModel,
  hasEL2 = true,
  firmware = false,
): void {
  const set = (field: StateField, value: bigint, index = 0): void => to.set(cpuIndex, field, value, index);
  const hasEL3 = model.features.has('EL3');
  const el = hasEL3 && !firmware ? 3n : hasEL2 ? 2n : 1n;
  const midr = model.id['MIDR_EL1'] ?? 0n;
  const own: Record<string, bigint> = {
    ...model.id,
    MPIDR_EL1: mpidr(cpuIndex),
    VPIDR_EL2: midr,
    VMPIDR_EL2: mpidr(cpuIndex),
  };
  // What permits without EL2 permits where it does not exist.
  if (!hasEL2 && model.features.has('PAuth')) own['HCR_EL2'] = 3n << 40n;
  if (!hasEL2) own['ID_AA64PFR0_EL1'] = (model.id['ID_AA64PFR0_EL1'] ?? 0n) & ~0xf00n;
  for (const r of sysregs) {
    if (!r.storage || r.view || r.same) continue;
    set(r.storage.field, own[r.name] ?? r.reset ?? 0n, r.storage.index);
  }
  const only64 = ((own['ID_AA64PFR0_EL1'] ?? 0n) >> 4n) % 16n === 1n;
  const handedOver = HANDED_OVER | (model.features.has('PAuth') ? PERMIT_PAUTH : 0n);
  const scr = firmware ? handedOver : only64 ? 0x430n : 0x30n;
  if (hasEL3) set(sysregNamed('SCR_EL3').storage!.field, scr);
  for (let n = 0; n < state.x.count; n++) set(state.x, 0n, n);
  set(state.trash, 0n);
  for (let n = 0; n < state.v.count; n++) set(state.v, 0n, n);
  for (let n = 0; n < 4; n++) set(state.spEl, 0n, n);
  model.ccsidr.forEach((v, n) => set(state.ccsidr, v, n));
  const features = Object.entries(CpuFeature).reduce(
    (bits, [name, bit]) => (model.features.has(name) ? bits | bit : bits),
    0,
  );
  const plain: readonly (readonly [StateField, bigint])[] = [
    [common.pc, 0n],
    [common.irqLines, 0n],
    [common.asleep, 0n],
    [state.nzcv, 0n],
    [state.daif, 0x3c0n],
    [state.el, el],
    [state.spsel, 1n],
    [state.il, 0n],
    [state.ss, 0n],
    [state.pan, 0n],
    [state.uao, 0n],
    [state.ssbs, 0n],
    [state.dit, 0n],
    [state.btype, 0n],
    [state.exBytes, 0n],
    [state.exAddr, 0n],
    [state.eventRegister, 0n],
    [state.hasEL2, hasEL2 ? 1n : 0n],
    [state.hasEL3, hasEL3 ? 1n : 0n],
    [state.firmwareAtEl3, hasEL3 && firmware ? 1n : 0n],
    [state.el2Off, hasEL3 && !firmware ? 1n : 0n],
    [state.features, BigInt(features)],
    [state.paBits, BigInt(model.paBits)],
    [state.pmuActive, 0n],
    [state.debugOn, 0n],
    [state.stepActive, 0n],
    [state.checkEach, 0n],
    [state.oneByOne, 0n],
    [state.stepGranted, 0n],
    [state.stepped, 0n],
    [state.watching, 0n],
    [state.ownDeadline, 0n],
    [state.holdSkip, 0n],
    [state.strict, 0n],
    [state.stopEvents, 0n],
    [state.fault, 0n],
    [state.faultIpa, 0n],
  ];
  for (const [field, value] of plain) set(field, value);
}

/** Strict mode, after `resetCpu`: UNKNOWN at reset are these, and the registers of the routine `poisonRegisters`. */
export function poisonReset(to: CpuWriter, cpuIndex: number, time: bigint): void {
  const set = (field: StateField, value: bigint, index = 0): void => to.set(cpuIndex, field, value, index);
  const value = (id: number): bigint => unknownValue(time + BigInt(cpuIndex), id);
  set(state.strict, 1n);
  for (let n = 0; n <= SP; n++) set(state.x, value(UnknownId.general + n), n);
  for (let n = 0; n < state.v.count; n++) set(state.v, value(UnknownId.vector + n), n);
  for (let n = 0; n < 4; n++) set(state.spEl, value(UnknownId.general + 32 + n), n);
  set(state.nzcv, value(UnknownId.general + 36) & 0xf0000000n);
}

/** Strict mode: what a firmware call may leave behind in X1-X17 (SMC calling convention 1.0, Arm DEN 0028 2.6). */
export function poisonScratch(to: CpuWriter, cpuIndex: number, time: bigint): void {
  for (let n = 1; n <= 17; n++) to.set(cpuIndex, state.x, unknownValue(time, UnknownId.general + n), n);
}
