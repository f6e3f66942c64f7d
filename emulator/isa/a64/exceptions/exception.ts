/**
 * Taking exceptions (Arm ARM DDI 0487 D1.13): entry, the synchronous ones, interrupts. Where they go is decided by the
 * table in routes.ts. All are routines: an instruction calls one and ends with 'recheck'.
 */
import type { Builder } from '../../../ir/builder';
import type { Routine, Val } from '../../../ir/nodes';
import { common } from '../../../ir/state';
import { eventBit, recordEvent, stopAfter, type EventName } from '../events';
import { route, type ExceptionName } from './routes';
import { bitsWith, hasFeature } from '../features';
import { Line, physicalLines } from '../interrupt-lines';
import { isHost } from '../mmu/regimes';
import { Attempt, enterLevel, leaveLevel } from '../pmu/counters';
import { leaveStep } from '../self-hosted/transition';
import { state } from '../state';
import { isNearEntry, RecordFlag, recordKind, recordSwitch } from '../switch-record';
import { getField, getReg, setReg } from '../sysregs';
import { makeUnknown } from '../unknown';

/** Offsets in the vector table by kind of exception (D1.13.2). */
export const Vector = { sync: 0, irq: 0x80, fiq: 0x100, serror: 0x180 } as const;

/** ESR with IL set, as for all exceptions from A64 instructions. */
const IL = 1 << 25;

/** PSTATE as SPSR has it (C5.2.18). */
export function packPstate(s: Builder): Val {
  const parts = [
    s.get(state.daif),
    s.shli(s.get(state.ssbs), 12),
    s.shli(s.get(state.btype), 10),
    s.shli(s.get(state.dit), 24),
    s.shli(s.get(state.il), 20),
    s.shli(s.get(state.ss), 21),
    s.shli(s.get(state.pan), 22),
    s.shli(s.get(state.uao), 23),
    s.shli(s.get(state.el), 2),
    s.get(state.spsel),
  ];
  return parts.reduce((a, b) => s.or(a, b), s.get(state.nzcv));
}

const spSlot = (s: Builder, n: Val): Val => s.addi(s.shli(n, 3), state.spEl.offset);

/** Makes `el` with SPSel `sp` current: the stack pointer in use moves with it. */
export function switchLevel(s: Builder, el: Val, sp: Val): void {
  const from = s.select(s.get(state.spsel), s.get(state.el), s.i32(0));
  s.setSlot(state.spEl, spSlot(s, from), s.get(state.x, 31));
  const to = s.select(sp, el, s.i32(0));
  s.set(state.x, s.getSlot(state.spEl, spSlot(s, to)), 31);
  s.set(state.el, el);
  s.set(state.spsel, sp);
}

/** Runs one of the bodies for the target level of an exception. */
export function atLevel(s: Builder, target: Val, body: (el: 1 | 2 | 3) => void): void {
  s.if(
    s.eqi(target, 1),
    () => body(1),
    () =>
      s.if(
        s.eqi(target, 2),
        () => body(2),
        () => body(3),
      ),
  );
}

/**
 * How the counters are to take an exception whose syndrome is written: an instruction to which it returns was not executed,
 * unless it was not even begun (illegal state, debug exceptions before it) or is BRK.
 */
function attempt(s: Builder, target: Val, kind: Val, ret: Val): Val {
  const esr = (n: 1 | 2 | 3): Val => getReg(s, `ESR_EL${n}`);
  const written = s.select(s.eqi(target, 1), esr(1), s.select(s.eqi(target, 2), esr(2), esr(3)));
  const ec = s.wrap(s.bits(written, 26, 6));
  const among = (...list: number[]): Val => list.map((n) => s.eqi(ec, n)).reduce((a, b) => s.or(a, b));
  const again = s.and(s.eqi(kind, Vector.sync), s.eq(ret, s.get(common.pc)));
  const begun = s.eqz(among(0x0e, 0x30, 0x31, 0x32, 0x33, 0x3c));
  const unfetched = among(0x20, 0x21, 0x22);
  const how = s.select(unfetched, s.i32(Attempt.unfetched), s.i32(Attempt.undone));
  return s.select(s.and(again, begun), how, s.i32(Attempt.done));
}

/**
 * (target EL, vector kind, event kinds, preferred return address): exception entry. ESR, FAR and HPFAR of the target
 * are already written. `kinds` are the bits of the more special events that this is.
 */
