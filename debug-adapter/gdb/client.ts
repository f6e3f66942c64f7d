/** One gdb that is attached: what it knows and wants, and how the stops of the guest reach it. */
import type { Control } from '../control';
import type { ControlObserver, StopReport } from '../control/types';
import { sentenceOf, UserError } from '../errors';
import type { AddressSpace } from '../inspect/address-space';
import { Session } from '../session';
import { GdbBreakpoints } from './breakpoints';
import { textToHex } from './packets';
import { GdbRegisters } from './registers';

/** What the owner of the server does about a gdb. */
export interface GdbHooks {
  /** gdb lets the guest run. */
  resumed(cpu: number): void;
  /** gdb has written registers or memory. */
  changed(): void;
  /** For the user of the session. */
  message(text: string): void;
  /** A gdb has gone; its breakpoints are removed. */
  detached?(): void;
}

/** Answers what stands behind the name of a packet; undefined: later, or not at all. */
export type Command = (c: GdbClient, rest: string) => string | undefined;

/** The way to the other side. */
export interface GdbWire {
  send(data: string): void;
  /** No more acknowledgements, once the packet that is being answered has been. */
  stopAcknowledging(): void;
  close(): void;
}

/** Signals by gdb's numbers (include/gdb/signals.def). */
export const Signal = { interrupt: 2, illegal: 4, trap: 5 } as const;

const EXITED = 'W00';
const byte = (n: number): string => n.toString(16).padStart(2, '0');

export class GdbClient implements ControlObserver {
  /** Inspection wants one: views and handles of our own, that no other client sees. */
  readonly session = new Session(() => undefined);
  readonly breakpoints: GdbBreakpoints;
  registers: GdbRegisters;
  /** The CPU of `Hg`: registers and memory are its. */
  cpu: number;
  /** Where `m` and `M` read and write; undefined: what code of the CPU would. */
  space: AddressSpace | undefined;
  /** It can tell a breakpoint from a trap of another kind. */
  readonly knows = new Set<string>();
  private isWaiting = false;
  /** Its user has pressed Ctrl-C. */
  private isInterrupting = false;
  /** Where the guest stands behind an access that was watched, until it moves. */
  private behindAccess: { cpu: number; time: bigint } | undefined;

  constructor(
    readonly control: Control,
    readonly hooks: GdbHooks,
    readonly wire: GdbWire,
    /** Answers a whole packet. */
    private readonly answer: Command,
  ) {
    this.breakpoints = new GdbBreakpoints(control);
    this.registers = new GdbRegisters(control.target);
    this.cpu = control.lastStop?.cpu ?? control.target.machine.schedule.current;
    this.session.control = control;
    this.session.target = control.target;
    control.observers.add(this);
    if (control.running) control.pause(this.cpu);
  }

  /** Answers one packet. */
  receive(data: string): void {
    const said = this.guarded(() => this.answer(this, data));
    if (said !== undefined) this.wire.send(said);
  }

  private guarded(f: () => string | undefined): string | undefined {
    try {
      return f();
    } catch (error) {
      if (!(error instanceof UserError))
        process.stderr.write(`${error instanceof Error ? error.stack : ''}\n`);
      // A text behind "E." is what newer versions of gdb show.
      return `E.${sentenceOf(error)}`;
    }
  }

  /** gdb is gone, or is to go. */
  detach(): void {
    this.control.observers.delete(this);
    this.breakpoints.clear();
    this.session.dispose();
  }

  // --- running --------------------------------------------------------------------------------------------------

  /** Lets the guest run, or waits if it does already; its next stop answers. @throws UserError */
  run(start: () => void): string | undefined {
    if (this.control.ended) return EXITED;
    this.behindAccess = undefined;
    this.isWaiting = true;
    if (this.control.running) return undefined;
    try {
      start();
    } catch (error) {
      this.isWaiting = false;
      throw error;
    }
    this.hooks.resumed(this.cpu);
    return undefined;
  }

  /**
   * gdb takes AArch64's watchpoints for exceptions before the access: it steps once to see what has changed. Here the
   * access has been made, so this step has nothing to do. @returns whether it was that step
   */
  isPastAccess(cpu: number): boolean {
    const at = this.behindAccess;
    this.behindAccess = undefined;
    return !this.control.running && at?.cpu === cpu && at.time === this.control.target.machine.now();
  }

  /** The state now, or when the guest stops. */
  status(): string | undefined {
    if (this.control.ended) return EXITED;
    if (!this.control.running) return this.stopReply(this.control.lastStop);
    this.isWaiting = true;
    return undefined;
  }

  interrupt(): void {
    if (!this.control.running) return;
    this.isInterrupting = true;
    this.control.pause(this.cpu);
  }

  // --- what happens to the guest ----------------------------------------------------------------------------------

  resumed(): void {
    this.session.forgetHandles();
  }

  stopped(report: StopReport): void {
    const mine = this.isInterrupting;
    this.isInterrupting = false;
    this.cpu = report.cpu;
    if (!this.isWaiting) return;
    this.isWaiting = false;
    const why = this.explanation(report, mine);
    if (why !== undefined) this.wire.send(`O${textToHex(`${why}\n`)}`);
    const reply = this.stopReply(report);
    if (this.breakpoints.isAccess(report))
      this.behindAccess = { cpu: report.cpu, time: this.control.target.machine.now() };
    this.wire.send(reply);
  }

  ended(): void {
    this.isInterrupting = false;
    if (this.isWaiting) this.wire.send(EXITED);
    this.isWaiting = false;
  }

  attached(): void {
    this.session.target = this.control.target;
    this.session.forgetHandles();
    this.registers = new GdbRegisters(this.control.target);
    this.cpu = Math.min(this.cpu, this.control.target.machine.cpus - 1);
    this.behindAccess = undefined;
  }

  /** A stop that gdb has not asked for says what it is. */
  private explanation(report: StopReport, isMine: boolean): string | undefined {
    if (isMine || report.reason === 'step' || report.others?.length) return undefined;
    return report.text === undefined ? report.description : `${report.description}. ${report.text}`;
  }

  /** `T05thread:1;...` */
  stopReply(report: StopReport | undefined): string {
    const signals: Partial<Record<StopReport['reason'], number>> = {
      pause: Signal.interrupt,
      exception: Signal.illegal,
    };
    const signal = signals[report?.reason ?? 'step'] ?? Signal.trap;
    const thread = `thread:${(this.cpu + 1).toString(16)};`;
    return `T${byte(signal)}${thread}${report ? this.breakpoints.stopReason(report, this.knows) : ''}`;
  }
}
