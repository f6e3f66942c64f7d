/** Data and instruction aborts with their syndromes (Arm ARM DDI 0487 D17.2.37, "ISS encoding for an exception from a Data Abort"). */
import type { Builder } from '../../../ir/builder';
import type { Routine, Val } from '../../../ir/nodes';
import { common } from '../../../ir/state';
import { descField } from '../../dsl/isa';
import { eventBit } from '../events';
import { atLevel, raiseSyncWithFar } from './exception';
import { route, type ExceptionName } from './routes';
import { Flag } from '../sem';
import { state } from '../state';
import { getField, setReg } from '../sysregs';
import { makeUnknown } from '../unknown';

/**
 * A fault of a translation, as state.fault holds it: the fault status code, and where it happened.
 * Zero means none, so bit 8 is set in all faults.
 */
export const Fault = { fsc: 0x3f, stage2: 0x40, s1ptw: 0x80, any: 0x100 } as const;

/** Fault status codes without their level (D17.2.37, DFSC). */
export const Fsc = {
  addressSize: 0x00,
  translation: 0x04,
  accessFlag: 0x08,
  permission: 0x0c,
  external: 0x10,
  externalOnWalk: 0x14,
  alignment: 0x21,
} as const;

const part = (s: Builder, desc: Val, name: keyof typeof descField): Val =>
  s.bits(desc, descField[name][0], descField[name][1]);

/** HPFAR_EL2 for the stage 2 fault in state.fault: UNKNOWN for a permission fault that no stage 1 walk met (D1.13.5). */
function setHpfar(s: Builder, ipa: Val): void {
  setReg(s, 'HPFAR_EL2', s.shli(s.bits(ipa, 12, 40), 4));
  const permission = s.eqi(s.andi(s.get(state.fault), 0x3c | Fault.s1ptw), Fsc.permission);
  s.if(permission, () => makeUnknown(s, 'HPFAR_EL2'));
}

/** EC and FAR are the table's and the address's; HPFAR is written for stage 2 faults. */
function take(s: Builder, name: ExceptionName, va: Val, iss: Val, kinds: number, ipa?: Val): void {
  const { to, ec } = route(s, name);
  atLevel(s, to, (el) => {
    setReg(s, `FAR_EL${el}`, va);
    if (ipa && el === 2) setHpfar(s, ipa);
  });
  s.call(raiseSyncWithFar, to, ec, iss, s.i32(kinds), s.get(common.pc));
}

/** An abort that SCR_EL3.EA takes to EL3 if it is external: one on a walk. */
function takeUnlessExternal(
  s: Builder,
  kind: 'data' | 'instruction',
  va: Val,
  iss: Val,
  otherwise: () => void,
): void {
  const onWalk = s.eqi(s.andi(s.get(state.fault), 0x3c), Fsc.externalOnWalk);
  s.if(
    s.and(onWalk, getField(s, 'SCR_EL3.EA')),
    () => take(s, kind === 'data' ? 'externalData' : 'externalInstruction', va, iss, 0),
    otherwise,
  );
}

/** ISS bits 24-14: which register the access was for. Only with ISV; `info` is the register's number. */
function accessSyndrome(s: Builder, desc: Val, info: Val): Val {
  const flags = part(s, desc, 'flags');
  const flag = (mask: number, at: number): Val => s.shli(s.nei(s.andi(flags, mask), 0), at);
  const bits = [
    s.i32(1 << 24),
    s.shli(part(s, desc, 'elemLog2'), 22),
    flag(Flag.signExtend, 21),
    s.shli(s.andi(info, 31), 16),
    flag(Flag.sf, 15),
    flag(Flag.acqRel, 14),
  ].reduce((a, b) => s.or(a, b));
  return s.select(s.nei(s.andi(flags, Flag.isv), 0), bits, s.i32(0));
}

/** CM and WnR: cache maintenance counts as a write, an atomic as a read if a read would have met the fault too. */
function directionBits(s: Builder, desc: Val, reads: Val): Val {
  const kind = part(s, desc, 'kind');
  const maintenance = s.nei(s.andi(part(s, desc, 'flags'), Flag.cacheMaintenance), 0);
  const write = s.or(maintenance, s.or(s.eqi(kind, 1), s.and(s.eqi(kind, 2), s.eqz(reads))));
  return s.or(s.shli(maintenance, 8), s.shli(write, 6));
}