export const enterException: Routine = {
  k: 'routine',
  name: 'enterException',
  params: ['i32', 'i32', 'i32', 'i64'],
  build: (s: Builder, target: Val, kind: Val, kinds: Val, ret: Val) => {
    leaveLevel(s, () => attempt(s, target, kind, ret));
    leaveStep(s, s.eqi(kind, Vector.sync), ret);
    const spsr = packPstate(s);
    const source = s.get(state.el);
    const same = s.select(s.get(state.spsel), s.i32(0x200), s.i32(0));
    const offset = s.add(kind, s.select(s.eq(source, target), same, s.i32(0x400)));
    switchLevel(s, target, s.i32(1));
    enterLevel(s);
    s.set(state.daif, s.i32(0x3c0));
    s.set(state.il, s.i32(0));
    s.set(state.ss, s.i32(0));
    s.set(state.btype, s.i32(0));
    s.set(state.uao, s.i32(0));
    // SPAN = 0 sets PAN on entry to EL1, and to EL2 where that is the kernel of EL0 (D1.13.3).
    const span = s.select(
      s.eqi(target, 1),
      getField(s, 'SCTLR_EL1.SPAN'),
      s.or(s.or(s.eqz(isHost(s)), getField(s, 'SCTLR_EL2.SPAN')), s.eqi(target, 3)),
    );
    const pan = s.and(s.eqz(span), hasFeature(s, 'PAN'));
    s.set(state.pan, s.or(s.get(state.pan), pan));
    const dssbs = s.select(
      s.eqi(target, 1),
      getField(s, 'SCTLR_EL1.DSSBS'),
      s.select(s.eqi(target, 2), getField(s, 'SCTLR_EL2.DSSBS'), getField(s, 'SCTLR_EL3.DSSBS')),
    );
    s.set(state.ssbs, s.and(dssbs, hasFeature(s, 'SSBS')));
    s.set(state.holdSkip, s.i32(0));
    atLevel(s, target, (el) => {
      setReg(s, `SPSR_EL${el}`, s.zext(spsr));
      setReg(s, `ELR_EL${el}`, ret);
      s.set(common.pc, s.add(getReg(s, `VBAR_EL${el}`), s.zext(offset)));
    });
    const all = s.or(
      s.ori(kinds, eventBit('entry')),
      s.select(s.gtu(target, s.i32(1)), s.i32(eventBit('trapEntry')), s.i32(0)),
    );
    stopAfter(s, all);
    s.if(s.nei(s.and(s.get(common.eventMask), all), 0), () => {
      const details = (): void => {
        s.set(common.mail, ret, 0);
        s.set(common.mail, s.zext(s.or(s.or(source, s.shli(target, 8)), s.shli(offset, 16))), 2);
        s.set(common.mail, s.or(s.get(common.mail, 2), s.shli(s.zext(spsr), 32)), 2);
        atLevel(s, target, (el) => {
          const esr = getReg(s, `ESR_EL${el}`);
          const isInterrupt = s.nei(s.andi(kinds, eventBit('irq')), 0);
          s.set(common.mail, s.select(isInterrupt, s.i64(0), esr), 1);
          s.set(common.mail, getReg(s, `FAR_EL${el}`), 3);
        });
        s.set(common.mail, getReg(s, 'HPFAR_EL2'), 4);
      };
      details();
      // What the other kinds say is in the flags of the record.
      const vectors = s.sub(s.get(common.pc), s.zext(offset));
      s.if(recordEntry(s, kinds, vectors), () => s.ret());
      const report = (name: EventName): void =>
        s.if(s.nei(s.andi(all, eventBit(name)), 0), () => recordEvent(s, name, details));
      for (const name of ['undefined', 'stage2Fault', 'irq', 'entry'] as const) report(name);
    });
  },
};

/**
 * Records an entry whose details are in the mail, if code does so by itself and the host asks for entries. What may have come of something
 * that is not there is the host's: undefined instructions, and external aborts (D24.2.40).
 * @param vectors where the vectors of the target begin
 */
