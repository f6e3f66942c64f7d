/**
 * Who takes which exception where, and why: the first row that fits decides. The emulator's routing is generated from
 * this table and the debugger quotes it. (Arm ARM DDI 0487 D1.13 and D1.14.) Controls of EL1 over EL0 are those of EL2 in a
 * host, and those of EL2 hold only while it is enabled: see sysregs/controls.ts. On CPUs without EL3 its controls are zero.
 */
import type { Builder } from '../../../ir/builder';
import type { Val } from '../../../ir/nodes';
import type { Control } from '../../dsl/sysreg';
import { allHold, explainControl, type Known } from '../sysregs/controls';
import { state } from '../state';

/** Where an exception goes. `undefined`: the instruction is UNDEFINED; `none`: it is not taken. */
export type Destination = 1 | 2 | 3 | 'undefined' | 'none' | 'firmware';

export interface Route {
  readonly from: readonly number[];
  readonly when?: Control | readonly Control[];
  readonly to: Destination;
  /** Replaces the exception class of the exception. */
  readonly ec?: number;
}

export interface ExceptionClass {
  /** In words, to be followed by "at EL1 is taken to EL2". */
  readonly what: string;
  /** ESR_ELx.EC; undefined for interrupts. */
  readonly ec?: number;
  /** EC when taken without a change of exception level. */
  readonly ecSame?: number;
  readonly routes: readonly Route[];
}

const below3 = [0, 1, 2] as const;
const any = [0, 1, 2, 3] as const;
const EL3 = 'ID_AA64PFR0_EL1.EL3';

/** Exceptions that EL0 and EL1 take to EL1, unless HCR_EL2.TGE sends those of EL0 to EL2. */
const ordinary: readonly Route[] = [
  { from: [0], when: 'HCR_EL2.TGE', to: 2 },
  { from: [0, 1], to: 1 },
  { from: [2], to: 2 },
  { from: [3], to: 3 },
];

/** Interrupts for a lower level are never taken at a higher one. */
const interrupt = (mask: 'IMO' | 'FMO', el3: Control): readonly Route[] => [
  { from: any, when: el3, to: 3 },
  { from: below3, when: `HCR_EL2.${mask}`, to: 2 },
  { from: below3, when: 'HCR_EL2.TGE', to: 2 },
  { from: [0, 1], to: 1 },
  { from: [2, 3], to: 'none' },
];

const virtualInterrupt = (mask: 'IMO' | 'FMO' | 'AMO'): readonly Route[] => [
  { from: [0, 1], when: [`HCR_EL2.${mask}`, '!HCR_EL2.TGE'], to: 1 },
  { from: any, to: 'none' },
];

const wait = (el1: Control, el2: Control, el3: Control): readonly Route[] => [
  { from: [0], when: [el1, 'HCR_EL2.TGE'], to: 2 },
  { from: [0], when: el1, to: 1 },
  { from: [0, 1], when: el2, to: 2 },
  { from: below3, when: el3, to: 3 },
  { from: any, to: 'none' },
];

/** Synchronous external aborts, which SCR_EL3.EA sends to EL3. */
const external: readonly Route[] = [{ from: any, when: 'SCR_EL3.EA', to: 3 }, ...ordinary];

/** Debug exceptions. Those other than BRK are not enabled above the level that they go to. */
const debug: readonly Route[] = [
  { from: [0, 1], when: 'HCR_EL2.TGE', to: 2 },
  { from: [0, 1], when: 'MDCR_EL2.TDE', to: 2 },
  { from: [0, 1], to: 1 },
  { from: [2], to: 2 },
];

