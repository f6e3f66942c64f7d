/**
 * Data breakpoints: they stop behind an instruction that reads or writes watched memory, whoever makes the access and by
 * whatever address. A place is watched at the physical address that it has by the translation of the moment; it follows
 * when the translation changes, and waits while there is none.
 */
import { common } from '../../emulator/ir/state';
import type { WatchedAccess, WatchHit, WatchKind, WatchRange } from '../../emulator/core/watch';
import { formatAddress, hex } from '../inspect/address-space';
import { littleEndian } from '../symbols/dwarf/expression';
import type { TranslationState } from '../arch/types';
import type { Target } from '../target';
import { Guard, type GuardSpec } from './conditions';
import { parseDataId, resolve, type DataPlace, type Resolved } from './data-place';
import type { FetchWatch } from './fetches';
import { Moment } from './moment';

export interface DataSpec extends GuardSpec {
  readonly dataId: string;
  readonly kind: WatchKind;
}

/** How the bytes of a place read as a value. */
export type Show = (bytes: Uint8Array) => string;

/** Who has set a breakpoint: the client of the session, or another front end beside it. */
export type Owner = 'client' | 'gdb';

export interface DataBreakpoint {
  readonly id: number;
  readonly owner: Owner;
  readonly spec: DataSpec;
  readonly place: DataPlace | undefined;
  readonly guard: Guard | undefined;
  /** What the machine watches; empty: not bound. */
  ranges: readonly WatchRange[];
  /** How the address was translated. */
  chain: string | undefined;
  /** Why it is not verified. */
  reason: string | undefined;
}

interface DataHits {
  readonly breakpoints: readonly DataBreakpoint[];
  /** E.g. `write of vcpu.ctxt.pc, written by save_guest+0x24 (switch.S:88)`. */
  readonly what: string;
  /** Who, where, old and new value: a sentence each. */
  readonly text: string;
}

/** One access as breakpoints see it. */
interface Seen {
  readonly access: WatchedAccess;
  readonly hit: WatchHit;
}

/** A hypervisor changes between so many worlds on a CPU, more or less. */
const STATES = 16;

/** Names in conditions beside those of the frame; `pc` is the instruction that made the access. */
const VALUES = ['old', 'new', 'address', 'pa', 'size', 'pc'] as const;

export class DataBreakpoints {
  private list: DataBreakpoint[] = [];
  private target: Target | undefined;
  /** The last translation states of each CPU in which all places were found where they are; as of so many invalidations. */
  private states: TranslationState[][] = [];
  private invalidations = 0;
  /** How values that come from variables are shown, by dataId. */
  private readonly shows = new Map<string, Show>();
  /** A breakpoint has become verified, or its address has moved. */
  onChanged: (b: DataBreakpoint) => void = () => undefined;
  /** Set for a headless run: each access is a line of the trace, and nothing stops. */
  onTraced: ((line: string) => void) | undefined;

  /** @param takeId gives the number of a new breakpoint */
  constructor(
    private readonly takeId: () => number,
    private readonly fetches: FetchWatch,
  ) {}

  /** Binds all breakpoints to a new guest. */
  attach(target: Target): void {
    this.target = target;
    this.states = [];
    target.machine.watch.onAccess = (access) => this.seen(access);
    for (const b of this.list) {
      b.ranges = [];
      this.resolve(b, 0);
    }
  }

  all(): readonly DataBreakpoint[] {
    return this.list;
  }

  /** Remembers how the value of a variable is shown. */
  remember(dataId: string, show: Show): void {
    this.shows.set(dataId, show);
  }

  /** Replaces all of one owner. One that is set again as it was keeps its number and its hit count. */
  replace(specs: readonly DataSpec[], owner: Owner = 'client'): readonly DataBreakpoint[] {
    const old = this.list.filter((b) => b.owner === owner);
    const others = this.list.filter((b) => b.owner !== owner);
    const now = specs.map((spec) => {
      const key = JSON.stringify(spec);
      const at = old.findIndex((b) => JSON.stringify(b.spec) === key);
      return at < 0 ? this.make(spec, owner) : old.splice(at, 1)[0]!;
    });
    this.list = [...others, ...now];
    this.states = [];
    for (const b of old) this.bind(b, undefined);
    this.updateHook();
    return now;
  }

