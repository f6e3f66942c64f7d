/**
 * Run control: continue, pause, step, and what stops a guest. The only place that runs a machine; DAP and the headless
 * trace are its front ends.
 */
import type { Stop } from '../emulator/core/machine';
import { common, StopReason } from '../emulator/ir/state';
import { ActiveFilters, type FilterSpec } from './breakpoints/filters';
import { AddressBreakpoints } from './breakpoints/by-address';
import { DataBreakpoints } from './breakpoints/data';
import { FetchWatch } from './breakpoints/fetches';
import { BreakpointManager } from './breakpoints/manager';
import { callerOf, type Caller } from './control/caller';
import { LoopDetector } from './control/loops';
import {
  failureStop,
  idleStop,
  limitStop,
  loopStop,
  stepReport,
  stopWith,
  trapStop,
} from './control/reports';
import { Runner } from './control/runner';
import { Stepper } from './control/stepper';
import type {
  AdvanceOptions,
  ControlListener,
  ControlObserver,
  EndReport,
  Granularity,
  Outcome,
  StepKind,
  StopReport,
} from './control/types';
import { ErrorId, UserError } from './errors';
import type { Target } from './target';
import { ModuleWatch } from './linux/module-watch';
import { INTERRUPT } from '../emulator/ir/event-ring';
import { MarkWatch } from './trace/marks';
import type { Passed, RawRecord } from './trace/ring';

/** An instruction that was reported and has not been executed. */
interface Owed {
  readonly cpu: number;
  readonly pc: bigint;
  readonly el: number;
  /** The machine stops there whatever conditions say, so that coming back is noticed. */
  readonly offset: number | undefined;
}

/** Instructions of all CPUs within which one CPU is to execute its next one, before requests are looked at. */
const ONE_STEP = 200_000;

export class Control {
  private readonly fetches = new FetchWatch();
  readonly breakpoints = new BreakpointManager(this.fetches);
  readonly data = new DataBreakpoints(() => this.breakpoints.takeId(), this.fetches);
  /** Those of a debugger that knows no address spaces. */
  readonly addresses = new AddressBreakpoints(() => this.breakpoints.takeId(), this.fetches);
  readonly filters = new ActiveFilters();
  /** Other front ends. */
  readonly observers = new Set<ControlObserver>();
  /** Where "step out" goes. */
  callerOf: (target: Target, cpu: number) => Caller | undefined = callerOf;
  /** The guest runs, or is being stepped. */
  running = false;
  /** The last stop; undefined before the first one and while running. */
  lastStop: StopReport | undefined;
  /** The machine is off. */
  ended = false;
  /** Stop with a message after so many instructions, and when nothing can wake an idle guest (headless runs). */
  maxInstructions: bigint | undefined;
  stopWhenIdle = false;
  private current: Target;
  private runner: Runner;
  private loops = new LoopDetector();
  private marks: MarkWatch | undefined;
  private modules: ModuleWatch | undefined;
  private readonly stepper = new Stepper(this);
  private pauseWanted: number | undefined;
  private halting = false;
  private finished: Promise<void> = Promise.resolve();
  /** A loop of exceptions was found on this CPU. */
  private looping: number | undefined;
  /** An interrupt came before the instruction that was reported: coming back to it is no new stop. */
  private owed: Owed | undefined;
  private interrupted: { cpu: number; pc: bigint } | undefined;

  constructor(
    target: Target,
    private readonly listener: ControlListener,
  ) {
    this.current = target;
    this.runner = new Runner(target);
    this.breakpoints.onVerified = (b) => listener.breakpointChanged(b.id);
    this.data.onChanged = (b) => {
      if (b.owner === 'client') listener.breakpointChanged(b.id);
    };
    this.breakpoints.onLog = (text) => listener.message(text);
    this.attach(target);
  }

  get target(): Target {
    return this.current;
  }

