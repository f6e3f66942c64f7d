/** What the ID registers of `max` promise, and the small features of Armv8.3 to 8.5 that QEMU 7.2 does not have. */
import assert from 'node:assert/strict';
import { common } from '../../../ir/state';
import { cpuModel } from '../cpus';
import { systemOperations } from '../operands/sysops';
import { a64Rows } from '../rows';
import { state } from '../state';
import { fieldRange, sysregs } from '../sysregs';
import { SystemCpu } from './cpu';

const PC = 0x40001000n;

function cpuAt(el: number, hcr: bigint): SystemCpu {
  const c = new SystemCpu('max').at(el);
  c.setReg('HCR_EL2', (1n << 31n) | hcr);
  c.pc = PC;
  c.set(common.pc, PC);
  return c;
}

/** A field of an ID register, the value that promises a feature, and the features of rows that stand behind it. */
const promises: readonly (readonly [field: string, value: bigint, features: string])[] = [
  ['ID_AA64ISAR0_EL1.SHA2', 2n, 'SHA256 SHA512'],
  ['ID_AA64ISAR0_EL1.SHA3', 1n, 'SHA3'],
  ['ID_AA64ISAR0_EL1.FHM', 1n, 'FHM'],
  ['ID_AA64ISAR0_EL1.TS', 2n, 'FlagM FlagM2'],
  ['ID_AA64ISAR0_EL1.TLB', 2n, 'TLBIOS TLBIRANGE'],
  ['ID_AA64ISAR1_EL1.DPB', 2n, 'DPB DPB2'],
  ['ID_AA64ISAR1_EL1.APA', 1n, 'PAuth'],
  ['ID_AA64ISAR1_EL1.GPA', 1n, 'PAuth'],
  ['ID_AA64ISAR1_EL1.JSCVT', 1n, 'JSCVT'],
  ['ID_AA64ISAR1_EL1.FCMA', 1n, 'FCMA'],
  ['ID_AA64ISAR1_EL1.LRCPC', 2n, 'LRCPC LRCPC2'],
  ['ID_AA64ISAR1_EL1.FRINTTS', 1n, 'FRINTTS'],
  ['ID_AA64ISAR1_EL1.SB', 1n, 'SB'],
  ['ID_AA64ISAR1_EL1.I8MM', 1n, 'I8MM'],
  ['ID_AA64PFR0_EL1.DIT', 1n, 'DIT'],
  ['ID_AA64PFR1_EL1.SSBS', 2n, 'SSBS2'],
];

/** What QEMU's `max` has besides: not here. */
const absent = [
  ...['ISAR0.TME', 'ISAR0.SM3', 'ISAR0.SM4', 'ISAR0.RNDR', 'ISAR1.BF16', 'ISAR1.SPECRES', 'ISAR1.DGH'],
  ...['ISAR1.API', 'ISAR1.GPI', 'MMFR0.TGran4', 'MMFR0.FGT', 'MMFR1.HCX', 'MMFR2.AT', 'MMFR2.NV'],
  ...['PFR0.SVE', 'PFR0.AMU', 'PFR0.MPAM', 'PFR1.MTE', 'PFR1.SME'],
].map((text) => `ID_AA64${text.replace('.', '_EL1.')}`);

function idField(text: string): bigint {
  const [register = '', field = ''] = text.split('.');
  const { lsb, width } = fieldRange(register, field);
  return ((cpuModel('max').id[register] ?? 0n) >> BigInt(lsb)) & ((1n << BigInt(width)) - 1n);
}

describe('max', () => {
  it('promises what has rows, and nothing else', () => {
    const { features } = cpuModel('max');
    const behind = new Set([...a64Rows.map((r) => r.feature), ...sysregs.map((r) => r.feature)]);
    for (const [field, value, names] of promises) {
      assert.equal(idField(field), value, field);
      for (const name of names.split(' ')) assert.ok(features.has(name) && behind.has(name), name);
    }
    for (const field of absent) assert.equal(idField(field), 0n, field);
  });

  it('has no AArch32: a return to it is illegal', () => {
    for (const level of ['EL0', 'EL1', 'EL2']) assert.equal(idField(`ID_AA64PFR0_EL1.${level}`), 1n);
    const c = cpuAt(2, 0n);
    c.setReg('SPSR_EL2', 0x10n);
    c.setReg('ELR_EL2', 0x1000n);
    assert.equal(c.exec(0xd69f03e0), 'recheck');
    assert.deepEqual([c.el, c.get(state.il)], [2, 1n]);
  });

  // FEAT_EVT (D17.2.48): EC 0x18 at EL2, or the operation.
  const traps: readonly (readonly [operation: string, bit: bigint])[] = [
    ['tlbi vmalle1is', 54n],
    ['tlbi rvae1is', 54n],
    ['tlbi vmalle1os', 55n],
    ['tlbi rvale1os', 55n],
    ['ic ialluis', 50n],
    ['ic iallu', 52n],
    ['ic ivau', 52n],
    ['dc cvau', 52n],
  ];
  for (const [operation, bit] of traps) {
    it(`${operation} traps by HCR_EL2 bit ${bit} alone`, () => {
      const o = systemOperations.find((x) => `${x.instruction} ${x.name}` === operation)!;
      const crn = o.instruction === 'tlbi' ? 8 : 7;
      const [op1, , crm, op2] = o.encoding;
      assert.equal(o.encoding[1], crn);
      const word = (0xd5080000 | (op1 << 16) | (crn << 12) | (crm << 8) | (op2 << 5) | 1) >>> 0;
      for (const other of [50n, 52n, 54n, 55n]) {
        const c = cpuAt(1, 1n << other);
        c.exec(word);
        const trapped = c.el === 2 && c.reg('ESR_EL2') >> 26n === 0x18n;
        assert.equal(trapped, other === bit, `bit ${other}`);
      }
      const host = cpuAt(2, 1n << bit);
      host.exec(word);
      assert.equal(host.reg('ESR_EL2'), 0n, 'EL2 itself');
    });
  }
});
