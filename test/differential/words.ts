/** Random instruction words, made from the rows: their patterns, shapes and conditions. */
import { insert, type Field } from '../../emulator/isa/dsl/pattern';
import { rawFields, type RawFields, type Row } from '../../emulator/isa/dsl/row';
import type { A64 } from '../../emulator/isa/a64/sem';
import type { Rng } from './rng';

export type A64Row = Row<A64>;

/** Chooses the value of a field, or leaves it to chance. */
export type Choose = (field: Field, row: A64Row) => number | undefined;

const ATTEMPTS = 50;

/** A word of the row; undefined where chance found none that its `when` lets through. */
export function randomWord(rng: Rng, row: A64Row, choose: Choose = () => undefined): number | undefined {
  for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
    const shape: RawFields = row.shapes.length > 0 ? rng.pick(row.shapes) : {};
    let word = row.pattern.value;
    for (const f of row.pattern.fields)
      word = insert(word, f, choose(f, row) ?? shape[f.name] ?? rng.bits32());
    if (row.when(rawFields(row.pattern, word))) return word >>> 0;
  }
  return undefined;
}
