/** The generic timer (Arm ARM DDI 0487 D11). Timer conditions are computed when read; what they drive: see wires/timers.ts. */
import type { Builder } from '../../../ir/builder';
import type { Val } from '../../../ir/nodes';
import { state } from '../state';
import { physicalCount, settleTimers } from '../wires/timers';
import { byLayout } from './el2';
import { sysreg, type Encoding, type RegisterAccess, type SysregRow, type TrapRule } from '../../dsl/sysreg';

const virtualCount = (s: Builder, r: RegisterAccess): Val => s.sub(physicalCount(s), r.get('CNTVOFF_EL2'));

/** CNTVCT_EL0 as software reads it: a host with HCR_EL2.E2H has no offset, nor has its EL0 with TGE (D11.2.3). */
function virtualCountHere(s: Builder, r: RegisterAccess): Val {
  const hcr = r.get('HCR_EL2');
  const el = s.get(state.el);
  const host = s.or(s.eqi(el, 2), s.and(s.eqz(el), s.bit(hcr, 27)));
  return s.select(s.and(s.bit(hcr, 34), host), physicalCount(s), virtualCount(s, r));
}

/** A control of CNTHCTL_EL2 over EL1 and EL0: none over EL0 of a host, which has controls of its own. */
const hypControls = (plain: string, e2h: string): readonly TrapRule[] => [
  { when: ['!HCR_EL2.E2H', `!CNTHCTL_EL2.${plain}`], to: 2 },
  { when: ['HCR_EL2.E2H', '!HCR_EL2.TGE', `!CNTHCTL_EL2.${e2h}`], to: 2 },
];

interface Timer {
  readonly prefix: string;
  readonly suffix: string;
  readonly op: readonly [number, number, number, number];
  readonly min: 0 | 1 | 2;
  readonly what: string;
  readonly count: (s: Builder, r: RegisterAccess) => Val;
  readonly trap: readonly TrapRule[];
  readonly feature?: string;
  /** Prefix and suffix of the timer that a host reaches by these encodings. */
  readonly host?: readonly [prefix: string, suffix: string];
  readonly undefinedWhen?: SysregRow['undefinedWhen'];
}

/** The three registers of one timer. */
function timer(t: Timer): SysregRow[] {
  const { prefix, suffix, op, min, what, count, trap, feature, host, undefinedWhen } = t;
  const reg = (kind: string): string => `${prefix}_${kind}_${suffix}`;
  const enc = (op2: number): Encoding => [...op, op2];
  const shared = (kind: string) => ({
    min,
    trap,
    irq: true,
    after: (s: Builder) => s.call(settleTimers),
    ...(feature === undefined ? {} : { feature }),
    ...(undefinedWhen ? { undefinedWhen } : {}),
    ...(host ? { e2h: `${host[0]}_${kind}_${host[1]}`, e2hAtEl0: true } : {}),
  });
  return [
    sysreg(reg('TVAL'), enc(0), {
      ...shared('TVAL'),
      doc: `Ticks until the ${what} timer fires`,
      same: reg('CVAL'),
      read: (s, r) => s.andi(s.sub(r.get(reg('CVAL')), count(s, r)), 0xffffffffn),
      write: (s, v, r) => r.set(reg('CVAL'), s.add(count(s, r), s.sext(s.wrap(v)))),
    }),
    sysreg(reg('CTL'), enc(1), {
      ...shared('CTL'),
      doc: `Control of the ${what} timer`,
      fields: { ENABLE: 0, IMASK: 1, ISTATUS: 2 },
      mask: 3n,
      read: (s, r) => {
        const ctl = r.get(reg('CTL'));
        const fired = s.and(s.bit(ctl, 0), s.geu(count(s, r), r.get(reg('CVAL'))));
        return s.or(ctl, s.zext(s.shli(fired, 2)));
      },
    }),
    sysreg(reg('CVAL'), enc(2), { ...shared('CVAL'), doc: `Counter value at which the ${what} timer fires` }),
  ];
}

