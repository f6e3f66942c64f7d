/**
 * The translation context: the key of TLB banks, and what follows from the exception level and the system registers
 * for every access. Computed after each instruction that ends with 'recheck', so it is short.
 */
import type { Builder } from '../../../ir/builder';
import type { Routine, Val } from '../../../ir/nodes';
import { common } from '../../../ir/state';
import { route } from '../exceptions/routes';
import { debugContext } from '../self-hosted/enable';
import { hasFeature } from '../features';
import { CpuFeature, state } from '../state';
import {
  asidOf,
  inAnyRegime,
  inRegime,
  isE2h,
  regimeRegister,
  regimes,
  sctlr,
  withoutE2h,
  type Regime,
} from './regimes';
import { getField, getReg } from '../sysregs';
import { controlHolds, type Known } from '../sysregs/controls';

/**
 * Layout of ctxKey[0]; [1] is TCR, [2] MAIR and [3] VTCR_EL2 (0 while stage 2 is off). TTBRs are not part of it:
 * translations belong to an ASID and a VMID, and software invalidates them when it changes a table.
 */
export const ContextKey = {
  /** Regime.key. */
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
  /** Entries hold whether accesses must be aligned, and in which byte order data is: SCTLR_ELx.A, EE or E0E. */
  alignAlways: [11, 1],
  bigEndianData: [12, 1],
  /** Secure EL1&0; EL3 is a regime of its own. */
  secure: [13, 1],
  /** HCR_EL2.FWB. */
  fwb: [14, 1],
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

/** The VMID in use: 8 bits, 16 with VTCR_EL2.VS. */
export function currentVmid(s: Builder): Val {
  const mask = s.select(getField(s, 'VTCR_EL2.VS'), s.i64(0xffff), s.i64(0xff));
  return s.and(s.shri(getReg(s, 'VTTBR_EL2'), 48), mask);
}

/** What follows from the registers of a regime; `user`: for EL0. */
function inContext(s: Builder, r: Regime, user: Val, known: Known, secure = false): void {
  const hcr = (field: string): Val => controlHolds(s, `HCR_EL2.${field}`, known);
  const stage2 = r.stage2
    ? { vm: hcr('VM'), dc: hcr('DC'), ptw: hcr('PTW'), fwb: hcr('FWB'), vmid: currentVmid(s) }
    : undefined;
  const byLevel = (el0: string, other: string): Val =>
    r.twoRanges ? s.select(user, sctlr(s, r, el0), sctlr(s, r, other)) : sctlr(s, r, other);
  const alignAlways = sctlr(s, r, 'A');
  const bigEndian = byLevel('E0E', 'EE');
  const parts = {
    alignAlways,
    bigEndianData: bigEndian,
    regime: s.i64(r.key),
    mmu: sctlr(s, r, 'M'),
    wxn: sctlr(s, r, 'WXN'),
    bigEndianWalk: sctlr(s, r, 'EE'),
    ...(r.twoRanges ? { el0: user, pan: s.get(state.pan), asid: asidOf(s, r) } : {}),
    ...(secure ? { secure: s.i64(1) } : {}),
    ...(stage2 ? { ...stage2, tge: getField(s, 'HCR_EL2.TGE') } : {}),
  };
  s.set(common.ctxKey, pack(s, parts), 0);
  s.set(common.ctxKey, regimeRegister(s, r, 'TCR'), 1);
  s.set(common.ctxKey, regimeRegister(s, r, 'MAIR'), 2);
  const nested = stage2 ? s.or(stage2.vm, stage2.dc) : s.i32(0);
  s.set(common.ctxKey, s.select(nested, getReg(s, 'VTCR_EL2'), s.i64(0)), 3);
  s.set(common.alignAlways, alignAlways);
  // Without translation all data is in Device memory.
  s.set(common.entriesAlign, s.or(alignAlways, s.eqz(parts.mmu)));
  s.set(common.bigEndian, bigEndian);
  s.set(state.spCheck, byLevel('SA0', 'SA'));
  s.set(state.twoRanges, s.i32(r.twoRanges ? 1 : 0));
}

/** Bits of state.pauth: the instruction keys A and B, the data keys. */
export const KeyBit = { IA: 1, IB: 2, DA: 4, DB: 8 } as const;

/** What pointer authentication and branch target identification need to know. */
function branches(s: Builder): void {
  inAnyRegime(s, s.get(state.el), (r) => {
    const enabled = Object.entries(KeyBit).map(([key, bit]) =>
      s.shli(sctlr(s, r, `En${key}`), Math.log2(bit)),
    );
    const any = enabled.reduce((a, b) => s.or(a, b));
    s.set(state.pauth, s.select(hasFeature(s, 'PAuth'), any, s.i32(0)));
  });
  s.set(state.pauthTrap, route(s, 'pauth').to);
  s.set(state.contexts, s.addi(s.get(state.contexts), 1));
}

/** (): see IsaRoutines.contextKey. */
export const contextKey: Routine = {
  k: 'routine',
  name: 'contextKey',
  params: [],
  build: (s: Builder) => {
    s.if(s.get(state.debugOn), () => s.call(debugContext));
    const el = s.get(state.el);
    // This runs at every world switch: without VHE and outside Secure state it must stay short.
    const build = (known: Known): void => {
      const either = known.noE2h ? withoutE2h : inRegime;
      either(s, el, (r) => inContext(s, r, s.eqz(el), known));
      s.set(state.fpTrap, route(s, 'fp', known).to);
    };
    s.if(
      s.or(s.get(state.el2Off), s.eqi(el, 3)),
      () => {
        s.if(
          s.eqi(el, 3),
          () => inContext(s, regimes.el3, s.i32(0), {}),
          () => inContext(s, { ...regimes.el10, stage2: false }, s.eqz(el), {}, true),
        );
        s.set(state.fpTrap, route(s, 'fp').to);
      },
      () =>
        s.if(
          isE2h(s),
          () => build({ el2: true }),
          () => build({ el2: true, noE2h: true }),
        ),
    );
    s.if(s.andi(s.get(state.features), CpuFeature.PAuth | CpuFeature.BTI), () => branches(s));
  },
};
