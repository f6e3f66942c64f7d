/** Translation on request: the AT instructions with PAR_EL1, and the debugger's look into any regime. */
import type { Builder } from '../../../ir/builder';
import type { Routine, StateField, Val } from '../../../ir/nodes';
import { common } from '../../../ir/state';
import { Acc } from '../../dsl/isa';
import { Fault, Fsc, raiseAtExternal, raiseAtFault } from '../exceptions/abort';
import { currentRegime, RegimeCode, translateIn } from './mmu';
import { state } from '../state';
import { setReg } from '../sysregs';

/** (va, acc, regime, user) -> 1 if it took an exception: AT. The result is in PAR_EL1 (Arm ARM DDI 0487 D17.2.111). */
export const addressTranslate: Routine = {
  k: 'routine',
  name: 'addressTranslate',
  params: ['i64', 'i32', 'i32', 'i32'],
  result: 'i32',
  build: (s: Builder, va: Val, acc: Val, regime: Val, user: Val) => {
    const fault = s.call(translateIn, va, acc, regime, user);
    const walkFault = Fault.stage2 | Fault.s1ptw;
    const stage1Only = s.eqi(regime, RegimeCode.el10Stage1);
    // At EL1 the hypervisor must resolve what the walk met: the fault is taken to EL2 (D8.11.1).
    const hypMustKnow = s.and(
      s.eqi(s.get(state.el), 1),
      s.and(stage1Only, s.eqi(s.andi(fault, walkFault), walkFault)),
    );
    s.if(hypMustKnow, () => {
      s.call(raiseAtFault, va);
      s.ret(s.i32(1));
    });
    s.if(s.eqi(s.andi(fault, Fault.any | 0x3c), Fault.any | Fsc.externalOnWalk), () => {
      s.call(raiseAtExternal, va);
      s.ret(s.i32(1));
    });
    s.if(
      fault,
      () => {
        const fst = s.shli(s.andi(fault, Fault.fsc), 1);
        const ptw = s.shli(s.andi(fault, Fault.s1ptw), 1);
        const stage = s.shli(s.andi(fault, Fault.stage2), 3);
        setReg(s, 'PAR_EL1', s.zext(s.ori(s.or(fst, s.or(ptw, stage)), (1 << 11) | 1)));
      },
      () => {
        const mem = s.get(state.trMem);
        // Device and Normal non-cacheable memory is outer shareable, whatever the tables say.
        const fixed = s.or(s.eqz(s.andi(mem, 0xf0)), s.eqi(mem, 0x44));
        const sh = s.select(fixed, s.i32(2), s.get(state.trSh));
        // NS: not in the Secure physical address space.
        const isEl3 = s.eqi(regime, RegimeCode.el3);
        const el10 = s.or(stage1Only, s.eqi(regime, RegimeCode.el10));
        const secure = s.or(isEl3, s.and(el10, s.get(state.el2Off)));
        const ns = s.or(s.eqz(secure), s.get(state.trNs));
        const low = s.ori(s.or(s.shli(sh, 7), s.shli(ns, 9)), 1 << 11);
        const pa = s.andi(s.get(common.trPa), 0xffffffffff000n);
        setReg(s, 'PAR_EL1', s.or(s.or(s.shli(s.zext(mem), 56), pa), s.zext(low)));
      },
    );
    s.ret(s.i32(0));
  },
};

/** Everything that a translation writes. */
export const translationFields: readonly StateField[] = [
  common.trPa,
  common.trSize,
  common.trAttr,
  state.fault,
  state.faultReads,
  state.faultIpa,
  state.trMem,
  state.trSh,
  state.trNs,
  state.trGuarded,
  state.s2Pa,
  state.s2Size,
  state.s2Mem,
  state.s2Sh,
  state.s2Level,
];

/**
 * (): translates for the debugger and changes nothing but the mail. In: mail[0] address, mail[1] regime (0: the
 * current one, else a RegimeCode), mail[2] Acc bits, and 0x100 for an access as EL0. Out: mail[0] the fault (Fault
 * word, 0: none), mail[1] the physical address, mail[2] log2 of the mapping's size | MemAttr << 8 | MAIR byte << 16 |
 * shareability << 24, mail[3] the IPA of a stage 2 fault.
 */
export const translateAs: Routine = {
  k: 'routine',
  name: 'translateAs',
  params: [],
  build: (s: Builder) => {
    const kept = translationFields.map((f) => s.local(`kept_${f.name}`, s.get(f)));
    const flags = s.wrap(s.get(common.mail, 2));
    const el = s.get(state.el);
    const asked = s.wrap(s.get(common.mail, 1));
    const isCurrent = s.eqz(asked);
    const user = s.or(s.bit(flags, 8), s.and(isCurrent, s.eqz(el)));
    const acc = s.ori(s.andi(flags, 0xff), Acc.peek);
    const fault = s.call(
      translateIn,
      s.get(common.mail, 0),
      acc,
      s.select(isCurrent, currentRegime(s), asked),
      user,
    );
    s.set(common.mail, s.zext(fault), 0);
    s.set(common.mail, s.get(common.trPa), 1);
    const what = [
      s.get(common.trSize),
      s.shli(s.get(common.trAttr), 8),
      s.shli(s.get(state.trMem), 16),
      s.shli(s.get(state.trSh), 24),
    ].reduce((a, b) => s.or(a, b));
    s.set(common.mail, s.zext(what), 2);
    s.set(common.mail, s.get(state.faultIpa), 3);
    translationFields.forEach((f, i) => s.set(f, s.read(kept[i]!)));
  },
};
