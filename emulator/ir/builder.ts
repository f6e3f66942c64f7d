/**
 * Builds IR. Architecture-neutral: an instruction set extends it with its registers and flags.
 * Types are checked while building, so a wrong row fails in the first test that loads it, with its name.
 */
import {
  bitsType,
  floatConversions,
  floatOps,
  type FloatConversion,
  type FloatOp,
  type FloatTest,
} from './floats';
import {
  bitsOf,
  divides,
  conversions,
  ops,
  toUnsigned,
  tyOf,
  type ConvOp,
  type PureOp,
  type Ty,
  type Width,
} from './ops';
import {
  extract,
  floatLanes,
  laneOp,
  replace,
  splat,
  vectors,
  type FloatLaneOp,
  type LaneBits,
  type LaneOp,
  type SimdOp,
  type VectorOp,
} from './simd';
import type { Operand } from './nodes';
import {
  Local,
  Loop,
  Val,
  type Access,
  type ExitKind,
  type HostCall,
  type OperandUse,
  type Routine,
  type StateField,
  type Stmt,
  type ValOp,
} from './nodes';
import { common } from './state';

export class Builder {
  /** The finished body. */
  readonly body: Stmt[] = [];
  private cur: Stmt[] = this.body;
  private dead = false;

  // --- constants and operands -----------------------------------------------------------------------------------

  i32(n: number | bigint): Val {
    return new Val({ k: 'const', value: toUnsigned(BigInt(n), 32) }, 'i32', []);
  }

  i64(n: number | bigint): Val {
    return new Val({ k: 'const', value: toUnsigned(BigInt(n), 64) }, 'i64', []);
  }

  v128(n: bigint): Val {
    return new Val({ k: 'const', value: toUnsigned(n, 128) }, 'v128', []);
  }

  /** A constant of the given type. */
  k(ty: Ty, n: number | bigint): Val {
    return ty === 'i32' ? this.i32(n) : ty === 'i64' ? this.i64(n) : this.v128(BigInt(n));
  }

  /** An operand field in one of its roles; a constant where the field is known while generating. */
  operand(op: Operand, role: string, bytes: 2 | 4 | 8, map: (raw: bigint) => bigint = (r) => r): Val {
    const ty: Ty = bytes === 8 ? 'i64' : 'i32';
    if (op.known !== undefined) return this.k(ty, map(op.known));
    const use: OperandUse = { field: op.field, role, bytes, map };
    return this.bind({ k: 'operand', use }, ty);
  }

  /** Byte address of the CPU block in linear memory. */
  cpu(): Val {
    return this.bind({ k: 'cpu' }, 'i32');
  }

  /** Address of the instruction being executed. In a routine: read state.pc instead. */
  pc(): Val {
    return this.bind({ k: 'pc' }, 'i64');
  }

  param(index: number, ty: Ty): Val {
    return this.bind({ k: 'param', index }, ty);
  }

  // --- pure operations ------------------------------------------------------------------------------------------

  private op(op: PureOp, a: Val, b?: Val): Val {
    const row = ops[op];
    if (a.ty === 'v128') throw new TypeError(`IR: ${op} of a vector`);
    if (b && a.ty !== b.ty) throw new TypeError(`IR: ${op} of ${a.ty} and ${b.ty}`);
    const ty: Ty = row.shape === 'cmp' || row.shape === 'test' ? 'i32' : a.ty;
    const bits = bitsOf(a.ty);
    if (a.constant !== undefined && (b === undefined || b.constant !== undefined)) {
      if (!divides(op) || b?.constant !== 0n)
        return this.k(ty, row.eval(a.constant, b?.constant ?? 0n, bits));
    }
    const folded = b && this.identity(op, a, b);
    if (folded) return folded;
    return this.bind({ k: 'pure', op }, ty, b ? [a, b] : [a]);
  }

  /** x+0, x|0, x^0, x<<0, x&~0 and x&0: they come from shape-specialised rows. */
  private identity(op: PureOp, a: Val, b: Val): Val | undefined {
    if (b.constant === 0n) {
      if (['add', 'sub', 'or', 'xor', 'shl', 'shr_u', 'shr_s', 'rotr'].includes(op)) return a;
      if (op === 'and') return b;
    }
    if (a.constant === 0n && ['add', 'or', 'xor'].includes(op)) return b;
    if (op === 'and' && b.constant === toUnsigned(-1n, bitsOf(a.ty))) return a;
    return undefined;
  }

