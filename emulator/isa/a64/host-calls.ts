/** What the instruction set asks of its surroundings. The first argument is always the address of the CPU block. */
import type { HostCall } from '../../ir/nodes';

const host = <N extends string, R extends boolean>(name: N, params: number, result: R) =>
  ({ k: 'host', name, params, result }) as const satisfies HostCall;

export const hostCalls = {
  /** (cpu, conduit: 0 HVC, 1 SMC): a firmware call (PSCI) with its arguments in X0-X7; 1 if it was one. */
  firmware: host('firmware', 2, true),
  /** (cpu, kind): something that eventMask asks for happened; details in state.mail, see events.ts. */
  event: host('event', 2, false),
  /** (cpu, n): reads deviceRegisters[n] into state.mail[0]. */
  sysregRead: host('sysregRead', 2, false),
  /** (cpu, n): writes state.mail[0] to deviceRegisters[n]. */
  sysregWrite: host('sysregWrite', 2, false),
  /** (cpu, op, broadcast): invalidates TLB entries: tlbiOps[op], operand in state.mail[0]; on all CPUs if broadcast. */
  tlbi: host('tlbi', 3, false),
  /** (cpu): a walk sets the access flag or the dirty state: state.descriptor goes to state.descriptorPa. */
  writeDescriptor: host('writeDescriptor', 1, false),
  /** (cpu, acc), address in state.mail[0]: lays back a translation that strict mode has kept; 0 if there is none. */
  keptTranslation: host('keptTranslation', 2, true),
  /** (cpu, acc): keeps the translation that was made of state.mail[0]. */
  keepTranslation: host('keepTranslation', 2, false),
  /** (cpu): SEV: sets the event register of all CPUs. */
  sendEvent: host('sendEvent', 1, false),
  /** (cpu, what): the guest did what this emulator cannot do, see unsupportedTexts. */
  unsupported: host('unsupported', 2, false),
} as const;

/** Messages for `unsupported`, by number. */
export const unsupportedTexts = [
  'The guest returned to AArch32 state (ERET with SPSR.M[4] = 1), and this emulator executes AArch64 only. ' +
    'Check the SPSR that the hypervisor or kernel loads before the ERET.',
] as const;
