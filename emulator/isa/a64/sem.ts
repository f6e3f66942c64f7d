/**
 * The Builder of A64 rows: registers, flags, shifts, memory accesses and exceptions in the terms of the Arm ARM's
 * pseudocode (Arm ARM DDI 0487 appendix J1.3).
 */
import { Builder } from '../../ir/builder';
import type { Access, Operand, Routine, Val } from '../../ir/nodes';
import type { Ty } from '../../ir/ops';
import type { LaneBits } from '../../ir/simd';
import { recordEvent, stopBefore, type EventName } from './events';
import { raiseFp, raiseSpAlignment, raiseUndefined } from './exceptions/exception';
import { SP, state, TRASH, vectorViews, ZERO } from './state';

const X = state.x.offset;
const V = state.v.offset;
const slotX = (r: number): bigint => BigInt(X + 8 * r);

/** Bits of Access.flags. */
export const Flag = {
  /** As if at EL0 (LDTR, STTR). */
  unprivileged: 1,
  /** Must be aligned to its whole size whatever SCTLR.A says (exclusive, acquire/release). */
  aligned: 2,
  /** Sign-extended load, for ISS.SSE. */
  signExtend: 4,
  /** Loads to or stores from an X register, for ISS.SF. */
  sf: 8,
  /** Acquire or release, for ISS.AR. */
  acqRel: 16,
  /** The abort's ISS describes the access (ISV): single general-purpose register, no writeback. */
  isv: 32,
  /** Cache maintenance by address, but not DC ZVA: ISS.CM. */
  cacheMaintenance: 64,
} as const;

export class A64 extends Builder {
  // --- general-purpose registers --------------------------------------------------------------------------------

  /** X or W register (31 reads as zero): i64, or i32 when `sf` is 0. */
  x(r: Operand, sf = 1): Val {
    if (r.known === 31n) return this.k(sf ? 'i64' : 'i32', 0);
    const slot = this.operand(r, 'xr', 2, (n) => slotX(n === 31n ? ZERO : Number(n)));
    const v = this.getSlot(state.x, slot);
    return sf ? v : this.wrap(v);
  }

  /** Writes an X or W register (31 is discarded); an i32 value is zero-extended. */
  setX(r: Operand, v: Val): void {
    if (r.known === 31n) return;
    const slot = this.operand(r, 'xw', 2, (n) => slotX(n === 31n ? TRASH : Number(n)));
    this.setSlot(state.x, slot, this.to('i64', v));
  }

  /** X or W register where 31 is the current stack pointer. */
  xsp(r: Operand, sf = 1): Val {
    const v = this.getSlot(
      state.x,
      this.operand(r, 'xsp', 2, (n) => slotX(Number(n))),
    );
    return sf ? v : this.wrap(v);
  }

  setXsp(r: Operand, v: Val): void {
    this.setSlot(
      state.x,
      this.operand(r, 'xsp', 2, (n) => slotX(Number(n))),
      this.to('i64', v),
    );
  }

  /** A register by a number fixed in the row, such as X30 in BL. */
  xn(n: number): Val {
    return this.get(state.x, n);
  }

  setXn(n: number, v: Val): void {
    this.set(state.x, this.to('i64', v), n);
  }

  sp(): Val {
    return this.get(state.x, SP);
  }

  /** The value of an immediate field, zero-extended, or of a derived operand (which may be negative). */
  imm(f: Operand, ty: Ty = 'i64'): Val {
    return this.operand(f, ty === 'i64' ? 'imm64' : 'imm32', ty === 'i64' ? 8 : 4);
  }

  /** The number in a register field, as an i32: for syndromes. */
  num(f: Operand): Val {
    return this.operand(f, 'num', 2);
  }

  // --- SIMD registers -------------------------------------------------------------------------------------------

  /** 64-bit half of a vector register: `half` 0 is the low one. */
  v(r: Operand, half: 0 | 1 = 0): Val {
    return this.getSlot(state.v, this.vslot(r), 8 * half);
  }

  /** The n-th register after `r` (modulo 32), for register lists. */
  vNext(r: Operand, n: number, half: 0 | 1 = 0): Val {
    return this.getSlot(state.v, this.vslot(r, n), 8 * half);
  }

