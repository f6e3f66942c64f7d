/** The stopped machine as inspection sees it: registers and memory of any address space, without side effects. */
import path from 'node:path';
import type {
  DebugCpu,
  IsaDebug,
  ReadRegister,
  Translation,
  TranslationFault,
  WalkLine,
} from '../../emulator/isa/dsl/debug';
import type { Board } from '../../emulator/core/device';
import type { Machine } from '../../emulator/core/machine';
import type { HypervisorChoice } from '../launch/config';
import type { LinuxKernel } from '../linux/kernel';
import type { SymbolIndex } from '../symbols';
import { debugCpus } from '../arch/debug-cpu';
import { UserError } from '../errors';
import { ReferenceHypervisor, type HypervisorHost } from '../hypervisors/reference';
import { KvmHypervisor } from '../hypervisors/kvm';
import { noHypervisor, vcpuName, type Hypervisor, type StructAt, type Vcpu } from '../hypervisors/types';
import { littleEndian } from '../symbols/dwarf/expression';
import type { SymbolAt } from '../symbols/types';
import { formatSpace, hex, symbolPlace, type AddressSpace, type VcpuNumber } from './address-space';
import { debugOf } from './isas';

/** What a guest consists of, as far as inspection minds. */
export interface GuestParts {
  readonly machine: Machine;
  readonly board: Board;
  readonly symbols: SymbolIndex;
  readonly hypervisor: HypervisorChoice;
  /** The launched kernel. */
  readonly linux: LinuxKernel | undefined;
}

/** How an address space is reached. */
interface Access {
  readonly cpu: number;
  /** Instead of the CPU's own. */
  readonly registers?: ReadonlyMap<string, bigint>;
}

const PAGE = 0x1000n;
const u64 = (v: bigint): bigint => BigInt.asUintN(64, v);

export class Guest {
  readonly isa: IsaDebug;
  readonly hypervisor: Hypervisor;
  private readonly cpus: readonly DebugCpu[];

  constructor(readonly parts: GuestParts) {
    const { machine } = parts;
    this.isa = debugOf(machine.config.isa);
    this.cpus = debugCpus(machine, parts.board);
    this.hypervisor =
      parts.hypervisor === 'none' ? noHypervisor : (this.reference() ?? this.kvm() ?? noHypervisor);
    if (parts.hypervisor === 'reference' && this.hypervisor.name !== 'reference')
      throw new UserError(
        'The program has no section .worldswitch.layout, so it is no reference hypervisor: set "hypervisor" to "auto" or "none" in launch.json.',
      );
  }

  private reference(): Hypervisor | undefined {
    const { symbols } = this.parts;
    const module = symbols.modules.find((m) => m.layout !== undefined);
    if (!module?.layout) return undefined;
    return new ReferenceHypervisor(
      module.layout,
      this.host(),
      (link) => module.physicalAddress(link) ?? link,
    );
  }

  /** KVM in a launched kernel, if the kernel's types describe it. */
  private kvm(): Hypervisor | undefined {
    const { linux, symbols } = this.parts;
    if (!linux?.types?.named('struct kvm_vcpu')) return undefined;
    return new KvmHypervisor(this.host(), linux, (name) => {
      const found = symbols.symbolByName(name).find((s) => s.kind === 'object');
      const pa = found && symbols.vaddrToPaddr(found.address);
      const offset = pa === undefined ? -1n : pa - linux.loadAddress;
      const isOwn = found && offset >= 0n && offset < linux.imageSize;
      return isOwn ? { offset, file: path.basename(found.file) } : undefined;
    });
  }

  private host(): HypervisorHost {
    return {
      cpus: this.parts.machine.cpus,
      register: (cpu, name) => this.isa.find(name)?.read?.(this.cpu(cpu)),
      isSetUp: (cpu) => this.isa.isTranslating(2, this.reader(cpu)),
      memory: (cpu, space, address, bytes) => this.whole(cpu, space, address, bytes),
      physical: (cpu, space, address) => this.physical(cpu, space, address),
      translate: (cpu, level, address, registers) => {
        const off = registers && this.isa.withoutVirtualMachine(this.reader(cpu));
        const all = registers && new Map([...(off ?? []), ...registers]);
        const found = this.isa.translate(this.cpu(cpu), u64(address), level, all);
        return 'pa' in found ? found.pa : undefined;
      },
      once: (what, make) => this.once(what, make),
    };
  }

  /** All of a piece of memory; undefined where not all of it can be read. */
  whole(n: number, space: AddressSpace, address: bigint, bytes: number): Uint8Array | undefined {
    try {
      const found = this.read(n, space, address, bytes);
      return found.length === bytes ? found : undefined;
    } catch (error) {
      if (error instanceof UserError) return undefined;
      throw error;
    }
  }

