import assert from 'node:assert/strict';
import { GICD, gicBench, GICR, SGI_FRAME } from '../testing/gic-script';

type Bench = ReturnType<typeof gicBench>;

/** Size of one CPU's two redistributor frames. */
const PER_CPU = 0x20000;

/** Both groups on, at the distributor and at every CPU, and every priority let through. */
function ready(cpus = 1): Bench {
  const b = gicBench(cpus);
  b.write(GICD, 3);
  for (let cpu = 0; cpu < cpus; cpu++) {
    b.msr('icc_pmr_el1', 0xf8, cpu);
    b.msr('icc_igrpen0_el1', 1, cpu);
    b.msr('icc_igrpen1_el1', 1, cpu);
  }
  return b;
}

interface Config {
  readonly group?: 0 | 1;
  readonly priority?: number;
  readonly cpu?: number;
}

/** Enables an interrupt; group 1 and priority 0x80 unless told otherwise. */
function enable(b: Bench, intid: number, c: Config = {}): void {
  const frame = intid < 32 ? SGI_FRAME + PER_CPU * (c.cpu ?? 0) : GICD;
  const word = 4 * (intid >> 5);
  const bit = 1n << BigInt(intid & 31);
  const group = b.read(frame + 0x80 + word);
  b.write(frame + 0x80 + word, (c.group ?? 1) ? group | bit : group & ~bit);
  b.write(frame + 0x400 + intid, c.priority ?? 0x80, 1);
  b.write(frame + 0x100 + word, bit);
  if (intid >= 32) b.write(GICD + 0x6000 + 8 * intid, c.cpu ?? 0, 8);
}

const pend = (b: Bench, intid: number, cpu = 0): void =>
  b.write(
    (intid < 32 ? SGI_FRAME + PER_CPU * cpu : GICD) + 0x200 + 4 * (intid >> 5),
    1n << BigInt(intid & 31),
  );
const isActive = (b: Bench, intid: number): boolean =>
  ((b.read((intid < 32 ? SGI_FRAME : GICD) + 0x300 + 4 * (intid >> 5)) >> BigInt(intid & 31)) & 1n) === 1n;

