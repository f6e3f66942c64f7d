/** The arithmetic of priorities that the physical and the virtual CPU interface share (IHI 0069 4.8). */
import { IDLE, preemptionBits } from './interrupts';

interface BinaryPoints {
  readonly bpr: readonly [number, number];
  /** CBPR: group 1 uses the binary point of group 0. */
  readonly commonBpr: boolean;
}

/** The priority bits that decide preemption between interrupts of a group. */
export function groupPriorityMask(c: BinaryPoints, group: 0 | 1): number {
  // Group 1's binary point counts one less: its field is [7:BPR1], group 0's is [7:BPR0 + 1].
  const shift = group === 0 || c.commonBpr ? c.bpr[0] + 1 : c.bpr[1];
  return (0xff << shift) & 0xff;
}

/** Priority of the highest active preemption level, from the active priorities of both groups. */
export function runningPriority([ap0, ap1]: readonly [number, number]): number {
  const all = ap0 | ap1;
  return all === 0 ? IDLE : lowestBit(all) << (8 - preemptionBits);
}

/** Does a pending interrupt pass the priority mask and preempt what is active? */
export function signalsPreemption(
  next: { readonly priority: number; readonly group: 0 | 1 },
  pmr: number,
  points: BinaryPoints,
  active: readonly [number, number],
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
