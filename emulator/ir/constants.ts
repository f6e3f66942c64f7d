/**
 * Tables that generated code looks up. They stand in linear memory before the CPU blocks, at the same addresses in every machine, and
 * nobody writes them; so they are neither state nor part of a snapshot.
 */

/** The room for all of them, from address 0. */
export const CONSTANT_BYTES = 4096;

export class Constants {
  private readonly tables: { readonly at: number; readonly words: readonly number[] }[] = [];
  private end = 0;

  /** Makes room for a table of 32-bit words. Returns its address: the `off` of a Builder.ld() whose base is an offset in the table. */
  table(words: readonly number[]): number {
    const at = this.end;
    this.end += 4 * words.length;
    if (this.end > CONSTANT_BYTES) throw new RangeError(`${this.end} bytes of constants do not fit`);
    this.tables.push({ at, words });
    return at;
  }

  /** Writes the tables to linear memory. */
  placeIn(memory: DataView): void {
    for (const { at, words } of this.tables)
      words.forEach((word, n) => memory.setUint32(at + 4 * n, word, true));
  }
}
