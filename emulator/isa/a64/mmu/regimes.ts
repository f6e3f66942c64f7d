/**
 * The translation regimes (Arm ARM DDI 0487 D8.1.2): which registers control each, and which one software at an exception
 * level uses. HCR_EL2.E2H turns that of EL2 into EL2&0, which has all that EL1&0 has; with TGE too, EL0 belongs to it.
 * Secure EL1&0 has the registers of EL1&0, and no stage 2.
 */
import type { Builder } from '../../../ir/builder';
import type { Val } from '../../../ir/nodes';
import { hasFeature } from '../features';
import { state } from '../state';
import { fieldRange, getField, getReg, sysregNamed } from '../sysregs';

export interface Regime {
  /** For people. */
  readonly name: string;
  /** In keys of TLB banks. */
  readonly key: 0 | 1 | 2 | 3;
  /** The suffix of its registers: SCTLR_EL<el>. */
  readonly el: 1 | 2 | 3;
  /** Two halves of the address space (TTBR0 and TTBR1), an ASID, EL0. */
  readonly twoRanges: boolean;
  /** TCR has the layout that registers of EL2 have with E2H. */
  readonly e2h: boolean;
  /** Stage 2 may follow. */
  readonly stage2: boolean;
}

export const regimes = {
  el10: { name: 'EL1&0', key: 1, el: 1, twoRanges: true, e2h: false, stage2: true },
  el2: { name: 'EL2', key: 2, el: 2, twoRanges: false, e2h: false, stage2: false },
  el20: { name: 'EL2&0', key: 3, el: 2, twoRanges: true, e2h: true, stage2: false },
  el3: { name: 'EL3', key: 0, el: 3, twoRanges: false, e2h: false, stage2: false },
} as const satisfies Record<string, Regime>;

export const isE2h = (s: Builder): Val => getField(s, 'HCR_EL2.E2H');

/** HCR_EL2.{E2H, TGE} = {1, 1}: EL0 is the user mode of a host kernel at EL2. */
export const isHost = (s: Builder): Val =>
  s.and(s.and(isE2h(s), getField(s, 'HCR_EL2.TGE')), s.eqz(s.get(state.el2Off)));

/** Does software at `el` use the EL2&0 regime? Meant for EL0 and EL2. */
export const usesEl20 = (s: Builder, el: Val): Val =>
  s.or(s.and(isE2h(s), s.eqi(el, 2)), s.and(s.eqz(el), isHost(s)));

/** Runs the body of the regime that software at `el` uses, where HCR_EL2.E2H is known to be 0 and `el` is not EL3. */
export const withoutE2h = (s: Builder, el: Val, body: (r: Regime) => void): void =>
  s.if(
    s.eqi(el, 2),
    () => body(regimes.el2),
    () => body(regimes.el10),
  );

/** Runs the body of the regime that software at `el`, which is not EL3, uses. */
export function inRegime(s: Builder, el: Val, body: (r: Regime) => void): void {
  s.if(
    usesEl20(s, el),
    () => body(regimes.el20),
    () => withoutE2h(s, el, body),
  );
}

/** The same where it may be EL3. */
export const inAnyRegime = (s: Builder, el: Val, body: (r: Regime) => void): void =>
  s.if(
    s.eqi(el, 3),
    () => body(regimes.el3),
    () => inRegime(s, el, body),
  );

/** A field of the regime's TCR, as an i32. IPS and PS are one field. */
export function tcr(s: Builder, r: Regime, field: string): Val {
  const register = `TCR_EL${r.el}`;
  const name = field === 'IPS' && !r.twoRanges ? 'PS' : field;
  const { lsb, width } = fieldRange(register, name, r.e2h);
  return s.to('i32', s.bits(getReg(s, register), lsb, width));
}

/** Do addresses of this half carry a tag in bits 63-56? TCR_ELx.TBI, but not for fetches with TBID (FEAT_PAuth). */
export function isTagged(s: Builder, r: Regime, half: '0' | '1', isFetch: Val): Val {
  const suffix = r.twoRanges ? half : '';
  const dataOnly = s.and(isFetch, s.and(tcr(s, r, `TBID${suffix}`), hasFeature(s, 'PAuth')));
  return s.and(tcr(s, r, `TBI${suffix}`), s.eqz(dataOnly));
}

/** A field of the regime's SCTLR, as an i32. */
export const sctlr = (s: Builder, r: Regime, field: string): Val => {
  const { lsb, width } = fieldRange(`SCTLR_EL${r.el}`, field, r.e2h);
  return s.to('i32', s.bits(getReg(s, `SCTLR_EL${r.el}`), lsb, width));
};

/** A register of the regime such as TTBR0 or MAIR. */
export const regimeRegister = (s: Builder, r: Regime, stem: string): Val =>
  getReg(s, sysregNamed(`${stem}_EL${r.el}`).name);

/** The ASID in use: of TTBR1 if TCR.A1, 8 or 16 bits. Only where there are two ranges. */
export function asidOf(s: Builder, r: Regime): Val {
  const ttbr = s.select(tcr(s, r, 'A1'), regimeRegister(s, r, 'TTBR1'), regimeRegister(s, r, 'TTBR0'));
  return s.and(s.shri(ttbr, 48), s.select(tcr(s, r, 'AS'), s.i64(0xffff), s.i64(0xff)));
}
