/**
 * Exception generation and return, hints, barriers, PSTATE (Arm ARM DDI 0487 C4.1.67 "Branches, Exception Generating
 * and System instructions"). System registers stand in registers.ts, AT, DC, IC and TLBI in
 * operations.ts.
 */
import type { Operand, Val } from '../../../ir/nodes';
import { common, StopReason } from '../../../ir/state';
import type { Flow, Row } from '../../dsl/row';
import { eventBit } from '../events';
import { raiseSync, raiseTrap } from '../exceptions/exception';
import { hasFeature } from '../features';
import { PHYSICAL } from '../interrupt-lines';
import { route, RouteCode, type ExceptionName } from '../exceptions/routes';
import { hostCalls } from '../host-calls';
import { row } from '../row';
import type { A64 } from '../sem';
import { CpuFeature, state } from '../state';
import { getReg, setReg, sysregNamed } from '../sysregs';
import { allHold, controlHolds } from '../sysregs/controls';
import { executeReturn } from './eret';
import { systemOperationRows } from './operations';
import { systemRegisterRows } from './registers';

const ESR_IL = 1n << 25n;

/** Stops before an exception-generating instruction if asked to, and records it. */
function announce(s: A64, kind: 'hvc' | 'smc' | 'svc', ec: number, imm: Val): void {
  s.stopBefore(s.i32(eventBit(kind)));
  s.event(kind, () => {
    const el = s.get(state.el);
    s.set(common.mail, s.pc(), 0);
    s.set(common.mail, s.ori(s.zext(imm), (BigInt(ec) << 26n) | ESR_IL), 1);
    s.set(common.mail, s.zext(s.or(el, s.shli(route(s, kind).to, 8))), 2);
    s.set(common.mail, s.xn(0), 3);
    s.set(common.mail, s.xn(1), 4);
  });
}

/** Takes a synchronous exception of the table to the level that it says; `ret` is the preferred return address. */
function take(s: A64, name: ExceptionName, iss: Val, ret: Val): void {
  const { to, ec } = route(s, name);
  s.syncPc();
  s.call(raiseSync, to, ec, iss, s.i32(0), ret);
  s.exit('recheck');
}

const next = (s: A64): Val => s.addi(s.pc(), 4);

/** Calls the firmware; UNDEFINED if it does not know the conduit. */
function callFirmware(s: A64, conduit: 0 | 1): void {
  s.syncPc();
  const handled = s.call(hostCalls.firmware, s.cpu(), s.i32(conduit));
  s.if(s.eqz(handled), () => s.undefinedInstruction());
  s.nextWithRecheck();
}

