import * as zlib from 'node:zlib';
import path from 'node:path';
import { BootError } from '../emulator/board/elf';
import { Computer } from '../emulator/board/computer';
import { readLinuxImage } from '../emulator/board/linux-image';
import { RAM_BASE } from '../emulator/board/map';
import { A64 } from './arch/a64';
import type { Hypervisor } from './hypervisors/types';
import type { AddressSpace } from './inspect/address-space';
import { Guest } from './inspect/guest';
import { ErrorId, UserError } from './errors';
import type { LaunchConfig } from './launch/config';
import { type FileDisk, openDisks } from './launch/disks';
import { loadGuest, type Program } from './launch/program';
import { symbolModule } from './launch/symbol-files';
import { LinuxKernel } from './linux/kernel';
import { ModuleSymbols } from './linux/module-symbols';
import { SymbolIndex } from './symbols';
import { memorySource } from './symbols/byte-source';
import { SymbolError } from './symbols/errors';
import { Btf } from './symbols/linux/btf';
import { BtfFile } from './symbols/linux/btf-file';
import { Kallsyms } from './symbols/linux/kallsyms';
import { kernelElf } from './symbols/linux/kernel-elf';
import type { ExceptionLevel } from './symbols/types';
import type { TraceRing } from './trace/ring';
import { TraceFormatter } from './trace/trace';

/** Everything that one launched guest consists of. A restart makes a new one. */
export class Target {
  readonly symbols: SymbolIndex;
  readonly arch: A64;
  readonly formatter: TraceFormatter;
  /** What is wrong with the program and yet does not keep it from running, each as one sentence. */
  readonly problems: string[] = [];
  /** The launched kernel, if it has symbols. */
  linux: LinuxKernel | undefined;
  /** The memory of a launched kernel's image. */
  private readonly kernel: { readonly from: bigint; readonly to: bigint } | undefined;
  /** The symbols of the modules that it has loaded. */
  modules: ModuleSymbols | undefined;
  private inspected: Guest | undefined;
  private types: Btf | null | undefined;

  private constructor(
    readonly config: LaunchConfig,
    readonly program: Program,
    readonly computer: Computer,
    private readonly disks: readonly FileDisk[],
  ) {
    this.arch = new A64(computer.machine, computer.board);
    const kernel = program.format === 'linux' ? readLinuxImage(program.image) : undefined;
    const from = RAM_BASE + (kernel?.offset ?? 0n);
    this.kernel = kernel && { from, to: from + kernel.size };
    this.symbols = new SymbolIndex({
      sourceMap: config.sourceMap,
      inflate: (data, size) => zlib.inflateSync(data, { maxOutputLength: Math.max(1, size) }),
      physical: (va, el) => this.kernelPage(va, el),
      vmidOf: (vm) => this.vmidOf(vm),
    });
    this.formatter = new TraceFormatter(this.arch, this.symbols, path.dirname(program.path));
    computer.onEventCall = (block, kind) => this.arch.trace.event(block, kind);
    this.arch.arm(new Set(), false);
  }

  /** The last events. */
  get trace(): TraceRing {
    return this.arch.trace.ring;
  }

  get machine(): Computer['machine'] {
    return this.computer.machine;
  }

  get board(): Computer['board'] {
    return this.computer.board;
  }

  /** Builds the guest that a configuration describes. @throws UserError, AssemblyError, SymbolError */
  static launch(
    config: LaunchConfig,
    program = loadGuest(config),
    disks: readonly FileDisk[] = openDisks(config.disk),
  ): Target {
    const target = new Target(config, program, boot(config, program, disks), disks);
    target.addSymbols();
    target.inspected = new Guest({
      machine: target.machine,
      board: target.board,
      symbols: target.symbols,
      hypervisor: config.hypervisor,
      linux: target.linux,
    });
    target.arch.hostVmid = target.hypervisor.hostVmid;
    return target;
  }

  /** The guest as inspection sees it. */
  get guest(): Guest {
    if (!this.inspected) throw new Error('the target is still being launched');
    return this.inspected;
  }

  /** The types that a launched kernel carries for itself; undefined where it carries none. */
  get kernelTypes(): Btf | undefined {
    const { format, image, path: name } = this.program;
    if (this.types === undefined) {
      const file = format === 'linux' ? BtfFile.find(image, name) : undefined;
      this.types = file ? new Btf(file) : null;
    }
    return this.types ?? undefined;
  }

  /** Where a launched kernel's image stands. */
  private get loadAddress(): bigint {
    return this.kernel?.from ?? 0n;
  }

  /** What is known of the hypervisor's structures. */
  get hypervisor(): Hypervisor {
    return this.guest.hypervisor;
  }

  private isAskedForVmid = false;

  /** The VMID that a virtual machine has now; undefined while there is no such machine. */
  vmidOf(vm: number): number | undefined {
    const { inspected } = this;
    // Finding the machines takes symbols, those of the hypervisor: whether a guest's are valid does not matter to that.
    if (!inspected || this.isAskedForVmid) return undefined;
    this.isAskedForVmid = true;
    try {
      return inspected.once(`VMID of VM ${vm}`, () => {
        const machine = inspected.hypervisor.vcpus().find((v) => v.vm === vm);
        return machine?.vmid;
      });
    } finally {
      this.isAskedForVmid = false;
    }
  }