function recordEntry(s: Builder, kinds: Val, vectors: Val): Val {
  const esr = s.wrap(s.get(common.mail, 1));
  const ec = s.shri(esr, 26);
  const isAbort = s.or(s.eqi(s.andi(ec, 0x3e), 0x20), s.eqi(s.andi(ec, 0x3e), 0x24));
  const isExternal = s.and(isAbort, s.eqi(s.andi(esr, 0x3f), 0x10));
  const has = (name: EventName): Val => s.nei(s.andi(kinds, eventBit(name)), 0);
  const isAsked = s.nei(s.andi(s.get(common.eventMask), eventBit('entry')), 0);
  const recorded = s.local('recorded', s.i32(0));
  const isHosts = s.or(isNearEntry(s), s.or(has('undefined'), isExternal));
  s.if(s.and(isAsked, s.eqz(isHosts)), () => {
    const stage2 = s.select(has('stage2Fault'), s.i32(RecordFlag.stage2), s.i32(0));
    const flags = s.or(stage2, s.select(has('irq'), s.i32(RecordFlag.interrupt), s.i32(0)));
    s.assign(recorded, s.call(recordSwitch, recordKind(s, 'entry'), flags, vectors));
  });
  return s.read(recorded);
}

/** Any exception but aborts and misaligned PCs leaves FAR of its level UNKNOWN (Arm ARM DDI 0487 D24.2, FAR_EL1). */
function farUnknown(s: Builder, target: Val): void {
  atLevel(s, target, (el) => makeUnknown(s, `FAR_EL${el}`));
}

/** As raiseSync, for exceptions that have set FAR of the target. */
export const raiseSyncWithFar: Routine = {
  k: 'routine',
  name: 'raiseSyncWithFar',
  params: ['i32', 'i32', 'i32', 'i32', 'i64'],
  build: (s: Builder, target: Val, ec: Val, iss: Val, kinds: Val, ret: Val) => {
    const esr = s.zext(s.or(s.or(s.shli(ec, 26), s.i32(IL)), iss));
    atLevel(s, target, (el) => setReg(s, `ESR_EL${el}`, esr));
    s.call(enterException, target, s.i32(Vector.sync), kinds, ret);
  },
};

/** (target EL, EC, ISS, event kinds, preferred return address): a synchronous exception without a fault address. */
export const raiseSync: Routine = {
  k: 'routine',
  name: 'raiseSync',
  params: ['i32', 'i32', 'i32', 'i32', 'i64'],
  build: (s: Builder, target: Val, ec: Val, iss: Val, kinds: Val, ret: Val) => {
    farUnknown(s, target);
    s.call(raiseSyncWithFar, target, ec, iss, kinds, ret);
  },
};

/** Takes an exception of the table whose destination is always a level, returning to state.pc. */
function raise(s: Builder, name: ExceptionName, iss: Val, kinds = 0): void {
  const { to, ec } = route(s, name);
  s.call(raiseSync, to, ec, iss, s.i32(kinds), s.get(common.pc));
}

/** (): the instruction at state.pc is UNDEFINED. */
export const raiseUndefined: Routine = {
  k: 'routine',
  name: 'raiseUndefined',
  params: [],
  build: (s: Builder) => raise(s, 'undefined', s.i32(0), eventBit('undefined')),
};

/** (): FP and SIMD are off for the instruction at state.pc. */
export const raiseFp: Routine = {
  k: 'routine',
  name: 'raiseFp',
  params: [],
  build: (s: Builder) => {
    // ISS: CV = 1, COND = 0b1110; none for the EC 0 that HCR_EL2.TGE makes of it.
    const { to, ec } = route(s, 'fp');
    const iss = s.select(s.eqz(ec), s.i32(0), s.i32(0x1e00000));
    s.call(raiseSync, to, ec, iss, s.i32(0), s.get(common.pc));
  },
};

/** (target: 1 to 3, ISS): a trapped MSR, MRS or system instruction at state.pc. */
export const raiseTrap: Routine = {
  k: 'routine',
  name: 'raiseTrap',
  params: ['i32', 'i32'],
  build: (s: Builder, target: Val, iss: Val) => {
    s.if(
      s.eqi(target, 1),
      () => raise(s, 'registerEl1', iss),
      () =>
        s.if(
          s.eqi(target, 2),
          () => raise(s, 'registerEl2', iss),
          () => raise(s, 'registerEl3', iss),
        ),
    );
  },
};

/** (pc): a misaligned PC. FAR holds it (D1.13.4). */
export const raisePcAlignment: Routine = {
  k: 'routine',
  name: 'raisePcAlignment',
  params: ['i64'],
  build: (s: Builder, pc: Val) => {
    const { to, ec } = route(s, 'pcAlignment');
    atLevel(s, to, (el) => setReg(s, `FAR_EL${el}`, pc));
    s.call(raiseSyncWithFar, to, ec, s.i32(0), s.i32(0), pc);
  },
};

