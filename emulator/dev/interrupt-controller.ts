/** What a board needs from its interrupt controller, whatever its version. */
import type { Device, SysregPort } from '../core/device';

/** The registers that belong to a CPU are reached by name too: as system registers, and by the debugger. */
export interface InterruptController extends SysregPort {
  /** Register windows, by the name of their row in the memory map. */
  readonly windows: readonly {
    readonly region: 'gicd' | 'gicr' | 'gicc' | 'gicv2m' | 'gich' | 'gicv';
    readonly device: Device;
  }[];
  /** Drives shared peripheral interrupt `n` (INTID 32 + n). */
  setSpi(n: number, level: boolean): void;
  /** Drives a private peripheral interrupt of a CPU, by INTID (16-31). */
  setPpi(cpu: number, intid: number, level: boolean): void;
  /** Brings the maintenance interrupt of a CPU up to date, and virtual lines that are not the CPU's own; `wires`: MachineBus.settle. */
  updateVirtual(cpu: number, wires: number): void;
  /** A reset of a CPU resets its CPU interface; what the distributor knows of it stays. */
  resetCpu(cpu: number): void;
}