  /** A vector register; `n`: the n-th after `r` (modulo 32). */
  q(r: Operand, n = 0): Val {
    return this.getSlot(vectorViews[16], this.vslot(r, n));
  }

  setQ(r: Operand, v: Val, n = 0): void {
    this.setSlot(vectorViews[16], this.vslot(r, n), v);
  }

  /** The low 32 bits of a vector register: i32. */
  vSingle(r: Operand): Val {
    return this.getSlot(vectorViews[4], this.vslot(r));
  }

  /** Writes all 128 bits; `hi` defaults to zero, as scalar writes do. */
  setV(r: Operand, lo: Val, hi: Val = this.i64(0)): void {
    this.setQ(r, this.pair(this.to('i64', lo), hi));
  }

  setVNext(r: Operand, n: number, lo: Val, hi: Val = this.i64(0)): void {
    this.setQ(r, this.pair(this.to('i64', lo), hi), n);
  }

  /** A vector of two halves. */
  pair(lo: Val, hi: Val): Val {
    return hi.constant === 0n
      ? this.replace(64, this.v128(0n), 0, lo)
      : this.replace(64, this.splat(64, lo), 1, hi);
  }

  /** The lower half of a vector, with zeros above. */
  lowHalf(v: Val): Val {
    return this.shuffle(v, this.v128(0n), [0, 1, 2, 3, 4, 5, 6, 7, 16, 17, 18, 19, 20, 21, 22, 23]);
  }

  /** Writes 64 or 128 bits of a vector; the rest becomes zero. */
  setVector(r: Operand, v: Val, q: number): void {
    this.setQ(r, q ? v : this.lowHalf(v));
  }

  /**
   * An element of a vector register, zero-extended: i64 for 8 bytes, else i32. `place` is a derived operand that holds 16 times the
   * register's number plus the byte in the register; `off` bytes are added to it.
   */
  element(place: Operand, bytes: 1 | 2 | 4 | 8, off = 0): Val {
    return this.getSlot(vectorViews[bytes], this.placeSlot(place), off);
  }

  /** Writes the low bytes of `v` to an element, leaving the others. */
  setElement(place: Operand, bytes: 1 | 2 | 4 | 8, v: Val): void {
    this.setSlot(vectorViews[bytes], this.placeSlot(place), this.to(bytes === 8 ? 'i64' : 'i32', v));
  }

  /** A vector whose elements are all the one at a place. */
  splatElement(place: Operand, bytes: 1 | 2 | 4 | 8): Val {
    const slot = this.placeSlot(place);
    if (slot.constant === undefined)
      return this.splat((8 * bytes) as LaneBits, this.getSlot(vectorViews[bytes], slot));
    // The lane is known: a shuffle is one instruction of the host.
    const byte = (Number(slot.constant) - V) % 16;
    const register = this.getSlot(vectorViews[16], this.addi(slot, -byte));
    return this.shuffle(
      register,
      register,
      Array.from({ length: 16 }, (_, i) => byte + (i % bytes)),
    );
  }

  private placeSlot(place: Operand): Val {
    return this.operand(place, 'vbyte', 2, (n) => BigInt(V) + n);
  }

  /** An element of `bits` bits, zero-extended in an i64, repeated over 64 bits. */
  replicate(element: Val, bits: 8 | 16 | 32 | 64): Val {
    const ones = { 8: 0x0101010101010101n, 16: 0x0001000100010001n, 32: 0x0000000100000001n, 64: 1n }[bits];
    return bits === 64 ? element : this.mul(element, this.i64(ones));
  }

  private vslot(r: Operand, n = 0): Val {
    return this.operand(r, n === 0 ? 'v' : `v+${n}`, 2, (raw) => BigInt(V + 16 * ((Number(raw) + n) % 32)));
  }

  // --- flags ----------------------------------------------------------------------------------------------------

  /** PSTATE.NZCV in bits 31-28. */
  nzcv(): Val {
    return this.get(state.nzcv);
  }

  setNZCV(v: Val): void {
    this.set(state.nzcv, v);
  }

