/**
 * Stepping by instruction and by line. A step belongs to one CPU and one context (exception level, virtual machine,
 * stack): what interrupts it is stepped over, unless a breakpoint or a filter says otherwise.
 */
import { common } from '../../emulator/ir/state';
import type { CpuContext } from '../arch/types';
import { regimeName } from '../symbols/regime';
import type { Place } from '../symbols/types';
import type { Target } from '../target';
import type { Caller } from './caller';
import type { AdvanceOptions, Granularity, Outcome, StepKind, Temporary } from './types';

/** Attempts to execute one instruction between interrupts; a guest that only takes interrupts is stopped then. */
const MAX_RETRIES = 10_000;

const DONE: Outcome = { kind: 'done' };

interface LineHere {
  readonly path: string;
  readonly line: number;
  /** The PC is the first instruction of a row of the line table. */
  readonly begins: boolean;
  /** It is the first one, but of a row that is no good place to stop. */
  readonly skipped: boolean;
}

/** The outcome of one instruction; `entered`: it ended in the vector of an exception. */
type StepOutcome = Outcome;

/** Run control, as far as steps are made of it. */
interface SteppedRun {
  readonly target: Target;
  readonly callerOf: (target: Target, cpu: number) => Caller | undefined;
  /** Also ends pieces of the run at each exception that is taken, or no more. */
  arm(everyEntry: boolean): void;
  advance(options: AdvanceOptions): Promise<Outcome>;
  interruption(): Outcome | undefined;
  breathe(): Promise<void>;
  leave(cpu: number, options?: AdvanceOptions): Outcome | undefined;
  arrival(cpu: number): Outcome | undefined;
}

export class Stepper {
  constructor(private readonly control: SteppedRun) {}

  /** One step as the user asks for it. */
  step(cpu: number, kind: StepKind, granularity: Granularity): Promise<Outcome> {
    if (kind === 'out') return this.out(cpu);
    return granularity === 'line' ? this.line(cpu, kind) : this.instruction(cpu, kind);
  }

  /** Instructions until the PC leaves [start, end), or something else happens. */
  async range(cpu: number, start: bigint, end: bigint): Promise<Outcome> {
    for (;;) {
      const outcome = await this.instruction(cpu, 'in');
      const { pc } = this.arch.context(cpu);
      if (outcome.kind !== 'done' || pc < start || pc >= end) return outcome;
    }
  }

  private get arch() {
    return this.control.target.arch;
  }

  // --- instructions ---------------------------------------------------------------------------------------------

  /** One instruction; `over` includes what it calls, whatever that is. */
  private async instruction(cpu: number, kind: 'in' | 'over'): Promise<StepOutcome> {
    const outcome = await this.one(cpu, kind);
    return outcome.kind === 'entered' || outcome.kind === 'arrived' ? DONE : this.orArrival(cpu, outcome);
  }

  /** A finished step that ends at a breakpoint or before a filtered instruction is reported as that. */
  private orArrival(cpu: number, outcome: Outcome): Outcome {
    return outcome.kind === 'done' ? (this.control.arrival(cpu) ?? outcome) : outcome;
  }

  private async one(cpu: number, kind: 'in' | 'over'): Promise<StepOutcome> {
    const before = this.arch.context(cpu);
    const what = this.arch.instructionKind(cpu);
    const behind = { ...before, pc: before.pc + 4n };
    for (let attempt = 0; attempt < MAX_RETRIES; attempt++) {
      const executed = await this.execute(cpu);
      if (executed.kind === 'entered') {
        // An interrupt is not what was stepped into; a trap of the instruction itself is.
        if (kind === 'in' && !executed.interrupt) return executed;
        const back = await this.until(cpu, executed.interrupt ? [before] : [before, behind]);
        if (back.kind !== 'arrived') return back;
        if (this.arch.context(cpu).pc === before.pc) continue;
        return DONE;
      }
      if (executed.kind !== 'done' || kind === 'in') return executed;
      if (what === 'call') return this.finishCall(cpu, behind);
      if (what === 'eret' && this.arch.context(cpu).el < before.el) return this.untilLevel(cpu, before.el);
      return DONE;
    }
    return DONE;
  }

  /** Executes the instruction at the PC, or takes an exception instead. */
  private async execute(cpu: number): Promise<Outcome> {
    this.control.arm(true);
    try {
      const { machine } = this.control.target;
      const first = this.control.interruption() ?? this.control.leave(cpu, { entriesOn: cpu });
      await this.control.breathe();
      if (first) return first;
      // The CPU sleeps or is not its turn: run the others until it has executed one instruction.
      const count = machine.state.get(cpu, common.retired) + 1n;
      return await this.control.advance({ retired: { cpu, count }, entriesOn: cpu });
    } finally {
      this.control.arm(false);
    }
  }

  private async finishCall(cpu: number, behind: CpuContext): Promise<Outcome> {
    if (same(this.arch.context(cpu), behind)) return DONE;
    const back = await this.until(cpu, [behind]);
    return back.kind === 'arrived' ? DONE : back;
  }

