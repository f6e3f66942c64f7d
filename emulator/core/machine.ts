/**
 * The machine: linear memory, generated code, devices, schedule. It runs until something happens that its owner must
 * know of, and stops only between instructions.
 */
import { Heat } from '../codegen/handlers';
import { HELD } from '../codegen/interpreter';
import type { Isa } from '../isa/dsl/isa';
import type { StateField } from '../ir/nodes';
import { common, StopReason } from '../ir/state';
import { CpuState } from './cpu-state';
import { Deadlines, NEVER } from './deadlines';
import type { Board, MachineEvent } from './device';
import { Gates } from './gates';
import { Hasher, hashBlock, stableJson } from './hash';
import { interpreterOf } from './interpreter';
import { KeptTranslations } from './kept-translations';
import { layoutMemory, type MemoryLayout } from './layout';
import { PhysicalMemory } from './physical';
import { Predecode } from './predecode';
import { InputLog, type Input, type LogEntry } from './replay';
import { initialSchedule, nextReady, QUANTUM, type ScheduleState } from './scheduler';
import { SnapshotStore, type SnapshotParts } from './snapshot';
import { TlbMaintenance } from './tlb-maintenance';
import { translationOptions, Translator, type TranslatorOptions } from './translator';
import { WatchService } from './watch';
import { WatchStop } from './watch-stop';

export interface MachineConfig {
  readonly isa: Isa;
  readonly cpus: number;
  readonly ramBase: bigint;
  /** Bytes, a multiple of 64 KiB. */
  readonly ramBytes: number;
  /** Features of the CPU model. */
  readonly features: ReadonlySet<string>;
  /** Functions that the instruction set's code calls, by name. */
  readonly host: Readonly<Record<string, (...args: number[]) => number | void>>;
  /** A recorded log to replay. */
  readonly log?: readonly LogEntry[];
  /** How hot code is translated; `false` leaves everything to the interpreter. */
  readonly translate?: Partial<TranslatorOptions> | false;
}

/** Why `run` came back. */
export type StopKind =
  | 'limit'
  | 'breakpoint'
  | 'event'
  /** An access to watched memory: the instruction that made it has executed, unless it was the walk for fetching it. */
  | 'watch'
  /** All CPUs sleep and no timer is armed: only input can wake them. */
  | 'idle'
  /** No CPU is powered on. */
  | 'off'
  | 'unsupported';

export interface Stop {
  readonly kind: StopKind;
  readonly cpu: number;
  /** True where the instruction at the PC was about to execute and did not (breakpoints and events before it). */
  readonly held: boolean;
}

interface RunLimit {
  /** Instructions at most, over all CPUs. */
  readonly instructions: number;
  /** Stop when this CPU has retired so many instructions in all. */
  readonly retired?: { readonly cpu: number; readonly count: bigint };
}

type RunExports = Record<string, (...args: number[]) => number>;

export class Machine {
  readonly memory: WebAssembly.Memory;
  readonly view: DataView;
  readonly layout: MemoryLayout;
  readonly state: CpuState;
  readonly predecode: Predecode;
  readonly physical: PhysicalMemory;
  readonly tlb: TlbMaintenance;
  private readonly kept: KeptTranslations;
  readonly snapshots: SnapshotStore;
  readonly watch: WatchService;
  readonly schedule: ScheduleState;
  readonly log: InputLog;
  readonly cpus: number;
  /** Undefined where everything is left to the interpreter. */
  readonly translator: Translator | undefined;
  /** Exported routines of the generated module, by name. */
  readonly code: RunExports;
  /** Who hears what there is to say of the machine itself. */
  onEvent: (e: MachineEvent) => void = () => undefined;
  /** Called when the guest's own breakpoints and watchpoints may have changed, on one CPU or on all. */
  onTraps: (cpu?: number) => void = () => undefined;
  /** Called for new fetch TLB entries while `setFetchHook(true)`. */
  onFetched: (cpu: number) => void = () => undefined;
  private readonly host: Readonly<Record<string, (...args: number[]) => number | void>>;
  private board: Board | undefined;
  /** CPUs that wait before an instruction at which no breakpoint of the guest matches: they execute it. */
  private readonly past: (bigint | undefined)[];
  /** CPUs that stopped before an instruction: resuming executes it. */
  private readonly held: (bigint | undefined)[];
  private running = false;
  /** Registers may have changed without an instruction: a restored snapshot, a reset, the debugger. */
  private boardStale = true;
  private readonly watchStop: WatchStop;
  private readonly deadlines: Deadlines;
  /** Has the CPU pass over the event that it stopped before; an instruction set need not have it. */
  private readonly holdSkip: StateField | undefined;

