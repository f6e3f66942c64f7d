import assert from 'node:assert/strict';
import { GICD, gicBench, SGI_FRAME } from '../testing/gic-script';

type Bench = ReturnType<typeof gicBench>;

const PENDING = 1n << 62n;
const ACTIVE = 1n << 63n;
const GROUP1 = 1n << 60n;
const HW = 1n << 61n;
const EOI = 1n << 41n;
const priority = (p: number): bigint => BigInt(p) << 48n;

/** A guest with both groups on, PMR open, and the interface enabled. */
function ready(hcr = 1n): Bench {
  const b = gicBench(1);
  b.msr('ich_vmcr_el2', (0xf8n << 24n) | 3n);
  b.msr('ich_hcr_el2', hcr);
  return b;
}

/** Priority mask, group enables and the maintenance PPI open on the physical side. */
function openPhysical(b: Bench): void {
  b.write(GICD, 3);
  b.msr('icc_pmr_el1', 0xf8);
  b.msr('icc_igrpen1_el1', 1);
  b.write(SGI_FRAME + 0x80, 1 << 25);
  b.write(SGI_FRAME + 0x100, 1 << 25);
}

describe('GICv3 virtual CPU interface', () => {
  it('signals a list register as virtual IRQ or FIQ by its group, acknowledges and ends it', () => {
    for (const [group, line] of [
      [0, 8],
      [1, 4],
    ] as const) {
      const b = ready();
      const lr = (group ? GROUP1 : 0n) | priority(0x80) | 27n;
      b.msr('ich_lr2_el2', PENDING | lr);
      assert.equal(b.bus.lines[0], line);
      assert.equal(b.mrs(`icv_iar${1 - group}_el1`), 1023n);
      assert.equal(b.mrs(`icv_iar${group}_el1`), 27n);
      assert.deepEqual([b.bus.lines[0], b.mrs('icv_rpr_el1')], [0, 0x80n]);
      assert.equal(b.mrs('ich_lr2_el2'), ACTIVE | lr);
      b.msr(`icv_eoir${group}_el1`, 27);
      assert.deepEqual([b.mrs('ich_lr2_el2'), b.mrs('icv_rpr_el1')], [lr, 0xffn]);
    }
  });

  it('signals nothing while ICH_HCR_EL2.En = 0', () => {
    const b = ready(0n);
    b.msr('ich_lr0_el2', PENDING | GROUP1 | 27n);
    assert.equal(b.bus.lines[0], 0);
    b.msr('ich_hcr_el2', 1);
    assert.equal(b.bus.lines[0], 4);
  });

  it('ends the physical interrupt with a list register that has HW = 1', () => {
    const b = ready();
    b.write(SGI_FRAME + 0x300, 1 << 27);
    b.msr('ich_lr0_el2', PENDING | GROUP1 | HW | (27n << 32n) | 100n);
    b.mrs('icv_iar1_el1');
    assert.equal(b.read(SGI_FRAME + 0x300), 1n << 27n);
    b.msr('icv_eoir1_el1', 100);
    assert.equal(b.read(SGI_FRAME + 0x300), 0n);
  });

  it('with EOImode 1 drops the priority at EOIR and deactivates at DIR', () => {
    const b = ready();
    b.msr('icv_ctlr_el1', 2);
    b.msr('ich_lr0_el2', PENDING | GROUP1 | 40n);
    b.mrs('icv_iar1_el1');
    b.msr('icv_eoir1_el1', 40);
    assert.deepEqual([b.mrs('icv_rpr_el1'), b.mrs('ich_lr0_el2') & ACTIVE], [0xffn, ACTIVE]);
    b.msr('icv_dir_el1', 40);
    assert.equal(b.mrs('ich_lr0_el2') & ACTIVE, 0n);
  });

  it('counts in EOIcount what would have deactivated and is in no list register (IHI 0069 12.4.4)', () => {
    const count = (split: boolean): bigint[] => {
      const b = ready();
      b.msr('icv_ctlr_el1', split ? 2 : 0);
      b.msr('ich_ap1r0_el2', 1 << 16);
      b.msr('icv_eoir1_el1', 40);
      const after = b.mrs('ich_hcr_el2') >> 27n;
      b.msr('icv_dir_el1', 40);
      return [after, b.mrs('ich_hcr_el2') >> 27n];
    };
    assert.deepEqual(count(false), [1n, 1n]);
    assert.deepEqual(count(true), [0n, 1n]);
  });

  it('reports each cause in ICH_MISR_EL2 and as PPI 25', () => {
    const two = [PENDING | 1n, PENDING | 2n];
    const causes: readonly [string, bigint, readonly bigint[], bigint, bigint][] = [
      // name, ICH_HCR_EL2 bits, list registers, VMCR enables, MISR
      ['EOI', 0n, [EOI | 5n], 3n, 1n],
      ['underflow', 2n, [PENDING], 3n, 2n],
      ['no underflow with two', 2n, two, 3n, 0n],
      ['EOIcount', 4n | (1n << 27n), [], 3n, 4n],
      ['none pending', 8n, [ACTIVE], 3n, 8n],
      ['one pending', 8n, [PENDING], 3n, 0n],
      ['group 0 enabled', 0x10n, [], 1n, 0x10n],
      ['group 0 disabled', 0x20n, [], 2n, 0x20n],
      ['group 0 not disabled', 0x20n, [], 1n, 0n],
      ['group 1 enabled', 0x40n, [], 2n, 0x40n],
      ['group 1 disabled', 0x80n, [], 1n, 0x80n],
    ];
    for (const [name, hcr, lrs, enables, misr] of causes) {
      const b = gicBench(1);
      openPhysical(b);
      b.msr('ich_vmcr_el2', (0xf8n << 24n) | enables);
      lrs.forEach((v, n) => b.msr(`ich_lr${n}_el2`, v));
      b.msr('ich_hcr_el2', hcr);
      assert.equal((b.bus.lines[0] ?? 0) & 1, 0, `${name}: not while En = 0`);
      b.msr('ich_hcr_el2', hcr | 1n);
      assert.equal(b.mrs('ich_misr_el2'), misr, name);
      assert.equal((b.bus.lines[0] ?? 0) & 1, misr === 0n ? 0 : 1, name);
      if (misr !== 0n) assert.equal(b.mrs('icc_iar1_el1'), 25n);
    }
  });

  it('shows a debugger the next interrupt without acknowledging it', () => {
    const b = ready();
    b.msr('ich_lr0_el2', PENDING | GROUP1 | 27n);
    assert.equal(b.board.sysregs.peek('ICV_IAR1_EL1', 0), 27n);
    assert.equal(b.mrs('ich_lr0_el2'), PENDING | GROUP1 | 27n);
  });

  it('keeps the virtual and the physical priorities apart', () => {
    const b = ready();
    openPhysical(b);
    b.write(SGI_FRAME + 0x400 + 25, 0xa0, 1);
    b.gic.setPpi(0, 25, true);
    assert.equal(b.mrs('icc_iar1_el1'), 25n);
    assert.deepEqual([b.mrs('icc_rpr_el1'), b.mrs('icv_rpr_el1')], [0xa0n, 0xffn]);
  });
});
