/**
 * The reference hypervisors, and any other that describes its structs in the section `.worldswitch.layout`
 * (hypervisor/ABI.md): everything known of them comes from there.
 */
import type { AddressSpace } from '../inspect/address-space';
import { walkChain, type FieldLayout, type Layout } from '../symbols/layout';
import { littleEndian } from '../symbols/dwarf/expression';
import { SymbolError } from '../symbols/errors';
import type { Hypervisor, SavedRegister, StructAt, Vcpu } from './types';

/** The machine as a hypervisor implementation reads it, without side effects. */
export interface HypervisorHost {
  readonly cpus: number;
  register(cpu: number, name: string): bigint | undefined;
  /** Whether the hypervisor's own address translation is on. */
  isSetUp(cpu: number): boolean;
  memory(cpu: number, space: AddressSpace, address: bigint, bytes: number): Uint8Array | undefined;
  /** The physical address of an address in a space. */
  physical(cpu: number, space: AddressSpace, address: bigint): bigint | undefined;
}

/** The hypervisor's own address space: ABI.md, "EL2 virtual address". */
const hyp: AddressSpace = { kind: 'VA', level: 'EL2' };
const pa: AddressSpace = { kind: 'PA' };
/** Structs in structs in structs: a damaged layout may contain itself. */
const MAX_DEPTH = 6;

export class ReferenceHypervisor implements Hypervisor {
  readonly name = 'reference';

  constructor(
    private readonly layout: Layout,
    private readonly host: HypervisorHost,
    /** Added to the link addresses of arrays: where the program is loaded. */
    private readonly physicalOffset: (link: bigint) => bigint | undefined = (link) => link,
  ) {}

  private number(cpu: number, space: AddressSpace, address: bigint, bytes: number): bigint | undefined {
    const data = this.host.memory(cpu, space, address, bytes);
    return data?.length === bytes ? littleEndian(data) : undefined;
  }

  private chain(cpu: number, name: string): StructAt | undefined {
    const chain = this.layout.chains.get(name);
    const struct = chain && this.layout.structs.get(chain.result);
    if (!chain || !struct || !this.host.isSetUp(cpu)) return undefined;
    const start = this.host.register(cpu, chain.register);
    if (start === undefined) return undefined;
    try {
      const address = walkChain(this.layout, chain, start, (a) => this.number(cpu, hyp, a, 8));
      if (address === undefined || this.host.memory(cpu, hyp, address, 1) === undefined) return undefined;
      return { layout: this.layout, struct, space: hyp, address };
    } catch (error) {
      if (error instanceof SymbolError) return undefined;
      throw error;
    }
  }

  /** The value of a field by path (`vm.vmid` follows the pointer); undefined when there is none or it cannot be read. */
  value(cpu: number, at: StructAt, path: readonly string[]): bigint | undefined {
    const [first, ...rest] = path;
    const field = at.struct.fields.find((f) => f.name === first);
    if (!field) return undefined;
    const address = at.address + BigInt(field.offset);
    if (rest.length === 0) return this.number(cpu, at.space, address, field.size);
    const inner = this.follow(cpu, at, field);
    return inner && this.value(cpu, inner, rest);
  }

  /** The struct that a field is or points to. */
  private follow(cpu: number, at: StructAt, field: FieldLayout): StructAt | undefined {
    const struct = this.layout.structs.get(field.of);
    const address = at.address + BigInt(field.offset);
    if (!struct) return undefined;
    if (field.content === 'struct') return { ...at, struct, address };
    if (field.content !== 'ptr') return undefined;
    const target = this.number(cpu, at.space, address, field.size);
    return target ? { layout: this.layout, struct, space: hyp, address: target } : undefined;
  }

  private vcpu(cpu: number, at: StructAt): Vcpu {
    const id = this.value(cpu, at, ['vcpu_id']);
    const vmid = this.value(cpu, at, ['vm', 'vmid']);
    const number = (v: bigint | undefined): number | undefined =>
      v === undefined || v > 0xffffn ? undefined : Number(v);
    return { at, vm: number(vmid) ?? 0, vcpu: number(id) ?? 0, vmid: number(vmid) };
  }

  currentVcpu(cpu: number): Vcpu | undefined {
    const at = this.chain(cpu, 'current_vcpu');
    return at && this.vcpu(cpu, at);
  }

  hostContext(cpu: number): StructAt | undefined {
    return this.chain(cpu, 'host_context');
  }

  vcpus(): readonly Vcpu[] {
    const array = this.layout.arrays.get('vcpus');
    const struct = array && this.layout.structs.get(array.struct);
    // Pointers inside are the hypervisor's virtual addresses: read by a CPU on which it is set up.
    const cpu = Array.from({ length: this.host.cpus }, (_, n) => n).find((n) => this.host.isSetUp(n));
    const start = array && this.physicalOffset(array.address);
    if (!array || !struct || cpu === undefined || start === undefined) return [];
    const all = Array.from({ length: Math.min(array.count, 1024) }, (_, n) =>
      this.vcpu(cpu, { layout: this.layout, struct, space: pa, address: start + BigInt(n * struct.size) }),
    );
    // One that belongs to no virtual machine was not created.
    return all.filter((v) => v.vmid !== undefined && v.vmid !== 0);
  }

  fpsimdOwner(cpu: number): string | undefined {
    const context = this.hostContext(cpu);
    const field = context?.struct.fields.find((f) => f.name === 'fp_owner');
    if (!context || !field) return undefined;
    const value = this.value(cpu, context, [field.name]);
    return value === undefined ? undefined : this.layout.enums.get(field.of)?.get(value);
  }

  describe(cpu: number): string | undefined {
    const vcpu = this.currentVcpu(cpu);
    if (!vcpu) return this.hostContext(cpu) ? 'host' : undefined;
    const vmid = vcpu.vmid === undefined ? '' : `, VMID ${vcpu.vmid}`;
    return `VM ${vcpu.vm} vCPU ${vcpu.vcpu}${vmid}`;
  }

  registersIn(at: StructAt): ReadonlyMap<string, SavedRegister> {
    const found = new Map<string, SavedRegister>();
    this.collect(at, found, 0);
    return found;
  }

  private collect(at: StructAt, found: Map<string, SavedRegister>, depth: number): void {
    if (depth > MAX_DEPTH) return;
    const put = (name: string, address: bigint, bytes: number): void => {
      if (!found.has(name)) found.set(name, { space: at.space, address, bytes });
    };
    for (const f of at.struct.fields) {
      const address = at.address + BigInt(f.offset);
      for (let n = 0; n < Math.min(f.count, 64); n++) {
        if (f.content === 'gpr') put(`x${n}`, address + BigInt(n * f.size), f.size);
        else if (f.content === 'vec') put(`v${n}`, address + BigInt(n * f.size), f.size);
      }
      if (f.content === 'sysreg') put(f.of.toLowerCase(), address, f.size);
      const inner = this.follow(0, at, f);
      // The host context points to the running vcpu, whose registers are not the host's: only embedded structs, and
      // what a vcpu shares with others of its machine.
      if (inner && (f.content === 'struct' || f.of === 'vm')) this.collect(inner, found, depth + 1);
    }
  }
}