  constructor(readonly config: MachineConfig) {
    const { isa, cpus, ramBytes } = config;
    const { module, handlers } = interpreterOf(isa);
    this.cpus = cpus;
    this.layout = layoutMemory(isa.stateEnd, cpus, ramBytes, isa.eventBytes);
    this.memory = new WebAssembly.Memory({ initial: this.layout.wasmPages, maximum: this.layout.wasmPages });
    this.view = new DataView(this.memory.buffer);
    isa.constants.placeIn(this.view);
    this.state = new CpuState(this.view, this.layout);
    this.predecode = new Predecode(this.view, this.layout, cpus, isa.rows, config.features, handlers);
    this.physical = new PhysicalMemory(
      this.view,
      this.layout,
      config.ramBase,
      BigInt(ramBytes),
      this.predecode,
    );
    this.kept = new KeptTranslations(this.state, isa.translation ?? []);
    this.tlb = new TlbMaintenance(this.view, this.layout, this.kept);
    this.watchStop = new WatchStop(this.state, this.predecode);
    this.watch = new WatchService(this.view, this.layout, cpus, this.state, this.physical);
    this.schedule = initialSchedule(cpus);
    this.held = new Array<bigint | undefined>(cpus).fill(undefined);
    this.past = new Array<bigint | undefined>(cpus).fill(undefined);
    this.log = new InputLog(config.log);
    this.holdSkip = isa.fields.get('holdSkip');
    this.deadlines = new Deadlines(isa, this.state, this.schedule, this.log, (cpu) => {
      this.code['ownDeadline']!(this.state.block(cpu));
      this.board?.update(cpu);
    });
    this.snapshots = new SnapshotStore(
      this.view,
      this.layout,
      cpus,
      this.physical,
      this.predecode,
      this.parts(),
    );
    this.host = this.hostFunctions();
    const instance = new WebAssembly.Instance(module, { env: { memory: this.memory }, host: this.host });
    this.code = instance.exports as RunExports;
    this.predecode.gates = new Gates({
      ...{ isa, memory: this.memory, exports: instance.exports },
      ...{ functions: this.host, handlers: handlers.length },
    });
    this.translator = this.makeTranslator(instance.exports);
    for (let cpu = 0; cpu < cpus; cpu++) this.initBlock(cpu);
  }

  private makeTranslator(exports: WebAssembly.Exports): Translator | undefined {
    const options = translationOptions(this.config.translate);
    if (options === false) return undefined;
    const { view, layout, memory, predecode } = this;
    const { isa, features } = this.config;
    const refused = (why: string): void =>
      this.onEvent({
        kind: 'message',
        text: `The guest runs slower than it could, since no code can be compiled here: ${why}`,
      });
    const translator = new Translator(
      { isa, view, layout, memory, predecode, features, exports, refused },
      options,
    );
    predecode.startHeat = Heat.hot - options.heat;
    predecode.onInvalid = (offset, bytes) => translator.written(offset, bytes);
    predecode.onFlush = () => translator.clear();
    return translator;
  }

  /** Connects the board; before the first run. */
  attach(board: Board): void {
    this.board = board;
    this.deadlines.timed = board.timed;
    this.physical.setDevices(board.devices);
  }

  /** Calls a host function as generated code does. */
  callHost(name: string, args: readonly number[]): number {
    const f = this.host[name];
    if (!f) throw new Error(`generated code calls ${name}, which nobody provides`);
    return f(...args) ?? 0;
  }

  // --- execution ------------------------------------------------------------------------------------------------

