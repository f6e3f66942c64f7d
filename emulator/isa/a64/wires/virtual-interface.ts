/**
 * What the virtual CPU interface of a GICv3 drives (Arm IHI 0069 chapter 6): virtual IRQ and FIQ, the maintenance interrupt. All
 * of it follows from the ICH_* registers.
 */
import type { Builder } from '../../../ir/builder';
import type { Routine, Val } from '../../../ir/nodes';
import { common } from '../../../ir/state';
import { hasFeature } from '../features';
import { Line } from '../interrupt-lines';
import { state } from '../state';
import { put, reg } from '../stored';
import { drive, Wire } from './wires';

/** ICH_LR<n>_EL2, the upper word: State (pending 30, active 31), HW 29, Group 28, Priority 23-16, EOI 9. */
const PENDING = 1 << 30;
const ACTIVE = 1 << 31;
const HW = 1 << 29;
const EOI = 1 << 9;
const IN_USE = PENDING | ACTIVE | EOI;

/** ICH_HCR_EL2: UIE, LRENPIE, NPIE and the four of the groups; each enables the cause at its own position in MISR. */
const CAUSE_ENABLES = 0xfe;
const EOI_COUNT = 0xf8000000n;

/** 5 bits of priority, all of which can preempt: the smallest binary points are 2, and 3 for group 1. */
const PRIORITY_MASK = 0xf8;
const MIN_BPR = 2;

const any = (s: Builder, list: readonly Val[]): Val => list.reduce((a, b) => s.or(a, b));

/** The upper words of the list registers. */
const upperWords = (s: Builder): Val[] =>
  [0, 1, 2, 3].map((n) => s.wrap(s.shri(reg(s, `ICH_LR${n}_EL2`), 32)));

/** The priority bits that decide preemption for a group (IHI 0069 4.8.6). */
function groupMask(s: Builder, group: Val): Val {
  const vmcr = s.wrap(reg(s, 'ICH_VMCR_EL2'));
  const least = (v: Val, n: number): Val => s.select(s.ltu(v, s.i32(n)), s.i32(n), v);
  const common0 = s.addi(least(s.bits(vmcr, 21, 3), MIN_BPR), 1);
  // Group 1's field is [7:BPR1], the other's [7:BPR0 + 1], which CBPR makes that of both.
  const own = s.and(group, s.eqz(s.bit(vmcr, 4)));
  const shift = s.select(own, least(s.bits(vmcr, 18, 3), MIN_BPR + 1), common0);
  return s.andi(s.shl(s.i32(0xff), shift), 0xff);
}

/** Does an interrupt of this priority and group pass the mask and preempt what is active? */
function preempts(s: Builder, priority: Val, group: Val): Val {
  const pmr = s.andi(s.wrap(s.shri(reg(s, 'ICH_VMCR_EL2'), 24)), PRIORITY_MASK);
  const active = s.wrap(s.or(reg(s, 'ICH_AP0R0_EL2'), reg(s, 'ICH_AP1R0_EL2')));
  const running = s.shli(s.ctz(active), 3);
  const mask = groupMask(s, group);
  const above = s.ltu(s.and(priority, mask), s.and(running, mask));
  return s.and(s.ltu(priority, pmr), s.or(s.eqz(active), above));
}

/** ICH_MISR_EL2 (IHI 0069 12.4.6); it shows its causes even while ICH_HCR_EL2.En = 0. */
function causes(s: Builder, lrs: readonly Val[]): Val {
  const hcr = reg(s, 'ICH_HCR_EL2');
  const vmcr = s.wrap(reg(s, 'ICH_VMCR_EL2'));
  const ended = any(
    s,
    lrs.map((lr) => s.and(s.eqz(s.andi(lr, PENDING | ACTIVE | HW)), s.bit(lr, 9))),
  );
  const used = lrs.map((lr) => s.nei(s.andi(lr, PENDING | ACTIVE), 0)).reduce((a, b) => s.add(a, b));
  const pending = any(
    s,
    lrs.map((lr) => s.eqi(s.bits(lr, 30, 2), 1)),
  );
  const not = (v: Val): Val => s.eqz(v);
  const [on0, on1] = [s.bit(vmcr, 0), s.bit(vmcr, 1)];
  const counted = s.nei(s.andi(hcr, EOI_COUNT), 0);
  const met = [s.ltu(used, s.i32(2)), counted, not(pending), on0, not(on0), on1, not(on1)];
  const asked = met.map((v, n) => s.shli(v, n + 1));
  return s.or(ended, s.and(any(s, asked), s.andi(s.wrap(hcr), CAUSE_ENABLES)));
}