  /** Runs until the CPU is at one of these places in the same context: exception level, VM, stack not deeper. */
  private async until(cpu: number, places: readonly CpuContext[]): Promise<Outcome> {
    const offsets = places.flatMap((p) => this.offsetOf(cpu, p) ?? []);
    if (offsets.length === 0) return DONE;
    const counts = (): boolean => places.some((p) => same(this.arch.context(cpu), p));
    return this.control.advance({ temporary: { cpu, offsets, counts } });
  }

  /** RAM offset of a place by the tables of its own regime, whatever the CPU executes now. */
  private offsetOf(cpu: number, place: CpuContext): number | undefined {
    const pa = this.arch.translate(cpu, place.pc, regimeName(place.el));
    return pa === undefined ? undefined : this.control.target.machine.physical.ramOffset(pa);
  }

  /** Runs until an exception brings the CPU back to an exception level: the way back from an ERET. */
  private async untilLevel(cpu: number, el: number): Promise<Outcome> {
    this.control.arm(true);
    try {
      for (;;) {
        const outcome = await this.control.advance({ entriesOn: cpu });
        if (outcome.kind !== 'entered') return outcome;
        if (this.arch.context(cpu).el >= el) return DONE;
      }
    } finally {
      this.control.arm(false);
    }
  }

  // --- lines ----------------------------------------------------------------------------------------------------

  private place(cpu: number): Place {
    const { pc, el, vmid } = this.arch.context(cpu);
    return { va: pc, regime: { el: regimeName(el), ...(vmid === undefined ? {} : { vmid }) } };
  }

  private lineHere(cpu: number): LineHere | undefined {
    const line = this.control.target.symbols.lineAt(this.place(cpu));
    if (!line) return undefined;
    const isFirst = line.address === this.arch.context(cpu).pc;
    return {
      path: line.path,
      line: line.line,
      begins: line.isStmt && isFirst,
      skipped: !line.isStmt && isFirst,
    };
  }

  private async line(cpu: number, kind: 'in' | 'over'): Promise<Outcome> {
    let start = this.lineHere(cpu);
    if (!start) return this.instruction(cpu, kind);
    for (;;) {
      const before = this.arch.context(cpu);
      const what = this.arch.instructionKind(cpu);
      const outcome = await this.one(cpu, kind);
      if (outcome.kind === 'entered') return DONE;
      if (outcome.kind !== 'done') return outcome;
      const stopped = this.control.arrival(cpu);
      if (stopped) return stopped;
      const here = this.lineHere(cpu);
      const now = this.arch.context(cpu);
      if (!here) {
        if (what !== 'call' || kind !== 'in' || now.pc === before.pc + 4n) return DONE;
        // A function without lines is stepped over, as gdb does.
        const over = await this.finishCall(cpu, { ...before, pc: before.pc + 4n });
        if (over.kind !== 'done') return over;
        continue;
      }
      if (what === 'call' && kind === 'in' && now.pc !== before.pc + 4n) return this.skipPrologue(cpu);
      if (now.el !== before.el) return DONE;
      const moved = here.path !== start.path || here.line !== start.line || now.pc < before.pc;
      if (moved && here.begins) return DONE;
      // In the middle of a line, as behind a return: the step ends where that line does, as gdb's.
      if (!here.skipped) start = here;
    }
  }

  /** After a call was stepped into: on to the function's body, where its arguments are in place. */
  private async skipPrologue(cpu: number): Promise<Outcome> {
    const { symbols } = this.control.target;
    const here = this.arch.context(cpu);
    const name = symbols.functionAt(this.place(cpu));
    if (!name || name.address !== here.pc) return DONE;
    const body = symbols
      .locationsOfSymbol(name.name)
      .map((l) => l.address)
      .find((a) => a > here.pc && a - here.pc < 256n);
    if (body === undefined) return DONE;
    const back = await this.until(cpu, [{ ...here, pc: body, sp: 0n }]);
    return back.kind === 'arrived' ? DONE : back;
  }

  // --- out ------------------------------------------------------------------------------------------------------

  /** Runs until the current function has returned, or the exception handler to what it interrupted. */
  private async out(cpu: number): Promise<Outcome> {
    const caller = this.control.callerOf(this.control.target, cpu);
    if (!caller) return this.instruction(cpu, 'over');
    const first = this.control.leave(cpu);
    if (first && first.kind !== 'done') return first;
    const offset = this.offsetOf(cpu, { ...this.arch.context(cpu), el: caller.el, pc: caller.pc });
    if (offset === undefined) return DONE;
    const counts = (): boolean => {
      const now = this.arch.context(cpu);
      return now.pc === caller.pc && now.el === caller.el && now.sp >= caller.minSp;
    };
    const temporary: Temporary = { cpu, offsets: [offset], counts };
    if (counts()) return DONE;
    const back = await this.control.advance({ temporary });
    return back.kind === 'arrived' ? DONE : back;
  }
}

/** Whether a CPU is at a place in its context; a deeper stack is a recursion, not the place. */
function same(now: CpuContext, place: CpuContext): boolean {
  return now.pc === place.pc && now.el === place.el && now.vmid === place.vmid && now.sp >= place.sp;
}