  /** Runs until the limit or until something happens. A CPU that stopped before an instruction now executes it. */
  run(limit: RunLimit): Stop {
    if (this.running) throw new Error('run() was called while running');
    this.running = true;
    this.watch.take();
    try {
      return this.schedulerLoop(limit);
    } finally {
      this.running = false;
    }
  }

  /** Asks the running machine to stop at the next chance: for host functions called from generated code. */
  requestStop(reason: number = StopReason.board): void {
    for (let cpu = 0; cpu < this.cpus; cpu++) this.state.set(cpu, common.stopRequest, reason);
  }

  private schedulerLoop(limit: RunLimit): Stop {
    const s = this.schedule;
    let left = limit.instructions;
    for (;;) {
      this.applyInputs();
      this.serviceBoard();
      if (!this.ready(s.current) || s.quantumLeft <= 0) {
        const next = nextReady(s, (cpu) => this.ready(cpu));
        if (next === undefined) {
          const idle = this.skipIdle();
          if (idle) return idle;
          continue;
        }
        this.switchTo(next);
      }
      const cpu = s.current;
      let budget = Math.min(left, s.quantumLeft, this.deadlines.until());
      if (limit.retired?.cpu === cpu) {
        const due = limit.retired.count - this.state.get(cpu, common.retired);
        if (due <= 0n) return { kind: 'limit', cpu, held: false };
        if (due < BigInt(budget)) budget = Number(due);
      }
      budget = Math.min(budget, this.deadlines.untilOwn(cpu));
      if (budget > 1 && this.deadlines.isOneByOne(cpu)) budget = 1;
      if (budget <= 0) return { kind: 'limit', cpu, held: false };
      const before = s.quantumLeft;
      const reason = this.runCpu(cpu, budget);
      left -= before - s.quantumLeft;
      const isWatch = this.watchStop.disarm();
      const stop = this.afterRun(cpu, reason & ~HELD, !isWatch && (reason & HELD) !== 0);
      if (isWatch) return { kind: 'watch', cpu, held: false };
      if (stop) return stop;
    }
  }

  /** Why a return of generated code ends run(), or undefined to go on. */
  private afterRun(cpu: number, reason: number, held: boolean): Stop | undefined {
    switch (reason) {
      case StopReason.breakpoint:
        if (held && this.isGuests(cpu)) {
          if (!this.takeTrap(cpu)) this.past[cpu] = this.pc(cpu);
          return undefined;
        }
        if (held) this.held[cpu] = this.pc(cpu);
        return { kind: 'breakpoint', cpu, held: true };
      case StopReason.event:
        if (held) this.held[cpu] = this.pc(cpu);
        return { kind: 'event', cpu, held };
      case StopReason.unsupported:
        return { kind: 'unsupported', cpu, held };
      case StopReason.yield:
        this.schedule.quantumLeft = 0;
        return undefined;
      default:
        return undefined;
    }
  }

  /** A table walk for the instruction at the PC, or for fetching it, writes a descriptor (access flag, dirty state). */
  writeByWalk(cpu: number, pa: bigint, bytes: Uint8Array): void {
    if (!this.watch.isEmpty && this.watch.writeBy('walk', cpu, pa, bytes)) this.watchStop.arm(cpu);
    this.physical.poke(pa, bytes);
  }

  /** A device writes RAM, on behalf of the CPU that runs now. */
  writeByDevice(pa: bigint, bytes: Uint8Array): void {
    const cpu = this.schedule.current;
    if (!this.watch.isEmpty && this.watch.writeBy('device', cpu, pa, bytes)) this.watchStop.arm(cpu);
    this.physical.poke(pa, bytes);
  }

  /** Looks at an access that the slow path makes; where it is to be reported, the next instruction waits. */
  private watched(cpu: number, write: boolean): void {
    if (!this.watch.isEmpty && this.watch.access(cpu, write)) this.watchStop.arm(cpu);
  }

