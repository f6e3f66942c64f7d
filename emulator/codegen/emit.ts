/**
 * Emits IR as wasm. A `Target` says where the code stands: inside the interpreter's loop, in a handler of its own, or
 * in a routine; it decides how operands are fetched and how an instruction ends.
 */
import {
  Val,
  type Access,
  type ExitKind,
  type HostCall,
  type Local,
  type Loop,
  type OperandUse,
  type Routine,
  type Stmt,
  type ValOp,
} from '../ir/nodes';
import { floatConversions, floatOps, type FloatConversion, floatTests, reinterpret } from '../ir/floats';
import { conversions, ops, tyOf, type Ty, type Width } from '../ir/ops';
import { SIMD_PREFIX } from '../ir/simd';
import { common } from '../ir/state';
import { accessDesc } from '../isa/dsl/isa';
import { emitFused } from './fused';
import { floatForm, halvesOf, keptAsFloat, tyIndex, wasmTyOf } from './kept';
import type { LocalPool } from './local-pool';
import { foldShift, placeShift, Tlb } from './tlb';
import { valType, W, type Bytes, type WasmTy } from './wasm';

/** Opcodes of loads and stores by width: [i32 form, i64 form]; those of 16 bytes are vectors'. */
const loadOp = { 1: [0x2d, 0x31], 2: [0x2f, 0x33], 4: [0x28, 0x35], 8: [0, 0x29] } as const;
const storeOp = { 1: [0x3a, 0x3c], 2: [0x3b, 0x3d], 4: [0x36, 0x3e], 8: [0, 0x37] } as const;

const SIMD_LOAD = 0x00;
const SIMD_STORE = 0x0b;
const SIMD_CONST = 0x0c;

/** Loads and stores of floats: [f32, f64]. */
const floatAccess = { load: [0x2a, 0x2b], store: [0x38, 0x39] } as const;

/** What is computed where it is used, if it is used once. */
const INLINED: ReadonlySet<ValOp['k']> = new Set([
  ...(['pure', 'conv', 'float', 'floatTest', 'floatConv', 'fused', 'simd', 'select', 'operand'] as const),
]);

export interface Target {
  /** Local that holds the CPU block's address. */
  readonly cpu: number;
  /** Pushes an operand's value. */
  operand(e: Emitter, use: OperandUse): void;
  /** Pushes the address of the current instruction. */
  pc(e: Emitter): void;
  /** Ends the instruction; the stack is empty. */
  exit(e: Emitter, kind: ExitKind): void;
  /** Before a call into the memory slow path: what the host may look at must be in the CPU block (state.left). */
  enterSlow(e: Emitter): void;
  /** Function indices. */
  routine(r: Routine): number;
  host(h: HostCall): number;
  readonly memSlow: number;
  readonly commitSlow: number;
  /** The code is for this host alone, and may use `relaxed_madd` if that is exact here. */
  readonly fuses: boolean;
}

export class Emitter {
  /** Number of open blocks, loops and ifs: labels are counted from the inside. */
  depth = 0;
  private readonly locals = new Map<Val | Local, number>();
  private readonly loops = new Map<Loop, { breakAt: number; continueAt: number }>();

  constructor(
    readonly code: Bytes,
    private readonly pool: LocalPool,
    protected readonly target: Target,
  ) {}

  // --- small helpers for hand-written parts ---------------------------------------------------------------------

  op(...bytes: number[]): this {
    for (const b of bytes) this.code.byte(b);
    return this;
  }

  i32(n: number): this {
    this.code.byte(W.i32Const).s32(n);
    return this;
  }

  i64(n: bigint): this {
    this.code.byte(W.i64Const).s64(n);
    return this;
  }

  /** An instruction on vectors. */
  simd(code: number, ...immediates: readonly number[]): this {
    this.code.byte(SIMD_PREFIX).u32(code);
    return this.op(...immediates);
  }

  v128(n: bigint): this {
    this.simd(SIMD_CONST);
    for (let i = 0n; i < 128n; i += 8n) this.code.byte(Number((n >> i) & 0xffn));
    return this;
  }

  get(local: number): this {
    this.code.byte(W.localGet).u32(local);
    return this;
  }

  setLocal(local: number): this {
    this.code.byte(W.localSet).u32(local);
    return this;
  }

  tee(local: number): this {
    this.code.byte(W.localTee).u32(local);
    return this;
  }

  call(index: number): this {
    this.code.byte(W.call).u32(index);
    return this;
  }

  /** Load with the address on the stack. */
  load(bytes: Width, off: number, ty: Ty): this {
    if (bytes === 16) this.simd(SIMD_LOAD).code.byte(0).u32(off);
    else this.code.byte(loadOp[bytes][tyIndex(ty)]).byte(0).u32(off);
    return this;
  }

