/**
 * Checks the rules that every IR body keeps and that neither the evaluator nor the emitter looks at again: values are
 * bound before use and in scope, types agree, nothing stands behind an end, and an instruction writes nothing before
 * its last possible memory fault (a fault must leave it as if it had not begun).
 */
import { Val, type Local, type Loop, type Routine, type StateField, type Stmt } from './nodes';
import { bitsType, floatConversions, floatOps } from './floats';
import { conversions, ops, tyOf, type Ty } from './ops';

/** What a body is the body of: an instruction ends by exit or falls through, a routine returns. */
type BodyKind = { readonly k: 'instruction' } | Pick<Routine, 'k' | 'params' | 'result'>;

/** The problems of a body, one sentence each; none for a good one. */
export function verify(body: readonly Stmt[], kind: BodyKind = { k: 'instruction' }): string[] {
  const v = new Verifier(kind);
  const end = v.list(body, new Scope());
  if (kind.k === 'routine' && kind.result && end.falls)
    v.problem(`the routine can end without its ${kind.result}`);
  v.checkUses();
  return v.problems;
}

/** Values and locals that a statement may use: those of its own list so far, and of the lists around it. */
class Scope {
  private readonly values = new Set<Val>();
  private readonly locals = new Set<Local>();
  constructor(
    private readonly outer?: Scope,
    private readonly loop?: Loop,
  ) {}
  hasValue(v: Val): boolean {
    return this.values.has(v) || (this.outer?.hasValue(v) ?? false);
  }
  hasLocal(l: Local): boolean {
    return this.locals.has(l) || (this.outer?.hasLocal(l) ?? false);
  }
  inLoop(l: Loop): boolean {
    return this.loop === l || (this.outer?.inLoop(l) ?? false);
  }
  bind(v: Val): void {
    this.values.add(v);
  }
  assign(l: Local): void {
    this.locals.add(l);
  }
}

/** What a list of statements can have done when it ends. */
interface Effects {
  /** Execution can go on behind the list. */
  falls: boolean;
  /** Something was written: state or memory. */
  wrote: string | undefined;
  committed: boolean;
}

const typeOf = (f: StateField): Ty => tyOf(f.bytes);

class Verifier {
  readonly problems: string[] = [];
  private readonly references = new Map<Val, number>();
  private readonly bound = new Set<Val>();

  constructor(private readonly kind: BodyKind) {}

  problem(text: string): void {
    this.problems.push(text);
  }

  /** A value that is used once is inlined where it is used: the count must not be too low. */
  checkUses(): void {
    for (const [v, n] of this.references)
      if (v.uses < n) this.problem(`a ${v.op.k} value counts ${v.uses} uses but has ${n}`);
  }

  list(stmts: readonly Stmt[], scope: Scope, before?: Effects): Effects {
    const now: Effects = { falls: true, wrote: before?.wrote, committed: before?.committed ?? false };
    for (const s of stmts) {
      if (!now.falls) {
        this.problem(`a ${s.k} stands behind the end of its list`);
        now.falls = true; // said once
      }
      this.step(s, scope, now);
    }
    return now;
  }

  private step(s: Stmt, scope: Scope, now: Effects): void {
    switch (s.k) {
      case 'let':
        return this.let(s.v, scope, now);
      case 'set':
        this.value(s.v, typeOf(s.field), `set ${s.field.name}`, scope);
        if (s.index instanceof Val) this.value(s.index, 'i32', `slot of ${s.field.name}`, scope);
        else this.element(s.field, s.index);
        return this.write(`state.${s.field.name}`, now);
      case 'st':
        this.value(s.base, 'i32', 'base of st', scope);
        this.value(s.v, s.bytes >= 8 ? tyOf(s.bytes) : undefined, 'st', scope);
        return this.write('memory', now);
      case 'assign':
        this.value(s.v, s.local.ty, `local ${s.local.name}`, scope);
        return scope.assign(s.local);
      case 'if':
        return this.branch(s, scope, now);
      case 'loop':
        return this.repeat(s, scope, now);
      case 'break':
      case 'continue':
        if (!scope.inLoop(s.loop)) this.problem(`${s.k} names a loop that is not around it`);
        now.falls = false;
        return;
      case 'call':
        return this.call(s, scope);
      case 'syncpc':
        return this.only('instruction', 'syncPc');
      case 'commit':
        this.only('instruction', 'commit');
        this.value(s.host, 'i32', 'commit', scope);
        if (s.access.kind === 'read') this.problem('commit of a read');
        // A commit can end the instruction: a second one would be lost.
        if (now.committed) this.problem('a commit stands behind a commit');
        now.committed = true;
        return;
      case 'exit':
        this.only('instruction', `exit(${s.kind})`);
        now.falls = false;
        return;
      case 'return':
        return this.return(s.v, scope, now);
    }
  }

