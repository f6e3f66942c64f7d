/**
 * Performance monitors (Arm ARM DDI 0487 D17.5). Set/clear pairs share their bits. What the counters hold and when they count
 * is in ../pmu/counters.ts: reads ask there, and each write that may change it goes between `settle` and `plan`.
 */
import type { Builder } from '../../../ir/builder';
import type { Val } from '../../../ir/nodes';
import { bitsWith } from '../features';
import {
  Attempt,
  counterNow,
  CYCLES,
  EVENT_COUNTERS,
  overflowsNow,
  settleCounters,
  withCounters,
} from '../pmu/counters';
import { state } from '../state';
import { settlePmu } from '../wires/pmu';
import {
  sysreg,
  type RegisterAccess,
  type SysregRow,
  type SysregSpec,
  type TrapRule,
} from '../../dsl/sysreg';

/** A bit a counter: events, and the cycle counter in bit 31. */
const counters = 0x8000003fn;

/** EL1 and EL0 under an EL2 reach only counters below MDCR_EL2.HPMN. */
const isLimited = (s: Builder): Val =>
  s.and(s.ltu(s.get(state.el), s.i32(2)), s.and(s.nei(s.get(state.hasEL2), 0), s.eqz(s.get(state.el2Off))));
const hpmn = (s: Builder, r: RegisterAccess): Val => s.bits(r.get('MDCR_EL2'), 0, 5);

/** The counters that the present exception level reaches, as bits. */
function reachable(s: Builder, r: RegisterAccess): Val {
  const below = s.ori(s.sub(s.shl(s.i64(1), hpmn(s, r)), s.i64(1)), 1n << BigInt(CYCLES));
  return s.andi(s.select(isLimited(s), below, s.i64(-1n)), counters);
}

/** Is counter `n` out of reach? */
const isBeyond = (n: number) => (s: Builder, r: RegisterAccess) =>
  s.and(isLimited(s), s.leu(hpmn(s, r), s.i64(n)));

/** It may raise or end the overflow interrupt. */
const interrupts = { irq: true, after: (s: Builder) => s.call(settlePmu) } as const;

const tpm: TrapRule = { when: 'MDCR_EL2.TPM', to: 2 };
const user = (...also: string[]): readonly TrapRule[] => [
  { when: ['!PMUSERENR_EL0.EN', ...also], to: 1 },
  tpm,
];
const userRead = (also: string): readonly TrapRule[] => [
  { when: ['!PMUSERENR_EL0.EN', also], dir: 'r', to: 1 },
  { when: '!PMUSERENR_EL0.EN', dir: 'w', to: 1 },
  tpm,
];

/** SET and CLR registers that are two ways to one word; the word is the SET register's, as `now` gives it. */
function pair(
  set: SysregRow,
  clr: { name: string; enc: SysregRow['enc']; doc: string },
  now: (s: Builder, r: RegisterAccess) => Val = (_s, r) => r.get(set.name),
): SysregRow[] {
  const shared = {
    ...set,
    ...interrupts,
    read: (s: Builder, r: RegisterAccess) => s.and(now(s, r), reachable(s, r)),
  };
  const change = (s: Builder, r: RegisterAccess, next: (old: Val) => Val): void =>
    withCounters(s, () => r.set(set.name, next(r.get(set.name))));
  return [
    {
      ...shared,
      write: (s: Builder, v: Val, r: RegisterAccess) =>
        change(s, r, (old) => s.or(old, s.and(v, reachable(s, r)))),
    },
    {
      ...shared,
      ...clr,
      same: set.name,
      write: (s: Builder, v: Val, r: RegisterAccess) =>
        change(s, r, (old) => s.and(old, s.not(s.and(v, reachable(s, r))))),
    },
  ];
}

const bitmap = { P: [30, 0], C: 31 } as const;

/** A register that PMSELR_EL0 selects, and the bits of it that a write can change. */
interface Selectable {
  readonly name: string;
  readonly mask: bigint;
  /** With FEAT_PMUv3p1 too. */
  readonly more?: bigint;
}

/** The bits of a selectable register that a write can change. */
const writableBits = (s: Builder, { mask, more }: Selectable): Val =>
  more === undefined ? s.i64(mask) : s.ori(bitsWith(s, 'PMUv3p1', more), mask);

