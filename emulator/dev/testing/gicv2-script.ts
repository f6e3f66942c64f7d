/** Random but meaningful accesses to a GICv2 with virtualization extensions: made one by one, since an EOI names what IAR returned. */
import { Gicv2 } from '../gicv2/gicv2';
import { Played, pick, settleAll, TestBench, type Access } from './bench';
import { FakeBus } from './fake-bus';

export const GICD = 0x0800_0000;
export const GICC = 0x0801_0000;
export const MSI = 0x0802_0000;
export const GICH = 0x0803_0000;
export const GICV = 0x0804_0000;
const bases = { gicd: GICD, gicc: GICC, gich: GICH, gicv: GICV, gicv2m: MSI, gicr: 0 } as const;

/** A GICv2 with the physical timer on its PPI and nothing else. */
export function gicv2Bench(cpus: number): TestBench & { readonly gic: Gicv2 } {
  const bus = new FakeBus(cpus, false);
  const gic = new Gicv2(bus);
  const bench = new TestBench(bus, {
    devices: gic.windows.map(({ region, device }) => ({ base: BigInt(bases[region]), device })),
    sysregs: gic,
    update: () => settleAll(bus, gic),
  });
  return Object.assign(bench, { gic });
}

type Rnd = (below: number) => number;

const write = (at: number, value: number | bigint, bytes: 1 | 4 = 4): Access => ({
  op: 'write',
  at: BigInt(at),
  bytes,
  value: BigInt.asUintN(32, BigInt(value)),
});
const read = (at: number, bytes: 1 | 4 = 4): Access => ({ op: 'read', at: BigInt(at), bytes });
const word = (rnd: Rnd): number => rnd(0x10000) * 0x10000 + rnd(0x10000);

/** SGIs, PPIs (30 has a wire), SPIs, also of the last bank. */
const intids = [0, 1, 5, 15, 17, 27, 30, 33, 40, 63, 64, 200, 287];
const priorities = [0x00, 0x02, 0x08, 0x20, 0x24, 0x40, 0x42, 0x80, 0x81, 0xa0, 0xa8, 0xf0, 0xfe];
const bit = (intid: number): number => 2 ** (intid & 31);
const bankWord = (base: number, intid: number): number => GICD + base + 4 * (intid >> 5);

/** What a script remembers: values of IAR that have not been written to EOIR. */
interface Memory {
  active: number[];
  control: number;
}

const setup = (rnd: Rnd): Access[] => [
  write(GICD, 3),
  write(GICC + 4, 0xff),
  write(GICC, 7),
  { op: 'msr', reg: 'cntp_cval_el0', value: 0n },
  ...[0, 1, 2, 6, 8].map((n) => write(GICD + 0x80 + 4 * n, word(rnd))),
  ...intids.flatMap((i) => [
    write(bankWord(0x100, i), bit(i)),
    write(GICD + 0x400 + i, pick(rnd, priorities), 1),
    // One target each, for good: in QEMU an interrupt is pending at the CPUs that were its targets when it became so.
    write(GICD + 0x800 + i, i === 40 ? 2 : 1, 1),
  ]),
];

/**
 * The same preemption bits for both groups, to be set while nothing is active: QEMU compares the whole of a priority with
 * the running one, which is the same only then.
 */
function binaryPoints(rnd: Rnd, base: number): Access[] {
  const n = base === GICC ? rnd(7) : 2 + rnd(5);
  return [write(base + 8, n), write(base + 0x1c, n + 1), read(base + 8), read(base + 0x1c)];
}

function endOfInterrupt(rnd: Rnd, memory: Memory, intid: number): Access[] {
  const value = memory.active.pop();
  if (value === undefined)
    return [0xd0, 0xd4, 0xd8, 0xdc, 0xe0, 0xe4, 0xe8, 0xec]
      .map((at) => write(GICC + at, 0))
      .concat(binaryPoints(rnd, GICC));
  if (!rnd(8)) return [write(GICC + 0x10, pick(rnd, [intid, value, 1023]))];
  return rnd(3) ? [write(GICC + 0x10, value), write(GICC + 0x1000, value)] : [write(GICC + 0x10, value)];
}