  private conv(op: ConvOp, a: Val): Val {
    const row = conversions[op];
    if (a.ty !== row.from) throw new TypeError(`IR: ${op} of ${a.ty}`);
    if (a.constant !== undefined) return this.k(row.to, row.eval(a.constant));
    return this.bind({ k: 'conv', op }, row.to, [a]);
  }

  /** The host's arithmetic on raw bits of floats, see floatOps: for operands and results that are no NaNs. */
  float(op: FloatOp, ...args: readonly Val[]): Val {
    const ty = args[0]?.ty ?? 'i64';
    if (args.length !== floatOps[op].operands || args.some((a) => a.ty !== ty))
      throw new TypeError(`IR: float ${op} of ${args.map((a) => a.ty).join()}`);
    return this.floating(
      this.bind(
        { k: 'float', op },
        ty,
        args.map((a) => this.floating(a)),
      ),
    );
  }

  /** Compares raw bits of floats: i32. */
  floatTest(op: FloatTest, a: Val, b: Val): Val {
    if (a.ty !== b.ty) throw new TypeError(`IR: float ${op} of ${a.ty} and ${b.ty}`);
    return this.bind({ k: 'floatTest', op }, 'i32', [this.floating(a), this.floating(b)]);
  }

  /** Between floats, or between floats and integers. */
  floatConvert(op: FloatConversion, a: Val): Val {
    const { from, to } = floatConversions[op];
    if (a.ty !== bitsType(from)) throw new TypeError(`IR: ${op} of ${a.ty}`);
    if (from !== 'i64') this.floating(a);
    const v = this.bind({ k: 'floatConv', op }, bitsType(to), [a]);
    return to === 'i64' ? v : this.floating(v);
  }

  /** c + a * b, rounded once, or a NaN where the host cannot tell. */
  fused(c: Val, a: Val, b: Val): Val {
    if (a.ty !== b.ty || a.ty !== c.ty) throw new TypeError(`IR: fused of ${c.ty}, ${a.ty} and ${b.ty}`);
    return this.floating(
      this.bind(
        { k: 'fused' },
        a.ty,
        [c, a, b].map((v) => this.floating(v)),
      ),
    );
  }

  /** Says that a value is best kept as a float: a number that is loaded from memory or a register, or computed. */
  floating(v: Val): Val {
    v.isFloat = true;
    return v;
  }

  private simd(op: SimdOp, args: readonly Val[], imm: readonly number[] = []): Val {
    if (args.length !== op.args.length || args.some((a, i) => a.ty !== op.args[i]))
      throw new TypeError(`IR: ${op.name} of ${args.map((a) => a.ty).join()}`);
    if (args.every((a) => a.constant !== undefined))
      return this.k(
        op.result,
        op.eval(
          args.map((a) => a.constant!),
          imm,
        ),
      );
    return this.bind({ k: 'simd', op, imm }, op.result, [...args]);
  }

  /** An operation on the lanes of vectors; the second operand of a shift is an i32. See lanes in ir/simd.ts. */
  lanes(op: LaneOp, bits: LaneBits, ...args: readonly Val[]): Val {
    return this.simd(laneOp(op, bits), args);
  }

  /** The host's arithmetic on lanes that are floats: for operands and results that are no NaNs. */
  floatLanes(op: FloatLaneOp, bits: 32 | 64, ...args: readonly Val[]): Val {
    return this.simd(floatLanes[op][bits], args);
  }

  /** An operation on vectors that is not of one kind of lane. */
  vector(op: Exclude<VectorOp, 'shuffle'>, ...args: readonly Val[]): Val {
    return this.simd(vectors[op], args);
  }

  /** Bytes of `a` (0 to 15) and `b` (16 to 31). */
  shuffle(a: Val, b: Val, from: readonly number[]): Val {
    return this.simd(vectors.shuffle, [a, b], from);
  }

  /** All lanes alike: the low bits of a value. */
  splat(bits: LaneBits, v: Val): Val {
    return this.simd(splat[bits], [this.to(bits === 64 ? 'i64' : 'i32', v)]);
  }

  /** One lane, zero-extended: i64 if it has 64 bits, else i32. */
  extract(bits: LaneBits, v: Val, lane: number): Val {
    return this.simd(extract[bits], [v], [lane]);
  }

