/** A whole computer: the `virt` board with A64 CPUs, a program in its memory, ready to run. */
import type { MachineEvent } from '../core/device';
import { Machine, type MachineConfig } from '../core/machine';
import type { LogEntry } from '../core/replay';
import { common, StopReason } from '../ir/state';
import {
  cpuModel,
  withEl3,
  withoutGicRegisters,
  poisonReset,
  poisonScratch,
  resetCpu,
  type CpuModel,
} from '../isa/a64/cpus';
import { unsupportedTexts } from '../isa/a64/host-calls';
import { a64Isa } from '../isa/a64';
import { STRICT } from '../isa/dsl/row';
import { codeTraps, NO_WATCHPOINT, watchKey } from '../isa/a64/self-hosted/traps';
import { state } from '../isa/a64/state';
import { deviceRegisters } from '../isa/a64/sysregs';
import { tlbiSelection } from '../isa/a64/mmu/tlbi';
import { planBoot, type BootPlan } from './boot';
import { BootError } from './elf';
import { Bus } from './bus';
import { RAM_BASE, type GicVersion } from './map';
import { createVirtBoard, type VirtBoard } from './virt';
import type { VirtioOptions } from './virtio';

export interface ComputerConfig extends VirtioOptions {
  /** CPU model; cortex-a57 unless given. */
  readonly cpu?: string;
  readonly cpus: number;
  /** Version of the interrupt controller; 3 unless given. */
  readonly gic?: GicVersion;
  readonly memoryBytes: number;
  /** An ELF file, an arm64 Linux kernel image (not compressed) or a flat binary. */
  readonly image: Uint8Array;
  /** The kernel's command line. */
  readonly bootargs?: string;
  /** An initial RAM disk for a kernel image. */
  readonly initrd?: Uint8Array;
  /**
   * The CPUs have EL3, and the GIC two security states. Programs start at EL3; a Linux kernel starts at Non-secure EL2, and
   * the board answers SMC as the firmware would that handed over to it.
   */
  readonly secure?: boolean;
  /** What the architecture leaves UNKNOWN gets poison values, so that software which relies on it fails. */
  readonly strict?: boolean;
  /** How hot code is translated; `false`: everything is interpreted. Either way the run is the same. */
  readonly translate?: MachineConfig['translate'];
  /** A flattened device tree instead of the board's. */
  readonly dtb?: Uint8Array;
  /** A recorded input log to replay. */
  readonly log?: readonly LogEntry[];
}

/** Something that the guest did and somebody subscribed to: see isa/a64/events.ts for the mail's words. */
export interface GuestEvent {
  readonly kind: number;
  readonly cpu: number;
  /** Virtual time, in instructions. */
  readonly time: bigint;
  readonly mail: readonly bigint[];
}

const MAIL_WORDS = 5;

export class Computer {
  readonly machine: Machine;
  readonly board: VirtBoard;
  readonly model: CpuModel;
  readonly plan: BootPlan;
  /** What the machine was last told of each CPU's breakpoints and watchpoints. */
  private readonly traps: { readonly code: string; readonly watched: string }[] = [];
  /** Set when the guest did something that the emulator cannot do. */
  unsupported: string | undefined;
  /** Set when the guest powered the machine off or asked for a reset. */
  ended: { readonly kind: 'poweroff' | 'reset'; readonly reason: string } | undefined;
  onEvent: (e: MachineEvent) => void = () => undefined;
  onGuestEvent: (e: GuestEvent) => void = () => undefined;
  /** For those who read the mail in the CPU block by themselves: a guest may make a million events a second. */
  onEventCall: (block: number, kind: number) => void = (block, kind) => this.announce(block, kind);

  /** @throws BootError or Error with a sentence for the user. */
  constructor(readonly config: ComputerConfig) {
    const gic = config.gic ?? 3;
    const model = cpuModel(config.cpu ?? 'cortex-a57');
    if (config.secure && gic === 2)
      throw new BootError('Secure state needs a GICv3: set "gic" to 3, or leave "secure" out.');
    const onBoard = gic === 2 ? withoutGicRegisters(model) : model;
    this.model = config.secure ? withEl3(onBoard) : onBoard;
    const cpus = config.cpus;
    this.plan = planBoot(config.image, BigInt(config.memoryBytes), cpus, true, {
      cpu: this.model.name,
      gic,
      secure: config.secure ?? false,
      ...(config.bootargs === undefined ? {} : { bootargs: config.bootargs }),
      ...(config.initrd ? { initrd: config.initrd } : {}),
      ...(config.dtb ? { dtb: config.dtb } : {}),
    });
    this.machine = new Machine({
      isa: a64Isa,
      cpus,
      ramBase: RAM_BASE,
      ramBytes: config.memoryBytes,
      features: new Set([...this.model.features, ...(config.strict ? [STRICT] : [])]),
      host: this.hostFunctions(),
      ...(config.log ? { log: config.log } : {}),
      ...(config.translate === undefined ? {} : { translate: config.translate }),
    });
    const bus = new Bus(
      () => this.machine,
      cpus,
      (cpu, entry, x0) => this.startCpu(cpu, entry, x0),
      (e) => this.machineEvent(e),
    );
    const security = !config.secure ? 'none' : this.plan.format === 'linux' ? 'handed over' : 'own firmware';
    this.board = createVirtBoard(bus, {
      ...config,
      el2: true,
      gic,
      security,
      strict: config.strict ?? false,
    });
    this.machine.onEvent = (e) => this.machineEvent(e);
    this.machine.attach(this.board);
    this.machine.onTraps = (cpu) => this.readTraps(bus, cpu);
    for (const w of this.plan.writes) this.machine.physical.poke(w.pa, w.data);
    // Without PSCI there is nobody who could start the others: firmware at EL3 sorts them by MPIDR_EL1.
    const starting = security === 'own firmware' ? cpus : 1;
    for (let cpu = 0; cpu < starting; cpu++) this.startCpu(cpu, this.plan.entry, this.plan.x0);
  }

