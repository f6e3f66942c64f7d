/**
 * The generic timer (Arm ARM DDI 0487 D11). The counter is virtual time, 16 instructions a tick: 62.5 MHz.
 * Timer conditions are computed when read; the board drives the interrupt lines and hears of every write.
 */
import type { Builder } from '../../../ir/builder';
import type { Val } from '../../../ir/nodes';
import { common } from '../../../ir/state';
import { sysreg, type Encoding, type RegisterAccess, type SysregRow, type TrapRule } from '../../dsl/sysreg';

/** log2 of the instructions in a tick of the counter. */
export const TICK_SHIFT = 4;

/** CNTPCT_EL0 now. */
export function physicalCount(s: Builder): Val {
  return s.shri(s.sub(s.get(common.timeEnd), s.zext(s.get(common.left))), TICK_SHIFT);
}

const virtualCount = (s: Builder, r: RegisterAccess): Val => s.sub(physicalCount(s), r.get('CNTVOFF_EL2'));

interface Timer {
  readonly prefix: string;
  readonly suffix: string;
  readonly op: readonly [number, number, number, number];
  readonly min: 0 | 2;
  readonly what: string;
  readonly count: (s: Builder, r: RegisterAccess) => Val;
  readonly trap: readonly TrapRule[];
}

/** The three registers of one timer. */
function timer({ prefix, suffix, op, min, what, count, trap }: Timer): SysregRow[] {
  const reg = (kind: string): string => `${prefix}_${kind}_${suffix}`;
  const enc = (op2: number): Encoding => [...op, op2];
  const shared = { min, trap, irq: true, board: true } as const;
  return [
    sysreg(reg('TVAL'), enc(0), {
      ...shared,
      doc: `Ticks until the ${what} timer fires`,
      same: reg('CVAL'),
      read: (s, r) => s.andi(s.sub(r.get(reg('CVAL')), count(s, r)), 0xffffffffn),
      write: (s, v, r) => r.set(reg('CVAL'), s.add(count(s, r), s.sext(s.wrap(v)))),
    }),
    sysreg(reg('CTL'), enc(1), {
      ...shared,
      doc: `Control of the ${what} timer`,
      fields: { ENABLE: 0, IMASK: 1, ISTATUS: 2 },
      mask: 3n,
      read: (s, r) => {
        const ctl = r.get(reg('CTL'));
        const fired = s.and(s.bit(ctl, 0), s.geu(count(s, r), r.get(reg('CVAL'))));
        return s.or(ctl, s.zext(s.shli(fired, 2)));
      },
    }),
    sysreg(reg('CVAL'), enc(2), { ...shared, doc: `Counter value at which the ${what} timer fires` }),
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
    trap: [
      { when: '!CNTKCTL_EL1.EL0PCTEN', to: 1 },
      { when: '!CNTHCTL_EL2.EL1PCTEN', to: 2 },
    ],
    read: (s) => physicalCount(s),
  }),
  sysreg('CNTVCT_EL0', [3, 3, 14, 0, 2], {
    min: 0,
    access: 'ro',
    doc: 'Virtual count: the physical count less CNTVOFF_EL2',
    computed: true,
    trap: [{ when: '!CNTKCTL_EL1.EL0VCTEN', to: 1 }],
    read: virtualCount,
  }),
  ...timer({
    prefix: 'CNTP',
    suffix: 'EL0',
    op: [3, 3, 14, 2],
    min: 0,
    what: 'physical',
    count: (s) => physicalCount(s),
    trap: [
      { when: '!CNTKCTL_EL1.EL0PTEN', to: 1 },
      { when: '!CNTHCTL_EL2.EL1PCEN', to: 2 },
    ],
  }),
  ...timer({
    prefix: 'CNTV',
    suffix: 'EL0',
    op: [3, 3, 14, 3],
    min: 0,
    what: 'virtual',
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
  sysreg('CNTKCTL_EL1', [3, 0, 14, 1, 0], {
    min: 1,
    doc: 'Access of EL0 to the timers, event stream',
    mask: 0x3ffn,
    fields: { EL0PCTEN: 0, EL0VCTEN: 1, EVNTEN: 2, EVNTDIR: 3, EVNTI: [7, 4], EL0VTEN: 8, EL0PTEN: 9 },
  }),
  sysreg('CNTHCTL_EL2', [3, 4, 14, 1, 0], {
    min: 2,
    doc: 'Access of EL1 and EL0 to the physical timer, event stream',
    reset: 3n,
    mask: 0xffn,
    fields: { EL1PCTEN: 0, EL1PCEN: 1, EVNTEN: 2, EVNTDIR: 3, EVNTI: [7, 4] },
  }),
  sysreg('CNTVOFF_EL2', [3, 4, 14, 0, 3], {
    min: 2,
    doc: 'Offset of the virtual count',
    irq: true,
    board: true,
  }),
];