  /** The same launch once more, from the files as they are now. @throws as `launch` */
  again(): Target {
    return Target.launch(this.config);
  }

  /** The same machine after a reset: the program as it was loaded, the files are not read again. */
  rebooted(): Target {
    const target = Target.launch(this.config, this.program, this.disks);
    this.board.disks.forEach(({ state }, n) => {
      const fresh = target.board.disks[n];
      if (fresh) fresh.state.device.overlay = state.device.overlay;
    });
    return target;
  }

  /** Writes what the guest has written into the files of the disks that are to keep it. */
  keepDisks(): void {
    for (const disk of this.board.disks) disk.keep();
  }

  /** The guest will not run again: nothing but its state is left. */
  close(): void {
    this.keepDisks();
    for (const disk of this.disks) disk.close();
  }

  private addSymbols(): void {
    const { program, config } = this;
    if (program.format === 'elf')
      this.symbols.add({ name: program.path, source: memorySource(program.image) });
    if (program.format === 'linux') this.addKernel();
    const { path: name, image, format } = program;
    const kernel = {
      path: name,
      image,
      loadAddress: this.loadAddress,
      slide: () => this.linux?.slide() ?? 0n,
    };
    for (const entry of config.symbols)
      this.symbols.add(symbolModule(entry, format === 'linux' ? kernel : undefined));
  }

  /** Where an address of the kernel's code is mapped, on the first CPU that has it; undefined where that is elsewhere. */
  private kernelPage(va: bigint, el: ExceptionLevel): bigint | undefined {
    const { kernel, inspected } = this;
    if (!kernel || !inspected) return undefined;
    const isOwn = (pa: bigint): boolean => pa >= kernel.from && pa < kernel.to;
    // User programs may have got pages that were code of the kernel's initialisation. Before its tables are in use the
    // kernel runs at physical addresses.
    const isLow = el !== 'EL2' && va >> 63n === 0n;
    if (isLow && !isOwn(va)) return undefined;
    const space: AddressSpace =
      el === 'EL2' ? { kind: 'VA', level: 'EL2' } : { kind: 'VA', level: 'EL1', vmid: 0 };
    return inspected.once(`kernel ${el} ${va}`, () => {
      for (let cpu = 0; cpu < this.machine.cpus; cpu++) {
        const pa = inspected.physical(cpu, space, va);
        if (pa !== undefined && isOwn(pa) && (!isLow || pa === va)) return pa;
      }
      return undefined;
    });
  }

  /** A variable of the kernel: lists of symbols with functions only have none. */
  private kernelData(name: string): bigint | undefined {
    const own = new Set(this.symbols.modules.filter((m) => m.isMovable).map((m) => m.name));
    return this.symbols.symbolByName(name).find((s) => own.has(s.file) && s.kind !== 'absolute')?.address;
  }

  /** The kernel's own symbols: without them it runs all the same. */
  private addKernel(): void {
    const { path: name, image } = this.program;
    try {
      const kernel = new LinuxKernel({
        image,
        kallsyms: new Kallsyms(image, name),
        loadAddress: this.loadAddress,
        types: () => this.kernelTypes,
        dataSymbol: (name) => this.kernelData(name),
        host: {
          cpus: this.machine.cpus,
          register: (cpu, name) => this.guest.isa.find(name)?.read?.(this.guest.cpu(cpu)),
          translate: (cpu, space, address) => this.guest.physical(cpu, space, address),
          physical: (pa, bytes) => this.machine.physical.peek(pa, bytes),
          once: (what, make) => this.guest.once(what, make),
        },
      });
      this.symbols.add({
        name,
        source: kernelElf(kernel.kallsyms, kernel.loadAddress),
        ...kernel.module(),
      });
      this.linux = kernel;
      this.modules = new ModuleSymbols(kernel, this.symbols);
    } catch (error) {
      if (!(error instanceof SymbolError)) throw error;
      this.problems.push(error.message);
    }
  }
}

function boot(config: LaunchConfig, program: Program, disks: readonly FileDisk[]): Computer {
  try {
    return new Computer({
      cpu: config.cpu,
      cpus: config.smp,
      gic: config.gic,
      secure: config.secure,
      strict: config.strict,
      disks,
      virtio: config.virtio,
      seed: config.seed,
      memoryBytes: Number(config.memory),
      image: program.image,
      ...(program.initrd ? { initrd: program.initrd } : {}),
      ...(program.dtb ? { dtb: program.dtb } : {}),
      ...(config.append === undefined ? {} : { bootargs: config.append }),
    });
  } catch (error) {
    for (const disk of disks) disk.close();
    if (error instanceof BootError)
      throw new UserError(`${program.path} cannot be booted. ${error.message}`, ErrorId.launch, true);
    if (error instanceof RangeError)
      throw new UserError(
        `The machine cannot be made with ${config.memory >> 20n} MiB of RAM (${error.message}): set a smaller "memory" in launch.json.`,
        ErrorId.launch,
        true,
      );
    throw error;
  }
}
