/** For tests: instances of every template of every row. */
import { insert } from '../isa/dsl/pattern';
import { rawFields, type Row } from '../isa/dsl/row';
import type { PrintContext } from '../isa/dsl/operand';
import type { InstructionTable } from './encode';
import { Template } from './template';

/** Numbers that depend on the seed only (a multiplicative congruential generator, modulus 2^31 - 1). */
export function randomFrom(seed: number): (below: number) => number {
  let state = (seed % 2147483646) + 1;
  return (below) => {
    state = (state * 48271) % 2147483647;
    return Math.floor((state / 2147483647) * below);
  };
}

export interface Instance {
  readonly row: Row;
  /** The template's operands, for error texts. */
  readonly template: string;
  readonly word: number;
  /** The instruction's text as this template prints it, at this address. */
  readonly text: string;
  readonly target: bigint | undefined;
}

/** Field values that find mistakes: none, all, one bit, few bits, any. */
function value(width: number, random: (below: number) => number): number {
  const all = 2 ** width;
  switch (random(6)) {
    case 0:
      return 0;
    case 1:
      return all - 1;
    case 2:
      return 2 ** random(width);
    default:
      return random(all);
  }
}

/** For each template of each row and shape, up to `count` instances that it can print. */
export function* instances(
  table: InstructionTable,
  count: number,
  random: (below: number) => number,
  nextAddress: () => bigint,
): Generator<Instance> {
  for (const row of table.rows) {
    for (const shape of row.shapes) {
      for (const source of row.asm(shape)) {
        const split = table.split(source);
        const [mnemonic, extra] = table.expand(split.mnemonic)[0] ?? [split.mnemonic, {}];
        const template = new Template(row, [shape], mnemonic, split, table.syntax, extra);
        const fixed: Record<string, number> = { ...shape, ...extra };
        const likes: [string, string][] = [];
        for (const part of split.constraints.split(/\s+/).filter(Boolean)) {
          const [field = '', to = ''] = part.split('=');
          if (/^\d+$/.test(to)) fixed[field] = Number(to);
          else likes.push([field, to]);
        }
        let made = 0;
        for (let tries = 0; made < count && tries < (made ? 60 : 3000); tries++) {
          let word = row.pattern.value;
          const fields: Record<string, number> = {};
          for (const f of row.pattern.fields) {
            // Now and then the default of an optional operand is left to chance, too.
            const forced = fixed[f.name];
            fields[f.name] = forced !== undefined && random(4) > 0 ? forced : value(f.width, random);
            if (f.name in shape) fields[f.name] = shape[f.name] ?? 0;
          }
          for (const [field, to] of likes) fields[field] = fields[to] ?? 0;
          for (const f of row.pattern.fields) word = insert(word, f, fields[f.name] ?? 0);
          if (!row.when(rawFields(row.pattern, word))) continue;
          const context: PrintContext = { address: nextAddress() };
          const text = template.print(fields, context);
          if (text === undefined) continue;
          made++;
          yield { row, template: `${mnemonic} ${split.operands}`, word, text, target: context.target };
        }
        if (made === 0) {
          yield { row, template: `${mnemonic} ${split.operands}`, word: 0, text: '', target: undefined };
        }
      }
    }
  }
}