  /** Tells the machine what a CPU's breakpoint and watchpoint registers wait for; of all CPUs unless one is given. */
  private readTraps(bus: Bus, only?: number): void {
    for (let cpu = only ?? 0; cpu < (only === undefined ? this.machine.cpus : only + 1); cpu++) {
      const read = (name: string): bigint => bus.readSysreg(cpu, name);
      const [code, watched] = [codeTraps(read), watchKey(read)];
      if (code.join() !== this.traps[cpu]?.code) this.machine.predecode.setTraps(cpu, code);
      if (watched !== (this.traps[cpu]?.watched ?? NO_WATCHPOINT)) this.machine.tlb.dropData(cpu);
      this.traps[cpu] = { code: code.join(), watched };
    }
  }

  private announce(block: number, kind: number): void {
    const { state: cpuState } = this.machine;
    const cpu = cpuState.cpuOf(block);
    const mail = Array.from({ length: MAIL_WORDS }, (_, i) => cpuState.get(cpu, common.mail, i));
    this.onGuestEvent({ kind, cpu, time: this.machine.now(), mail });
  }

  private startCpu(cpu: number, entry: bigint, x0: bigint): void {
    const { state: cpuState } = this.machine;
    resetCpu(cpuState, cpu, this.model, true, this.plan.format === 'linux');
    if (this.config.strict) {
      const now = this.machine.now();
      poisonReset(cpuState, cpu, now);
      // Poison follows from the time that the CPU sees; another one's number makes it differ.
      cpuState.set(cpu, common.timeEnd, now + BigInt(cpu) + cpuState.get(cpu, common.left));
      this.machine.code['poisonRegisters']!(cpuState.block(cpu));
    }
    this.board.resetCpu(cpu);
    this.machine.tlb.reset(cpu);
    this.machine.state.set(cpu, state.x, x0, 0);
    this.machine.startCpu(cpu, entry);
  }

  private machineEvent(e: MachineEvent): void {
    if (e.kind === 'poweroff' || e.kind === 'reset') {
      this.ended = { kind: e.kind, reason: e.reason };
      for (let cpu = 0; cpu < this.machine.cpus; cpu++) this.machine.stopCpu(cpu);
    }
    this.onEvent(e);
  }

  private hostFunctions(): Record<string, (...args: number[]) => number | void> {
    const cpuOf = (block: number): number => this.machine.state.cpuOf(block);
    const mail = (cpu: number, i: number): bigint => this.machine.state.get(cpu, common.mail, i);
    return {
      firmware: (block, conduit) => {
        const cpu = cpuOf(block!);
        const served = this.board.firmware(cpu, conduit === 0 ? 'hvc' : 'smc');
        if (served && this.config.strict) poisonScratch(this.machine.state, cpu, this.machine.now());
        return served ? 1 : 0;
      },
      event: (block, kind) => this.onEventCall(block!, kind!),
      sysregRead: (block, n) => {
        const cpu = cpuOf(block!);
        this.machine.state.set(cpu, common.mail, this.board.sysregs.read(deviceRegisters[n!]!, cpu));
      },
      sysregWrite: (block, n) => {
        const cpu = cpuOf(block!);
        this.board.sysregs.write(deviceRegisters[n!]!, cpu, mail(cpu, 0));
      },
      tlbi: (block, op, broadcast) => {
        const cpu = cpuOf(block!);
        const what = tlbiSelection(op!, mail(cpu, 0), (f) => this.machine.state.get(cpu, f));
        for (let i = 0; i < this.machine.cpus; i++)
          if (broadcast || i === cpu) this.machine.tlb.invalidate(i, what);
      },
      writeDescriptor: (block) => {
        const cpu = cpuOf(block!);
        const bytes = new Uint8Array(8);
        new DataView(bytes.buffer).setBigUint64(0, this.machine.state.get(cpu, state.descriptor), true);
        this.machine.writeByWalk(cpu, this.machine.state.get(cpu, state.descriptorPa), bytes);
      },
      sendEvent: () => {
        for (let i = 0; i < this.machine.cpus; i++) this.machine.state.set(i, state.eventRegister, 1);
      },
      unsupported: (_block, what) => {
        this.unsupported = unsupportedTexts[what!];
        this.machine.requestStop(StopReason.unsupported);
      },
    };
  }
}
