/**
 * Line, function and instruction breakpoints. A place whose physical address is known from the program headers is bound
 * there, so that it stops in whichever regime executes it (identity map, EL1, the hypervisor's own mapping). A place
 * that is known by a virtual address of one regime only, such as a guest's, waits until that regime maps it.
 */
import type { StopTest } from '../../emulator/core/gates';
import type { CodeLocation, ExceptionLevel, Regime } from '../symbols/types';
import type { Target } from '../target';
import { CompiledCondition } from './compiled';
import { Moment } from './moment';
import { Guard, type GuardSpec } from './conditions';
import { parseAddress, type Address, type AddressSpace } from '../inspect/address-space';
import type { FetchWatch } from './fetches';

/** What a breakpoint is on. */
export type Subject =
  | { readonly k: 'line'; readonly path: string; readonly line: number }
  | { readonly k: 'function'; readonly name: string }
  | { readonly k: 'instruction'; readonly reference: string; readonly offset: number };

export interface BreakpointSpec extends GuardSpec {
  readonly subject: Subject;
}

/** Where one breakpoint is. */
interface Place {
  /** Physical address, if it follows from the program. */
  readonly pa: bigint | undefined;
  readonly va: bigint;
  /** Only in this regime; any when absent. */
  readonly el?: ExceptionLevel;
  readonly vmid?: number;
  /** Only while this virtual machine runs, whatever VMID it has then. */
  readonly vm?: number;
  readonly asid?: number;
  readonly space: 'VA' | 'IPA' | 'PA';
  /** Offset in RAM at which the machine stops; undefined: not bound yet. */
  offset: number | undefined;
  /** What generated code asks there; undefined: nothing, it stops. */
  test?: StopTest | undefined;
}

export interface Breakpoint {
  readonly id: number;
  readonly spec: BreakpointSpec;
  readonly guard: Guard | undefined;
  places: Place[];
  /** The line that has the code, where it differs from the one asked for. */
  line: number | undefined;
  path: string | undefined;
  /** Why it is not verified. */
  reason: string | undefined;
  /** Its condition as code. */
  compiled?: CompiledCondition | undefined;
}

export interface Hits {
  readonly ids: number[];
  /** Conditions that failed. */
  readonly problems: string[];
}

const NOTHING: Hits = { ids: [], problems: [] };

export class BreakpointManager {
  private readonly groups = new Map<string, Breakpoint[]>();
  private readonly byOffset = new Map<number, Breakpoint[]>();
  private nextId = 1;
  private target: Target | undefined;
  /** A breakpoint has been verified since it was set, or its code is gone. */
  onVerified: (b: Breakpoint) => void = () => undefined;
  /** Text of a log point. */
  onLog: (text: string) => void = () => undefined;

  constructor(private readonly fetches: FetchWatch) {}

  /** The number of a new breakpoint, whatever its kind. */
  takeId(): number {
    return this.nextId++;
  }

  /** Binds all breakpoints to a new guest (launch, restart). */
  attach(target: Target): void {
    this.target = target;
    this.byOffset.clear();
    for (const b of this.all()) this.resolve(b);
    this.updateFetchHook();
  }

  /** All breakpoints, in the order in which they were made. */
  all(): Breakpoint[] {
    return [...this.groups.values()].flat().sort((a, b) => a.id - b.id);
  }

  /**
   * Replaces a group: the lines of one file, all functions or all instructions. One that is set again as it was
   * keeps its number and its hit count.
   */
  replace(kind: Subject['k'], path: string, specs: readonly BreakpointSpec[]): Breakpoint[] {
    // DAP sets a group as a whole: the lines of one file, all functions, all instructions.
    const group = kind === 'line' ? `line ${path}` : kind;
    const old = [...(this.groups.get(group) ?? [])];
    const now = specs.map((spec) => {
      const key = JSON.stringify(spec);
      const at = old.findIndex((b) => JSON.stringify(b.spec) === key);
      return at < 0 ? this.make(spec) : old.splice(at, 1)[0]!;
    });
    for (const b of old) this.release(b);
    this.groups.set(group, now);
    this.updateFetchHook();
    return now;
  }