  /** Runs a CPU, from an instruction before which it stopped by executing only that. @returns as `go` */
  private runCpu(cpu: number, budget: number): number {
    const pc = this.pc(cpu);
    const isHeld = this.held[cpu] === pc;
    const isPast = this.past[cpu] === pc;
    this.held[cpu] = undefined;
    this.past[cpu] = undefined;
    if (!isHeld && !isPast) return this.go(cpu, budget);
    let reason: number = StopReason.budget;
    const offset = this.fetchOffset(cpu);
    // The debugger's breakpoint comes before the guest's own at the same place.
    const isTrap = !isPast && offset !== undefined && this.predecode.hasTrap(offset);
    if (isTrap && this.takeTrap(cpu)) return reason;
    if (isHeld) this.setHoldSkip(cpu, 1);
    if (offset === undefined) reason = this.go(cpu, 1);
    else this.predecode.passBreakpoint(offset, () => (reason = this.go(cpu, 1)));
    if (isHeld) this.setHoldSkip(cpu, 0);
    return reason;
  }

  /** Lets a CPU execute up to `n` instructions. @returns a StopReason, and HELD */
  private go(cpu: number, n: number): number {
    const { schedule: s, state } = this;
    state.set(cpu, common.left, n);
    state.set(cpu, common.timeEnd, s.vtime + BigInt(n));
    state.set(cpu, common.retiredEnd, state.get(cpu, common.retired) + BigInt(n));
    state.set(cpu, common.stopReason, StopReason.none);
    const reason = this.code['run']!(state.block(cpu));
    const done = n - state.num(cpu, common.left);
    s.vtime += BigInt(done);
    s.quantumLeft -= done;
    state.set(cpu, common.retired, state.get(cpu, common.retired) + BigInt(done));
    this.translator?.tick(s.vtime);
    if (state.num(cpu, common.wires) !== state.num(cpu, common.wiresSeen)) this.board?.update(cpu);
    if (state.num(cpu, common.trapsChanged) !== 0) {
      state.set(cpu, common.trapsChanged, 0);
      this.onTraps(cpu);
    }
    return reason;
  }

  /** Is the record at which a CPU stopped there for a breakpoint of the guest only? */
  private isGuests(cpu: number): boolean {
    const offset = this.fetchOffset(cpu);
    return offset !== undefined && this.predecode.hasTrap(offset) && !this.predecode.hasBreakpoint(offset);
  }

  /** Lets the guest's own breakpoints have the instruction at the PC. @returns whether one took an exception */
  private takeTrap(cpu: number): boolean {
    return this.code['atBreakpoint']!(this.state.block(cpu)) !== 0;
  }

  private setHoldSkip(cpu: number, v: 0 | 1): void {
    if (this.holdSkip) this.state.set(cpu, this.holdSkip, v);
  }

  /** RAM offset of the instruction at a CPU's PC, by its fetch TLB entry; undefined when it is not there. */
  private fetchOffset(cpu: number): number | undefined {
    const pc = this.pc(cpu);
    if ((pc & ~0xfffn) !== this.state.get(cpu, common.pageVa)) return undefined;
    const rec = this.state.num(cpu, common.pageRec);
    return this.predecode.offsetOf(rec, Number(pc & 0xfffn));
  }

  private ready(cpu: number): boolean {
    if (!this.schedule.on[cpu]) return false;
    if (this.state.num(cpu, common.asleep) === 0) return true;
    if ((this.state.num(cpu, common.irqLines) & (this.config.isa.wakeLines ?? -1)) === 0) return false;
    this.state.set(cpu, common.asleep, 0);
    return true;
  }

  private switchTo(cpu: number): void {
    const s = this.schedule;
    if (cpu !== s.current)
      for (const w of this.config.isa.onYield) this.state.set(s.current, w.field, w.value);
    s.current = cpu;
    s.quantumLeft = QUANTUM;
  }

  /** Lets the board act on what has changed behind its back, and on the time. */
  private serviceBoard(): void {
    if (this.boardStale) {
      this.board?.update();
      this.onTraps();
    }
    this.boardStale = false;
    for (let cpu = 0; cpu < this.cpus; cpu++)
      if (this.state.get(cpu, common.due) <= this.schedule.vtime) this.board?.update(cpu);
    for (const t of this.deadlines.timed) {
      const due = t.deadline();
      if (due !== undefined && due <= this.schedule.vtime) t.advance();
    }
  }

