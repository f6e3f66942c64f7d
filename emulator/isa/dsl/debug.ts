/**
 * What a debugger must know of an instruction set, as data: registers with named fields, how a stack is walked, what an
 * exception means, how an address is translated. The debug adapter works with this and knows no architecture.
 */
import type { StateField } from '../../ir/nodes';

/** One CPU of a stopped machine, as the debugger reaches it. Reading has no side effects. */
export interface DebugCpu {
  /** Linear memory, and the address of this CPU's block in it. */
  readonly view: DataView;
  readonly block: number;
  /** Features of the CPU model. */
  readonly features: ReadonlySet<string>;
  get(f: StateField, index?: number): bigint;
  /** Changes state as an input from outside, which the input log records. */
  input(f: StateField, value: bigint, index?: number): void;
  /** What a read of a register in a device would give, without acknowledging anything; undefined: it is not there. */
  peekDevice(register: string): bigint | undefined;
  /** Writes a register in a device, as an input from outside. */
  inputDevice(register: string, value: bigint): void;
  /** Calls a routine that the instruction set exports. */
  call(routine: string): void;
}

/** A named range of bits. */
export interface DebugField {
  readonly name: string;
  readonly lsb: number;
  readonly width: number;
  /** Set where it is an address: how far the value is shifted right. */
  readonly addressShift?: number;
  /** What values mean, where they have names. */
  readonly values?: Readonly<Record<number, string>>;
}

/** A part of another register: W3 of X3. Writing it zeroes the bits above. */
export interface PartOf {
  readonly register: string;
  readonly width: number;
}

export interface DebugRegister {
  /** Canonical name. */
  readonly name: string;
  readonly kind: 'general' | 'status' | 'vector' | 'system';
  /** Bits. */
  readonly width: number;
  readonly doc: string;
  /** From the highest bit down. */
  readonly fields: readonly DebugField[];
  /** The fields in the layout that other registers give it now; absent where there is one layout. */
  readonly layout?: (read: ReadRegister) => readonly DebugField[];
  /** The feature that a CPU must have; absent: all have the register. */
  readonly feature?: string;
  /** Absent: software can only write it. The result is undefined where the machine has no such register. */
  readonly read?: (cpu: DebugCpu) => bigint | undefined;
  /** Absent: the hardware does not let software write it. */
  readonly write?: (cpu: DebugCpu, value: bigint) => void;
  /** Set for names of parts; such a register is read and written through the whole. */
  readonly part?: PartOf;
  /** What its value is, where a reader would follow it. */
  readonly points?: 'code' | 'data';
}

export interface RegisterGroup {
  readonly name: string;
  readonly registers: readonly DebugRegister[];
}

/** A container of registers in the Variables pane. */
export interface RegisterScope {
  readonly name: string;
  /** `registers`: open it at every stop. */
  readonly hint?: 'registers';
  /** Fetched only when somebody opens it. */
  readonly expensive: boolean;
  /**
   * One level or two: a scope with one group shows its registers, with several it shows the groups; `fields`: the
   * fields of its only register.
   */
  readonly show: 'registers' | 'groups' | 'fields';
  /** Belongs to an exception level that has to exist (1: EL1). */
  readonly groups: readonly RegisterGroup[];
}

/** Reads a register of some frame by name. */
export type ReadRegister = (name: string) => bigint;

/** An address space as instructions of some level see it, for people and for `memoryReference`s. */
export interface RegimeFacts {
  /** Such as EL1, EL2. */
  readonly level: string;
  /** The virtual machine whose second stage applies. */
  readonly vmid: number | undefined;
  /** The address space that is loaded, where the level has several. */
  readonly asid: number | undefined;
}

/** A context that an exception interrupted, as the level that took the exception finds it. */
export interface InterruptedContext {
  readonly level: number;
  /** Where its registers are now: name -> name of the register that holds the value. */
  readonly registers: ReadonlyMap<string, string>;
  /** The address to return to. */
  readonly pc: bigint;
}

/** One line of a decoded syndrome. */
export interface SyndromeDetail {
  readonly name: string;
  readonly value: bigint;
  readonly width: number;
  /** What the value means. */
  readonly text?: string;
}

/** What an exception was. */
export interface Syndrome {
  /** The register that says so, such as ESR_EL2. */
  readonly register: string;
  readonly value: bigint;
  /** Its class in a few words, such as `HVC`. */
  readonly name: string;
  /** One sentence with everything that matters. */
  readonly sentence: string;
  /** Why it came to this level, as far as the control registers still say so. */
  readonly reason: string | undefined;
  readonly details: readonly SyndromeDetail[];
  /** Addresses that belong to it. */
  readonly addresses: readonly {
    readonly name: string;
    readonly value: bigint;
    readonly space: 'va' | 'ipa';
  }[];
}

/** What to translate an address by; `EL1 stage 1` ends with an intermediate physical address. */
export type TranslationRegime = 'current' | 'EL1' | 'EL1 stage 1' | 'EL2' | 'EL3' | 'IPA' | 'PA';

