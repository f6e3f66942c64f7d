/**
 * The handlers of the interpreter: one for each row and combination of shape fields, with the layout of its
 * predecoded record.
 */
import type { Builder } from '../ir/builder';
import type { OperandUse, Stmt } from '../ir/nodes';
import type { Isa } from '../isa/dsl/isa';
import type { RawFields, Row } from '../isa/dsl/row';

/** Bytes of a record; record n of a page belongs to the instruction at offset 4n. Behind the last comes `pageEnd`. */
export const Rec = { bytes: 32, shift: 5, perPage: 1024, pageBytes: 1024 * 32 + 32 } as const;

/**
 * A record's u16 at `heat` counts how often control came to it by a branch, up to `Heat.hot`, when the translator hears
 * of it. A larger one is Heat.hot + 1 + the number of the region that starts there. `hot` is near the most that fits: the boot of a
 * kernel has few places that pay back what translating them costs, and a loop gets there in a millisecond.
 */
export const Heat = { offset: 2, hot: 50_000, regions: 8192 } as const;

/**
 * Elements of the table between handlers and regions: a record whose handler number is the number of all handlers (with
 * the special ones) + n is executed by gate n (see gate.ts).
 */
export const GATES = 256;

/** Handler numbers that are not instructions. */
export const Special = { decode: 0, pageEnd: 1, breakpoint: 2, undefined: 3 } as const;
export const firstHandler = 4;

export interface Slot {
  readonly offset: number;
  readonly use: OperandUse;
}

export interface Handler {
  readonly id: number;
  readonly row: Row;
  readonly shape: RawFields;
  readonly hot: boolean;
  /** Built on first use: the IR, and the record slots that its operands need. */
  body(): readonly Stmt[];
  slots(): readonly Slot[];
}

/** Key of an operand's slot: one slot serves all uses of a field in the same role. */
export const slotKey = (u: OperandUse): string => `${u.field}/${u.role}`;

/** Finds the operands of a body, in order of appearance. */
function operandUses(body: readonly Stmt[]): OperandUse[] {
  const seen = new Map<string, OperandUse>();
  const walk = (stmts: readonly Stmt[]): void => {
    for (const s of stmts) {
      if (s.k === 'let' && s.v.op.k === 'operand' && s.v.uses > 0) seen.set(slotKey(s.v.op.use), s.v.op.use);
      if (s.k === 'if') {
        walk(s.then);
        walk(s.else);
      }
      if (s.k === 'loop') walk(s.body);
    }
  };
  walk(body);
  return [...seen.values()];
}

/** Places operands in a record: wide ones first, aligned, after the handler number and the heat. */
function placeSlots(uses: readonly OperandUse[], what: string): Slot[] {
  const taken = new Array<boolean>(Rec.bytes).fill(false);
  taken.fill(true, 0, Heat.offset + 2);
  return [...uses]
    .sort((a, b) => b.bytes - a.bytes)
    .map((use) => {
      for (let at = 0; at + use.bytes <= Rec.bytes; at += use.bytes) {
        if (taken.slice(at, at + use.bytes).some(Boolean)) continue;
        taken.fill(true, at, at + use.bytes);
        return { offset: at, use };
      }
      throw new Error(`${what}: operands need more than ${Rec.bytes} bytes: ${uses.map(slotKey).join(', ')}`);
    });
}

/** A class, since there are thousands: an adapter makes them all when it starts. */
class RowHandler implements Handler {
  private builtBody: readonly Stmt[] | undefined;
  private placedSlots: readonly Slot[] | undefined;

  constructor(
    private readonly isa: Isa,
    readonly id: number,
    readonly row: Row,
    readonly shape: RawFields,
    readonly hot: boolean,
  ) {}

  body(): readonly Stmt[] {
    if (!this.builtBody) {
      const b: Builder = this.isa.newBuilder();
      this.row.exec(b, this.shape);
      this.builtBody = b.body;
    }
    return this.builtBody;
  }

  slots(): readonly Slot[] {
    return (this.placedSlots ??= placeSlots(
      operandUses(this.body()),
      `${this.row.name} ${JSON.stringify(this.shape)}`,
    ));
  }
}

/** All handlers of an instruction set, hot ones first, numbered from `firstHandler`. */
export function makeHandlers(isa: Isa): Handler[] {
  const handlers: Handler[] = [];
  for (const hot of [true, false])
    for (const row of isa.rows)
      for (const shape of row.shapes)
        if (row.hot(shape) === hot)
          handlers.push(new RowHandler(isa, firstHandler + handlers.length, row, shape, hot));
  return handlers;
}