/** What PMSELR_EL0 selects: `of` gives the register of each counter, `cycle` is the one that number 31 stands for. */
function selected(
  of: (n: number) => Selectable,
  cycle: Selectable | undefined,
  now?: (s: Builder, n: Val) => Val,
): Pick<SysregSpec, 'read' | 'write'> {
  const sel = (s: Builder, r: RegisterAccess): Val => s.wrap(s.bits(r.get('PMSELR_EL0'), 0, 5));
  /** Number 31, or that of an event counter in reach. */
  const exists = (s: Builder, r: RegisterAccess, n: Val): Val =>
    s.nei(s.and(s.shl(s.i64(1), s.zext(n)), reachable(s, r)), 0);
  const targets = Array.from({ length: EVENT_COUNTERS }, (_, n): [number, Selectable] => [n, of(n)]);
  if (cycle) targets.push([CYCLES, cycle]);
  return {
    read: (s, r) => {
      const n = sel(s, r);
      const stored = (): Val =>
        targets.reduce((rest, [i, { name }]) => s.select(s.eqi(n, i), r.get(name), rest), s.i64(0));
      const known = cycle ? exists(s, r, n) : s.and(exists(s, r, n), s.nei(n, CYCLES));
      return s.select(known, now ? now(s, n) : stored(), s.i64(0));
    },
    write: (s, v, r) =>
      withCounters(s, () => {
        const n = sel(s, r);
        const known = exists(s, r, n);
        for (const [i, target] of targets) {
          const written = s.and(v, writableBits(s, target));
          r.set(target.name, s.select(s.and(known, s.eqi(n, i)), written, r.get(target.name)));
        }
      }),
  };
}

/** Writable bits of PMEVTYPER<n>_EL0 and PMCCFILTR_EL0. */
const EVENT_TYPE = 0xfe0003ffn;
/** Bits 15-10 of the event with FEAT_PMUv3p1. */
const EVENT_MORE = 0xfc00n;
const CYCLE_FILTER = 0xf8000000n;

const eventTypeOf = (n: number): Selectable => ({
  name: `PMEVTYPER${n}_EL0`,
  mask: EVENT_TYPE,
  more: EVENT_MORE,
});

const eventType = { P: 31, U: 30, NSK: 29, NSU: 28, NSH: 27, M: 26, evtCount: [15, 0] } as const;

