/** Security states, as the GIC and the board see them (Arm IHI 0069 4.6). */
import type { MachineBus } from '../../core/device';
import type { View } from './bank-registers';

/**
 * `none`: the GIC has one security state (GICD_CTLR.DS = 1). `own firmware`: it has two, and software at EL3 sets it up.
 * `handed over`: firmware that has run before has given all interrupts to Non-secure state.
 */
export type Security = 'none' | 'own firmware' | 'handed over';

/** What an access of a CPU counts as. */
export interface Accessor {
  readonly el3: boolean;
  /** EL3, or below it with SCR_EL3.NS = 0. */
  readonly secure: boolean;
  /** SCR_EL3.NS = 0: banked registers are Secure state's, at EL3 too. */
  readonly secureBank: boolean;
  /** Priorities are seen as by Non-secure state while SCR_EL3.FIQ takes group 0 to EL3 (IHI 0069 4.8.1). */
  readonly lowerHalf: boolean;
}

/** SCR_EL3. */
const NS = 1n;
const FIQ = 4n;

/** Who a CPU of a machine with EL3 is now. */
export function accessorOf(bus: MachineBus, cpu: number): Accessor {
  const el3 = bus.exceptionLevel(cpu) === 3;
  const scr = bus.readSysreg(cpu, 'SCR_EL3');
  const secureBank = (scr & NS) === 0n;
  const secure = el3 || secureBank;
  return { el3, secure, secureBank, lowerHalf: !secure && (scr & FIQ) !== 0n };
}

/** Is an access of this CPU, on a machine with EL3, one of Secure state? */
export const isSecureAccess = (bus: MachineBus, cpu: number): boolean => accessorOf(bus, cpu).secure;

/** How a CPU sees the registers of the interrupts. */
export const viewOf = (gic: { readonly twoStates: boolean }, bus: MachineBus, cpu: number): View =>
  !gic.twoStates ? 'single' : isSecureAccess(bus, cpu) ? 'secure' : 'nonSecure';