  store(bytes: Width, off: number, ty: Ty): this {
    if (bytes === 16) this.simd(SIMD_STORE).code.byte(0).u32(off);
    else this.code.byte(storeOp[bytes][tyIndex(ty)]).byte(0).u32(off);
    return this;
  }

  /** Opens an `if` as a statement asks for. */
  openIf({ rare, seldom }: Extract<Stmt, { k: 'if' }>): number {
    return rare || seldom ? this.openHinted(false) : this.open(W.if);
  }

  /** Opens an `if` whose condition mostly holds, or hardly ever. */
  openHinted(taken: boolean, result?: Ty): number {
    this.code.hints.push({ at: this.code.length, taken });
    return this.open(W.if, result);
  }

  /** Opens a block, loop or if; returns its label for br. */
  open(kind: number, result?: Ty): number {
    this.code.byte(kind).byte(result === undefined ? 0x40 : valType[result]);
    return ++this.depth;
  }

  else(): this {
    return this.op(W.else);
  }

  end(): this {
    this.depth--;
    return this.op(W.end);
  }

  br(label: number, op: number = W.br): this {
    this.code.byte(op).u32(this.depth - label);
    return this;
  }

  /** A scratch local that lives until the body's end. */
  temp(ty: WasmTy): number {
    return this.pool.take(ty);
  }

  /** Continues inside blocks that another emitter has opened. */
  at(depth: number): this {
    this.depth = depth;
    return this;
  }

  // --- IR -------------------------------------------------------------------------------------------------------

  body(stmts: readonly Stmt[]): void {
    for (const s of stmts) this.stmt(s);
  }

  protected stmt(s: Stmt): void {
    switch (s.k) {
      case 'let':
        return this.let(s.v);
      case 'set': {
        const halves = halvesOf(s.v);
        if (!halves) return this.setField(s, s.field.bytes, 0, s.v);
        this.setField(s, 8, 0, halves[0]);
        return this.setField(s, 8, 8, halves[1]);
      }
      case 'st':
        this.val(s.base);
        if (keptAsFloat(s.v) && s.bytes === (s.v.ty === 'i32' ? 4 : 8))
          this.float(s.v).storeFloat(s.off, s.v.ty);
        else this.val(s.v).store(s.bytes, s.off, s.v.ty);
        return;
      case 'assign':
        if (s.local.isFloat) this.float(s.v);
        else this.val(s.v);
        this.setLocal(this.localOf(s.local, wasmTyOf(s.local)));
        return;
      case 'if':
        this.val(s.c).openIf(s);
        this.body(s.then);
        if (s.else.length) {
          this.else();
          this.body(s.else);
        }
        this.end();
        return;
      case 'loop': {
        const breakAt = this.open(W.block);
        const continueAt = this.open(W.loop);
        this.loops.set(s.loop, { breakAt, continueAt });
        this.body(s.body);
        this.br(continueAt).end().end();
        return;
      }
      case 'break':
        this.br(this.loops.get(s.loop)!.breakAt);
        return;
      case 'continue':
        this.br(this.loops.get(s.loop)!.continueAt);
        return;
      case 'call':
        return this.callStmt(s);
      case 'syncpc':
        // What follows may look at the time.
        this.target.enterSlow(this);
        return this.syncPc();
      case 'commit': {
        // Only the slow path hands out the scratch buffer.
        this.val(s.host)
          .get(this.target.cpu)
          .i32(common.scratch.offset)
          .op(W.i32Add, W.i32Eq)
          .openHinted(false);
        this.target.enterSlow(this);
        this.get(this.target.cpu).call(this.target.commitSlow).open(W.if);
        this.get(this.target.cpu);
        this.target.pc(this);
        this.i64(4n).op(W.i64Add).store(8, common.pc.offset, 'i64');
        this.target.exit(this, 'recheck');
        this.end().end();
        return;
      }
      case 'exit':
        this.target.exit(this, s.kind);
        return;
      case 'return':
        if (s.v) this.val(s.v);
        this.op(W.return);
        return;
    }
  }

  private setField(s: Extract<Stmt, { k: 'set' }>, bytes: Width, from: number, v: Val): void {
    this.get(this.target.cpu);
    if (s.index instanceof Val) this.val(s.index).op(W.i32Add);
    const at = s.index instanceof Val ? s.off : s.field.offset + s.index * s.field.stride;
    if (keptAsFloat(v)) this.float(v).storeFloat(at + from, v.ty);
    else this.val(v).store(bytes, at + from, tyOf(bytes));
  }