export const pmuRegisters: readonly SysregRow[] = [
  sysreg('PMCR_EL0', [3, 3, 9, 12, 0], {
    min: 0,
    doc: 'Performance monitors control',
    fields: { E: 0, P: 1, C: 2, D: 3, X: 4, DP: 5, LC: 6, N: [15, 11], IDCODE: [23, 16], IMP: [31, 24] },
    trap: [...user(), { when: 'MDCR_EL2.TPMCR', to: 2 }],
    ...interrupts,
    // N is the number of counters in reach.
    read: (s, r) => {
      const pmcr = r.get('PMCR_EL0');
      const limited = s.or(s.andi(pmcr, ~0xf800n), s.shli(hpmn(s, r), 11));
      return s.select(isLimited(s), limited, pmcr);
    },
    write: (s, v, r) =>
      withCounters(s, () => {
        // P clears the event counters in reach and C the cycle counter; both read as zero.
        const reach = reachable(s, r);
        for (let n = 0; n < EVENT_COUNTERS; n++) {
          const name = `PMEVCNTR${n}_EL0`;
          r.set(name, s.select(s.and(s.bit(v, 1), s.bit(reach, n)), s.i64(0), r.get(name)));
        }
        r.set('PMCCNTR_EL0', s.select(s.bit(v, 2), s.i64(0), r.get('PMCCNTR_EL0')));
        r.set('PMCR_EL0', s.or(s.andi(r.get('PMCR_EL0'), ~0x79n), s.andi(v, 0x79)));
      }),
  }),
  ...pair(
    sysreg('PMCNTENSET_EL0', [3, 3, 9, 12, 1], {
      min: 0,
      doc: 'Enables counters',
      fields: bitmap,
      trap: user(),
    }),
    { name: 'PMCNTENCLR_EL0', enc: [3, 3, 9, 12, 2], doc: 'Disables counters' },
  ),
  ...pair(
    sysreg('PMOVSSET_EL0', [3, 3, 9, 14, 3], {
      min: 0,
      doc: 'Sets overflow flags',
      fields: bitmap,
      trap: user(),
    }),
    { name: 'PMOVSCLR_EL0', enc: [3, 3, 9, 12, 3], doc: 'Clears overflow flags' },
    (s) => s.call(overflowsNow),
  ),
  ...pair(
    sysreg('PMINTENSET_EL1', [3, 0, 9, 14, 1], {
      min: 1,
      doc: 'Enables overflow interrupts',
      fields: bitmap,
      trap: [{ ...tpm, from: [1] }],
    }),
    { name: 'PMINTENCLR_EL1', enc: [3, 0, 9, 14, 2], doc: 'Disables overflow interrupts' },
  ),
  sysreg('PMSWINC_EL0', [3, 3, 9, 12, 4], {
    min: 0,
    access: 'wo',
    doc: 'Increments counters by software',
    fields: { P: [30, 0] },
    trap: user('!PMUSERENR_EL0.SW'),
    computed: true,
    ...interrupts,
    // Counters whose event is SW_INCR and that count move by one.
    write: (s, v, r) => s.call(settleCounters, s.i32(Attempt.done), s.wrap(s.and(v, reachable(s, r)))),
  }),
  sysreg('PMSELR_EL0', [3, 3, 9, 12, 5], {
    min: 0,
    doc: 'Selects a counter',
    fields: { SEL: [4, 0] },
    mask: 0x1fn,
    trap: user('!PMUSERENR_EL0.ER'),
  }),
  sysreg('PMCEID0_EL0', [3, 3, 9, 12, 6], {
    min: 0,
    access: 'ro',
    id: true,
    doc: 'Common events 0-31',
    trap: user(),
  }),
  sysreg('PMCEID1_EL0', [3, 3, 9, 12, 7], {
    min: 0,
    access: 'ro',
    id: true,
    doc: 'Common events 32-63',
    trap: user(),
  }),
  sysreg('PMCCNTR_EL0', [3, 3, 9, 13, 0], {
    min: 0,
    doc: 'Cycle counter',
    trap: userRead('!PMUSERENR_EL0.CR'),
    ...interrupts,
    read: (s) => s.call(counterNow, s.i32(CYCLES)),
    write: (s, v, r) => withCounters(s, () => r.set('PMCCNTR_EL0', v)),
  }),
  sysreg('PMXEVTYPER_EL0', [3, 3, 9, 13, 1], {
    min: 0,
    doc: 'Event type of the selected counter',
    fields: eventType,
    trap: user(),
    computed: true,
    ...interrupts,
    ...selected(eventTypeOf, {
      name: 'PMCCFILTR_EL0',
      mask: CYCLE_FILTER,
    }),
  }),
  sysreg('PMXEVCNTR_EL0', [3, 3, 9, 13, 2], {
    min: 0,
    doc: 'The selected counter',
    trap: userRead('!PMUSERENR_EL0.ER'),
    computed: true,
    ...interrupts,
    ...selected(
      (n) => ({ name: `PMEVCNTR${n}_EL0`, mask: 0xffffffffn }),
      undefined,
      (s, n) => s.call(counterNow, n),
    ),
  }),
  sysreg('PMUSERENR_EL0', [3, 3, 9, 14, 0], {
    min: 0,
    minWrite: 1,
    doc: 'Access of EL0 to the performance monitors',
    fields: { EN: 0, SW: 1, CR: 2, ER: 3 },
    mask: 0xfn,
    trap: [tpm],
  }),
  ...Array.from({ length: EVENT_COUNTERS }, (_, n) =>
    sysreg(`PMEVCNTR${n}_EL0`, [3, 3, 14, 8, n], {
      min: 0,
      doc: `Event counter ${n}`,
      trap: userRead('!PMUSERENR_EL0.ER'),
      undefinedWhen: isBeyond(n),
      ...interrupts,
      read: (s) => s.call(counterNow, s.i32(n)),
      write: (s, v, r) => withCounters(s, () => r.set(`PMEVCNTR${n}_EL0`, s.andi(v, 0xffffffffn))),
    }),
  ),
  ...Array.from({ length: EVENT_COUNTERS }, (_, n) =>
    sysreg(`PMEVTYPER${n}_EL0`, [3, 3, 14, 12, n], {
      min: 0,
      doc: `Event type of counter ${n}`,
      fields: eventType,
      trap: user(),
      undefinedWhen: isBeyond(n),
      ...interrupts,
      write: (s, v, r) =>
        withCounters(s, () => r.set(`PMEVTYPER${n}_EL0`, s.and(v, writableBits(s, eventTypeOf(n))))),
    }),
  ),
  sysreg('PMCCFILTR_EL0', [3, 3, 14, 15, 7], {
    min: 0,
    doc: 'Filter of the cycle counter',
    fields: { P: 31, U: 30, NSK: 29, NSU: 28, NSH: 27 },
    trap: user(),
    ...interrupts,
    write: (s, v, r) => withCounters(s, () => r.set('PMCCFILTR_EL0', s.andi(v, CYCLE_FILTER))),
  }),
];
