/**
 * What a function's first instructions say of its stack frame, for code without call frame information: how far SP has
 * moved, and where it has put the registers of its caller. Encodings: Arm ARM DDI 0487 C6.2.
 */
import type { FramePlan } from '../../dsl/debug';

const SP = 31;
const LR = 30;

/** The signed number in `width` bits from `lsb` on. */
const signed = (word: number, lsb: number, width: number): number =>
  (word << (32 - lsb - width)) >> (32 - width);
const rn = (word: number): number => (word >>> 5) & 31;
const rt = (word: number): number => word & 31;
const rt2 = (word: number): number => (word >>> 10) & 31;

/** An access to the stack: SP is changed before or behind it, and `registers` lie one after the other. */
interface StackAccess {
  readonly isLoad: boolean;
  readonly before: number;
  readonly at: number;
  readonly behind: number;
  /** General-purpose registers; none for FP and SIMD. */
  readonly registers: readonly number[];
}

/** STP, LDP of X registers (bit 31) or of D and Q registers (bit 26): pre-, post-index or offset in bits 24-23. */
function pairAccess(word: number): StackAccess | undefined {
  if ((word & 0x3a000000) !== 0x28000000 || rn(word) !== SP) return undefined;
  const isVector = ((word >>> 26) & 1) === 1;
  const scale = isVector ? 4 << (word >>> 30) : word >>> 31 ? 8 : 4;
  const imm = signed(word, 15, 7) * scale;
  const mode = (word >>> 23) & 3;
  const registers = !isVector && word >>> 31 ? [rt(word), rt2(word)] : [];
  const isLoad = ((word >>> 22) & 1) === 1;
  if (mode === 3) return { isLoad, before: imm, at: 0, behind: 0, registers };
  return { isLoad, before: 0, at: mode === 1 ? 0 : imm, behind: mode === 1 ? imm : 0, registers };
}

/** STR, LDR of an X register: unsigned offset, or pre- and post-index. */
function singleAccess(word: number): StackAccess | undefined {
  if (rn(word) !== SP) return undefined;
  const isLoad = ((word >>> 22) & 1) === 1;
  const registers = [rt(word)];
  if ((word & 0xff800000) >>> 0 === 0xf9000000)
    return { isLoad, before: 0, at: ((word >>> 10) & 0xfff) * 8, behind: 0, registers };
  if ((word & 0xffa00400) >>> 0 !== 0xf8000400) return undefined;
  const imm = signed(word, 12, 9);
  const isPre = ((word >>> 11) & 1) === 1;
  return { isLoad, before: isPre ? imm : 0, at: 0, behind: isPre ? 0 : imm, registers };
}

/** ADD and SUB of SP and an immediate to SP. */
function moveOfSp(word: number): number | undefined {
  if ((word & 0xbf8003ff) >>> 0 !== 0x910003ff) return undefined;
  const amount = ((word >>> 10) & 0xfff) << (((word >>> 22) & 1) * 12);
  return (word >>> 30) & 1 ? -amount : amount;
}

/** RET, RETAA and RETAB. */
const isRet = (word: number): boolean =>
  word >>> 0 === 0xd65f03c0 || (word & 0xfffffbff) >>> 0 === 0xd65f0bff;

/** Whether execution may go on elsewhere. */
const isBranch = (word: number): boolean =>
  (word & 0x7c000000) === 0x14000000 ||
  (word & 0xff000000) >>> 0 === 0x54000000 ||
  (word & 0x7c000000) === 0x34000000 ||
  (word & 0xfe000000) >>> 0 === 0xd6000000;

/** Any other instruction that writes SP: from there on nothing is known. */
const writesSp = (word: number): boolean =>
  // ADD, SUB (immediate, and extended register) with SP as destination.
  rt(word) === SP && ((word & 0xbf800000) >>> 0 === 0x91000000 || (word & 0xbfe00000) >>> 0 === 0x8b200000);

/** Offsets of saved registers from SP as the function found it. */
type Saved = Map<number, number>;

/** Instructions of a prologue that are looked at. */
const MAX = 64;

/** What has happened from the function's first instruction on, until the first branch. */
function forward(words: readonly number[]): { depth: number; saved: Saved } | undefined {
  let sp = 0;
  const saved: Saved = new Map();
  for (const word of words.slice(0, MAX)) {
    if (isBranch(word)) break;
    const moved = moveOfSp(word);
    const access = pairAccess(word) ?? singleAccess(word);
    if (moved !== undefined) sp += moved;
    else if (access) {
      sp += access.before;
      access.registers.forEach((r, i) => {
        if (access.isLoad) saved.delete(r);
        else if (!saved.has(r)) saved.set(r, sp + access.at + 8 * i);
      });
      sp += access.behind;
    } else if (writesSp(word)) return undefined;
  }
  return { depth: -sp, saved };
}

/** What an epilogue still has to do, if the instructions from here on are one: they go straight to a RET. */
function backward(ahead: readonly number[]): { depth: number; saved: Saved } | undefined {
  let sp = 0;
  const saved: Saved = new Map();
  for (const word of ahead) {
    if (isRet(word)) {
      const offsets = [...saved].map(([r, at]) => [r, at - sp] as const);
      return { depth: sp, saved: new Map(offsets) };
    }
    const moved = moveOfSp(word);
    const access = pairAccess(word) ?? singleAccess(word);
    if (moved !== undefined) sp += moved;
    else if (access?.isLoad) {
      sp += access.before;
      access.registers.forEach((r, i) => saved.set(r, sp + access.at + 8 * i));
      sp += access.behind;
    } else if (access || isBranch(word) || writesSp(word)) return undefined;
  }
  return undefined;
}

/** See IsaDebug.framePlan. */
export function framePlan(done: readonly number[], ahead: readonly number[]): FramePlan | undefined {
  const entry = forward(done);
  const exit = backward(ahead);
  // The way out is certain where there is one; a leaf that has saved nothing looks like one, too.
  const chosen = exit && (exit.saved.has(LR) || exit.depth > 0 || entry?.saved.has(LR)) ? exit : entry;
  if (!chosen || chosen.depth < 0) return undefined;
  if (chosen.depth === 0 && !chosen.saved.has(LR)) return undefined;
  const places = [...chosen.saved].filter(([r]) => r < SP).map(([r, at]) => [`x${r}`, BigInt(at)] as const);
  return { size: BigInt(chosen.depth), saved: new Map(places) };
}
