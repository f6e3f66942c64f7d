/** What the debugger wants to know of a hypervisor: one implementation for each that it understands. */
import type { AddressSpace } from '../inspect/address-space';
import type { FieldLayout, Layout, StructLayout } from '../symbols/layout';

/** A struct in guest memory. */
export interface StructAt {
  readonly layout: Layout;
  readonly struct: StructLayout;
  readonly space: AddressSpace;
  readonly address: bigint;
}

/** A field of a struct in guest memory: `element` counts within arrays. */
export interface FieldAt {
  readonly field: FieldLayout;
  readonly space: AddressSpace;
  readonly address: bigint;
}

export interface Vcpu {
  readonly at: StructAt;
  /** What people call the virtual machine: its VMID. */
  readonly vm: number;
  /** Number of the virtual CPU in its virtual machine. */
  readonly vcpu: number;
  readonly vmid: number | undefined;
}

/** A register that was saved to memory. */
export interface SavedRegister {
  readonly space: AddressSpace;
  readonly address: bigint;
  readonly bytes: number;
}

export interface Hypervisor {
  /** As in launch.json. */
  readonly name: 'reference' | 'none';
  /** The vcpu whose guest runs on a CPU, or was left last and is still being handled. */
  currentVcpu(cpu: number): Vcpu | undefined;
  /** All vcpus that were created. */
  vcpus(): readonly Vcpu[];
  /** The host's registers of a CPU, where the hypervisor keeps them. */
  hostContext(cpu: number): StructAt | undefined;
  /** Whose FP and SIMD registers are in the CPU. */
  fpsimdOwner(cpu: number): string | undefined;
  /** E.g. `VM 1 vCPU 0, VMID 1` or `host`; undefined when it cannot tell. */
  describe(cpu: number): string | undefined;
  /** The registers that a struct holds, by name. */
  registersIn(at: StructAt): ReadonlyMap<string, SavedRegister>;
}

/** A hypervisor that nothing is known of. */
export const noHypervisor: Hypervisor = {
  name: 'none',
  currentVcpu: () => undefined,
  vcpus: () => [],
  hostContext: () => undefined,
  fpsimdOwner: () => undefined,
  describe: () => undefined,
  registersIn: () => new Map(),
};
