/** The arithmetic of priorities that the physical and the virtual CPU interface share (IHI 0069 4.8). */
import { IDLE, preemptionBits, type Group } from './interrupts';

interface BinaryPoints {
  /** By group. */
  readonly bpr: readonly number[];
  /** CBPR: group 1 uses the binary point of group 0. */
  readonly commonBpr: boolean;
  /** The same for group 1 of Secure state. */
  readonly secure?: { readonly commonBpr: boolean };
}

/** The priority bits that decide preemption between interrupts of a group. */
export function groupPriorityMask(c: BinaryPoints, group: Group): number {
  const common = group === 2 ? c.secure?.commonBpr : c.commonBpr;
  const point = c.bpr[common ? 0 : group] ?? 0;
  // Group 1's binary point counts one less where it is not Secure state's: its field is [7:BPR1], the others' [7:BPR + 1].
  const shift = group === 1 && !common ? point : point + 1;
  return (0xff << shift) & 0xff;
}

/** Priority of the highest active preemption level, from the active priorities of all groups. */
export function runningPriority(active: readonly number[]): number {
  const all = active.reduce((a, b) => a | b, 0);
  return all === 0 ? IDLE : lowestBit(all) << (8 - preemptionBits);
}

/** Does a pending interrupt pass the priority mask and preempt what is active? */
export function signalsPreemption(
  next: { readonly priority: number; readonly group: Group },
  pmr: number,
  points: BinaryPoints,
  active: readonly number[],
): boolean {
  if (next.priority >= pmr) return false;
  const running = runningPriority(active);
  const mask = groupPriorityMask(points, next.group);
  return running === IDLE || (next.priority & mask) < (running & mask);
}

/** Number of the lowest set bit of a non-zero word. */
export function lowestBit(word: number): number {
  return 31 - Math.clz32(word & -word);
}
