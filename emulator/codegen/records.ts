/**
 * Predecoded records of instruction words. Code consists of few different words: each is decoded once, and its record
 * copied from then on. A kernel that boots decodes some 300,000 places, and 80,000 words.
 */
import type { Row } from '../isa/dsl/row';
import { Decoder, operandValues, type Decoded } from './decoder';
import { Rec, Special, type Handler, type Slot } from './handlers';

/** Words of 32 bits in a record. The first holds the handler's number in its low half, and the heat. */
const REC_WORDS = Rec.bytes / 4;

/** Records that are kept; with one more, all go. A power of two. */
const KEPT = 1 << 17;

/** Places of the hash table: twice as many, so that few words collide. */
const PLACES = 2 * KEPT;

/** Bits by which a word's hash is shifted to give its place. */
const HASH_SHIFT = Math.clz32(PLACES) + 1;

/** Values of an operand field that are remembered for each of its uses: registers, conditions, small immediates. */
const SMALL = 64;

export class Records {
  private readonly decoder: Decoder;
  private readonly writers = new Map<Row, Map<number, Writer>>();
  /** Number of a word's record + 1, by the word's place. */
  private readonly places = new Int32Array(PLACES);
  private readonly words = new Int32Array(KEPT);
  /** Grows as it is needed. */
  private records = new Uint32Array(REC_WORDS << 10);
  private count = 0;

  /** @param features what the CPU model has */
  constructor(rows: readonly Row[], features: ReadonlySet<string>, handlers: readonly Handler[]) {
    this.decoder = new Decoder(rows, features);
    for (const h of handlers) {
      let ofRow = this.writers.get(h.row);
      if (!ofRow) this.writers.set(h.row, (ofRow = new Map()));
      ofRow.set(shapeKey(h.row, h.shape), new Writer(h));
    }
  }

  /** The row of a word and its fields; undefined for a word that is undefined on this CPU. */
  decode(word: number): Decoded | undefined {
    return this.decoder.decode(word);
  }

  /**
   * Writes the record of a word; its heat stays.
   * @param memory linear memory as words
   * @param rec byte address of the record
   */
  write(memory: Uint32Array, rec: number, word: number): void {
    const from = this.find(word | 0) * REC_WORDS;
    const { records } = this;
    const to = rec >>> 2;
    memory[to] = (memory[to]! & 0xffff0000) | records[from]!;
    for (let i = 1; i < REC_WORDS; i++) memory[to + i] = records[from + i]!;
  }

  private find(word: number): number {
    const { places, words } = this;
    let place = Math.imul(word, 0x9e3779b1) >>> HASH_SHIFT;
    for (;;) {
      const n = places[place]!;
      if (n === 0) return this.add(word, place);
      if (words[n - 1] === word) return n - 1;
      place = (place + 1) & (PLACES - 1);
    }
  }

  private add(word: number, place: number): number {
    if (this.count === KEPT) {
      this.places.fill(0);
      this.count = 0;
      return this.find(word);
    }
    const n = this.count++;
    if (this.records.length < this.count * REC_WORDS) {
      const grown = new Uint32Array(2 * this.records.length);
      grown.set(this.records);
      this.records = grown;
    }
    const decoded = this.decoder.decode(word >>> 0);
    const writer = decoded && this.writers.get(decoded.row)?.get(shapeKey(decoded.row, decoded.fields));
    const at = n * REC_WORDS;
    this.records.fill(0, at, at + REC_WORDS);
    if (writer) writer.write(this.records, at, decoded);
    else this.records[at] = Special.undefined;
    this.words[n] = word;
    this.places[place] = n + 1;
    return n;
  }
}

/** A row's shape fields as one number. */
function shapeKey(row: Row, f: Readonly<Record<string, number>>): number {
  let key = 0;
  for (const { name, width } of row.shape) key = key * 2 ** width + f[name]!;
  return key;
}

/** Fills in the records of a handler. */
class Writer {
  private slots: readonly SlotWriter[] | undefined;

  constructor(private readonly handler: Handler) {}

  write(records: Uint32Array, at: number, d: Decoded): void {
    this.slots ??= this.handler.slots().map((slot) => new SlotWriter(slot));
    records[at] = this.handler.id;
    const values = operandValues(d);
    for (const slot of this.slots) {
      const raw = values[slot.field];
      if (raw === undefined) throw new Error(`${d.row.name}: no field or derived operand ${slot.field}`);
      slot.write(records, at, raw);
    }
  }
}

class SlotWriter {
  readonly field: string;
  /** The words for small values, low and high. */
  private readonly low: number[] = [];
  private readonly high: number[] = [];

  constructor(private readonly slot: Slot) {
    this.field = slot.use.field;
  }

  write(records: Uint32Array, at: number, raw: number | bigint): void {
    const { offset, use } = this.slot;
    const small = typeof raw === 'number' && raw < SMALL ? raw : undefined;
    let low = small === undefined ? undefined : this.low[small];
    let high = small === undefined ? 0 : (this.high[small] ?? 0);
    if (low === undefined) {
      const value = BigInt.asUintN(8 * use.bytes, use.map(BigInt(raw)));
      low = Number(value & 0xffffffffn);
      high = Number(value >> 32n);
      if (small !== undefined) {
        this.low[small] = low;
        this.high[small] = high;
      }
    }
    const word = at + (offset >>> 2);
    if (use.bytes === 2) records[word] = (records[word]! | (low << (8 * (offset & 2)))) >>> 0;
    else records[word] = low;
    if (use.bytes === 8) records[word + 1] = high;
  }
}
