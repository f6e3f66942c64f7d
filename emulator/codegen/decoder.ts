/**
 * From instruction words to handlers. Rows are filed by the top eleven bits of the encoding, so that a look-up tries
 * a handful of them.
 */
import { rawFields, STRICT, type RawFields, type Row } from '../isa/dsl/row';

const TOP = 11;

export interface Decoded {
  readonly row: Row;
  readonly fields: RawFields;
}

export class Decoder {
  private readonly buckets: Row[][] = Array.from({ length: 2 ** TOP }, () => []);

  private readonly strict: boolean;

  /** @param features what the CPU model has; rows that need another one do not match. */
  constructor(rows: readonly Row[], features: ReadonlySet<string>) {
    this.strict = features.has(STRICT);
    for (const row of rows) {
      if (row.feature !== undefined && !features.has(row.feature)) continue;
      const mask = row.pattern.mask >>> (32 - TOP);
      const value = row.pattern.value >>> (32 - TOP);
      // All tops that agree with the value in the fixed bits: the subsets of the free bits.
      const free = ~mask & (2 ** TOP - 1);
      for (let sub = free; ; sub = (sub - 1) & free) {
        this.buckets[value | sub]!.push(row);
        if (sub === 0) break;
      }
    }
  }

  /** The row of a word and its fields; undefined for a word that no row takes. */
  decode(word: number): Decoded | undefined {
    for (const row of this.buckets[word >>> (32 - TOP)]!) {
      if ((word & row.pattern.mask) >>> 0 !== row.pattern.value) continue;
      const fields = rawFields(row.pattern, word);
      if (!row.when(fields)) continue;
      return this.strict && row.unpredictable(fields) ? undefined : { row, fields };
    }
    return undefined;
  }
}

/** Values of all operands of a decoded word: its fields and what the row derives from them. */
export function operandValues({ row, fields }: Decoded): Readonly<Record<string, bigint | number>> {
  return row.derives ? { ...fields, ...row.derive(fields) } : fields;
}
