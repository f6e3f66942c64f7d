/** Compares results, with the table of QEMU's deviations. */
import { deviations, type Both } from './deviations';
import { offsetOf, resultWords } from './record';

export interface Difference {
  readonly name: string;
  readonly qemu: bigint;
  readonly ours: bigint;
}

/** How often each deviation was met. */
export type Tally = Map<string, number>;

/** The words that differ and that no deviation explains. */
export function differences(both: Both, tally: Tally = new Map<string, number>()): Difference[] {
  if (both.qemu.equals(both.ours)) return [];
  const ignored = new Map<number, bigint>();
  for (const d of deviations) {
    const offset = offsetOf(d.word);
    const differ = (both.qemu.readBigUInt64LE(offset) ^ both.ours.readBigUInt64LE(offset)) & d.bits;
    if (differ === 0n || !d.when(both)) continue;
    ignored.set(offset, (ignored.get(offset) ?? 0n) | d.bits);
    tally.set(d.name, (tally.get(d.name) ?? 0) + 1);
  }
  return resultWords.flatMap(([name, offset]) => {
    const qemu = both.qemu.readBigUInt64LE(offset);
    const ours = both.ours.readBigUInt64LE(offset);
    return ((qemu ^ ours) & ~(ignored.get(offset) ?? 0n)) === 0n ? [] : [{ name, qemu, ours }];
  });
}
