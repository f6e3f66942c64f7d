import { SymbolError } from '../errors';
import { IntervalIndex } from '../interval-index';
import type { Interval } from '../interval-index';
import { Abbrevs } from './abbrev';
import { readAranges } from './aranges';
import { UNIT_TYPE } from './constants';
import { unitRanges } from './ranges';
import type { DebugSections } from './sections';
import { isCodeUnit, readUnit, readUnitHeader } from './unit';
import type { Unit } from './unit';

const codeUnitTypes: ReadonlySet<number> = new Set([UNIT_TYPE.compile, UNIT_TYPE.skeleton]);

/** A kernel has some hundred thousand; units of a damaged file may share one huge list. */
const MAX_INTERVALS = 1 << 22;

/**
 * The compile units of a file, found lazily: an address first asks .debug_aranges, which names the one unit to read.
 * Only when that does not answer, all unit headers and root DIEs are walked.
 */
export class Units {
  readonly abbrevs: Abbrevs;
  private readonly units = new Map<number, Unit | undefined>();
  private arangesIndex: IntervalIndex<number> | undefined;
  private readonly inAranges = new Set<number>();
  private rest: IntervalIndex<number> | undefined;
  private offsets: number[] | undefined;
  private unranged: number[] = [];

  constructor(
    private readonly sections: DebugSections,
    private readonly report: (problem: string) => void,
  ) {
    this.abbrevs = new Abbrevs(sections);
  }

  /** Runs a reader over untrusted data: damage is reported and the rest goes on without that part. */
  private attempt<T>(read: () => T): T | undefined {
    try {
      return read();
    } catch (error) {
      if (!(error instanceof SymbolError)) throw error;
      this.report(error.message);
      return undefined;
    }
  }

  /** The unit whose header is at an offset of .debug_info; undefined when it is damaged or describes no code. */
  at(offset: number): Unit | undefined {
    if (this.units.has(offset)) return this.units.get(offset);
    const unit = this.attempt(() => {
      const header = readUnitHeader(this.sections, offset);
      if (!codeUnitTypes.has(header.type)) return undefined;
      const read = readUnit(this.sections, this.abbrevs, header);
      return isCodeUnit(read) ? read : undefined;
    });
    this.units.set(offset, unit);
    return unit;
  }

  private aranges(): IntervalIndex<number> {
    if (this.arangesIndex === undefined) {
      const code = (this.attempt(() => readAranges(this.sections)) ?? []).filter((r) => this.isCode(r));
      for (const range of code) this.inAranges.add(range.value);
      this.arangesIndex = new IntervalIndex(code);
    }
    return this.arangesIndex;
  }

  private isCode(range: { low: bigint }): boolean {
    return this.sections.elf.isCode(range.low);
  }

  /** Bytes of .debug_info. */
  get infoSize(): number {
    return this.sections.get('info').size;
  }

  /** The offsets of all units, in file order. Units of other kinds are stepped over by their length. */
  allOffsets(): readonly number[] {
    if (this.offsets !== undefined) return this.offsets;
    const found: number[] = [];
    const size = this.sections.get('info').size;
    this.attempt(() => {
      for (let offset = 0; offset < size;) {
        const header = readUnitHeader(this.sections, offset);
        if (codeUnitTypes.has(header.type)) found.push(offset);
        offset = header.end;
      }
    });
    this.offsets = found;
    return found;
  }

  /** The unit that an offset of .debug_info lies in. */
  holding(offset: number): Unit | undefined {
    const all = this.allOffsets();
    let lo = 0;
    let hi = all.length;
    while (lo < hi) {
      const mid = (lo + hi) >>> 1;
      if ((all[mid] ?? 0) <= offset) lo = mid + 1;
      else hi = mid;
    }
    const start = all[lo - 1];
    return start === undefined ? undefined : this.at(start);
  }

  /** All units that describe code. */
  *all(): Generator<Unit> {
    for (const offset of this.allOffsets()) {
      const unit = this.at(offset);
      if (unit !== undefined) yield unit;
    }
  }

  private others(): IntervalIndex<number> {
    if (this.rest === undefined) {
      this.aranges();
      const intervals: Interval<number>[] = [];
      for (const unit of this.all()) {
        const offset = unit.header.offset;
        if (this.inAranges.has(offset)) continue;
        const ranges = (this.attempt(() => unitRanges(unit)) ?? []).filter((r) => this.isCode(r));
        if (ranges.length === 0) this.unranged.push(offset);
        for (const { low, high } of ranges) intervals.push({ low, high, value: offset });
        if (intervals.length > MAX_INTERVALS) {
          this.report(`${this.sections.fileName} has impossibly many address ranges: rebuild it with -g.`);
          break;
        }
      }
      this.rest = new IntervalIndex(intervals);
    }
    return this.rest;
  }

  /**
   * The units that may describe an address, the most likely first. What .debug_aranges gives to a unit belongs to no
   * other: only for the rest all units are read.
   */
  *containing(address: bigint): Generator<Unit> {
    if (!this.sections.elf.isCode(address)) return;
    const listed = [...this.known(this.aranges(), address)];
    yield* listed;
    if (listed.length > 0) return;
    yield* this.known(this.others(), address);
    // Units that name no range at all: their line table is the only one that knows.
    for (const offset of this.unranged) {
      const unit = this.at(offset);
      if (unit !== undefined) yield unit;
    }
  }

  private *known(index: IntervalIndex<number>, address: bigint): Generator<Unit> {
    const seen = new Set<number>();
    for (const { value } of index.containing(address)) {
      if (seen.has(value)) continue;
      seen.add(value);
      const unit = this.at(value);
      if (unit !== undefined) yield unit;
    }
  }
}