const isFetch = (s: Builder, desc: Val): Val => s.eqi(part(s, desc, 'kind'), 3);

/** (va, desc, info): the abort for state.fault, the fault of the last translation. */
export const raiseAbort: Routine = {
  k: 'routine',
  name: 'raiseAbort',
  params: ['i64', 'i32', 'i32'],
  build: (s: Builder, va: Val, desc: Val, info: Val) => {
    const fault = s.get(state.fault);
    const ipa = s.get(state.faultIpa);
    const s1ptw = s.andi(fault, Fault.s1ptw);
    const base = s.or(s.andi(fault, Fault.fsc), s1ptw);
    const stage2 = s.nei(s.andi(fault, Fault.stage2), 0);
    s.if(
      isFetch(s, desc),
      () =>
        takeUnlessExternal(s, 'instruction', va, base, () =>
          s.if(
            stage2,
            () => take(s, 'stage2Instruction', va, base, eventBit('stage2Fault'), ipa),
            () => take(s, 'instructionAbort', va, base, 0),
          ),
        ),
      () => {
        const iss = s.or(base, directionBits(s, desc, s.get(state.faultReads)));
        takeUnlessExternal(s, 'data', va, iss, () =>
          s.if(
            stage2,
            () => {
              const which = s.select(s.eqz(s1ptw), accessSyndrome(s, desc, info), s.i32(0));
              take(s, 'stage2Data', va, s.or(iss, which), eventBit('stage2Fault'), ipa);
            },
            () => take(s, 'dataAbort', va, iss, 0),
          ),
        );
      },
    );
  },
};

/** (va, desc, info): a data access that is not aligned as it must be. */
export const raiseAlignment: Routine = {
  k: 'routine',
  name: 'raiseAlignment',
  params: ['i64', 'i32', 'i32'],
  build: (s: Builder, va: Val, desc: Val, _info: Val) =>
    take(s, 'dataAbort', va, s.or(s.i32(Fsc.alignment), directionBits(s, desc, s.i32(1))), 0),
};

/** (va, desc, info): an access that nothing on the bus answers. */
export const raiseExternal: Routine = {
  k: 'routine',
  name: 'raiseExternal',
  params: ['i64', 'i32', 'i32'],
  build: (s: Builder, va: Val, desc: Val, _info: Val) => {
    s.if(
      isFetch(s, desc),
      () => take(s, 'externalInstruction', va, s.i32(Fsc.external), 0),
      () => take(s, 'externalData', va, s.or(s.i32(Fsc.external), directionBits(s, desc, s.i32(1))), 0),
    );
  },
};

/** (va, desc, reads): a data access meets a watchpoint, an atomic one by its read if `reads`. DFSC: a debug exception. */
export const raiseWatchpoint: Routine = {
  k: 'routine',
  name: 'raiseWatchpoint',
  params: ['i64', 'i32', 'i32'],
  build: (s: Builder, va: Val, desc: Val, reads: Val) =>
    take(s, 'watchpoint', va, s.or(s.i32(0x22), directionBits(s, desc, reads)), 0),
};

/** (va): the stage 2 fault of the walk that AT S1E0x or S1E1x made at EL1: CM and WnR are set. */
export const raiseAtFault: Routine = {
  k: 'routine',
  name: 'raiseAtFault',
  params: ['i64'],
  build: (s: Builder, va: Val) => {
    const fault = s.get(state.fault);
    const iss = s.ori(s.andi(fault, Fault.fsc | Fault.s1ptw), (1 << 8) | (1 << 6));
    makeUnknown(s, 'PAR_EL1');
    take(s, 'stage2At', va, iss, eventBit('stage2Fault'), s.get(state.faultIpa));
  },
};

/** (va): AT met an external abort on a walk, which is taken like that of a data access at this level (D8.11.1). */
export const raiseAtExternal: Routine = {
  k: 'routine',
  name: 'raiseAtExternal',
  params: ['i64'],
  build: (s: Builder, va: Val) => {
    const iss = s.ori(s.andi(s.get(state.fault), Fault.fsc | Fault.s1ptw), (1 << 8) | (1 << 6));
    makeUnknown(s, 'PAR_EL1');
    take(s, 'externalData', va, iss, 0);
  },
};