  private callStmt(s: Extract<Stmt, { k: 'call' }>): void {
    if (s.callee.k === 'routine') this.get(this.target.cpu);
    s.args.forEach((a) => this.val(a));
    this.call(s.callee.k === 'routine' ? this.target.routine(s.callee) : this.target.host(s.callee));
    if (!s.result) return;
    if (s.result.uses > 0) this.setLocal(this.localOf(s.result, s.result.ty));
    else this.op(W.drop);
  }

  protected syncPc(): void {
    this.get(this.target.cpu);
    this.target.pc(this);
    this.store(8, common.pc.offset, 'i64');
  }

  protected localOf(key: Val | Local, ty: WasmTy): number {
    let n = this.locals.get(key);
    if (n === undefined) {
      n = this.pool.take(ty);
      this.locals.set(key, n);
    }
    return n;
  }

  protected let(v: Val): void {
    const k = v.op.k;
    if (k === 'const' || k === 'cpu' || k === 'param') return;
    if (k === 'probe') return this.probe(v);
    if (v.uses > 0 && !(v.uses === 1 && INLINED.has(k))) this.bind(v);
  }

  /** Computes a value, once, for all who ask for it from now on. */
  protected bind(v: Val): void {
    if (v.op.k === 'const' || this.locals.has(v)) return;
    if (keptAsFloat(v)) this.computeFloat(v);
    else this.compute(v);
    this.setLocal(this.localOf(v, wasmTyOf(v)));
  }

  /** Pushes a value that is made of constants and state. */
  push(v: Val): this {
    return this.val(v);
  }

  /** Pushes a value. */
  protected val(v: Val): this {
    const n = this.locals.get(v);
    if (n === undefined) this.compute(v);
    else if (keptAsFloat(v)) this.get(n).op(reinterpret.toBits[tyIndex(v.ty)]);
    else this.get(n);
    return this;
  }

  /** Pushes the float whose bits a value is. */
  protected float(v: Val): this {
    const n = this.locals.get(v);
    if (!keptAsFloat(v)) return this.val(v).op(reinterpret.toFloat[tyIndex(v.ty)]);
    if (n === undefined) this.computeFloat(v);
    else this.get(n);
    return this;
  }

  /** Computes a value that is kept as a float, as one. */
  protected computeFloat(v: Val): void {
    const o = v.op;
    const ty = tyIndex(v.ty);
    switch (o.k) {
      case 'float':
        v.args.forEach((a) => this.float(a));
        this.op(floatOps[o.op].code[ty]);
        return;
      case 'floatConv':
        return this.convertFloat(v, o.op);
      case 'fused':
        return emitFused(
          this,
          v.ty,
          v.args.map((a) => () => void this.float(a)),
          this.target.fuses,
        );
      case 'get':
        this.get(this.target.cpu);
        if (o.index === 'slot') this.val(v.args[0]!).op(W.i32Add).loadFloat(o.off, v.ty);
        else this.loadFloat(o.field.offset + o.index * o.field.stride, v.ty);
        return;
      case 'ld':
        this.val(v.args[0]!).loadFloat(o.off, v.ty);
        return;
      case 'local':
        this.get(this.localOf(o.local, wasmTyOf(o.local)));
        return;
      default:
        throw new Error(`emit: ${o.k} is not computed as a float`);
    }
  }

  private convertFloat(v: Val, op: FloatConversion): void {
    const [a] = v.args as [Val];
    const { from, code } = floatConversions[op];
    if (from === 'i64') this.val(a);
    else this.float(a);
    this.op(...code);
  }

  private loadFloat(off: number, ty: Ty): this {
    this.code.byte(floatAccess.load[tyIndex(ty)]).byte(0).u32(off);
    return this;
  }

  private storeFloat(off: number, ty: Ty): this {
    this.code.byte(floatAccess.store[tyIndex(ty)]).byte(0).u32(off);
    return this;
  }

