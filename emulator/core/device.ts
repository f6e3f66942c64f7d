/** What the machine offers to devices and what a device offers to the machine. */

/**
 * A memory-mapped device. All that the guest can observe is in `state`, a plain object that JSON can hold (bigint, Map and
 * Uint8Array allowed, as structuredClone and hash.ts take them).
 * A snapshot replaces the properties of `state` (Object.assign of a clone), first for every device of the board, and then
 * calls `restored` on each: a device keeps no reference into `state` of its own.
 */
export interface Device {
  readonly name: string;
  readonly state: object;
  /** Size in bytes of the register window; of windows that overlap, the first answers. */
  readonly size: number;
  /** A guest load of 1, 2, 4 or 8 bytes. `undefined`: nothing answers there (external abort). */
  read(offset: number, bytes: number, cpu: number): bigint | undefined;
  /** A guest store. `false`: nothing answers there. */
  write(offset: number, bytes: number, value: bigint, cpu: number): boolean;
  /** What a load would return, without any side effect (a debugger's read). `undefined`: not known. */
  peek(offset: number, bytes: number): bigint | undefined;
  /** Recomputes everything derived from `state` (lines, deadlines) after it was replaced by a snapshot. */
  restored?(): void;
}

/** A system register that a device implements (ICC_*): called through the Isa's sysreg rows that say `device`. */
export interface SysregPort {
  read(name: string, cpu: number): bigint;
  write(name: string, cpu: number, value: bigint): void;
  /** What read would return, without acknowledging anything. */
  peek(name: string, cpu: number): bigint;
}

/**
 * An input line of a CPU, as in state.irqLines: 1 IRQ, 2 FIQ, 4 virtual IRQ, 8 virtual FIQ; 16 and 32 group 1 of Secure and of
 * Non-secure state, from which the CPU makes IRQ or FIQ.
 */
export type CpuLine = 1 | 2 | 4 | 8 | 16 | 32;

/** What a device may do to the rest of the machine. */
export interface MachineBus {
  readonly cpus: number;
  /** Virtual time now, in instructions (16 of them make one tick of the 62.5 MHz counter). */
  now(): bigint;
  /** Asserts or clears an input line of a CPU. */
  setCpuLine(cpu: number, line: CpuLine, level: boolean): void;
  /** The exception level at which a CPU executes now. */
  exceptionLevel(cpu: number): number;
  /** A system register's stored value, by architectural name, and raw write: no traps, no side effects. */
  readSysreg(cpu: number, name: string): bigint;
  writeSysreg(cpu: number, name: string, value: bigint): void;
  /** Whether all of a range is RAM: what a device may reach by itself (DMA). */
  isRam(pa: bigint, bytes: number): boolean;
  /** Physical memory access by a device (DMA). */
  readPhys(pa: bigint, bytes: number): Uint8Array;
  writePhys(pa: bigint, data: Uint8Array): void;
  /** General-purpose register Xn of a CPU (n: 0-30), as the firmware interface uses them. */
  getX(cpu: number, n: number): bigint;
  setX(cpu: number, n: number, value: bigint): void;
  /** Starts a CPU that is off: reset state at its highest exception level, pc = entry, x0 = context. */
  startCpu(cpu: number, entry: bigint, context: bigint): void;
  /** Takes a CPU off: it executes nothing until startCpu. */
  stopCpu(cpu: number): void;
  /** Is this CPU on? (asleep counts as on) */
  cpuOn(cpu: number): boolean;
  /** Puts a CPU to sleep as WFI does: after the instruction that is executing, until an interrupt is pending. */
  suspendCpu(cpu: number): void;
  /** A deadline has moved, by a register that this CPU writes now: the machine asks for it before the next instruction. */
  deadlineMoved(cpu: number): void;
  /**
   * Brings up to date what follows from a CPU's own registers and the time (timers, PMU, virtual interrupts).
   * @returns the outputs that it drives, as the instruction set numbers them
   */
  settle(cpu: number): number;
  /** The virtual interrupt that is next by a CPU's own registers, as the instruction set keeps it. */
  virtualNext(cpu: number): number;
  /** Something that the debugger may show: UART output, power-off. */
  emit(event: MachineEvent): void;
}

export type MachineEvent =
  | { readonly kind: 'uart'; readonly bytes: Uint8Array }
  /** Output of another console than the UART, by port name. */
  | { readonly kind: 'console'; readonly port: string; readonly bytes: Uint8Array }
  | { readonly kind: 'poweroff'; readonly reason: string }
  | { readonly kind: 'reset'; readonly reason: string }
  | { readonly kind: 'message'; readonly text: string };

/** A part of the board that acts at points in virtual time (timers). */
export interface Timed {
  /** The next time at which `advance` must run, or undefined. Asked often: computed by `advance` and `Board.update`. */
  deadline(): bigint | undefined;
  /** Brings lines and state up to date with bus.now(). */
  advance(): void;
}

/** What the core needs from a board. */
export interface Board {
  readonly devices: readonly { readonly base: bigint; readonly device: Device }[];
  readonly sysregs: SysregPort;
  readonly timed: readonly Timed[];
  /** Firmware calls: HVC or SMC with the given function; true if it was one of the board's (PSCI). Registers by bus. */
  firmware(cpu: number, conduit: 'hvc' | 'smc'): boolean;
  /** Input from outside (UART), delivered at a point of virtual time by the replay log. */
  input(port: string, bytes: Uint8Array): void;
  /**
   * Outputs of a CPU have changed, or perhaps of all: by an instruction, the time, the debugger, a reset or a snapshot.
   * The board asks for them with MachineBus.settle.
   */
  update(cpu?: number): void;
  /** A CPU was reset: so are the parts of devices that belong to it. */
  resetCpu(cpu: number): void;
}