  private let(v: Val, scope: Scope, now: Effects): void {
    if (this.bound.has(v)) this.problem(`a ${v.op.k} value is bound twice`);
    this.bound.add(v);
    this.args(v, scope);
    if (v.op.k === 'probe') {
      this.only('instruction', 'probe');
      if (now.wrote) this.problem(`${now.wrote} is written before a probe that can fault`);
      if (now.committed) this.problem('a probe stands behind a commit');
    }
    scope.bind(v);
  }

  /** Operands and result type of a value. */
  private args(v: Val, scope: Scope): void {
    const want = (...types: (Ty | undefined)[]): void => {
      if (types.length !== v.args.length) this.problem(`${v.op.k} has ${v.args.length} operands`);
      v.args.forEach((a, i) => this.value(a, types[i], v.op.k, scope));
    };
    const gives = (ty: Ty): void => {
      if (v.ty !== ty) this.problem(`${v.op.k} is ${v.ty}, not ${ty}`);
    };
    const o = v.op;
    switch (o.k) {
      case 'const':
        return want();
      case 'pure': {
        const { shape } = ops[o.op];
        const ty = v.args[0]?.ty ?? v.ty;
        gives(shape === 'cmp' || shape === 'test' ? 'i32' : ty);
        return shape === 'bin' || shape === 'cmp' ? want(ty, ty) : want(ty);
      }
      case 'conv':
        gives(conversions[o.op].to);
        return want(conversions[o.op].from);
      case 'float':
        return want(...Array<Ty>(floatOps[o.op].operands).fill(v.ty));
      case 'simd':
        gives(o.op.result);
        if (o.imm.length !== o.op.immediates) this.problem(`${o.op.name} has ${o.imm.length} immediates`);
        return want(...o.op.args);
      case 'floatTest': {
        gives('i32');
        const ty = v.args[0]?.ty ?? v.ty;
        return want(ty, ty);
      }
      case 'floatConv':
        gives(bitsType(floatConversions[o.op].to));
        return want(bitsType(floatConversions[o.op].from));
      case 'fused':
        return want(v.ty, v.ty, v.ty);
      case 'select':
        return want(v.ty, v.ty, 'i32');
      case 'operand':
        this.only('instruction', `operand ${o.use.field}`);
        gives(o.use.bytes === 8 ? 'i64' : 'i32');
        return want();
      case 'cpu':
        gives('i32');
        return want();
      case 'pc':
        this.only('instruction', 'pc');
        gives('i64');
        return want();
      case 'param':
        if (this.kind.k !== 'routine') return this.problem('an instruction has no parameters');
        if (this.kind.params[o.index] !== v.ty) this.problem(`parameter ${o.index} is not ${v.ty}`);
        return want();
      case 'get':
        gives(typeOf(o.field));
        if (o.index === 'slot') return want('i32');
        this.element(o.field, o.index);
        return want();
      case 'ld':
        if (o.bytes >= 8) gives(tyOf(o.bytes));
        return want('i32');
      case 'local':
        gives(o.local.ty);
        if (!scope.hasLocal(o.local)) this.problem(`local ${o.local.name} is read before it is assigned`);
        return want();
      case 'probe':
        gives('i32');
        return want('i64', 'i32');
      case 'result':
        return this.problem('the result of a call is bound by a let');
    }
  }

