/**
 * Emits the instructions of a region: guest registers are wasm locals, NZCV is four of them, addresses are known but for
 * the page they are in, and a TLB miss leaves.
 */
import { Val, type Access, type Local, type Stmt } from '../../ir/nodes';
import { floatLane, reinterpret } from '../../ir/floats';
import { ops, tyOf, type Width } from '../../ir/ops';
import { extract, replace, type LaneBits } from '../../ir/simd';
import { common } from '../../ir/state';
import type { Isa } from '../../isa/dsl/isa';

import { Emitter, type Target } from '../emit';
import type { LocalPool } from '../local-pool';
import { Rec } from '../handlers';
import { TagFlag, Tlb } from '../tlb';
import { W, type Func } from '../wasm';
import {
  bitsOfRead,
  FLAG_BITS,
  onlyCompares,
  producerOf,
  pushCondition,
  pushWord,
  RegionFlags,
  truthTable,
  type FlagsRead,
} from './flags';
import { distance, readsTime, type Placed, type RegionOptions } from './instruction';
import type { Invariants } from './invariants';

/** The locals of a region's function. Parameters: 0 the CPU block, 1 the record of the entry. */
export class RegionLocals {
  /** Virtual address of the entry's page. */
  readonly base: number;
  readonly left: number;
  readonly pc: number;
  readonly tlbRead: number;
  readonly tlbWrite: number;
  readonly tlbMask: number;
  readonly flags: RegionFlags;
  /** Registers by byte offset in the CPU block. */
  readonly registers = new Map<number, number>();
  readonly written = new Set<number>();
  private readonly fields: readonly { name: string; from: number; to: number; bytes: 8 | 16 }[];
  private readonly lastPages = new Map<string, LastPage>();
  /** Conditions that make instructions leave, and that this block has found not to hold. */
  passed = new Set<number>();

  constructor(
    private readonly func: Func,
    isa: Isa,
    readonly invariants: Invariants,
  ) {
    this.base = func.newLocal('i64');
    this.pc = func.newLocal('i64');
    this.left = func.newLocal('i32');
    this.tlbRead = func.newLocal('i32');
    this.tlbWrite = func.newLocal('i32');
    this.tlbMask = func.newLocal('i32');
    this.flags = new RegionFlags(func);
    this.fields = isa.registers.map((f) => ({
      name: f.name,
      from: f.offset,
      to: f.offset + f.stride * f.count,
      bytes: f.bytes === 16 ? 16 : 8,
    }));
  }

  /** The page that was accessed last with the address that is in a register, or near it. */
  lastPage(kind: 'read' | 'write', register: number): LastPage {
    const key = `${kind} ${register}`;
    let last = this.lastPages.get(key);
    if (!last) {
      last = { page: this.func.newLocal('i64'), addend: this.func.newLocal('i32') };
      this.lastPages.set(key, last);
    }
    return last;
  }

  /** Has no page for one that was accessed last. */
  forgetPages(e: Emitter): void {
    for (const { page } of this.lastPages.values()) e.i64(NO_PAGE).setLocal(page);
  }

  /** What a local holds, in a word. */
  name(index: number): string {
    const own = (['base', 'left', 'pc', 'tlbRead', 'tlbWrite', 'tlbMask'] as const).find(
      (n) => this[n] === index,
    );
    const named = (at: number): string | undefined => {
      const field = this.fields.find(({ from, to }) => at >= from && at < to);
      return field && `${field.name}${(at - field.from) / field.bytes}`;
    };
    const register = [...this.registers].find(([, local]) => local === index)?.[0];
    const last = [...this.lastPages].find(([, { page, addend }]) => page === index || addend === index);
    if (register !== undefined) return named(register) ?? `t${index}`;
    if (last) {
      const [kind, at] = last[0].split(' ');
      return `${last[1].page === index ? 'page' : 'addend'}.${kind}.${named(Number(at))}`;
    }
    return own ?? this.flags.name(index) ?? this.invariants.name(index) ?? `t${index}`;
  }

