/**
 * Runs a program on our emulator while observers look on. They learn what happens from the emulator's events and from
 * CPU state and memory, and never from what the program says about itself.
 */
import { Computer } from '../../emulator/board/computer';
import { common } from '../../emulator/ir/state';
import type { StopKind } from '../../emulator/core/machine';
import { EventKind, eventBit, type EventName } from '../../emulator/isa/a64/events';
import { CpuView } from './cpu-view';
import type { Program } from './program';

/** An event, in the words of isa/a64/events.ts. */
export interface Moment {
  readonly kind: EventName;
  readonly cpu: number;
  /** Virtual time, in instructions. */
  readonly time: bigint;
  /** The instruction (hvc, smc, svc, eret), the return address (exceptions), the guest's first (guestEntry). */
  readonly pc: bigint;
  readonly esr: bigint;
  readonly from: number;
  readonly to: number;
  readonly vector: number;
}

/** Hears of the kinds in `kinds`, in the order in which they happen. */
export interface Observer {
  readonly name: string;
  readonly kinds: readonly EventName[];
  event(m: Moment): void;
  /** The run is over. */
  end?(): void;
}

export interface RigOptions {
  readonly cpus?: number;
  readonly cpu?: string;
  readonly memory?: number;
  /** Whatever the architecture leaves UNKNOWN is a surprise. */
  readonly strict?: boolean;
}

const names = Object.fromEntries(
  Object.entries(EventKind).map(([name, kind]) => [kind, name as EventName]),
) as Record<number, EventName>;

/** A run that goes on for longer than this has lost its way. */
const LIMIT = 400_000_000;

export class Rig {
  readonly computer: Computer;
  readonly view: CpuView;
  readonly complaints: { readonly by: string; readonly text: string }[] = [];
  uart = '';
  /** The count of a CPU's instructions, for limits. */
  readonly retired = common.retired;
  /** The kinds that observers hear of. */
  eventMask = 0;
  private readonly observers: Observer[] = [];
  private readonly stops = new Map<bigint, ((cpu: number) => void)[]>();

  constructor(
    readonly program: Program,
    options: RigOptions = {},
  ) {
    this.computer = new Computer({
      cpus: options.cpus ?? 1,
      memoryBytes: options.memory ?? 512 << 20,
      image: program.elf,
      ...(options.cpu === undefined ? {} : { cpu: options.cpu }),
      ...(options.strict === undefined ? {} : { strict: options.strict }),
    });
    this.view = new CpuView(this.computer);
    this.computer.onEvent = (e) => {
      if (e.kind === 'uart') this.uart += Buffer.from(e.bytes).toString('latin1');
    };
    this.computer.onGuestEvent = (e) => {
      const where = e.mail[2]!;
      const m: Moment = {
        kind: names[e.kind]!,
        cpu: e.cpu,
        time: e.time,
        pc: e.mail[0]!,
        esr: e.mail[1]!,
        from: Number(where & 0xffn),
        to: Number((where >> 8n) & 0xffn),
        vector: Number((where >> 16n) & 0xffffn),
      };
      for (const o of this.observers) if (o.kinds.includes(m.kind)) o.event(m);
    };
  }

  get machine(): Computer['machine'] {
    return this.computer.machine;
  }

  /** Adds an observer; before the run. */
  observe<T extends Observer>(make: (rig: Rig) => T): T {
    const o = make(this);
    this.observers.push(o);
    for (const kind of o.kinds) this.eventMask |= eventBit(kind);
    this.machine.setEvents(this.eventMask, 0);
    return o;
  }

  /** Something is not as it must be. Only the first few of each observer are kept. */
  complain(by: string, text: string): void {
    if (this.complaints.filter((c) => c.by === by).length < 10) this.complaints.push({ by, text });
  }

  /** Calls `then` whenever a CPU is about to execute the instruction at a physical address. */
  breakAt(pa: bigint, then: (cpu: number) => void): void {
    const all = this.stops.get(pa) ?? [];
    this.stops.set(pa, [...all, then]);
    if (all.length === 0) this.machine.predecode.addBreakpoint(Number(pa - this.machine.physical.ramBase));
  }

  /** Runs to the end of the program, or until `until` holds after a breakpoint. @returns how it ended */
  run(until: () => boolean = () => false, instructions = LIMIT): StopKind {
    const end = this.machine.now() + BigInt(instructions);
    for (;;) {
      const left = Number(end - this.machine.now());
      const stop = this.machine.run({ instructions: Math.max(left, 0) });
      if (stop.kind === 'breakpoint') {
        const pa = this.view.physical(stop.cpu, this.machine.pc(stop.cpu)) ?? 0n;
        for (const then of this.stops.get(pa) ?? []) then(stop.cpu);
        if (!until()) continue;
      }
      if (stop.kind !== 'breakpoint' && stop.kind !== 'event') this.finish();
      return stop.kind;
    }
  }

  /** Tells the observers that the run is over. */
  finish(): void {
    for (const o of this.observers) o.end?.();
  }

  /** The instruction word at a CPU's PC. */
  instruction(cpu: number): number {
    const pc = this.machine.pc(cpu);
    const pa = this.view.physical(cpu, pc);
    if (pa === undefined) throw new Error(`there is no instruction at 0x${pc.toString(16)}`);
    return Buffer.from(this.machine.physical.peek(pa, 4)).readUInt32LE();
  }

  /** A doubleword of physical memory. */
  read64(pa: bigint): bigint {
    return Buffer.from(this.machine.physical.peek(pa, 8)).readBigUInt64LE();
  }

  write64(pa: bigint, value: bigint): void {
    const data = Buffer.alloc(8);
    data.writeBigUInt64LE(BigInt.asUintN(64, value));
    this.machine.physical.poke(pa, data);
  }
}