  /** Nobody can run: time jumps to the next deadline, unless there is none. */
  private skipIdle(): Stop | undefined {
    const cpu = this.schedule.current;
    if (!this.schedule.on.some(Boolean)) return { kind: 'off', cpu, held: false };
    const d = this.deadlines.next();
    if (d === undefined) return { kind: 'idle', cpu, held: false };
    if (d > this.schedule.vtime) this.schedule.vtime = d;
    // Their counter registers read the present while they do not run, too.
    for (let i = 0; i < this.cpus; i++)
      this.state.set(i, common.timeEnd, this.schedule.vtime + this.state.get(i, common.left));
    return undefined;
  }

  /** Brings up to date what follows from a CPU's registers and the time. @returns its outputs, which the board has seen now */
  settle(cpu: number): number {
    this.state.set(cpu, common.timeEnd, this.now() + this.state.get(cpu, common.left));
    this.code['settle']?.(this.state.block(cpu));
    const wires = this.state.num(cpu, common.wires);
    this.state.set(cpu, common.wiresSeen, wires);
    return wires;
  }

  // --- the outside ----------------------------------------------------------------------------------------------

  /** Virtual time now, in instructions; exact inside a device access too. */
  now(): bigint {
    if (!this.running) return this.schedule.vtime;
    const cpu = this.schedule.current;
    const end = this.state.get(cpu, common.timeEnd);
    const left = this.state.get(cpu, common.left);
    const now = end - left;
    return now > this.schedule.vtime ? now : this.schedule.vtime;
  }

  pc(cpu: number): bigint {
    return this.state.get(cpu, common.pc);
  }

  /** Gives an input to the machine now, and records it. Only between runs. */
  input(input: Input): void {
    this.log.record(this.schedule.vtime, input);
    this.apply(input);
    this.serviceBoard();
  }

  private applyInputs(): void {
    for (const i of this.log.due(this.schedule.vtime)) this.apply(i);
  }

  private apply(i: Input): void {
    this.boardStale = true;
    if (i.kind === 'input') this.board?.input(i.port, i.bytes);
    else if (i.kind === 'memory') this.physical.poke(i.pa, i.bytes);
    else if (i.kind === 'register') this.board?.sysregs.write(i.register, i.cpu, i.value);
    else {
      const f = this.fieldByName(i.field);
      if (f) this.state.set(i.cpu, f, i.value, i.index);
      if (i.field === 'pc') this.held[i.cpu] = this.past[i.cpu] = undefined;
    }
  }

  /** A state field by name: the instruction set's, or one that all have. */
  fieldByName(name: string): StateField | undefined {
    return this.config.isa.fields.get(name) ?? (common as Readonly<Record<string, StateField>>)[name];
  }

  setFetchHook(on: boolean): void {
    this.watchStop.hearsFetches = on;
    for (let cpu = 0; cpu < this.cpus; cpu++) this.state.set(cpu, common.fetchHook, on ? 1 : 0);
    if (on) this.predecode.flush();
  }

  /** Which events write a record and which of those also stop: bit masks over the instruction set's event kinds. */
  setEvents(mask: number, stopMask: number): void {
    for (let cpu = 0; cpu < this.cpus; cpu++) {
      this.state.set(cpu, common.eventMask, mask | stopMask);
      this.state.set(cpu, common.stopMask, stopMask);
    }
  }

  /** Tells two states apart: see hash.ts. Without RAM it takes much less time. */
  hash(ram = true): string {
    const h = new Hasher();
    const { unseen } = this.config.isa;
    for (let cpu = 0; cpu < this.cpus; cpu++) hashBlock(h, this.view, cpu, this.layout, unseen);
    if (ram) h.words(new Uint32Array(this.memory.buffer, this.layout.ramHost, this.config.ramBytes / 4));
    h.text(stableJson(this.board?.devices.map((d) => d.device.state) ?? []));
    h.text(stableJson(this.schedule));
    h.text(this.kept.text());
    return h.digest();
  }