  /** The register that a byte offset in the CPU block is part of, if it has a local. */
  register(offset: number): Register | undefined {
    const field = this.fields.find(({ from, to }) => offset >= from && offset < to);
    if (!field) return undefined;
    const { bytes } = field;
    const at = offset - ((offset - field.from) % bytes);
    let local = this.registers.get(at);
    if (local === undefined) this.registers.set(at, (local = this.func.newLocal(tyOf(bytes))));
    return { at, local, bytes, byte: offset - at };
  }

  /** Its width. */
  bytesAt(offset: number): 8 | 16 {
    return this.register(offset)?.bytes ?? 8;
  }
}

/** Locals: a page of virtual addresses, or NO_PAGE, and what to add to one for the address in linear memory. */
interface LastPage {
  readonly page: number;
  readonly addend: number;
}

/** Is compared with addresses of which this bit has been taken out. */
const NO_PAGE = 1n << 11n;

/** A place in a register that has a local. */
export interface Register {
  /** Byte offset of the register in the CPU block. */
  readonly at: number;
  readonly local: number;
  readonly bytes: 8 | 16;
  /** Where in the register, in bytes. */
  readonly byte: number;
}

const laneBits = (bytes: Width): LaneBits => (8 * bytes) as LaneBits;

/** What an instruction tells the region around it. */
export interface Exits {
  /** Goes to the instruction at an offset from the start of the entry's page. */
  branch(e: Emitter, offset: number): void;
  /** Goes to the address in the local `pc`. */
  jump(e: Emitter): void;
  /** Leaves behind the instruction, for an offset or for the address in the local `pc`; interrupts and context are looked at there. */
  recheck(e: Emitter, offset: number | undefined): void;
  /** Pushes how much of the budget is left with this instruction executed. */
  budget(e: Emitter): void;
  /** Leaves before the instruction, because of a TLB miss or for another reason. */
  leaveBefore(e: Emitter, isMiss: boolean): void;
}

export class RegionEmitter extends Emitter {
  /** Where the next exit goes: an offset in the page, or undefined for the local `pc`. */
  private branchTo: number | undefined;
  /** Variables, and the values of those that only one is assigned to. */
  private readonly assigned = new Map<Local, Val | undefined>();
  /** The flags as a value of the flags word found them. */
  private readonly flagsRead = new Map<Val, FlagsRead>();
  /** Values of the flags word whose single flags had to be worked out. */
  private readonly flagBits = new Map<Val, readonly number[]>();
  /** Statements `if` and `loop` around what is being emitted. */
  private nesting = 0;

  constructor(
    func: Func,
    pool: LocalPool,
    target: Target,
    private readonly isa: Isa,
    private readonly region: RegionLocals,
    private readonly instruction: Placed,
    private readonly options: RegionOptions,
    private readonly exits: Exits,
  ) {
    super(func.code, pool, target);
    this.countAssignments(instruction.body);
  }

  private countAssignments(stmts: readonly Stmt[]): void {
    if (this.instruction.cold.has(stmts)) return;
    for (const s of stmts) {
      if (s.k === 'assign') this.assigned.set(s.local, this.assigned.has(s.local) ? undefined : s.v);
      else if (s.k === 'loop') this.countAssignments(s.body);
      else if (s.k === 'if') {
        this.countAssignments(s.then);
        this.countAssignments(s.else);
      }
    }
  }

  /** The value that a variable stands for, where it has but one: what else is assigned to it is cold. */
  private standsFor(v: Val): Val | undefined {
    return v.op.k === 'local' ? this.assigned.get(v.op.local) : undefined;
  }

