/**
 * The reference hypervisors, and any other that describes its structs in the section `.worldswitch.layout`
 * (hypervisor/ABI.md): everything known of them comes from there.
 */
import type { AddressSpace } from '../inspect/address-space';
import {
  chainTrail,
  registerOfElement,
  type ChainLayout,
  type FieldLayout,
  type Layout,
} from '../symbols/layout';
import { littleEndian } from '../symbols/dwarf/expression';
import { SymbolError } from '../symbols/errors';
import {
  declaredFields,
  type FpsimdOwner,
  type Hypervisor,
  type Mark,
  type SavedRegister,
  type StructAt,
  type Trail,
  type Vcpu,
  type Vm,
} from './types';

/** The machine as a hypervisor implementation reads it, without side effects. */
export interface HypervisorHost {
  readonly cpus: number;
  register(cpu: number, name: string): bigint | undefined;
  /** Whether the hypervisor's own address translation is on. */
  isSetUp(cpu: number): boolean;
  memory(cpu: number, space: AddressSpace, address: bigint, bytes: number): Uint8Array | undefined;
  /** The physical address of an address in a space. */
  physical(cpu: number, space: AddressSpace, address: bigint): bigint | undefined;
  /** The physical address by the CPU's own registers, but for those that are given. */
  translate(
    cpu: number,
    level: 'EL1' | 'EL2',
    address: bigint,
    registers?: ReadonlyMap<string, bigint>,
  ): bigint | undefined;
  /** What `make` gives; asked once only while the machine stands still and nobody writes. */
  once<T>(what: string, make: () => T): T;
}

/** The hypervisor's own address space: ABI.md, "EL2 virtual address". */
const hyp: AddressSpace = { kind: 'VA', level: 'EL2' };
const pa: AddressSpace = { kind: 'PA' };
/** Structs in structs in structs: a damaged layout may contain itself. */
const MAX_DEPTH = 6;
/** More vcpus than anybody looks at come from a damaged layout. */
const MAX_ELEMENTS = 1024;
/** A bitmap of interrupts: the INTIDs of SPIs end at 1019. */
const MAX_INTERRUPTS = 1024;

export class ReferenceHypervisor implements Hypervisor {
  readonly name = 'reference';

  constructor(
    private readonly layout: Layout,
    private readonly host: HypervisorHost,
    /** The physical address of a link address: where the program is loaded. */
    private readonly physicalOf: (link: bigint) => bigint | undefined = (link) => link,
  ) {}

  isSetUp(cpu: number): boolean {
    return this.host.isSetUp(cpu);
  }

  /** A CPU that can read the hypervisor's virtual addresses. */
  private reader(): number | undefined {
    return Array.from({ length: this.host.cpus }, (_, n) => n).find((n) => this.host.isSetUp(n));
  }

  private number(cpu: number, space: AddressSpace, address: bigint, bytes: number): bigint | undefined {
    const data = this.host.memory(cpu, space, address, bytes);
    return data?.length === bytes ? littleEndian(data) : undefined;
  }

  // --- chains -----------------------------------------------------------------------------------------------------

  private trail(cpu: number, chain: ChainLayout): Trail | undefined {
    if (!this.host.isSetUp(cpu)) return undefined;
    const value = this.host.register(cpu, chain.register);
    if (value === undefined) return undefined;
    try {
      const links = chainTrail(this.layout, chain, value, (a) => this.number(cpu, hyp, a, 8));
      const steps = links.map(({ field, pointer, struct, address }) => {
        const layout = this.layout.structs.get(struct);
        const isReadable =
          address !== undefined && layout && this.host.memory(cpu, hyp, address, 1) !== undefined;
        const at = isReadable ? { layout: this.layout, struct: layout, space: hyp, address } : undefined;
        return { field, pointer, struct, at };
      });
      return { register: chain.register, value, steps };
    } catch (error) {
      if (error instanceof SymbolError) return undefined;
      throw error;
    }
  }

