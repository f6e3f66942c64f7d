/** Where KVM keeps its data: by the kernel's types, and by the code that uses what its list of symbols does not name. */
import type { AddressSpace } from '../inspect/address-space';
import type { LinuxKernel } from '../linux/kernel';
import { littleEndian } from '../symbols/dwarf/expression';
import type { CType } from '../symbols/dwarf/types';
import { SymbolError } from '../symbols/errors';
import { memberPlace, type MemberPlace } from '../symbols/linux/member-path';
import { perCpuOf, referencesIn } from '../symbols/linux/references';
import { mappedAt } from './el2-tables';
import type { HypervisorHost } from './reference';
import type { SavedRegister, TypedStruct } from './types';

/** What is asked of the launched kernel. */
export type KvmKernel = Pick<
  LinuxKernel,
  'image' | 'kallsyms' | 'loadAddress' | 'types' | 'slide' | 'address'
>;

/** Where a datum is in the image by the symbols of a file, if one names it. */
export type DataSymbol = (name: string) => { readonly offset: bigint; readonly file: string } | undefined;

/** A place in the image, and how it was found. */
export interface FoundPlace {
  readonly offset: bigint;
  readonly how: string;
}

/** A place in code that tells where the pointer to the running vcpu is. */
interface Clue {
  readonly name: string;
  /** Of the code, in the image. */
  readonly code: bigint;
  /** Of the CPU's data, in the image's copy of the per-CPU data. */
  readonly data: bigint;
}

const EL2: AddressSpace = { kind: 'VA', level: 'EL2' };
/** HCR_EL2.E2H: the kernel itself runs at EL2. */
const E2H = 1n << 34n;
/** `__guest_enter` and the exits behind it are one file of assembly, far smaller than this. */
const MAX_CODE = 0x1000;
/** The functions that count over all virtual machines are short. */
const MAX_WALKER = 0xa0;
const LIST_WALKERS = ['vm_stat_get', 'vm_stat_clear', 'vcpu_stat_get'];
/** KPTI: user programs run with a table that lies so many pages before the kernel's own. */
const PAGES_TO_KERNEL_TABLE = [0n, 1n, 2n, 3n];
const PAGE = 0x1000n;
const u64 = (v: bigint): bigint => BigInt.asUintN(64, v);

export class KvmPlaces {
  private readonly clues = new Map<string, Clue | undefined>();
  private readonly members = new Map<string, MemberPlace | undefined>();
  /** Where EL2 has the image, by TTBR0_EL2. */
  private readonly bases = new Map<bigint, bigint | undefined>();
  private list: FoundPlace | null | undefined;
  /** Registers that have once mapped the kernel. */
  private readonly tables = new Map<'EL1' | 'EL2', ReadonlyMap<string, bigint>>();

  constructor(
    readonly host: HypervisorHost,
    readonly kernel: KvmKernel,
    private readonly dataSymbol: DataSymbol,
  ) {}

  /** Whether a CPU runs the kernel itself at EL2. */
  isVhe(cpu: number): boolean {
    return ((this.host.register(cpu, 'HCR_EL2') ?? 0n) & E2H) !== 0n;
  }

  /** The address space of the kernel on a CPU. */
  kernelSpace(cpu: number): AddressSpace {
    return this.isVhe(cpu) ? EL2 : { kind: 'VA', level: 'EL1', vmid: 0 };
  }

  // --- types ------------------------------------------------------------------------------------------------------

  /** A struct of the kernel at an address. */
  struct(name: string, space: AddressSpace, address: bigint): TypedStruct | undefined {
    const type = this.kernel.types?.named(`struct ${name}`);
    return type && { type, struct: { name, size: type.size }, space, address };
  }

  /** A member of a type by its path; undefined where this kernel has none. */
  member(type: CType, path: string): MemberPlace | undefined {
    const key = `${type.name} ${path}`;
    if (!this.members.has(key)) this.members.set(key, findMember(type, path));
    return this.members.get(key);
  }

  /** Where a member is. */
  at({ type, space, address }: TypedStruct, path: string): SavedRegister | undefined {
    const place = this.member(type, path);
    return place && { space, address: u64(address + BigInt(place.offset)), bytes: place.type.size };
  }

