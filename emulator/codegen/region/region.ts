/**
 * A region of guest code as one wasm function, `(cpu, record of the entry) -> RegionStatus`: blocks of one page in
 * structured control flow, guest registers in locals. Many regions make one module, which imports memory and the
 * routines that it calls. See ARCHITECTURE.md, "The translator".
 */
import type { Routine } from '../../ir/nodes';
import { common } from '../../ir/state';
import type { Isa } from '../../isa/dsl/isa';
import { Emitter, LocalPool, type Target } from '../emit';
import { W, WasmModule, type Func } from '../wasm';
import { successors, type Block } from './blocks';
import { FLAG_BITS, RegionEmitter, RegionLocals } from './emitter';
import { flowOf, type Flow } from './flow';
import type { Placed } from './instruction';

/** What a region returns. */
export const RegionStatus = {
  /** state.pc is where to go on. */
  branch: 0,
  /** The same, and the interpreter must execute the instruction there. */
  interpret: 1,
} as const;

export interface Region {
  /** Offset of the entry in its page. */
  readonly entry: number;
  readonly blocks: ReadonlyMap<number, Block>;
}

export interface RegionModule {
  readonly bytes: Uint8Array<ArrayBuffer>;
  /** Names of the routines that the module imports from `routine`. */
  readonly routines: readonly string[];
}

/** Name of the exported function of the n-th region of a module. */
export const regionName = (n: number): string => `r${n}`;

/** Makes a module of regions. */
export function regionModule(isa: Isa, regions: readonly Region[]): RegionModule {
  // Imports come before functions: a first pass only finds out which there are.
  const routines = new Map<string, Routine>();
  for (const { blocks } of regions)
    for (const { instructions } of blocks.values())
      for (const { body, cold } of instructions) collectRoutines(body, cold, routines);
  const module = new WasmModule();
  const index = new Map<Routine, number>();
  for (const r of routines.values())
    index.set(
      r,
      module.importFunc('routine', r.name, {
        params: ['i32', ...r.params],
        results: r.result ? [r.result] : [],
      }),
    );
  regions.forEach((region, n) => {
    const func = module.func({ params: ['i32', 'i32'], results: ['i32'] });
    module.exportFunc(regionName(n), func.index);
    new RegionFunction(isa, func, region, (r) => index.get(r)!).emit();
  });
  return { bytes: module.encode(), routines: [...routines.keys()] };
}

/** The code of one region's function by itself, and names of its locals: for who wants to read it. */
export function regionCode(
  isa: Isa,
  region: Region,
): { readonly code: Uint8Array; readonly localName: (index: number) => string } {
  const func = new WasmModule().func({ params: ['i32', 'i32'], results: ['i32'] });
  const made = new RegionFunction(isa, func, region, () => 0);
  made.emit();
  return { code: func.code.view(), localName: (index) => made.localName(index) };
}

function collectRoutines(stmts: Placed['body'], cold: Placed['cold'], found: Map<string, Routine>): void {
  if (cold.has(stmts)) return;
  for (const s of stmts) {
    if (s.k === 'call' && s.callee.k === 'routine') found.set(s.callee.name, s.callee);
    if (s.k === 'if') {
      collectRoutines(s.then, cold, found);
      collectRoutines(s.else, cold, found);
    }
    if (s.k === 'loop') collectRoutines(s.body, cold, found);
  }
}

class RegionFunction {
  /** Parameter 0. */
  private readonly cpu = 0;
  private readonly pool: LocalPool;
  private readonly locals: RegionLocals;
  private readonly status: number;
  private readonly flow: Flow;
  /** Labels of the enclosing blocks and loops, by the node that a jump to them leads to. */
  private readonly joins = new Map<number, number>();
  private readonly loops = new Map<number, number>();
  private exitLabel = 0;

  constructor(
    private readonly isa: Isa,
    private readonly func: Func,
    private readonly region: Region,
    private readonly routine: (r: Routine) => number,
  ) {
    this.pool = new LocalPool(func);
    this.locals = new RegionLocals(func, isa);
    this.status = func.newLocal('i32');
    const { blocks } = region;
    this.flow = flowOf(region.entry, (node) => successors(blocks.get(node)!, blocks));
  }

  /** What a local holds, in a word. */
  localName(index: number): string {
    return index < 2 ? ['cpu', 'record'][index]! : index === this.status ? 'status' : this.locals.name(index);
  }

  emit(): void {
    const { code } = this.func;
    const target = this.target(0);
    const body = new Emitter(code, this.pool, target);
    this.prologue(body);
    this.exitLabel = body.open(W.block);
    this.node(this.region.entry, body.depth);
    body.end();
    this.epilogue(body);
  }

  /** Loads what the region may use. Which registers those are is known from its instructions. */
  private prologue(e: Emitter): void {
    const { locals } = this;
    const { cpu } = this;
    for (const offset of registersOf(this.isa, this.region)) locals.register(offset);
    e.get(cpu).load(8, common.pageVa.offset, 'i64').setLocal(locals.base);
    e.get(cpu).load(4, common.left.offset, 'i32').setLocal(locals.left);
    e.get(cpu).load(4, common.tlbRead.offset, 'i32').setLocal(locals.tlbRead);
    e.get(cpu).load(4, common.tlbWrite.offset, 'i32').setLocal(locals.tlbWrite);
    for (const [offset, local] of locals.registers) e.get(cpu).load(8, offset, 'i64').setLocal(local);
    FLAG_BITS.forEach((bit, i) => {
      e.get(cpu).load(4, this.isa.flags.offset, 'i32').i32(bit).op(W.i32ShrU).i32(1).op(W.i32And);
      e.setLocal(locals.flags[i]!);
    });
  }

