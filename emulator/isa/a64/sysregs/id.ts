/**
 * Identification registers (Arm ARM DDI 0487 D17.2). Values come from the CPU model, see cpus.ts.
 * EL0 cannot read them (but CTR_EL0 and DCZID_EL0); HCR_EL2.TID0-TID3 let a hypervisor answer in their place.
 */
import {
  sysreg,
  type Bits,
  type Encoding,
  type SysregRow,
  type SysregSpec,
  type TrapRule,
} from '../../dsl/sysreg';
import { state } from '../state';

const tid1: readonly TrapRule[] = [{ when: 'HCR_EL2.TID1', dir: 'r', from: [1], to: 2 }];
/** TID4 is that part of TID2 which is not CTR_EL0 (FEAT_EVT). */
const tid2: readonly TrapRule[] = [
  { when: 'HCR_EL2.TID2', from: [1], to: 2 },
  { when: 'HCR_EL2.TID4', from: [1], to: 2 },
];
const tid3: readonly TrapRule[] = [{ when: 'HCR_EL2.TID3', dir: 'r', from: [1], to: 2 }];

/** Four-bit fields from bit 0 up. A blank name is reserved. */
const nibbles = (names: string): Readonly<Record<string, Bits>> =>
  Object.fromEntries(
    names
      .split(' ')
      .map((n, i): [string, Bits] => [n, [4 * i + 3, 4 * i]])
      .filter(([n]) => n !== '-'),
  );

const id = (
  name: string,
  enc: Encoding,
  doc: string,
  fields?: string,
  more: Partial<SysregSpec> = {},
): SysregRow =>
  sysreg(name, enc, {
    min: 1,
    access: 'ro',
    id: true,
    doc,
    trap: tid3,
    ...(fields ? { fields: nibbles(fields) } : {}),
    ...more,
  });

/** Read by a guest at EL1 through a register of EL2 that can replace the value. */
const replaced = (name: string, by: string): Pick<SysregSpec, 'read'> => ({
  read: (s, r) => {
    const below = s.and(s.eqi(s.get(state.el), 1), s.eqz(s.get(state.el2Off)));
    return s.select(below, r.get(by), r.get(name));
  },
});

