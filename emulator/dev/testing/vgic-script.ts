/** Random accesses of a hypervisor to list registers and of its guest to the virtual CPU interface. */
import { Played, pick, type Access, type TestBench } from './bench';

type Rnd = (below: number) => number;

const priorities = [0x00, 0x08, 0x20, 0x40, 0x48, 0x80, 0x98, 0xa0, 0xf0, 0xf8];
const intids = [0, 3, 27, 30, 40, 100, 5000];

const hyp = (reg: string, value: bigint): Access => ({ op: 'msr', reg, value });
const guest = (reg: string, value: bigint): Access => ({ op: 'msr', reg, value, el: 1 });

/** A list register: random state, group, priority, INTID, link to a physical interrupt or EOI request. */
function listRegister(rnd: Rnd): bigint {
  const state = BigInt(pick(rnd, [0, 1, 1, 1, 2, 3]));
  const physical = rnd(3) === 0;
  const link = physical ? (1n << 61n) | (BigInt(pick(rnd, [27, 30, 40])) << 32n) : BigInt(rnd(2)) << 41n;
  return (
    (state << 62n) |
    link |
    (BigInt(rnd(2)) << 60n) |
    (BigInt(pick(rnd, priorities)) << 48n) |
    BigInt(pick(rnd, intids))
  );
}

const setup: readonly Access[] = [
  // RW, IMO and FMO: EL1 is AArch64 and sees the virtual interface.
  hyp('hcr_el2', 0x80000018n),
  hyp('ich_hcr_el2', 1n),
  hyp('ich_vmcr_el2', (0xf8n << 24n) | (2n << 21n) | (3n << 18n) | 0xbn),
  // Physical interrupts that list registers may end: active, so that the end shows.
  { op: 'write', at: 0x080b_0300n, bytes: 4, value: (1n << 27n) | (1n << 30n) },
  { op: 'write', at: 0x0800_0304n, bytes: 4, value: 1n << 8n },
];

/** Read after every step: what the guest is told, what the hypervisor finds. */
const probe = (split: boolean): readonly Access[] => [
  { op: 'mrs', reg: 'isr_el1', el: 1 },
  { op: 'mrs', reg: 'icc_rpr_el1', el: 1 },
  { op: 'mrs', reg: 'icc_hppir0_el1', el: 1 },
  { op: 'mrs', reg: 'icc_hppir1_el1', el: 1 },
  ...[
    ...(split ? [] : ['ich_hcr_el2']),
    'ich_vmcr_el2',
    'ich_misr_el2',
    'ich_ap0r0_el2',
    'ich_ap1r0_el2',
  ].map((reg) => ({ op: 'mrs', reg }) as const),
  ...[0, 1, 2, 3].map((n) => ({ op: 'mrs', reg: `ich_lr${n}_el2` }) as const),
  { op: 'read', at: 0x080b_0200n, bytes: 4 },
  { op: 'read', at: 0x080b_0300n, bytes: 4 },
  { op: 'read', at: 0x0800_0304n, bytes: 4 },
];

function step(rnd: Rnd, split: boolean, last: { intid: bigint; group: number } | undefined): Access[] {
  const group = rnd(2);
  switch (rnd(14)) {
    case 0:
    case 1:
    case 2:
    case 3:
      return [hyp(`ich_lr${rnd(4)}_el2`, listRegister(rnd))];
    case 4:
    case 5:
    case 6:
      return [{ op: 'mrs', reg: `icc_iar${group}_el1`, el: 1 }];
    case 7:
    case 8: {
      const intid = last && rnd(6) ? last.intid : BigInt(pick(rnd, [...intids, 1020, 1023]));
      const end = guest(`icc_eoir${last && rnd(8) ? last.group : group}_el1`, intid);
      return rnd(2) ? [end] : [end, guest('icc_dir_el1', intid)];
    }
    case 9:
      return [guest('icc_pmr_el1', BigInt(pick(rnd, [0xff, 0xf8, 0xf8, 0x88, 0x40, 0])))];
    case 10:
      return [guest(`icc_bpr${group}_el1`, BigInt(rnd(8))), { op: 'mrs', reg: 'icc_bpr1_el1', el: 1 }];
    case 11:
      return [guest('icc_ctlr_el1', BigInt(rnd(split ? 4 : 2))), { op: 'mrs', reg: 'icc_ctlr_el1', el: 1 }];
    case 12:
      return rnd(2)
        ? [guest(`icc_igrpen${group}_el1`, rnd(4) ? 1n : 0n)]
        : [0, 1].map((g) => hyp(`ich_ap${g}r0_el2`, 0n));
    default:
      // En mostly on; any maintenance interrupts but VGrp0DIE, which QEMU 7.2 takes from VENG1; EOIcount cleared.
      return [hyp('ich_hcr_el2', BigInt((rnd(5) ? 1 : 0) | ((rnd(128) << 1) & (split ? 0xda : 0xde))))];
  }
}

/**
 * Plays a script of so many steps; all accesses and what they returned. `split`: with EOImode = 1 at times, and without
 * EOIcount, which QEMU 7.2 raises in that mode at EOIR as well as at DIR.
 */
export function playVirtual(bench: TestBench, rnd: Rnd, steps: number, split: boolean): Played {
  const played = new Played(bench);
  let last: { intid: bigint; group: number } | undefined;
  const play = (list: readonly Access[]): void => {
    const got = played.play(list);
    const one = list[0];
    const value = got[0];
    if (one?.op === 'mrs' && one.reg.includes('iar') && typeof value === 'bigint' && value !== 1023n)
      last = { intid: value, group: one.reg.includes('iar0') ? 0 : 1 };
  };
  play(setup);
  for (let n = 0; n < steps; n++) {
    play(step(rnd, split, last));
    play(probe(split));
  }
  return played;
}