  /** Removes all breakpoints. */
  clear(): void {
    for (const b of this.all()) this.release(b);
    this.groups.clear();
    this.updateFetchHook();
  }

  private make(spec: BreakpointSpec): Breakpoint {
    const common = { id: this.takeId(), spec, places: [], line: undefined, path: undefined };
    try {
      const b: Breakpoint = { ...common, guard: new Guard(spec), reason: undefined };
      this.resolve(b);
      return b;
    } catch (error) {
      return { ...common, guard: undefined, reason: error instanceof Error ? error.message : String(error) };
    }
  }

  private resolve(b: Breakpoint): void {
    const { target } = this;
    if (!target || !b.guard) return;
    b.places = [];
    b.compiled = new CompiledCondition(target, b.guard.condition);
    try {
      b.reason = undefined;
      b.places = places(target, b);
      for (const p of b.places) this.bind(b, p);
      if (b.places.every((p) => p.offset === undefined)) b.reason ??= whyUnbound(target, b.places);
    } catch (error) {
      b.reason = error instanceof Error ? error.message : String(error);
    }
  }

  private release(b: Breakpoint): void {
    for (const p of b.places) this.unbind(b, p);
    b.places = [];
  }

  private unbind(b: Breakpoint, p: Place): void {
    if (p.offset === undefined) return;
    this.target?.machine.predecode.removeBreakpoint(p.offset, p.test);
    const rest = (this.byOffset.get(p.offset) ?? []).filter((other) => other !== b);
    if (rest.length > 0) this.byOffset.set(p.offset, rest);
    else this.byOffset.delete(p.offset);
    p.offset = undefined;
  }

  /** Binds a place if its physical address is known by now. @returns whether it was bound */
  private bind(b: Breakpoint, p: Place, cpu?: number): boolean {
    const { target } = this;
    if (!target || !canBind(p)) return false;
    const pa = p.pa ?? physicalNow(target, p, cpu);
    const offset = pa === undefined ? undefined : target.machine.physical.ramOffset(pa);
    if (offset === undefined || offset === p.offset) return false;
    this.unbind(b, p);
    p.offset = offset;
    p.test = testOf(b, p);
    target.machine.predecode.addBreakpoint(offset, p.test);
    const there = this.byOffset.get(offset) ?? [];
    if (!there.includes(b)) this.byOffset.set(offset, [...there, b]);
    return true;
  }

  /** Tries again what could not be bound: at stops, and when a CPU begins to execute from a page. */
  retry(cpu: number): void {
    if (!this.hasPending()) return;
    for (const b of this.all()) {
      const verified = isVerified(b);
      const bound = b.places.filter((p) => this.bind(b, p, cpu));
      if (bound.length === 0 || verified) continue;
      b.reason = undefined;
      this.onVerified(b);
    }
    this.updateFetchHook();
  }

  /** Files of symbols have come or gone: functions are looked for again. */
  symbolsChanged(): void {
    for (const b of this.all()) {
      if (b.spec.subject.k !== 'function') {
        // Names in conditions may mean something else.
        if (b.compiled?.forget()) this.renew(b);
        continue;
      }
      const was = isVerified(b);
      this.release(b);
      this.resolve(b);
      if (isVerified(b) !== was) this.onVerified(b);
    }
    this.updateFetchHook();
  }

  private hasPending(): boolean {
    return this.all().some((b) => b.places.some(canBind));
  }

  private updateFetchHook(): void {
    this.fetches.set(this, this.hasPending() ? (cpu) => this.retry(cpu) : undefined);
  }

  /** The breakpoints at a CPU's PC that are to be reported now. Counts hits, writes log messages. */
  hit(cpu: number): Hits {
    const { target } = this;
    if (!target || this.byOffset.size === 0) return NOTHING;
    const offset = this.offsetAtPc(cpu);
    const here = offset === undefined ? undefined : this.byOffset.get(offset);
    if (!here) return NOTHING;
    const hits: Hits = { ids: [], problems: [] };
    const pc = target.machine.pc(cpu);
    for (const b of here) {
      if (!b.places.some((p) => p.offset === offset && applies(target, p, cpu, pc))) continue;
      const moment = new Moment(target, cpu);
      const result = b.guard?.reached(moment);
      this.learn(b, cpu, moment);
      if (result?.log !== undefined) this.onLog(result.log);
      if (result?.problem !== undefined) hits.problems.push(result.problem);
      if (result?.stop) hits.ids.push(b.id);
    }
    return hits;
  }

