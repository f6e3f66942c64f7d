/**
 * Generates the interpreter as one wasm module: `run(cpu)` with the hot handlers in line behind a br_table, all other
 * handlers as functions in the module's table, and the routines that they call.
 *
 * run() goes round three nested loops: `top` (translation context, stop requests, interrupts), `refetch` (state.pc ->
 * predecoded record) and `next` (one record after the other). See ARCHITECTURE.md, "The interpreter".
 */
import type { ExitKind, HostCall, Routine, StateField } from '../ir/nodes';
import { common, StopReason } from '../ir/state';
import type { Ty } from '../ir/ops';
import type { Isa } from '../isa/dsl/isa';
import { routineBody } from '../ir/evaluate';
import { Emitter, type Target } from './emit';
import { LocalPool } from './local-pool';
import { firstHandler, GATES, Heat, Rec, slotKey, Special, type Handler } from './handlers';
import { hostCalls, memoryRoutines, type MemoryRoutines } from './memory';
import { RegionStatus } from './region/region';
import { Tlb, type TlbLayout } from './tlb';
import { W, WasmModule, type Func, type FuncType } from './wasm';

/** Status of a handler that is a function of its own. */
export const Status: Record<ExitKind | 'next', number> = { next: 0, branch: 1, recheck: 2, stop: 3, hold: 4 };

/** Added to the result of run() when the instruction at the PC did not execute. */
export const HELD = 0x100;

interface InterpreterModule {
  readonly bytes: Uint8Array<ArrayBuffer>;
  readonly handlers: readonly Handler[];
  /** Names of the host functions that the module imports from `host`. */
  readonly hostNames: readonly string[];
  readonly hotCount: number;
}

/** The parts of a Target that depend on the module that the code stands in. */
type Linked = Pick<Target, 'routine' | 'host' | 'memSlow' | 'commitSlow' | 'enterSlow' | 'fuses'>;

/** Code of a handler as a function `(cpu, record) -> Status`. */
export const handlerTarget = (linked: Linked, operand: Target['operand']): Target => ({
  ...linked,
  cpu: 0,
  operand,
  pc: (e) => {
    e.get(0).load(8, common.pageVa.offset, 'i64').get(1).get(0).load(4, common.pageRec.offset, 'i32');
    e.op(W.i32Sub)
      .i32(Rec.shift - 2)
      .op(W.i32ShrU, W.i64ExtendI32U, W.i64Add);
  },
  exit: (e, kind) => void e.i32(Status[kind]).op(W.return),
});

class Generator {
  private readonly module = new WasmModule();
  private readonly routines = new Map<string, { routine: Routine; func: Func }>();
  private readonly hosts = new Map<string, number>();
  private readonly pending: { routine: Routine; func: Func }[] = [];
  private readonly memory: MemoryRoutines;

  constructor(
    private readonly isa: Isa,
    tlb: TlbLayout,
    private readonly handlers: readonly Handler[],
  ) {
    this.memory = memoryRoutines(isa, tlb);
  }

  generate(): InterpreterModule {
    // Imports come first in a module, so every body is built (not emitted) to learn which host calls exist.
    const calls = new Map<string, HostCall>(Object.values(hostCalls).map((h) => [h.name, h]));
    for (const h of collectHostCalls(this.isa, this.handlers, Object.values(this.memory)))
      calls.set(h.name, h);
    for (const h of calls.values()) {
      const type: FuncType = { params: Array<Ty>(h.params).fill('i32'), results: h.result ? ['i32'] : [] };
      this.hosts.set(h.name, this.module.importFunc('host', h.name, type));
    }
    const run = this.module.func({ params: ['i32'], results: ['i32'] });
    this.module.exportFunc('run', run.index);
    const hot = this.handlers.filter((h) => h.hot);
    const cold = this.handlers.filter((h) => !h.hot);
    const coldFuncs = cold.map((h) => this.handlerFunc(h));
    this.module.table(
      coldFuncs.map((f) => f.index),
      GATES + Heat.regions,
    );
    this.runFunc(run, hot, firstHandler + hot.length, cold.length);
    for (const r of [...Object.values(this.memory), ...Object.values(this.isa.routines), ...this.isa.exports])
      this.routineIndex(r);
    for (let p = this.pending.pop(); p; p = this.pending.pop()) this.emitRoutine(p.routine, p.func);
    // All of them: TypeScript calls some, regions others.
    for (const { routine, func } of this.routines.values()) this.module.exportFunc(routine.name, func.index);
    return {
      bytes: this.module.encode(),
      handlers: this.handlers,
      hostNames: [...this.hosts.keys()],
      hotCount: hot.length,
    };
  }