  private chain(cpu: number, name: string): StructAt | undefined {
    const chain = this.layout.chains.get(name);
    return chain && this.trail(cpu, chain)?.steps.at(-1)?.at;
  }

  trails(cpu: number): readonly Trail[] {
    return ['current_vcpu', 'host_context'].flatMap((name) => {
      const chain = this.layout.chains.get(name);
      return (chain && this.trail(cpu, chain)) ?? [];
    });
  }

  hostContext(cpu: number): StructAt | undefined {
    return this.chain(cpu, 'host_context');
  }

  // --- structs ----------------------------------------------------------------------------------------------------

  /** The value of a field by path (`vm.vmid` follows the pointer); undefined when there is none or it cannot be read. */
  value(cpu: number, at: StructAt, path: readonly string[]): bigint | undefined {
    const [first, ...rest] = path;
    const field = declaredFields(at).find((f) => f.name === first);
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
    if (field.content === 'struct') return { layout: this.layout, struct, space: at.space, address };
    if (field.content !== 'ptr') return undefined;
    const target = this.number(cpu, at.space, address, field.size);
    return target ? { layout: this.layout, struct, space: hyp, address: target } : undefined;
  }

  private small(cpu: number, at: StructAt, field: string): number | undefined {
    const value = this.value(cpu, at, [field]);
    return value === undefined || value > 0xffffn ? undefined : Number(value);
  }

  // --- virtual machines and vcpus ---------------------------------------------------------------------------------

  /** The virtual machine of a vcpu; undefined when it has none: it was not created. */
  private machineOf(cpu: number, vcpu: StructAt): Vm | undefined {
    const field = declaredFields(vcpu).find((f) => f.name === 'vm');
    // A hypervisor whose vcpus name no machine has one.
    if (!field) return { at: undefined, number: 1, vmid: this.small(cpu, vcpu, 'vmid') };
    const at = this.follow(cpu, vcpu, field);
    if (!at) return undefined;
    const vmid = this.small(cpu, at, 'vmid');
    const place = this.placeIn('vms', this.host.physical(cpu, at.space, at.address));
    const number = this.small(cpu, at, 'vm_id') ?? (place === undefined ? (vmid ?? 0) : place + 1);
    return { at, vmid, number };
  }

  /** The place of a struct in an array; undefined when it lies elsewhere. */
  private placeIn(name: string, where: bigint | undefined): number | undefined {
    const array = this.layout.arrays.get(name);
    const size = BigInt(this.layout.structs.get(array?.struct ?? '')?.size ?? 0);
    const start = array && this.physicalOf(array.address);
    if (!array || start === undefined || where === undefined || size === 0n) return undefined;
    const [n, rest] = [(where - start) / size, (where - start) % size];
    return rest === 0n && n >= 0n && n < BigInt(array.count) ? Number(n) : undefined;
  }

  private vcpu(cpu: number, at: StructAt, runsOn: (pa: bigint) => number | undefined): Vcpu | undefined {
    const where = this.host.physical(cpu, at.space, at.address);
    const machine = this.machineOf(cpu, at);
    if (where === undefined || !machine) return undefined;
    const { number: vm, vmid } = machine;
    return {
      at,
      pa: where,
      machine,
      vm,
      vmid,
      vcpu: this.small(cpu, at, 'vcpu_id') ?? 0,
      index: this.placeIn('vcpus', where),
      runsOn: runsOn(where),
    };
  }

  currentVcpu(cpu: number): Vcpu | undefined {
    return this.host.once(`current ${cpu}`, () => {
      const at = this.chain(cpu, 'current_vcpu');
      return at && this.vcpu(cpu, at, () => cpu);
    });
  }

  /** Which CPU runs the vcpu at a physical address. */
  private readonly runner = (where: bigint): number | undefined =>
    Array.from({ length: this.host.cpus }, (_, n) => n).find((n) => this.currentVcpu(n)?.pa === where);

  get arrays(): readonly string[] {
    return [...this.layout.arrays.keys()];
  }

