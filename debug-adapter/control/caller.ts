/**
 * Where "step out" goes: the return address of the current function, or what an exception handler interrupted. Works
 * on code without debug information, by what calls and frame records look like; a debugger that knows more replaces it
 * (Control.callerOf).
 */
import { loadMemory } from '../expressions/names';
import type { Target } from '../target';

export interface Caller {
  readonly pc: bigint;
  readonly el: number;
  /** The stack pointer is at least here when the function has returned. */
  readonly minSp: bigint;
}

/** Functions are looked at up to this size, in instructions. */
const MAX_FUNCTION = 4096;

// Encodings: Arm ARM DDI 0487 C6.2.
const isBl = (word: number): boolean => (word & 0xfc000000) >>> 0 === 0x94000000;
const isBlr = (word: number): boolean => (word & 0xfffffc1f) >>> 0 === 0xd63f0000;
const isReturn = (word: number): boolean =>
  (word & 0xfffffc1f) >>> 0 === 0xd65f0000 || word >>> 0 === 0xd69f03e0;
/** stp x29, x30, [sp, #imm]! and stp x29, x30, [sp, #imm]. */
const savesFrame = (word: number): boolean =>
  (word & 0xffc07fff) >>> 0 === 0xa9807bfd || (word & 0xffc07fff) >>> 0 === 0xa9007bfd;
/** Where a BL at an address goes. */
const targetOf = (word: number, at: bigint): bigint =>
  BigInt.asUintN(64, at + (BigInt.asIntN(26, BigInt(word)) << 2n));

class CodeReader {
  constructor(
    private readonly target: Target,
    private readonly cpu: number,
  ) {}

  /** The instruction word at an address, if it can be read. */
  word(address: bigint): number | undefined {
    const value = loadMemory(this.target, this.cpu, address, 4);
    return value === undefined ? undefined : Number(value);
  }

  /** Straight on from one address to another without an instruction that returns: they are one function. */
  isOneFunction(from: bigint, to: bigint): boolean {
    if (from > to || to - from > BigInt(4 * MAX_FUNCTION)) return false;
    for (let at = from; at < to; at += 4n) {
      const word = this.word(at);
      if (word === undefined || isReturn(word)) return false;
    }
    return true;
  }

  /** Whether an address is behind a BL to the function that has the PC. */
  calledHere(back: bigint, pc: bigint): boolean {
    const word = this.word(back - 4n);
    return word !== undefined && isBl(word) && this.isOneFunction(targetOf(word, back - 4n), pc);
  }

  /** Whether an address is behind a call through a register: to where, nobody knows any more. */
  calledSomewhere(back: bigint): boolean {
    const word = this.word(back - 4n);
    return word !== undefined && isBlr(word);
  }

  /** Whether the function has saved x29 and x30 before the PC. */
  hasFrame(pc: bigint): boolean {
    for (let at = pc - 4n; pc - at < BigInt(4 * MAX_FUNCTION); at -= 4n) {
      const word = this.word(at);
      if (word === undefined || isReturn(word)) return false;
      if (savesFrame(word)) return true;
    }
    return false;
  }
}

/** The caller of what a CPU executes; undefined where nothing says. */
export function callerOf(target: Target, cpu: number): Caller | undefined {
  const { arch } = target;
  const { pc, el, sp } = arch.context(cpu);
  const code = new CodeReader(target, cpu);
  const register = (name: string): bigint => arch.register(cpu, name) ?? 0n;
  const saved = (at: bigint): bigint | undefined =>
    at & 7n ? undefined : loadMemory(target, cpu, at + 8n, 8);
  const framed = code.hasFrame(pc);
  const candidates = framed
    ? [saved(register('fp')), saved(sp), register('lr')]
    : [register('lr'), saved(register('fp'))];
  const known = candidates.filter((c) => c !== undefined && c !== 0n && (c & 3n) === 0n) as bigint[];
  const back = known.find((c) => code.calledHere(c, pc)) ?? known.find((c) => code.calledSomewhere(c));
  if (back !== undefined) return { pc: back, el, minSp: sp };
  if (el === 0) return undefined;
  // An exception handler: SPSR.M[3:2] is the level to which it returns.
  const below = Number((register(`SPSR_EL${el}`) >> 2n) & 3n);
  return { pc: register(`ELR_EL${el}`), el: below, minSp: 0n };
}