  /** Has a condition compiled that was asked the slow way, if it can be. */
  private learn(b: Breakpoint, cpu: number, moment: Moment): void {
    const { compiled, guard } = b;
    if (!guard?.condition || !compiled?.isNews(cpu)) return;
    if (compiled.learn(cpu, moment.resolve(guard.condition))) this.renew(b);
  }

  /** Puts the test of a breakpoint as it is now in the place of the old one. */
  private renew(b: Breakpoint): void {
    const { predecode } = this.target!.machine;
    for (const p of b.places) {
      if (p.offset === undefined) continue;
      predecode.removeBreakpoint(p.offset, p.test);
      p.test = testOf(b, p);
      predecode.addBreakpoint(p.offset, p.test);
    }
  }

  /** RAM offset of the instruction at a CPU's PC. */
  offsetAtPc(cpu: number): number | undefined {
    const { target } = this;
    const pa = target?.arch.translate(cpu, target.machine.pc(cpu));
    return pa === undefined ? undefined : target?.machine.physical.ramOffset(pa);
  }
}

/** A machine of that number may go, and the next one has its memory elsewhere: such a place is never bound for good. */
const canBind = (p: Place): boolean => p.offset === undefined || p.vm !== undefined;

/** What generated code asks at a place of a breakpoint: whatever it does not ask, `hit` does. */
function testOf(b: Breakpoint, p: Place): StopTest | undefined {
  const isAnywhere = p.pa !== undefined || p.space !== 'VA';
  // Which VMID a machine has may change.
  const vmid = p.vm === undefined ? p.vmid : undefined;
  return b.compiled?.test(isAnywhere ? undefined : { va: p.va, el: p.el, vmid, asid: p.asid });
}

/** Whether the machine will stop for a breakpoint. */
export function isVerified(b: Breakpoint): boolean {
  return b.guard !== undefined && b.places.some((p) => p.offset !== undefined);
}

function applies(target: Target, p: Place, cpu: number, pc: bigint): boolean {
  if (p.pa !== undefined || p.space !== 'VA') return true;
  return pc === p.va && isIn(target, p, cpu);
}

/** Whether a CPU is in the regime of a place. */
function isIn(target: Target, p: Place, cpu: number): boolean {
  const { arch } = target;
  if (p.vm === undefined) return arch.isRegime(cpu, p);
  // Where no virtual machine runs, none need be looked for.
  const { vmid = 0 } = arch.context(cpu);
  return vmid !== 0 && vmid === target.vmidOf(p.vm) && arch.isRegime(cpu, { ...p, vmid });
}

/** The physical address of a place by the translation of a CPU that is in its regime. */
function physicalNow(target: Target, p: Place, cpu: number | undefined): bigint | undefined {
  const { arch, machine } = target;
  const cpus = cpu === undefined ? [...Array(machine.cpus).keys()] : [cpu];
  for (const c of cpus) {
    if (p.space === 'IPA') {
      const inGuest = arch.context(c).vmid !== undefined && arch.isRegime(c, { ...p, el: 'EL1' });
      if (inGuest) return arch.translate(c, p.va, 'IPA');
      continue;
    }
    if (!isIn(target, p, c)) continue;
    const pa = arch.translate(c, p.va);
    if (pa !== undefined) return pa;
  }
  return undefined;
}

function fromCode(l: CodeLocation): Place {
  const regime: Regime = l.regime ?? {};
  return {
    pa: l.pa,
    va: l.address,
    ...(regime.el === undefined ? {} : { el: regime.el }),
    ...(regime.vm !== undefined ? { vm: regime.vm } : regime.vmid === undefined ? {} : { vmid: regime.vmid }),
    space: 'VA',
    offset: undefined,
  };
}

/**
 * The places of a piece of code. Code that also belongs to a guest's image runs there at a physical address of which
 * the file knows nothing: stage 2 decides it.
 */
