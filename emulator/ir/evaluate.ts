/**
 * The oracle: runs IR with bigints, one obvious step after the other. It shares no code with the wasm emitter beyond
 * the op table's meanings, and works on the same linear memory, so that results compare byte by byte.
 */
import type { Builder } from './builder';
import type { Loop } from './nodes';
import {
  Val,
  type Access,
  type ExitKind,
  type HostCall,
  type Local,
  type OperandUse,
  type Routine,
  type Stmt,
} from './nodes';
import { floatConversions, floatOps, floatTests, fused } from './floats';
import { bitsOf, conversions, ops, toUnsigned, type Width } from './ops';
import { common } from './state';

/** What the evaluated code can reach. */
export interface EvalHost {
  /** Linear memory: CPU blocks, tables, guest RAM. */
  readonly memory: DataView;
  /** Byte address of the CPU block. */
  readonly cpu: number;
  /** Address of the current instruction. */
  readonly pc: bigint;
  /** The Builder of the instruction set, for routine bodies. */
  newBuilder(): Builder;
  /** The value of a record slot; needed only for bodies that were built with unknown operands. */
  operand?(use: OperandUse): bigint;
  /** Calls TypeScript. */
  host(call: HostCall, args: readonly number[]): number;
  /** The memory slow path; `undefined` when an exception was taken. */
  probe(va: bigint, access: Access, info: number): number | undefined;
  /** Completes a write; true when the instruction must end with 'recheck'. */
  commit(host: number, access: Access): boolean;
  /** Hears of what is done, to explain it. */
  readonly observer?: Observer;
}

/** Somebody who watches code being evaluated. */
export interface Observer {
  /** A routine begins. */
  called(r: Routine, args: readonly bigint[]): void;
  /** It ends. */
  returned(r: Routine, result: bigint): void;
  /** `value` was loaded from linear memory; `local` gives the variables of the routine by name. */
  loaded(at: number, value: bigint, local: (name: string) => bigint | undefined): void;
}

export type Outcome = ExitKind | 'next';

class Exit {
  constructor(readonly kind: ExitKind) {}
}
class Return {
  constructor(readonly value: bigint | undefined) {}
}
class Jump {
  constructor(
    readonly loop: Loop,
    readonly again: boolean,
  ) {}
}

type Signal = Exit | Return | Jump | undefined;

const bodies = new WeakMap<Routine, Stmt[]>();

/** The body of a routine, built once. */
export function routineBody(r: Routine, newBuilder: () => Builder): Stmt[] {
  let body = bodies.get(r);
  if (!body) {
    const b = newBuilder();
    const params = r.params.map((ty, i) => b.param(i, ty));
    (r.build as (b: Builder, ...p: Val[]) => void)(b, ...params);
    body = b.body;
    bodies.set(r, body);
  }
  return body;
}

/** Runs the body of one instruction. */
export function evaluate(body: readonly Stmt[], host: EvalHost): Outcome {
  const frame = new Frame(host, []);
  const signal = frame.run(body);
  if (signal instanceof Exit) return signal.kind;
  return frame.mustRecheck ? 'recheck' : 'next';
}

/** Runs a routine and returns its result (0 where it has none). Arguments and result are unsigned. */
export function evaluateRoutine(r: Routine, args: readonly bigint[], host: EvalHost): bigint {
  host.observer?.called(r, args);
  const signal = new Frame(host, args).run(routineBody(r, () => host.newBuilder()));
  if (signal !== undefined && !(signal instanceof Return))
    throw new Error(`routine ${r.name} ended by an exit`);
  const result = signal?.value ?? 0n;
  host.observer?.returned(r, result);
  return result;
}

class Frame {
  private readonly values = new Map<Val, bigint>();
  private readonly locals = new Map<Local, bigint>();
  mustRecheck = false;

  constructor(
    private readonly h: EvalHost,
    private readonly params: readonly bigint[],
  ) {}

  run(stmts: readonly Stmt[]): Signal {
    for (const s of stmts) {
      const signal = this.step(s);
      if (signal) return signal;
    }
    return undefined;
  }

  private step(s: Stmt): Signal {
    switch (s.k) {
      case 'let':
        return this.bind(s.v);
      case 'set': {
        const at =
          s.index instanceof Val
            ? Number(this.val(s.index)) + s.off
            : s.field.offset + s.index * s.field.stride;
        this.write(this.h.cpu + at, s.field.bytes, this.val(s.v));
        return undefined;
      }
      case 'st':
        this.write(Number(this.val(s.base)) + s.off, s.bytes, this.val(s.v));
        return undefined;
      case 'assign':
        this.locals.set(s.local, this.val(s.v));
        return undefined;
      case 'if':
        return this.run(this.val(s.c) !== 0n ? s.then : s.else);
      case 'loop':
        return this.loop(s.loop, s.body);
      case 'break':
        return new Jump(s.loop, false);
      case 'continue':
        return new Jump(s.loop, true);
      case 'call':
        return this.call(s.callee, s.args, s.result);
      case 'syncpc':
        this.write(this.h.cpu + common.pc.offset, 8, this.h.pc);
        return undefined;
      case 'commit':
        if (!this.h.commit(Number(this.val(s.host)), s.access)) return undefined;
        // Nothing follows a commit: the next instruction is the one behind this.
        this.write(this.h.cpu + common.pc.offset, 8, this.h.pc + 4n);
        this.mustRecheck = true;
        return undefined;
      case 'exit':
        return new Exit(s.kind);
      case 'return':
        return new Return(s.v && this.val(s.v));
    }
  }