export interface Translation {
  readonly pa: bigint;
  /** log2 of the size that the entry maps. */
  readonly size: number;
  readonly device: boolean;
}

export interface TranslationFault {
  /** In words, such as `stage 2 translation fault, level 3`. */
  readonly fault: string;
}

/** One line of an explained translation; deeper ones belong to the one above. */
export interface WalkLine {
  readonly depth: number;
  readonly text: string;
}

/** How a frame record on the stack is laid out, and which registers belong to calls. */
export interface FrameRecords {
  /** The register that points to the innermost record. */
  readonly pointer: string;
  readonly alignment: bigint;
  /** Offsets of the caller's pointer and of the return address. */
  readonly callerAt: bigint;
  readonly returnAt: bigint;
  /** The register that holds the return address in a leaf function. */
  readonly link: string;
  readonly stack: string;
}

/** The stack frame of a function, by its instructions. */
export interface FramePlan {
  /** How far the caller's stack pointer is above the current one. */
  readonly size: bigint;
  /** Where the caller's registers are, from the caller's stack pointer on. The link register is not saved if it is absent. */
  readonly saved: ReadonlyMap<string, bigint>;
}

export interface IsaDebug {
  readonly scopes: readonly RegisterScope[];
  /** Any register, part or alias, in any case. */
  find(name: string): DebugRegister | undefined;
  /** Whether changing a register changes what the call stack looks like. */
  movesFrames(register: string): boolean;
  /** All names that `find` knows, for completion. */
  readonly names: readonly string[];
  /** DWARF register numbers. */
  readonly dwarf: readonly string[];
  readonly records: FrameRecords;
  /** The FP and SIMD registers: what a hypervisor may leave in the CPU when it saves the rest. */
  readonly floating: readonly string[];
  /** Registers that a function of the platform's C returns with the value that it was called with. */
  readonly preserved: ReadonlySet<string>;
  /** Size of the smallest instruction. */
  readonly instructionBytes: number;
  /** For an instruction at `address` that calls a subroutine: where it goes, or `indirect`. Else undefined. */
  callTarget(word: number, address: bigint): bigint | 'indirect' | undefined;
  /**
   * The frame of a function by the instructions before the PC, from its first on, and those from the PC on; undefined
   * when they do not tell.
   */
  framePlan(done: readonly number[], ahead: readonly number[]): FramePlan | undefined;
  /** A return address of code at a level without what signs it (pointer authentication), if anything does. */
  unsignedCode(level: number, address: bigint, read: ReadRegister): bigint;
  /** Whether a PC is in the exception vectors of a level, where no register has been saved yet. */
  inVectors(level: number, pc: bigint, read: ReadRegister): boolean;
  /** The exception level of a frame whose registers `read` gives. */
  levelOf(read: ReadRegister): number;
  levelName(level: number): string;
  regimeOf(level: number, read: ReadRegister): RegimeFacts;
  /** The context that the level's last exception interrupted; undefined when there cannot be one. */
  interrupted(level: number, read: ReadRegister): InterruptedContext | undefined;
  /** The last exception that a level has taken; undefined when it has taken none. */
  syndrome(level: number, read: ReadRegister): Syndrome | undefined;
  /** The same for a syndrome from elsewhere (a saved context). */
  decodeSyndrome(value: bigint, level: number, read: ReadRegister): Syndrome;
  /** Names of numbers that conditions compare syndromes with: exception classes. */
  readonly constants: ReadonlyMap<string, bigint>;
  /** Whether a level translates addresses of its own (its MMU is on). */
  isTranslating(level: number, read: ReadRegister): boolean;
  /** Why an interrupt from level `from` is taken to level `to`; undefined when the controls do not say so any more. */
  explainInterrupt(
    name: 'IRQ' | 'FIQ' | 'SError',
    from: number,
    to: number,
    read: ReadRegister,
  ): string | undefined;
  /** Where an instruction that calls a higher level goes and why, for `hvc`, `smc`, `svc`. */
  explainCall(instruction: string, level: number, read: ReadRegister): string | undefined;
  /** What system registers hold, as far as translation minds, where no virtual machine is loaded. */
  withoutVirtualMachine(read: ReadRegister): ReadonlyMap<string, bigint>;
  /** And where one is, as long as nothing better is known. */
  withVirtualMachine(read: ReadRegister): ReadonlyMap<string, bigint>;
  /** Interrupts that wait for a virtual CPU by its registers (undefined: not known), each in a few words. */
  pendingInterrupts(read: (name: string) => bigint | undefined): readonly string[];
  /**
   * Translates an address as the CPU would, permissions aside. `registers` replaces system registers for the
   * translation: that of a virtual machine that is not loaded.
   */
  translate(
    cpu: DebugCpu,
    address: bigint,
    regime: TranslationRegime,
    registers?: ReadonlyMap<string, bigint>,
  ): Translation | TranslationFault;
  /** The same, with every table access and what it said. */
  explainTranslation(
    cpu: DebugCpu,
    address: bigint,
    regime: Exclude<TranslationRegime, 'PA'>,
    registers?: ReadonlyMap<string, bigint>,
  ): readonly WalkLine[];
}
