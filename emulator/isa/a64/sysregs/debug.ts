/** Self-hosted debug registers (Arm ARM DDI 0487 D17.3): six breakpoints, four watchpoints. What they do is in ../self-hosted/. */
import type { Builder } from '../../../ir/builder';
import type { Val } from '../../../ir/nodes';
import { common, StopReason } from '../../../ir/state';
import { Line } from '../interrupt-lines';
import { WATCHPOINTS } from '../self-hosted/traps';
import { state } from '../state';
import { sysreg, type RegisterAccess, type SysregRow, type TrapRule } from '../../dsl/sysreg';

/** MDCR_EL2.TDA traps debug registers, TDOSA those of power-down, TDRA the ROM address; TDE implies all three. */
const traps = (field: 'TDA' | 'TDOSA' | 'TDRA', from: readonly number[] = [1]): readonly TrapRule[] => [
  { when: `MDCR_EL2.${field}`, from, to: 2 },
  { when: 'MDCR_EL2.TDE', from, to: 2 },
  { when: 'HCR_EL2.TGE', from, to: 2 },
];
const tda = traps('TDA');
const tdosa = traps('TDOSA');
const tdra = traps('TDRA');
/** The communication channel, which EL0 can use unless MDSCR_EL1.TDCC traps it. */
const channel: readonly TrapRule[] = [{ when: 'MDSCR_EL1.TDCC', to: 1 }, ...traps('TDA', [0, 1])];

const bcr = { E: 0, PMC: [2, 1], BAS: [8, 5], HMC: 13, SSC: [15, 14], LBN: [19, 16], BT: [23, 20] } as const;
const wcr = {
  E: 0,
  PAC: [2, 1],
  LSC: [4, 3],
  BAS: [12, 5],
  HMC: 13,
  SSC: [15, 14],
  LBN: [19, 16],
  WT: 20,
  MASK: [28, 24],
} as const;

/** MDSCR_EL1 or a lock has changed: does debug have to be looked at? Whether it is enabled here follows with the context. */
function settleDebug(s: Builder, r: RegisterAccess): void {
  const mdscr = r.get('MDSCR_EL1');
  const doubleLock = s.and(s.bit(r.get('OSDLR_EL1'), 0), s.eqz(s.bit(r.get('DBGPRCR_EL1'), 0)));
  const locked = s.or(s.bit(r.get('OSLSR_EL1'), 1), doubleLock);
  const on = s.and(s.or(s.bit(mdscr, 0), s.bit(mdscr, 15)), s.eqz(locked));
  s.set(state.debugOn, on);
  for (const f of [state.stepActive, state.checkEach, state.oneByOne, state.stepGranted]) s.set(f, s.i32(0));
  s.set(common.irqLines, s.andi(s.get(common.irqLines), ~Line.debug));
}

/** A register of a breakpoint or watchpoint: the machine has to know, before the next instruction. */
const trapRegister = (name: string, mask: bigint) => ({
  context: true as const,
  write: (s: Builder, v: Val, r: RegisterAccess): void => {
    r.set(name, s.andi(v, mask));
    const enabled = Array.from({ length: WATCHPOINTS }, (_, n) => s.bit(r.get(`DBGWCR${n}_EL1`), 0));
    s.set(
      state.watching,
      enabled.reduce((a, b) => s.or(a, b)),
    );
    s.set(common.trapsChanged, s.i32(1));
    s.if(s.eqz(s.get(common.stopRequest)), () => s.set(common.stopRequest, s.i32(StopReason.board)));
  },
});

const breakpoint = (n: number): SysregRow[] => [
  sysreg(`DBGBVR${n}_EL1`, [2, 0, 0, n, 4], {
    min: 1,
    doc: `Value of breakpoint ${n}`,
    trap: tda,
    ...trapRegister(`DBGBVR${n}_EL1`, 0xffffffffffffffffn),
  }),
  sysreg(`DBGBCR${n}_EL1`, [2, 0, 0, n, 5], {
    min: 1,
    doc: `Control of breakpoint ${n}`,
    trap: tda,
    fields: bcr,
    ...trapRegister(`DBGBCR${n}_EL1`, 0xffe1e7n),
  }),
];
const watchpoint = (n: number): SysregRow[] => [
  sysreg(`DBGWVR${n}_EL1`, [2, 0, 0, n, 6], {
    min: 1,
    doc: `Address of watchpoint ${n}`,
    trap: tda,
    ...trapRegister(`DBGWVR${n}_EL1`, 0xfffffffffffffffcn),
  }),
  sysreg(`DBGWCR${n}_EL1`, [2, 0, 0, n, 7], {
    min: 1,
    doc: `Control of watchpoint ${n}`,
    trap: tda,
    fields: wcr,
    ...trapRegister(`DBGWCR${n}_EL1`, 0x1f1fffffn),
  }),
];

