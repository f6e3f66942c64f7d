/**
 * The ring of trace records. It is always on, and a guest may switch worlds a million times a second: so a record is
 * numbers that are copied from the CPU as they are. What they mean is worked out when somebody looks.
 */
import type { TraceEvent } from '../arch/types';

/** Records that are kept. */
export const TRACE_LENGTH = 4096;

export type RecordKind = TraceEvent['kind'];
const kinds: readonly RecordKind[] = ['entry', 'return', 'call', 'mark'];
const kindNumber = (kind: RecordKind): number => kinds.indexOf(kind);

/** The 64-bit slots that every record has; those of the architecture follow. */
export const Slot = {
  /** Kind in bits 7-0, CPU in 15-8, flags in 63-32. */
  header: 0,
  /** The instruction, and where execution goes on. */
  pc: 1,
  target: 2,
  /** Instructions that the CPU had retired when its run began, then what tells how many more it has. */
  retired: 3,
  timeEnd: 4,
  left: 5,
  vtime: 6,
  own: 7,
} as const;

/** Header flag: the record is an interrupt. */
export const INTERRUPT = 1;

/** The record that has just been written, without its meaning. */
export class RawRecord {
  at = 0;

  constructor(
    private readonly words: Uint32Array,
    private readonly wide: BigUint64Array,
  ) {}

  private word(slot: number, half: 0 | 1): number {
    return this.words[2 * (this.at + slot) + half] ?? 0;
  }

  get kind(): RecordKind {
    return kinds[this.word(Slot.header, 0) & 0xff] ?? 'entry';
  }

  get cpu(): number {
    return (this.word(Slot.header, 0) >> 8) & 0xff;
  }

  get flags(): number {
    return this.word(Slot.header, 1);
  }

  get pc(): bigint {
    return this.wide[this.at + Slot.pc] ?? 0n;
  }

  /** The instruction count of the CPU, as far as 32 bits go. */
  get count(): number {
    const now = this.word(Slot.timeEnd, 0) - this.word(Slot.left, 0);
    return (this.word(Slot.retired, 0) + now - this.word(Slot.vtime, 0)) >>> 0;
  }

  /** Whether two records are of the same place and go to the same place. */
  isLike(other: RawRecord): boolean {
    return this.isSame(other, Slot.pc) && this.isSame(other, Slot.target);
  }

  private isSame(other: RawRecord, slot: number): boolean {
    return this.word(slot, 0) === other.word(slot, 0) && this.word(slot, 1) === other.word(slot, 1);
  }

  /** A copy that stays as it is: of the slots that every record has. */
  copy(): RawRecord {
    const wide = new BigUint64Array(Slot.own);
    const copy = new RawRecord(new Uint32Array(wide.buffer), wide);
    copy.become(this);
    return copy;
  }

  /** Makes a copy one of another record. */
  become(other: RawRecord): void {
    for (let i = 0; i < 2 * Slot.own; i++) this.words[2 * this.at + i] = other.words[2 * other.at + i] ?? 0;
  }
}

/** Makes an event of the record that begins at a slot. */
export type Decode = (ring: TraceRing, at: number) => TraceEvent;

export class TraceRing {
  /** The records, as 64-bit slots and as their halves. */
  readonly wide: BigUint64Array;
  readonly words: Uint32Array;
  /** What numbers cannot say of a record, by its place. */
  readonly notes: unknown[] = [];
  /** Hears of each record when it has been written. */
  onRecord: (record: RawRecord) => void = () => undefined;
  private readonly record: RawRecord;
  private written = 0;

  constructor(
    /** Slots of a record. */
    readonly slots: number,
    private readonly decode: Decode,
    private readonly capacity: number = TRACE_LENGTH,
  ) {
    this.wide = new BigUint64Array(slots * capacity);
    this.words = new Uint32Array(this.wide.buffer);
    this.record = new RawRecord(this.words, this.wide);
  }

  /** The first slot of the record that is written next. */
  begin(kind: RecordKind, cpu: number, flags: number): number {
    const at = (this.written % this.capacity) * this.slots;
    this.words[2 * at] = kindNumber(kind) | (cpu << 8);
    this.words[2 * at + 1] = flags;
    return at;
  }

  /** The record that was begun is complete. */
  end(): void {
    this.record.at = (this.written % this.capacity) * this.slots;
    this.written++;
    this.onRecord(this.record);
  }

  /** What is noted of the record that begins at a slot. */
  note(at: number, note: unknown): void {
    this.notes[at / this.slots] = note;
  }

  noteOf(at: number): unknown {
    return this.notes[at / this.slots];
  }

  private get length(): number {
    return Math.min(this.written, this.capacity);
  }

  /** The event before the last `back` ones. */
  private event(back: number): TraceEvent {
    return this.decode(this, ((this.written - 1 - back) % this.capacity) * this.slots);
  }

  /** The last `count` events, oldest first. */
  last(count: number): TraceEvent[] {
    const n = Math.min(count, this.length);
    return Array.from({ length: n }, (_, i) => this.event(n - 1 - i));
  }

  /**
   * The last event that fits.
   * @param candidate looks at kind and CPU first, which costs nothing
   */
  findLast(
    fits: (e: TraceEvent) => boolean,
    candidate: (kind: RecordKind, cpu: number) => boolean = () => true,
  ): TraceEvent | undefined {
    for (let back = 0; back < this.length; back++) {
      const header = this.words[2 * (((this.written - 1 - back) % this.capacity) * this.slots)] ?? 0;
      if (!candidate(kinds[header & 0xff] ?? 'entry', (header >> 8) & 0xff)) continue;
      const e = this.event(back);
      if (fits(e)) return e;
    }
    return undefined;
  }
}
