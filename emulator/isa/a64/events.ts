/**
 * Events: what a debugger can record or stop at. A kind is a bit in state.eventMask (call the host function `event`)
 * and in state.stopMask (end run()). Kinds with `before` stop before the instruction executes; state.holdSkip lets it
 * execute after that. The others stop when everything has happened, at the next instruction.
 *
 * At a stop state.stopEvents has the bits of all kinds that apply.
 *
 * Details in state.mail during the host call:
 *   mail[0]  address: of the instruction (hvc, smc, svc, eret), else the preferred return address (ELR);
 *            for guestEntry the first instruction of the guest
 *   mail[1]  ESR of the exception; for hvc, smc, svc the ESR it would give; 0 for interrupts and returns
 *   mail[2]  source EL in bits 7-0, target EL in bits 15-8, vector offset in bits 31-16, SPSR in bits 63-32
 *   mail[3]  FAR of the target (aborts), else X0
 *   mail[4]  HPFAR_EL2 (stage 2 faults), else X1
 */
import type { Builder } from '../../ir/builder';
import type { Val } from '../../ir/nodes';
import { common, StopReason } from '../../ir/state';
import { hostCalls } from './host-calls';
import { state } from './state';

export const EventKind = {
  hvc: 0,
  smc: 1,
  svc: 2,
  /** An exception was taken, whatever it was. */
  entry: 3,
  eret: 4,
  /** An interrupt was taken: IRQ, FIQ, SError, physical or virtual. */
  irq: 5,
  stage2Fault: 6,
  /** An instruction was UNDEFINED. */
  undefined: 7,
  /** An ERET at EL2 went to EL1 or EL0. */
  guestEntry: 8,
  /** An exception was taken to EL2. For stopping; recorded as `entry`. */
  trapEntry: 9,
  /** An ERET at EL2. For stopping; recorded as `eret`. */
  trapExit: 10,
} as const;

export type EventName = keyof typeof EventKind;

export const eventBit = (kind: EventName): number => 1 << EventKind[kind];

/**
 * Calls the host for a kind that it asks for. `details` fills the mail.
 * @param record writes a record instead, where that is enough: see switch-record.ts. Its value: whether it has.
 */
export function recordEvent(s: Builder, kind: EventName, details: () => void, record?: () => Val): void {
  s.if(s.nei(s.andi(s.get(common.eventMask), eventBit(kind)), 0), () => {
    details();
    const tell = (): void => void s.call(hostCalls.event, s.cpu(), s.i32(EventKind[kind]));
    if (record) s.if(s.eqz(record()), tell);
    else tell();
  });
}

/** Asks the machine loop to stop before the next instruction for those of `kinds` (bits) that are in stopMask. */
export function stopAfter(s: Builder, kinds: Val): void {
  const wanted = s.and(s.get(common.stopMask), kinds);
  s.if(s.nei(wanted, 0), () => {
    s.set(common.stopRequest, s.i32(StopReason.event));
    s.set(state.stopEvents, s.or(s.get(state.stopEvents), wanted));
  });
}

/** Ends the instruction before it has done anything, if it is to stop for one of `kinds` (bits). */
export function stopBefore(s: Builder, kinds: Val): void {
  const wanted = s.and(s.get(common.stopMask), kinds);
  s.if(s.nei(wanted, 0), () => {
    s.if(s.eqz(s.get(state.holdSkip)), () => {
      s.syncPc();
      s.set(common.stopReason, s.i32(StopReason.event));
      s.set(state.stopEvents, s.or(s.get(state.stopEvents), wanted));
      s.exit('hold');
    });
    s.set(state.holdSkip, s.i32(0));
  });
}