  protected override stmt(s: Stmt): void {
    switch (s.k) {
      case 'syncpc':
      case 'commit':
        // Nothing looks at state.pc before the region has left, and a hit is never the scratch buffer.
        return;
      case 'exit':
        if (s.kind === 'recheck') this.exits.recheck(this, this.branchTo);
        else if (this.branchTo === undefined) this.exits.jump(this);
        else this.exits.branch(this, this.branchTo);
        return;
      case 'set':
        return this.set(s);
      case 'assign':
        if (this.assigned.get(s.local) === undefined) return super.stmt(s);
        // Flags are taken from where they come from.
        if (!this.flagParts(s.v)) this.bind(s.v);
        return;
      case 'if':
        return this.branch(s);
      case 'call':
        if (s.callee.k === 'routine' && readsTime(s.callee, this.isa.newBuilder)) {
          this.get(this.target.cpu);
          this.exits.budget(this);
          this.store(4, common.left.offset, 'i32');
        }
        return super.stmt(s);
      case 'loop':
        this.nesting++;
        super.stmt(s);
        this.nesting--;
        return;
      default:
        return super.stmt(s);
    }
  }

  private set(s: Extract<Stmt, { k: 'set' }>): void {
    if (s.field === common.pc) {
      const d = distance(s.v);
      this.branchTo = d === undefined ? undefined : this.instruction.offset + d;
      if (d === undefined) this.val(s.v).setLocal(this.region.pc);
      return;
    }
    if (s.field === this.isa.flags) return this.setFlags(s.v);
    const offset =
      s.index instanceof Val
        ? s.index.constant === undefined
          ? undefined
          : Number(s.index.constant) + s.off
        : s.field.offset + s.index * s.field.stride;
    const register = offset === undefined ? undefined : this.region.register(offset);
    if (!register) return super.stmt(s);
    const { bytes } = s.field;
    if (bytes === register.bytes) this.val(s.v);
    else {
      const lane = replace[laneBits(bytes)];
      this.get(register.local)
        .val(s.v)
        .simd(lane.code, register.byte / bytes);
    }
    this.setLocal(register.local);
    this.region.written.add(register.at);
  }

  private branch(s: Extract<Stmt, { k: 'if' }>): void {
    const { cold } = this.instruction;
    this.nesting++;
    if (!cold.has(s.then) && !cold.has(s.else)) this.eitherWay(s);
    else this.oneWay(s);
    this.nesting--;
  }

  /** The way of an `if` that stays; for the other the region is left. */
  private oneWay(s: Extract<Stmt, { k: 'if' }>): void {
    const { cold } = this.instruction;
    const rest = cold.has(s.then) ? s.else : s.then;
    const known = this.region.invariants.local(s.c);
    const passed = known !== undefined && cold.has(s.then) && this.region.passed.has(known);
    if (!passed) {
      this.val(s.c);
      if (cold.has(s.else)) this.op(W.i32Eqz);
      this.openHinted(false);
      this.exits.leaveBefore(this, false);
      this.end();
      if (known !== undefined && cold.has(s.then)) this.region.passed.add(known);
    }
    this.body(rest);
  }

  /** Both ways of an `if`. Of the flags is known behind it what is known on all ways that lead there. */
  private eitherWay(s: Extract<Stmt, { k: 'if' }>): void {
    const { flags } = this.region;
    this.val(s.c).openIf(s);
    const before = flags.known;
    this.body(s.then);
    const after = leavesAtEnd(s.then) ? undefined : { known: flags.known };
    flags.known = before;
    if (s.else.length) {
      this.else();
      this.body(s.else);
    }
    this.end();
    if (leavesAtEnd(s.else)) flags.known = after?.known;
    else if (after && after.known !== flags.known) flags.known = undefined;
  }

  protected override val(v: Val): this {
    const invariant = this.region.invariants.local(v);
    return invariant === undefined ? super.val(this.standsFor(v) ?? v) : this.get(invariant);
  }

  protected override float(v: Val): this {
    return super.float(this.standsFor(v) ?? v);
  }

