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
  readonly body: () => readonly Stmt[];
  readonly slots: () => readonly Slot[];
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

/** Places operands in a record: wide ones first, aligned, after the u16 handler number. */
function placeSlots(uses: readonly OperandUse[], what: string): Slot[] {
  const taken = new Array<boolean>(Rec.bytes).fill(false);
  taken[0] = taken[1] = true;
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

function lazy<T>(make: () => T): () => T {
  let value: T | undefined;
  return () => (value ??= make());
}

/** All handlers of an instruction set, hot ones first, numbered from `firstHandler`. */
export function makeHandlers(isa: Isa): Handler[] {
  const all = isa.rows.flatMap((row) => row.shapes.map((shape) => ({ row, shape, hot: row.hot(shape) })));
  const ordered = [...all.filter((h) => h.hot), ...all.filter((h) => !h.hot)];
  return ordered.map(({ row, shape, hot }, i) => {
    const body = lazy((): readonly Stmt[] => {
      const b: Builder = isa.newBuilder();
      row.exec(b, shape);
      return b.body;
    });
    return {
      id: firstHandler + i,
      row,
      shape,
      hot,
      body,
      slots: lazy(() => placeSlots(operandUses(body()), `${row.name} ${JSON.stringify(shape)}`)),
    };
  });
}