/** state.virtualNext: the number of the list register and one, and whether it is signalled. */
const NEXT = 7;
const SIGNALLED = 8;

/** The list register with the highest priority of those that are pending, and not active as well, in an enabled group. */
export interface NextVirtual {
  readonly lr: number;
  /** It passes the mask, preempts what is active, and the interface is enabled. */
  readonly signalled: boolean;
}

/** What `settleVirtual` left in state.virtualNext. */
export function nextVirtual(stored: number): NextVirtual | undefined {
  const next = stored & NEXT;
  return next === 0 ? undefined : { lr: next - 1, signalled: (stored & SIGNALLED) !== 0 };
}

/** (): drives virtual IRQ and FIQ, ICH_MISR_EL2 and the maintenance interrupt, and notes which list register is next. To be called after every change of ICH_*. */
export const settleVirtual: Routine = {
  k: 'routine',
  name: 'settleVirtual',
  params: [],
  build: (s: Builder) => {
    // With another interrupt controller the virtual lines are the board's.
    s.if(s.eqz(hasFeature(s, 'GICv3')), () => s.ret());
    const lrs = upperWords(s);
    const hcr = reg(s, 'ICH_HCR_EL2');
    const lines = s.local('lines', s.i32(0));
    const misr = s.local('misr', s.i32(0));
    const next = s.local('next', s.i32(0));
    // A world switch writes these registers one by one, and nearly always nothing is in them.
    const inUse = s.nei(s.andi(any(s, lrs), IN_USE), 0);
    s.if(s.or(inUse, s.nei(s.andi(hcr, CAUSE_ENABLES), 0)), () => {
      s.assign(misr, causes(s, lrs));
      const enables = s.wrap(reg(s, 'ICH_VMCR_EL2'));
      // Of those pending and not active, in an enabled group, the one with the highest priority; the first of equal ones.
      const none = s.i32(0x7fffffff);
      const keys = lrs.map((lr, n) => {
        const group = s.bit(lr, 28);
        const open = s.andi(s.shru(enables, group), 1);
        const key = s.ori(s.shli(s.bits(lr, 16, 8), 3), n << 1);
        return s.select(s.and(s.eqi(s.bits(lr, 30, 2), 1), open), s.or(key, group), none);
      });
      const best = keys.reduce((a, b) => s.select(s.ltu(b, a), b, a));
      const group = s.andi(best, 1);
      s.if(s.ne(best, none), () => {
        s.assign(next, s.addi(s.bits(best, 1, 2), 1));
        s.if(s.and(preempts(s, s.shri(best, 3), group), s.wrap(s.andi(hcr, 1))), () => {
          s.assign(next, s.ori(s.read(next), SIGNALLED));
          s.assign(lines, s.select(group, s.i32(Line.virq), s.i32(Line.vfiq)));
        });
      });
    });
    const others = s.andi(s.get(common.irqLines), ~(Line.virq | Line.vfiq));
    s.set(common.irqLines, s.or(others, s.read(lines)));
    s.set(state.virtualNext, s.read(next));
    put(s, 'ICH_MISR_EL2', s.zext(s.read(misr)));
    const asked = s.and(s.nei(s.read(misr), 0), s.wrap(s.andi(hcr, 1)));
    drive(s, Wire.maintenance, s.select(asked, s.i32(Wire.maintenance), s.i32(0)));
  },
};
