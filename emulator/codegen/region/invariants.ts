/**
 * What stays as it is while a region runs: state that no instruction of it writes, such as control registers, and what follows
 * from that alone. It is computed once, where the region begins.
 */
import { routineBody } from '../../ir/evaluate';
import type { Routine, StateField, Stmt, Val } from '../../ir/nodes';
import { divides } from '../../ir/ops';
import { common } from '../../ir/state';
import type { Isa } from '../../isa/dsl/isa';
import type { Emitter } from '../emit';
import type { Func } from '../wasm';
import type { Block } from './blocks';

export class Invariants {
  private readonly locals = new Map<string, { readonly local: number; readonly v: Val }>();
  private readonly keys = new Map<Val, string | undefined>();
  private readonly written: Set<StateField>;

  constructor(
    private readonly func: Func,
    private readonly isa: Isa,
    blocks: Iterable<Block>,
  ) {
    this.written = new Set([...isa.registers, isa.flags, common.pc, common.left]);
    const seen = new Set<Routine>();
    for (const { instructions } of blocks)
      for (const { body, cold } of instructions) this.writes(body, cold, seen);
  }

  /** Is a value the same throughout, and has a local where it is asked for? */
  has(v: Val): boolean {
    return v.constant === undefined && this.key(v) !== undefined;
  }

  /** The local of a value that reads state, if it is the same throughout. */
  local(v: Val): number | undefined {
    const key = this.key(v);
    if (key === undefined || !this.has(v)) return undefined;
    let known = this.locals.get(key);
    if (!known) this.locals.set(key, (known = { local: this.func.newLocal(v.ty), v }));
    return known.local;
  }

  /** What a local of these holds. */
  name(local: number): string | undefined {
    for (const [key, known] of this.locals) if (known.local === local) return key;
    return undefined;
  }

  /** Computes all that was asked for. */
  load(e: Emitter): void {
    for (const { local, v } of this.locals.values()) e.push(v).setLocal(local);
  }

  private writes(stmts: readonly Stmt[], cold: ReadonlySet<readonly Stmt[]>, seen: Set<Routine>): void {
    if (cold.has(stmts)) return;
    for (const s of stmts) {
      if (s.k === 'set') this.written.add(s.field);
      else if (s.k === 'loop') this.writes(s.body, cold, seen);
      else if (s.k === 'if') {
        this.writes(s.then, cold, seen);
        this.writes(s.else, cold, seen);
      } else if (s.k === 'call' && s.callee.k === 'routine' && !seen.has(s.callee)) {
        seen.add(s.callee);
        this.writes(routineBody(s.callee, this.isa.newBuilder), cold, seen);
      }
    }
  }

  /** A text that is the same for the same computation; undefined for what may change. */
  private key(v: Val): string | undefined {
    if (!this.keys.has(v)) this.keys.set(v, this.text(v));
    return this.keys.get(v);
  }

  private text(v: Val): string | undefined {
    const o = v.op;
    switch (o.k) {
      case 'const':
        return String(o.value);
      case 'get':
        // Elements are what instructions work on: few of them need all.
        if (o.index === 'slot' || o.field.count > 1 || this.written.has(o.field)) return undefined;
        return o.field.name;
      case 'pure':
      case 'conv': {
        // What guards a division stays where it is, and so does the division.
        if (o.k === 'pure' && divides(o.op)) return undefined;
        const args = v.args.map((a) => this.key(a));
        return args.includes(undefined) ? undefined : `${o.op}(${args.join()})`;
      }
      default:
        return undefined;
    }
  }
}
