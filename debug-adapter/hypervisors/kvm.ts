/** Linux KVM, by the types that the kernel carries for itself. */
import type { AddressSpace } from '../inspect/address-space';
import { factsOf, interruptsOf, countsOf } from './kvm-facts';
import { KvmPlaces, type DataSymbol, type KvmKernel } from './kvm-places';
import { isLazyInVhe, registersOf, systemRegisters } from './kvm-registers';
import type { HypervisorHost } from './reference';
import type {
  ExitCount,
  Fact,
  FpsimdOwner,
  Hypervisor,
  SavedRegister,
  StructAt,
  Trail,
  TypedStruct,
  Vcpu,
  Vm,
} from './types';

const PA: AddressSpace = { kind: 'PA' };
const RUNNING = 'host_ctxt.__hyp_running_vcpu';
/** More are not shown: a damaged list has no end. */
const MAX_VMS = 256;
const MAX_VCPUS = 512;
/** HCR_EL2.TGE: in VHE, the host runs. */
const TGE = 1n << 27n;
/** VTCR_EL2.VS: VMIDs have 16 bits, else 8. */
const VS = 1n << 19n;
const u64 = (v: bigint): bigint => BigInt.asUintN(64, v);

/** A vcpu in the hands of KVM's code at EL2. */
interface Running {
  readonly at: TypedStruct;
  /** Where the host's struct of it is. */
  readonly pa: bigint;
}

export class KvmHypervisor implements Hypervisor {
  readonly name = 'kvm';
  readonly marks = [];
  /** In protected mode; no guest gets it. */
  readonly hostVmid = 0;
  readonly arrays = ['vcpus', 'vms'];
  private readonly places: KvmPlaces;
  private names: ReadonlyMap<number, string> | undefined;

  constructor(
    private readonly host: HypervisorHost,
    kernel: KvmKernel,
    dataSymbol: DataSymbol,
  ) {
    this.places = new KvmPlaces(host, kernel, dataSymbol);
  }

  /** From the first moment at which the kernel runs at its own addresses. */
  isSetUp(cpu: number): boolean {
    return this.host.isSetUp(cpu) && this.places.kernel.slide() !== undefined;
  }

  /** A CPU through which the kernel's memory can be read. */
  private reader(): number {
    const all = Array.from({ length: this.host.cpus }, (_, n) => n);
    return all.find((n) => this.isSetUp(n)) ?? 0;
  }

  // --- virtual machines and vcpus ---------------------------------------------------------------------------------

  /** The virtual machines that are there, the oldest first. */
  private machines(): readonly TypedStruct[] {
    return this.host.once('vm_list', () => {
      const { places } = this;
      const list = places.vmList();
      const node = places.struct('list_head', PA, 0n);
      const type = places.struct('kvm', PA, 0n);
      const entry = type && places.member(type.type, 'vm_list')?.offset;
      if (!list || !node || entry === undefined || places.kernel.slide() === undefined) return [];
      const cpu = this.reader();
      const space = places.kernelSpace(cpu);
      const head = places.kernel.address(list.offset);
      const found: TypedStruct[] = [];
      // By its physical address: the head is there before any table is.
      let at = places.value(cpu, { ...node, address: places.kernel.loadAddress + list.offset }, 'next');
      while (at !== undefined && at !== 0n && at !== head && found.length < MAX_VMS) {
        const kvm = places.struct('kvm', space, u64(at - BigInt(entry)));
        if (!kvm || places.value(cpu, kvm, 'vm_list.next') === undefined) break;
        found.unshift(kvm);
        at = places.value(cpu, kvm, 'vm_list.next');
      }
      return found;
    });
  }

  private machine(cpu: number, at: TypedStruct, number: number): Vm {
    return { at, number, vmid: this.vmid(cpu, at) };
  }

  /** The kernel keeps a generation above the bits of the VMID. */
  private vmid(cpu: number, kvm: TypedStruct): number | undefined {
    const id =
      this.places.value(cpu, kvm, 'arch.mmu.vmid.id') ?? this.places.value(cpu, kvm, 'arch.mmu.vmid.vmid');
    if (id === undefined || id === 0n) return undefined;
    return Number(id & (((this.vtcr(cpu, kvm) ?? 0n) & VS) !== 0n ? 0xffffn : 0xffn));
  }