  // --- registers --------------------------------------------------------------------------------------------------

  cpu(n: number): DebugCpu {
    const cpu = this.cpus[n];
    if (!cpu) throw new UserError(`There is no CPU ${n}: this machine has ${this.cpus.length}.`);
    return cpu;
  }

  /** Reads the live registers of a CPU; a name that does not exist is our own mistake. */
  reader(n: number): ReadRegister {
    const cpu = this.cpu(n);
    return (name) => {
      const read = this.isa.find(name)?.read;
      if (!read) throw new Error(`no register ${name} to read`);
      return read(cpu) ?? 0n;
    };
  }

  // --- what is asked again and again ------------------------------------------------------------------------------

  private known = new Map<string, unknown>();
  private knownAt: { readonly time: bigint; readonly inputs: number } | undefined;

  /** What `make` gives; asked once only while the machine stands still and nobody writes. */
  once<T>(what: string, make: () => T): T {
    const { machine } = this.parts;
    const [time, inputs] = [machine.now(), machine.log.position];
    if (this.knownAt?.time !== time || this.knownAt.inputs !== inputs) {
      this.known = new Map();
      this.knownAt = { time, inputs };
    }
    if (!this.known.has(what)) this.known.set(what, make());
    // The key says what is kept under it.
    return this.known.get(what) as T;
  }

  // --- address spaces ---------------------------------------------------------------------------------------------

  /** The address space in which code of an exception level runs, given its registers. */
  spaceOf(level: number, read: ReadRegister): AddressSpace {
    const facts = this.isa.regimeOf(level, read);
    if (facts.level !== 'EL1') return { kind: 'VA', level: facts.level === 'EL3' ? 'EL3' : 'EL2' };
    // Where there are virtual machines, "none" is worth saying: the reference still means the host while a guest runs.
    const vmid = facts.vmid ?? (this.hypervisor.name === 'none' ? undefined : 0);
    return { kind: 'VA', level: 'EL1', ...(vmid === undefined ? {} : { vmid }) };
  }

  /** The CPU through which an address space is reached, and the registers that stand for it where it is not loaded. */
  private accessTo(n: number, space: AddressSpace): Access {
    if (space.kind === 'PA') return { cpu: n };
    if (space.kind === 'VA' && space.level === 'EL3') {
      if (!this.hasLevel(n, 'EL3'))
        throw new UserError('This machine has no EL3: it has one with "secure": true in launch.json.');
      return { cpu: n };
    }
    if (space.kind === 'VA' && space.level === 'EL2') return this.withKernel(n, 'EL2');
    if (space.kind === 'VA' && space.vcpu) return this.accessToVcpu(n, space.vcpu);
    const loaded = this.isa.regimeOf(1, this.reader(n));
    const loadedVmid = loaded.vmid ?? 0;
    const wanted = space.vmid ?? loadedVmid;
    if (
      space.kind === 'VA' &&
      space.asid !== undefined &&
      (wanted !== loadedVmid || space.asid !== loaded.asid)
    )
      throw new UserError(
        `The tables of ASID ${space.asid} are not loaded on CPU ${n} (ASID ${loaded.asid ?? 0} is): leave "asid" out to read through those that are.`,
      );
    if (wanted === loadedVmid)
      return wanted === 0 && space.kind === 'VA' ? this.withKernel(n, 'EL1') : { cpu: n };
    const running = wanted === 0 ? undefined : this.runnerOf(wanted);
    if (running !== undefined) return { cpu: running };
    const registers = wanted === 0 ? this.hostRegisters(n) : this.guestRegisters(n, wanted);
    if (registers) return { cpu: n, registers };
    const name = wanted === 0 ? 'the host' : `the virtual machine with VMID ${wanted}`;
    throw new UserError(
      `The tables of ${name} are not loaded on CPU ${n}, and no vcpu or host context of it is known: stop while it runs, or read by PA.`,
    );
  }

  /** Whether a CPU has an exception level, by the registers that it has. */
  private hasLevel(n: number, level: string): boolean {
    const register = this.isa.find(`SCTLR_${level}`);
    const feature = register?.feature;
    return register !== undefined && (feature === undefined || this.cpu(n).features.has(feature));
  }

  /** The CPU that has the tables of a virtual machine loaded. */
  private runnerOf(vmid: number): number | undefined {
    const found = this.hypervisor.vcpus().find((v) => v.vmid === vmid && v.runsOn !== undefined)?.runsOn;
    return found === undefined || this.isa.regimeOf(1, this.reader(found)).vmid !== vmid ? undefined : found;
  }

