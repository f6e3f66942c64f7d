/**
 * The ring of trace records, in the machine's memory. It is always on, and a guest may switch worlds a million times a second: so a record is
 * numbers that are copied from the CPU as they are, by generated code itself where nobody must hear of them at once. What they mean is worked out when somebody looks.
 */
import { EventRing, INTERRUPT, recordKinds, Slot, type RecordKind } from '../../emulator/ir/event-ring';
import type { TraceEvent } from '../arch/types';

const kindNumber = (kind: RecordKind): number => recordKinds.indexOf(kind);
const kindOf = (header: number): RecordKind => recordKinds[header & 0xff] ?? 'entry';

/** The record that has just been written, without its meaning. */
export class RawRecord {
  constructor(
    private readonly words: Uint32Array,
    private readonly wide: BigUint64Array,
    public at = 0,
  ) {}

  private word(slot: number, half: 0 | 1): number {
    return this.words[2 * (this.at + slot) + half] ?? 0;
  }

  get kind(): RecordKind {
    return kindOf(this.word(Slot.header, 0));
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
type Decode = (ring: TraceRing, at: number) => TraceEvent;

/** What has been written while nobody listened, as far as it matters later. */
export interface Passed {
  /** The last entry of each CPU that took one. */
  readonly entries: readonly RawRecord[];
  readonly interrupt: RawRecord | undefined;
}

/** Records that are kept. */
export const TRACE_LENGTH = EventRing.length;

export class TraceRing {
  /** The records, as 64-bit slots and as their halves. */
  readonly wide: BigUint64Array;
  readonly words: Uint32Array;
  /** What numbers cannot say of a record, by its place. */
  readonly notes: unknown[] = [];
  /** Hears of each record that the host has written. */
  onRecord: (record: RawRecord) => void = () => undefined;
  /** Hears what has become of those that code has written: before the host writes another, and when somebody catches up. */
  onPassed: (passed: Passed) => void = () => undefined;
  private readonly record: RawRecord;
  private readonly head: Uint32Array;
  /** Records that have been heard of, modulo 2^32, and in all. */
  private seen = 0;
  private total = 0;

  /**
   * @param memory the machine's
   * @param at where the ring lies: see ir/event-ring.ts
   * @param near code does not write an entry by itself that comes at most so many instructions after the CPU's last
   */
  constructor(
    memory: ArrayBuffer,
    at: number,
    /** Slots of a record. */
    readonly slots: number,
    near: number,
    private readonly decode: Decode,
  ) {
    this.head = new Uint32Array(memory, at, EventRing.records / 4);
    this.wide = new BigUint64Array(memory, at + EventRing.records, slots * TRACE_LENGTH);
    this.words = new Uint32Array(memory, at + EventRing.records, 2 * slots * TRACE_LENGTH);
    this.record = new RawRecord(this.words, this.wide);
    this.head[EventRing.near / 4] = near;
    this.goOn(this.written);
  }

  private get written(): number {
    return this.head[EventRing.written / 4] ?? 0;
  }

  /** All records have been heard of, and \`written\` is how many there are. */
  private goOn(written: number): void {
    this.total += (written - this.seen) >>> 0;
    this.seen = written;
    this.head[EventRing.written / 4] = written;
    this.head[EventRing.limit / 4] = written + TRACE_LENGTH;
  }

  private placeOf(n: number): number {
    return (n & (TRACE_LENGTH - 1)) * this.slots;
  }

  /** Hears of what code has written by itself. */
  catchUp(): void {
    const { written } = this;
    if (written === this.seen) return;
    const last: (number | undefined)[] = [];
    let interrupt: number | undefined;
    for (let n = this.seen; n !== written; n = (n + 1) >>> 0) {
      const at = this.placeOf(n);
      const header = this.words[2 * at]!;
      if (kindOf(header) !== 'entry') continue;
      last[(header >> 8) & 0xff] = at;
      if (this.words[2 * at + 1]! & INTERRUPT) interrupt = at;
    }
    this.goOn(written);
    const record = (at: number): RawRecord => new RawRecord(this.words, this.wide, at);
    this.onPassed({
      entries: last.filter((at) => at !== undefined).map(record),
      interrupt: interrupt === undefined ? undefined : record(interrupt),
    });
  }

  /** The first slot of the record that is written next. */
  begin(kind: RecordKind, cpu: number, flags: number): number {
    this.catchUp();
    const at = this.placeOf(this.seen);
    this.words[2 * at] = kindNumber(kind) | (cpu << 8);
    this.words[2 * at + 1] = flags;
    return at;
  }

  /** The record that was begun is complete. */
  end(): void {
    this.record.at = this.placeOf(this.seen);
    this.goOn((this.seen + 1) >>> 0);
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
    return Math.min(this.total, TRACE_LENGTH);
  }

  /** The first slot of the record before the last \`back\` ones. */
  private back(back: number): number {
    return this.placeOf(this.seen - 1 - back);
  }

  /** The last \`count\` events, oldest first. */
  last(count: number): TraceEvent[] {
    this.catchUp();
    const n = Math.min(count, this.length);
    return Array.from({ length: n }, (_, i) => this.decode(this, this.back(n - 1 - i)));
  }

  /**
   * The last event that fits.
   * @param candidate looks at kind and CPU first, which costs nothing
   */
  findLast(
    fits: (e: TraceEvent) => boolean,
    candidate: (kind: RecordKind, cpu: number) => boolean = () => true,
  ): TraceEvent | undefined {
    this.catchUp();
    for (let back = 0; back < this.length; back++) {
      const at = this.back(back);
      const header = this.words[2 * at] ?? 0;
      if (!candidate(kindOf(header), (header >> 8) & 0xff)) continue;
      const e = this.decode(this, at);
      if (fits(e)) return e;
    }
    return undefined;
  }
}
