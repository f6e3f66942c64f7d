/**
 * Round-robin of the CPUs on one thread, and virtual time. A CPU runs until its quantum, a deadline (timer, replayed
 * input) or the caller's limit; the state of the schedule is plain data and part of a snapshot.
 */

/** Instructions that a CPU may run before the next one has its turn. */
export const QUANTUM = 20_000;

export interface ScheduleState {
  current: number;
  quantumLeft: number;
  /** Virtual time: instructions retired by all CPUs plus time skipped while all slept. */
  vtime: bigint;
  /** Powered on, per CPU. */
  on: boolean[];
}

export const initialSchedule = (cpus: number): ScheduleState => ({
  current: 0,
  quantumLeft: QUANTUM,
  vtime: 0n,
  on: Array.from({ length: cpus }, (_, i) => i === 0),
});

/** The next CPU in turn after `current` for which `ready` holds; undefined when there is none. */
export function nextReady(s: ScheduleState, ready: (cpu: number) => boolean): number | undefined {
  for (let i = 1; i <= s.on.length; i++) {
    const cpu = (s.current + i) % s.on.length;
    if (s.on[cpu] && ready(cpu)) return cpu;
  }
  return undefined;
}
