/**
 * The counters of the PMU (Arm ARM DDI 0487 D13). All that is counted is instructions: a cycle is an instruction that this
 * CPU retires, so nothing happens while counters run. They hold what they had at state.pmuBase, and are brought up to
 * date (`settleCounters`) before anything changes what counts: a PMU register, MDCR_EL2, the exception level. What
 * an instruction does that takes an exception itself and will be executed again is not counted.
 */
import type { Builder } from '../../../ir/builder';
import type { Routine, Val } from '../../../ir/nodes';
import { common, StopReason } from '../../../ir/state';
import { hasFeature } from '../features';
import { state } from '../state';
import { put, reg } from '../stored';

/** Event counters of Cortex-A53, A57, A72 and A76. */
export const EVENT_COUNTERS = 6;
/** The number of the cycle counter in bitmaps. */
export const CYCLES = 31;

/** Events that are counted (D13.11), as PMCEID0_EL0 says. */
export const Event = { swIncr: 0x00, instRetired: 0x08, cpuCycles: 0x11, chain: 0x1e } as const;

const events = Array.from({ length: EVENT_COUNTERS }, (_, n) => n);
const WRAP = 1n << 32n;

const any = (s: Builder, list: readonly Val[]): Val => list.reduce((a, b) => s.or(a, b));

/** Instructions that this CPU has retired, with the one that executes. */
export const retired = (s: Builder): Val => s.sub(s.get(common.retiredEnd), s.zext(s.get(common.left)));

/** Is counter `n` one of EL2's (MDCR_EL2.HPMN)? */
const isHyp = (s: Builder, n: number): Val =>
  n === CYCLES ? s.i32(0) : s.geu(s.i64(n), s.bits(reg(s, 'MDCR_EL2'), 0, 5));

/** Does counter `n` count at the present exception level? */
function counts(s: Builder, n: number): Val {
  const mdcr = reg(s, 'MDCR_EL2');
  const pmcr = reg(s, 'PMCR_EL0');
  const hyp = isHyp(s, n);
  const on = s.and(s.select(hyp, s.bit(mdcr, 7), s.bit(pmcr, 0)), s.bit(reg(s, 'PMCNTENSET_EL0'), n));
  const filter = reg(s, n === CYCLES ? 'PMCCFILTR_EL0' : `PMEVTYPER${n}_EL0`);
  const el = s.get(state.el);
  // P and U keep EL1 and EL0 out, NSH lets EL2 in. With EL3, NSK and NSU turn P and U around in Non-secure state, and M does
  // for EL3.
  const hasEL3 = s.get(state.hasEL3);
  const secure = s.get(state.el2Off);
  const turn = (at: number): Val => s.and(s.bit(filter, at), s.and(hasEL3, s.eqz(secure)));
  const out = s.select(
    s.eqi(el, 2),
    s.eqz(s.bit(filter, 27)),
    s.select(
      s.eqz(el),
      s.xor(s.bit(filter, 30), turn(28)),
      s.xor(s.bit(filter, 31), s.select(s.eqi(el, 3), s.bit(filter, 26), turn(29))),
    ),
  );
  // HPMD keeps EL2 from the others' counters, and Secure state counts where SPME lets it (D13.5).
  const hpmd = s.and(hasFeature(s, 'PMUv3p1'), s.and(s.eqi(el, 2), s.bit(mdcr, 17)));
  const spme = s.bit(reg(s, 'MDCR_EL3'), 17);
  const inSecure = s.and(hasEL3, s.or(s.eqi(el, 3), secure));
  const prohibited = s.or(s.and(hpmd, s.eqz(hyp)), s.and(inSecure, s.eqz(spme)));
  const kept = n === CYCLES ? s.and(prohibited, s.bit(pmcr, 5)) : prohibited;
  return s.and(on, s.eqz(s.or(out, kept)));
}