  private make(spec: DataSpec, owner: Owner): DataBreakpoint {
    const common = { id: this.takeId(), owner, spec, ranges: [], chain: undefined };
    try {
      const place = parseDataId(spec.dataId);
      const b: DataBreakpoint = { ...common, place, guard: new Guard(spec, VALUES), reason: undefined };
      this.resolve(b, this.target?.machine.schedule.current ?? 0);
      return b;
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      return { ...common, place: undefined, guard: undefined, reason };
    }
  }

  // --- where they are ---------------------------------------------------------------------------------------------

  /** Translates a place anew. @returns whether it moved */
  private resolve(b: DataBreakpoint, cpu: number): boolean {
    const { target } = this;
    if (!target || !b.place) return false;
    let found: Resolved | string = '';
    for (const n of [cpu, ...Array(target.machine.cpus).keys()]) {
      found = resolve(target, b.place, n);
      if (typeof found !== 'string') break;
    }
    if (typeof found === 'string') {
      // A place that has been bound stays: other tables are loaded now, which say nothing of it.
      if (b.ranges.length === 0)
        b.reason = `${formatAddress(b.place.space, b.place.address)} has no memory yet (${found}): the breakpoint binds when it has.`;
      return false;
    }
    const same =
      b.ranges.length === found.pieces.length &&
      found.pieces.every((p, i) => b.ranges[i]?.pa === p.pa && b.ranges[i]?.bytes === p.bytes);
    if (same) return false;
    this.bind(b, found);
    return true;
  }

  private bind(b: DataBreakpoint, found: Resolved | undefined): void {
    const watch = this.target?.machine.watch;
    for (const r of b.ranges) watch?.remove(r);
    b.ranges = (found?.pieces ?? []).map((p) => ({ ...p, kind: b.spec.kind }));
    for (const r of b.ranges) watch?.add(r);
    b.chain = found?.chain;
    b.reason = undefined;
  }

  /** Translates again what is not physical: at stops, and when the tables of a CPU may have changed. */
  refresh(cpu: number): void {
    for (const b of this.list) {
      if (b.place?.space.kind === 'PA' && b.ranges.length > 0) continue;
      if (!this.resolve(b, cpu)) continue;
      this.states = [];
      this.onChanged(b);
    }
  }

  /** A CPU goes over to other code: its translations may be others, and pages may have been mapped. */
  moved(cpu: number): void {
    const { target } = this;
    if (!target || !this.follows) return;
    const { arch, machine } = target;
    if (machine.tlb.invalidations !== this.invalidations) {
      this.invalidations = machine.tlb.invalidations;
      this.states = [];
    }
    const isWaiting = this.list.some((b) => b.place && b.ranges.length === 0);
    const known = this.states[cpu] ?? [];
    const at = known.findIndex((state) => arch.isTranslationState(cpu, state));
    if (at >= 0 && !isWaiting) return;
    const now = at < 0 ? arch.translationState(cpu) : known[at]!;
    this.refresh(cpu);
    // A place that has moved forgets the states before it.
    this.states[cpu] = [now, ...(this.states[cpu] ?? []).filter((s) => s !== now)].slice(0, STATES);
  }

  /** Whether some are at virtual addresses, which follow the tables of the guest. */
  get follows(): boolean {
    return this.list.some((b) => b.place && b.place.space.kind !== 'PA');
  }

  private updateHook(): void {
    this.fetches.set(this, this.follows ? (cpu) => this.moved(cpu) : undefined);
  }

  // --- accesses ---------------------------------------------------------------------------------------------------

  /** While the instruction executes: whether to stop behind it. */
  private seen(access: WatchedAccess): boolean {
    if (!this.onTraced) return true;
    for (const b of this.list) {
      const hit = access.hits.find((h) => b.ranges.includes(h.range));
      if (hit) this.onTraced(this.traceLine(b, { access, hit }));
    }
    return false;
  }

  /** What the access that stopped the machine is to be reported as; undefined: nothing. Counts hits. */
  hits(accesses: readonly WatchedAccess[]): DataHits | undefined {
    const { target } = this;
    if (!target) return undefined;
    const breakpoints: DataBreakpoint[] = [];
    const whats: string[] = [];
    const texts: string[] = [];
    for (const b of this.list) {
      const seen = firstOf(b, accesses);
      if (!seen || !b.guard) continue;
      const result = b.guard.reached(new Moment(target, seen.access.cpu, valuesOf(seen)));
      if (!result.stop) continue;
      breakpoints.push(b);
      whats.push(this.what(b, seen));
      texts.push(this.sentence(b, seen), ...(result.problem === undefined ? [] : [result.problem]));
    }
    if (breakpoints.length === 0) return undefined;
    return { breakpoints, what: whats.join(', and '), text: texts.join(' ') };
  }