export const exceptions = {
  svc: { what: 'SVC', ec: 0x15, routes: ordinary },
  hvc: {
    what: 'HVC',
    ec: 0x16,
    routes: [
      { from: [0], to: 'undefined' },
      // Secure EL1 has no EL2 above it.
      { from: [1], when: [EL3, '!SCR_EL3.NS'], to: 'undefined' },
      { from: [1, 2, 3], when: [EL3, '!SCR_EL3.HCE'], to: 'undefined' },
      { from: [1, 2], when: 'HCR_EL2.HCD', to: 'undefined' },
      { from: [1, 2], to: 2 },
      { from: [3], to: 3 },
    ],
  },
  smc: {
    what: 'SMC',
    ec: 0x17,
    routes: [
      { from: [0], to: 'undefined' },
      { from: [1], when: 'HCR_EL2.TSC', to: 2 },
      { from: [1, 2, 3], when: 'SCR_EL3.SMD', to: 'undefined' },
      { from: [1, 2, 3], when: EL3, to: 3 },
      { from: [1, 2], to: 'firmware' },
    ],
  },
  brk: {
    what: 'BRK',
    ec: 0x3c,
    routes: [...debug, { from: [3], to: 3 }],
  },
  /** An instruction that authenticates pointers, while EL2 has not permitted it. */
  pauth: {
    what: 'a pointer authentication instruction',
    ec: 0x09,
    routes: [
      { from: [0], when: ['HCR_EL2.E2H', 'HCR_EL2.TGE', EL3, '!SCR_EL3.API'], to: 3 },
      { from: [0], when: ['HCR_EL2.E2H', 'HCR_EL2.TGE'], to: 'none' },
      // In Secure state there is no EL2 that could permit it.
      { from: [0, 1], when: [EL3, '!SCR_EL3.NS', '!SCR_EL3.API'], to: 3 },
      { from: [0, 1], when: [EL3, '!SCR_EL3.NS'], to: 'none' },
      { from: [0, 1], when: '!HCR_EL2.API', to: 2 },
      { from: below3, when: [EL3, '!SCR_EL3.API'], to: 3 },
      { from: any, to: 'none' },
    ],
  },
  branchTarget: { what: 'a branch to no landing pad', ec: 0x0d, routes: ordinary },
  breakpoint: { what: 'a breakpoint', ec: 0x30, ecSame: 0x31, routes: debug },
  softwareStep: { what: 'a software step', ec: 0x32, ecSame: 0x33, routes: debug },
  watchpoint: { what: 'a watchpoint', ec: 0x34, ecSame: 0x35, routes: debug },
  undefined: { what: 'an undefined instruction', ec: 0x00, routes: ordinary },
  illegalState: { what: 'an illegal execution state', ec: 0x0e, routes: ordinary },
  pcAlignment: { what: 'a misaligned PC', ec: 0x22, routes: ordinary },
  spAlignment: { what: 'a misaligned SP', ec: 0x26, routes: ordinary },
  dataAbort: { what: 'a data abort', ec: 0x24, ecSame: 0x25, routes: ordinary },
  instructionAbort: { what: 'an instruction abort', ec: 0x20, ecSame: 0x21, routes: ordinary },
  externalData: { what: 'an external data abort', ec: 0x24, ecSame: 0x25, routes: external },
  externalInstruction: { what: 'an external instruction abort', ec: 0x20, ecSame: 0x21, routes: external },
  stage2Data: { what: 'a stage 2 data abort', ec: 0x24, routes: [{ from: [0, 1], to: 2 }] },
  stage2Instruction: { what: 'a stage 2 instruction abort', ec: 0x20, routes: [{ from: [0, 1], to: 2 }] },
  /** A stage 2 fault on the walk of AT S1E0x or S1E1x at EL1. */
  stage2At: { what: 'a stage 2 fault of AT', ec: 0x24, routes: [{ from: [0, 1], to: 2 }] },
  wfi: { what: 'WFI', ec: 0x01, routes: wait('!SCTLR_EL1.nTWI', 'HCR_EL2.TWI', 'SCR_EL3.TWI') },
  wfe: { what: 'WFE', ec: 0x01, routes: wait('!SCTLR_EL1.nTWE', 'HCR_EL2.TWE', 'SCR_EL3.TWE') },
  fp: {
    what: 'an FP or SIMD instruction',
    ec: 0x07,
    routes: [
      // A host has no EL1: FPEN of CPTR_EL2, in its layout with E2H, decides for EL0 and EL2 (J1.1.3, CheckFPEnabled).
      { from: [0], when: ['HCR_EL2.E2H', 'HCR_EL2.TGE', 'CPTR_EL2.FPEN=0|1|2'], to: 2 },
      // With TGE the trap that EL1 would take is reported to EL2 as an unknown instruction: D1.14.3.
      { from: [0], when: ['CPACR_EL1.FPEN=0|1|2', 'HCR_EL2.TGE'], to: 2, ec: 0x00 },
      { from: [0], when: 'CPACR_EL1.FPEN=0|1|2', to: 1 },
      { from: [1], when: 'CPACR_EL1.FPEN=0|2', to: 1 },
      { from: below3, when: ['HCR_EL2.E2H', 'CPTR_EL2.FPEN=0|2'], to: 2 },
      { from: below3, when: 'CPTR_EL2.TFP', to: 2 },
      { from: any, when: 'CPTR_EL3.TFP', to: 3 },
      { from: any, to: 'none' },
    ],
  },
  /** An access of EL0 to a system register that a control of EL1 forbids. */
  registerEl1: { what: 'a system register access', ec: 0x18, routes: ordinary },
  /** An access that a control of EL2 traps. */
  registerEl2: { what: 'a system register access', ec: 0x18, routes: [{ from: below3, to: 2 }] },
  /** An access that a control of EL3 traps. */
  registerEl3: { what: 'a system register access', ec: 0x18, routes: [{ from: any, to: 3 }] },
  irq: { what: 'IRQ', routes: interrupt('IMO', 'SCR_EL3.IRQ') },
  fiq: { what: 'FIQ', routes: interrupt('FMO', 'SCR_EL3.FIQ') },
  virq: { what: 'virtual IRQ', routes: virtualInterrupt('IMO') },
  vfiq: { what: 'virtual FIQ', routes: virtualInterrupt('FMO') },
  vserror: { what: 'virtual SError', ec: 0x2f, routes: virtualInterrupt('AMO') },
} as const satisfies Record<string, ExceptionClass>;