  /** The number that a member holds. */
  value(cpu: number, of: TypedStruct, path: string): bigint | undefined {
    const place = this.at(of, path);
    const bits = this.member(of.type, path)?.bits;
    const raw = place && this.number(cpu, place);
    if (raw === undefined || !bits) return raw;
    return (raw >> BigInt(bits.at)) & ((1n << BigInt(bits.width)) - 1n);
  }

  number(cpu: number, { space, address, bytes }: SavedRegister): bigint | undefined {
    const data = this.host.memory(cpu, space, address, bytes);
    return data && littleEndian(data);
  }

  /** What a member of a struct points to. */
  follow(cpu: number, of: TypedStruct, path: string, name: string): TypedStruct | undefined {
    const pointer = this.value(cpu, of, path);
    return pointer ? this.struct(name, this.pointerSpace(cpu, of.space, pointer), pointer) : undefined;
  }

  /** The addresses of the kernel are in the upper half, those of KVM's own code at EL2 in the lower one. */
  pointerSpace(cpu: number, space: AddressSpace, pointer: bigint): AddressSpace {
    const isAtEl2 = space.kind === 'VA' && space.level === 'EL2';
    return isAtEl2 && pointer >> 63n === 1n ? this.kernelSpace(cpu) : space;
  }

  // --- the list of virtual machines -------------------------------------------------------------------------------

  /** The head of `vm_list` in the image. */
  vmList(): FoundPlace | undefined {
    if (this.list === undefined) this.list = this.findList() ?? null;
    return this.list ?? undefined;
  }

  private findList(): FoundPlace | undefined {
    const { kernel } = this;
    const known = this.dataSymbol('vm_list');
    if (known) return { offset: known.offset, how: `vm_list found by: its symbol in ${known.file}` };
    const found = LIST_WALKERS.flatMap((name) => {
      const offset = kernel.kallsyms.named(name)[0]?.offset;
      if (offset === undefined) return [];
      const from = Number(offset);
      const [list, ...others] = referencesIn(kernel.image, { from, to: from + MAX_WALKER }).walked;
      return list === undefined || others.length > 0 ? [] : [{ name, list }];
    });
    const [first] = found;
    // Several functions walk it: what they do not agree on is something else.
    if (!first || found.some(({ list }) => list !== first.list)) return undefined;
    const names = found.map(({ name }) => name).join(', ');
    return { offset: BigInt(first.list), how: `vm_list found by: the list that the code of ${names} walks` };
  }

  // --- the data of a CPU ------------------------------------------------------------------------------------------

  /** `kvm_host_data` of a CPU as KVM's code at EL2 sees it. */
  hostData(cpu: number): TypedStruct | undefined {
    return this.host.once(`kvm_host_data ${cpu}`, () => {
      const isVhe = this.isVhe(cpu);
      const perCpu = this.host.register(cpu, 'TPIDR_EL2');
      const clue = this.clueFor(isVhe);
      const base = clue && this.imageAt(cpu, clue, isVhe);
      if (!clue || base === undefined || perCpu === undefined) return undefined;
      return this.struct('kvm_host_data', EL2, u64(base + clue.data + perCpu));
    });
  }

  /** How `hostData` is found, as a sentence. */
  howHostData(cpu: number): string {
    const name = this.clueFor(this.isVhe(cpu))?.name ?? 'KVM';
    return `current vcpu found by: TPIDR_EL2 and kvm_host_data.host_ctxt.__hyp_running_vcpu, whose place the code behind ${name} tells`;
  }

  private clueFor(isVhe: boolean): Clue | undefined {
    const name = isVhe ? '__guest_enter' : '__kvm_nvhe___guest_enter';
    if (!this.clues.has(name)) this.clues.set(name, this.findClue(name));
    return this.clues.get(name);
  }

