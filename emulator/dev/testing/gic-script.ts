/** Random but meaningful accesses to a GICv3: made one by one, since an EOI names what an acknowledge returned. */
import { Gicv3 } from '../gicv3/gicv3';
import { Played, pick, settleAll, TestBench, type Access } from './bench';
import { FakeBus } from './fake-bus';

export const GICD = 0x0800_0000;
export const GICR = 0x080a_0000;
/** SGI_base of CPU 0. */
export const SGI_FRAME = 0x080b_0000;
/** The interrupts that a script plays with: SGIs, PPIs (30 has a wire), SPIs (33 has a wire), also of a high bank. */
const intids = [0, 1, 5, 17, 27, 30, 33, 40, 63, 64, 200, 255];
const priorities = [0x00, 0x08, 0x20, 0x24, 0x40, 0x48, 0x80, 0x84, 0xa0, 0xa8, 0xf0, 0xf8];

/** A GICv3 with the physical timer on its PPI and nothing else. */
export function gicBench(cpus: number): TestBench & { readonly gic: Gicv3 } {
  const bus = new FakeBus(cpus);
  const gic = new Gicv3(bus);
  const bench = new TestBench(bus, {
    devices: [
      { base: BigInt(GICD), device: gic.distributor },
      { base: BigInt(GICR), device: gic.redistributors },
    ],
    sysregs: gic,
    update: () => settleAll(bus, gic),
  });
  return Object.assign(bench, { gic });
}

type Rnd = (below: number) => number;

const frame = (intid: number): number => (intid < 32 ? SGI_FRAME : GICD);
const word = (base: number, intid: number): number => frame(intid) + base + 4 * (intid >> 5);
const bit = (intid: number): bigint => 1n << BigInt(intid & 31);
const write = (at: number, value: bigint, bytes: 1 | 4 | 8 = 4): Access => ({
  op: 'write',
  at: BigInt(at),
  bytes,
  value,
});
const read = (at: number): Access => ({ op: 'read', at: BigInt(at), bytes: 4 });

/** Groups on, everything enabled, random groups, priorities and triggers. */
export function gicSetup(rnd: Rnd): Access[] {
  const out: Access[] = [
    write(GICD, 3n),
    { op: 'msr', reg: 'icc_pmr_el1', value: 0xf8n },
    { op: 'msr', reg: 'icc_igrpen0_el1', value: 1n },
    { op: 'msr', reg: 'icc_igrpen1_el1', value: 1n },
    { op: 'msr', reg: 'cntp_cval_el0', value: 0n },
  ];
  for (const base of [SGI_FRAME + 0x80, ...[1, 2, 6, 7].map((n) => GICD + 0x80 + 4 * n)])
    out.push(write(base, BigInt(rnd(0x10000) * 0x10000 + rnd(0x10000))));
  for (const i of intids) {
    out.push(write(word(0x100, i), bit(i)));
    out.push(write(frame(i) + 0x400 + i, BigInt(pick(rnd, priorities)), 1));
  }
  return out;
}

/** What a script remembers: interrupts acknowledged and not yet ended. */
export interface GicMemory {
  readonly active: { readonly intid: number; readonly group: number }[];
}

/** Mostly the right EOI, sometimes the wrong group or INTID; with nothing left to end, a clean slate of priorities. */
function endOfInterrupt(rnd: Rnd, memory: GicMemory, intid: number): Access[] {
  const last = memory.active.at(-1);
  if (last === undefined) {
    const value = rnd(8) ? 0n : 1n << BigInt(8 + rnd(24));
    return [0, 1].map((g) => ({ op: 'msr', reg: `icc_ap${g}r0_el1`, value: g ? value : 0n }) as const);
  }
  if (!rnd(8))
    return [
      { op: 'msr', reg: `icc_eoir${rnd(2)}_el1`, value: BigInt(pick(rnd, [intid, last.intid, 1020, 1023])) },
    ];
  memory.active.pop();
  const end: Access = { op: 'msr', reg: `icc_eoir${last.group}_el1`, value: BigInt(last.intid) };
  return rnd(3) ? [end, { op: 'msr', reg: 'icc_dir_el1', value: BigInt(last.intid) }] : [end];
}