/** (): the SP that the instruction at state.pc uses as a base is not a multiple of 16. */
export const raiseSpAlignment: Routine = {
  k: 'routine',
  name: 'raiseSpAlignment',
  params: [],
  build: (s: Builder) => raise(s, 'spAlignment', s.i32(0)),
};

/** (): PSTATE.IL is set at the instruction at state.pc. */
export const raiseIllegalState: Routine = {
  k: 'routine',
  name: 'raiseIllegalState',
  params: [],
  build: (s: Builder) => raise(s, 'illegalState', s.i32(0)),
};

/** (): a pointer authentication instruction at state.pc that EL2 has not permitted. */
export const raisePauth: Routine = {
  k: 'routine',
  name: 'raisePauth',
  params: [],
  build: (s: Builder) => raise(s, 'pauth', s.i32(0)),
};

/** (): the instruction at state.pc is no landing pad for the branch that led here. ISS: PSTATE.BTYPE (D17.2.37). */
export const raiseBranchTarget: Routine = {
  k: 'routine',
  name: 'raiseBranchTarget',
  params: [],
  build: (s: Builder) => raise(s, 'branchTarget', s.get(state.btype)),
};

/** Takes one kind of interrupt if it is pending, routed somewhere and not masked. */
function interrupt(
  s: Builder,
  name: ExceptionName,
  pending: Val,
  maskBit: number,
  vector: number,
  before: () => void = () => undefined,
): void {
  s.if(s.nei(pending, 0), () => {
    const { to } = route(s, name);
    const el = s.get(state.el);
    // PSTATE masks do not hold back an interrupt that goes to EL2 or EL3 from below (D1.14.4).
    const up = s.and(s.gtu(to, s.i32(1)), s.ltu(el, to));
    const unmasked = s.or(up, s.eqz(s.bit(s.get(state.daif), maskBit)));
    s.if(s.and(s.nei(to, 0), unmasked), () => {
      before();
      farUnknown(s, to);
      s.call(enterException, to, s.i32(vector), s.i32(eventBit('irq')), s.get(common.pc));
      s.ret(s.i32(1));
    });
  });
}

/** Lowers the internal line when nothing holds it any more: PSTATE.IL and BTYPE, virtual interrupts of HCR_EL2. */
export function settleInternalLine(s: Builder): void {
  const virtual = s.wrap(s.bits(getReg(s, 'HCR_EL2'), 6, 3));
  const cause = s.or(s.or(s.get(state.il), s.get(state.btype)), virtual);
  s.if(s.eqz(cause), () => s.set(common.irqLines, s.andi(s.get(common.irqLines), ~Line.internal)));
}

/** () -> 1 if a pending interrupt was taken at state.pc. */
export const takeInterrupt: Routine = {
  k: 'routine',
  name: 'takeInterrupt',
  params: [],
  result: 'i32',
  build: (s: Builder) => {
    const lines = s.get(common.irqLines);
    const hcr = getReg(s, 'HCR_EL2');
    const physical = physicalLines(s);
    interrupt(s, 'fiq', physical.fiq, 6, Vector.fiq);
    interrupt(s, 'irq', physical.irq, 7, Vector.irq);
    interrupt(s, 'vserror', s.bit(hcr, 8), 8, Vector.serror, () => {
      // Taking it clears HCR_EL2.VSE (D1.14.5).
      setReg(s, 'HCR_EL2', s.andi(getReg(s, 'HCR_EL2'), ~0x100n));
      // With FEAT_RAS the hypervisor gives the syndrome (D17.2.138, VSESR_EL2).
      const iss = s.and(getReg(s, 'VSESR_EL2'), bitsWith(s, 'RAS', 0x1ffffffn));
      setReg(s, 'ESR_EL1', s.ori(iss, (BigInt(0x2f) << 26n) | BigInt(IL)));
    });
    interrupt(s, 'vfiq', s.or(s.bit(lines, 3), s.bit(hcr, 6)), 6, Vector.fiq);
    interrupt(s, 'virq', s.or(s.bit(lines, 2), s.bit(hcr, 7)), 7, Vector.irq);
    settleInternalLine(s);
    s.ret(s.i32(0));
  },
};