  private routineIndex(r: Routine): number {
    let entry = this.routines.get(r.name);
    if (!entry) {
      const func = this.module.func({ params: ['i32', ...r.params], results: r.result ? [r.result] : [] });
      entry = { routine: r, func };
      this.routines.set(r.name, entry);
      this.pending.push(entry);
    }
    if (entry.routine !== r) throw new Error(`two routines are called ${r.name}`);
    return entry.func.index;
  }

  private hostIndex(h: HostCall): number {
    const i = this.hosts.get(h.name);
    if (i === undefined) throw new Error(`host call ${h.name} was not collected`);
    return i;
  }

  private shared(): Linked {
    return {
      enterSlow: () => undefined,
      routine: (r) => this.routineIndex(r),
      host: (h) => this.hostIndex(h),
      memSlow: this.routineIndex(this.memory.memSlow),
      commitSlow: this.routineIndex(this.memory.commitSlow),
      // The interpreter may be made long before it runs, on another host.
      fuses: false,
    };
  }

  private emitRoutine(r: Routine, func: Func): void {
    const target: Target = {
      ...this.shared(),
      cpu: 0,
      operand: () => {
        throw new Error(`routine ${r.name} uses an operand`);
      },
      pc: (e) => void e.get(0).load(8, common.pc.offset, 'i64'),
      exit: () => {
        throw new Error(`routine ${r.name} ends an instruction`);
      },
    };
    const e = new Emitter(func.code, new LocalPool(func), target);
    e.body(routineBody(r, this.isa.newBuilder));
    if (r.result) e.op(W.unreachable);
  }

  private static operandFrom(rec: number, h: Handler): Target['operand'] {
    const slots = new Map(h.slots().map((s) => [slotKey(s.use), s.offset]));
    return (e, use) =>
      void e.get(rec).load(use.bytes, slots.get(slotKey(use))!, use.bytes === 8 ? 'i64' : 'i32');
  }

  /** A handler as a function (cpu, rec) -> Status. */
  private handlerFunc(h: Handler): Func {
    const func = this.module.func({ params: ['i32', 'i32'], results: ['i32'] });
    const target = handlerTarget(this.shared(), Generator.operandFrom(1, h));
    const e = new Emitter(func.code, new LocalPool(func), target);
    e.body(h.body());
    e.i32(Status.next);
    return func;
  }

