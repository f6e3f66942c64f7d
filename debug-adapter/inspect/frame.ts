import type { Vcpu } from '../hypervisors/types';
import type { AddressSpace } from './address-space';
import type { FrameRegisters } from './frame-registers';

/** A line of the call stack. */
export interface Frame {
  readonly kind: 'code' | 'label';
  /** The CPU; for a vcpu that does not run, one through which its memory is read. */
  readonly cpu: number;
  /** Set for a vcpu that does not run. */
  readonly vcpu?: Vcpu | undefined;
  readonly level: number;
  readonly space: AddressSpace;
  readonly registers: FrameRegisters;
  readonly pc: bigint;
  /** Inside the instruction that called, where `pc` is behind it: what symbols are asked for. */
  readonly lookup: bigint;
  /** Text of a label. */
  readonly label?: string;
  /** The function is inlined at this place into the next frame. */
  readonly inlined?: string;
  /** How many functions are inlined into this one at the place, */
  readonly outward?: number;
  /** and where it calls the last of them. */
  readonly callSite?: { readonly path: string; readonly line: number } | undefined;
}
