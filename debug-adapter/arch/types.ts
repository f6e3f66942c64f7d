/** What run control, breakpoints and the trace ask of an architecture. Nothing outside arch/ and inspect/ knows one. */
import type { ReadRegister } from '../../emulator/isa/dsl/debug';
import type { Flow } from '../../emulator/isa/dsl/row';

/** Where a CPU executes: what decides which code an address means. */
export interface CpuContext {
  /** Exception level or privilege level. */
  readonly el: number;
  readonly pc: bigint;
  readonly sp: bigint;
  /** The virtual machine whose translation applies; undefined outside of one. */
  readonly vmid: number | undefined;
}

/** What an instruction does to control flow, as far as stepping minds. */
export type InstructionKind = Flow | 'plain';

/** A translation regime that the user can name. */
export type RegimeName = 'EL1' | 'EL2' | 'EL3' | 'IPA' | 'PA';

/** Ids of the exception filters. */
export type FilterId =
  | 'hvc'
  | 'smc'
  | 'svc'
  | 'trap-entry'
  | 'trap-exit'
  | 'guest-entry'
  | 'guest-exit'
  | 'stage2-fault'
  | 'irq'
  | 'undefined';

export interface FilterInfo {
  readonly id: FilterId;
  readonly label: string;
  readonly description: string;
}

/** One event of the world-switch trace, as it happened. */
export interface TraceEvent {
  /** `call` is a firmware call; `entry` an exception; `return` an exception return; `mark` a place of the hypervisor. */
  readonly kind: 'entry' | 'return' | 'call' | 'mark';
  /** Instructions that the CPU had retired. */
  readonly count: bigint;
  readonly cpu: number;
  readonly from: number;
  readonly to: number;
  /** The instruction that was interrupted, trapped or returned. */
  readonly pc: bigint;
  /** Where execution goes on; undefined where nothing is jumped to. */
  readonly target: bigint | undefined;
  readonly syndrome: bigint;
  readonly fault: bigint;
  /** The intermediate physical page of a stage 2 fault. */
  readonly ipa: bigint | undefined;
  /** Interrupt rather than exception. */
  readonly interrupt: 'IRQ' | 'FIQ' | 'SError' | undefined;
  readonly undefinedInstruction: boolean;
  readonly x0: bigint;
  /** VMID of the lower level, if a virtual machine runs there. */
  readonly vmid: number | undefined;
  /** The registers that decided about it, as they were: those of the syndrome, and those with control bits. */
  readonly registers: ReadRegister;
  /** The control bits that trapped an FP or SIMD instruction. */
  readonly cause?: string | undefined;
  /** Set for a mark. */
  readonly mark?: MarkNote | undefined;
}

/** What is known of a mark when it is reached. */
interface MarkNote {
  readonly level: number;
  /** What happens there, and during what. */
  readonly text: string;
  /** The call that led there. */
  readonly caller: bigint | undefined;
}

/** Why an instruction stopped, before or after it executed. */
export interface StopCause {
  readonly filter: FilterId;
  /** What happened besides the event itself, e.g. `guest exit`; empty when the detail says all. */
  readonly label: string;
  /** E.g. `HVC #0 from EL1`. */
  readonly detail: string;
  /** What names such as `ec` and `iss` mean in a condition, where registers do not have them yet. */
  readonly values?: Readonly<Record<string, bigint>>;
}

/** Tells the translations of a CPU apart: it changes when a table, a size or a switch of a regime does. */
export type TranslationState = Uint32Array;

/** The events of a stop and the switches that make them. */
export interface Architecture {
  readonly filters: readonly FilterInfo[];
  /** Chooses which filters end run(), and whether every exception entry does (stepping). */
  arm(filters: ReadonlySet<FilterId>, everyEntry: boolean): void;
  /** What stopped this CPU, and forgets it; call once a stop. `entered`: an exception was taken. */
  takeCauses(cpu: number): { causes: StopCause[]; entered: boolean; interrupt: boolean };
  /** What an instruction at the PC that calls a higher level will report: `ec` and `iss`; undefined for any other. */
  callSyndrome(cpu: number): Readonly<Record<string, bigint>> | undefined;
  /** The causes that apply to the instruction at the PC before it executes. */
  causesAt(cpu: number): StopCause[];
  context(cpu: number): CpuContext;
  instructionKind(cpu: number): InstructionKind;
  /** Physical address of a virtual one, without side effects; the current regime when none is named. */
  translate(cpu: number, address: bigint, regime?: RegimeName): bigint | undefined;
  /** Whether the CPU's current regime is that one (and VMID, and ASID). */
  isRegime(
    cpu: number,
    regime: { readonly el?: string; readonly vmid?: number; readonly asid?: number },
  ): boolean;
  translationState(cpu: number): TranslationState;
  /** Whether the translations of a CPU are those of a state; asked at each world switch. */
  isTranslationState(cpu: number, known: TranslationState): boolean;
  /** Makes the next run execute the instruction at the PC even if a filter would stop before it. */
  setHoldSkip(cpu: number, on: boolean): void;
  /** A general-purpose or special register by its name in expressions. */
  register(cpu: number, name: string): bigint | undefined;
  /** Bits of a named field of a system register: [lsb, width]. */
  registerField(register: string, field: string): { lsb: number; width: number } | undefined;
  /** E.g. `EL1 guest`. */
  levelText(cpu: number): string;
  /** E.g. `HVC #0`, for an event of the trace. */
  eventText(event: TraceEvent): string;
}
