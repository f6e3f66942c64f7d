/**
 * Branch target identification (FEAT_BTI, Arm ARM DDI 0487 D8.4.9): an indirect branch leaves its kind in PSTATE.BTYPE, and in a
 * guarded page (GP) only a landing pad of that kind may come next.
 *
 * BTYPE is set here only where it can matter: where the target is guarded, or its page is not known. Elsewhere the next
 * instruction clears it, and only an interrupt or a BRK in between would show: its SPSR then has BTYPE 0.
 */
import type { Builder } from '../../../ir/builder';
import type { Routine, Val } from '../../../ir/nodes';
import { common } from '../../../ir/state';
import { Acc } from '../../dsl/isa';
import { raiseBranchTarget, settleInternalLine } from '../exceptions/exception';
import { hasFeature } from '../features';
import { Line } from '../interrupt-lines';
import { translate } from '../mmu/mmu';
import { inAnyRegime, sctlr } from '../mmu/regimes';
import type { A64 } from '../sem';
import { state } from '../state';

/** What BTYPE becomes. A jump by X16 or X17, as linkers make them, counts as a call where it matters. */
export const branchType = { jumpByIp: 1, call: 2, jump: 3 } as const;

/** The kind of BR and BRAA, by their register. */
export const jumpType = ({ rn }: { readonly rn: number }): { type: number } => ({
  type: rn === 16 || rn === 17 ? branchType.jumpByIp : branchType.jump,
});

/** Is the page of an address guarded? Where it cannot be fetched from it is as good as that. */
function isGuarded(s: Builder, address: Val): Val {
  const fault = s.call(translate, address, s.i32(Acc.exec));
  return s.or(s.nei(fault, 0), s.get(state.trGuarded));
}

/** (target, kind, address of the branch) -> 1 if BTYPE has been set, and the target must be looked at. */
const leaveType: Routine = {
  k: 'routine',
  name: 'leaveBranchType',
  params: ['i64', 'i32', 'i64'],
  result: 'i32',
  build: (s: Builder, target: Val, kind: Val, from: Val) => {
    const page = s.andi(target, -4096n);
    const entry = s.shli(s.andi(s.wrap(s.shri(target, 12)), state.landingPage.count - 1), 3);
    const [pages, contexts] = [state.landingPage, state.landingContext].map((f) => s.addi(entry, f.offset));
    const now = s.get(state.contexts);
    const aligned = s.eqz(s.wrap(s.bits(target, 0, 2)));
    const known = s.and(
      s.eq(s.getSlot(state.landingPage, pages!), page),
      s.eq(s.getSlot(state.landingContext, contexts!), now),
    );
    s.if(s.and(known, aligned), () => s.ret(s.i32(0)));
    s.if(aligned, () => {
      s.if(s.eqz(isGuarded(s, target)), () => {
        s.setSlot(state.landingPage, pages!, page);
        s.setSlot(state.landingContext, contexts!, now);
        s.ret(s.i32(0));
      });
    });
    const type = s.local('type', kind);
    // From outside of guarded pages any register is as good as X16 and X17.
    s.if(s.eqi(kind, branchType.jump), () =>
      s.if(s.eqz(isGuarded(s, from)), () => s.assign(type, s.i32(branchType.jumpByIp))),
    );
    s.set(state.btype, s.read(type));
    s.set(common.irqLines, s.ori(s.get(common.irqLines), Line.internal));
    s.ret(s.i32(1));
  },
};

/** Ends an indirect branch but RET. */
export function indirect(s: A64, target: Val, type: Val): void {
  leave(s, target, type, () => undefined);
}

/** Ends an indirect call: the return address goes to X30. */
export function indirectCall(s: A64, target: Val): void {
  leave(s, target, s.i32(branchType.call), () => s.setXn(30, s.addi(s.pc(), 4)));
}

/** `commit` is for last, so that the translator can take the rare case for one in which nothing has happened yet. */
function leave(s: A64, target: Val, type: Val, commit: () => void): void {
  s.if(hasFeature(s, 'BTI'), () =>
    s.if(s.call(leaveType, target, type, s.pc()), () => {
      commit();
      s.branch(target, 'recheck');
    }),
  );
  commit();
  s.branch(target);
}

/** May the word stand behind a branch that left `type` (1 to 3)? */
function isLandingPad(s: Builder, word: Val, type: Val): Val {
  // BTI has bit 6 for calls and bit 7 for jumps; type 1 may land on both.
  const bti = s.eqi(s.andi(word, ~0xc0), 0xd503241fn);
  const [calls, jumps] = [s.bit(word, 6), s.bit(word, 7)];
  const fits = s.select(
    s.eqi(type, branchType.call),
    calls,
    s.select(s.eqi(type, branchType.jump), jumps, s.or(calls, jumps)),
  );
  // PACIASP and PACIBSP are "bti c", and "bti jc" unless SCTLR_ELx.BT or BT0 forbids it.
  const sign = s.eqi(s.andi(word, ~0x40), 0xd503233fn);
  const el = s.get(state.el);
  const strict = s.local('strict', s.i32(0));
  inAnyRegime(s, el, (r) => {
    const own = sctlr(s, r, 'BT');
    s.assign(strict, r.twoRanges ? s.select(s.eqz(el), sctlr(s, r, 'BT0'), own) : own);
  });
  const signs = s.or(s.nei(type, branchType.jump), s.eqz(s.read(strict)));
  return s.or(s.and(bti, fits), s.and(sign, signs));
}

/** () -> 1 if the instruction at state.pc must not follow the branch that led there; else BTYPE is done with. */
export const checkTarget: Routine = {
  k: 'routine',
  name: 'checkBranchTarget',
  params: [],
  result: 'i32',
  build: (s: Builder) => {
    const pc = s.get(common.pc);
    // A misaligned PC and a fetch that aborts come first, and save BTYPE.
    s.if(s.nei(s.bits(pc, 0, 2), 0), () => s.ret(s.i32(0)));
    s.if(s.call(translate, pc, s.i32(Acc.exec)), () => s.ret(s.i32(0)));
    const offset = s.sub(s.get(common.trPa), s.get(common.ramBase));
    s.if(s.geu(offset, s.get(common.ramSize)), () => s.ret(s.i32(0)));
    const word = s.ld(4, s.add(s.get(common.ramHost), s.wrap(offset)));
    // BRK and HLT may follow any branch; the SPSR of BRK has BTYPE.
    const kind = s.andi(word, 0xffe0001fn);
    s.if(s.or(s.eqi(kind, 0xd4200000n), s.eqi(kind, 0xd4400000n)), () => s.ret(s.i32(0)));
    const fits = s.or(s.eqz(s.get(state.trGuarded)), isLandingPad(s, word, s.get(state.btype)));
    s.if(s.eqz(fits), () => {
      s.call(raiseBranchTarget);
      s.ret(s.i32(1));
    });
    s.set(state.btype, s.i32(0));
    settleInternalLine(s);
    s.ret(s.i32(0));
  },
};