  private vtcr(cpu: number, kvm: TypedStruct): bigint | undefined {
    return this.places.value(cpu, kvm, 'arch.vtcr') ?? this.places.value(cpu, kvm, 'arch.mmu.vtcr');
  }

  vcpus(): readonly Vcpu[] {
    return this.host.once('kvm vcpus', () => {
      const cpu = this.reader();
      let index = 0;
      return this.machines().flatMap((kvm, n) => {
        const machine = this.machine(cpu, kvm, n + 1);
        return this.vcpusIn(cpu, kvm).flatMap((at) => this.vcpu(cpu, at, machine, index++) ?? []);
      });
    });
  }

  /** The vcpus of a virtual machine: the entries of an xarray, or in older kernels of an array. */
  private vcpusIn(cpu: number, kvm: TypedStruct): TypedStruct[] {
    const { places } = this;
    const space = places.kernelSpace(cpu);
    const made = (pointer: bigint): TypedStruct[] => {
      const at = places.struct('kvm_vcpu', space, pointer);
      // What is not a vcpu of this machine is a damaged pointer.
      return at && places.value(cpu, at, 'kvm') === kvm.address ? [at] : [];
    };
    const head = places.value(cpu, kvm, 'vcpu_array.xa_head');
    if (head !== undefined) return this.entries(cpu, space, head).flatMap(made);
    const count = places.member(kvm.type, 'vcpus')?.type.count ?? 0;
    return Array.from({ length: Math.min(count, MAX_VCPUS) }, (_, n) =>
      places.value(cpu, kvm, `vcpus[${n}]`),
    ).flatMap((pointer) => (pointer ? made(pointer) : []));
  }

  /** The pointers below an entry of an xarray: an entry whose lowest bits are 10 is a node of 64 entries. */
  private entries(cpu: number, space: AddressSpace, head: bigint): bigint[] {
    const found: bigint[] = [];
    const seen = new Set<bigint>();
    const open = [head];
    for (let entry = open.shift(); entry !== undefined && found.length < MAX_VCPUS; entry = open.shift()) {
      if (entry !== 0n && (entry & 3n) === 0n) found.push(entry);
      if ((entry & 3n) !== 2n || entry < 4096n || seen.has(entry) || seen.size >= MAX_VCPUS) continue;
      seen.add(entry);
      const node = this.places.struct('xa_node', space, u64(entry - 2n));
      const count = node && this.places.member(node.type, 'slots')?.type.count;
      for (let n = 0; node && n < Math.min(count ?? 0, 64); n++) {
        const slot = this.places.value(cpu, node, `slots[${n}]`);
        if (slot !== undefined) open.push(slot);
      }
    }
    return found;
  }

  private vcpu(cpu: number, at: TypedStruct, machine: Vm, index: number | undefined): Vcpu | undefined {
    const pa = this.host.physical(cpu, at.space, at.address);
    if (pa === undefined) return undefined;
    const { number: vm, vmid } = machine;
    const vcpu = Number(this.places.value(cpu, at, 'vcpu_id') ?? 0n);
    const runsOn = Array.from({ length: this.host.cpus }, (_, n) => n).find(
      (n) => this.isInside(n) && this.running(n)?.pa === pa,
    );
    return { at, pa, machine, vm, vcpu, vmid, index, runsOn };
  }

  /** Whether a CPU is in a guest or in the switch to or from it; nVHE forgets its vcpu when it goes back to the host. */
  private isInside(cpu: number): boolean {
    return !this.places.isVhe(cpu) || ((this.host.register(cpu, 'HCR_EL2') ?? 0n) & TGE) === 0n;
  }

