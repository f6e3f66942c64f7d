/**
 * One instruction as a region can hold it. A region has guest registers in wasm locals and calls nothing that looks at
 * them: what an instruction does seldom (raising an exception, calling the host) leaves the region before the
 * instruction, and the interpreter executes it. That is right because nothing is committed before the last place where
 * an instruction may leave; an instruction for which this does not hold is not translated.
 */
import type { Builder } from '../../ir/builder';
import { routineBody } from '../../ir/evaluate';
import type { Routine, StateField, Stmt, Val } from '../../ir/nodes';
import { common } from '../../ir/state';
import type { Isa } from '../../isa/dsl/isa';
import { operandValues, type Decoded } from '../decoder';

export interface Instruction {
  readonly body: readonly Stmt[];
  /** Bodies of `if` statements that leave the region before the instruction. */
  readonly cold: ReadonlySet<readonly Stmt[]>;
  /** Where it branches to, as byte distances from itself, as far as that is known. */
  readonly targets: readonly number[];
  /** Control can go on behind it. */
  readonly falls: boolean;
  /** It branches to an address that is known only when it is executed. */
  readonly jumps: boolean;
  /** It is a call: control will come back behind it. */
  readonly links: boolean;
  /** It comes back from a call. */
  readonly returns: boolean;
  /** It has been seen to write beside code, in a page that has some. */
  readonly besideCode?: boolean;
}

export interface Placed extends Instruction {
  /** Byte offset from the start of the entry's page; it may be in another one. */
  readonly offset: number;
}

/** What the code of a region is made for. */
export interface RegionOptions {
  /** Contexts in which TLB entries may ask for alignment, too: see state.entriesAlign. */
  readonly entriesAlign: boolean;
  /** Count exits by their reasons. */
  readonly count: boolean;
}

/** State that only the interpreter keeps up to date. */
const HOST_STATE: ReadonlySet<StateField> = new Set([
  common.retired,
  common.mail,
  common.pageVa,
  common.pageRec,
  common.stopReason,
  common.scratch,
]);

/** Instruction words that are remembered. */
const KNOWN = 65536;

/** The distance of a branch target from the instruction, if it is known. */
export function distance(v: Val): number | undefined {
  if (v.op.k === 'pc') return 0;
  if (v.op.k !== 'pure' || v.op.op !== 'add') return undefined;
  const [a, b] = v.args;
  const from = a && distance(a);
  const by = b?.constant;
  return from === undefined || by === undefined ? undefined : from + Number(BigInt.asIntN(64, by));
}

const overlap = (a: StateField, b: StateField): boolean =>
  a.offset < b.offset + b.stride * b.count && b.offset < a.offset + a.stride * a.count;

/** Builds an instruction's IR, with all its fields known. */
export function instructionBody(b: Builder, d: Decoded): void {
  const shape = Object.fromEntries(d.row.shape.map(({ name }) => [name, d.fields[name]!]));
  d.row.exec(b, shape, operandValues(d));
}

/** Decides what of an instruction set's code may be part of a region. */
export class Translatability {
  private readonly routines = new Map<Routine, boolean>();
  /** By instruction word: code consists of few different ones, and none knows where it stands. */
  private readonly known = new Map<number, Instruction | undefined>();

  constructor(private readonly isa: Isa) {}

  /** The instruction that a word is, or undefined when only the interpreter can execute it. */
  instruction(word: number, decode: (word: number) => Decoded | undefined): Instruction | undefined {
    if (!this.known.has(word)) {
      if (this.known.size >= KNOWN) this.known.clear();
      const decoded = decode(word);
      this.known.set(word, decoded && this.translate(decoded));
    }
    return this.known.get(word);
  }

  /** The same with something before it, such as a condition on which it leaves. */
  guarded(
    word: number,
    decode: (word: number) => Decoded | undefined,
    before: (b: Builder) => void,
  ): Instruction | undefined {
    const decoded = decode(word);
    return decoded && this.translate(decoded, before);
  }

  private translate(d: Decoded, before?: (b: Builder) => void): Instruction | undefined {
    const b = this.isa.newBuilder();
    before?.(b);
    instructionBody(b, d);
    const scan = new Scan((r) => this.isSelfContained(r));
    if (!scan.list(b.body)) return undefined;
    return {
      ...{ body: b.body, cold: scan.cold, targets: scan.targets, jumps: scan.jumps },
      falls: b.body.at(-1)?.k !== 'exit',
      ...{ links: d.row.flow === 'call', returns: d.row.flow === 'return' },
    };
  }

  /** A routine that touches no register that a region has in a local, and does not call the host. */
  isSelfContained(r: Routine): boolean {
    let known = this.routines.get(r);
    if (known === undefined) {
      this.routines.set(r, true);
      known = this.only(routineBody(r, this.isa.newBuilder));
      this.routines.set(r, known);
    }
    return known;
  }

