/** Where a branch to an address in a register leads: tags do not reach the PC (Arm ARM DDI 0487 D8.8, J1.1.3 "AArch64.BranchAddr"). */
import type { Builder } from '../../../ir/builder';
import type { Routine, Val } from '../../../ir/nodes';
import { state } from '../state';
import { inAnyRegime, isTagged } from '../mmu/regimes';

/** Bits of an address below the tag, and the tag. */
const ADDRESS = (1n << 56n) - 1n;
const TAG = 0xffn << 56n;

/** (target, level): the address without its tag, where addresses of that exception level are tagged. */
export const branchAddress: Routine = {
  k: 'routine',
  name: 'branchAddress',
  params: ['i64', 'i32'],
  result: 'i64',
  build: (s: Builder, target: Val, level: Val) => {
    const upper = s.bit(target, 55);
    const low = s.andi(target, ADDRESS);
    inAnyRegime(s, level, (r) => {
      const fetch = s.i32(1);
      const low0 = isTagged(s, r, '0', fetch);
      const tbi = r.twoRanges ? s.select(upper, isTagged(s, r, '1', fetch), low0) : low0;
      // Two ranges extend bit 55, one range zero.
      const plain = r.twoRanges ? s.select(upper, s.ori(low, TAG), low) : low;
      s.ret(s.select(tbi, plain, target));
    });
  },
};

/** The same for a branch at the current level, without a call for the addresses that programs use. */
export function withoutTag(s: Builder, target: Val): Val {
  const out = s.local('branchTarget', target);
  const top = s.shri(target, 55);
  s.if(s.nei(top, 0), () => {
    const oneRange = s.eqz(s.get(state.twoRanges));
    s.rarely(s.or(s.nei(top, 0x1ff), oneRange), () =>
      s.assign(out, s.call(branchAddress, target, s.get(state.el))),
    );
  });
  return s.read(out);
}