  elements(name: string): readonly StructAt[] {
    const array = this.layout.arrays.get(name);
    const struct = array && this.layout.structs.get(array.struct);
    const start = array && this.physicalOf(array.address);
    if (!array || !struct || start === undefined) return [];
    return Array.from({ length: Math.min(array.count, MAX_ELEMENTS) }, (_, n) => ({
      layout: this.layout,
      struct,
      space: pa,
      address: start + BigInt(n * struct.size),
    }));
  }

  vcpus(): readonly Vcpu[] {
    return this.host.once('vcpus', () => {
      // Pointers inside are the hypervisor's virtual addresses: read by a CPU on which it is set up.
      const cpu = this.reader();
      if (cpu === undefined) return [];
      return this.elements('vcpus')
        .map((at) => this.vcpu(cpu, at, this.runner))
        .filter((v) => v !== undefined);
    });
  }

  fpsimdOwner(cpu: number): FpsimdOwner | undefined {
    const context = this.hostContext(cpu);
    const field = context && declaredFields(context).find((f) => f.name === 'fp_owner');
    const value = context && field && this.value(cpu, context, [field.name]);
    const name = value === undefined ? undefined : this.layout.enums.get(field?.of ?? '')?.get(value);
    const at = this.chain(cpu, 'fp_vcpu');
    const declared = at && this.vcpu(cpu, at, this.runner);
    // Without a pointer of its own, "the guest" can only be the one that runs.
    const isGuests = !this.layout.chains.has('fp_vcpu') && name !== undefined && /guest/i.test(name);
    const vcpu = declared ?? (isGuests ? this.currentVcpu(cpu) : undefined);
    return name === undefined && vcpu === undefined ? undefined : { name, vcpu };
  }

  describe(cpu: number): string | undefined {
    const vcpu = this.currentVcpu(cpu);
    if (!vcpu) return this.hostContext(cpu) ? 'host' : undefined;
    const vmid = vcpu.vmid === undefined ? '' : `, VMID ${vcpu.vmid}`;
    return `VM ${vcpu.vm} vCPU ${vcpu.vcpu}${vmid}`;
  }

  pendingInterrupts({ at }: Vcpu): readonly string[] {
    const cpu = this.reader() ?? 0;
    return declaredFields(at)
      .filter((f) => f.content === 'irqs')
      .flatMap((f) => {
        const bytes = this.host.memory(cpu, at.space, at.address + BigInt(f.offset), f.size * f.count);
        const all = interruptsOf(bytes ?? new Uint8Array());
        return all.length > 0 ? [`${f.name}: ${all.join(', ')}`] : [];
      });
  }

  get marks(): readonly Mark[] {
    return this.layout.marks.flatMap(({ name, meaning, of, address }) => {
      const where = this.physicalOf(address);
      return where === undefined ? [] : [{ name, meaning, of, pa: where }];
    });
  }

  // --- saved registers --------------------------------------------------------------------------------------------

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
    for (const f of declaredFields(at)) {
      const address = at.address + BigInt(f.offset);
      for (let n = 0; n < Math.min(f.count, 64); n++) {
        if (f.content === 'gpr') put(`x${n}`, address + BigInt(n * f.size), f.size);
        else if (f.content === 'vec') put(`v${n}`, address + BigInt(n * f.size), f.size);
        else if (f.content === 'sysreg')
          put(registerOfElement(f, n).toLowerCase(), address + BigInt(n * f.size), f.size);
      }
      const inner = this.follow(this.reader() ?? 0, at, f);
      // The host context points to the running vcpu, whose registers are not the host's: only embedded structs, and
      // what a vcpu shares with others of its machine.
      if (inner && (f.content === 'struct' || f.name === 'vm')) this.collect(inner, found, depth + 1);
    }
  }
}

/** The numbers of the bits that are set in a bitmap. */
export function interruptsOf(bytes: Uint8Array): number[] {
  const found: number[] = [];
  for (let n = 0; n < Math.min(8 * bytes.length, MAX_INTERRUPTS); n++)
    if (((bytes[n >> 3] ?? 0) >> (n & 7)) & 1) found.push(n);
  return found;
}
