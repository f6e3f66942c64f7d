/** What breakpoints and watchpoints have in common: at which levels they match, and in which contexts (D2.8, D2.9). */
import type { Builder } from '../../../ir/builder';
import type { Val } from '../../../ir/nodes';
import { isE2h } from '../mmu/regimes';
import { hasFeature } from '../features';
import { currentVmid } from '../mmu/context';
import { state } from '../state';
import { getField, getReg } from '../sysregs';
import { BREAKPOINTS, FIRST_CONTEXT } from './traps';

const any = (s: Builder, list: readonly Val[]): Val => list.reduce((a, b) => s.or(a, b));
const all = (s: Builder, list: readonly Val[]): Val => list.reduce((a, b) => s.and(a, b));

/** HMC (13), SSC (15:14) and PMC or PAC (2:1) of a control register: does it match at `el`? */
export function matchesLevel(s: Builder, control: Val, el: Val): Val {
  const ssc = s.wrap(s.bits(control, 14, 2));
  const secure = s.get(state.el2Off);
  // 1 and 3 are for Non-secure state, 2 for Secure state, 0 for both.
  const wrongState = s.select(secure, s.bit(ssc, 0), s.eqi(ssc, 2));
  const level = s.select(
    s.gtu(el, s.i32(1)),
    s.bit(control, 13),
    s.select(s.eqz(el), s.bit(control, 2), s.bit(control, 1)),
  );
  return s.and(level, s.eqz(wrongState));
}

/** Does context-aware breakpoint `n` match the context, as its type says? Its own enable bit included. */
export function matchesContext(s: Builder, n: number): Val {
  const bcr = getReg(s, `DBGBCR${n}_EL1`);
  const bvr = getReg(s, `DBGBVR${n}_EL1`);
  const type = s.wrap(s.bits(bcr, 20, 4));
  const el = s.get(state.el);
  const el2On = s.and(s.nei(s.get(state.hasEL2), 0), s.eqz(s.get(state.el2Off)));
  const e2h = s.and(el2On, isE2h(s));
  const hostUser = all(s, [e2h, s.eqz(el), getField(s, 'HCR_EL2.TGE')]);
  const inHost = s.or(s.and(e2h, s.eqi(el, 2)), hostUser);
  const isGuest = s.and(s.ltu(el, s.i32(2)), s.eqz(hostUser));
  const low = s.bits(bvr, 0, 32);
  const one = (name: string): Val => s.eq(low, s.bits(getReg(s, name), 0, 32));
  const el1Id = one('CONTEXTIDR_EL1');
  const el2Id = s.eq(s.shri(bvr, 32), s.bits(getReg(s, 'CONTEXTIDR_EL2'), 0, 32));
  const vmidBits = s.select(
    s.and(hasFeature(s, 'VHE'), getField(s, 'VTCR_EL2.VS')),
    s.i64(0xffff),
    s.i64(0xff),
  );
  const vmid = s.eq(s.and(s.shri(bvr, 32), vmidBits), s.and(currentVmid(s), vmidBits));
  const withVhe = hasFeature(s, 'VHE');
  const kinds: readonly (readonly [number, Val])[] = [
    // CONTEXTIDR of the level that executes: EL2's in a host.
    [1, s.select(inHost, one('CONTEXTIDR_EL2'), s.and(isGuest, el1Id))],
    [3, all(s, [withVhe, isGuest, el1Id])],
    [4, all(s, [el2On, isGuest, vmid])],
    [5, all(s, [el2On, isGuest, vmid, el1Id])],
    [6, all(s, [withVhe, el2On, s.ltu(el, s.i32(3)), el2Id])],
    [7, all(s, [withVhe, el2On, isGuest, el1Id, el2Id])],
  ];
  const kind = s.shri(type, 1);
  return s.and(
    s.bit(bcr, 0),
    any(
      s,
      kinds.map(([k, holds]) => s.and(s.eqi(kind, k), holds)),
    ),
  );
}

/** Does the breakpoint match to which a control register links (LBN, 19:16)? One that is not to be linked to never does. */
export function matchesLinked(s: Builder, control: Val): Val {
  const lbn = s.wrap(s.bits(control, 16, 4));
  const candidates = Array.from({ length: BREAKPOINTS - FIRST_CONTEXT }, (_, i) => {
    const n = FIRST_CONTEXT + i;
    const isLinked = s.bit(getReg(s, `DBGBCR${n}_EL1`), 20);
    return all(s, [s.eqi(lbn, n), isLinked, matchesContext(s, n)]);
  });
  return any(s, candidates);
}
