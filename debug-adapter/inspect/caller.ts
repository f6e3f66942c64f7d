/** Where "step out" goes, by the call stack that the debugger shows. */
import { callerOf, type Caller } from '../control/caller';
import type { Target } from '../target';
import { StackWalker } from './frames';
import { exceptionHistory } from './history';

/**
 * The frame below the current function's, or what its handler interrupted. The stack pointer of the caller is what
 * tells a return from the same return of a deeper recursion.
 */
export function callerByStack(target: Target, cpu: number): Caller | undefined {
  const walker = new StackWalker(target.guest, exceptionHistory(target.trace, target.arch));
  const [own, next, below] = walker.frames(cpu).filter((f) => f.inlined === undefined);
  if (own?.kind === 'code' && next?.kind === 'code')
    return { pc: next.pc, el: next.level, minSp: next.registers.reader('sp') };
  if (own?.kind === 'code' && below?.kind === 'code') return { pc: below.pc, el: below.level, minSp: 0n };
  return callerOf(target, cpu);
}