  private value(v: Val, ty: Ty | undefined, where: string, scope: Scope): void {
    this.references.set(v, (this.references.get(v) ?? 0) + 1);
    if (v.op.k !== 'const' && !scope.hasValue(v))
      this.problem(`${where} uses a ${v.op.k} value that is not bound there`);
    if (ty && v.ty !== ty) this.problem(`${where} takes ${ty}, not ${v.ty}`);
  }

  private element(f: StateField, index: number): void {
    if (index < 0 || index >= f.count) this.problem(`${f.name}[${index}] does not exist`);
  }

  private write(what: string, now: Effects): void {
    if (now.committed) this.problem(`${what} is written behind a commit`);
    now.wrote ??= what;
  }

  private only(kind: BodyKind['k'], what: string): void {
    if (this.kind.k !== kind) this.problem(`${what} in a ${this.kind.k}`);
  }

  private branch(s: Extract<Stmt, { k: 'if' }>, scope: Scope, now: Effects): void {
    this.value(s.c, 'i32', 'if', scope);
    // Only what comes back from a branch matters to what follows.
    const ends = [s.then, s.else]
      .map((stmts) => this.list(stmts, new Scope(scope), now))
      .filter((e) => e.falls);
    now.falls = ends.length > 0;
    now.wrote = ends.find((e) => e.wrote)?.wrote;
    now.committed = ends.some((e) => e.committed);
  }

  private repeat(s: Extract<Stmt, { k: 'loop' }>, scope: Scope, now: Effects): void {
    const effects = new LoopEffects(s.body);
    // A write of one round comes before the probe of the next.
    if (effects.writes && effects.probes) this.problem('a loop both writes and probes');
    if (effects.commits) this.problem('a commit stands in a loop');
    this.list(s.body, new Scope(scope, s.loop), now);
    if (effects.writes) now.wrote ??= 'something in a loop';
    now.falls = effects.breaks.has(s.loop);
  }

  private call(s: Extract<Stmt, { k: 'call' }>, scope: Scope): void {
    const { callee } = s;
    const want: readonly Ty[] = callee.k === 'host' ? Array<Ty>(callee.params).fill('i32') : callee.params;
    if (want.length !== s.args.length)
      this.problem(`${callee.name} takes ${want.length} arguments, not ${s.args.length}`);
    s.args.forEach((a, i) => this.value(a, want[i], `call of ${callee.name}`, scope));
    const result: Ty | undefined = callee.k === 'host' ? (callee.result ? 'i32' : undefined) : callee.result;
    if (s.result?.ty !== result) this.problem(`${callee.name} gives ${result ?? 'nothing'}`);
    if (s.result) scope.bind(s.result);
  }

  private return(v: Val | undefined, scope: Scope, now: Effects): void {
    now.falls = false;
    if (this.kind.k !== 'routine') return this.problem('return in an instruction');
    if (v) this.value(v, this.kind.result, 'return', scope);
    if ((v === undefined) !== (this.kind.result === undefined))
      this.problem(`return of ${v?.ty ?? 'nothing'}, not ${this.kind.result ?? 'nothing'}`);
  }
}

/** What happens somewhere in a loop's body. */
class LoopEffects {
  writes = false;
  probes = false;
  commits = false;
  readonly breaks = new Set<Loop>();

  constructor(body: readonly Stmt[]) {
    this.visit(body);
  }

  private visit(body: readonly Stmt[]): void {
    for (const s of body) {
      if (s.k === 'set' || s.k === 'st') this.writes = true;
      else if (s.k === 'let' && s.v.op.k === 'probe') this.probes = true;
      else if (s.k === 'commit') this.commits = true;
      else if (s.k === 'break') this.breaks.add(s.loop);
      else if (s.k === 'loop') this.visit(s.body);
      else if (s.k === 'if') {
        this.visit(s.then);
        this.visit(s.else);
      }
    }
  }
}
