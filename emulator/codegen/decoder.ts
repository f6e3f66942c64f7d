/**
 * From instruction words to handlers. Rows are filed by the top eleven bits of the encoding, so that a look-up tries
 * a handful of them.
 */
import { rawFields, STRICT, type RawFields, type Row } from '../isa/dsl/row';
import type { Handler } from './handlers';

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
export function operandValues(d: Decoded): Readonly<Record<string, bigint | number>> {
  return { ...d.fields, ...d.row.derive(d.fields) };
}

/** Looks up the handler of a decoded word. */
export class HandlerIndex {
  private readonly byShape = new Map<Row, Map<string, Handler>>();

  constructor(handlers: readonly Handler[]) {
    for (const h of handlers) {
      let m = this.byShape.get(h.row);
      if (!m) this.byShape.set(h.row, (m = new Map()));
      m.set(shapeKey(h.row, h.shape), h);
    }
  }

  find(d: Decoded): Handler | undefined {
    return this.byShape.get(d.row)?.get(shapeKey(d.row, d.fields));
  }
}

const shapeKey = (row: Row, f: RawFields): string => row.shape.map((s) => f[s.name]).join();

/** Writes the record of a decoded instruction. */
export function writeRecord(memory: DataView, rec: number, h: Handler, d: Decoded): void {
  const values = operandValues(d);
  for (const { offset, use } of h.slots()) {
    const raw = values[use.field];
    if (raw === undefined) throw new Error(`${d.row.name}: no field or derived operand ${use.field}`);
    const v = use.map(BigInt(raw));
    if (use.bytes === 8) memory.setBigInt64(rec + offset, BigInt.asIntN(64, v), true);
    else if (use.bytes === 4) memory.setInt32(rec + offset, Number(BigInt.asIntN(32, v)), true);
    else memory.setUint16(rec + offset, Number(BigInt.asUintN(16, v)), true);
  }
  memory.setUint16(rec, h.id, true);
}