/** The next accesses. */
export function gicStep(rnd: Rnd, memory: GicMemory): Access[] {
  const intid = pick(rnd, intids);
  const group = rnd(2);
  switch (rnd(22)) {
    case 0:
    case 1:
    case 2:
      return [write(word(0x200, intid), bit(intid))];
    case 3:
      return [write(word(0x280, intid), bit(intid))];
    case 4:
      return [write(frame(intid) + 0x400 + intid, BigInt(pick(rnd, priorities)), 1)];
    case 5:
      return [write(word(rnd(3) ? 0x100 : 0x180, intid), bit(intid))];
    case 6:
    case 7:
    case 8:
    case 9:
      return [{ op: 'mrs', reg: `icc_iar${group}_el1` }];
    case 10:
    case 11:
    case 12:
      return endOfInterrupt(rnd, memory, intid);
    case 13:
      return [{ op: 'msr', reg: 'icc_dir_el1', value: BigInt(memory.active.at(-1)?.intid ?? intid) }];
    case 14:
      return [{ op: 'msr', reg: 'icc_pmr_el1', value: BigInt(pick(rnd, [0xf8, 0xff, 0xf8, 0xa0, 0x40, 0])) }];
    case 15:
      return [{ op: 'msr', reg: `icc_bpr${group}_el1`, value: BigInt(rnd(8)) }];
    case 16:
      return [{ op: 'msr', reg: 'icc_ctlr_el1', value: BigInt(rnd(4)) }];
    case 17:
      return [
        {
          op: 'msr',
          reg: pick(rnd, ['icc_sgi1r_el1', 'icc_sgi0r_el1', 'icc_asgi1r_el1']),
          value:
            (BigInt(rnd(6)) << 24n) | (rnd(5) ? BigInt(1 + rnd(3)) : rnd(2) ? 1n << 40n : (1n << 16n) | 1n),
        },
      ];
    case 18:
      return [{ op: 'msr', reg: 'cntp_ctl_el0', value: BigInt(pick(rnd, [0, 1, 1, 3])) }];
    case 19:
      return [
        pick(rnd, [
          write(GICD, BigInt(rnd(4) ? 3 : rnd(4))),
          write(word(0x80, intid), BigInt(rnd(0x10000) * 0x10000 + rnd(0x10000))),
          write(frame(intid) + 0xc00 + 4 * (intid >> 4), BigInt(rnd(0x10000)) * 0xaaaan),
          write(GICD + 0x6100 + 8 * rnd(224), pick(rnd, [0n, 1n, 0x100n, 0x8000_0000n]), 8),
          write(GICD + 0x6000 + 8 * Math.max(intid, 32), pick(rnd, [0n, 0n, 1n, 0x100n]), 8),
        ]),
      ];
    case 20:
      return [write(word(rnd(2) ? 0x300 : 0x380, intid), bit(intid))];
    default:
      return [
        read(word(pick(rnd, [0x80, 0x100, 0x200, 0x300]), intid)),
        read(SGI_FRAME + 0x20000 + 0x200),
        read(frame(intid) + 0x400 + (intid & ~3)),
        read(frame(intid) + 0xc00 + 4 * (intid >> 4)),
      ];
  }
}

/** Read after every step: what the CPU is told. */
const gicProbe: readonly Access[] = [
  { op: 'mrs', reg: 'isr_el1' },
  { op: 'mrs', reg: 'icc_rpr_el1' },
  { op: 'mrs', reg: 'icc_hppir0_el1' },
  { op: 'mrs', reg: 'icc_hppir1_el1' },
  { op: 'mrs', reg: 'icc_ap0r0_el1' },
  { op: 'mrs', reg: 'icc_ap1r0_el1' },
  { op: 'mrs', reg: 'icc_bpr1_el1' },
];

/** Plays a script of so many steps on the bench; all accesses and what they returned. */
export function playGic(bench: TestBench, rnd: Rnd, steps: number): Played {
  const played = new Played(bench);
  const memory: GicMemory = { active: [] };
  const play = (list: readonly Access[]): void => {
    const got = played.play(list);
    const one = list[0];
    const value = got[0];
    if (one?.op === 'mrs' && one.reg.startsWith('icc_iar') && typeof value === 'bigint' && value < 1020n)
      memory.active.push({ intid: Number(value), group: one.reg.includes('iar0') ? 0 : 1 });
  };
  play(gicSetup(rnd));
  for (let n = 0; n < steps; n++) {
    play(gicStep(rnd, memory));
    play(gicProbe);
  }
  return played;
}