function fromCodeAndAliases(target: Target, l: CodeLocation): Place[] {
  const aliases = target.symbols.modules
    .filter((m) => m.name === l.file)
    .flatMap((m) => (m.layout?.aliases ?? []).map((a) => ({ ...a, link: l.address - m.offset })))
    .filter((a) => (a.regime.vmid ?? 0) !== 0 && a.link >= a.start && a.link < a.end);
  return [
    fromCode(l),
    ...aliases.map((a) => fromCode({ ...l, address: l.address + a.offset, pa: undefined, regime: a.regime })),
  ];
}

function fromAddress(target: Target, { space, value }: Address): Place {
  const common = { va: value, offset: undefined };
  // Without a space, the program's own addresses mean its code, wherever it is mapped by then.
  if (!space) return { ...common, pa: target.symbols.vaddrToPaddr(value), space: 'VA' };
  if (space.kind === 'PA') return { ...common, pa: value, space: 'PA' };
  const vmid = vmidOf(target, space);
  const regime = { pa: undefined, ...(vmid === undefined ? {} : { vmid }) };
  if (space.kind === 'IPA') return { ...common, ...regime, space: 'IPA' };
  const asid = space.asid === undefined ? {} : { asid: space.asid };
  return { ...common, ...regime, ...asid, el: space.level, space: 'VA' };
}

/** The virtual machine of an address space; a vcpu's code is that of its machine. */
function vmidOf(target: Target, space: Exclude<AddressSpace, { kind: 'PA' }>): number | undefined {
  if (space.vmid !== undefined || space.kind !== 'VA' || !space.vcpu) return space.vmid;
  const { vm, vcpu } = space.vcpu;
  return target.hypervisor.vcpus().find((v) => v.vm === vm && v.vcpu === vcpu)?.vmid;
}

/** One place for each piece of code: an alias with the same physical address adds nothing. */
function distinct(list: Place[]): Place[] {
  const seen = new Set<string>();
  return list.filter((p) => {
    const key = p.pa === undefined ? `${p.el} ${p.vm} ${p.vmid} ${p.va}` : `PA ${p.pa}`;
    return seen.has(key) ? false : seen.add(key);
  });
}

function places(target: Target, b: Breakpoint): Place[] {
  const { subject } = b.spec;
  const { symbols } = target;
  switch (subject.k) {
    case 'line': {
      const found = symbols.addressesOf(subject.path, subject.line);
      b.line = found.line;
      b.path = found.path;
      b.reason = found.reason;
      return distinct(found.locations.flatMap((l) => fromCodeAndAliases(target, l)));
    }
    case 'function': {
      if (/^(.+:)?\s*0x[0-9a-f_]+$/i.test(subject.name))
        return [fromAddress(target, parseAddress(subject.name))];
      const found = symbols.locationsOfSymbol(subject.name);
      if (found.length === 0)
        b.reason = target.linux
          ? `No code has the name "${subject.name}" now: the breakpoint is set when the kernel loads a module with it.`
          : `No code has the name "${subject.name}": name a function or a label.`;
      return distinct(found.flatMap((l) => fromCodeAndAliases(target, l)));
    }
    case 'instruction': {
      const { space, value: base } = parseAddress(subject.reference);
      const value = BigInt.asUintN(64, base + BigInt(subject.offset));
      if (value & 3n) {
        b.reason = `0x${value.toString(16)} is no instruction's address: instructions begin at multiples of 4.`;
        return [];
      }
      return [fromAddress(target, { ...(space ? { space } : {}), value })];
    }
  }
}

function whyUnbound(target: Target, list: readonly Place[]): string | undefined {
  const first = list[0];
  if (!first) return undefined;
  const where = `0x${(first.pa ?? first.va).toString(16)}`;
  if (first.pa !== undefined)
    return `${where} is outside the machine's RAM (0x${target.machine.physical.ramBase.toString(16)} and up).`;
  const machine =
    first.vm !== undefined ? `VM ${first.vm}` : first.vmid !== undefined && `VMID ${first.vmid}`;
  const regime = [first.el, machine].filter(Boolean).join(', ');
  return `${where} is not mapped yet${regime ? ` in ${regime}` : ''}: the breakpoint binds when it is.`;
}