  /** Goes over to a new guest: at launch and restart, never while running. */
  attach(target: Target): void {
    const { interactive } = this.runner;
    this.current = target;
    this.runner = new Runner(target);
    this.runner.interactive = interactive;
    this.loops = new LoopDetector();
    this.ended = false;
    this.lastStop = undefined;
    this.owed = undefined; // its breakpoint went with the old machine
    this.looping = undefined;
    target.computer.onEvent = (e) => {
      if (e.kind === 'uart') this.listener.console(e.bytes, 'uart0');
      else if (e.kind === 'console') this.listener.console(e.bytes, e.port);
      else if (e.kind === 'message') this.listener.message(e.text);
    };
    target.trace.onRecord = (r) => this.recorded(r);
    target.trace.onPassed = (p) => this.passed(p);
    target.arch.trace.absent.onFound = (text, event) =>
      this.listener.message(`${text} (EL${event.from}, ${target.formatter.origin(event)}).`);
    this.marks = new MarkWatch(target);
    this.modules = new ModuleWatch(target, (changes) => {
      this.breakpoints.symbolsChanged();
      this.listener.modulesChanged?.(changes);
    });
    this.fetches.attach(target.machine);
    this.breakpoints.attach(target);
    this.data.attach(target);
    this.addresses.attach(target);
    this.arm(false);
    for (const o of this.observers) o.attached();
  }

  /** Code has recorded by itself what nobody had to hear of at once. */
  private passed({ entries, interrupt }: Passed): void {
    if (interrupt) this.interrupted = { cpu: interrupt.cpu, pc: interrupt.pc };
    // Each of them was far from the one before it.
    for (const record of entries) this.loops.see(record);
  }

  /** Whether each event of the trace must be heard of while the guest runs. */
  private listen(): void {
    const isFollowed = this.listener.followsTrace?.() !== false || this.data.follows;
    this.target.arch.trace.isQuiet = !isFollowed;
  }

  /** Something of the trace has happened of which one hears at once. */
  private recorded(record: RawRecord): void {
    const { trace, machine } = this.target;
    if (record.flags & INTERRUPT) this.interrupted = { cpu: record.cpu, pc: record.pc };
    if (record.kind === 'return') this.data.moved(record.cpu);
    if (this.loops.see(record)) {
      this.looping = record.cpu;
      machine.requestStop(StopReason.event);
    }
    if (this.listener.followsTrace?.() === false) return;
    for (const event of trace.last(1)) this.listener.trace(event);
  }

  /** Somebody types at the guest's console: an idle guest then waits for wall time. */
  set interactive(on: boolean) {
    this.runner.interactive = on;
  }

  // --- requests -------------------------------------------------------------------------------------------------

  /** Continues all CPUs. */
  resume(): void {
    this.start(async () => {
      const cpu = this.lastStop?.cpu;
      this.lastStop = undefined;
      const first = cpu === undefined ? undefined : this.leave(cpu);
      return first && first.kind !== 'done' ? first : this.advance({});
    });
  }

  /** Steps one CPU. */
  step(cpu: number, kind: StepKind, granularity: Granularity): void {
    this.start(async () => {
      const outcome = await this.stepper.step(cpu, kind, granularity);
      return outcome.kind === 'done' ? { kind: 'stop', report: stepReport(cpu) } : outcome;
    });
  }

  /** Steps one CPU by instructions until its PC leaves [start, end). */
  stepRange(cpu: number, start: bigint, end: bigint): void {
    this.start(async () => {
      const outcome = await this.stepper.range(cpu, start, end);
      return outcome.kind === 'done' ? { kind: 'stop', report: stepReport(cpu) } : outcome;
    });
  }

  /** Stops a running guest; the report names `cpu`. */
  pause(cpu: number): void {
    if (!this.running) return;
    this.pauseWanted = cpu;
    this.runner.wake();
  }

  /** Reports a stop where the guest stands now (stop on entry). */
  reportHere(reason: StopReport['reason'], description: string): void {
    const cpu = this.target.machine.schedule.current;
    const hits = this.breakpoints.hit(cpu);
    this.announce({
      reason,
      description,
      cpu,
      hitBreakpointIds: hits.ids,
      ...this.othersAt(cpu),
      filters: [],
    });
  }