const steps: readonly ((rnd: Rnd, memory: Memory, intid: number) => Access[])[] = [
  ...new Array<(rnd: Rnd, memory: Memory, intid: number) => Access[]>(3).fill((_r, _m, i) => [
    write(bankWord(0x200, i), bit(i)),
  ]),
  (_rnd, _memory, i) => [write(bankWord(0x280, i), bit(i))],
  (rnd, _memory, i) => [write(GICD + 0x400 + i, pick(rnd, priorities), 1)],
  (rnd, _memory, i) => [write(bankWord(rnd(3) ? 0x100 : 0x180, i), bit(i))],
  ...new Array<() => Access[]>(4).fill(() => [read(GICC + 0xc)]),
  endOfInterrupt,
  endOfInterrupt,
  (_rnd, memory, i) => [write(GICC + 0x1000, memory.active.at(-1) ?? i)],
  (rnd, memory) => {
    // Both groups or none: which of two interrupts wins when its group is off differs (see the comparison).
    memory.control = pick(rnd, [7, 7, 3, 0xf, 0x207, 0x207, 0x20f, 0]);
    return [write(GICC, memory.control), read(GICC)];
  },
  (rnd) => [write(GICD + 0xf00, (rnd(3) << 24) | (rnd(4) << 16) | pick(rnd, [0, 1, 5, 15]))],
  // QEMU 7.2 ends when no bit is set here.
  (rnd) => [write(GICD + 0xf20 + pick(rnd, [0, 1, 5, 15]), 1 + rnd(3), 1)],
  (rnd) => [write(GICD + 0xf10 + pick(rnd, [0, 1, 5, 15]), rnd(4), 1)],
  (rnd) => [{ op: 'msr', reg: 'cntp_ctl_el0', value: BigInt(pick(rnd, [0, 1, 1, 3])) }],
  (rnd, _memory, i) => [
    pick(rnd, [
      write(GICD, rnd(4) ? 3 : 0),
      write(bankWord(0x80, i), word(rnd)),
      write(GICD + 0xc00 + 4 * (i >> 4), BigInt(rnd(0x10000)) * 0xaaaan),
    ]),
  ],
  // Only of a CPU's own: an EOI takes an SPI's active state from one CPU alone in QEMU.
  (rnd) => [write(bankWord(rnd(2) ? 0x300 : 0x380, 0), bit(pick(rnd, [0, 1, 5, 17, 27, 30])))],
  (rnd, _memory, i) => [
    read(bankWord(pick(rnd, [0x80, 0x100, 0x200, 0x280, 0x300]), i)),
    read(GICD + 0x400 + (i & ~3)),
    read(GICD + 0x800 + i, 1),
    read(GICD + 0xc00 + 4 * (i >> 4)),
    read(GICD + 0xf10 + (i & 0xc)),
  ],
];

/** Read after every step: what the CPU is told. */
const probe: readonly Access[] = [
  { op: 'mrs', reg: 'isr_el1' },
  ...[0x14, 0xd0, 0xd4, 0xdc, 0xe0, 0xe8].map((at) => read(GICC + at)),
];

/** Plays a script of so many steps on the distributor and the physical interface of CPU 0. */
export function playGicv2(bench: TestBench, rnd: Rnd, count: number): Played {
  const played = new Played(bench);
  const memory: Memory = { active: [], control: 7 };
  const play = (list: readonly Access[]): void => {
    const got = played.play(list);
    const [one] = list;
    const value = Number(got[0]);
    if (one?.op === 'read' && one.at === BigInt(GICC + 0xc) && (value & 0x3ff) < 1020)
      memory.active.push(value);
  };
  play(setup(rnd));
  for (let n = 0; n < count; n++) {
    const steppable = pick(rnd, steps);
    play(steppable(rnd, memory, pick(rnd, intids)));
    play(probe);
  }
  return played;
}

