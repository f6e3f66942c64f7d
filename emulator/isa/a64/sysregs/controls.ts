/**
 * Control bits: whether one holds now, in IR and for the debugger. Two things change what a bit does while HCR_EL2.TGE is
 * set, and are applied here for all traps and routes: some bits of HCR_EL2 have no effect then, and with E2H too the
 * controls that EL1 has over EL0 are those of EL2 (Arm ARM DDI 0487 D1.13.4, D17.2.48). And in Secure state EL2 is not
 * enabled: all its controls behave as zero.
 */
import type { Builder } from '../../../ir/builder';
import type { Val } from '../../../ir/nodes';
import { bitRange, parseControl, type Bits, type Control, type ParsedControl } from '../../dsl/sysreg';
import { state } from '../state';
import { fieldRange, getField, getReg, sysregNamed } from '.';

/** Fields of HCR_EL2 that behave as 0 while TGE is set. */
const zeroWithTge = new Set(
  'SWIO PTW VF VI VSE FB TID1 TID3 TSC TACR TSW TTLB TTLBIS TTLBOS TVM TRVM TLOR'.split(' '),
);
/** The same, if E2H is set too. */
const zeroInHost = new Set(
  'VM FMO IMO AMO BSU DC TWI TWE TID0 TID2 TID4 TICAB TOCU TPCP TPU TDZ CD ID'.split(' '),
);

type When = 'always' | 'TGE' | 'host';

/** When a control has no effect. */
function isMute({ register, field }: ParsedControl): When | undefined {
  if (register !== 'HCR_EL2') return undefined;
  return zeroWithTge.has(field) ? 'TGE' : zeroInHost.has(field) ? 'host' : undefined;
}

/** Is it a field that the layout with HCR_EL2.E2H does not have? */
const isGoneWithE2h = ({ register, field }: ParsedControl): boolean => {
  const fields = sysregNamed(register).e2hFields;
  return fields !== undefined && fields[field] === undefined;
};

/** The field that replaces a control over EL0 in a host: the same one of EL2's register; undefined: there is none. */
function hostField(c: ParsedControl): { register: string; bits: Bits | undefined } | undefined {
  const register = sysregNamed(c.register).e2h;
  if (register === undefined) return undefined;
  return { register, bits: sysregNamed(register).e2hFields?.[c.field] };
}

/** SCR_EL3.NS = 0: is EL2 not enabled? i32, 0 or 1. */
export const el2IsOff = (s: Builder): Val => s.get(state.el2Off);

const hostIs = (s: Builder): Val =>
  s.and(s.and(getField(s, 'HCR_EL2.E2H'), getField(s, 'HCR_EL2.TGE')), s.eqz(el2IsOff(s)));

const ofEl2 = (register: string): boolean => register.endsWith('_EL2');

/** What is known where the IR is built, so that it need not be asked while running. */
export interface Known {
  /** HCR_EL2.E2H is 0. */
  readonly noE2h?: boolean;
  /** EL2 is enabled: this is not Secure state. */
  readonly el2?: boolean;
}

function fits(s: Builder, c: ParsedControl, v: Val, width: number): Val {
  if (!c.values) return width === 1 ? v : s.nei(v, 0);
  return c.values.map((n) => s.eqi(v, n)).reduce((a, b) => s.or(a, b));
}

/** Does a control hold? i32, 0 or 1. */
export function controlHolds(s: Builder, text: Control, known: Known = {}): Val {
  const { noE2h = false } = known;
  const c = parseControl(text);
  const { lsb, width } = fieldRange(c.register, c.field);
  const own = noE2h
    ? s.to('i32', s.bits(getReg(s, c.register), lsb, width))
    : getField(s, `${c.register}.${c.field}`);
  const mute = isMute(c);
  const muted: Val[] = ofEl2(c.register) && !known.el2 ? [el2IsOff(s)] : [];
  if (mute === 'TGE' || (mute && !noE2h)) muted.push(mute === 'TGE' ? getField(s, 'HCR_EL2.TGE') : hostIs(s));
  if (!noE2h && isGoneWithE2h(c)) muted.push(getField(s, 'HCR_EL2.E2H'));
  if (muted.length > 0) {
    const off = muted.reduce((a, b) => s.or(a, b));
    return fits(s, c, s.select(off, s.i32(0), own), width);
  }
  const host = noE2h ? undefined : hostField(c);
  if (!host) return fits(s, c, own, width);
  const range = host.bits === undefined ? undefined : bitRange(host.bits);
  const theirs = range ? s.to('i32', s.bits(getReg(s, host.register), range.lsb, range.width)) : s.i32(0);
  return fits(s, c, s.select(hostIs(s), theirs, own), width);
}

/** Do all controls hold? */
export function allHold(s: Builder, when: Control | readonly Control[], known: Known = {}): Val {
  return [when]
    .flat()
    .map((c) => controlHolds(s, c, known))
    .reduce((a, b) => s.and(a, b), s.i32(1));
}

/**
 * Does what these controls say lead to EL2 only while that is enabled? It does by itself where one of them must be set in
 * a register of EL2, since that then behaves as zero.
 */
export const mustAskEl2 = (when: Control | readonly Control[]): boolean =>
  [when].flat().every((c) => c.startsWith('!') || !ofEl2(parseControl(c).register));

/** A control as the debugger finds it. */
export interface ControlNow {
  readonly holds: boolean;
  readonly value: bigint;
  /** As a statement of fact: `HCR_EL2.TVM = 1`; it names the field that decides now. */
  readonly text: string;
}

/** A control read by the debugger. */
export function explainControl(text: Control, read: (register: string) => bigint): ControlNow {
  const c = parseControl(text);
  const hcr = read('HCR_EL2');
  const secure =
    fieldOf(read('ID_AA64PFR0_EL1'), 'ID_AA64PFR0_EL1', 'EL3', false) !== 0n &&
    fieldOf(read('SCR_EL3'), 'SCR_EL3', 'NS', false) === 0n;
  const isHost =
    !secure && fieldOf(hcr, 'HCR_EL2', 'E2H', false) === 1n && fieldOf(hcr, 'HCR_EL2', 'TGE', false) === 1n;
  const mute = isMute(c);
  const off = mute === 'TGE' ? fieldOf(hcr, 'HCR_EL2', 'TGE', false) === 1n : mute === 'host' && isHost;
  const host = isHost ? hostField(c) : undefined;
  const register = host?.register ?? c.register;
  const gone = isGoneWithE2h(c) && fieldOf(hcr, 'HCR_EL2', 'E2H', false) === 1n;
  const missing = off || gone || (secure && ofEl2(c.register)) || (host && host.bits === undefined);
  const e2h = fieldOf(hcr, 'HCR_EL2', 'E2H', false) === 1n;
  const value = missing ? 0n : fieldOf(read(register), register, c.field, e2h);
  const holds = c.values ? c.values.includes(value) : value !== 0n;
  return { holds, value, text: `${register}.${c.field} = ${value}` };
}

function fieldOf(v: bigint, register: string, field: string, e2h: boolean): bigint {
  const { lsb, width } = fieldRange(register, field, e2h);
  return (v >> BigInt(lsb)) & ((1n << BigInt(width)) - 1n);
}