  /** Removes breakpoints and filters: a run without debugging. */
  forgetStops(): void {
    this.breakpoints.clear();
    this.data.replace([]);
    this.setFilters([]);
  }

  /** Chooses the exception filters. @returns for each why it cannot be used, or undefined */
  setFilters(specs: readonly FilterSpec[]): (string | undefined)[] {
    const problems = this.filters.replace(specs);
    this.arm(false);
    return problems;
  }

  /** Input for one of the guest's consoles. */
  input(bytes: Uint8Array, port = 'uart0'): void {
    this.target.machine.input({ kind: 'input', port, bytes });
    this.runner.wake();
  }

  /** Ends a run without a report, and waits for its end. */
  async halt(): Promise<void> {
    this.halting = true;
    this.runner.wake();
    await this.finished;
    this.halting = false;
  }

  // --- running --------------------------------------------------------------------------------------------------

  private start(body: () => Promise<Outcome>): void {
    if (this.ended)
      throw new UserError('The guest has powered off: restart the session to run it again.', ErrorId.state);
    if (this.running) throw new UserError('The guest is running already: pause it first.', ErrorId.state);
    this.running = true;
    this.listener.resumed();
    for (const o of this.observers) o.resumed();
    this.pauseWanted = undefined;
    this.finished = this.drive(body);
  }

  private async drive(body: () => Promise<Outcome>): Promise<void> {
    let outcome: Outcome;
    try {
      outcome = await body();
    } catch (error) {
      outcome = this.failed(error);
    }
    this.running = false;
    this.pauseWanted = undefined;
    this.arm(false);
    if (outcome.kind === 'end') this.end(outcome.report);
    else if (outcome.kind === 'stop') this.announce(outcome.report);
  }

  /** The machine is off, unless the listener starts another one. */
  private end(report: EndReport): void {
    this.ended = true;
    this.listener.ended(report);
    if (this.ended) for (const o of this.observers) o.ended(report);
  }

  /** Our own fault: the guest stands still and the session lives on. */
  private failed(error: unknown): Outcome {
    process.stderr.write(`${error instanceof Error ? error.stack : String(error)}\n`);
    return failureStop(this.target.machine.schedule.current, error);
  }

  private announce(report: StopReport): void {
    this.modules?.refresh();
    for (let cpu = 0; cpu < this.target.machine.cpus; cpu++) this.breakpoints.retry(cpu);
    this.data.refresh(report.cpu);
    this.lastStop = report;
    this.listener.stopped(report);
    for (const o of this.observers) o.stopped(report);
  }

  /** Arms the filters; `everyEntry`: and every exception, for stepping. */
  arm(everyEntry: boolean): void {
    this.target.arch.arm(this.filters.ids, everyEntry);
  }

  /** Runs until there is something to say. */
  async advance(options: AdvanceOptions): Promise<Outcome> {
    const { predecode } = this.target.machine;
    for (const offset of options.temporary?.offsets ?? []) predecode.addBreakpoint(offset);
    try {
      for (;;) {
        const early = this.interruption();
        if (early) return early;
        this.listen();
        const stop = this.runner.slices(options.retired, this.allowance());
        this.target.trace.catchUp();
        const outcome = this.judge(stop, options) ?? this.limitReport();
        if (outcome) return outcome;
        if (stop.kind === 'idle' && this.stopWhenIdle) return idleStop(stop.cpu);
        if (stop.kind === 'idle') await this.runner.sleep();
        else await this.runner.breathe();
      }
    } finally {
      for (const offset of options.temporary?.offsets ?? []) predecode.removeBreakpoint(offset);
    }
  }

  /** What the user wants in the middle of a run: a pause, or its end. */
  interruption(): Outcome | undefined {
    if (this.halting) return { kind: 'halted' };
    if (this.pauseWanted === undefined) return undefined;
    return stopWith({ reason: 'pause', description: 'Paused', cpu: this.pauseWanted });
  }