  private only(stmts: readonly Stmt[]): boolean {
    return stmts.every((s) => {
      switch (s.k) {
        case 'let':
          return s.v.op.k !== 'probe' && (s.v.op.k !== 'get' || this.isOther(s.v.op.field));
        case 'set':
          return s.field !== common.left && this.isOther(s.field);
        case 'if':
          return this.only(s.then) && this.only(s.else);
        case 'loop':
          return this.only(s.body);
        case 'call':
          return s.callee.k === 'routine' && this.isSelfContained(s.callee);
        default:
          return s.k !== 'syncpc' && s.k !== 'commit' && s.k !== 'exit';
      }
    });
  }

  private isOther(field: StateField): boolean {
    if (field === this.isa.flags || field === common.pc || HOST_STATE.has(field)) return false;
    return !this.isa.registers.some((r) => overlap(r, field));
  }
}

/** One look at an instruction's body, in the order in which it is executed. */
class Scan {
  readonly cold = new Set<readonly Stmt[]>();
  readonly targets: number[] = [];
  jumps = false;
  private committed = false;

  constructor(private readonly isSelfContained: (r: Routine) => boolean) {}

  /** False: this list leaves the region. */
  list(stmts: readonly Stmt[]): boolean {
    return stmts.every((s, n) => {
      const [before, behind] = [stmts[n - 1], stmts[n + 1]];
      if (isRecheck(behind) && isPc(s)) return true;
      // Where a routine has set the PC, it has touched registers as well.
      return isRecheck(s) ? isPc(before) : this.stmt(s);
    });
  }

  private stmt(s: Stmt): boolean {
    switch (s.k) {
      case 'let':
        return this.value(s.v);
      case 'set':
        if (s.field === common.left) return false;
        if (s.field !== common.pc) this.committed = true;
        else if (distance(s.v) !== undefined) this.targets.push(distance(s.v)!);
        else this.jumps = true;
        return !HOST_STATE.has(s.field);
      case 'st':
        this.committed = true;
        return true;
      case 'call':
        return s.callee.k === 'routine' && this.isSelfContained(s.callee);
      case 'exit':
        return s.kind === 'branch';
      case 'if':
        if (!this.branch(s.then, s.rare) || !this.branch(s.else)) return false;
        // One of the two at least has to stay.
        return !(this.cold.has(s.then) && this.cold.has(s.else));
      case 'loop':
        // Nothing may leave from the second round on.
        return !leaves(s.body) && this.list(s.body);
      default:
        return s.k !== 'return';
    }
  }

  /** @param rare what is rare leaves where it still may, whatever it does */
  private branch(stmts: readonly Stmt[], rare = false): boolean {
    const before = this.committed;
    const found = this.targets.length;
    const { jumps } = this;
    if (this.list(stmts) && !(rare && !before)) return true;
    this.targets.length = found;
    this.jumps = jumps;
    this.committed = before;
    this.cold.add(stmts);
    return !before;
  }

  private value(v: Val): boolean {
    if (v.op.k === 'get') return !HOST_STATE.has(v.op.field);
    // Unprivileged accesses (flag 1) have no TLB entries.
    return v.op.k !== 'probe' || !(this.committed || (v.op.access.flags & 1) !== 0);
  }
}

const isRecheck = (s: Stmt | undefined): boolean => s?.k === 'exit' && s.kind === 'recheck';
const isPc = (s: Stmt | undefined): boolean => s?.k === 'set' && s.field === common.pc;

const readers = new WeakMap<Routine, boolean>();

/** Does a routine read how much of the budget is left, and so the time? */
export function readsTime(r: Routine, newBuilder: Isa['newBuilder']): boolean {
  const inList = (stmts: readonly Stmt[]): boolean =>
    stmts.some((s) => {
      if (s.k === 'let') return s.v.op.k === 'get' && s.v.op.field === common.left;
      if (s.k === 'call') return s.callee.k === 'routine' && readsTime(s.callee, newBuilder);
      if (s.k === 'if') return inList(s.then) || inList(s.else);
      return s.k === 'loop' && inList(s.body);
    });
  let known = readers.get(r);
  if (known === undefined) {
    readers.set(r, false);
    readers.set(r, (known = inList(routineBody(r, newBuilder))));
  }
  return known;
}

/** Can a list leave the instruction? */
function leaves(stmts: readonly Stmt[]): boolean {
  return stmts.some(
    (s) =>
      s.k === 'exit' ||
      s.k === 'call' ||
      (s.k === 'let' && s.v.op.k === 'probe') ||
      (s.k === 'if' && (leaves(s.then) || leaves(s.else))) ||
      (s.k === 'loop' && leaves(s.body)),
  );
}