  /** The vcpu that KVM's code of a CPU has in hand. */
  private running(cpu: number): Running | undefined {
    return this.host.once(`running ${cpu}`, () => {
      const data = this.isSetUp(cpu) ? this.places.hostData(cpu) : undefined;
      const at = data && this.places.follow(cpu, data, RUNNING, 'kvm_vcpu');
      const pa = at && this.host.physical(cpu, at.space, at.address);
      if (!at || pa === undefined) return undefined;
      // Protected mode of newer kernels has a copy of its own, which names the host's; its VM is at EL2, too.
      const isCopy = (this.places.value(cpu, at, 'kvm') ?? 0n) >> 63n === 0n;
      const copy = isCopy ? this.places.struct('pkvm_hyp_vcpu', at.space, at.address) : undefined;
      const host = copy && this.places.follow(cpu, copy, 'host_vcpu', 'kvm_vcpu');
      return { at, pa: (host && this.host.physical(cpu, host.space, host.address)) ?? pa };
    });
  }

  currentVcpu(cpu: number): Vcpu | undefined {
    return this.host.once(`current ${cpu}`, () => {
      const now = this.running(cpu);
      if (!now) return undefined;
      const { places } = this;
      const known = this.vcpus().find((v) => v.pa === now.pa);
      if (known) return { ...known, at: now.at };
      const kvm = places.follow(cpu, now.at, 'kvm', 'kvm');
      const machine: Vm = kvm ? this.machine(cpu, kvm, 1) : { at: undefined, number: 1, vmid: undefined };
      return this.vcpu(cpu, now.at, machine, undefined);
    });
  }

  elements(array: string): readonly StructAt[] {
    if (array === 'vms') return this.machines();
    return array === 'vcpus' ? this.vcpus().map((v) => v.at) : [];
  }

  // --- CPUs -------------------------------------------------------------------------------------------------------

  hostContext(cpu: number): StructAt | undefined {
    const data = this.isSetUp(cpu) ? this.places.hostData(cpu) : undefined;
    const place = data && this.places.at(data, 'host_ctxt');
    return place && this.places.struct('kvm_cpu_context', place.space, place.address);
  }

  trails(cpu: number): readonly Trail[] {
    const data = this.places.hostData(cpu);
    const value = this.host.register(cpu, 'TPIDR_EL2');
    if (!data || value === undefined) return [];
    const context = this.hostContext(cpu);
    return [
      {
        register: 'TPIDR_EL2',
        value,
        steps: [
          { field: '', pointer: false, struct: 'kvm_host_data', at: data },
          { field: 'host_ctxt', pointer: false, struct: 'kvm_cpu_context', at: context },
          { field: '__hyp_running_vcpu', pointer: true, struct: 'kvm_vcpu', at: this.running(cpu)?.at },
        ],
      },
    ];
  }

  findings(cpu: number): readonly string[] {
    const list = this.places.vmList();
    const none = 'vm_list not found: name the vmlinux of the kernel in "symbols" of launch.json';
    return [this.places.howHostData(cpu), list?.how ?? none];
  }

  describe(cpu: number): string | undefined {
    const vcpu = this.isInside(cpu) ? this.currentVcpu(cpu) : undefined;
    if (!vcpu) return this.isSetUp(cpu) ? 'host' : undefined;
    const vmid = vcpu.vmid === undefined ? '' : `, VMID ${vcpu.vmid}`;
    return `VM ${vcpu.vm} vCPU ${vcpu.vcpu}${vmid}`;
  }

  /** The vcpu that is loaded on a CPU, by the vcpu's own word. */
  private loadedOn(vcpu: Vcpu): number | undefined {
    const at = this.typed(vcpu);
    const cpu = at && this.places.value(this.reader(), at, 'cpu');
    return cpu === undefined || cpu >= BigInt(this.host.cpus) ? undefined : Number(cpu);
  }

  fpsimdOwner(cpu: number): FpsimdOwner | undefined {
    const vcpu = this.vcpus().find((v) => this.loadedOn(v) === cpu);
    const at = vcpu && this.typed(vcpu);
    const state = at && this.places.member(at.type, 'arch.fp_state');
    const value = at && this.places.value(cpu, at, 'arch.fp_state');
    if (!vcpu || !state || value === undefined) return undefined;
    const name = state.type.enumerators().find((e) => e.value === value)?.name;
    return { name, vcpu: /guest/i.test(name ?? '') ? vcpu : undefined };
  }