  /** Lets requests be answered during a long step. */
  async breathe(): Promise<void> {
    await this.runner.breathe();
  }

  /**
   * Executes the instruction at a CPU's PC, which has been reported: its breakpoint and the filters that stop before
   * it do not count. Other CPUs run as the schedule has it.
   */
  leave(cpu: number, options: AdvanceOptions = {}): Outcome | undefined {
    const { machine, arch } = this.target;
    const { pc, el } = arch.context(cpu);
    const count = machine.state.get(cpu, common.retired) + 1n;
    const offset = this.breakpoints.offsetAtPc(cpu);
    this.watched(cpu);
    this.interrupted = undefined;
    this.settle();
    let stop: Stop | undefined;
    arch.setHoldSkip(cpu, true);
    this.listen();
    const go = (): void => {
      stop = machine.run({ instructions: ONE_STEP, retired: { cpu, count } });
      this.target.trace.catchUp();
    };
    if (offset === undefined) go();
    else machine.predecode.passBreakpoint(offset, go);
    arch.setHoldSkip(cpu, false);
    const came = this.interrupted as { cpu: number; pc: bigint } | undefined;
    if (came?.cpu === cpu && came.pc === pc) {
      this.owed = { cpu, pc, el, offset };
      if (offset !== undefined) machine.predecode.addBreakpoint(offset);
    }
    return stop && this.judge(stop, { ...options, retired: { cpu, count } });
  }

  /** Tells those who watch a place of the guest's code that a CPU stands there. */
  private watched(cpu: number): void {
    for (const watch of [this.marks, this.modules])
      if (watch?.isEmpty === false) watch.arrived(cpu, this.breakpoints.offsetAtPc(cpu));
  }

  /** Whether this stop is before an instruction that was reported already. */
  private wasReported(cpu: number): boolean {
    const { owed } = this;
    if (owed?.cpu !== cpu) return false;
    const { pc, el } = this.target.arch.context(cpu);
    if (pc !== owed.pc || el !== owed.el) return false;
    this.settle();
    return true;
  }

  /** Nothing is owed any more. */
  private settle(): void {
    const { owed } = this;
    this.owed = undefined;
    if (owed?.offset !== undefined) this.target.machine.predecode.removeBreakpoint(owed.offset);
  }

  /** What a stop of the machine means; undefined: nothing, run on. */
  private judge(stop: Stop, options: AdvanceOptions): Outcome | undefined {
    const { computer, arch, machine } = this.target;
    const { cpu } = stop;
    if (computer.ended) return { kind: 'end', report: computer.ended };
    if (this.looping !== undefined) {
      const looping = this.looping;
      this.looping = undefined;
      return loopStop(this.target, looping);
    }
    switch (stop.kind) {
      case 'off':
        return { kind: 'end', report: { kind: 'poweroff', reason: 'all CPUs are switched off' } };
      case 'unsupported': {
        const text = computer.unsupported ?? 'The guest did what the emulator cannot do.';
        return stopWith({ reason: 'exception', description: 'Paused: not supported', text, cpu });
      }
      case 'idle':
        return undefined;
      case 'watch':
      case 'limit': {
        const found = stop.kind === 'watch' ? this.dataReport(cpu) : undefined;
        if (found) return found;
        const { retired } = options;
        const reached = retired && machine.state.get(retired.cpu, common.retired) >= retired.count;
        return reached ? { kind: 'done' } : undefined;
      }
      case 'breakpoint': {
        this.watched(cpu);
        if (this.wasReported(cpu)) return undefined;
        const found = this.arrival(cpu);
        if (found) return found;
        const { temporary } = options;
        const here = this.breakpoints.offsetAtPc(cpu);
        const mine = temporary?.cpu === cpu && here !== undefined && temporary.offsets.includes(here);
        return mine && temporary.counts() ? { kind: 'arrived' } : undefined;
      }
      case 'event': {
        const { causes, entered, interrupt } = arch.takeCauses(cpu);
        if (stop.held && this.wasReported(cpu)) return undefined;
        const chosen = this.filters.select(this.target, cpu, causes);
        if (chosen.causes.length > 0) {
          const hits = this.breakpoints.hit(cpu);
          return trapStop(cpu, chosen.causes, hits, chosen.problems, this.othersAt(cpu));
        }
        return options.entriesOn === cpu && entered ? { kind: 'entered', interrupt } : undefined;
      }
    }
  }

