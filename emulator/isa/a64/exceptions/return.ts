/** ERET (Arm ARM DDI 0487 C6.2.110, D1.15): what a legal return is, and what an illegal one does. */
import type { Builder } from '../../../ir/builder';
import type { Routine, Val } from '../../../ir/nodes';
import { common } from '../../../ir/state';
import { branchAddress } from '../integer/branch-address';
import { eventBit, recordEvent, stopAfter } from '../events';
import { atLevel, switchLevel } from './exception';
import { hasFeature } from '../features';
import { Line } from '../interrupt-lines';
import { isHost } from '../mmu/regimes';
import { Attempt, enterLevel, leaveLevel } from '../pmu/counters';
import { returnStep } from '../self-hosted/transition';
import { state } from '../state';
import { recordKind, recordSwitch } from '../switch-record';
import { getField, getReg } from '../sysregs';
import { controlHolds } from '../sysregs/controls';
import { makeUnknown } from '../unknown';

/** Is what runs below EL3 AArch64? It is where there is no EL3. */
const below3Is64 = (s: Builder): Val => s.or(getField(s, 'SCR_EL3.RW'), s.eqz(s.get(state.hasEL3)));

/** Is what runs below EL2 AArch64, as far as EL2 decides that? */
const lowerIs64 = (s: Builder): Val => s.or(s.or(getField(s, 'HCR_EL2.RW'), isHost(s)), s.get(state.el2Off));

/** Does a return from `el` to AArch64 with SPSR.M[3:0] = mode break a rule? D1.15.4. */
function illegalTarget(s: Builder, el: Val, mode: Val): Val {
  const target = s.shri(mode, 2);
  const el2 = s.get(state.hasEL2);
  const rules = [
    s.bit(mode, 1),
    s.eqi(mode, 1),
    s.gtu(target, el),
    s.and(s.eqi(target, 2), s.or(s.eqz(el2), s.get(state.el2Off))),
    // EL1 does not exist for software while HCR_EL2.TGE is set.
    s.and(s.eqi(target, 1), s.and(el2, controlHolds(s, 'HCR_EL2.TGE'))),
    // HCR_EL2.RW = 0: EL1 is AArch32. A host has no EL1, and its EL0 may be either.
    s.and(s.ltu(target, s.i32(2)), s.and(s.and(el2, s.gtu(el, s.i32(1))), s.eqz(lowerIs64(s)))),
    // SCR_EL3.RW = 0: all below EL3 is AArch32.
    s.and(s.and(s.eqi(el, 3), s.ltu(target, el)), s.eqz(below3Is64(s))),
  ];
  return rules.reduce((a, b) => s.or(a, b));
}

/** Is a return from `el` to AArch32 with SPSR.M[3:0] = mode illegal? User mode, or EL1's modes while EL1 is AArch32. */
function illegal32(s: Builder, el: Val, mode: Val): Val {
  const user = s.eqz(mode);
  const privileged = s.bit(s.shru(s.i32(0b1000_1000_1000_1110), mode), 0);
  const el2Says = s.or(lowerIs64(s), s.eqz(s.get(state.hasEL2)));
  const el1Is64 = s.or(s.eqi(el, 1), s.and(el2Says, below3Is64(s)));
  return s.eqz(s.or(user, s.and(privileged, s.eqz(el1Is64))));
}

/** ELR or SPSR of the current exception level. */
function ofLevel(s: Builder, stem: 'ELR' | 'SPSR'): Val {
  const el = s.get(state.el);
  const low = s.select(s.eqi(el, 1), getReg(s, `${stem}_EL1`), getReg(s, `${stem}_EL3`));
  return s.select(s.eqi(el, 2), getReg(s, `${stem}_EL2`), low);
}

export const returnAddress = (s: Builder): Val => ofLevel(s, 'ELR');

