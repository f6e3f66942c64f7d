/**
 * Names of system registers that the emulated CPUs do not have, or have fewer of: sources for other machines use them,
 * and the assembler and disassembler should know them (Arm ARM DDI 0487 D17).
 */

type Encoding = readonly [op0: number, op1: number, crn: number, crm: number, op2: number];

/** op0 and op1, then for each name CRn, CRm and op2. */
const groups: readonly (readonly [op0: number, op1: number, text: string])[] = [
  [
    3,
    0,
    `scxtnum_el1 13 0 7, zcr_el1 1 2 0, trfcr_el1 1 2 1, smpri_el1 1 2 4, smcr_el1 1 2 6, rgsr_el1 1 0 5, gcr_el1 1 0 6,
     allint 4 3 0, errselr_el1 5 3 1, erxfr_el1 5 4 0, erxctlr_el1 5 4 1,
     erxstatus_el1 5 4 2, erxaddr_el1 5 4 3, erxmisc0_el1 5 5 0, erxmisc1_el1 5 5 1, tfsr_el1 5 6 0, tfsre0_el1 5 6 1,
     pmmir_el1 9 14 6, mpamidr_el1 10 4 4, mpam1_el1 10 5 0, mpam0_el1 10 5 1`,
  ],
  [3, 1, 'ccsidr2_el1 0 0 2, gmid_el1 0 0 4'],
  [3, 3, 'rndr 2 4 0, rndrrs 2 4 1, svcr 4 2 2, tco 4 2 7, dspsr_el0 4 5 0, dlr_el0 4 5 1'],
  [
    3,
    4,
    `hcrx_el2 1 2 2, zcr_el2 1 2 0, trfcr_el2 1 2 1, smcr_el2 1 2 6, hfgrtr_el2 1 1 4, hfgwtr_el2 1 1 5, hfgitr_el2 1 1 6,
     sder32_el2 1 3 1, vncr_el2 2 2 0, vsttbr_el2 2 6 0, vstcr_el2 2 6 2, hdfgrtr_el2 3 1 4,
     hdfgwtr_el2 3 1 5, hafgrtr_el2 3 1 6, tfsr_el2 5 6 0, mpamhcr_el2 10 4 0, mpam2_el2 10 5 0, scxtnum_el2 13 0 7, cntpoff_el2 14 0 6`,
  ],
  [3, 5, `zcr_el12 1 2 0`],
  [
    3,
    6,
    `sctlr_el3 1 0 0, actlr_el3 1 0 1, scr_el3 1 1 0, sder32_el3 1 1 1, cptr_el3 1 1 2, zcr_el3 1 2 0, mdcr_el3 1 3 1,
     ttbr0_el3 2 0 0, tcr_el3 2 0 2, spsr_el3 4 0 0, elr_el3 4 0 1, sp_el2 4 1 0, afsr0_el3 5 1 0, afsr1_el3 5 1 1,
     esr_el3 5 2 0, far_el3 6 0 0, mair_el3 10 2 0, amair_el3 10 3 0, vbar_el3 12 0 0, rvbar_el3 12 0 1, rmr_el3 12 0 2,
     icc_ctlr_el3 12 12 4, icc_sre_el3 12 12 5, icc_igrpen1_el3 12 12 7, tpidr_el3 13 0 2`,
  ],
  [3, 7, 'cntps_tval_el1 14 2 0, cntps_ctl_el1 14 2 1, cntps_cval_el1 14 2 2'],
];

/** Numbered registers: how many, and the encoding of the n-th. */
const families: readonly (readonly [name: string, count: number, enc: (n: number) => Encoding])[] = [
  ['dbgbvr#_el1', 16, (n) => [2, 0, 0, n, 4]],
  ['dbgbcr#_el1', 16, (n) => [2, 0, 0, n, 5]],
  ['dbgwvr#_el1', 16, (n) => [2, 0, 0, n, 6]],
  ['dbgwcr#_el1', 16, (n) => [2, 0, 0, n, 7]],
  ['pmevcntr#_el0', 31, (n) => [3, 3, 14, 8 + (n >> 3), n & 7]],
  ['pmevtyper#_el0', 31, (n) => [3, 3, 14, 12 + (n >> 3), n & 7]],
  ['icc_ap0r#_el1', 4, (n) => [3, 0, 12, 8, 4 + n]],
  ['icc_ap1r#_el1', 4, (n) => [3, 0, 12, 9, n]],
  ['ich_ap0r#_el2', 4, (n) => [3, 4, 12, 8, n]],
  ['ich_ap1r#_el2', 4, (n) => [3, 4, 12, 9, n]],
  ['ich_lr#_el2', 16, (n) => [3, 4, 12, 12 + (n >> 3), n & 7]],
];

const byName = new Map<string, Encoding>();
for (const [op0, op1, text] of groups) {
  for (const entry of text.split(',')) {
    const [name = '', crn, crm, op2] = entry.trim().split(/\s+/);
    byName.set(name, [op0, op1, Number(crn), Number(crm), Number(op2)]);
  }
}
for (const [name, count, enc] of families) {
  for (let n = 0; n < count; n++) byName.set(name.replace('#', `${n}`), enc(n));
}
// One encoding, two names: what is read is not what was written (D17.3.6).
byName.set('dbgdtrrx_el0', [2, 3, 0, 5, 0]);

const byEncoding = new Map([...byName].map(([name, enc]) => [enc.join(), name]));

export const otherRegister = (name: string): Encoding | undefined => byName.get(name);
export const otherRegisterAt = (enc: Encoding): string | undefined => byEncoding.get(enc.join());
/** All names, for completion. */
export const otherRegisterNames = (): string[] => [...byName.keys()];
