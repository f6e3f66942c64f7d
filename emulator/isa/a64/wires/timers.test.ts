import assert from 'node:assert/strict';
import { common } from '../../../ir/state';
import { SystemCpu } from '../system-tests/cpu';
import { settle } from './settle';
import { Wire } from './wires';

const NEVER = 2n ** 64n - 1n;

/** Brings the outputs up to date at a time. @returns the levels, and when one changes next */
function at(c: SystemCpu, time: bigint): { wires: number; due: bigint | undefined } {
  c.set(common.left, 0n);
  c.set(common.timeEnd, time);
  c.call(settle);
  const due = c.get(common.due);
  return { wires: Number(c.get(common.wires)), due: due === NEVER ? undefined : due };
}

const make = (regs: Readonly<Record<string, bigint>> = {}): SystemCpu => {
  const c = new SystemCpu();
  for (const [name, v] of Object.entries(regs)) c.setReg(name, v);
  return c;
};

const rows = [
  { wire: Wire.physicalTimer, ctl: 'CNTP_CTL_EL0', cval: 'CNTP_CVAL_EL0' },
  { wire: Wire.virtualTimer, ctl: 'CNTV_CTL_EL0', cval: 'CNTV_CVAL_EL0' },
  { wire: Wire.hypTimer, ctl: 'CNTHP_CTL_EL2', cval: 'CNTHP_CVAL_EL2' },
  { wire: Wire.hypVirtualTimer, ctl: 'CNTHV_CTL_EL2', cval: 'CNTHV_CVAL_EL2' },
  { wire: Wire.secureTimer, ctl: 'CNTPS_CTL_EL1', cval: 'CNTPS_CVAL_EL1' },
] as const;

describe('outputs of the generic timers', () => {
  for (const row of rows) {
    it(`${row.ctl}: follows counter >= CVAL, ENABLE and IMASK, and drives nothing else`, () => {
      const c = make({ [row.cval]: 100n });
      const table: [bigint, bigint, boolean][] = [
        [1n, 1599n, false],
        [1n, 1600n, true],
        [3n, 1600n, false],
        [0n, 1600n, false],
        [1n, 1_000_000n, true],
        [5n, 1_000_000n, true],
      ];
      for (const [ctl, time, expected] of table) {
        c.setReg(row.ctl, ctl);
        assert.equal(at(c, time).wires, expected ? row.wire : 0, `${ctl} at ${time}`);
      }
    });

    it(`${row.ctl}: is due at the first instruction at which the level changes`, () => {
      const c = make({ [row.ctl]: 1n, [row.cval]: 1000n });
      assert.deepEqual(at(c, 37n), { wires: 0, due: 16000n });
      assert.equal(at(c, 15999n).wires, 0);
      assert.equal(at(c, 16000n).wires, row.wire);
    });
  }

  it('the virtual timer counts from CNTVOFF_EL2, in both directions', () => {
    const c = make({ CNTV_CTL_EL0: 1n, CNTV_CVAL_EL0: 50n, CNTVOFF_EL2: 200n });
    assert.equal(at(c, 220n * 16n).due, 250n * 16n);
    c.setReg('CNTVOFF_EL2', 2n ** 64n - 10n);
    assert.equal(at(c, 30n * 16n).due, 40n * 16n, 'a negative offset runs ahead');
    assert.equal(at(c, 40n * 16n).wires, Wire.virtualTimer);
  });

  it('the condition is unsigned over 64 bits: ahead of an offset it holds, until the view wraps', () => {
    const c = make({ CNTV_CTL_EL0: 1n, CNTV_CVAL_EL0: 50n, CNTVOFF_EL2: 100n });
    // The view is 2^64 - 100.
    assert.deepEqual(at(c, 0n), { wires: Wire.virtualTimer, due: 100n * 16n });
    assert.deepEqual(at(c, 100n * 16n), { wires: 0, due: 150n * 16n });
  });

  it('is never due while nothing is armed, and at the soonest of all otherwise', () => {
    const c = make();
    assert.equal(at(c, 0n).due, undefined);
    c.setReg('CNTP_CVAL_EL0', 500n);
    c.setReg('CNTP_CTL_EL0', 3n);
    assert.equal(at(c, 0n).due, undefined, 'masked');
    c.setReg('CNTP_CTL_EL0', 1n);
    assert.equal(at(c, 0n).due, 8000n);
    c.setReg('CNTHP_CVAL_EL2', 400n);
    c.setReg('CNTHP_CTL_EL2', 1n);
    assert.equal(at(c, 0n).due, 6400n);
  });

  it('keeps the level while the condition holds, and drops it when the guest moves CVAL', () => {
    const c = make({ CNTP_CTL_EL0: 1n });
    assert.deepEqual(at(c, 0n), { wires: Wire.physicalTimer, due: undefined }, 'CVAL 0 is met for ever');
    c.setReg('CNTP_CVAL_EL0', 10n);
    assert.equal(at(c, 0n).wires, 0);
  });

  it('keeps the outputs that are not of timers', () => {
    const c = make({ PMOVSSET_EL0: 1n, PMINTENSET_EL1: 1n, PMCR_EL0: 1n, CNTP_CTL_EL0: 1n });
    assert.equal(at(c, 0n).wires, Wire.physicalTimer | Wire.pmu);
    c.setReg('CNTP_CTL_EL0', 0n);
    assert.equal(at(c, 0n).wires, Wire.pmu);
  });
});