  private epilogue(e: Emitter): void {
    const { cpu, locals } = this;
    for (const offset of locals.written)
      e.get(cpu).get(locals.registers.get(offset)!).store(8, offset, 'i64');
    e.get(cpu);
    FLAG_BITS.forEach((bit, i) => {
      e.get(locals.flags[i]!).i32(bit).op(W.i32Shl);
      if (i > 0) e.op(W.i32Or);
    });
    e.store(4, this.isa.flags.offset, 'i32');
    e.get(cpu).get(locals.left).store(4, common.left.offset, 'i32');
    e.get(cpu).get(locals.pc).store(8, common.pc.offset, 'i64');
    e.get(this.status);
  }

  private target(offset: number): Target {
    const never = (what: string) => (): never => {
      throw new Error(`a region has no ${what}`);
    };
    return {
      cpu: this.cpu,
      operand: never('operands'),
      pc: (e) => void e.get(this.locals.base).i64(BigInt(offset)).op(W.i64Add),
      exit: never('exits of this kind'),
      enterSlow: () => undefined,
      routine: this.routine,
      host: never('calls of the host'),
      memSlow: -1,
      commitSlow: -1,
    };
  }

  // --- control flow ---------------------------------------------------------------------------------------------

  /** A block with all that it dominates. Code that is not reached by falling into it stands behind it. */
  private node(node: number, depth: number): void {
    const e = new Emitter(this.func.code, this.pool, this.target(node)).at(depth);
    const isLoop = this.flow.isLoop(node);
    if (isLoop) this.loops.set(node, e.open(W.loop));
    const joins = this.flow.joins(node);
    for (const join of [...joins].reverse()) this.joins.set(join, e.open(W.block));
    this.block(this.region.blocks.get(node)!, e.depth);
    for (const join of joins) {
      e.end();
      this.joins.delete(join);
      this.node(join, e.depth);
    }
    if (isLoop) {
      e.end();
      this.loops.delete(node);
    }
    e.op(W.unreachable);
  }

  private block(block: Block, depth: number): void {
    const e = new Emitter(this.func.code, this.pool, this.target(block.offset)).at(depth);
    const count = block.instructions.length;
    // All of the block or nothing: what is left of the budget the interpreter uses up exactly.
    e.get(this.locals.left).i32(count).op(W.i32LtU).open(W.if);
    this.leave(e, block.offset, RegionStatus.interpret);
    e.end();
    e.get(this.locals.left).i32(count).op(W.i32Sub).setLocal(this.locals.left);
    block.instructions.forEach((instruction, n) => this.instruction(instruction, count - n, e.depth, block));
    if (block.next !== undefined) this.goTo(e, block.offset, block.next);
  }

  /** @param left instructions of the block that have not been executed, this one included */
  private instruction(i: Placed, left: number, depth: number, block: Block): void {
    const mark = this.pool.mark();
    const refund = (e: Emitter, n: number): void => {
      if (n > 0) e.get(this.locals.left).i32(n).op(W.i32Add).setLocal(this.locals.left);
    };
    const emitter = new RegionEmitter(this.func, this.pool, this.target(i.offset), this.isa, this.locals, i, {
      branch: (e, offset) => {
        refund(e, left - 1);
        this.goTo(e, block.offset, offset);
      },
      jump: (e) => {
        refund(e, left - 1);
        e.i32(RegionStatus.branch).setLocal(this.status).br(this.exitLabel);
      },
      leaveBefore: (e) => {
        refund(e, left);
        this.leave(e, i.offset, RegionStatus.interpret);
      },
    });
    emitter.at(depth);
    emitter.body(i.body);
    this.pool.restore(mark);
  }

  /** Goes to an offset: inside the region if control flow allows it. */
  private goTo(e: Emitter, from: number, to: number): void {
    const { flow, region } = this;
    if (!region.blocks.has(to)) return this.leave(e, to, RegionStatus.branch);
    const back = flow.place.get(to)! <= flow.place.get(from)!;
    const label = back ? this.loops.get(to) : this.joins.get(to);
    if (back && !flow.dominates(to, from)) this.leave(e, to, RegionStatus.branch);
    else if (label !== undefined) e.br(label);
    else this.node(to, e.depth);
  }

  private leave(e: Emitter, offset: number, status: number): void {
    e.get(this.locals.base).i64(BigInt(offset)).op(W.i64Add).setLocal(this.locals.pc);
    e.i32(status).setLocal(this.status).br(this.exitLabel);
  }
}

/** Byte offsets of all registers that the instructions of a region name. */
function registersOf(isa: Isa, region: Region): Set<number> {
  const fields = new Set(isa.registers);
  const found = new Set<number>();
  const walk = (stmts: Placed['body']): void => {
    for (const s of stmts) {
      if (s.k === 'let' && s.v.op.k === 'get' && fields.has(s.v.op.field)) {
        const { op } = s.v;
        const slot = s.v.args[0]?.constant;
        found.add(op.index === 'slot' ? Number(slot) + op.off : op.field.offset + op.index * op.field.stride);
      } else if (s.k === 'set' && fields.has(s.field)) {
        const slot = typeof s.index === 'number' ? undefined : s.index.constant;
        found.add(
          typeof s.index === 'number' ? s.field.offset + s.index * s.field.stride : Number(slot) + s.off,
        );
      } else if (s.k === 'if') {
        walk(s.then);
        walk(s.else);
      } else if (s.k === 'loop') walk(s.body);
    }
  };
  for (const { instructions } of region.blocks.values()) for (const { body } of instructions) walk(body);
  return found;
}