export type ExceptionName = keyof typeof exceptions;

/** Destinations as numbers in IR. */
export const RouteCode = { none: 0, '1': 1, '2': 2, '3': 3, undefined: 4, firmware: 5 } as const;

const rowsOf = (name: ExceptionName): readonly Route[] => exceptions[name].routes;

/** Does the row apply at exception level `el`? */
function fits(s: Builder, r: Route, el: Val, known: Known): Val {
  const at =
    r.from.length === any.length
      ? s.i32(1)
      : r.from.length === below3.length && r.from[0] === 0
        ? s.ltu(el, s.i32(3))
        : r.from.map((n) => s.eqi(el, n)).reduce((a, b) => s.or(a, b));
  return r.when === undefined ? at : s.and(at, allHold(s, r.when, known));
}

/** The destination of an exception taken now, as a RouteCode, and its EC. Without E2H, rows for a host need no look. */
export function route(s: Builder, name: ExceptionName, known: Known = {}): { to: Val; ec: Val } {
  const el = s.get(state.el);
  const x: ExceptionClass = exceptions[name];
  let to = s.i32(0);
  let ec = s.i32(x.ec ?? 0);
  for (const r of [...rowsOf(name)].reverse()) {
    if (known.noE2h && [r.when].flat().includes('HCR_EL2.E2H')) continue;
    const hit = fits(s, r, el, known);
    to = s.select(hit, s.i32(RouteCode[r.to]), to);
    ec = s.select(hit, s.i32(r.ec ?? x.ec ?? 0), ec);
  }
  if (x.ecSame !== undefined) ec = s.select(s.eq(to, el), s.i32(x.ecSame), ec);
  return { to, ec };
}

export interface Explanation {
  readonly to: Destination;
  readonly ec: number | undefined;
  /** Such as `HCR_EL2.TWI = 1: WFI at EL1 is taken to EL2, EC 0x01`. */
  readonly why: string;
}

const hex2 = (n: number): string => `0x${n.toString(16).padStart(2, '0')}`;

/** Where an exception from `el` goes with these register values, in words. */
export function explainRoute(
  name: ExceptionName,
  el: number,
  read: (register: string) => bigint,
): Explanation | undefined {
  const x: ExceptionClass = exceptions[name];
  const row = x.routes.find(
    (r) => r.from.includes(el) && [r.when ?? []].flat().every((c) => explainControl(c, read).holds),
  );
  if (!row) return undefined;
  const ec = row.ec ?? (row.to === el ? (x.ecSame ?? x.ec) : x.ec);
  const because = [row.when ?? []].flat().map((c) => explainControl(c, read).text);
  const outcome =
    row.to === 'none'
      ? 'is not taken'
      : row.to === 'undefined'
        ? 'is UNDEFINED'
        : row.to === 'firmware'
          ? 'is a call to the firmware'
          : `is taken to EL${row.to}${ec === undefined ? '' : `, EC ${hex2(ec)}`}`;
  const text = `${x.what} at EL${el} ${outcome}`;
  return { to: row.to, ec, why: because.length > 0 ? `${because.join(', ')}: ${text}` : text };
}