interface Progress {
  readonly n: number;
  readonly value: Val;
  /** How often it has wrapped; for the cycle counter 0 or 1. */
  readonly wraps: Val;
}

/** What the event of counter `n` is: 10 bits, 16 with FEAT_PMUv3p1, of which others are not written. */
const eventOf = (s: Builder, n: number): Val => s.wrap(s.bits(reg(s, `PMEVTYPER${n}_EL0`), 0, 16));

/** All counters when `at` instructions are retired. `software`: the bits of a write of PMSWINC_EL0. */
function progressUntil(s: Builder, at: Val, software: Val): Progress[] {
  const base = s.get(state.pmuBase);
  const ticks = s.sub(at, base);
  const list: Progress[] = [];
  for (const n of events) {
    const event = eventOf(s, n);
    const counted = s.or(s.eqi(event, Event.instRetired), s.eqi(event, Event.cpuCycles));
    let more = s.select(counted, ticks, s.i64(0));
    more = s.select(s.eqi(event, Event.swIncr), s.zext(s.bit(software, n)), more);
    const below = list[n - 1];
    if (n % 2 === 1 && below) more = s.select(s.eqi(event, Event.chain), below.wraps, more);
    const sum = s.add(reg(s, `PMEVCNTR${n}_EL0`), s.select(counts(s, n), more, s.i64(0)));
    list.push({ n, value: s.andi(sum, WRAP - 1n), wraps: s.shri(sum, 32) });
  }
  const pmcr = reg(s, 'PMCR_EL0');
  // LC: overflow of all 64 bits; without it D divides by 64.
  const long = s.bit(pmcr, 6);
  const divided = s.and(s.bit(pmcr, 3), s.eqz(long));
  const cycles = s.select(divided, s.sub(s.shri(at, 6), s.shri(base, 6)), ticks);
  const old = reg(s, 'PMCCNTR_EL0');
  const value = s.add(old, s.select(counts(s, CYCLES), cycles, s.i64(0)));
  const low = s.nei(s.sub(s.shri(value, 32), s.shri(old, 32)), 0);
  list.push({ n: CYCLES, value, wraps: s.zext(s.select(long, s.ltu(value, old), low)) });
  return list;
}

const counterName = (n: number): string => (n === CYCLES ? 'PMCCNTR_EL0' : `PMEVCNTR${n}_EL0`);

/** PMOVSSET_EL0 with the counters that have wrapped. */
const overflowed = (s: Builder, list: readonly Progress[]): Val =>
  any(s, [reg(s, 'PMOVSSET_EL0'), ...list.map((p) => s.shli(s.zext(s.nei(p.wraps, 0)), p.n))]);

/** How the instruction that executes is counted when an exception ends it. */
export const Attempt = {
  /** It has been executed, or none was begun. */
  done: 0,
  /** It takes the exception and is not executed. */
  undone: 1,
  /** It could not be fetched: what will be counted as an instruction is none. */
  unfetched: 2,
} as const;

/** (an Attempt, bits of PMSWINC_EL0): brings all counters up to date. To be followed by `planCounters` when something has changed. */
export const settleCounters: Routine = {
  k: 'routine',
  name: 'settleCounters',
  params: ['i32', 'i32'],
  build: (s: Builder, attempt: Val, software: Val) => {
    const now = retired(s);
    const list = progressUntil(s, s.sub(now, s.zext(s.eqi(attempt, Attempt.undone))), software);
    const flags = overflowed(s, list);
    for (const p of list) put(s, counterName(p.n), p.value);
    put(s, 'PMOVSSET_EL0', flags);
    s.set(state.pmuBase, s.add(now, s.zext(s.eqi(attempt, Attempt.unfetched))));
  },
};