const exceptionRows: readonly Row<A64>[] = [
  row('SVC', '11010100 000 imm16:16 00001', {
    asm: 'svc #<x16:imm16>',
    flow: 'svc',
    doc: 'Supervisor call: an exception to EL1, with the immediate in ESR_EL1.',
    exec: (s, f) => {
      const imm = s.imm(f.imm16, 'i32');
      announce(s, 'svc', 0x15, imm);
      take(s, 'svc', imm, next(s));
    },
  }),
  row('HVC', '11010100 000 imm16:16 00010', {
    asm: 'hvc #<x16:imm16>',
    flow: 'hvc',
    doc: 'Hypervisor call: an exception to EL2, with the immediate in ESR_EL2. UNDEFINED at EL0.',
    exec: (s, f) => {
      const imm = s.imm(f.imm16, 'i32');
      announce(s, 'hvc', 0x16, imm);
      const el = s.get(state.el);
      s.if(s.and(s.eqz(s.get(state.hasEL2)), s.nei(el, 0)), () => callFirmware(s, 0));
      s.if(s.or(s.eqz(s.get(state.hasEL2)), s.eqi(route(s, 'hvc').to, RouteCode.undefined)), () =>
        s.undefinedInstruction(),
      );
      take(s, 'hvc', imm, next(s));
    },
  }),
  row('SMC', '11010100 000 imm16:16 00011', {
    asm: 'smc #<x16:imm16>',
    flow: 'smc',
    doc: 'Secure monitor call: to EL3, or the firmware (PSCI) answers, unless HCR_EL2.TSC takes it to EL2. UNDEFINED at EL0.',
    exec: (s, f) => {
      const imm = s.imm(f.imm16, 'i32');
      announce(s, 'smc', 0x17, imm);
      const { to } = route(s, 'smc');
      s.if(s.eqi(to, RouteCode['2']), () => take(s, 'smc', imm, s.pc()));
      const board = s.and(s.get(state.firmwareAtEl3), s.nei(s.get(state.el), 0));
      s.if(s.or(s.eqi(to, RouteCode.firmware), board), () => callFirmware(s, 1));
      s.if(s.eqi(to, RouteCode['3']), () => take(s, 'smc', imm, next(s)));
      s.undefinedInstruction();
    },
  }),
  row('BRK', '11010100 001 imm16:16 00000', {
    asm: 'brk #<x16:imm16>',
    doc: 'Software breakpoint: a debug exception, with the immediate in ESR_ELx.',
    exec: (s, f) => take(s, 'brk', s.imm(f.imm16, 'i32'), s.pc()),
  }),
  row('HLT', '11010100 010 imm16:16 00000', {
    asm: 'hlt #<x16:imm16>',
    doc: 'Halts into an external debugger; UNDEFINED without one.',
    exec: (s) => s.undefinedInstruction(),
  }),
  ...[1, 2, 3].map((n) =>
    row(
      `DCPS${n}`,
      n === 1
        ? '11010100 101 imm16:16 000 01'
        : n === 2
          ? '11010100 101 imm16:16 000 10'
          : '11010100 101 imm16:16 000 11',
      {
        asm: `dcps${n}{ #<x16:imm16>}`,
        doc: `Changes to EL${n} in Debug state; UNDEFINED outside it.`,
        exec: (s) => s.undefinedInstruction(),
      },
    ),
  ),
  row('DRPS', '11010110101111110000001111100000', {
    asm: 'drps',
    doc: 'Restores PSTATE in Debug state; UNDEFINED outside it.',
    exec: (s) => s.undefinedInstruction(),
  }),
  row('ERET', '11010110100111110000001111100000', {
    asm: 'eret',
    flow: 'eret',
    doc: 'Returns from an exception: PSTATE from SPSR_ELx, PC from ELR_ELx.',
    exec: (s) => executeReturn(s),
  }),
];

// --- hints ----------------------------------------------------------------------------------------------------------

/** Returns from run(), with the instruction done. */
function pause(s: A64, reason: number): void {
  s.set(common.stopReason, s.i32(reason));
  s.branch(next(s), 'stop');
}

/** Traps WFI or WFE (ISS.TI = `ti`) if the table says so. */
function trapWait(s: A64, name: 'wfi' | 'wfe', ti: 0 | 1): void {
  const { to } = route(s, name);
  // ISS: CV = 1, COND = 0b1110.
  s.if(s.nei(to, 0), () => take(s, name, s.i32(0x1e00000 | ti), s.pc()));
}

/** ESB at EL1 or EL0 while HCR_EL2.VSE is set (J1.1.3, "AArch64.vESBOperation"). */
function deferVirtualError(s: A64): void {
  const pending = allHold(s, ['HCR_EL2.AMO', '!HCR_EL2.TGE', 'HCR_EL2.VSE']);
  const below = s.ltu(s.get(state.el), s.i32(2));
  const masked = s.bit(s.get(state.daif), 8);
  s.if(s.and(s.and(pending, below), s.and(masked, hasFeature(s, 'RAS'))), () => {
    const vsesr = getReg(s, 'VSESR_EL2');
    // Without IDS only AET, EA and DFSC are architected.
    const mask = s.select(s.bit(vsesr, 24), s.i64(0x1ffffffn), s.i64(0x1e3fn));
    setReg(s, 'VDISR_EL2', s.ori(s.and(vsesr, mask), 1n << 31n));
    setReg(s, 'HCR_EL2', s.andi(getReg(s, 'HCR_EL2'), ~0x100n));
  });
}

/** XPACLRI, PACIA1716 ... AUTIB1716, PACIAZ ... AUTIBSP: see pauth/rows.ts. */
const isPauthHint = (n: number): boolean => n === 7 || [8, 10, 12, 14].includes(n) || (n >= 24 && n < 32);

/** Names of hints that this machine has no use for; they are NOPs on CPUs without the feature, too. */
const hintNames =
  'dgh=6 psb\u00a0csync=17 tsb\u00a0csync=18 csdb=20 bti=32 bti\u00a0c=34 bti\u00a0j=36 bti\u00a0jc=38'
    .split(' ')
    .map((t) => t.replace('\u00a0', ' ').split('=') as [string, string]);

interface HintSpec {
  readonly doc: string;
  readonly hot?: boolean;
  readonly flow?: Flow;
}