  private loop(loop: Loop, body: readonly Stmt[]): Signal {
    for (;;) {
      const signal = this.run(body);
      if (signal instanceof Jump && signal.loop === loop) {
        if (!signal.again) return undefined;
      } else if (signal) return signal;
    }
  }

  private call(callee: Routine | HostCall, args: readonly Val[], result: Val | undefined): Signal {
    const values = args.map((a) => this.val(a));
    const out =
      callee.k === 'host'
        ? BigInt(this.h.host(callee, values.map(Number)) >>> 0)
        : evaluateRoutine(callee, values, this.h);
    if (result) this.values.set(result, out);
    return undefined;
  }

  private bind(v: Val): Signal {
    const o = v.op;
    if (o.k === 'probe') {
      this.write(this.h.cpu + common.pc.offset, 8, this.h.pc);
      const at = this.h.probe(this.val(v.args[0]!), o.access, Number(this.val(v.args[1]!)));
      if (at === undefined) return new Exit('recheck');
      this.values.set(v, BigInt(at));
      return undefined;
    }
    this.values.set(v, toUnsigned(this.compute(v), bitsOf(v.ty)));
    return undefined;
  }

  private compute(v: Val): bigint {
    const o = v.op;
    const a = (i: number): bigint => this.val(v.args[i]!);
    switch (o.k) {
      case 'const':
        return o.value;
      case 'pure':
        return ops[o.op].eval(a(0), v.args[1] ? a(1) : 0n, bitsOf(v.args[0]!.ty));
      case 'conv':
        return conversions[o.op].eval(a(0));
      case 'float':
        return floatOps[o.op].eval(a(0), v.args[1] ? a(1) : 0n, bitsOf(v.ty));
      case 'simd':
        return o.op.eval(
          v.args.map((arg) => this.val(arg)),
          o.imm,
        );
      case 'floatTest':
        return floatTests[o.op].eval(a(0), a(1), bitsOf(v.args[0]!.ty));
      case 'floatConv':
        return floatConversions[o.op].eval(a(0));
      case 'fused':
        return fused(a(0), a(1), a(2), bitsOf(v.ty));
      case 'select':
        return a(2) !== 0n ? a(0) : a(1);
      case 'operand': {
        if (!this.h.operand) throw new Error(`operand ${o.use.field} is not known`);
        return this.h.operand(o.use);
      }
      case 'cpu':
        return BigInt(this.h.cpu);
      case 'pc':
        return this.h.pc;
      case 'param':
        return this.params[o.index]!;
      case 'get': {
        const at = o.index === 'slot' ? Number(a(0)) + o.off : o.field.offset + o.index * o.field.stride;
        return this.readMem(this.h.cpu + at, o.field.bytes);
      }
      case 'ld':
        return this.load(Number(a(0)) + o.off, o.bytes);
      case 'local':
        return this.locals.get(o.local)!;
      case 'probe':
      case 'result':
        throw new Error(`IR: ${o.k} is bound by its statement`);
    }
  }

  private val(v: Val): bigint {
    if (v.op.k === 'const') return v.op.value;
    const r = this.values.get(v);
    if (r === undefined) throw new Error(`IR: a value (${v.op.k}) is used before it is bound`);
    return r;
  }

  private load(at: number, bytes: Width): bigint {
    const value = this.readMem(at, bytes);
    this.h.observer?.loaded(at, value, (name) => {
      for (const [local, v] of this.locals) if (local.name === name) return v;
      return undefined;
    });
    return value;
  }

  private readMem(at: number, bytes: Width): bigint {
    const m = this.h.memory;
    if (bytes === 16) return m.getBigUint64(at, true) | (m.getBigUint64(at + 8, true) << 64n);
    if (bytes === 8) return m.getBigUint64(at, true);
    return BigInt(bytes === 4 ? m.getUint32(at, true) : bytes === 2 ? m.getUint16(at, true) : m.getUint8(at));
  }

  private write(at: number, bytes: Width, v: bigint): void {
    const m = this.h.memory;
    if (bytes === 16) {
      m.setBigUint64(at, toUnsigned(v, 64), true);
      m.setBigUint64(at + 8, toUnsigned(v >> 64n, 64), true);
    } else if (bytes === 8) m.setBigUint64(at, toUnsigned(v, 64), true);
    else if (bytes === 4) m.setUint32(at, Number(v & 0xffffffffn), true);
    else if (bytes === 2) m.setUint16(at, Number(v & 0xffffn), true);
    else m.setUint8(at, Number(v & 0xffn));
  }
}