  carry(): Val {
    return this.bit(this.nzcv(), 29);
  }

  /** N and Z of a result, C and V zero, as an NZCV word. */
  flagsNZ(result: Val): Val {
    const zero = this.k(result.ty, 0);
    return this.or(this.shli(this.lts(result, zero), 31), this.shli(this.eqz(result), 30));
  }

  /** AddWithCarry(): `flags` is built only when asked for. `carry` is 0, 1 or an i32 value. */
  addWithCarry(a: Val, b: Val, carry: 0 | 1 | Val): { value: Val; flags: () => Val } {
    const c = typeof carry === 'number' ? this.k(a.ty, carry) : this.to(a.ty, carry);
    const partial = this.add(a, b);
    const value = this.add(partial, c);
    const flags = (): Val => {
      let carryOut = this.ltu(partial, a);
      if (c.constant !== 0n) carryOut = this.or(carryOut, this.ltu(value, partial));
      const over = this.lts(this.and(this.xor(a, value), this.xor(b, value)), this.k(a.ty, 0));
      return this.or(this.flagsNZ(value), this.or(this.shli(carryOut, 29), this.shli(over, 28)));
    };
    return { value, flags };
  }

  /** ConditionHolds() for a condition fixed while generating: i32, 0 or 1. */
  condition(cond: number): Val {
    const f = this.nzcv();
    const n = this.bit(f, 31);
    const z = this.bit(f, 30);
    const c = this.bit(f, 29);
    const v = this.bit(f, 28);
    const base = [
      () => z,
      () => c,
      () => n,
      () => v,
      () => this.and(c, this.eqz(z)),
      () => this.eq(n, v),
      () => this.and(this.eq(n, v), this.eqz(z)),
      () => this.i32(1),
    ][cond >> 1]?.();
    if (!base) throw new RangeError(`condition ${cond}`);
    return cond & 1 && cond !== 15 ? this.eqz(base) : base;
  }

  // --- arithmetic helpers ---------------------------------------------------------------------------------------

  /** ShiftReg(): `type` 0 LSL, 1 LSR, 2 ASR, 3 ROR; `amount` of the operand's type, taken modulo its width. */
  shift(v: Val, type: number, amount: Val): Val {
    const by = this.to(v.ty, amount);
    return [() => this.shl(v, by), () => this.shru(v, by), () => this.shrs(v, by), () => this.ror(v, by)][
      type & 3
    ]!();
  }

  /** ExtendReg(): option 0-3 UXTB..UXTX, 4-7 SXTB..SXTX; an i64. */
  extend(v: Val, option: number): Val {
    const low = this.to('i64', v);
    return [
      () => this.andi(low, 0xff),
      () => this.andi(low, 0xffff),
      () => this.zext(this.wrap(low)),
      () => low,
      () => this.sext8(low),
      () => this.sext16(low),
      () => this.sext(this.wrap(low)),
      () => low,
    ][option & 7]!();
  }

  /** Unsigned division as UDIV: by zero gives zero. */
  udiv(a: Val, b: Val): Val {
    return this.divide('u', a, b);
  }

  /** Signed division as SDIV: by zero gives zero, the most negative number by -1 gives itself. */
  sdiv(a: Val, b: Val): Val {
    return this.divide('s', a, b);
  }

  /** High half of the 128-bit product. */
  mulHigh(a: Val, b: Val, signed: boolean): Val {
    const mask = 0xffffffffn;
    const [al, ah, bl, bh] = [this.andi(a, mask), this.shri(a, 32), this.andi(b, mask), this.shri(b, 32)];
    const low = this.mul(al, bl);
    const mid = this.add(this.mul(ah, bl), this.shri(low, 32));
    const mid2 = this.add(this.mul(al, bh), this.andi(mid, mask));
    const high = this.add(this.add(this.mul(ah, bh), this.shri(mid, 32)), this.shri(mid2, 32));
    if (!signed) return high;
    const corrA = this.and(this.sari(a, 63), b);
    const corrB = this.and(this.sari(b, 63), a);
    return this.sub(this.sub(high, corrA), corrB);
  }

