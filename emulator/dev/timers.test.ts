import assert from 'node:assert/strict';
import { FakeBus } from './testing/fake-bus';
import { timerRows, Timers } from './timers';

function make(cpus = 1, el2 = true): { bus: FakeBus; timers: Timers; lines: Map<string, boolean> } {
  const bus = new FakeBus(cpus);
  const lines = new Map<string, boolean>();
  const timers = new Timers(bus, timerRows(el2), (cpu, ppi, level) => lines.set(`${cpu}:${ppi}`, level));
  return { bus, timers, lines };
}

/** The deadline as the registers are now. */
function due(timers: Timers): bigint | undefined {
  timers.update();
  return timers.deadline();
}

const rows = [
  { ppi: 30, ctl: 'CNTP_CTL_EL0', cval: 'CNTP_CVAL_EL0', offset: false },
  { ppi: 27, ctl: 'CNTV_CTL_EL0', cval: 'CNTV_CVAL_EL0', offset: true },
  { ppi: 26, ctl: 'CNTHP_CTL_EL2', cval: 'CNTHP_CVAL_EL2', offset: false },
  { ppi: 28, ctl: 'CNTHV_CTL_EL2', cval: 'CNTHV_CVAL_EL2', offset: false },
] as const;

describe('generic timers', () => {
  for (const row of rows) {
    it(`${row.ctl}: PPI ${row.ppi} follows counter >= CVAL, ENABLE and IMASK`, () => {
      const { bus, timers, lines } = make();
      bus.writeSysreg(0, row.cval, 100n);
      const level = (ctl: bigint, time: bigint): boolean | undefined => {
        bus.writeSysreg(0, row.ctl, ctl);
        bus.time = time;
        timers.advance();
        return lines.get(`0:${row.ppi}`);
      };
      const table: [bigint, bigint, boolean][] = [
        [1n, 1599n, false],
        [1n, 1600n, true],
        [3n, 1600n, false],
        [0n, 1600n, false],
        [1n, 1_000_000n, true],
        [5n, 1_000_000n, true],
      ];
      for (const [ctl, time, expected] of table)
        assert.equal(level(ctl, time), expected, `${ctl} at ${time}`);
      const others = [...lines].filter(([k, on]) => on && k !== `0:${row.ppi}`);
      assert.deepEqual(others, []);
    });

    it(`${row.ctl}: the deadline is the first instruction at which the level changes`, () => {
      const { bus, timers, lines } = make();
      bus.writeSysreg(0, row.ctl, 1n);
      bus.writeSysreg(0, row.cval, 1000n);
      bus.time = 37n;
      const next = due(timers);
      assert.equal(next, 16000n);
      for (const [time, on] of [
        [15999n, false],
        [16000n, true],
      ] as const) {
        bus.time = time;
        timers.advance();
        assert.equal(lines.get(`0:${row.ppi}`), on);
      }
    });
  }

  it('the virtual timer counts from CNTVOFF_EL2, in both directions', () => {
    const { bus, timers, lines } = make();
    bus.writeSysreg(0, 'CNTV_CTL_EL0', 1n);
    bus.writeSysreg(0, 'CNTV_CVAL_EL0', 50n);
    bus.writeSysreg(0, 'CNTVOFF_EL2', 200n);
    bus.time = 220n * 16n;
    assert.equal(due(timers), 250n * 16n);
    bus.writeSysreg(0, 'CNTVOFF_EL2', 2n ** 64n - 10n);
    bus.time = 30n * 16n;
    assert.equal(due(timers), 40n * 16n, 'a negative offset runs ahead');
    bus.time = 40n * 16n;
    timers.advance();
    assert.equal(lines.get('0:27'), true);
  });

  it('the condition is unsigned over 64 bits: ahead of an offset it holds, until the view wraps', () => {
    const { bus, timers, lines } = make();
    bus.writeSysreg(0, 'CNTV_CTL_EL0', 1n);
    bus.writeSysreg(0, 'CNTV_CVAL_EL0', 50n);
    bus.writeSysreg(0, 'CNTVOFF_EL2', 100n);
    timers.advance();
    assert.equal(lines.get('0:27'), true, 'the view is 2^64 - 100');
    const next = due(timers);
    assert.equal(next, 100n * 16n);
    bus.time = next ?? 0n;
    timers.advance();
    assert.equal(lines.get('0:27'), false);
    assert.equal(due(timers), 150n * 16n);
  });

  it('has no deadline while nothing is armed, and the soonest of all CPUs otherwise', () => {
    const { bus, timers } = make(2);
    assert.equal(due(timers), undefined);
    bus.writeSysreg(0, 'CNTP_CVAL_EL0', 500n);
    bus.writeSysreg(0, 'CNTP_CTL_EL0', 3n);
    assert.equal(due(timers), undefined, 'masked');
    bus.writeSysreg(0, 'CNTP_CTL_EL0', 1n);
    bus.writeSysreg(1, 'CNTHP_CVAL_EL2', 400n);
    bus.writeSysreg(1, 'CNTHP_CTL_EL2', 1n);
    assert.equal(due(timers), 6400n);
  });

  it('keeps the level while the condition holds, and drops it when the guest moves CVAL', () => {
    const { bus, timers, lines } = make();
    bus.writeSysreg(0, 'CNTP_CTL_EL0', 1n);
    timers.advance();
    assert.equal(lines.get('0:30'), true);
    assert.equal(due(timers), undefined, 'CVAL 0 is met for ever');
    bus.writeSysreg(0, 'CNTP_CVAL_EL0', 10n);
    timers.advance();
    assert.equal(lines.get('0:30'), false);
  });

  it('without EL2 has no hyp timer and no offset', () => {
    const { bus, timers, lines } = make(1, false);
    bus.writeSysreg(0, 'CNTHP_CTL_EL2', 1n);
    bus.writeSysreg(0, 'CNTVOFF_EL2', 1000n);
    bus.writeSysreg(0, 'CNTV_CVAL_EL0', 10n);
    bus.writeSysreg(0, 'CNTV_CTL_EL0', 1n);
    bus.time = 160n;
    timers.advance();
    assert.deepEqual(Object.fromEntries(lines), { '0:30': false, '0:27': true });
  });
});