export const timerRegisters: readonly SysregRow[] = [
  sysreg('CNTFRQ_EL0', [3, 3, 14, 0, 0], {
    min: 0,
    minWrite: 'highest',
    doc: 'Frequency of the counter in Hz, as firmware declared it',
    reset: 62500000n,
    mask: 0xffffffffn,
    trap: [{ when: ['!CNTKCTL_EL1.EL0PCTEN', '!CNTKCTL_EL1.EL0VCTEN'], dir: 'r', to: 1 }],
  }),
  sysreg('CNTPCT_EL0', [3, 3, 14, 0, 1], {
    min: 0,
    access: 'ro',
    doc: 'Physical count',
    computed: true,
    trap: [{ when: '!CNTKCTL_EL1.EL0PCTEN', to: 1 }, ...hypControls('EL1PCTEN', 'EL1PCTEN')],
    read: (s) => physicalCount(s),
  }),
  sysreg('CNTVCT_EL0', [3, 3, 14, 0, 2], {
    min: 0,
    access: 'ro',
    doc: 'Virtual count: the physical count less CNTVOFF_EL2',
    computed: true,
    trap: [{ when: '!CNTKCTL_EL1.EL0VCTEN', to: 1 }],
    read: virtualCountHere,
  }),
  ...timer({
    prefix: 'CNTP',
    suffix: 'EL0',
    op: [3, 3, 14, 2],
    min: 0,
    what: 'physical',
    host: ['CNTHP', 'EL2'],
    count: (s) => physicalCount(s),
    trap: [{ when: '!CNTKCTL_EL1.EL0PTEN', to: 1 }, ...hypControls('EL1PCEN', 'EL1PTEN')],
  }),
  ...timer({
    prefix: 'CNTV',
    suffix: 'EL0',
    op: [3, 3, 14, 3],
    min: 0,
    what: 'virtual',
    host: ['CNTHV', 'EL2'],
    count: virtualCount,
    trap: [{ when: '!CNTKCTL_EL1.EL0VTEN', to: 1 }],
  }),
  ...timer({
    prefix: 'CNTHP',
    suffix: 'EL2',
    op: [3, 4, 14, 2],
    min: 2,
    what: 'EL2 physical',
    count: (s) => physicalCount(s),
    trap: [],
  }),
  ...timer({
    prefix: 'CNTHV',
    suffix: 'EL2',
    op: [3, 4, 14, 3],
    min: 2,
    what: 'EL2 virtual',
    // Its offset is zero.
    count: (s) => physicalCount(s),
    trap: [],
    feature: 'VHE',
  }),
  ...timer({
    prefix: 'CNTPS',
    suffix: 'EL1',
    op: [3, 7, 14, 2],
    min: 1,
    what: 'secure physical',
    count: (s) => physicalCount(s),
    // EL3's, and Secure EL1's where SCR_EL3.ST lets it.
    trap: [{ when: '!SCR_EL3.ST', from: [1], to: 3 }],
    undefinedWhen: (s) =>
      s.or(s.eqi(s.get(state.el), 2), s.and(s.eqi(s.get(state.el), 1), s.eqz(s.get(state.el2Off)))),
    feature: 'EL3',
  }),
  sysreg('CNTKCTL_EL1', [3, 0, 14, 1, 0], {
    min: 1,
    e2h: 'CNTHCTL_EL2',
    doc: 'Access of EL0 to the timers, event stream',
    mask: 0x3ffn,
    fields: { EL0PCTEN: 0, EL0VCTEN: 1, EVNTEN: 2, EVNTDIR: 3, EVNTI: [7, 4], EL0VTEN: 8, EL0PTEN: 9 },
  }),
  sysreg('CNTHCTL_EL2', [3, 4, 14, 1, 0], {
    min: 2,
    doc: 'Access of EL1 and EL0 to the physical timer, event stream',
    reset: 3n,
    mask: 0xfffn,
    fields: { EL1PCTEN: 0, EL1PCEN: 1, EVNTEN: 2, EVNTDIR: 3, EVNTI: [7, 4] },
    e2hFields: {
      EL0PCTEN: 0,
      EL0VCTEN: 1,
      EVNTEN: 2,
      EVNTDIR: 3,
      EVNTI: [7, 4],
      EL0VTEN: 8,
      EL0PTEN: 9,
      EL1PCTEN: 10,
      EL1PTEN: 11,
    },
    read: byLayout('CNTHCTL_EL2', 0xffn, 0xfffn),
  }),
  sysreg('CNTVOFF_EL2', [3, 4, 14, 0, 3], {
    min: 2,
    doc: 'Offset of the virtual count',
    irq: true,
    after: (s) => s.call(settleTimers),
  }),
];
