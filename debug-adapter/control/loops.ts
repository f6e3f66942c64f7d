/** Finds exception loops: a CPU that takes the same exception again and again without executing anything else. */
import type { RawRecord } from '../trace/ring';

/** So many exceptions in a row without progress are a loop. */
const LIMIT = 64;
/** Instructions between two exceptions that count as no progress. */
export const NO_PROGRESS = 2;

interface Last {
  readonly record: RawRecord;
  repeats: number;
}

export class LoopDetector {
  private readonly last: (Last | undefined)[] = [];

  /** Looks at what has just been recorded. @returns true when it completes a loop; then counting begins anew */
  see(record: RawRecord): boolean {
    if (record.kind !== 'entry') return false;
    const { cpu } = record;
    const before = this.last[cpu];
    if (!before) {
      this.last[cpu] = { record: record.copy(), repeats: 0 };
      return false;
    }
    const passed = (record.count - before.record.count) >>> 0;
    const repeats = passed <= NO_PROGRESS && record.isLike(before.record) ? before.repeats + 1 : 0;
    before.record.become(record);
    before.repeats = repeats % LIMIT;
    return repeats === LIMIT;
  }
}