  private findClue(name: string): Clue | undefined {
    const { kernel } = this;
    const code = kernel.kallsyms.named(name)[0]?.offset;
    const data = kernel.types?.named('struct kvm_host_data');
    const inner = data && this.member(data, 'host_ctxt')?.offset;
    const member = data && this.member(data, 'host_ctxt.__hyp_running_vcpu')?.offset;
    if (code === undefined || inner === undefined || member === undefined) return undefined;
    const from = Number(code);
    const place = perCpuOf(kernel.image, { from, to: from + MAX_CODE }, inner, member - inner);
    return place === undefined ? undefined : { name, code, data: BigInt(place) };
  }

  /** The virtual address at which EL2 has the first byte of the image: a random one in nVHE, but as a whole. */
  private imageAt(cpu: number, { code }: Clue, isVhe: boolean): bigint | undefined {
    const { host, kernel } = this;
    if (isVhe) return kernel.address(0n);
    const table = host.register(cpu, 'TTBR0_EL2');
    if (table === undefined || !host.isSetUp(cpu)) return undefined;
    const wanted = kernel.loadAddress + code;
    const isThere = (address: bigint | undefined): boolean =>
      address !== undefined && host.physical(cpu, EL2, address) === wanted;
    const known = this.bases.get(table);
    if (known !== undefined && isThere(u64(known + code))) return known;
    const tcr = host.register(cpu, 'TCR_EL2') ?? 0n;
    const address = mappedAt((pa) => host.memory(cpu, { kind: 'PA' }, pa, 4096), table, tcr, wanted);
    const base = address !== undefined && isThere(address) ? u64(address - code) : undefined;
    this.bases.set(table, base);
    return base;
  }

  // --- the kernel's own tables ------------------------------------------------------------------------------------

  /**
   * Registers to translate the kernel's addresses by where those of the CPU do not map it now: in user programs with
   * KPTI, and at EL2 once a guest's registers are loaded. Undefined: the CPU's own do, or none are known.
   */
  kernelTables(cpu: number, level: 'EL1' | 'EL2'): ReadonlyMap<string, bigint> | undefined {
    if ((level === 'EL2') !== this.isVhe(cpu)) return undefined;
    const { host, kernel } = this;
    return host.once(`kernel tables ${level} ${cpu}`, () => {
      if (kernel.slide() === undefined) return undefined;
      // What lies before the code is in no table of a running kernel.
      const probe = kernel.kallsyms.named('_stext')[0]?.offset ?? 0n;
      const maps = (registers?: ReadonlyMap<string, bigint>): boolean =>
        host.translate(cpu, level, kernel.address(probe), registers) === kernel.loadAddress + probe;
      if (maps()) return undefined;
      const known = this.tables.get(level);
      const found = [...(known ? [known] : []), ...this.candidates(level)].find(maps);
      if (found) this.tables.set(level, found);
      return found;
    });
  }

  /** Sets of registers that may map the kernel: of every CPU, and those that KVM has saved of its host. */
  private candidates(level: 'EL1' | 'EL2'): ReadonlyMap<string, bigint>[] {
    const names = level === 'EL2' ? ['TTBR1_EL2'] : ['TTBR1_EL1', 'TCR_EL1', 'SCTLR_EL1'];
    const registers = this.kernel.types?.named('enum vcpu_sysreg')?.enumerators() ?? [];
    return Array.from({ length: this.host.cpus }, (_, cpu) => cpu).flatMap((cpu) => {
      const data = level === 'EL1' ? this.hostData(cpu) : undefined;
      const saved = (name: string): bigint | undefined => {
        const index = registers.find((e) => e.name === name)?.value;
        return data && this.value(cpu, data, `host_ctxt.sys_regs[${index}]`);
      };
      const reads = [(name: string) => this.host.register(cpu, name), ...(data ? [saved] : [])];
      return reads.flatMap((read) => {
        const values = names.map((name) => [name, read(name) ?? 0n] as const);
        const [table] = values;
        if (!table || table[1] === 0n) return [];
        return PAGES_TO_KERNEL_TABLE.map((n) => new Map([...values, [table[0], table[1] + n * PAGE]]));
      });
    });
  }
}

function findMember(type: CType, path: string): MemberPlace | undefined {
  try {
    return memberPlace(type, path);
  } catch (error) {
    if (error instanceof SymbolError) return undefined;
    throw error;
  }
}