/** (address) -> 1 if the return goes to AArch32, which did not happen; else 0. state.pc is the ERET, then where it went. */
export const exceptionReturn: Routine = {
  k: 'routine',
  name: 'exceptionReturn',
  params: ['i64'],
  result: 'i32',
  build: (s: Builder, elr: Val) => {
    const el = s.get(state.el);
    const hyp = s.eqi(el, 2);
    const spsr = s.wrap(ofLevel(s, 'SPSR'));
    const mode = s.andi(spsr, 15);
    const to32 = s.bit(spsr, 4);
    const bad32 = s.or(illegal32(s, el, mode), s.eqz(hasFeature(s, 'AArch32')));
    const illegal = s.select(to32, bad32, illegalTarget(s, el, mode));
    s.if(s.and(to32, s.eqz(illegal)), () => s.ret(s.i32(1)));

    const target = s.select(illegal, el, s.shri(mode, 2));
    const details = (): void => {
      s.set(common.mail, s.get(common.pc), 0);
      s.set(common.mail, s.i64(0), 1);
      const where = s.zext(s.or(el, s.shli(target, 8)));
      s.set(common.mail, s.or(where, s.shli(s.zext(spsr), 32)), 2);
      s.set(common.mail, s.get(state.x, 0), 3);
      s.set(common.mail, s.get(state.x, 1), 4);
    };
    const record = (): Val => s.call(recordSwitch, recordKind(s, 'return'), s.i32(0), ofLevel(s, 'ELR'));
    recordEvent(s, 'eret', details, record);
    leaveLevel(s, () => s.i32(Attempt.done));
    returnStep(s, target, spsr);
    s.if(
      illegal,
      () => {
        s.set(state.il, s.i32(1));
        s.set(common.irqLines, s.ori(s.get(common.irqLines), Line.internal));
      },
      () => {
        switchLevel(s, target, s.andi(mode, 1));
        s.set(state.il, s.bit(spsr, 20));
        s.set(common.irqLines, s.or(s.get(common.irqLines), s.shli(s.bit(spsr, 20), 7)));
        s.set(state.uao, s.and(s.bit(spsr, 23), hasFeature(s, 'UAO')));
        s.set(state.ssbs, s.and(s.bit(spsr, 12), hasFeature(s, 'SSBS')));
        s.set(state.dit, s.and(s.bit(spsr, 24), hasFeature(s, 'DIT')));
        const btype = s.select(hasFeature(s, 'BTI'), s.bits(spsr, 10, 2), s.i32(0));
        s.set(state.btype, btype);
        s.if(btype, () => s.set(common.irqLines, s.ori(s.get(common.irqLines), Line.internal)));
      },
    );
    enterLevel(s);
    s.set(state.nzcv, s.andi(spsr, 0xf0000000n));
    s.set(state.daif, s.andi(spsr, 0x3c0));
    s.set(state.pan, s.and(s.bit(spsr, 22), hasFeature(s, 'PAN')));
    s.set(common.pc, s.call(branchAddress, elr, target));
    // A return makes ELR, SPSR and ESR of its level UNKNOWN, execution below a level FAR and HPFAR of that (D24.2).
    atLevel(s, el, (n) => {
      makeUnknown(s, `ELR_EL${n}`, `SPSR_EL${n}`, `ESR_EL${n}`);
      if (n > 1)
        s.if(s.ltu(target, s.i32(n)), () => makeUnknown(s, `FAR_EL${n}`, ...(n === 2 ? ['HPFAR_EL2'] : [])));
    });
    s.if(s.eqz(target), () => makeUnknown(s, 'FAR_EL1'));
    // The local monitor is cleared and the event register set (D1.15.2).
    s.set(state.exBytes, s.i32(0));
    s.set(state.eventRegister, s.i32(1));

    s.if(s.and(hyp, s.ltu(target, s.i32(2))), () => {
      stopAfter(s, s.i32(eventBit('guestEntry')));
      recordEvent(s, 'guestEntry', () => {
        s.set(common.mail, elr, 0);
        s.set(common.mail, s.i64(0), 1);
        s.set(common.mail, s.or(s.zext(s.or(el, s.shli(target, 8))), s.shli(s.zext(spsr), 32)), 2);
        s.set(common.mail, s.get(state.x, 0), 3);
        s.set(common.mail, s.get(state.x, 1), 4);
      });
    });
    s.ret(s.i32(0));
  },
};