  /** A CPU's own address space, in which the host's kernel is always there. */
  private withKernel(n: number, level: 'EL1' | 'EL2'): Access {
    const tables = this.hypervisor.kernelTables?.(n, level);
    if (!tables) return { cpu: n };
    return { cpu: n, registers: new Map([...this.isa.withoutVirtualMachine(this.reader(n)), ...tables]) };
  }

  /** The memory of one vcpu: by the registers of the CPU that runs it, or else by those that were saved. */
  private accessToVcpu(n: number, wanted: VcpuNumber): Access {
    const vcpu = this.hypervisor.vcpus().find((v) => v.vm === wanted.vm && v.vcpu === wanted.vcpu);
    if (!vcpu)
      throw new UserError(
        `There is no vcpu ${vcpuName(wanted)}: the hypervisor has created ${this.vcpuNames() || 'none'}.`,
      );
    const { runsOn } = vcpu;
    if (runsOn !== undefined && this.isa.regimeOf(1, this.reader(runsOn)).vmid !== undefined)
      return { cpu: runsOn };
    return { cpu: n, registers: this.vcpuRegisters(n, vcpu) };
  }

  private vcpuNames(): string {
    return this.hypervisor.vcpus().map(vcpuName).join(', ');
  }

  private hostRegisters(n: number): ReadonlyMap<string, bigint> {
    return this.once(`registers of the host ${n}`, () => {
      const saved = this.hypervisor.hostContext(n);
      const off = this.isa.withoutVirtualMachine(this.reader(n));
      const tables = this.hypervisor.kernelTables?.(n, 'EL1') ?? [];
      return new Map([...(saved ? this.valuesIn(n, saved) : []), ...off, ...tables]);
    });
  }

  private guestRegisters(n: number, vmid: number): ReadonlyMap<string, bigint> | undefined {
    const vcpu = this.hypervisor.vcpus().find((v) => v.vmid === vmid);
    return vcpu && this.vcpuRegisters(n, vcpu);
  }

  /** The system registers by which a vcpu's addresses are translated, from where they are saved. */
  private vcpuRegisters(n: number, vcpu: Vcpu): ReadonlyMap<string, bigint> {
    return this.once(`registers of ${vcpu.pa}`, () => {
      const on = this.isa.withVirtualMachine(this.reader(n));
      const computed = this.hypervisor.computedRegisters?.(vcpu) ?? [];
      return new Map([...on, ...computed, ...this.valuesIn(n, vcpu.at), ...this.heldValues(vcpu)]);
    });
  }

  /** The registers of a vcpu that does not run which a CPU still has. */
  private heldValues(vcpu: Vcpu): [string, bigint][] {
    return [...(this.hypervisor.heldRegisters?.(vcpu) ?? [])].flatMap(([name, cpu]): [string, bigint][] => {
      const register = this.isa.find(name);
      const value = register?.kind === 'system' ? register.read?.(this.cpu(cpu)) : undefined;
      return register && value !== undefined ? [[register.name, value]] : [];
    });
  }

  /** The values of the system registers that a struct holds. */
  private valuesIn(n: number, at: StructAt): ReadonlyMap<string, bigint> {
    const values = new Map<string, bigint>();
    for (const [name, place] of this.hypervisor.registersIn(at)) {
      const register = this.isa.find(name);
      if (register?.kind !== 'system') continue;
      const bytes = this.read(n, place.space, place.address, place.bytes);
      if (bytes.length === place.bytes) values.set(register.name, littleEndian(bytes.subarray(0, 8)));
    }
    return values;
  }

  /** Translates one address. @throws UserError when the space is not known. */
  translate(n: number, space: AddressSpace, address: bigint): Translation | TranslationFault {
    if (space.kind === 'PA') return { pa: address, size: 12, device: false };
    const { cpu, registers } = this.accessTo(n, space);
    if (
      space.kind === 'IPA' &&
      registers === undefined &&
      this.isa.regimeOf(1, this.reader(n)).vmid === undefined
    )
      throw new UserError(
        `No virtual machine is loaded on CPU ${n}, so IPA addresses mean nothing: name one as in IPA(1):${hex(address)}.`,
      );
    const regime = space.kind === 'IPA' ? 'IPA' : space.level;
    return this.isa.translate(this.cpu(cpu), u64(address), regime, registers);
  }

