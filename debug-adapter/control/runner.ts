/**
 * Runs the machine in slices on this thread: requests are answered between slices, and the JIT gets its chance to tier
 * up. A slice is measured, so that it takes at most about 10 ms whatever the guest does.
 */
import type { Machine, Stop } from '../../emulator/core/machine';

/** Wall time that a slice may take, in ms. */
const SLICE_MS = 8;
const MIN_SLICE = 2_000;
const MAX_SLICE = 4_000_000;
/** First slice of a machine with a console: small, since each wake-up of an idle guest skips much virtual time. */
const PACED_SLICE = 200;
/** One unit of virtual time is one nanosecond of the board's clock (16 of them make a tick of 62.5 MHz). */
const NS_PER_MS = 1e6;

export class Runner {
  private slice = 100_000;
  private gentle = PACED_SLICE;
  private woken = false;
  private lastYield = performance.now();
  private wakeUp: (() => void) | undefined;
  /** An idle guest waits for wall time, because somebody types at its console. */
  interactive = false;
  /** Virtual and wall time of the last moment in which they agreed. */
  private pace: { vtime: bigint; wall: number } | undefined;

  constructor(readonly target: { readonly machine: Machine }) {}

  /** Runs one slice of at most `most` instructions, or until CPU `retired.cpu` has retired so many. */
  slices(retired?: { cpu: number; count: bigint }, most = Infinity): Stop {
    const { machine } = this.target;
    const instructions = Math.min(most, this.interactive ? Math.min(this.gentle, this.slice) : this.slice);
    const from = machine.now();
    const before = performance.now();
    if (this.interactive) this.pace ??= { vtime: from, wall: before };
    const stop = machine.run({ instructions, ...(retired ? { retired } : {}) });
    const took = performance.now() - before;
    if (stop.kind === 'limit' && !retired) this.adapt(took);
    // More time than instructions: the guest has slept.
    const slept = machine.now() - from > BigInt(instructions);
    this.gentle = slept ? PACED_SLICE : Math.min(MAX_SLICE, this.gentle * 2);
    return stop;
  }

  private adapt(took: number): void {
    if (took > SLICE_MS) this.slice = Math.max(MIN_SLICE, Math.floor((this.slice * SLICE_MS) / (2 * took)));
    else if (took < SLICE_MS / 2) this.slice = Math.min(MAX_SLICE, this.slice * 2);
  }

  /** Lets requests be answered if it has been a while. */
  async breathe(): Promise<void> {
    await this.keepPace();
    if (performance.now() - this.lastYield < SLICE_MS) return;
    await new Promise<void>((resolve) => setImmediate(resolve));
    this.lastYield = performance.now();
  }

  /** Where an idle guest is ahead of wall time, waits; a busy one is behind, and owes nothing. */
  private async keepPace(): Promise<void> {
    if (!this.interactive) {
      this.pace = undefined;
      return;
    }
    const vtime = this.target.machine.now();
    this.woken = false;
    for (;;) {
      const wall = performance.now();
      const ahead = this.pace ? Number(vtime - this.pace.vtime) / NS_PER_MS - (wall - this.pace.wall) : 0;
      if (ahead <= 0 || this.woken) {
        this.pace = { vtime, wall };
        return;
      }
      if (ahead <= 2) return;
      await this.sleep(ahead);
    }
  }

  /** Waits until `wake`, at most `ms`. */
  async sleep(ms?: number): Promise<void> {
    await new Promise<void>((resolve) => {
      const timer = ms === undefined ? undefined : setTimeout(resolve, ms);
      this.wakeUp = () => {
        clearTimeout(timer);
        resolve();
      };
    });
    this.wakeUp = undefined;
    this.lastYield = performance.now();
  }

  /** Ends a `sleep`: there is input, or somebody wants to pause. */
  wake(): void {
    this.woken = true;
    this.wakeUp?.();
  }
}
