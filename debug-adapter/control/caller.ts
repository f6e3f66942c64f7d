/** Where "step out" goes: the return address of the current function, or what an exception handler interrupted. */
import { common } from '../../emulator/ir/state';
import { loadMemory } from '../expressions/names';
import type { Target } from '../target';

export interface Caller {
  readonly pc: bigint;
  readonly el: number;
  /** The stack pointer is at least here when the function has returned. */
  readonly minSp: bigint;
}

/** stp x29, x30, [sp, #imm]! and stp x29, x30, [sp, #imm]: Arm ARM DDI 0487 C6.2.330. */
const savesFrame = (word: bigint): boolean =>
  (word & 0xffc07fffn) === 0xa9807bfdn || (word & 0xffc07fffn) === 0xa9007bfdn;
/** BL and BLR: whatever is behind one may be a return address. */
const isCall = (word: bigint): boolean =>
  (word & 0xfc000000n) === 0x94000000n || (word & 0xfffffc1fn) === 0xd63f0000n;
/** Functions are searched for their prologue so far. */
const MAX_PROLOGUE = 64n;

/** Whether the frame record of the current function has been written: its `stp x29, x30` is behind the PC. */
function hasFrame(target: Target, cpu: number, pc: bigint, start: bigint): boolean {
  for (let at = start; at < pc && at < start + 4n * MAX_PROLOGUE; at += 4n) {
    const word = loadMemory(target, cpu, at, 4);
    if (word !== undefined && savesFrame(word)) return true;
  }
  return false;
}

/** The caller of what a CPU executes; undefined where nothing says. */
export function callerOf(target: Target, cpu: number): Caller | undefined {
  const { arch, symbols, machine } = target;
  const { pc, el, sp, vmid } = arch.context(cpu);
  const regime =
    el === 2 ? { el: 'EL2' as const } : { el: 'EL1' as const, ...(vmid === undefined ? {} : { vmid }) };
  const symbol = symbols.functionAt({ va: pc, regime }) ?? symbols.symbolAt({ va: pc, regime });
  const register = (name: string): bigint => arch.register(cpu, name) ?? 0n;
  const framed = symbol !== undefined && hasFrame(target, cpu, pc, symbol.address);
  const address = framed ? loadMemory(target, cpu, register('fp') + 8n, 8) : register('lr');
  const before = address === undefined ? undefined : loadMemory(target, cpu, address - 4n, 4);
  if (
    address !== undefined &&
    before !== undefined &&
    isCall(before) &&
    address !== machine.state.get(cpu, common.pc)
  )
    return { pc: address, el, minSp: sp };
  if (el === 0) return undefined;
  const spsr = register(`SPSR_EL${el}`);
  // An exception handler returns to the level in SPSR.M[3:2].
  return { pc: register(`ELR_EL${el}`), el: Number((spsr >> 2n) & 3n), minSp: 0n };
}