const hint = (name: string, number: string, spec: HintSpec, exec: (s: A64) => void): Row<A64> =>
  row(name, `11010101000000110010 0000 ${number} 11111`, { asm: name.toLowerCase(), ...spec, exec });

const hintRows: readonly Row<A64>[] = [
  hint('NOP', '000', { doc: 'Does nothing.', hot: true }, () => undefined),
  hint('YIELD', '001', { doc: 'Lets other CPUs run.' }, (s) => pause(s, StopReason.yield)),
  hint(
    'WFE',
    '010',
    { doc: 'Waits for an event: SEV of any CPU, an exception return, a lost reservation.', flow: 'wait' },
    (s) => {
      s.if(
        s.get(state.eventRegister),
        () => s.set(state.eventRegister, s.i32(0)),
        () => {
          trapWait(s, 'wfe', 1);
          pause(s, StopReason.yield);
        },
      );
    },
  ),
  hint('WFI', '011', { doc: 'Waits for an interrupt, masked or not.', flow: 'wait' }, (s) => {
    // Physical lines, and below EL2 the virtual ones.
    const upper = s.or(s.gtu(s.get(state.el), s.i32(1)), s.get(state.el2Off));
    const lines = s.select(upper, s.i32(PHYSICAL), s.i32(0xff));
    s.if(s.eqz(s.and(s.get(common.irqLines), lines)), () => {
      trapWait(s, 'wfi', 0);
      s.set(common.asleep, s.i32(1));
      pause(s, StopReason.sleep);
    });
  }),
  hint('SEV', '100', { doc: 'Sends an event to all CPUs.' }, (s) => {
    s.set(state.eventRegister, s.i32(1));
    s.call(hostCalls.sendEvent, s.cpu());
  }),
  hint('SEVL', '101', { doc: 'Sends an event to this CPU.' }, (s) => s.set(state.eventRegister, s.i32(1))),
  // A NOP without FEAT_RAS. No physical SError is ever pending here, so that only a virtual one can be deferred.
  row('ESB', '11010101000000110010 0010 000 11111', {
    asm: 'esb',
    doc: 'Error synchronization barrier: a pending virtual SError that is masked goes to VDISR_EL2.',
    exec: (s) => s.if(s.bit(getReg(s, 'HCR_EL2'), 8), () => deferVirtualError(s)),
  }),
  row('HINT', '11010101000000110010 imm7:7 11111', {
    asm: [...hintNames.map(([name, n]) => `${name} ; imm7=${n}`), 'hint #<hex:imm7>'],
    when: (f) => f.imm7 > 5 && f.imm7 !== 16 && !isPauthHint(f.imm7),
    doc: 'A landing pad, or a hint of a feature that the CPU does not have: does nothing.',
    exec: () => undefined,
  }),
];

// --- barriers -------------------------------------------------------------------------------------------------------

/** All CPUs run on one thread and see one memory: barriers have nothing to order. */
const barrierRows: readonly Row<A64>[] = [
  row('CLREX', '11010101000000110011 CRm:4 010 11111', {
    asm: 'clrex{ #<hex:CRm>} ; CRm=15',
    doc: 'Clears the exclusive monitor.',
    exec: (s) => s.set(state.exBytes, s.i32(0)),
  }),
  row('DSB', '11010101000000110011 CRm:4 100 11111', {
    asm: ['ssbb ; CRm=0', 'pssbb ; CRm=4', 'dsb <barrier:CRm>'],
    doc: 'Data synchronization barrier: all accesses before it are complete.',
    exec: () => undefined,
  }),
  row('DMB', '11010101000000110011 CRm:4 101 11111', {
    asm: 'dmb <barrier:CRm>',
    doc: 'Data memory barrier: accesses before it are seen before those after it.',
    exec: () => undefined,
  }),
  row('SB', '11010101000000110011 0000 111 11111', {
    asm: 'sb',
    feature: 'SB',
    doc: 'Speculation barrier: nothing after it is executed speculatively, which nothing is here.',
    exec: () => undefined,
  }),
  row('ISB', '11010101000000110011 CRm:4 110 11111', {
    asm: 'isb{ <isb:CRm>} ; CRm=15',
    doc: 'Instruction synchronization barrier: what follows is fetched anew.',
    exec: () => undefined,
  }),
];

// --- PSTATE ---------------------------------------------------------------------------------------------------------

/** UNDEFINED at EL0. */
function privileged(s: A64): void {
  s.if(s.eqz(s.get(state.el)), () => s.undefinedInstruction());
}

