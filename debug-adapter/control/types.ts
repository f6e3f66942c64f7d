import type { TraceEvent } from '../arch/types';
import type { ModuleChanges } from '../linux/module-symbols';

/** A stop as the user sees it. */
export interface StopReport {
  /** DAP `StoppedEvent.reason`. */
  readonly reason:
    | 'entry'
    | 'breakpoint'
    | 'function breakpoint'
    | 'instruction breakpoint'
    | 'data breakpoint'
    | 'step'
    | 'pause'
    | 'trap'
    | 'exception';
  /** E.g. `Paused on HVC #0 from EL1`. */
  readonly description: string;
  /** More than the description says. */
  readonly text?: string;
  readonly cpu: number;
  readonly hitBreakpointIds: readonly number[];
  /** The same of breakpoints that another front end has set. */
  readonly others?: readonly number[];
  /** Filters that this stop names, by id. */
  readonly filters: readonly string[];
}

/** How a run ended for good. */
export interface EndReport {
  readonly kind: 'poweroff' | 'reset';
  readonly reason: string;
}

/** Who hears what a run does. */
export interface ControlListener {
  /** The guest runs or is stepped: what was known of it is out of date. */
  resumed(): void;
  stopped(report: StopReport): void;
  /** The machine is off; nothing runs any more. */
  ended(report: EndReport): void;
  /** Bytes that the guest wrote on its console. */
  console(bytes: Uint8Array, port: string): void;
  /** A message for the user: logpoints, notes of the board. */
  message(text: string): void;
  /** An event of the trace, while the machine runs; only if it is followed. */
  trace(event: TraceEvent): void;
  /** Whether somebody wants the trace while the machine runs: to work out an event takes time. Absent: yes. */
  readonly followsTrace?: () => boolean;
  /** A breakpoint was verified later than it was set. */
  breakpointChanged(id: number): void;
  /** Files of symbols have come or gone: the modules of a kernel. */
  modulesChanged?(changes: ModuleChanges): void;
}

/** A front end beside the one that launched the guest: it hears of what happens behind the listener. */
export interface ControlObserver {
  resumed(): void;
  stopped(report: StopReport): void;
  ended(report: EndReport): void;
  /** There is a new guest. */
  attached(): void;
}

export type StepKind = 'in' | 'over' | 'out';
export type Granularity = 'instruction' | 'line';

/** A breakpoint of run control's own: a place, and whether this arrival counts. */
export interface Temporary {
  readonly cpu: number;
  /** RAM offsets. */
  readonly offsets: readonly number[];
  readonly counts: () => boolean;
}

/** What ends a piece of a run, beside what always does. */
export interface AdvanceOptions {
  /** End when this CPU has retired so many instructions. */
  readonly retired?: { readonly cpu: number; readonly count: bigint };
  readonly temporary?: Temporary;
  /** End when this CPU has taken an exception. */
  readonly entriesOn?: number;
}

/** How a piece of a run ended. */
export type Outcome =
  | { readonly kind: 'stop'; readonly report: StopReport }
  | { readonly kind: 'end'; readonly report: EndReport }
  /** The instructions asked for have been executed. */
  | { readonly kind: 'done' }
  /** The stepped CPU has taken an exception. */
  | { readonly kind: 'entered'; readonly interrupt: boolean }
  /** A temporary breakpoint was reached in the context that it is for. */
  | { readonly kind: 'arrived' }
  /** Ended by halt(): nobody is to hear of it. */
  | { readonly kind: 'halted' };