/** (): notes whether anything counts, and when the first counter that interrupts will overflow. The counters are settled. */
export const planCounters: Routine = {
  k: 'routine',
  name: 'planCounters',
  params: [],
  build: (s: Builder) => {
    const enabled = reg(s, 'PMCNTENSET_EL0');
    const running = s.or(s.bit(reg(s, 'PMCR_EL0'), 0), s.bit(reg(s, 'MDCR_EL2'), 7));
    s.set(state.pmuActive, s.and(s.nei(enabled, 0), running));
    const interrupts = reg(s, 'PMINTENSET_EL1');
    const base = s.get(state.pmuBase);
    const never = s.i64(-1n);
    let soonest = never;
    const consider = (wanted: Val, ticks: Val): void => {
      const left = s.select(s.and(wanted, s.nei(ticks, 0)), ticks, never);
      soonest = s.select(s.ltu(left, soonest), left, soonest);
    };
    for (const n of events) {
      const event = eventOf(s, n);
      const counted = s.or(s.eqi(event, Event.instRetired), s.eqi(event, Event.cpuCycles));
      // The counter above may be chained to this one.
      const wanted = n % 2 ? s.bit(interrupts, n) : s.nei(s.bits(interrupts, n, 2), 0);
      const ticks = s.sub(s.i64(WRAP), reg(s, counterName(n)));
      consider(s.and(wanted, s.and(counted, counts(s, n))), ticks);
    }
    const pmcr = reg(s, 'PMCR_EL0');
    const long = s.bit(pmcr, 6);
    const value = reg(s, 'PMCCNTR_EL0');
    const low = s.sub(s.i64(WRAP), s.andi(value, WRAP - 1n));
    const whole = s.select(s.bit(pmcr, 3), s.sub(s.shli(low, 6), s.andi(base, 63)), low);
    consider(
      s.and(s.bit(interrupts, CYCLES), counts(s, CYCLES)),
      s.select(long, s.sub(s.i64(0), value), whole),
    );
    const at = s.add(base, soonest);
    const isSoon = s.and(s.nei(soonest, -1n), s.geu(at, base));
    s.set(state.ownDeadline, s.select(isSoon, at, s.i64(0)));
    // Before this run of generated code would end: the machine has to know.
    const inThisRun = s.and(isSoon, s.ltu(at, s.get(common.retiredEnd)));
    s.if(s.and(inThisRun, s.eqz(s.get(common.stopRequest))), () =>
      s.set(common.stopRequest, s.i32(StopReason.board)),
    );
  },
};

/** (): the instruction count at state.ownDeadline is reached. */
export const ownDeadline: Routine = {
  k: 'routine',
  name: 'ownDeadline',
  params: [],
  build: (s: Builder) => {
    s.call(settleCounters, s.i32(Attempt.done), s.i32(0));
    s.call(planCounters);
  },
};

/** (number of a counter) -> its value now. */
export const counterNow: Routine = {
  k: 'routine',
  name: 'counterNow',
  params: ['i32'],
  result: 'i64',
  build: (s: Builder, n: Val) => {
    const list = progressUntil(s, retired(s), s.i32(0));
    s.ret(list.reduce((rest, p) => s.select(s.eqi(n, p.n), p.value, rest), s.i64(0)));
  },
};

/** () -> PMOVSSET_EL0 now. */
export const overflowsNow: Routine = {
  k: 'routine',
  name: 'overflowsNow',
  params: [],
  result: 'i64',
  build: (s: Builder) => s.ret(overflowed(s, progressUntil(s, retired(s), s.i32(0)))),
};

/** Around a change of what counts: settles before, plans after. */
export function withCounters(s: Builder, change: () => void): void {
  s.call(settleCounters, s.i32(Attempt.done), s.i32(0));
  change();
  s.call(planCounters);
}

/** Before the exception level changes, by an exception or a return. */
export function leaveLevel(s: Builder, attempt: () => Val): void {
  s.if(s.get(state.pmuActive), () => s.call(settleCounters, attempt(), s.i32(0)));
}

/** After it has changed. */
export function enterLevel(s: Builder): void {
  s.if(s.get(state.pmuActive), () => s.call(planCounters));
}
