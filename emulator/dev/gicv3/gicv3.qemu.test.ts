import { requireTool } from '../../../test/support/oracles';
import { compareWithQemu, scriptTools } from '../../../test/support/qemu-script';
import { random, type Access } from '../testing/bench';
import { GICD, gicBench, GICR, playGic } from '../testing/gic-script';
import { playVirtual } from '../testing/vgic-script';

const compare = (accesses: readonly Access[], ours: readonly (bigint | 'abort')[], what: string): void =>
  compareWithQemu(accesses, ours, { el2: true, smp: 2 }, what);

describe('GICv3 against QEMU', function () {
  const seeds = [1, 2, 3, 4];
  for (const seed of seeds)
    it(`gives the same answers to random accesses, seed ${seed}`, function () {
      requireTool(this, ...scriptTools);
      const { accesses, results } = playGic(gicBench(2), random(seed), 1000);
      compare(accesses, results, `seed ${seed}`);
    });

  for (const seed of [1, 2, 3, 4]) {
    const split = seed % 2 === 0;
    it(`gives a guest and its hypervisor the same answers, EOImode ${split ? 1 : 0}, seed ${seed}`, function () {
      requireTool(this, ...scriptTools);
      const { accesses, results } = playVirtual(gicBench(2), random(seed), 800, split);
      compare(accesses, results, `seed ${seed}`);
    });
  }

  it('has the same reset values and identification, word by word', function () {
    requireTool(this, ...scriptTools);
    // What QEMU has and this board does not: LPIs (GICD_TYPER.LPIS, GICR_TYPER.PLPIS, GICR_CTLR.CES).
    const lpi = new Set([GICD + 4, GICR, GICR + 8, GICR + 0x20000, GICR + 0x20008]);
    const offsets = [
      0x0, 0x4, 0x8, 0xc, 0x10, 0x14, 0x20, 0x80, 0x100, 0x200, 0x300, 0x400, 0xc00, 0xc04, 0xe00,
    ];
    const ids = [0xffd0, 0xffd4, 0xffe0, 0xffe4, 0xffe8, 0xffec, 0xfff0, 0xfff4, 0xfff8, 0xfffc];
    const accesses = [GICD, GICR, GICR + 0x10000, GICR + 0x20000, GICR + 0x30000]
      .flatMap((base) => [...offsets, ...ids].map((o) => base + o))
      .concat(
        GICR + 0xc,
        GICR + 0x2000c,
        GICR + 0x40000,
        GICD + 0x6100,
        GICD + 0x84,
        GICD + 0x9c,
        GICD + 0xa0,
      )
      .filter((a) => !lpi.has(a))
      .map((a) => ({ op: 'read', at: BigInt(a), bytes: 4 }) as const);
    compare(accesses, gicBench(2).run(accesses), 'reset values');
  });

  it('has the same CPU interface registers at reset and after writing all ones', function () {
    requireTool(this, ...scriptTools);
    const regs = ['sre_el1', 'sre_el2', 'ctlr_el1', 'bpr0_el1', 'bpr1_el1', 'igrpen0_el1', 'igrpen1_el1'];
    const values: [string, bigint][] = [
      ...regs.map((r): [string, bigint] => [r, 0xffff_ffff_ffff_ffffn]),
      ...regs.map((r): [string, bigint] => [r, 0n]),
      ['pmr_el1', 0xffn],
      ['pmr_el1', 0x85n],
      ['ap0r0_el1', 0xffff_ffffn],
      ['ap1r0_el1', 0x8000_0000n],
    ];
    const read = (r: string): Access => ({ op: 'mrs', reg: `icc_${r}` });
    const accesses: Access[] = [
      ...[...regs, 'pmr_el1', 'rpr_el1', 'hppir0_el1', 'hppir1_el1', 'iar0_el1', 'iar1_el1'].map(read),
      ...values.flatMap(([r, value]): Access[] => [
        { op: 'msr', reg: `icc_${r}`, value },
        read(r),
        read('bpr1_el1'),
      ]),
    ];
    compare(accesses, gicBench(2).run(accesses), 'CPU interface');
  });
});