  /** `v` with a lane replaced by the low bits of a number. */
  replace(bits: LaneBits, v: Val, lane: number, by: Val): Val {
    return this.simd(replace[bits], [v, this.to(bits === 64 ? 'i64' : 'i32', by)], [lane]);
  }

  add(a: Val, b: Val): Val {
    return this.op('add', a, b);
  }
  sub(a: Val, b: Val): Val {
    return this.op('sub', a, b);
  }
  mul(a: Val, b: Val): Val {
    return this.op('mul', a, b);
  }
  and(a: Val, b: Val): Val {
    return this.op('and', a, b);
  }
  or(a: Val, b: Val): Val {
    return this.op('or', a, b);
  }
  xor(a: Val, b: Val): Val {
    return this.op('xor', a, b);
  }
  shl(a: Val, b: Val): Val {
    return this.op('shl', a, b);
  }
  shru(a: Val, b: Val): Val {
    return this.op('shr_u', a, b);
  }
  shrs(a: Val, b: Val): Val {
    return this.op('shr_s', a, b);
  }
  ror(a: Val, b: Val): Val {
    return this.op('rotr', a, b);
  }
  eq(a: Val, b: Val): Val {
    return this.op('eq', a, b);
  }
  ne(a: Val, b: Val): Val {
    return this.op('ne', a, b);
  }
  ltu(a: Val, b: Val): Val {
    return this.op('lt_u', a, b);
  }
  lts(a: Val, b: Val): Val {
    return this.op('lt_s', a, b);
  }
  gtu(a: Val, b: Val): Val {
    return this.op('gt_u', a, b);
  }
  gts(a: Val, b: Val): Val {
    return this.op('gt_s', a, b);
  }
  leu(a: Val, b: Val): Val {
    return this.op('le_u', a, b);
  }
  les(a: Val, b: Val): Val {
    return this.op('le_s', a, b);
  }
  geu(a: Val, b: Val): Val {
    return this.op('ge_u', a, b);
  }
  ges(a: Val, b: Val): Val {
    return this.op('ge_s', a, b);
  }
  /** Division that traps in wasm for a zero divisor (and, signed, for INT_MIN / -1): guard it. */
  divU(a: Val, b: Val): Val {
    return this.op('div_u', a, b);
  }
  divS(a: Val, b: Val): Val {
    return this.op('div_s', a, b);
  }
  eqz(a: Val): Val {
    return this.op('eqz', a);
  }
  clz(a: Val): Val {
    return this.op('clz', a);
  }
  ctz(a: Val): Val {
    return this.op('ctz', a);
  }
  popcnt(a: Val): Val {
    return this.op('popcnt', a);
  }
  sext8(a: Val): Val {
    return this.op('sext8', a);
  }
  sext16(a: Val): Val {
    return this.op('sext16', a);
  }
  /** i64 -> i32, low half. */
  wrap(a: Val): Val {
    return this.conv('wrap', a);
  }
  /** i32 -> i64. */
  zext(a: Val): Val {
    return this.conv('zext', a);
  }
  /** i32 -> i64, sign-extended. */
  sext(a: Val): Val {
    return this.conv('sext', a);
  }
  not(a: Val): Val {
    return this.xor(a, this.k(a.ty, -1n));
  }
  neg(a: Val): Val {
    return this.sub(this.k(a.ty, 0), a);
  }

  // The same with a number as second operand: shifts and masks read better so.
  addi(a: Val, n: number | bigint): Val {
    return this.add(a, this.k(a.ty, n));
  }
  andi(a: Val, n: number | bigint): Val {
    return this.and(a, this.k(a.ty, n));
  }
  ori(a: Val, n: number | bigint): Val {
    return this.or(a, this.k(a.ty, n));
  }
  shli(a: Val, n: number): Val {
    return this.shl(a, this.k(a.ty, n));
  }
  shri(a: Val, n: number): Val {
    return this.shru(a, this.k(a.ty, n));
  }
  sari(a: Val, n: number): Val {
    return this.shrs(a, this.k(a.ty, n));
  }
  eqi(a: Val, n: number | bigint): Val {
    return this.eq(a, this.k(a.ty, n));
  }
  nei(a: Val, n: number | bigint): Val {
    return this.ne(a, this.k(a.ty, n));
  }