  private who({ cpu, pc, by }: WatchedAccess): string {
    const place = this.target?.formatter.at(cpu, pc) ?? hex(pc);
    return `${accessors[by]}${place}`;
  }

  private what(b: DataBreakpoint, { access }: Seen): string {
    const verb = access.write ? 'write' : 'read';
    const past = access.write ? 'written' : 'read';
    return `${verb} of ${b.place?.name ?? ''}, ${past} by ${this.who(access)}`;
  }

  private sentence(b: DataBreakpoint, { access, hit }: Seen): string {
    const { cpu, va, pa, bytes, write } = access;
    const values = this.values(b, hit, write);
    const level = this.target?.arch.levelText(cpu) ?? '';
    const past = write ? 'written' : 'read';
    return `${b.place?.name ?? ''} ${values}: ${past} by ${this.who(access)} in ${level} on CPU ${cpu}, ${bytes} byte${bytes === 1 ? '' : 's'} at ${hex(va)} (PA ${hex(pa)}).`;
  }

  /** As the lines of other events: count, CPU, level, what happened, where. */
  private traceLine(b: DataBreakpoint, { access, hit }: Seen): string {
    const { cpu, va, bytes, write } = access;
    const { machine, arch } = this.target!;
    const count = machine.state.get(cpu, common.retired) + machine.now() - machine.schedule.vtime;
    const what = `${write ? 'write' : 'read'} ${b.place?.name ?? ''} ${this.values(b, hit, write)}`;
    const size = `${bytes} byte${bytes === 1 ? '' : 's'} at ${hex(va)}`;
    return `${String(count).padStart(10)}  CPU ${cpu}  EL${arch.context(cpu).el}  ${what}  ${size}  ${this.who(access)}`;
  }

  private values(b: DataBreakpoint, hit: WatchHit, write: boolean): string {
    const whole = b.place?.bytes === hit.before.length;
    const show = (whole ? this.shows.get(b.spec.dataId) : undefined) ?? plain;
    const changed = whole ? hit : firstChange(hit);
    const at = changed.pa - (b.ranges[0]?.pa ?? changed.pa);
    const where = whole || at === 0n ? '' : `+${hex(at)} `;
    const [before, after] = [show(changed.before), show(changed.after)];
    if (!write) return `${where}= ${after}`;
    return before === after ? `${where}= ${after}, unchanged` : `${where}${before} -> ${after}`;
  }
}

/** The access that a breakpoint reports: an atomic instruction reads and writes, and the write says more. */
function firstOf(b: DataBreakpoint, accesses: readonly WatchedAccess[]): Seen | undefined {
  const seen = accesses.flatMap((access) =>
    access.hits.filter((h) => b.ranges.includes(h.range)).map((hit) => ({ access, hit })),
  );
  return seen.find((s) => s.access.write) ?? seen[0];
}

/** At most 8 bytes, the first of them that change: what `old` and `new` are. */
function firstChange(hit: WatchHit): Pick<WatchHit, 'pa' | 'before' | 'after'> {
  const { pa, before, after } = hit;
  if (before.length <= 8) return hit;
  const at = before.findIndex((byte, i) => byte !== after[i]);
  // As the words of the array or struct lie.
  const from = at < 0 ? 0 : at - (at % 8);
  return {
    pa: pa + BigInt(from),
    before: before.subarray(from, from + 8),
    after: after.subarray(from, from + 8),
  };
}

function valuesOf({ access, hit }: Seen): Record<(typeof VALUES)[number], bigint> {
  const { before, after } = firstChange(hit);
  return {
    old: littleEndian(before),
    new: littleEndian(after),
    address: access.va,
    pa: access.pa,
    size: BigInt(access.bytes),
    pc: access.pc,
  };
}

const accessors: Readonly<Record<WatchedAccess['by'], string>> = {
  instruction: '',
  walk: 'the table walk for ',
  device: 'a device, at ',
};

const plain: Show = (bytes) => hex(littleEndian(bytes));
