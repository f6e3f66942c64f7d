/** Helpers that several sections of data-processing rows share. */
import type { Operand, Val } from '../../../ir/nodes';
import type { Ty } from '../../../ir/ops';
import type { A64 } from '../sem';

/** W for sf = 0, X for sf = 1: the general-purpose register kinds of asm templates. */
export const reg = (sf: number): 'w' | 'x' => (sf ? 'x' : 'w');

/** The type in which an instruction computes. */
export const width = (sf: number): Ty => (sf ? 'i64' : 'i32');

/** Number of bits of the operation. */
export const datasize = (sf: number): number => (sf ? 64 : 32);

/** ADD, ADDS, SUB and SUBS of two values; returns the result and sets the flags when `setFlags`. */
export function addSub(s: A64, a: Val, b: Val, subtract: boolean, setFlags: boolean): Val {
  const value = subtract ? s.sub(a, b) : s.add(a, b);
  if (setFlags) s.setNZCV(subtract ? subFlags(s, a, b, value) : s.addWithCarry(a, b, 0).flags());
  return value;
}

/**
 * The flags of a - b, the same that AddWithCarry(a, NOT(b), '1') gives, in fewer operations: no borrow is a >= b, and
 * overflow needs operands of different sign.
 */
function subFlags(s: A64, a: Val, b: Val, value: Val): Val {
  const noBorrow = s.geu(a, b);
  const overflow = s.lts(s.and(s.xor(a, b), s.xor(a, value)), s.k(a.ty, 0));
  return s.or(s.flagsNZ(value), s.or(s.shli(noBorrow, 29), s.shli(overflow, 28)));
}

/** Bit n is set when the condition holds for NZCV = n (Arm ARM DDI 0487 C1.2.4). */
export function conditionTable(cond: number): number {
  let table = 0;
  for (let nzcv = 0; nzcv < 16; nzcv++) if (holds(cond, nzcv)) table |= 1 << nzcv;
  return table;
}

function holds(cond: number, nzcv: number): boolean {
  const n = (nzcv & 8) !== 0;
  const z = (nzcv & 4) !== 0;
  const c = (nzcv & 2) !== 0;
  const v = (nzcv & 1) !== 0;
  const base = [z, c, n, v, c && !z, n === v, n === v && !z, true][cond >> 1]!;
  // 1111 is "always" too: there is no "never".
  return (cond & 1) !== 0 && cond !== 15 ? !base : base;
}

/**
 * ConditionHolds() for a condition that is an operand: one handler serves all sixteen, by a table of 16 bits that is
 * computed when the instruction is decoded. Where the condition is known while generating, its own expression is shorter.
 */
export function conditionHolds(s: A64, cond: Operand): Val {
  if (cond.known !== undefined) return s.condition(Number(cond.known));
  const table = s.operand(cond, 'conditionTable', 4, (c) => BigInt(conditionTable(Number(c))));
  return s.andi(s.shru(table, s.shri(s.nzcv(), 28)), 1);
}