  /** A number to i64 (zero-extended) or to i32 (low half). */
  to(ty: Ty, a: Val): Val {
    if (a.ty === ty) return a;
    if (ty === 'v128' || a.ty === 'v128') throw new TypeError(`IR: ${a.ty} to ${ty}`);
    return ty === 'i64' ? this.zext(a) : this.wrap(a);
  }

  /** Bits `lo` to `lo + len - 1` of `a`, in the same type. */
  bits(a: Val, lo: number, len: number): Val {
    return this.andi(this.shri(a, lo), (1n << BigInt(len)) - 1n);
  }

  /** One bit of `a` as an i32 that is 0 or 1. */
  bit(a: Val, n: number): Val {
    return this.to('i32', this.bits(a, n, 1));
  }

  /** `c ? a : b`, both evaluated. */
  select(c: Val, a: Val, b: Val): Val {
    if (a.ty !== b.ty || c.ty !== 'i32') throw new TypeError(`IR: select ${c.ty} ? ${a.ty} : ${b.ty}`);
    if (c.constant !== undefined) return c.constant !== 0n ? a : b;
    return this.bind({ k: 'select' }, a.ty, [a, b, c]);
  }

  // --- state and linear memory ----------------------------------------------------------------------------------

  get(field: StateField, index = 0): Val {
    if (index < 0 || index >= field.count) throw new RangeError(`IR: ${field.name}[${index}]`);
    return this.bind({ k: 'get', field, index, off: 0 }, tyOf(field.bytes));
  }

  set(field: StateField, v: Val, index = 0): void {
    if (index < 0 || index >= field.count) throw new RangeError(`IR: ${field.name}[${index}]`);
    if (v.ty !== tyOf(field.bytes)) throw new TypeError(`IR: set ${field.name} to ${v.ty}`);
    this.push({ k: 'set', field, index, off: 0, v: this.use(v) });
  }

  /** Reads a register through a slot operand: `slot` is a byte offset in the CPU block, `off` is added to it. */
  getSlot(field: StateField, slot: Val, off = 0): Val {
    return this.bind({ k: 'get', field, index: 'slot', off }, tyOf(field.bytes), [slot]);
  }

  setSlot(field: StateField, slot: Val, v: Val, off = 0): void {
    if (v.ty !== tyOf(field.bytes)) throw new TypeError(`IR: set ${field.name} to ${v.ty}`);
    this.push({ k: 'set', field, index: this.use(slot), off, v: this.use(v) });
  }

  /** Loads from linear memory at base + off, zero-extended; i32 for up to 4 bytes unless `ty` says i64. */
  ld(bytes: Width, base: Val, off = 0, ty: Ty = tyOf(bytes)): Val {
    return this.bind({ k: 'ld', bytes, off }, ty, [base]);
  }

  /** Stores the low bytes of `v` to linear memory. */
  st(bytes: Width, base: Val, v: Val, off = 0): void {
    if (bytes >= 8 ? v.ty !== tyOf(bytes) : v.ty === 'v128')
      throw new TypeError(`IR: st of ${bytes} bytes from ${v.ty}`);
    this.push({ k: 'st', bytes, base: this.use(base), off, v: this.use(v) });
  }

  /**
   * Makes `access.bytes` bytes at guest virtual address `va` accessible and returns their address in linear memory:
   * guest RAM on a TLB hit, a buffer otherwise (devices, page crossings, other byte order, watched or code pages).
   * A fault is raised here and the instruction ends. After a 'write' or 'atomic' probe store to the buffer, then
   * `commit` as the last thing that the instruction does. `info` goes to the slow path (syndrome bits).
   */
  probe(va: Val, access: Access, info: Val = this.i32(0)): Val {
    if (va.ty !== 'i64') throw new TypeError('IR: probe of an i32 address');
    return this.bind({ k: 'probe', access }, 'i32', [va, info]);
  }

  /** Completes a write that began with `probe`. */
  commit(host: Val, access: Access): void {
    this.push({ k: 'commit', host: this.use(host), access });
  }

  // --- control --------------------------------------------------------------------------------------------------

  local(name: string, init: Val): Local {
    const l = new Local(name, init.ty);
    l.isFloat = init.isFloat;
    this.assign(l, init);
    return l;
  }