  protected override compute(v: Val): void {
    const o = v.op;
    if (o.k === 'get') {
      if (o.field === this.isa.flags) return pushWord(this, this.bitsOf(v));
      if (o.field === common.left) return this.exits.budget(this);
      const register = this.registerOf(v);
      if (register) return this.getRegister(register, o.field.bytes);
    }
    if (this.condition(v)) return;
    const flag = this.flagRead(v);
    if (flag !== undefined) return void this.get(flag);
    super.compute(v);
  }

  /** Pushes a condition on flags of which it is known what has set them. @returns whether `v` is one */
  private condition(v: Val): boolean {
    if (this.flagsRead.size !== 1 || v.ty !== 'i32') return false;
    for (const [word, read] of this.flagsRead) {
      if (read.kind === 0 || this.flagBits.has(word)) return false;
      const table = truthTable(v, word);
      return table !== undefined && pushCondition(this, read, table);
    }
    return false;
  }

  /** The single flags of a value of the flags word, worked out where it was read. */
  private bitsOf(word: Val): readonly number[] {
    let bits = this.flagBits.get(word);
    if (!bits) this.flagBits.set(word, (bits = bitsOfRead(this, this.flagsRead.get(word)!)));
    return bits;
  }

  /** Pushes a register or a lane of it. */
  private getRegister(r: Register, bytes: Width): void {
    this.get(r.local);
    if (bytes !== r.bytes) this.simd(extract[laneBits(bytes)].code, r.byte / bytes);
  }

  protected override computeFloat(v: Val): void {
    const register = this.registerOf(v);
    if (!register) return super.computeFloat(v);
    if (register.bytes === 16) {
      this.get(register.local);
      this.simd(floatLane.extract_lane[v.ty === 'i32' ? 0 : 1], register.byte / (v.ty === 'i32' ? 4 : 8));
    } else {
      this.getRegister(register, v.ty === 'i32' ? 4 : 8);
      this.op(reinterpret.toFloat[v.ty === 'i32' ? 0 : 1]);
    }
  }

  /** The register that a value reads, or reads a part of. */
  private registerOf(v: Val): Register | undefined {
    const o = v.op;
    if (o.k !== 'get') return undefined;
    const slot = o.index === 'slot' ? v.args[0]?.constant : BigInt(o.field.offset + o.index * o.field.stride);
    return slot === undefined ? undefined : this.region.register(Number(slot) + o.off);
  }

  protected override let(v: Val): void {
    if (this.region.invariants.has(v) || this.standsFor(v)) return;
    if (v.op.k !== 'get' || v.op.field !== this.isa.flags) return super.let(v);
    const read = this.region.flags.read(this);
    this.flagsRead.set(v, read);
    // Once for all: where they are read may be on one of several ways.
    if (read.kind !== 0 && !onlyCompares(this.instruction.body, v, read.kind)) this.bitsOf(v);
  }

  /** The local of the flag that a value reads: a bit of the flags word as it was before the instruction. */
  private flagRead(v: Val): number | undefined {
    if (v.op.k !== 'pure' || v.op.op !== 'and' || v.args[1]?.constant !== 1n) return undefined;
    const shifted = v.args[0]!;
    if (shifted.op.k !== 'pure' || shifted.op.op !== 'shr_u') return undefined;
    const [word, by] = shifted.args;
    if (word?.op.k !== 'get' || word.op.field !== this.isa.flags) return undefined;
    const i = FLAG_BITS.findIndex((bit) => by?.constant === BigInt(bit));
    return i < 0 ? undefined : this.bitsOf(word)[i];
  }

  /**
   * Takes the word apart where it was put together from single flags: those that the next instruction overwrites are then
   * never computed. All are computed before one is set, since they may come from each other.
   */
  private setFlags(v: Val): void {
    const { flags } = this.region;
    const parts = this.flagParts(v);
    const producer = this.nesting === 0 && parts ? producerOf(parts) : undefined;
    if (producer) {
      this.val(producer.a);
      if (producer.b) this.val(producer.b);
      return flags.setProducer(this, producer.kind);
    }
    if (parts) {
      for (const part of parts) {
        if (part === undefined) this.i32(0);
        else this.val(part);
      }
    } else {
      const word = this.temp('i32');
      this.val(v).setLocal(word);
      for (const bit of FLAG_BITS) this.get(word).i32(bit).op(W.i32ShrU).i32(1).op(W.i32And);
    }
    flags.setBits(this);
  }

