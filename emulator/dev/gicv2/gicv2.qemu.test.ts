import { requireTool } from '../../../test/support/oracles';
import { compareWithQemu, scriptTools } from '../../../test/support/qemu-script';
import { random, type Access } from '../testing/bench';
import { GICC, GICD, GICH, GICV, gicv2Bench, MSI, playGicv2, playVirtualV2 } from '../testing/gicv2-script';

const compare = (accesses: readonly Access[], ours: readonly (bigint | 'abort')[], what: string): void =>
  compareWithQemu(accesses, ours, { el2: true, smp: 2, gic: 2 }, what);

describe('GICv2 against QEMU', function () {
  for (const seed of [1, 2, 3, 4])
    it(`gives the same answers to random accesses, seed ${seed}`, function () {
      requireTool(this, ...scriptTools);
      const { accesses, results } = playGicv2(gicv2Bench(2), random(seed), 800);
      compare(accesses, results, `seed ${seed}`);
    });

  for (const seed of [1, 2, 3, 4])
    it(`gives a guest and its hypervisor the same answers, seed ${seed}`, function () {
      requireTool(this, ...scriptTools);
      const { accesses, results } = playVirtualV2(gicv2Bench(2), random(seed), 600);
      compare(accesses, results, `seed ${seed}`);
    });

  it('makes an SPI pending by a message, if the number belongs to the frame and the SPI is an edge', function () {
    requireTool(this, ...scriptTools);
    const write = (at: number, value: bigint, bytes: 1 | 2 | 4 = 4): Access => ({
      ...{ op: 'write', at: BigInt(at), bytes, value },
    });
    const read = (at: number): Access => ({ op: 'read', at: BigInt(at), bytes: 4 });
    const pending = [2, 3, 4].map((n) => read(GICD + 0x200 + 4 * n));
    const accesses: Access[] = [
      ...[0, 4, 8, 0x40, 0xfcc, 0xfd0, 0xffc, 0x1000].map((at) => read(MSI + at)),
      ...[80, 81, 143, 144].map((n) => write(GICD + 0x800 + n, 1n, 1)),
      ...[5, 8].map((n) => write(GICD + 0xc00 + 4 * n, 0xaaaa_aaa8n)),
      ...[79, 80, 81, 143, 144, 0].flatMap((n) => [write(MSI + 0x40, BigInt(n)), ...pending]),
    ];
    compare(accesses, gicv2Bench(2).run(accesses), 'MSI frame');
  });

  it('has the same registers at reset, and after all ones and zeros were written, word by word', function () {
    requireTool(this, ...scriptTools);
    const windows: [number, readonly number[]][] = [
      [GICD, [0, 4, 8, 0xc, 0x80, 0x84, 0xa0, 0xa4, 0x100, 0x180, 0x200, 0x280, 0x300, 0x400, 0x404, 0x41c]],
      [
        GICD,
        [0x420, 0x51c, 0x520, 0x800, 0x81c, 0x820, 0x91c, 0x920, 0xc00, 0xc04, 0xc08, 0xf00, 0xf10, 0xf20],
      ],
      [GICD, [0xfd0, 0xfd4, 0xfe0, 0xfe4, 0xfe8, 0xfec, 0xff0, 0xff4, 0xff8, 0xffc, 0x1000]],
      [GICC, [0, 4, 8, 0xc, 0x14, 0x18, 0x1c, 0xd0, 0xd4, 0xd8, 0xdc, 0xe0, 0xec, 0xfc, 0x1000, 0x2000]],
      [GICH, [0, 4, 8, 0x10, 0x20, 0x24, 0x30, 0x34, 0xf0, 0x100, 0x104, 0x108, 0x10c, 0x110, 0x1000]],
      [GICV, [0, 4, 8, 0xc, 0x14, 0x18, 0x1c, 0xd0, 0xd4, 0xfc, 0x1000, 0x2000]],
    ];
    const all = windows.flatMap(([base, offsets]) => offsets.map((o) => base + o));
    const reads = all.map((at): Access => ({ op: 'read', at: BigInt(at), bytes: 4 }));
    // What QEMU keeps although no such bit exists: EOImodeNS without Security Extensions, CPUs that are not there.
    const implemented = new Map([
      ...[GICC, GICV, GICH + 8].map((at) => [at, 0xffff_f21fn] as const),
      ...[0x820, 0x91c, 0xf20].map((o) => [GICD + o, 0x0303_0303n] as const),
    ]);
    // GICV_ABPR is at least 3, as it is at reset; QEMU takes 1.
    const leastAbpr = 3n << 18n;
    const quiet: readonly Access[] = [
      { op: 'write', at: BigInt(GICC), bytes: 4, value: 0n },
      { op: 'write', at: BigInt(GICD), bytes: 4, value: 0n },
    ];
    const unwritten = new Set([
      ...[GICD + 0x1000, GICC + 0x2000, GICH + 0x1000, GICV + 0x2000],
      // Commands; a list register beyond the last, which QEMU has.
      ...[GICD + 0xf00, GICC + 0x1000, GICV + 0x1000, GICH + 0x110],
      GICV + 0x1c,
    ]);
    const writes = (value: bigint): Access[] =>
      all
        .filter((at) => !unwritten.has(at))
        .map((at) => ({
          ...{ op: 'write', at: BigInt(at), bytes: 4 },
          value: (value & (implemented.get(at) ?? 0xffff_ffffn)) | (at === GICH + 8 ? leastAbpr : 0n),
        }));
    const accesses = [...reads, ...writes(0xffff_ffffn), ...quiet, ...reads, ...writes(0n), ...reads];
    compare(accesses, gicv2Bench(2).run(accesses), 'registers');
  });
});