  // --- reports --------------------------------------------------------------------------------------------------

  /** Breakpoints and filters at the instruction at which a CPU has arrived; undefined: none that is to be reported. */
  arrival(cpu: number): Outcome | undefined {
    const hits = this.breakpoints.hit(cpu);
    const { causes, problems } = this.filters.select(this.target, cpu, this.target.arch.causesAt(cpu));
    if (causes.length > 0) return trapStop(cpu, causes, hits, problems, this.othersAt(cpu));
    const { others } = this.othersAt(cpu);
    if (hits.ids.length === 0 && others)
      return stopWith({
        reason: 'breakpoint',
        description: 'Paused on a breakpoint of gdb',
        cpu,
        others,
      });
    if (hits.ids.length === 0) return undefined;
    const first = this.breakpoints.all().find((b) => b.id === hits.ids[0]);
    const kinds = {
      line: 'breakpoint',
      function: 'function breakpoint',
      instruction: 'instruction breakpoint',
    } as const;
    const reason = kinds[first?.spec.subject.k ?? 'line'];
    const text = hits.problems.join(' ');
    return stopWith({
      reason,
      description: `Paused on ${reason}`,
      cpu,
      hitBreakpointIds: hits.ids,
      ...(others ? { others } : {}),
      ...(text ? { text } : {}),
    });
  }

  /** Breakpoints of other front ends at a CPU's PC. */
  private othersAt(cpu: number): Pick<StopReport, 'others'> {
    const id = this.addresses.hit(cpu);
    return id === undefined ? {} : { others: [id] };
  }

  /** An access to watched memory; the CPU stands behind it, where breakpoints and filters may be as well. */
  private dataReport(cpu: number): Outcome | undefined {
    const data = this.data.hits(this.target.machine.watch.take());
    if (!data) return undefined;
    this.listener.message(data.text);
    const here = this.arrival(cpu);
    const also = here?.kind === 'stop' ? here.report : undefined;
    const ids = (mine: boolean): number[] =>
      data.breakpoints.filter((b) => (b.owner === 'client') === mine).map((b) => b.id);
    const others = [...ids(false), ...(also?.others ?? [])];
    const text = also?.text === undefined ? data.text : `${data.text} ${also.text}`;
    return stopWith({
      reason: 'data breakpoint',
      description: `Paused on ${data.what}${also ? ` (and ${also.description.replace(/^Paused /, '')})` : ''}`,
      text,
      cpu,
      hitBreakpointIds: [...ids(true), ...(also?.hitBreakpointIds ?? [])],
      ...(others.length > 0 ? { others } : {}),
      filters: also?.filters ?? [],
    });
  }

  /** Instructions that may still be executed; undefined: any number. */
  private allowance(): number | undefined {
    if (this.maxInstructions === undefined) return undefined;
    const left = this.maxInstructions - this.executed();
    return left > 0n ? Number(left < 1_000_000_000n ? left : 1_000_000_000n) : 0;
  }

  /** Instructions that all CPUs have retired. */
  private executed(): bigint {
    const { machine } = this.target;
    let sum = 0n;
    for (let cpu = 0; cpu < machine.cpus; cpu++) sum += machine.state.get(cpu, common.retired);
    return sum;
  }

  private limitReport(): Outcome | undefined {
    const { maxInstructions } = this;
    if (maxInstructions === undefined || this.allowance() !== 0) return undefined;
    return limitStop(this.target.machine.schedule.current, maxInstructions);
  }
}