  private flagParts(v: Val): (Val | undefined)[] | undefined {
    return flagParts(v, (part) => this.standsFor(part) ?? part);
  }

  protected override probe(v: Val): void {
    if (v.op.k !== 'probe') return;
    const { access } = v.op;
    const va = this.temp('i64');
    const entry = this.temp('i32');
    this.val(v.args[0]!).setLocal(va);
    const last = this.lastPage(access, v.args[0]!);
    if (last) return this.probeBy(last, v, access, va, entry);
    this.lookUp(access, va, entry);
    this.hostAddress(va, entry);
    this.setLocal(this.localOf(v, 'i32'));
  }

  /** The page that was accessed last by the register that an address comes from: mostly it is the same again. */
  private lastPage(access: Access, address: Val): LastPage | undefined {
    const { entriesAlign } = this.options;
    if (entriesAlign || access.flags & 2 || this.instruction.besideCode) return undefined;
    const register = this.baseOf(address);
    return register && this.region.lastPage(access.kind === 'read' ? 'read' : 'write', register.at);
  }

  /** The register that an address is computed from. */
  private baseOf(given: Val): Register | undefined {
    const v = this.standsFor(given) ?? given;
    const register = this.registerOf(v);
    if (register || v.op.k !== 'pure' || !['add', 'sub'].includes(v.op.op)) return register;
    return this.baseOf(v.args[0]!) ?? this.baseOf(v.args[1]!);
  }

  /** While a region runs, nothing changes the TLB: what it said of a page holds until the end. */
  private probeBy({ page, addend }: LastPage, v: Val, access: Access, va: number, entry: number): void {
    // All of the access has to be in it. Of one element that is so where it is aligned; others are looked up.
    const { bytes, elem } = access;
    this.get(va)
      .i64(-4096n | BigInt(elem - 1))
      .op(W.i64And)
      .get(page)
      .op(W.i64Ne);
    if (bytes > elem) {
      this.get(va)
        .i64(BigInt(bytes - 1))
        .op(W.i64Add)
        .i64(-4096n)
        .op(W.i64And);
      this.get(page).op(W.i64Ne, W.i32Or);
    }
    this.openHinted(false);
    this.lookUp(access, va, entry);
    this.get(va)
      .i64(-4096n)
      .op(W.i64And)
      .setLocal(page)
      .get(entry)
      .load(4, Tlb.addend, 'i32')
      .setLocal(addend);
    this.end();
    this.get(addend).get(va).op(W.i32WrapI64, W.i32Add);
    this.setLocal(this.localOf(v, 'i32'));
  }

  /** Finds the TLB's entry for an access, or leaves. */
  private lookUp(access: Access, va: number, entry: number): void {
    const table = access.kind === 'read' ? this.region.tlbRead : this.region.tlbWrite;
    const place = { table: () => void this.get(table), mask: () => void this.get(this.region.tlbMask) };
    this.hit(access, place, va, entry, this.options.entriesAlign);
    this.op(W.i32Eqz).openHinted(false);
    if (access.kind !== 'read' && this.instruction.besideCode) this.besideCode(access, va, entry);
    else this.exits.leaveBefore(this, true);
    this.end();
  }

