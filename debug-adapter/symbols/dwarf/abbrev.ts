import { Cursor } from '../cursor';
import { SymbolError } from '../errors';
import { FORM } from './constants';
import type { DebugSections } from './sections';

export interface AttributeSpec {
  name: number;
  form: number;
  /** For DW_FORM_implicit_const: a DW_AT_const_value may take all 64 bits. */
  implicit: bigint;
}

export interface Abbrev {
  tag: number;
  hasChildren: boolean;
  attributes: readonly AttributeSpec[];
}

export type AbbrevTable = ReadonlyMap<number, Abbrev>;

function parse(c: Cursor): AbbrevTable {
  const table = new Map<number, Abbrev>();
  for (;;) {
    const code = c.uleb();
    if (code === 0) return table;
    const tag = c.uleb();
    const hasChildren = c.u8() !== 0;
    const attributes: AttributeSpec[] = [];
    for (;;) {
      const name = c.uleb();
      const form = c.uleb();
      const implicit = form === FORM.implicitConst ? c.sleb64() : 0n;
      if (name === 0 && form === 0) break;
      attributes.push({ name, form, implicit });
    }
    table.set(code, { tag, hasChildren, attributes });
  }
}

const KEPT_TABLES = 32;

/** The abbreviation tables (.debug_abbrev), decoded one at a time; the latest stay in memory. */
export class Abbrevs {
  private readonly tables = new Map<number, AbbrevTable>();

  constructor(private readonly sections: DebugSections) {}

  /** The table at an offset. */
  at(offset: number): AbbrevTable {
    const known = this.tables.get(offset);
    if (known !== undefined) return known;
    const table = this.decode(offset);
    if (this.tables.size >= KEPT_TABLES) {
      for (const oldest of this.tables.keys()) {
        this.tables.delete(oldest);
        break;
      }
    }
    this.tables.set(offset, table);
    return table;
  }

  /** A table does not say how long it is: try a window, and a larger one when the table goes on behind it. */
  private decode(offset: number): AbbrevTable {
    const section = this.sections.get('abbrev');
    for (let window = 4096; ; window *= 8) {
      const bytes = section.read(offset, window);
      try {
        return parse(new Cursor(bytes, `.debug_abbrev of ${this.sections.fileName}`, offset));
      } catch (error) {
        if (!(error instanceof SymbolError) || bytes.length < window) throw error;
      }
    }
  }
}
