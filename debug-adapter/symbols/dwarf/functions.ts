import { SymbolError } from '../errors';
import { IntervalIndex } from '../interval-index';
import type { Interval } from '../interval-index';
import { AT, LANG_ASSEMBLER, TAG } from './constants';
import type { Dies } from './dies';
import { readRanges } from './ranges';
import type { AddressRange } from './ranges';
import { highOf, smallNumber } from './unit';
import type { Attributes, Unit } from './unit';
import type { Units } from './units';

/** A function, or an inlined instance of one, by its code ranges. */
export interface Scope {
  unit: Unit;
  /** Offset of its DIE in .debug_info. */
  offset: number;
  isInlined: boolean;
  ranges: readonly AddressRange[];
  /** The scope that this one is nested in. */
  parent: Scope | undefined;
  /** Where the inlined call is: index in the unit's file table, and line. */
  callFile: number | undefined;
  callLine: number | undefined;
}

const KEPT_UNITS = 64;

/** The ranges of code that a DIE stands for. */
export function rangesOf(unit: Unit, attributes: Attributes): AddressRange[] {
  const ranges = attributes.get(AT.ranges);
  if (ranges !== undefined) return readRanges(unit, ranges);
  const low = attributes.get(AT.lowPc);
  if (low?.kind !== 'address') return [];
  const high = highOf(low.address, attributes.get(AT.highPc));
  return high !== undefined && high > low.address ? [{ low: low.address, high }] : [];
}

/** Functions and inlined instances by address; the DIEs of a unit are walked when an address in it is asked for. */
export class Functions {
  private readonly indices = new Map<number, IntervalIndex<Scope>>();
  /** Names live as long as their scopes. */
  private readonly names = new WeakMap<Scope, { readonly name: string | undefined }>();

  constructor(
    private readonly units: Units,
    readonly dies: Dies,
    private readonly report: (problem: string) => void,
  ) {}

  private scan(unit: Unit): Interval<Scope>[] {
    const found: Interval<Scope>[] = [];
    const enclosing: (Scope | undefined)[] = [];
    for (const step of this.dies.walk(unit)) {
      let scope = enclosing[step.depth - 1];
      if (step.tag === TAG.subprogram || step.tag === TAG.inlinedSubroutine) {
        const attributes = step.attributes();
        const ranges = rangesOf(unit, attributes);
        if (ranges.length > 0) {
          const isInlined = step.tag === TAG.inlinedSubroutine;
          scope = {
            unit,
            offset: step.offset,
            isInlined,
            ranges,
            parent: isInlined ? scope : undefined,
            callFile: smallNumber(attributes.get(AT.callFile)),
            callLine: smallNumber(attributes.get(AT.callLine)),
          };
          for (const { low, high } of ranges) found.push({ low, high, value: scope });
        }
      }
      enclosing[step.depth] = scope;
    }
    return found;
  }

  private indexOf(unit: Unit): IntervalIndex<Scope> {
    const known = this.indices.get(unit.header.offset);
    if (known !== undefined) return known;
    let found: Interval<Scope>[] = [];
    // Assembly units have one DIE, or labels that the symbol table has too.
    if (unit.language !== LANG_ASSEMBLER) {
      try {
        found = this.scan(unit);
      } catch (error) {
        if (!(error instanceof SymbolError)) throw error;
        this.report(error.message);
      }
    }
    const index = new IntervalIndex(found);
    if (this.indices.size >= KEPT_UNITS) {
      for (const oldest of this.indices.keys()) {
        this.indices.delete(oldest);
        break;
      }
    }
    this.indices.set(unit.header.offset, index);
    return index;
  }

  /** The innermost function or inlined instance at a link-time address. */
  at(address: bigint): Scope | undefined {
    for (const unit of this.units.containing(address)) {
      let best: Interval<Scope> | undefined;
      for (const item of this.indexOf(unit).containing(address)) {
        // Instances nest by their parents; equal ranges put the inner one after the outer one.
        if (best === undefined || isInside(item.value, best.value)) best = item;
      }
      if (best !== undefined) return best.value;
    }
    return undefined;
  }

  /** The name of a scope's function. */
  name(scope: Scope): string | undefined {
    let known = this.names.get(scope);
    if (known === undefined) this.names.set(scope, (known = { name: this.readName(scope) }));
    return known.name;
  }

  private readName(scope: Scope): string | undefined {
    try {
      const die = this.dies.at(scope.offset, scope.unit);
      return die === undefined ? undefined : this.dies.nameOf(die);
    } catch (error) {
      if (!(error instanceof SymbolError)) throw error;
      this.report(error.message);
      return undefined;
    }
  }
}

function isInside(inner: Scope, outer: Scope): boolean {
  for (let at = inner.parent; at !== undefined; at = at.parent) if (at === outer) return true;
  return false;
}