  /** Leaves unless the access is aligned, in a page that is special for its code only, and where nothing has been decoded. */
  private besideCode(access: Access, va: number, entry: number): void {
    const cpu = this.target.cpu;
    const inPage = this.temp('i32');
    const recs = this.temp('i32');
    const leaveUnless = (): void => {
      this.op(W.i32Eqz).openHinted(false);
      this.exits.leaveBefore(this, true);
      this.end();
    };
    this.get(va).i64(-4096n).op(W.i64And).i64(BigInt(TagFlag.code)).op(W.i64Add);
    this.get(entry).load(8, Tlb.tag, 'i64').op(W.i64Eq);
    this.get(va)
      .op(W.i32WrapI64)
      .i32(access.bytes - 1)
      .op(W.i32And, W.i32Eqz, W.i32And);
    leaveUnless();
    this.hostAddress(va, entry);
    this.get(cpu).load(4, common.ramHost.offset, 'i32').op(W.i32Sub).tee(inPage);
    this.i32(12).op(W.i32ShrU).i32(2).op(W.i32Shl);
    this.get(cpu).load(4, common.pageRecs.offset, 'i32').op(W.i32Add).load(4, 0, 'i32').tee(recs);
    // The page may have lost its records since the entry was made.
    leaveUnless();
    this.get(inPage)
      .i32(0xffc)
      .op(W.i32And)
      .i32(Rec.shift - 2)
      .op(W.i32Shl);
    this.get(recs).op(W.i32Add).setLocal(recs);
    for (let word = 0; 4 * word < access.bytes; word++) {
      this.get(recs).load(2, word * Rec.bytes, 'i32');
      if (word > 0) this.op(W.i32Or);
    }
    this.op(W.i32Eqz);
    leaveUnless();
  }
}

/** Does control never come behind a list? */
const leavesAtEnd = (stmts: readonly Stmt[]): boolean => stmts.at(-1)?.k === 'exit';

/** The values of single flags, lowest bit first, of a word that is made of them; undefined flags are zero. */
function flagParts(given: Val, meaning: (v: Val) => Val): (Val | undefined)[] | undefined {
  const v = meaning(given);
  const word = v.constant;
  if (word !== undefined)
    return FLAG_BITS.map((bit) => ((word >> BigInt(bit)) & 1n ? truth(true) : undefined));
  const [a, b, c] = v.args;
  if (!a || !b) return undefined;
  if (v.op.k === 'select' && c) {
    const [x, y] = [flagParts(a, meaning), flagParts(b, meaning)];
    return x && y && x.map((part, i) => choice(c, part, y[i]));
  }
  if (v.op.k !== 'pure') return undefined;
  if (v.op.op === 'shl' && isTruth(a)) {
    const i = FLAG_BITS.findIndex((bit) => b.constant === BigInt(bit));
    return i < 0 ? undefined : FLAG_BITS.map((_, n) => (n === i ? a : undefined));
  }
  if (v.op.op !== 'or') return undefined;
  const [x, y] = [flagParts(a, meaning), flagParts(b, meaning)];
  if (!x || !y || x.some((part, i) => part && y[i])) return undefined;
  return x.map((part, i) => part ?? y[i]);
}

const truth = (is: boolean): Val => new Val({ k: 'const', value: is ? 1n : 0n }, 'i32', []);

const choice = (c: Val, a: Val | undefined, b: Val | undefined): Val | undefined =>
  a || b ? new Val({ k: 'select' }, 'i32', [a ?? truth(false), b ?? truth(false), c]) : undefined;

/** A value that can only be 0 or 1. */
function isTruth(v: Val): boolean {
  if (v.ty !== 'i32') return false;
  if (v.constant !== undefined) return v.constant <= 1n;
  const [a] = v.args;
  if (v.op.k === 'floatTest') return true;
  if (v.op.k === 'conv') return a?.op.k === 'pure' && a.op.op === 'and' && a.args[1]?.constant === 1n;
  if (v.op.k !== 'pure') return false;
  const { shape } = ops[v.op.op];
  if (shape === 'cmp' || shape === 'test') return true;
  if (v.op.op === 'and') return v.args.some(isTruth);
  return ['or', 'xor'].includes(v.op.op) && v.args.every(isTruth);
}