  // --- registers --------------------------------------------------------------------------------------------------

  private typed({ at }: Pick<Vcpu, 'at'>): TypedStruct | undefined {
    return 'type' in at ? at : undefined;
  }

  /** The struct at the address that the host's kernel uses: lists begin and end there. */
  private ofHost(vcpu: Vcpu): TypedStruct | undefined {
    return this.typed(this.vcpus().find(({ pa }) => pa === vcpu.pa) ?? vcpu);
  }

  private systemRegisters(): ReadonlyMap<number, string> {
    return (this.names ??= systemRegisters(this.places.kernel.types?.named('enum vcpu_sysreg')));
  }

  registersIn(at: StructAt): ReadonlyMap<string, SavedRegister> {
    if (!('type' in at)) return new Map();
    return this.host.once(`registers in ${at.struct.name} ${at.address}`, () => {
      const gic = ((this.host.register(0, 'ID_AA64PFR0_EL1') ?? 0n) >> 24n) & 15n;
      const found = registersOf(this.places, at, this.systemRegisters(), gic !== 0n);
      const kvm = at.struct.name === 'kvm_vcpu' && this.places.follow(this.reader(), at, 'kvm', 'kvm');
      const vtcr = kvm && (this.places.at(kvm, 'arch.vtcr') ?? this.places.at(kvm, 'arch.mmu.vtcr'));
      if (vtcr) found.set('vtcr_el2', vtcr);
      return found;
    });
  }

  computedRegisters(vcpu: Vcpu): ReadonlyMap<string, bigint> {
    const { at } = vcpu.machine;
    const cpu = this.reader();
    const tables = at && 'type' in at ? this.places.value(cpu, at, 'arch.mmu.pgd_phys') : undefined;
    if (tables === undefined) return new Map();
    return new Map([['VTTBR_EL2', tables | (BigInt(vcpu.vmid ?? 0) << 48n)]]);
  }

  heldRegisters(vcpu: Vcpu): ReadonlyMap<string, number> {
    const cpu = vcpu.runsOn === undefined ? this.loadedOn(vcpu) : undefined;
    const at = this.typed(vcpu);
    if (cpu === undefined || !at) return new Map();
    const isLazy = this.places.isVhe(cpu) && this.running(cpu)?.pa === vcpu.pa;
    const names = [...this.registersIn(at).keys()].filter(
      (name) => (isLazy && isLazyInVhe(name)) || (/^cntv_/.test(name) && this.isTimerLoaded(cpu, at)),
    );
    return new Map(names.map((name) => [name, cpu]));
  }

  /** Whether the virtual timer of a vcpu counts in a CPU's own timer. */
  private isTimerLoaded(cpu: number, at: TypedStruct): boolean {
    return this.places.value(cpu, at, 'arch.timer_cpu.timers[1].loaded') === 1n;
  }

  elementNames(struct: string, member: string): ReadonlyMap<number, string> | undefined {
    return member === 'sys_regs' && /\bkvm_cpu_context$/.test(struct) ? this.systemRegisters() : undefined;
  }

  pointerSpace(cpu: number, space: AddressSpace, pointer: bigint): AddressSpace {
    return this.places.pointerSpace(cpu, space, pointer);
  }

  kernelTables(cpu: number, level: 'EL1' | 'EL2'): ReadonlyMap<string, bigint> | undefined {
    return this.places.kernelTables(cpu, level);
  }

  // --- facts ------------------------------------------------------------------------------------------------------

  pendingInterrupts(vcpu: Vcpu): readonly string[] {
    const at = this.ofHost(vcpu);
    return at ? interruptsOf(this.places, this.reader(), at) : [];
  }

  facts(vcpu: Vcpu): readonly Fact[] {
    const at = this.ofHost(vcpu);
    return at ? factsOf(this.places, this.reader(), at, vcpu, this.loadedOn(vcpu)) : [];
  }

  exitCounts(vcpu: Vcpu): readonly ExitCount[] {
    const at = this.ofHost(vcpu);
    return at ? countsOf(this.places, this.reader(), at) : [];
  }
}