  /** The intermediate physical address of a virtual one, where there are two stages. @throws UserError */
  intermediate(n: number, space: AddressSpace, address: bigint): bigint | undefined {
    if (space.kind !== 'VA' || space.level !== 'EL1') return undefined;
    const { cpu, registers } = this.accessTo(n, space);
    const read: ReadRegister = (name) => registers?.get(name) ?? this.reader(cpu)(name);
    if (this.isa.regimeOf(1, read).vmid === undefined) return undefined;
    const found = this.isa.translate(this.cpu(cpu), u64(address), 'EL1 stage 1', registers);
    return 'pa' in found ? found.pa : undefined;
  }

  /** Translates one address, and says what each step read. @throws UserError */
  explain(n: number, space: AddressSpace, address: bigint): readonly WalkLine[] {
    if (space.kind === 'PA')
      throw new UserError(
        `${formatSpace(space)}:${hex(address)} is physical already: nothing translates it.`,
      );
    const { cpu, registers } = this.accessTo(n, space);
    const regime = space.kind === 'IPA' ? 'IPA' : space.level;
    return this.isa.explainTranslation(this.cpu(cpu), u64(address), regime, registers);
  }

  /** The physical address, or undefined where nothing is mapped or the space is not known. */
  physical(n: number, space: AddressSpace, address: bigint): bigint | undefined {
    try {
      const found = this.translate(n, space, address);
      return 'pa' in found ? found.pa : undefined;
    } catch (error) {
      if (error instanceof UserError) return undefined;
      throw error;
    }
  }

  /** The symbol that an address belongs to. */
  symbolAt(space: AddressSpace, address: bigint): SymbolAt | undefined {
    const place = symbolPlace(space, address);
    return place && this.parts.symbols.symbolAt(place);
  }

  // --- memory -----------------------------------------------------------------------------------------------------

  /** Reads up to `bytes` bytes; the result ends before the first that cannot be read. @throws UserError */
  read(n: number, space: AddressSpace, address: bigint, bytes: number): Uint8Array {
    const first = this.piece(n, space, address, bytes);
    if (first.length === bytes || first.length === 0) return first;
    const out = new Uint8Array(bytes);
    let done = 0;
    for (
      let part = first;
      part.length > 0;
      part = this.piece(n, space, address + BigInt(done), bytes - done)
    ) {
      out.set(part, done);
      done += part.length;
      if (done === bytes) return out;
    }
    return out.subarray(0, done);
  }

  /** Reads within one page. */
  private piece(n: number, space: AddressSpace, address: bigint, bytes: number): Uint8Array {
    const at = u64(address);
    const inPage = Number(PAGE - (at & (PAGE - 1n)));
    const found = this.translate(n, space, at);
    if (!('pa' in found)) return new Uint8Array(0);
    return this.parts.machine.physical.peek(found.pa, Math.min(bytes, inPage));
  }

  /** Why an address cannot be read, as the middle of a sentence. */
  whyNot(n: number, space: AddressSpace, address: bigint): string {
    const found = this.translate(n, space, address);
    if ('pa' in found) return `nothing answers at the physical address ${hex(found.pa)}`;
    return `it is not mapped in ${formatSpace(space)} (${found.fault})`;
  }

  /** An unsigned little-endian number; undefined where it cannot be read. */
  number(n: number, space: AddressSpace, address: bigint, bytes: number): bigint | undefined {
    try {
      const data = this.read(n, space, address, bytes);
      return data.length === bytes ? littleEndian(data) : undefined;
    } catch (error) {
      if (error instanceof UserError) return undefined;
      throw error;
    }
  }

  /** Writes RAM as an input of the machine. @returns the number of bytes written, up to the first that cannot be. */
  write(n: number, space: AddressSpace, address: bigint, data: Uint8Array): number {
    const { machine } = this.parts;
    let done = 0;
    while (done < data.length) {
      const at = u64(address + BigInt(done));
      const size = Math.min(data.length - done, Number(PAGE - (at & (PAGE - 1n))));
      const found = this.translate(n, space, at);
      if (!('pa' in found) || machine.physical.ramOffset(found.pa) === undefined) break;
      machine.input({ kind: 'memory', pa: found.pa, bytes: data.slice(done, done + size) });
      done += size;
    }
    return done;
  }

  /** How many of `bytes` bytes, from the first, `write` would write. */
  writable(n: number, space: AddressSpace, address: bigint, bytes: number): number {
    let done = 0;
    while (done < bytes) {
      const at = u64(address + BigInt(done));
      const found = this.translate(n, space, at);
      if (!('pa' in found) || this.parts.machine.physical.ramOffset(found.pa) === undefined) break;
      done += Math.min(bytes - done, Number(PAGE - (at & (PAGE - 1n))));
    }
    return done;
  }
}