/** EL0 may touch DAIF only with SCTLR_EL1.UMA. */
function mayMask(s: A64, op2: number, imm: Operand): void {
  s.if(s.and(s.eqz(s.get(state.el)), controlHolds(s, '!SCTLR_EL1.UMA')), () => {
    // ISS of MSR (immediate): Op0 0, Op1 3, CRn 4, Rt 31, CRm the immediate.
    const fixed = (op2 << 17) | (3 << 14) | (4 << 10) | (31 << 5);
    s.raise(raiseTrap, s.i32(1), s.ori(s.shli(s.imm(imm, 'i32'), 1), fixed));
  });
}

const feature = (s: A64, bit: number): void =>
  s.if(s.eqz(s.andi(s.get(state.features), bit)), () => s.undefinedInstruction());

const pstateRows: readonly Row<A64>[] = [
  row('MSR SPSel', '1101010100000 000 0100 CRm:4 101 11111', {
    asm: 'msr spsel, #<hex:CRm>',
    doc: 'Selects the stack pointer: SP_EL0 (0) or that of the exception level (1).',
    exec: (s, f) => {
      privileged(s);
      sysregNamed('SPSel').write!(s, s.imm(f.CRm), { get: () => s.i64(0), set: () => undefined });
    },
  }),
  row('MSR DAIFSet', '1101010100000 011 0100 CRm:4 110 11111', {
    asm: 'msr daifset, #<hex:CRm>',
    doc: 'Masks debug exceptions (8), SError (4), IRQ (2), FIQ (1).',
    exec: (s, f) => {
      mayMask(s, 6, f.CRm);
      s.set(state.daif, s.or(s.get(state.daif), s.shli(s.imm(f.CRm, 'i32'), 6)));
    },
  }),
  row('MSR DAIFClr', '1101010100000 011 0100 CRm:4 111 11111', {
    asm: 'msr daifclr, #<hex:CRm>',
    doc: 'Unmasks debug exceptions (8), SError (4), IRQ (2), FIQ (1).',
    exec: (s, f) => {
      mayMask(s, 7, f.CRm);
      s.set(state.daif, s.and(s.get(state.daif), s.not(s.shli(s.imm(f.CRm, 'i32'), 6))));
      s.if(s.or(s.get(common.irqLines), s.get(state.debugOn)), () => s.nextWithRecheck());
    },
  }),
  row('MSR PAN', '1101010100000 000 0100 CRm:4 100 11111', {
    asm: 'msr pan, #<hex:CRm>',
    feature: 'PAN',
    doc: 'Sets or clears PSTATE.PAN: privileged access to user memory faults.',
    exec: (s, f) => {
      feature(s, CpuFeature.PAN);
      privileged(s);
      s.set(state.pan, s.andi(s.imm(f.CRm, 'i32'), 1));
      s.nextWithRecheck();
    },
  }),
  row('MSR DIT', '1101010100000 011 0100 CRm:4 010 11111', {
    asm: 'msr dit, #<hex:CRm>',
    feature: 'DIT',
    doc: 'Sets or clears PSTATE.DIT: data-independent timing, which all instructions have here.',
    exec: (s, f) => s.set(state.dit, s.andi(s.imm(f.CRm, 'i32'), 1)),
  }),
  row('MSR SSBS', '1101010100000 011 0100 CRm:4 001 11111', {
    asm: 'msr ssbs, #<hex:CRm>',
    feature: 'SSBS2',
    doc: 'Sets or clears PSTATE.SSBS: stores may be bypassed speculatively, which nothing does here.',
    exec: (s, f) => s.set(state.ssbs, s.andi(s.imm(f.CRm, 'i32'), 1)),
  }),
  row('MSR UAO', '1101010100000 000 0100 CRm:4 011 11111', {
    asm: 'msr uao, #<hex:CRm>',
    feature: 'UAO',
    doc: 'Sets or clears PSTATE.UAO: LDTR and STTR act with the privileges of the exception level.',
    exec: (s, f) => {
      feature(s, CpuFeature.UAO);
      privileged(s);
      s.set(state.uao, s.andi(s.imm(f.CRm, 'i32'), 1));
    },
  }),
];

export const systemRows: readonly Row<A64>[] = [
  ...exceptionRows,
  ...hintRows,
  ...barrierRows,
  ...pstateRows,
  ...systemOperationRows,
  ...systemRegisterRows,
];
