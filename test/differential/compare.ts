/** Compares results, with the table of QEMU's deviations. */
import { deviations, type Both } from './deviations';
import { resultWords, wordOffset } from './record';

const ALL = 0xffffffffffffffffn;

export interface Difference {
  readonly name: string;
  /** What is expected. */
  readonly qemu: bigint;
  readonly ours: bigint;
}

/** How often each deviation was met. */
export type Tally = Map<string, number>;

/** The words in which the emulator's two tiers differ; nothing explains one. */
export function tierDifferences(interpreted: Buffer, translated: Buffer): Difference[] {
  if (interpreted.equals(translated)) return [];
  return resultWords.flatMap(([name, offset]) => {
    const [qemu, ours] = [interpreted.readBigUInt64LE(offset), translated.readBigUInt64LE(offset)];
    return qemu === ours ? [] : [{ name, qemu, ours }];
  });
}

/** The words that differ and that no deviation explains. */
export function differences(both: Both, tally: Tally = new Map<string, number>()): Difference[] {
  if (both.qemu.equals(both.ours)) return [];
  const met: string[] = [];
  const ignored = new Map<number, bigint>();
  for (const d of deviations) {
    if (d.word === 'all') continue;
    const offset = wordOffset(d.word);
    const bits = d.bits ?? ALL;
    const differ = (both.qemu.readBigUInt64LE(offset) ^ both.ours.readBigUInt64LE(offset)) & bits;
    if (differ === 0n || !d.when(both)) continue;
    ignored.set(offset, (ignored.get(offset) ?? 0n) | bits);
    met.push(d.name);
  }
  const found = resultWords.flatMap(([name, offset]) => {
    const qemu = both.qemu.readBigUInt64LE(offset);
    const ours = both.ours.readBigUInt64LE(offset);
    return ((qemu ^ ours) & ~(ignored.get(offset) ?? 0n)) === 0n ? [] : [{ name, qemu, ours }];
  });
  const whole = found.length > 0 ? deviations.find((d) => d.word === 'all' && d.when(both)) : undefined;
  for (const name of whole ? [whole.name] : met) tally.set(name, (tally.get(name) ?? 0) + 1);
  return whole ? [] : found;
}