  protected compute(v: Val): void {
    const o = v.op;
    switch (o.k) {
      case 'const':
        if (v.ty === 'i32') this.i32(Number(BigInt.asIntN(32, o.value)));
        else if (v.ty === 'i64') this.i64(o.value);
        else this.v128(o.value);
        return;
      case 'pure':
        v.args.forEach((a) => this.val(a));
        this.op(ops[o.op].code[tyIndex(v.args[0]!.ty)]);
        return;
      case 'conv':
        this.val(v.args[0]!).op(conversions[o.op].code);
        return;
      case 'floatTest':
        v.args.forEach((a) => this.float(a));
        this.op(floatTests[o.op].code[tyIndex(v.args[0]!.ty)]);
        return;
      case 'floatConv':
        if (!keptAsFloat(v)) return this.convertFloat(v, o.op);
        this.computeFloat(v);
        this.op(reinterpret.toBits[tyIndex(v.ty)]);
        return;
      case 'float':
      case 'fused':
        this.computeFloat(v);
        this.op(reinterpret.toBits[tyIndex(v.ty)]);
        return;
      case 'simd': {
        const float = floatForm(v);
        v.args.forEach((a, n) =>
          float === undefined || n < v.args.length - 1 ? this.val(a) : this.float(a),
        );
        this.simd(float ?? o.op.code, ...o.imm);
        return;
      }
      case 'select':
        v.args.forEach((a) => this.val(a));
        this.op(W.select);
        return;
      case 'operand':
        this.target.operand(this, o.use);
        return;
      case 'cpu':
        this.get(this.target.cpu);
        return;
      case 'pc':
        this.target.pc(this);
        return;
      case 'param':
        this.get(o.index + 1);
        return;
      case 'get':
        this.get(this.target.cpu);
        if (o.index === 'slot') this.val(v.args[0]!).op(W.i32Add).load(o.field.bytes, o.off, v.ty);
        else this.load(o.field.bytes, o.field.offset + o.index * o.field.stride, v.ty);
        return;
      case 'ld':
        this.val(v.args[0]!).load(o.bytes, o.off, v.ty);
        return;
      case 'local':
        this.get(this.localOf(o.local, wasmTyOf(o.local)));
        if (o.local.isFloat) this.op(reinterpret.toBits[tyIndex(v.ty)]);
        return;
      case 'probe':
      case 'result':
        throw new Error(`emit: ${o.k} was not bound`);
    }
  }

  /**
   * TLB lookup in line, one shared slow path out of line. The tag is compared with the page of the access's last byte,
   * so that a page crossing misses; the entry's mask makes a misaligned access miss where alignment matters.
   */
  protected probe(v: Val): void {
    if (v.op.k !== 'probe') return;
    const { access } = v.op;
    const [vaVal, info] = v.args as [Val, Val];
    const va = this.temp('i64');
    const entry = this.temp('i32');
    const host = this.localOf(v, 'i32');
    const cpu = this.target.cpu;
    this.val(vaVal).setLocal(va);
    const table = access.kind === 'read' ? common.tlbRead : common.tlbWrite;
    // Unprivileged accesses belong to another context: they are looked up by the slow path.
    const fast = (access.flags & 1) === 0;
    if (fast) {
      const place = {
        table: () => void this.get(cpu).load(4, table.offset, 'i32'),
        mask: () => void this.get(cpu).load(4, common.tlbMask.offset, 'i32'),
      };
      this.hit(access, place, va, entry, true);
      this.openHinted(true, 'i32');
      this.hostAddress(va, entry);
      this.else();
    }
    this.syncPc();
    this.target.enterSlow(this);
    this.get(cpu).get(va).i32(accessDesc(access)).val(info).call(this.target.memSlow);
    if (fast) this.end();
    this.tee(host).op(W.i32Eqz).openHinted(false);
    this.target.exit(this, 'recheck');
    this.end();
  }

  /**
   * Pushes whether the TLB entry for an access at `va` serves it, and leaves the entry's address in `entry`. `place` pushes
   * where the table is and the mask of its size. `entriesAlign`: an entry may ask for alignment.
   */
  protected hit(
    access: Access,
    place: { readonly table: () => void; readonly mask: () => void },
    va: number,
    entry: number,
    entriesAlign: boolean,
  ): void {
    place.table();
    this.get(va).i64(BigInt(placeShift)).op(W.i64ShrU);
    this.get(va).i64(BigInt(foldShift)).op(W.i64ShrU, W.i64Xor, W.i32WrapI64);
    place.mask();
    this.op(W.i32And, W.i32Add).tee(entry).load(8, Tlb.tag, 'i64');
    this.get(va);
    if (access.bytes > 1) this.i64(BigInt(access.bytes - 1)).op(W.i64Add);
    this.i64(-4096n).op(W.i64And, W.i64Eq);
    const mask = access.flags & 2 ? access.bytes - 1 : access.elem - 1;
    if (!mask || !(entriesAlign || access.flags & 2)) return;
    this.get(va).op(W.i32WrapI64).i32(mask).op(W.i32And);
    if (!(access.flags & 2)) this.get(entry).load(1, Tlb.alignMask, 'i32').op(W.i32And);
    this.op(W.i32Eqz, W.i32And);
  }

  /** Pushes the address in linear memory of `va`, whose TLB entry is at `entry`. */
  protected hostAddress(va: number, entry: number): void {
    this.get(entry).load(4, Tlb.addend, 'i32').get(va).op(W.i32WrapI64, W.i32Add);
  }
}
