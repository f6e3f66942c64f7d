/**
 * A region of guest code as one wasm function, `(cpu, record of where it is entered) -> RegionStatus`: blocks of one page and of what it
 * calls in structured control flow, guest registers in locals. Many regions make one module, which imports memory and the
 * routines that it calls. See ARCHITECTURE.md, "The translator".
 */
import type { Routine, StateField, Val } from '../../ir/nodes';
import { tyOf } from '../../ir/ops';
import { common } from '../../ir/state';
import type { Isa } from '../../isa/dsl/isa';
import { Emitter, type Target } from '../emit';
import { LocalPool } from '../local-pool';
import { hostFuses } from '../fused';
import { Tlb } from '../tlb';
import { W, WasmModule, type Func } from '../wasm';
import { successors, type Block, type Blocks } from './blocks';
import { elementOf, spreadOf, type Spread } from './dispatch';
import { RegionEmitter, RegionLocals } from './emitter';
import { DISPATCH, dispatchedFlow, type DispatchedFlow } from './flow';
import { Invariants } from './invariants';
import type { Placed, RegionOptions } from './instruction';

/** What a region returns. */
export const RegionStatus = {
  /** state.pc is where to go on. */
  branch: 0,
  /** The same, and the interpreter must execute the instruction there. */
  interpret: 1,
  /** The same as `branch`, and what comes before an instruction (stop requests, context, interrupts) is to be looked at. */
  recheck: 2,
} as const;

export interface Region extends Blocks {
  /** Offset of the entry in its page. */
  readonly entry: number;
  /**
   * The predecoded pages that its code outside of the entry's page was found in, by how many pages behind that one they are.
   * Another may be there when the region is entered.
   */
  readonly pages: ReadonlyMap<number, number>;
}

/** Why a region was left: places in `common.exits`, where they are counted for who measures. */
export const ExitReason = {
  /** A jump to a place that the region does not have. */
  jump: 0,
  /** A direct branch out of the region. */
  branch: 1,
  /** An access that the TLB does not serve. */
  miss: 2,
  /** An instruction that is the interpreter's, at this time or always. */
  cold: 3,
  budget: 4,
  /** A page that is not where it was when the region was made, or not in the TLB. */
  page: 5,
  /** An instruction that may have changed the context or what interrupts. */
  recheck: 6,
} as const;

const PAGE = 4096;
const pageOf = (offset: number): number => Math.floor(offset / PAGE);

interface RegionModule {
  readonly bytes: Uint8Array<ArrayBuffer>;
  /** Names of the routines that the module imports from `routine`. */
  readonly routines: readonly string[];
}

/**
 * The places at which a region's function may be entered: wherever a jump may arrive in the entry's page. Its own page is what a region
 * computes all addresses from.
 */
export function entriesOf({ entry, landings }: Region): number[] {
  return [entry, ...[...landings].filter((place) => place !== entry && pageOf(place) === 0)];
}

/** Name of the exported function of the n-th region of a module. */
export const regionName = (n: number): string => `r${n}`;

/** Makes a module of regions. */
export function regionModule(isa: Isa, regions: readonly Region[], options: RegionOptions): RegionModule {
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
    new RegionFunction(isa, func, region, (r) => index.get(r)!, options).emit();
  });
  return { bytes: module.encode(), routines: [...routines.keys()] };
}