  read(l: Local): Val {
    const v = this.bind({ k: 'local', local: l }, l.ty);
    v.isFloat = l.isFloat;
    return v;
  }

  assign(l: Local, v: Val): void {
    if (l.ty !== v.ty) throw new TypeError(`IR: ${l.name} is ${l.ty}, not ${v.ty}`);
    this.push({ k: 'assign', local: l, v: this.use(v) });
  }

  /** Runs `then` or `otherwise`; decided while generating when `c` is a constant. */
  if(c: Val, then: () => void, otherwise?: () => void): void {
    this.choose(c, then, otherwise, {});
  }

  /** The same where `c` hardly ever holds: a hint for the host. */
  seldom(c: Val, then: () => void, otherwise?: () => void): void {
    this.choose(c, then, otherwise, { seldom: true });
  }

  /**
   * Runs `slow` in the rare case that `c` holds, otherwise `usual`. Translated code has no room for what is slow: it leaves that
   * to the interpreter, which executes the whole instruction.
   */
  rarely(c: Val, slow: () => void, usual?: () => void): void {
    this.choose(c, slow, usual, { rare: true });
  }

  private choose(
    c: Val,
    then: () => void,
    otherwise: () => void = () => undefined,
    how: Pick<Extract<Stmt, { k: 'if' }>, 'rare' | 'seldom'>,
  ): void {
    if (c.ty !== 'i32') throw new TypeError('IR: if of an i64');
    if (c.constant !== undefined) {
      (c.constant !== 0n ? then : otherwise)();
      return;
    }
    this.use(c);
    this.push({ k: 'if', c, then: this.nested(then), else: this.nested(otherwise), ...how });
  }

  /** Repeats `body` until `break` (or an exit or return). */
  loop(body: (l: Loop) => void): void {
    const loop = new Loop();
    this.push({ k: 'loop', loop, body: this.nested(() => body(loop)) });
  }

  break(loop: Loop): void {
    this.push({ k: 'break', loop });
    this.dead = true;
  }

  continue(loop: Loop): void {
    this.push({ k: 'continue', loop });
    this.dead = true;
  }

  /** Calls a routine or the host. The result, if any, is a value. */
  call(callee: Routine | HostCall, ...args: Val[]): Val {
    const resultTy: Ty | undefined =
      callee.k === 'host' ? (callee.result ? 'i32' : undefined) : callee.result;
    const want = callee.k === 'host' ? Array<Ty>(callee.params).fill('i32') : callee.params;
    if (want.length !== args.length || args.some((a, i) => a.ty !== want[i]))
      throw new TypeError(`IR: ${callee.name}(${want.join()}) called with (${args.map((a) => a.ty).join()})`);
    args.forEach((a) => this.use(a));
    const result = resultTy ? new Val({ k: 'result', index: 0 }, resultTy, []) : undefined;
    this.push({ k: 'call', callee, args, ...(result ? { result } : {}) });
    return result ?? this.i32(0);
  }

  /** Stores the address of the current instruction to state.pc: before anything that can raise. */
  syncPc(): void {
    this.push({ k: 'syncpc' });
  }

  /** Ends the instruction; nothing after it runs. */
  exit(kind: ExitKind): void {
    this.push({ k: 'exit', kind });
    this.dead = true;
  }

  /** Jumps to `target`. */
  branch(target: Val, kind: ExitKind = 'branch'): void {
    this.set(common.pc, target);
    this.exit(kind);
  }

  /** Returns from a routine. */
  ret(v?: Val): void {
    this.push({ k: 'return', ...(v ? { v: this.use(v) } : {}) });
    this.dead = true;
  }

  // --- inner workings -------------------------------------------------------------------------------------------

  private use(v: Val): Val {
    v.uses++;
    return v;
  }

  private bind(op: ValOp, ty: Ty, args: Val[] = []): Val {
    args.forEach((a) => this.use(a));
    const v = new Val(op, ty, args);
    this.push({ k: 'let', v });
    return v;
  }

  private push(s: Stmt): void {
    if (!this.dead) this.cur.push(s);
  }

  private nested(f: () => void): Stmt[] {
    const outer = this.cur;
    const outerDead = this.dead;
    this.cur = [];
    f();
    const inner = this.cur;
    this.cur = outer;
    this.dead = outerDead;
    return inner;
  }
}