/** Numbers for each list register: the same one in two of them is UNPREDICTABLE. */
const virtualIds = [
  [0, 27],
  [3, 30],
  [40, 100],
  [5, 1000],
] as const;

const listRegister = (rnd: Rnd, n: number): number => {
  const hw = rnd(4) === 0;
  const low = pick(rnd, virtualIds[n]!) | (hw ? pick(rnd, [27, 30]) << 10 : (rnd(2) << 19) | (rnd(4) << 10));
  return (
    ((low | (rnd(32) << 23) | (pick(rnd, [0, 1, 1, 1, 2, 3]) << 28) | (rnd(2) << 30)) >>> 0) +
    (hw ? 2 ** 31 : 0)
  );
};

const virtualSteps: readonly ((rnd: Rnd, last: number | undefined) => Access[])[] = [
  ...new Array<(rnd: Rnd) => Access[]>(4).fill((rnd) => {
    const n = rnd(4);
    return [write(GICH + 0x100 + 4 * n, listRegister(rnd, n))];
  }),
  ...new Array<() => Access[]>(3).fill(() => [read(GICV + 0xc)]),
  ...new Array<(rnd: Rnd, last: number | undefined) => Access[]>(2).fill((rnd, last) => {
    const value = last !== undefined && rnd(6) ? last : pick(rnd, [...virtualIds.flat(), 1023]);
    return rnd(2) ? [write(GICV + 0x10, value)] : [write(GICV + 0x10, value), write(GICV + 0x1000, value)];
  }),
  (rnd) => [write(GICV + 4, pick(rnd, [0xff, 0xf8, 0x88, 0x40, 0])), read(GICV + 4)],
  (rnd) => [write(GICH + 0xf0, 0), ...binaryPoints(rnd, GICV)],
  (rnd) => [write(GICV, pick(rnd, [7, 7, 3, 0xf, 0x207, 0])), read(GICV)],
  () => [write(GICH + 0xf0, 0)],
  (rnd) => {
    // Mask, binary points of the two groups, control.
    const n = 2 + rnd(5);
    const points = (n << 21) | ((n + 1) << 18);
    return [
      write(GICH + 0xf0, 0),
      write(GICH + 8, (rnd(32) << 27) | points | pick(rnd, [7, 3, 0x207])),
      read(GICH + 8),
    ];
  },
  // En mostly on; any maintenance interrupts; the count of EOIs cleared.
  (rnd) => [write(GICH, (rnd(5) ? 1 : 0) | (rnd(128) << 1))],
];

const virtualSetup: readonly Access[] = [
  { op: 'msr', reg: 'hcr_el2', value: 0x80000018n },
  write(GICD, 3),
  write(GICC + 4, 0xff),
  write(GICC, 7),
  // The maintenance interrupt is not enabled, so that it shows as pending and no more.
  write(GICD + 0x304, bit(40)),
  write(GICD + 0x300, bit(27) + bit(30)),
  write(GICH, 1),
  write(GICV, 7),
  write(GICV + 4, 0xf8),
];

const virtualProbe: readonly Access[] = [
  { op: 'mrs', reg: 'isr_el1', el: 1 },
  ...[0, 8, 0x10, 0x20, 0x30, 0xf0, 0x100, 0x104, 0x108, 0x10c].map((at) => read(GICH + at)),
  ...[0x14, 0xd0].map((at) => read(GICV + at)),
  ...[0x200, 0x300, 0x304].map((at) => read(GICD + at)),
];

/** The same for list registers and the virtual interface. */
export function playVirtualV2(bench: TestBench, rnd: Rnd, count: number): Played {
  const played = new Played(bench);
  let last: number | undefined;
  const play = (list: readonly Access[]): void => {
    const got = played.play(list);
    const [one] = list;
    const value = Number(got[0]);
    if (one?.op === 'read' && one.at === BigInt(GICV + 0xc) && (value & 0x3ff) < 1020) last = value;
  };
  play(virtualSetup);
  for (let n = 0; n < count; n++) {
    play(pick(rnd, virtualSteps)(rnd, last));
    play(virtualProbe);
  }
  return played;
}