/** The code of one region's function by itself, and names of its locals: for who wants to read it. */
export function regionCode(
  isa: Isa,
  region: Region,
): { readonly code: Uint8Array; readonly localName: (index: number) => string } {
  const func = new WasmModule().func({ params: ['i32', 'i32'], results: ['i32'] });
  const made = new RegionFunction(isa, func, region, () => 0, { entriesAlign: false, count: false });
  made.emit();
  return { code: func.text(), localName: (index) => made.localName(index) };
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
  /** The place that a dispatch is to go to, relative to the entry's page, and its element of the table. */
  private readonly to: number;
  private readonly element: number;
  /** A bit for each page of the region beside the entry's: it is where it was. */
  private readonly pagesThere: number;
  private readonly pageBits: ReadonlyMap<number, number>;
  private readonly flow: DispatchedFlow;
  private readonly spread: Spread;
  /** Labels of the enclosing blocks and loops, by the node that a jump to them leads to. */
  private readonly joins = new Map<number, number>();
  private readonly loops = new Map<number, number>();
  private exitLabel = 0;

  constructor(
    private readonly isa: Isa,
    private readonly func: Func,
    private readonly region: Region,
    private readonly routine: (r: Routine) => number,
    private readonly options: RegionOptions,
  ) {
    this.pool = new LocalPool(func);
    this.locals = new RegionLocals(func, isa, new Invariants(func, isa, region.blocks.values()));
    this.status = func.newLocal('i32');
    this.to = func.newLocal('i64');
    this.element = func.newLocal('i32');
    this.pagesThere = func.newLocal('i32');
    this.pageBits = new Map([...region.pages.keys()].map((page, n) => [page, 1 << n]));
    const { blocks } = region;
    const edges = (node: number): number[] => successors(blocks.get(node)!, blocks);
    this.flow = dispatchedFlow(region.entry, region.landings, edges);
    this.spread = spreadOf([...this.flow.dispatched]);
  }

  /** What a local holds, in a word. */
  localName(index: number): string {
    const own = (['status', 'to', 'element', 'pagesThere'] as const).find((name) => this[name] === index);
    return ['cpu', 'record'][index] ?? own ?? this.locals.name(index);
  }

  emit(): void {
    const { code } = this.func;
    const target = this.target(0);
    const body = new Emitter(code, this.pool, target);
    this.exitLabel = body.open(W.block);
    this.prologue(body);
    this.node(this.flow.order[0]!, body.depth);
    body.end();
    this.epilogue(body);
    const head = new Emitter(this.func.head, this.pool, target);
    this.locals.invariants.load(head);
    this.locals.forgetPages(head);
  }

  /** Loads what the region may use. Which registers those are is known from its instructions. */
  private prologue(e: Emitter): void {
    const { locals } = this;
    const { cpu } = this;
    for (const offset of stateOf(this.region)) locals.register(offset);
    e.get(cpu).load(8, common.pageVa.offset, 'i64').setLocal(locals.base);
    e.get(cpu).load(4, common.left.offset, 'i32').setLocal(locals.left);
    e.get(cpu).load(4, common.tlbRead.offset, 'i32').setLocal(locals.tlbRead);
    e.get(cpu).load(4, common.tlbWrite.offset, 'i32').setLocal(locals.tlbWrite);
    e.get(cpu).load(4, common.tlbMask.offset, 'i32').setLocal(locals.tlbMask);
    for (const [offset, local] of locals.registers) {
      const bytes = locals.bytesAt(offset);
      e.get(cpu).load(bytes, offset, tyOf(bytes)).setLocal(local);
    }
    locals.flags.load(e, cpu, this.isa.flags);
    this.findPages(e);
    if (!this.options.entriesAlign) {
      e.get(cpu).load(4, common.entriesAlign.offset, 'i32').openHinted(false);
      e.get(cpu).load(8, common.pc.offset, 'i64').setLocal(locals.pc);
      this.exit(e, RegionStatus.interpret, ExitReason.cold);
      e.end();
    }
    if (this.flow.dispatched.size === 0) return;
    e.get(cpu).load(8, common.pc.offset, 'i64').setLocal(locals.pc);
    this.aimAtPc(e);
  }

  /**
   * Looks whether the other pages are the ones that the region was made of. That holds until it leaves: only the interpreter changes
   * the TLB, and where it would find the page in it, going there changes nothing.
   */
  private findPages(e: Emitter): void {
    const { cpu, locals, pageBits, region } = this;
    const index = e.temp('i32');
    [...pageBits].forEach(([page, bit], n) => {
      e.get(locals.base)
        .i64(BigInt(page * PAGE))
        .op(W.i64Add)
        .tee(this.to);
      e.i64(12n)
        .op(W.i64ShrU, W.i32WrapI64)
        .i32(Tlb.entries - 1)
        .op(W.i32And)
        .setLocal(index);
      e.get(cpu).load(4, common.tlbFetch.offset, 'i32').get(index).i32(Tlb.entryShift).op(W.i32Shl, W.i32Add);
      e.load(8, Tlb.tag, 'i64').get(this.to).op(W.i64Eq);
      e.get(cpu).load(4, common.tlbFetchRec.offset, 'i32').get(index).i32(2).op(W.i32Shl, W.i32Add);
      e.load(4, 0, 'i32').i32(region.pages.get(page)!).op(W.i32Eq, W.i32And);
      e.i32(Math.log2(bit)).op(W.i32Shl);
      if (n > 0) e.get(this.pagesThere).op(W.i32Or);
      e.setLocal(this.pagesThere);
    });
  }

  private epilogue(e: Emitter): void {
    const { cpu, locals } = this;
    for (const offset of locals.written) {
      const bytes = locals.bytesAt(offset);
      e.get(cpu).get(locals.registers.get(offset)!).store(bytes, offset, tyOf(bytes));
    }
    locals.flags.known = undefined;
    locals.flags.store(e, cpu, this.isa.flags);
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
      fuses: hostFuses(),
    };
  }

  // --- control flow ---------------------------------------------------------------------------------------------

  /** A block with all that it dominates. Code that is not reached by falling into it stands behind it. */
  private node(node: number, depth: number): void {
    const e = new Emitter(this.func.code, this.pool, this.target(node)).at(depth);
    const isLoop = node === DISPATCH || this.flow.isLoop(node);
    if (isLoop) this.loops.set(node, e.open(W.loop));
    // Other ways lead here than that by which the code comes.
    if (isLoop || this.flow.isJoin(node)) this.locals.flags.known = undefined;
    const joins = this.flow.joins(node);
    for (const join of [...joins].reverse()) this.joins.set(join, e.open(W.block));
    if (node === DISPATCH) this.dispatch(e);
    else this.block(this.region.blocks.get(node)!, e.depth);
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

  /** Goes to the block at `to`, or leaves for there. */
  private dispatch(e: Emitter): void {
    const { to, spread } = this;
    const none = e.open(W.block);
    const places = [...this.flow.dispatched];
    const labels = new Map(places.map((place) => [elementOf(spread, place), e.open(W.block)]));
    const label = (element: number): number => e.depth - (labels.get(element) ?? none);
    e.get(this.element)
      .op(W.brTable)
      .code.u32(1 << spread.bits);
    for (let element = 0; element < 1 << spread.bits; element++) e.code.u32(label(element));
    e.code.u32(e.depth - none);
    for (const place of places.reverse()) {
      e.end();
      e.get(to).i64(BigInt(place)).op(W.i64Ne).br(none, W.brIf);
      this.checkPage(e, place);
      e.br(this.joins.get(place)!);
    }
    e.end();
    e.get(this.locals.base).get(to).op(W.i64Add).setLocal(this.locals.pc);
    this.exit(e, RegionStatus.branch, ExitReason.jump);
  }

  /** Has the next dispatch go to a place. */
  private aim(e: Emitter, place: number): void {
    e.i64(BigInt(place)).setLocal(this.to).i32(elementOf(this.spread, place)).setLocal(this.element);
  }

  /** Goes to the address in the local `pc`. */
  private jump(e: Emitter): void {
    const loop = this.loops.get(DISPATCH);
    if (loop === undefined) return this.exit(e, RegionStatus.branch, ExitReason.jump);
    this.aimAtPc(e);
    e.br(loop);
  }

  /** Has the next dispatch go to the address in the local `pc`. */
  private aimAtPc(e: Emitter): void {
    const { factor, bits } = this.spread;
    e.get(this.locals.pc).get(this.locals.base).op(W.i64Sub).tee(this.to);
    if (bits === 0) e.op(W.drop).i32(0);
    else
      e.op(W.i32WrapI64)
        .i32(factor)
        .op(W.i32Mul)
        .i32(32 - bits)
        .op(W.i32ShrU);
    e.setLocal(this.element);
  }

  private block(block: Block, depth: number): void {
    const outer = this.locals.passed;
    this.locals.passed = new Set();
    const e = new Emitter(this.func.code, this.pool, this.target(block.offset)).at(depth);
    const count = block.instructions.length;
    // All of the block or nothing: what is left of the budget the interpreter uses up exactly.
    e.get(this.locals.left).i32(count).op(W.i32LtU).openHinted(false);
    this.leave(e, block.offset, RegionStatus.interpret, ExitReason.budget);
    e.end();
    e.get(this.locals.left).i32(count).op(W.i32Sub).setLocal(this.locals.left);
    block.instructions.forEach((instruction, n) => this.instruction(instruction, count - n, e.depth, block));
    if (block.next !== undefined) this.goTo(e, block.offset, block.next);
    this.locals.passed = outer;
  }

  /** @param left instructions of the block that have not been executed, this one included */
  private instruction(i: Placed, left: number, depth: number, block: Block): void {
    const mark = this.pool.mark();
    const refund = (e: Emitter, n: number): void => {
      if (n > 0) e.get(this.locals.left).i32(n).op(W.i32Add).setLocal(this.locals.left);
    };
    const emitter = new RegionEmitter(
      this.func,
      this.pool,
      this.target(i.offset),
      this.isa,
      this.locals,
      i,
      this.options,
      {
        branch: (e, offset) => {
          refund(e, left - 1);
          this.goTo(e, block.offset, offset);
        },
        jump: (e) => {
          refund(e, left - 1);
          this.jump(e);
        },
        recheck: (e, offset) => {
          refund(e, left - 1);
          if (offset === undefined) this.exit(e, RegionStatus.recheck, ExitReason.recheck);
          else this.leave(e, offset, RegionStatus.recheck, ExitReason.recheck);
        },
        budget: (e) => {
          e.get(this.locals.left);
          if (left > 1) e.i32(left - 1).op(W.i32Add);
        },
        leaveBefore: (e, isMiss) => {
          refund(e, left);
          this.leave(e, i.offset, RegionStatus.interpret, isMiss ? ExitReason.miss : ExitReason.cold);
        },
      },
    );
    emitter.at(depth);
    emitter.body(i.body);
    this.pool.restore(mark);
  }

  /** Goes to a place: inside the region where it is a part of it. */
  private goTo(e: Emitter, from: number, to: number): void {
    const { flow, region } = this;
    if (!region.blocks.has(to)) return this.leave(e, to, RegionStatus.branch, ExitReason.branch);
    if (pageOf(to) !== pageOf(from)) this.checkPage(e, to);
    const back = flow.place.get(to)! <= flow.place.get(from)!;
    const label = back ? this.loops.get(to) : this.joins.get(to);
    if (back && !flow.dominates(to, from)) {
      this.aim(e, to);
      e.br(this.loops.get(DISPATCH)!);
    } else if (label !== undefined) e.br(label);
    else this.node(to, e.depth);
  }

  /** Leaves for a place whose page is not the one that the region was made of. */
  private checkPage(e: Emitter, to: number): void {
    const bit = this.pageBits.get(pageOf(to));
    if (bit === undefined) return;
    e.get(this.pagesThere).i32(bit).op(W.i32And, W.i32Eqz).openHinted(false);
    this.leave(e, to, RegionStatus.branch, ExitReason.page);
    e.end();
  }

  private leave(e: Emitter, offset: number, status: number, reason: number): void {
    e.get(this.locals.base).i64(BigInt(offset)).op(W.i64Add).setLocal(this.locals.pc);
    this.exit(e, status, reason);
  }

  /** Leaves for the address in the local `pc`. */
  private exit(e: Emitter, status: number, reason: number): void {
    if (this.options.count) {
      const at = common.exits.offset + reason * common.exits.stride;
      e.get(this.cpu).get(this.cpu).load(8, at, 'i64').i64(1n).op(W.i64Add).store(8, at, 'i64');
    }
    e.i32(status).setLocal(this.status).br(this.exitLabel);
  }
}

/** Byte offsets of the state that the instructions of a region name. */
function stateOf(region: Region): Set<number> {
  const found = new Set<number>();
  const add = (field: StateField, index: number | Val | undefined, off: number): void => {
    if (typeof index === 'number') found.add(field.offset + index * field.stride);
    else if (index?.constant !== undefined) found.add(Number(index.constant) + off);
  };
  const walk = (stmts: Placed['body']): void => {
    for (const s of stmts) {
      if (s.k === 'let' && s.v.op.k === 'get') {
        const { op } = s.v;
        add(op.field, op.index === 'slot' ? s.v.args[0] : op.index, op.off);
      } else if (s.k === 'set') add(s.field, s.index, s.off);
      else if (s.k === 'if') {
        walk(s.then);
        walk(s.else);
      } else if (s.k === 'loop') walk(s.body);
    }
  };
  for (const { instructions } of region.blocks.values()) for (const { body } of instructions) walk(body);
  return found;
}
