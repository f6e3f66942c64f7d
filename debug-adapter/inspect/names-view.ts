import type { Target } from '../target';
import type { Frame } from './frame';
import type { StackWalker } from './frames';
import type { Guest } from './guest';

/** What names are looked up in: a stop, or the moment in which a condition is asked. */
export interface NamesView {
  /** Counts the debugger's own writes: what was read before the last is stale. */
  readonly version: number;
  readonly walker: StackWalker;
  readonly guest: Guest;
  /** What a call will report as its syndrome, that a frame is about to make. */
  readonly heldCall?: (frame: Frame) => Readonly<Record<string, bigint>> | undefined;
  readonly target: Pick<Target, 'symbols' | 'arch' | 'kernelTypes' | 'linux'>;
}