  /** Powers a CPU on at `entry`, as reset left it but for the given PC. */
  startCpu(cpu: number, entry: bigint): void {
    this.schedule.on[cpu] = true;
    this.state.set(cpu, common.pc, entry);
    this.state.set(cpu, common.asleep, 0);
    this.boardStale = true;
  }

  stopCpu(cpu: number): void {
    this.schedule.on[cpu] = false;
    this.state.set(cpu, common.stopRequest, StopReason.yield);
  }

  // --- inner workings -------------------------------------------------------------------------------------------

  private initBlock(cpu: number): void {
    const s = this.state;
    s.set(cpu, common.cpuIndex, cpu);
    s.set(cpu, common.ramBase, this.config.ramBase);
    s.set(cpu, common.ramSize, this.config.ramBytes);
    s.set(cpu, common.ramHost, this.layout.ramHost);
    s.set(cpu, common.pageFlags, this.layout.pageFlags);
    s.set(cpu, common.pageRecs, this.layout.pageRecs);
    s.set(cpu, common.pageWriters, this.layout.pageWriters);
    s.set(cpu, common.due, NEVER);
    s.set(cpu, common.linkMask, (this.translator?.links ?? 1) - 1);
    this.tlb.reset(cpu);
  }

  private hostFunctions(): Record<string, (...args: number[]) => number | void> {
    const cpuOf = (block: number): number => this.state.cpuOf(block);
    return {
      ...this.config.host,
      decode: (_block, rec) => this.predecode.decode(rec!),
      hot: (block, rec) => this.translator?.hot(block!, rec!, this.schedule.vtime),
      linked: (block, rec, from) => this.translator?.linked(block!, rec!, from!, this.schedule.vtime),
      regionsWritten: (_block, offset, bytes) => this.translator?.written(offset! >>> 0, bytes!),
      writesBeside: (block) => {
        const offset = this.fetchOffset(cpuOf(block!));
        if (offset !== undefined) this.translator?.writesBeside(offset);
      },
      keptTranslation: (block, acc) => this.kept.find(cpuOf(block!), acc!),
      keepTranslation: (block, acc) => this.kept.keep(cpuOf(block!), acc!),
      codePage: (_block, page) => this.predecode.codePage(page!),
      fetched: (block) => {
        this.watchStop.fetched(cpuOf(block!));
        this.onFetched(cpuOf(block!));
      },
      saveClean: (_block, page) => this.snapshots.saveClean(page!),
      mmioRead: (block, bytes) => {
        const answered = this.physical.mmioRead(block!, cpuOf(block!), bytes!);
        if (answered) this.watched(cpuOf(block!), false);
        return answered;
      },
      mmioProbe: (block) => this.physical.mmioProbe(block!),
      mmioWrite: (block, bytes) => {
        this.watched(cpuOf(block!), true);
        this.physical.mmioWrite(block!, cpuOf(block!), bytes!);
      },
      watched: (block, write) => this.watched(cpuOf(block!), write !== 0),
    };
  }

  private parts(): SnapshotParts[] {
    return [
      {
        save: () => ({ ...this.schedule, held: this.held }),
        restore: (saved) => {
          const { held, ...schedule } = saved as ScheduleState & { held: (bigint | undefined)[] };
          Object.assign(this.schedule, schedule);
          held.forEach((pc, i) => (this.held[i] = pc));
        },
      },
      // What is watched belongs to the present; the TLB that comes back does not know of it.
      { save: () => undefined, restore: () => this.watch.tag() },
      { save: () => this.kept.save(), restore: (saved) => this.kept.restore(saved) },
      { save: () => this.log.position, restore: (saved) => this.log.rewind(saved as number) },
      {
        save: () => this.board?.devices.map((d) => d.device.state) ?? [],
        restore: (saved) => {
          const devices = this.board?.devices ?? [];
          devices.forEach((d, i) => Object.assign(d.device.state, (saved as object[])[i]));
          devices.forEach((d) => d.device.restored?.());
          this.boardStale = true;
        },
      },
    ];
  }
}
