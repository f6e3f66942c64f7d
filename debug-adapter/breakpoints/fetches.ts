/**
 * Tells breakpoints when a CPU begins to execute from a page: the moment at which a translation may have appeared. The
 * machine is asked to say so only while somebody waits.
 */
import type { Machine } from '../../emulator/core/machine';

export class FetchWatch {
  private machine: Machine | undefined;
  private readonly waiting = new Map<object, (cpu: number) => void>();
  private hooked = false;

  /** Goes over to a new guest; those who wait go on waiting. */
  attach(machine: Machine): void {
    this.machine = machine;
    this.hooked = false;
    machine.onFetched = (cpu) => {
      for (const f of [...this.waiting.values()]) f(cpu);
    };
    this.update();
  }

  /** Calls `f` from now on, or no more when it is undefined. One function for each owner. */
  set(owner: object, f: ((cpu: number) => void) | undefined): void {
    if (f) this.waiting.set(owner, f);
    else this.waiting.delete(owner);
    this.update();
  }

  private update(): void {
    const wanted = this.waiting.size > 0;
    if (!this.machine || wanted === this.hooked) return;
    this.hooked = wanted;
    this.machine.setFetchHook(wanted);
  }
}