  /** Reverses the bytes of each `unit` bytes of the value. */
  revBytes(v: Val, unit: 2 | 4 | 8): Val {
    let r = this.swapPairs(v, 8);
    if (unit >= 4) r = this.swapPairs(r, 16);
    if (unit === 8) r = this.swapPairs(r, 32);
    return r;
  }

  /** RBIT. */
  revBits(v: Val): Val {
    let r = v;
    for (const n of [1, 2, 4, 8, 16]) r = this.swapPairs(r, n);
    return v.ty === 'i64' ? this.swapPairs(r, 32) : r;
  }

  private swapPairs(v: Val, n: number): Val {
    const width = v.ty === 'i64' ? 64 : 32;
    if (n * 2 === width) return this.ror(v, this.k(v.ty, n));
    let mask = 0n;
    for (let at = 0; at < width; at += 2 * n) mask |= ((1n << BigInt(n)) - 1n) << BigInt(at);
    return this.or(this.andi(this.shri(v, n), mask), this.shli(this.andi(v, mask), n));
  }

  // --- memory ---------------------------------------------------------------------------------------------------

  /** Loads `bytes` (1, 2, 4, 8) from guest address `va`, zero-extended: i64 for 8, else i32. */
  load(va: Val, bytes: 1 | 2 | 4 | 8, flags = 0, rt?: Operand): Val {
    const host = this.probe(va, { kind: 'read', bytes, elem: bytes, flags }, rt ? this.num(rt) : undefined);
    return this.ld(bytes, host);
  }

  /** Stores the low bytes of `v`; must be the last thing that the instruction does. */
  store(
    va: Val,
    v: Val,
    bytes: 1 | 2 | 4 | 8,
    flags = 0,
    rt?: Operand,
    before: () => void = () => undefined,
  ): void {
    const access: Access = { kind: 'write', bytes, elem: bytes, flags };
    const host = this.probe(va, access, rt ? this.num(rt) : undefined);
    this.st(bytes, host, v);
    before();
    this.commit(host, access);
  }

  // --- exceptions and events ------------------------------------------------------------------------------------

  /** Takes an exception by a routine that raises it for the instruction at state.pc, and ends the instruction. */
  raise(routine: Routine, ...args: Val[]): void {
    this.syncPc();
    this.call(routine, ...args);
    this.exit('recheck');
  }

  /** The instruction is UNDEFINED here. */
  undefinedInstruction(): void {
    this.raise(raiseUndefined);
  }

  /** CheckFPAdvSIMDEnabled64(): the first thing that FP and SIMD instructions do. */
  checkFP(): void {
    this.if(this.get(state.fpTrap), () => this.raise(raiseFp));
  }

  /** CheckSPAlignment(): before a memory access whose base register is SP. `base` is its value. */
  checkSP(base: Val): void {
    const misaligned = this.wrap(this.andi(base, 15));
    this.if(this.and(this.nei(misaligned, 0), this.get(state.spCheck)), () => this.raise(raiseSpAlignment));
  }

  /** Continues with the next instruction after looking at interrupts and the translation context again. */
  nextWithRecheck(): void {
    this.branch(this.addi(this.pc(), 4), 'recheck');
  }

  /** Calls the host for an event that it asks for; `details` fills state.mail, see events.ts. */
  event(kind: EventName, details: () => void): void {
    recordEvent(this, kind, details);
  }

  /** Stops before the instruction executes, if the debugger asks for one of these events. `kinds` are their bits. */
  stopBefore(kinds: Val): void {
    stopBefore(this, kinds);
  }

  // --- inner workings -------------------------------------------------------------------------------------------

  private divide(kind: 'u' | 's', a: Val, b: Val): Val {
    const r = this.local('quotient', this.k(a.ty, 0));
    this.if(this.ne(b, this.k(b.ty, 0)), () => {
      if (kind === 'u') this.assign(r, this.divU(a, b));
      else
        this.if(
          this.eq(b, this.k(b.ty, -1)),
          () => this.assign(r, this.neg(a)),
          () => this.assign(r, this.divS(a, b)),
        );
    });
    return this.read(r);
  }
}