  private runFunc(func: Func, hot: readonly Handler[], firstCold: number, coldCount: number): void {
    const pool = new LocalPool(func);
    const rec = func.newLocal('i32');
    const left = func.newLocal('i32');
    const pageVa = func.newLocal('i64');
    const pageRec = func.newLocal('i32');
    const pc = func.newLocal('i64');
    const index = func.newLocal('i32');
    const entry = func.newLocal('i32');
    const heat = func.newLocal('i32');
    /** The record at which the region was entered that control comes from; 0 when it comes from elsewhere. */
    const from = func.newLocal('i32');
    /** The next instruction is the interpreter's, whether or not a region starts there. */
    const interpret = func.newLocal('i32');
    const cpu = 0;
    const labels = { top: 0, refetch: 0, next: 0 };

    const pushPc = (e: Emitter): void => {
      e.get(pageVa)
        .get(rec)
        .get(pageRec)
        .op(W.i32Sub)
        .i32(Rec.shift - 2)
        .op(W.i32ShrU, W.i64ExtendI32U, W.i64Add);
    };
    const saveLeft = (e: Emitter): void => void e.get(cpu).get(left).store(4, common.left.offset, 'i32');
    const unretire = (e: Emitter): void => void e.get(left).i32(1).op(W.i32Add).setLocal(left);
    /** Returns the stop reason, with HELD set when the instruction at the PC did not execute. */
    const leave = (e: Emitter, held = false): void => {
      saveLeft(e);
      e.get(cpu).load(4, common.stopReason.offset, 'i32');
      if (held) e.i32(HELD).op(W.i32Or);
      e.op(W.return);
    };
    const setReason = (e: Emitter, reason: number): void =>
      void e.get(cpu).i32(reason).store(4, common.stopReason.offset, 'i32');
    const countOne = (e: Emitter): void => void e.get(left).i32(1).op(W.i32Sub).setLocal(left);
    const leaveAtBudget = (e: Emitter, before?: (e: Emitter) => void): void => {
      e.get(left).op(W.i32Eqz).openHinted(false);
      before?.(e);
      setReason(e, StopReason.budget);
      leave(e);
      e.end();
    };
    /** Adds to one of the figures for who measures. */
    const figure = (e: Emitter, field: StateField, value: (e: Emitter) => void): void => {
      e.get(cpu).get(cpu).load(8, field.offset, 'i64');
      value(e);
      e.op(W.i64Add).store(8, field.offset, 'i64');
    };
    const storePc = (e: Emitter): void => {
      e.get(cpu);
      pushPc(e);
      e.store(8, common.pc.offset, 'i64');
    };
    const exit = (e: Emitter, kind: ExitKind): void => {
      if (kind === 'branch') e.br(labels.refetch);
      else if (kind === 'recheck') e.br(labels.top);
      else {
        if (kind === 'hold') unretire(e);
        leave(e, kind === 'hold');
      }
    };
    const target = (h?: Handler): Target => ({
      ...this.shared(),
      cpu,
      operand: h ? Generator.operandFrom(rec, h) : () => undefined,
      pc: pushPc,
      exit,
      enterSlow: saveLeft,
    });

    const e = new Emitter(func.code, pool, target());
    e.get(cpu).load(4, common.left.offset, 'i32').setLocal(left);
    labels.top = e.open(W.loop);
    saveLeft(e);
    e.get(cpu).load(4, common.stopRequest.offset, 'i32').openHinted(false);
    e.get(cpu).get(cpu).load(4, common.stopRequest.offset, 'i32').store(4, common.stopReason.offset, 'i32');
    e.get(cpu).i32(0).store(4, common.stopRequest.offset, 'i32');
    leave(e);
    e.end();
    e.get(cpu).call(this.routineIndex(this.memory.selectContext));
    e.get(cpu).load(4, common.irqLines.offset, 'i32').open(W.if);
    e.get(cpu).call(this.routineIndex(this.isa.routines.takeInterrupt)).br(labels.top, W.brIf);
    e.end();

    labels.refetch = e.open(W.loop);
    e.get(cpu).load(8, common.pc.offset, 'i64').setLocal(pc);
    e.get(pc)
      .i64(12n)
      .op(W.i64ShrU, W.i32WrapI64)
      .i32(Tlb.entries - 1)
      .op(W.i32And)
      .setLocal(index);
    e.get(cpu)
      .load(4, common.tlbFetch.offset, 'i32')
      .get(index)
      .i32(Tlb.entryShift)
      .op(W.i32Shl, W.i32Add)
      .setLocal(entry);
    e.get(cpu).load(4, common.tlbFetchRec.offset, 'i32').get(index).i32(2).op(W.i32Shl, W.i32Add);
    e.load(4, 0, 'i32').setLocal(pageRec);
    // Bits 0 and 1 of the PC stay in the comparison: a misaligned PC takes the slow path.
    e.get(entry).load(8, Tlb.tag, 'i64').get(pc).i64(-4093n).op(W.i64And, W.i64Eq);
    e.get(pageRec).i32(0).op(0x47, W.i32And, W.i32Eqz).open(W.if);
    leaveAtBudget(e);
    saveLeft(e);
    e.get(cpu).call(this.routineIndex(this.memory.fetchSlow)).tee(pageRec).op(W.i32Eqz).open(W.if);
    // A fetch that takes an exception counts as an instruction: vectors that cannot be fetched would never end otherwise.
    countOne(e);
    e.br(labels.top);
    e.end();
    e.end();
    e.get(pc).i64(-4096n).op(W.i64And).setLocal(pageVa);
    e.get(cpu).get(pageVa).store(8, common.pageVa.offset, 'i64');
    e.get(cpu).get(pageRec).store(4, common.pageRec.offset, 'i32');
    e.get(pc)
      .op(W.i32WrapI64)
      .i32(4095)
      .op(W.i32And)
      .i32(Rec.shift - 2)
      .op(W.i32Shl)
      .get(pageRec)
      .op(W.i32Add)
      .setLocal(rec);

    e.get(interpret).op(W.i32Eqz).open(W.if);
    e.get(rec).load(2, Heat.offset, 'i32').tee(heat).i32(Heat.hot).op(W.i32GtU).open(W.if);
    saveLeft(e);
    figure(e, common.entered, (v) => v.i64(1n));
    e.get(cpu).load(4, common.entered.offset, 'i32').get(cpu).load(4, common.linkMask.offset, 'i32');
    e.op(W.i32And, W.i32Eqz).i32(0).get(from).op(W.i32LtU, W.i32And).open(W.if);
    e.get(cpu).get(rec).get(from).call(this.hostIndex(hostCalls.linked));
    // It may have changed what starts here.
    e.get(rec)
      .load(2, Heat.offset, 'i32')
      .tee(heat)
      .i32(Heat.hot)
      .op(W.i32GtU, W.i32Eqz)
      .br(labels.refetch, W.brIf);
    e.end();
    e.get(rec).setLocal(from);
    figure(e, common.translated, (v) => v.get(left).op(W.i64ExtendI32U));
    e.get(cpu)
      .get(rec)
      .get(heat)
      .i32(coldCount + GATES - Heat.hot - 1)
      .op(W.i32Add);
    e.op(W.callIndirect)
      .code.u32(this.module.typeIndex({ params: ['i32', 'i32'], results: ['i32'] }))
      .byte(0);
    e.setLocal(interpret);
    e.get(cpu).load(4, common.left.offset, 'i32').setLocal(left);
    figure(e, common.translated, (v) => v.i64(0n).get(left).op(W.i64ExtendI32U, W.i64Sub));
    figure(e, common.handedBack, (v) =>
      v.get(interpret).i32(RegionStatus.interpret).op(W.i32And, W.i64ExtendI32U),
    );
    e.get(interpret).i32(RegionStatus.recheck).op(W.i32Eq).open(W.if);
    e.i32(0).setLocal(interpret).br(labels.top);
    e.end();
    e.br(labels.refetch);
    e.end();
    e.get(heat).i32(Heat.hot).op(W.i32LtU).open(W.if);
    e.get(rec).get(heat).i32(1).op(W.i32Add).tee(heat).store(2, Heat.offset, 'i32');
    e.get(heat).i32(Heat.hot).op(W.i32Eq).open(W.if);
    // Again from the top of this: what has just been translated runs translated.
    e.get(cpu).get(rec).call(this.hostIndex(hostCalls.hot)).br(labels.refetch);
    e.end().end().end();
    e.i32(0).setLocal(interpret).i32(0).setLocal(from);

    labels.next = e.open(W.loop);
    // Blocks from the outside in: default, last hot handler, ..., handler 0.
    const count = firstCold;
    const outer: number[] = [];
    for (let i = 0; i <= count; i++) outer.push(e.open(W.block));
    leaveAtBudget(e, storePc);
    countOne(e);
    e.get(rec).load(2, 0, 'i32');
    e.op(W.brTable).code.u32(count);
    for (let i = 0; i < count; i++) e.code.u32(e.depth - outer[count - i]!);
    e.code.u32(e.depth - outer[0]!);

    const advance = (): void => void e.get(rec).i32(Rec.bytes).op(W.i32Add).setLocal(rec).br(labels.next);
    for (let id = 0; id < count; id++) {
      e.end();
      pool.reset();
      switch (id) {
        case Special.decode:
          unretire(e);
          storePc(e);
          e.get(cpu).get(rec).call(this.hostIndex(hostCalls.decode)).br(labels.next);
          break;
        case Special.pageEnd:
          unretire(e);
          storePc(e);
          e.br(labels.refetch);
          break;
        case Special.breakpoint:
          unretire(e);
          storePc(e);
          setReason(e, StopReason.breakpoint);
          leave(e, true);
          break;
        case Special.undefined:
          storePc(e);
          e.get(cpu).call(this.routineIndex(this.isa.routines.raiseUndefined)).br(labels.top);
          break;
        default: {
          const h = hot[id - firstHandler]!;
          new Emitter(func.code, pool, target(h)).at(e.depth).body(h.body());
          advance();
        }
      }
    }
    // All other handlers: through the table.
    e.end();
    pool.reset();
    const status = func.newLocal('i32');
    saveLeft(e);
    e.get(cpu).get(rec).get(rec).load(2, 0, 'i32').i32(firstCold).op(W.i32Sub);
    e.op(W.callIndirect)
      .code.u32(this.module.typeIndex({ params: ['i32', 'i32'], results: ['i32'] }))
      .byte(0);
    e.tee(status).op(W.i32Eqz).open(W.if);
    e.get(rec).i32(Rec.bytes).op(W.i32Add).setLocal(rec).br(labels.next);
    e.end();
    e.get(status).i32(Status.branch).op(W.i32Eq).br(labels.refetch, W.brIf);
    e.get(status).i32(Status.recheck).op(W.i32Eq).br(labels.top, W.brIf);
    e.get(status).i32(Status.hold).op(W.i32Eq).open(W.if);
    unretire(e);
    leave(e, true);
    e.end();
    leave(e);
    e.end().end().end();
    e.op(W.unreachable);
  }
}

/** Every host call that a body can reach, through routines too. */
function collectHostCalls(isa: Isa, handlers: readonly Handler[], extra: readonly Routine[]): HostCall[] {
  const found = new Map<string, HostCall>();
  const seen = new Set<Routine>();
  const walk = (stmts: ReturnType<Handler['body']>): void => {
    for (const s of stmts) {
      if (s.k === 'call') {
        if (s.callee.k === 'host') found.set(s.callee.name, s.callee);
        else visit(s.callee);
      } else if (s.k === 'if') {
        walk(s.then);
        walk(s.else);
      } else if (s.k === 'loop') walk(s.body);
    }
  };
  const visit = (r: Routine): void => {
    if (seen.has(r)) return;
    seen.add(r);
    walk(routineBody(r, isa.newBuilder));
  };
  handlers.forEach((h) => walk(h.body()));
  [...extra, ...Object.values(isa.routines), ...isa.exports].forEach(visit);
  return [...found.values()];
}

/** Generates the interpreter module of an instruction set. */
export function generateInterpreter(
  isa: Isa,
  tlb: TlbLayout,
  handlers: readonly Handler[],
): InterpreterModule {
  return new Generator(isa, tlb, handlers).generate();
}
