/** Finds exception loops: a CPU that takes the same exception again and again without executing anything else. */
import type { TraceEvent } from '../arch/types';

/** So many exceptions in a row without progress are a loop. */
const LIMIT = 64;
/** Instructions between two exceptions that count as no progress. */
const NO_PROGRESS = 2n;

interface Last {
  readonly pc: bigint;
  readonly target: bigint | undefined;
  readonly count: bigint;
  repeats: number;
}

export class LoopDetector {
  private readonly last = new Map<number, Last>();

  /** Looks at an exception entry. @returns true when it completes a loop; then counting begins anew */
  see(e: TraceEvent): boolean {
    if (e.kind !== 'entry') return false;
    const before = this.last.get(e.cpu);
    const same = before?.pc === e.pc && before.target === e.target && e.count - before.count <= NO_PROGRESS;
    const repeats = before && same ? before.repeats + 1 : 0;
    this.last.set(e.cpu, { pc: e.pc, target: e.target, count: e.count, repeats: repeats % LIMIT });
    return repeats === LIMIT;
  }
}