export const idRegisters: readonly SysregRow[] = [
  id('MIDR_EL1', [3, 0, 0, 0, 0], 'Main ID: implementer, part number and revision', undefined, {
    fields: {
      Implementer: [31, 24],
      Variant: [23, 20],
      Architecture: [19, 16],
      PartNum: [15, 4],
      Revision: [3, 0],
    },
    trap: [],
    ...replaced('MIDR_EL1', 'VPIDR_EL2'),
  }),
  id('MPIDR_EL1', [3, 0, 0, 0, 5], 'Multiprocessor affinity: which CPU this is', undefined, {
    fields: { Aff3: [39, 32], U: 30, MT: 24, Aff2: [23, 16], Aff1: [15, 8], Aff0: [7, 0] },
    trap: [],
    ...replaced('MPIDR_EL1', 'VMPIDR_EL2'),
  }),
  id('REVIDR_EL1', [3, 0, 0, 0, 6], 'Revision ID', undefined, { trap: tid1 }),
  id('AIDR_EL1', [3, 1, 0, 0, 7], 'Auxiliary ID', undefined, { trap: tid1 }),
  id(
    'ID_PFR0_EL1',
    [3, 0, 0, 1, 0],
    'AArch32 processor features',
    'State0 State1 State2 State3 CSV2 AMU DIT RAS',
  ),
  id(
    'ID_PFR1_EL1',
    [3, 0, 0, 1, 1],
    'AArch32 processor features',
    'ProgMod Security MProgMod Virtualization GenTimer Sec_frac Virt_frac GIC',
  ),
  id(
    'ID_DFR0_EL1',
    [3, 0, 0, 1, 2],
    'AArch32 debug features',
    'CopDbg CopSDbg MMapDbg CopTrc MMapTrc MProfDbg PerfMon TraceFilt',
  ),
  id('ID_AFR0_EL1', [3, 0, 0, 1, 3], 'AArch32 auxiliary features'),
  id(
    'ID_MMFR0_EL1',
    [3, 0, 0, 1, 4],
    'AArch32 memory model',
    'VMSA PMSA OuterShr ShareLvl TCM AuxReg FCSE InnerShr',
  ),
  id(
    'ID_MMFR1_EL1',
    [3, 0, 0, 1, 5],
    'AArch32 memory model',
    'L1HvdVA L1UniVA L1HvdSW L1UniSW L1Hvd L1Uni L1TstCln BPred',
  ),
  id(
    'ID_MMFR2_EL1',
    [3, 0, 0, 1, 6],
    'AArch32 memory model',
    'L1HvdFG L1HvdBG L1HvdRng HvdTLB UniTLB MemBarr WFIStall HWAccFlg',
  ),
  id(
    'ID_MMFR3_EL1',
    [3, 0, 0, 1, 7],
    'AArch32 memory model',
    'CMaintVA CMaintSW BPMaint MaintBcst PAN CohWalk CMemSz Supersec',
  ),
  id(
    'ID_ISAR0_EL1',
    [3, 0, 0, 2, 0],
    'AArch32 instructions',
    'Swap BitCount BitField CmpBranch Coproc Debug Divide',
  ),
  id(
    'ID_ISAR1_EL1',
    [3, 0, 0, 2, 1],
    'AArch32 instructions',
    'Endian Except Except_AR Extend IfThen Immediate Interwork Jazelle',
  ),
  id(
    'ID_ISAR2_EL1',
    [3, 0, 0, 2, 2],
    'AArch32 instructions',
    'LoadStore MemHint MultiAccessInt Mult MultS MultU PSR_AR Reversal',
  ),
  id(
    'ID_ISAR3_EL1',
    [3, 0, 0, 2, 3],
    'AArch32 instructions',
    'Saturate SIMD SVC SynchPrim TabBranch T32Copy TrueNOP T32EE',
  ),
  id(
    'ID_ISAR4_EL1',
    [3, 0, 0, 2, 4],
    'AArch32 instructions',
    'Unpriv WithShifts Writeback SMC Barrier SynchPrim_frac PSR_M SWP_frac',
  ),
  id('ID_ISAR5_EL1', [3, 0, 0, 2, 5], 'AArch32 instructions', 'SEVL AES SHA1 SHA2 CRC32 - RDM VCMA'),
  id('ID_MMFR4_EL1', [3, 0, 0, 2, 6], 'AArch32 memory model', 'SpecSEI AC2 XNX CnP HPDS LSM CCIDX EVT'),
  id('ID_ISAR6_EL1', [3, 0, 0, 2, 7], 'AArch32 instructions', 'JSCVT DP FHM SB SPECRES BF16 I8MM'),
  id(
    'MVFR0_EL1',
    [3, 0, 0, 3, 0],
    'AArch32 FP features',
    'SIMDReg FPSP FPDP FPTrap FPDivide FPSqrt FPShVec FPRound',
  ),
  id(
    'MVFR1_EL1',
    [3, 0, 0, 3, 1],
    'AArch32 FP features',
    'FPFtZ FPDNaN SIMDLS SIMDInt SIMDSP SIMDHP FPHP SIMDFMAC',
  ),
  id('MVFR2_EL1', [3, 0, 0, 3, 2], 'AArch32 FP features', 'SIMDMisc FPMisc'),
  id('ID_PFR2_EL1', [3, 0, 0, 3, 4], 'AArch32 processor features', 'CSV3 SSBS RAS_frac'),
  id('ID_DFR1_EL1', [3, 0, 0, 3, 5], 'AArch32 debug features', 'MTPMU HPMN0'),
  id('ID_MMFR5_EL1', [3, 0, 0, 3, 6], 'AArch32 memory model', 'ETS nTLBPA'),
  id(
    'ID_AA64PFR0_EL1',
    [3, 0, 0, 4, 0],
    'AArch64 processor features: exception levels, FP, SIMD, GIC',
    'EL0 EL1 EL2 EL3 FP AdvSIMD GIC RAS SVE SEL2 MPAM AMU DIT RME CSV2 CSV3',
  ),
  id(
    'ID_AA64PFR1_EL1',
    [3, 0, 0, 4, 1],
    'AArch64 processor features',
    'BT SSBS MTE RAS_frac MPAM_frac - SME RNDR_trap CSV2_frac NMI',
  ),
  id(
    'ID_AA64ZFR0_EL1',
    [3, 0, 0, 4, 4],
    'SVE features',
    'SVEver AES - - BitPerm BF16 - - SHA3 - SM4 I8MM - F32MM F64MM',
  ),
  id('ID_AA64SMFR0_EL1', [3, 0, 0, 4, 5], 'SME features'),
  id(
    'ID_AA64DFR0_EL1',
    [3, 0, 0, 5, 0],
    'AArch64 debug features',
    'DebugVer TraceVer PMUVer BRPs PMSS WRPs SEBEP CTX_CMPs PMSVer DoubleLock TraceFilt TraceBuffer MTPMU BRBE',
  ),
  id('ID_AA64DFR1_EL1', [3, 0, 0, 5, 1], 'AArch64 debug features'),
  id('ID_AA64AFR0_EL1', [3, 0, 0, 5, 4], 'AArch64 auxiliary features'),
  id('ID_AA64AFR1_EL1', [3, 0, 0, 5, 5], 'AArch64 auxiliary features'),
  id(
    'ID_AA64ISAR0_EL1',
    [3, 0, 0, 6, 0],
    'AArch64 instructions',
    '- AES SHA1 SHA2 CRC32 Atomic TME RDM SHA3 SM3 SM4 DP FHM TS TLB RNDR',
  ),
  id(
    'ID_AA64ISAR1_EL1',
    [3, 0, 0, 6, 1],
    'AArch64 instructions',
    'DPB APA API JSCVT FCMA LRCPC GPA GPI FRINTTS SB SPECRES BF16 DGH I8MM XS LS64',
  ),
  id(
    'ID_AA64ISAR2_EL1',
    [3, 0, 0, 6, 2],
    'AArch64 instructions',
    'WFxT RPRES GPA3 APA3 MOPS BC PAC_frac CLRBHB',
  ),
  id(
    'ID_AA64MMFR0_EL1',
    [3, 0, 0, 7, 0],
    'AArch64 memory model: physical address range, ASID size, granules',
    'PARange ASIDBits BigEnd SNSMem BigEndEL0 TGran16 TGran64 TGran4 TGran16_2 TGran64_2 TGran4_2 ExS - - FGT ECV',
  ),
  id(
    'ID_AA64MMFR1_EL1',
    [3, 0, 0, 7, 1],
    'AArch64 memory model',
    'HAFDBS VMIDBits VH HPDS LO PAN SpecSEI XNX TWED ETS HCX AFP nTLBPA TIDCP1 CMOW ECBHB',
  ),
  id(
    'ID_AA64MMFR2_EL1',
    [3, 0, 0, 7, 2],
    'AArch64 memory model',
    'CnP UAO LSM IESB VARange CCIDX NV ST AT IDS FWB - TTL BBM EVT E0PD',
  ),
  id('CCSIDR_EL1', [3, 1, 0, 0, 0], 'Geometry of the cache that CSSELR_EL1 selects', undefined, {
    computed: true,
    fields: { NumSets: [27, 13], Associativity: [12, 3], LineSize: [2, 0] },
    trap: tid2,
    read: (s, r) => {
      const sel = s.wrap(s.bits(r.get('CSSELR_EL1'), 0, 4));
      return [0, 1, 2].reduce((other, n) => s.select(s.eqi(sel, n), s.get(state.ccsidr, n), other), s.i64(0));
    },
  }),
  id('CLIDR_EL1', [3, 1, 0, 0, 1], 'Cache levels: types, coherency and unification', undefined, {
    fields: {
      ICB: [32, 30],
      LoUU: [29, 27],
      LoC: [26, 24],
      LoUIS: [23, 21],
      Ctype3: [8, 6],
      Ctype2: [5, 3],
      Ctype1: [2, 0],
    },
    trap: tid2,
  }),
  sysreg('CSSELR_EL1', [3, 2, 0, 0, 0], {
    min: 1,
    doc: 'Selects the cache that CCSIDR_EL1 describes',
    fields: { Level: [3, 1], InD: 0 },
    mask: 0xfn,
    trap: tid2,
  }),
  id('CTR_EL0', [3, 3, 0, 0, 1], 'Cache type: line sizes', undefined, {
    min: 0,
    fields: { CWG: [27, 24], ERG: [23, 20], DminLine: [19, 16], L1Ip: [15, 14], IminLine: [3, 0] },
    trap: [
      { when: '!SCTLR_EL1.UCT', to: 1 },
      { when: 'HCR_EL2.TID2', to: 2 },
    ],
  }),
  id('DCZID_EL0', [3, 3, 0, 0, 7], 'Block size of DC ZVA, and whether it is permitted', undefined, {
    min: 0,
    fields: { DZP: 4, BS: [3, 0] },
    trap: [],
    // DZP tells what DC ZVA would do here: Arm ARM DDI 0487 D17.2.35.
    read: (s, r) => {
      const hcr = r.get('HCR_EL2');
      const el2 = s.eqz(s.get(state.el2Off));
      const host = s.and(s.and(s.bit(hcr, 34), s.bit(hcr, 27)), el2);
      const el0 = s.eqz(s.get(state.el));
      const below2 = s.ltu(s.get(state.el), s.i32(2));
      const hyp = s.and(s.and(below2, s.bit(hcr, 28)), s.and(el2, s.eqz(host)));
      const sctlr = s.select(host, r.get('SCTLR_EL2'), r.get('SCTLR_EL1'));
      const os = s.and(el0, s.eqz(s.bit(sctlr, 14)));
      return s.or(s.i64(4), s.zext(s.shli(s.or(hyp, os), 4)));
    },
  }),
];