export const debugRegisters: readonly SysregRow[] = [
  sysreg('OSDTRRX_EL1', [2, 0, 0, 0, 2], {
    min: 1,
    doc: 'Saves DTRRX over power-down',
    trap: tda,
    mask: 0xffffffffn,
  }),
  ...[0, 1, 2, 3, 4, 5].flatMap(breakpoint),
  ...[0, 1, 2, 3].flatMap(watchpoint),
  sysreg('MDCCINT_EL1', [2, 0, 0, 2, 0], {
    min: 1,
    doc: 'Interrupts of the debug communication channel',
    trap: tda,
    fields: { RX: 30, TX: 29 },
    mask: 0x60000000n,
  }),
  sysreg('MDSCR_EL1', [2, 0, 0, 2, 2], {
    min: 1,
    doc: 'Self-hosted debug control: single step, breakpoints',
    trap: tda,
    fields: { SS: 0, ERR: 6, TDCC: 12, KDE: 13, HDE: 14, MDE: 15, RXfull: 30, TXfull: 29 },
    context: true,
    write: (s, v, r) => {
      r.set('MDSCR_EL1', v);
      settleDebug(s, r);
    },
  }),
  sysreg('OSDTRTX_EL1', [2, 0, 0, 3, 2], {
    min: 1,
    doc: 'Saves DTRTX over power-down',
    trap: tda,
    mask: 0xffffffffn,
  }),
  sysreg('OSECCR_EL1', [2, 0, 0, 6, 2], {
    min: 1,
    doc: 'Saves the exception catch over power-down',
    trap: tda,
    mask: 0n,
  }),
  sysreg('MDCCSR_EL0', [2, 3, 0, 1, 0], {
    min: 0,
    access: 'ro',
    doc: 'Status of the debug communication channel',
    fields: { RXfull: 30, TXfull: 29 },
    trap: channel,
  }),
  sysreg('DBGDTR_EL0', [2, 3, 0, 4, 0], { min: 0, doc: 'Debug data transfer, 64 bits', trap: channel }),
  sysreg('DBGDTRTX_EL0', [2, 3, 0, 5, 0], {
    min: 0,
    doc: 'Debug data transfer: written to the debugger, read from it',
    trap: channel,
    mask: 0xffffffffn,
  }),
  sysreg('DBGVCR32_EL2', [2, 4, 0, 7, 0], { min: 2, doc: 'Vector catch of AArch32', mask: 0xffffffffn }),
  sysreg('MDRAR_EL1', [2, 0, 1, 0, 0], {
    min: 1,
    access: 'ro',
    doc: 'Address of the debug ROM table; none here',
    fields: { ROMADDR: [47, 12], Valid: [1, 0] },
    trap: tdra,
  }),
  sysreg('OSLAR_EL1', [2, 0, 1, 0, 4], {
    min: 1,
    access: 'wo',
    doc: 'Sets and clears the OS lock',
    fields: { OSLK: 0 },
    trap: tdosa,
    same: 'OSLSR_EL1',
    context: true,
    write: (s, v, r) => {
      r.set('OSLSR_EL1', s.or(s.andi(r.get('OSLSR_EL1'), ~2n), s.shli(s.bits(v, 0, 1), 1)));
      settleDebug(s, r);
    },
  }),
  sysreg('OSLSR_EL1', [2, 0, 1, 1, 4], {
    min: 1,
    access: 'ro',
    doc: 'Status of the OS lock',
    // The lock is implemented (OSLM = 0b10) and set at reset.
    reset: 0xan,
    fields: { OSLK: 1, nTT: 2, OSLM: 3 },
    trap: tdosa,
  }),
  sysreg('OSDLR_EL1', [2, 0, 1, 3, 4], {
    min: 1,
    doc: 'OS double lock',
    fields: { DLK: 0 },
    context: true,
    write: (s, v, r) => {
      r.set('OSDLR_EL1', s.andi(v, 1));
      settleDebug(s, r);
    },
    trap: tdosa,
  }),
  sysreg('DBGPRCR_EL1', [2, 0, 1, 4, 4], {
    min: 1,
    doc: 'Debug power control',
    fields: { CORENPDRQ: 0 },
    context: true,
    write: (s, v, r) => {
      r.set('DBGPRCR_EL1', s.andi(v, 1));
      settleDebug(s, r);
    },
    trap: tdosa,
  }),
  sysreg('DBGCLAIMSET_EL1', [2, 0, 7, 8, 6], {
    min: 1,
    doc: 'Sets claim tags; reads which exist',
    fields: { CLAIM: [7, 0] },
    trap: tda,
    same: 'DBGCLAIMCLR_EL1',
    read: (s) => s.i64(0xff),
    write: (s, v, r) => r.set('DBGCLAIMCLR_EL1', s.or(r.get('DBGCLAIMCLR_EL1'), s.andi(v, 0xff))),
  }),
  sysreg('DBGCLAIMCLR_EL1', [2, 0, 7, 9, 6], {
    min: 1,
    doc: 'Clears claim tags; reads which are set',
    fields: { CLAIM: [7, 0] },
    trap: tda,
    write: (s, v, r) => r.set('DBGCLAIMCLR_EL1', s.and(r.get('DBGCLAIMCLR_EL1'), s.not(v))),
  }),
  sysreg('DBGAUTHSTATUS_EL1', [2, 0, 7, 14, 6], {
    min: 1,
    access: 'ro',
    doc: 'Debug authentication: non-secure debug is implemented and enabled',
    reset: 0xfn,
    fields: { NSID: [1, 0], NSNID: [3, 2], SID: [5, 4], SNID: [7, 6] },
    trap: tda,
  }),
];
