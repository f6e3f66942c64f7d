/** What the debugger wants to know of a hypervisor: one implementation for each that it understands. */
import type { AddressSpace } from '../inspect/address-space';
import type { CType } from '../symbols/dwarf/types';
import type { FieldLayout, Layout, StructLayout } from '../symbols/layout';

/** A struct in guest memory that the program's layout section declares. */
export interface DeclaredStruct {
  readonly layout: Layout;
  readonly struct: StructLayout;
  readonly space: AddressSpace;
  readonly address: bigint;
}

/** A struct in guest memory by a C type of the program. */
export interface TypedStruct {
  readonly type: CType;
  /** Without the keyword `struct`. */
  readonly struct: { readonly name: string; readonly size: number };
  readonly space: AddressSpace;
  readonly address: bigint;
}

/** A struct in guest memory. */
export type StructAt = DeclaredStruct | TypedStruct;

/** The fields that a layout section declares for a struct. */
export const declaredFields = (at: StructAt): readonly FieldLayout[] =>
  'layout' in at ? at.struct.fields : [];

/** A virtual machine. */
export interface Vm {
  /** Its struct; undefined when the hypervisor has none. */
  readonly at: StructAt | undefined;
  /** What people call it. */
  readonly number: number;
  readonly vmid: number | undefined;
}

export interface Vcpu {
  readonly at: StructAt;
  /** Where its struct is in memory: what it is known by, whatever address a pointer to it has. */
  readonly pa: bigint;
  readonly machine: Vm;
  /** The number of the virtual machine. */
  readonly vm: number;
  /** Number of the virtual CPU in its virtual machine. */
  readonly vcpu: number;
  readonly vmid: number | undefined;
  /** Its place in the array of all vcpus. */
  readonly index: number | undefined;
  /** The CPU that runs it, or that handles an exit of it. */
  readonly runsOn: number | undefined;
}

/** A fact about a vcpu or a virtual machine, for people; it may open to more. */
export interface Fact {
  readonly name: string;
  readonly value: string;
  /** Where the number behind it is. */
  readonly at?: SavedRegister;
  readonly parts?: () => readonly Fact[];
}

/** `1.0`: the first vcpu of virtual machine 1. */
export const vcpuName = (v: Pick<Vcpu, 'vm' | 'vcpu'>): string => `${v.vm}.${v.vcpu}`;

/** Whose FP and SIMD registers a CPU holds. */
export interface FpsimdOwner {
  /** In the hypervisor's words, e.g. `FP_HOST`; undefined when it has none. */
  readonly name: string | undefined;
  /** Set when they are a guest's. */
  readonly vcpu: Vcpu | undefined;
}

/** One step on the way from a register to a struct. */
export interface TrailStep {
  /** The field that leads here; empty for what the register points to. */
  readonly field: string;
  /** The field is a pointer. */
  readonly pointer: boolean;
  /** The name of the struct. */
  readonly struct: string;
  /** Undefined: the pointer is null, or cannot be read. */
  readonly at: StructAt | undefined;
}

/** The way from a register to a struct. */
export interface Trail {
  readonly register: string;
  readonly value: bigint;
  readonly steps: readonly TrailStep[];
}

/** A place in the code whose execution means something: ABI.md, MARK. */
export interface Mark {
  readonly name: string;
  readonly meaning: string;
  readonly of: string;
  /** The physical address. */
  readonly pa: bigint;
}

/** A register that was saved to memory. */
export interface SavedRegister {
  readonly space: AddressSpace;
  readonly address: bigint;
  readonly bytes: number;
}

export interface Hypervisor {
  /** As in launch.json. */
  readonly name: 'reference' | 'kvm' | 'none';
  /** Whether it is set up on a CPU: nothing of it can be found before. */
  isSetUp(cpu: number): boolean;
  /** The vcpu whose guest runs on a CPU, or was left last and is still being handled. */
  currentVcpu(cpu: number): Vcpu | undefined;
  /** All vcpus that were created, running or not. */
  vcpus(): readonly Vcpu[];
  /** The structs of an array that the hypervisor names: `vms`, `percpus`. */
  elements(array: string): readonly StructAt[];
  readonly arrays: readonly string[];
  /** The host's registers of a CPU, where the hypervisor keeps them. */
  hostContext(cpu: number): StructAt | undefined;
  /** How a CPU finds its running vcpu and its host context, step by step. */
  trails(cpu: number): readonly Trail[];
  /** Whose FP and SIMD registers are in the CPU. */
  fpsimdOwner(cpu: number): FpsimdOwner | undefined;
  /** E.g. `VM 1 vCPU 0, VMID 1` or `host`; undefined when it cannot tell. */
  describe(cpu: number): string | undefined;
  /** The registers that a struct holds, by name. */
  registersIn(at: StructAt): ReadonlyMap<string, SavedRegister>;
  /** The interrupts that wait for a vcpu, each in a few words. */
  pendingInterrupts(vcpu: Vcpu): readonly string[];
  readonly marks: readonly Mark[];
  /** The VMID of the host where it has a stage 2 of its own; absent: a host runs without. */
  readonly hostVmid?: number;
  /** How the vcpu of a CPU and the list of all were found, each as a sentence; absent: the program declares it. */
  findings?(cpu: number): readonly string[];
  /** What else is known of a vcpu: its VM's identity, traps, faults, interrupts, timers, exit counts. */
  facts?(vcpu: Vcpu): readonly Fact[];
  /** How often a vcpu has left its guest, by reason. */
  exitCounts?(vcpu: Vcpu): readonly ExitCount[];
  /** Registers of a vcpu that are kept in no one place, by value: VTTBR_EL2 is put together on each entry. */
  computedRegisters?(vcpu: Vcpu): ReadonlyMap<string, bigint>;
  /** Registers of a vcpu that does not run which a CPU still has, with its number: what memory has of them is old. */
  heldRegisters?(vcpu: Vcpu): ReadonlyMap<string, number>;
  /** Registers to translate the host kernel's addresses by, where those of the CPU do not map the kernel now. */
  kernelTables?(cpu: number, level: 'EL1' | 'EL2'): ReadonlyMap<string, bigint> | undefined;
  /** The space of what a pointer in a struct points to. */
  pointerSpace?(cpu: number, space: AddressSpace, pointer: bigint): AddressSpace;
  /** What the elements of an array in a struct hold, by number: registers that the array keeps. */
  elementNames?(struct: string, member: string): ReadonlyMap<number, string> | undefined;
}

/** A count of exits. */
export interface ExitCount {
  readonly name: string;
  readonly count: bigint;
  readonly at: SavedRegister;
}

/** A hypervisor that nothing is known of. */
export const noHypervisor: Hypervisor = {
  name: 'none',
  isSetUp: () => false,
  currentVcpu: () => undefined,
  vcpus: () => [],
  elements: () => [],
  arrays: [],
  hostContext: () => undefined,
  trails: () => [],
  fpsimdOwner: () => undefined,
  describe: () => undefined,
  registersIn: () => new Map(),
  pendingInterrupts: () => [],
  marks: [],
};
