/**
 * The translation context: the key of TLB banks, and what follows from the exception level and the system registers
 * for every access. Computed after each instruction that ends with 'recheck', so it is short.
 */
import type { Builder } from '../../ir/builder';
import type { Routine, Val } from '../../ir/nodes';
import { common } from '../../ir/state';
import { route } from './exception-routes';
import { state } from './state';
import { getField, getReg } from './sysregs';

/**
 * Layout of ctxKey[0]; [1] is TCR, [2] MAIR and [3] VTCR_EL2 (0 while stage 2 is off). TTBRs are not part of it:
 * translations belong to an ASID and a VMID, and software invalidates them when it changes a table.
 */
export const ContextKey = {
  /** 1: EL1&0, 2: EL2. */
  regime: [0, 2],
  el0: [2, 1],
  /** SCTLR_ELx.M, WXN, EE. */
  mmu: [3, 1],
  wxn: [4, 1],
  bigEndianWalk: [5, 1],
  pan: [6, 1],
  /** HCR_EL2.VM, DC, PTW, TGE. */
  vm: [7, 1],
  dc: [8, 1],
  ptw: [9, 1],
  tge: [10, 1],
  vmid: [32, 16],
  asid: [48, 16],
} as const;

/** One part of a key that was read from ctxKey[0]. */
export function contextPart(key0: bigint, part: keyof typeof ContextKey): number {
  const [lsb, width] = ContextKey[part];
  return Number((key0 >> BigInt(lsb)) & ((1n << BigInt(width)) - 1n));
}

function pack(s: Builder, parts: Partial<Record<keyof typeof ContextKey, Val>>): Val {
  return Object.entries(parts)
    .map(([name, v]) => s.shli(s.to('i64', v), ContextKey[name as keyof typeof ContextKey][0]))
    .reduce((a, b) => s.or(a, b));
}

/** The ASID in use: of TTBR1_EL1 if TCR_EL1.A1, 8 or 16 bits. */
export function currentAsid(s: Builder): Val {
  const ttbr = s.select(getField(s, 'TCR_EL1.A1'), getReg(s, 'TTBR1_EL1'), getReg(s, 'TTBR0_EL1'));
  const mask = s.select(getField(s, 'TCR_EL1.AS'), s.i64(0xffff), s.i64(0xff));
  return s.and(s.shri(ttbr, 48), mask);
}

/** The VMID in use: 8 bits, 16 with VTCR_EL2.VS. */
export function currentVmid(s: Builder): Val {
  const mask = s.select(getField(s, 'VTCR_EL2.VS'), s.i64(0xffff), s.i64(0xff));
  return s.and(s.shri(getReg(s, 'VTTBR_EL2'), 48), mask);
}

/** (): see IsaRoutines.contextKey. */
export const contextKey: Routine = {
  k: 'routine',
  name: 'contextKey',
  params: [],
  build: (s: Builder) => {
    const el = s.get(state.el);
    const sctlr = (field: string, of: 1 | 2): Val => getField(s, `SCTLR_EL${of}.${field}`);
    s.if(
      s.eqi(el, 2),
      () => {
        s.set(
          common.ctxKey,
          pack(s, {
            regime: s.i64(2),
            mmu: sctlr('M', 2),
            wxn: sctlr('WXN', 2),
            bigEndianWalk: sctlr('EE', 2),
          }),
          0,
        );
        s.set(common.ctxKey, getReg(s, 'TCR_EL2'), 1);
        s.set(common.ctxKey, getReg(s, 'MAIR_EL2'), 2);
        s.set(common.ctxKey, s.i64(0), 3);
        s.set(common.alignAlways, sctlr('A', 2));
        s.set(common.bigEndian, sctlr('EE', 2));
        s.set(state.spCheck, sctlr('SA', 2));
      },
      () => {
        const el0 = s.eqz(el);
        const hcr = (field: string): Val => getField(s, `HCR_EL2.${field}`);
        const stage2 = s.or(hcr('VM'), hcr('DC'));
        s.set(
          common.ctxKey,
          pack(s, {
            regime: s.i64(1),
            el0,
            mmu: sctlr('M', 1),
            wxn: sctlr('WXN', 1),
            bigEndianWalk: sctlr('EE', 1),
            pan: s.get(state.pan),
            vm: hcr('VM'),
            dc: hcr('DC'),
            ptw: hcr('PTW'),
            tge: hcr('TGE'),
            vmid: currentVmid(s),
            asid: currentAsid(s),
          }),
          0,
        );
        s.set(common.ctxKey, getReg(s, 'TCR_EL1'), 1);
        s.set(common.ctxKey, getReg(s, 'MAIR_EL1'), 2);
        s.set(common.ctxKey, s.select(stage2, getReg(s, 'VTCR_EL2'), s.i64(0)), 3);
        s.set(common.alignAlways, sctlr('A', 1));
        s.set(common.bigEndian, s.select(el0, sctlr('E0E', 1), sctlr('EE', 1)));
        s.set(state.spCheck, s.select(el0, sctlr('SA0', 1), sctlr('SA', 1)));
      },
    );
    s.set(state.fpTrap, route(s, 'fp').to);
  },
};
