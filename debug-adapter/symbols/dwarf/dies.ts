import { Cursor } from '../cursor';
import type { AbbrevTable } from './abbrev';
import { AT } from './constants';
import { readAttributes, skipAttributes, textOf } from './unit';
import type { Attributes, Unit } from './unit';
import type { Units } from './units';

/** One debugging information entry (DIE). */
export interface Die {
  /** Offset in .debug_info. */
  offset: number;
  tag: number;
  hasChildren: boolean;
  attributes: Attributes;
  unit: Unit;
}

/** One step of a walk through the DIEs of a unit. */
export interface WalkStep {
  offset: number;
  tag: number;
  /** 0 is the root DIE. */
  depth: number;
  hasChildren: boolean;
  /** Reads the attributes of this DIE; only during its own step. */
  attributes(): Attributes;
}

const MAX_UNIT = 1 << 28;
/** Chains of DW_AT_abstract_origin and DW_AT_specification are two or three long; a damaged one may be a circle. */
const MAX_REFERENCES = 8;

/** Bytes of units that stay in memory: a call stack goes through some ten units of a megabyte at each stop. */
const KEPT_BYTES = 32 << 20;

/** Reads DIEs behind the root. The bytes of the latest units stay in memory. */
export class Dies {
  private readonly kept = new Map<number, Uint8Array>();
  private keptBytes = 0;

  constructor(private readonly units: Units) {}

  private cursor(unit: Unit): Cursor {
    const what = `.debug_info of ${unit.sections.fileName}`;
    return new Cursor(this.bytes(unit, what), what, unit.header.rootOffset);
  }

  private bytes(unit: Unit, what: string): Uint8Array {
    const { offset, rootOffset, end } = unit.header;
    let bytes = this.kept.get(offset);
    if (bytes === undefined) {
      const length = end - rootOffset;
      if (length > MAX_UNIT) throw new Cursor(new Uint8Array(0), what, rootOffset).fail('a unit is too long');
      bytes = unit.sections.get('info').read(rootOffset, length);
      this.keptBytes += bytes.length;
    } else this.kept.delete(offset); // A Map iterates in insertion order: inserted again, it is the youngest.
    this.kept.set(offset, bytes);
    for (const [oldest, { length }] of this.kept) {
      if (this.keptBytes <= KEPT_BYTES || oldest === offset) break;
      this.kept.delete(oldest);
      this.keptBytes -= length;
    }
    return bytes;
  }

  private table(unit: Unit): AbbrevTable {
    return this.units.abbrevs.at(unit.header.abbrevOffset);
  }

  /** All DIEs of a unit from `start` (the root when absent), in file order; ends where the depth of `start` is left. */
  *walk(unit: Unit, start = unit.header.rootOffset): Generator<WalkStep> {
    const c = this.cursor(unit);
    const table = this.table(unit);
    c.seek(start - unit.header.rootOffset);
    let depth = 0;
    while (!c.atEnd) {
      const offset = c.sectionOffset;
      const code = c.uleb();
      if (code === 0) {
        if (--depth <= 0) return;
        continue;
      }
      const abbrev = table.get(code);
      if (abbrev === undefined) throw c.fail(`abbreviation ${code} does not exist`);
      let attributes: Attributes | undefined;
      yield {
        offset,
        tag: abbrev.tag,
        depth,
        hasChildren: abbrev.hasChildren,
        attributes: () => (attributes ??= readAttributes(c, unit, abbrev)),
      };
      if (attributes === undefined) skipAttributes(c, unit, abbrev);
      if (abbrev.hasChildren) depth++;
      if (depth === 0) return;
    }
  }

  /** The DIE at an offset of .debug_info, in any unit; `near` is tried first. */
  at(offset: number, near: Unit): Die | undefined {
    const inside = (u: Unit) => offset >= u.header.rootOffset && offset < u.header.end;
    const unit = inside(near) ? near : this.units.holding(offset);
    if (unit === undefined || !inside(unit)) return undefined;
    for (const step of this.walk(unit, offset)) {
      const { tag, hasChildren } = step;
      return { offset, tag, hasChildren, attributes: step.attributes(), unit };
    }
    return undefined;
  }

  /** The direct children of a DIE. */
  *children(die: Die): Generator<Die> {
    if (!die.hasChildren) return;
    for (const step of this.walk(die.unit, die.offset)) {
      if (step.depth !== 1) continue;
      const { offset, tag, hasChildren } = step;
      yield { offset, tag, hasChildren, attributes: step.attributes(), unit: die.unit };
    }
  }

  /** The DIE that a reference attribute names. */
  follow(die: Die, attribute: number): Die | undefined {
    const value = die.attributes.get(attribute);
    return value?.kind === 'reference' ? this.at(value.offset, die.unit) : undefined;
  }

  /** An attribute of a DIE or, when it has none, of what it is an instance or a definition of. */
  inherited(
    die: Die,
    attribute: number,
  ): { value: NonNullable<ReturnType<Attributes['get']>>; die: Die } | undefined {
    let at: Die | undefined = die;
    for (let n = 0; at !== undefined && n < MAX_REFERENCES; n++) {
      const value = at.attributes.get(attribute);
      if (value !== undefined) return { value, die: at };
      at = this.follow(at, AT.abstractOrigin) ?? this.follow(at, AT.specification);
    }
    return undefined;
  }

  /** The name of a DIE, over its origins. */
  nameOf(die: Die): string | undefined {
    return textOf(this.inherited(die, AT.name)?.value);
  }
}