describe('GICv3', () => {
  describe('preemption (IHI 0069 4.8)', () => {
    interface Case {
      readonly what: string;
      readonly running: Config;
      readonly next: Config;
      readonly bpr0?: number;
      readonly bpr1?: number;
      readonly ctlr?: number;
      readonly preempts: boolean;
    }
    const cases: readonly Case[] = [
      {
        what: 'a higher priority preempts',
        running: { priority: 0x80 },
        next: { priority: 0x78 },
        preempts: true,
      },
      {
        what: 'an equal priority does not',
        running: { priority: 0x80 },
        next: { priority: 0x80 },
        preempts: false,
      },
      {
        what: 'a lower one does not',
        running: { priority: 0x80 },
        next: { priority: 0x88 },
        preempts: false,
      },
      {
        what: 'within one group priority of group 1 (BPR1 = 5: bits 7:5) nothing preempts',
        running: { priority: 0x98 },
        next: { priority: 0x80 },
        bpr1: 5,
        preempts: false,
      },
      {
        what: 'across group priorities of group 1 it does',
        running: { priority: 0x98 },
        next: { priority: 0x78 },
        bpr1: 5,
        preempts: true,
      },
      {
        what: 'group 0 splits one bit higher for the same number (BPR0 = 4: bits 7:5)',
        running: { priority: 0x98, group: 0 },
        next: { priority: 0x80, group: 0 },
        bpr0: 4,
        preempts: false,
      },
      {
        what: 'BPR0 = 3 separates them (bits 7:4)',
        running: { priority: 0x98, group: 0 },
        next: { priority: 0x80, group: 0 },
        bpr0: 3,
        preempts: true,
      },
      {
        what: 'CBPR makes group 1 use BPR0',
        running: { priority: 0x98 },
        next: { priority: 0x80 },
        bpr0: 4,
        bpr1: 3,
        ctlr: 1,
        preempts: false,
      },
      {
        what: 'a group 0 interrupt is compared by its own binary point',
        running: { priority: 0x98, group: 1 },
        next: { priority: 0x90, group: 0 },
        bpr0: 2,
        bpr1: 3,
        preempts: true,
      },
    ];
    for (const c of cases)
      it(c.what, () => {
        const b = ready();
        b.msr('icc_bpr0_el1', c.bpr0 ?? 0);
        b.msr('icc_bpr1_el1', c.bpr1 ?? 0);
        b.msr('icc_ctlr_el1', c.ctlr ?? 0);
        enable(b, 40, c.running);
        enable(b, 41, c.next);
        pend(b, 40);
        assert.equal(b.mrs(`icc_iar${c.running.group ?? 1}_el1`), 40n);
        pend(b, 41);
        const group = c.next.group ?? 1;
        assert.equal(b.bus.lines[0], c.preempts ? (group ? 1 : 2) : 0, 'line');
        assert.equal(b.mrs(`icc_hppir${group}_el1`), 41n, 'HPPIR does not ask for preemption');
        assert.equal(b.mrs(`icc_iar${group}_el1`), c.preempts ? 41n : 1023n);
      });
  });

  it('masks by ICC_PMR_EL1: only strictly higher priorities pass', () => {
    const b = ready();
    enable(b, 40, { priority: 0x80 });
    pend(b, 40);
    for (const [pmr, line] of [
      [0x78, 0],
      [0x80, 0],
      [0x88, 1],
      [0, 0],
      [0xff, 1],
    ] as const) {
      b.msr('icc_pmr_el1', pmr);
      assert.equal(b.bus.lines[0], line, `PMR 0x${pmr.toString(16)}`);
    }
  });

  it('prefers the lowest INTID among equals and the highest priority among others', () => {
    const b = ready();
    for (const [intid, priority] of [
      [100, 0x40],
      [50, 0x40],
      [33, 0x48],
      [20, 0x40],
    ] as const) {
      enable(b, intid, { priority });
      pend(b, intid);
    }
    const order = [20, 50, 100, 33].map(() => {
      const got = b.mrs('icc_iar1_el1');
      b.msr('icc_eoir1_el1', got);
      return Number(got);
    });
    assert.deepEqual(order, [20, 50, 100, 33]);
    assert.equal(b.mrs('icc_iar1_el1'), 1023n);
  });

  it('signals group 0 as FIQ and group 1 as IRQ, and gives each only to its own IAR', () => {
    for (const group of [0, 1] as const) {
      const b = ready();
      enable(b, 40, { group });
      pend(b, 40);
      assert.equal(b.bus.lines[0], group === 0 ? 2 : 1);
      assert.equal(b.mrs(`icc_iar${1 - group}_el1`), 1023n);
      assert.equal(b.mrs(`icc_iar${group}_el1`), 40n);
      assert.equal(b.bus.lines[0], 0);
    }
  });

  describe('group enables', () => {
    const cases: readonly { readonly what: string; readonly off: (b: Bench) => void }[] = [
      { what: 'ICC_IGRPEN1_EL1', off: (b) => b.msr('icc_igrpen1_el1', 0) },
      { what: 'GICD_CTLR.EnableGrp1', off: (b) => b.write(GICD, 1) },
    ];
    for (const c of cases)
      it(`${c.what} = 0 withholds group 1, and lets a lower group 0 interrupt through`, () => {
        const b = ready();
        enable(b, 40, { group: 1, priority: 0x20 });
        enable(b, 41, { group: 0, priority: 0xa0 });
        pend(b, 40);
        pend(b, 41);
        assert.equal(b.mrs('icc_hppir1_el1'), 40n);
        c.off(b);
        assert.equal(b.mrs('icc_hppir1_el1'), 1023n);
        assert.equal(b.bus.lines[0], 2);
        assert.equal(b.mrs('icc_iar0_el1'), 41n);
      });
  });

  describe('end of interrupt', () => {
    it('EOImode 0 drops the priority and deactivates', () => {
      const b = ready();
      enable(b, 40);
      pend(b, 40);
      assert.equal(b.mrs('icc_iar1_el1'), 40n);
      assert.deepEqual([b.mrs('icc_rpr_el1'), isActive(b, 40)], [0x80n, true]);
      b.msr('icc_eoir1_el1', 40);
      assert.deepEqual([b.mrs('icc_rpr_el1'), isActive(b, 40)], [0xffn, false]);
    });

    it('EOImode 1 drops the priority at EOIR and deactivates at DIR: the hypervisor hands the second to its guest', () => {
      const b = ready();
      b.msr('icc_ctlr_el1', 2);
      enable(b, 27);
      enable(b, 40);
      pend(b, 27);
      assert.equal(b.mrs('icc_iar1_el1'), 27n);
      b.msr('icc_eoir1_el1', 27);
      assert.deepEqual([b.mrs('icc_rpr_el1'), isActive(b, 27)], [0xffn, true]);
      pend(b, 27);
      assert.equal(b.bus.lines[0], 0, 'active and pending: not signalled again');
      pend(b, 40);
      assert.equal(b.mrs('icc_iar1_el1'), 40n, 'another of the same priority is');
      b.msr('icc_eoir1_el1', 40);
      b.msr('icc_dir_el1', 27);
      assert.deepEqual([isActive(b, 27), b.bus.lines[0]], [false, 1]);
    });

    it('DIR without EOImode 1 and EOI of the wrong group do nothing', () => {
      const b = ready();
      enable(b, 40);
      pend(b, 40);
      b.mrs('icc_iar1_el1');
      b.msr('icc_dir_el1', 40);
      b.msr('icc_eoir0_el1', 40);
      assert.deepEqual([b.mrs('icc_rpr_el1'), isActive(b, 40)], [0x80n, true]);
    });

    it('nested interrupts end from the inside out', () => {
      const b = ready();
      for (const [intid, priority] of [
        [40, 0xa0],
        [41, 0x60],
        [42, 0x20],
      ] as const) {
        enable(b, intid, { priority });
        pend(b, intid);
        assert.equal(b.mrs('icc_iar1_el1'), BigInt(intid));
      }
      assert.equal(b.mrs('icc_ap1r0_el1'), (1n << 4n) | (1n << 12n) | (1n << 20n));
      const running = [42, 41, 40].map((intid) => {
        b.msr('icc_eoir1_el1', intid);
        return b.mrs('icc_rpr_el1');
      });
      assert.deepEqual(running, [0x60n, 0xa0n, 0xffn]);
    });
  });

  describe('triggers', () => {
    it('a level interrupt stays pending while its wire is up, and returns after EOI', () => {
      const b = ready();
      enable(b, 33);
      b.gic.setSpi(1, true);
      assert.equal(b.mrs('icc_iar1_el1'), 33n);
      b.msr('icc_eoir1_el1', 33);
      assert.equal(b.bus.lines[0], 1);
      b.gic.setSpi(1, false);
      assert.equal(b.bus.lines[0], 0);
    });

    it('an edge interrupt is latched, once for each edge', () => {
      const b = ready();
      enable(b, 33);
      b.write(GICD + 0xc08, 0b1000);
      b.gic.setSpi(1, true);
      b.gic.setSpi(1, false);
      assert.equal(b.mrs('icc_iar1_el1'), 33n);
      b.msr('icc_eoir1_el1', 33);
      assert.equal(b.bus.lines[0], 0);
      b.gic.setSpi(1, true);
      assert.equal(b.mrs('icc_iar1_el1'), 33n);
      b.gic.setSpi(1, true);
      b.msr('icc_eoir1_el1', 33);
      assert.equal(b.mrs('icc_iar1_el1'), 1023n);
    });

    it('the trigger of an SGI cannot be changed, that of a PPI can', () => {
      const b = ready();
      b.write(SGI_FRAME + 0xc00, 0);
      b.write(SGI_FRAME + 0xc04, 0xffffffff);
      assert.deepEqual([b.read(SGI_FRAME + 0xc00), b.read(SGI_FRAME + 0xc04)], [0xaaaaaaaan, 0xaaaaaaaan]);
    });
  });

  describe('SGIs', () => {
    const all = (n: number): Bench => {
      const b = ready(n);
      for (let cpu = 0; cpu < n; cpu++) enable(b, 3, { cpu });
      return b;
    };
    const sgi3 = 3n << 24n;
    const cases: readonly (readonly [string, bigint, readonly number[]])[] = [
      ['a target list', sgi3 | 0b101n, [0, 2]],
      ['self', sgi3 | 0b1n, [0]],
      ['all but self (IRM)', sgi3 | (1n << 40n), [1, 2]],
      ['a cluster that does not exist', sgi3 | (1n << 16n) | 1n, []],
      ['a range that does not exist', sgi3 | (1n << 44n) | 1n, []],
      ['CPUs beyond the last', sgi3 | 0xfff8n, []],
    ];
    for (const [what, value, expected] of cases)
      it(`ICC_SGI1R_EL1 reaches ${what}`, () => {
        const b = all(3);
        b.msr('icc_sgi1r_el1', value);
        assert.deepEqual(
          [0, 1, 2].filter((cpu) => b.bus.lines[cpu] === 1),
          expected,
        );
        for (const cpu of expected) assert.equal(b.mrs('icc_iar1_el1', cpu), 3n);
      });

    it('ICC_SGI0R_EL1 reaches only an SGI in group 0, ICC_SGI1R_EL1 only one in group 1', () => {
      const b = all(2);
      enable(b, 3, { cpu: 1, group: 0 });
      b.msr('icc_sgi0r_el1', sgi3 | 3n);
      assert.deepEqual(b.bus.lines, [0, 2]);
      b.msr('icc_sgi1r_el1', sgi3 | 3n);
      assert.deepEqual(b.bus.lines, [1, 2]);
    });
  });

  it('routes an SPI by GICD_IROUTER, and to no one when the affinity does not exist', () => {
    const b = ready(2);
    enable(b, 40);
    pend(b, 40);
    const lines = [0n, 1n, 2n, 0x100n, 0x1_0000_0000n].map((route) => {
      b.write(GICD + 0x6000 + 8 * 40, route, 8);
      return [...b.bus.lines];
    });
    assert.deepEqual(lines, [
      [1, 0],
      [0, 1],
      [0, 0],
      [0, 0],
      [0, 0],
    ]);
  });

  it('has private interrupts per CPU', () => {
    const b = ready(2);
    enable(b, 27, { cpu: 0 });
    enable(b, 27, { cpu: 1 });
    b.gic.setPpi(1, 27, true);
    assert.deepEqual(b.bus.lines, [0, 1]);
    assert.equal(b.mrs('icc_iar1_el1', 0), 1023n);
    assert.equal(b.mrs('icc_iar1_el1', 1), 27n);
  });

  it('shows the affinity and the last CPU in GICR_TYPER, and wakes through GICR_WAKER', () => {
    const b = gicBench(3);
    const typers = [0, 1, 2].map((cpu) => b.read(GICR + PER_CPU * cpu + 8, 8));
    assert.deepEqual(typers, [0n, (1n << 32n) | 0x100n, (2n << 32n) | 0x210n]);
    assert.equal(b.read(GICR + 0x14), 6n);
    b.write(GICR + 0x14, 0);
    assert.deepEqual([b.read(GICR + 0x14), b.read(GICR + PER_CPU + 0x14)], [0n, 6n]);
    assert.throws(() => b.read(GICR + 3 * PER_CPU), /nothing answers/);
  });

  it('keeps GICD_ITARGETSR and the distributor words of INTIDs 0-31 RAZ/WI (affinity routing)', () => {
    const b = ready();
    for (const at of [0x80, 0x100, 0x200, 0x300, 0x400, 0x800, 0x820, 0xf10]) {
      b.write(GICD + at, 0xffffffff);
      assert.equal(b.read(GICD + at), 0n, `0x${at.toString(16)}`);
    }
  });

  it('lets a debugger look at IAR without acknowledging', () => {
    const b = ready();
    enable(b, 40);
    pend(b, 40);
    const before = JSON.stringify(b.gic.redistributors.state);
    assert.equal(b.board.sysregs.peek('ICC_IAR1_EL1', 0), 40n);
    assert.equal(JSON.stringify(b.gic.redistributors.state), before);
    assert.equal(b.bus.lines[0], 1);
  });

  it('refuses register names that it does not have', () => {
    assert.throws(() => gicBench(1).board.sysregs.read('ICC_AP1R1_EL1', 0), /no register ICC_AP1R1_EL1/);
  });
});
