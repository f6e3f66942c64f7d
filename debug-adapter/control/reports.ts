/** What stops say, in words. */
import type { StopCause } from '../arch/types';
import type { Hits } from '../breakpoints/manager';
import type { Target } from '../target';
import type { Outcome, StopReport } from './types';

type Stopped = Extract<Outcome, { kind: 'stop' }>;

/** A stop; breakpoints and filters are none unless the report names them. */
export function stopWith(
  report: Omit<StopReport, 'hitBreakpointIds' | 'filters'> & Partial<StopReport>,
): Stopped {
  return { kind: 'stop', report: { hitBreakpointIds: [], filters: [], ...report } };
}

/** Filters have stopped a CPU, perhaps where breakpoints are as well. */
export function trapStop(
  cpu: number,
  causes: readonly StopCause[],
  hits: Hits,
  problems: readonly string[],
  others: Pick<StopReport, 'others'>,
): Stopped {
  const labels = [...new Set(causes.map((c) => c.label))].filter((l) => l !== '');
  const details = [...new Set(causes.map((c) => c.detail))].join(', ');
  const what = labels.length > 0 ? `${labels.join(', ')}: ${details}` : details;
  const text = [...problems, ...hits.problems].join(' ');
  return stopWith({
    reason: causes.some((c) => c.filter === 'undefined') ? 'exception' : 'trap',
    description: `Paused on ${what}${hits.ids.length > 0 ? ', and on a breakpoint' : ''}`,
    cpu,
    hitBreakpointIds: hits.ids,
    ...others,
    filters: causes.map((c) => c.filter),
    ...(text ? { text } : {}),
  });
}

/** A CPU takes the same exception for ever. */
export function loopStop({ arch, machine }: Target, cpu: number): Stopped {
  const where = `${arch.levelText(cpu)} at 0x${machine.pc(cpu).toString(16)}`;
  const text =
    `The same exception is taken again and again without progress (${where}): ` +
    'check the vector base (VBAR) and that the vectors are mapped and executable.';
  return stopWith({ reason: 'exception', description: 'Paused on an exception loop', text, cpu });
}

/** The instructions that were allowed have been executed. */
export function limitStop(cpu: number, limit: bigint): Stopped {
  const text = `The guest has not powered off within ${limit} instructions.`;
  return stopWith({ reason: 'pause', description: 'Paused by the instruction limit', text, cpu });
}

/** Nothing will wake the guest. */
export function idleStop(cpu: number): Stopped {
  const text = 'The guest waits for an interrupt, and no timer is armed that could bring one.';
  return stopWith({ reason: 'pause', description: 'Paused: idle', text, cpu });
}

/** An error of the debugger's own. */
export function failureStop(cpu: number, error: unknown): Stopped {
  const why = error instanceof Error ? error.message : String(error);
  const text = `Worldswitch failed while the guest ran: ${why}. Please report it.`;
  return stopWith({ reason: 'exception', description: 'Paused on an internal error', text, cpu });
}

/** A step has ended where nothing else is to be said. */
export const stepReport = (cpu: number): StopReport => ({
  reason: 'step',
  description: 'Paused on step',
  cpu,
  hitBreakpointIds: [],
  filters: [],
});
