/**
 * Predecoded pages: an array of records for each page of RAM that code runs from. Records start as "decode me".
 * Breakpoints live here too, by physical address: a record at one decodes to the breakpoint handler.
 */
import type { Decoded } from '../codegen/decoder';
import { Heat, Rec, Special, type Handler } from '../codegen/handlers';
import { Records } from '../codegen/records';
import { Tlb, TagFlag } from '../codegen/tlb';
import { PageFlag, PageWriter } from '../ir/state';
import type { Row } from '../isa/dsl/row';
import { ALWAYS, type Gates, type StopTest } from './gates';
import { PAGE, type MemoryLayout } from './layout';
import { TlbTables } from './tlb-tables';

export class Predecode {
  private readonly records: Records;
  private readonly words: Uint32Array;
  private readonly tables: TlbTables;
  /** RAM page of each pool slot that is in use. */
  private slots: number[] = [];
  /** RAM offsets at which run() must stop, with the conditions of those who want it. */
  private readonly breakpoints = new Map<number, readonly StopTest[]>();
  /** Offsets in a page at which run() is to stop wherever that page is, for the guest's own breakpoints: by CPU, and all. */
  private readonly trapsOf: (readonly number[])[] = [];
  private traps: ReadonlySet<number> = new Set();
  /** A RAM offset whose breakpoint is passed over once. */
  private passing: number | undefined;
  /** A RAM offset at which run() is to stop once: nothing that starts before it may be made to run over it. */
  private waiting: number | undefined;
  /** Heat of a record that control has not come to. */
  startHeat = 0;
  private empty: { readonly heat: number; readonly words: Uint32Array } | undefined;
  /** Hears of code that is no longer what it was, and of all pages going. */
  onInvalid: (offset: number, bytes: number) => void = () => undefined;
  onFlush: () => void = () => undefined;
  /** Where conditions are compiled; without, all breakpoints stop. */
  gates: Gates | undefined;

  constructor(
    private readonly view: DataView,
    private readonly layout: MemoryLayout,
    private readonly cpus: number,
    rows: readonly Row[],
    features: ReadonlySet<string>,
    handlers: readonly Handler[],
  ) {
    this.records = new Records(rows, features, handlers);
    this.words = new Uint32Array(view.buffer);
    this.tables = new TlbTables(view, layout);
  }

  /** Decodes an instruction word as this CPU does. */
  decodeWord(word: number): Decoded | undefined {
    return this.records.decode(word);
  }

  /** Host call: fills the record at address `rec`. */
  decode(rec: number): void {
    const offset = this.placeOf(rec)!;
    const word = this.view.getUint32(this.layout.ramHost + offset, true);
    // Whoever was asked to translate it found another instruction, or a breakpoint.
    if (this.heatOf(rec) === Heat.hot) this.setHeat(rec, this.startHeat);
    if (!this.stopsAt(offset) || this.passing === offset) {
      this.records.write(this.words, rec, word);
      return;
    }
    const tests = this.testsAt(offset);
    const gate = tests && this.gates?.at(offset, word, this.decodeWord(word), tests);
    this.view.setUint16(rec, gate ?? Special.breakpoint, true);
  }

  /** The conditions on which a place stops; undefined where it stops whatever they say, or not at all. */
  testsAt(offset: number): readonly StopTest[] | undefined {
    const tests = this.breakpoints.get(offset);
    return !tests || tests.includes(ALWAYS) || this.hasTrap(offset) ? undefined : tests;
  }

  /** Has the record for a RAM offset decoded, where its page has records. */
  decodeAt(offset: number): void {
    const rec = this.recordAt(offset);
    if (rec && this.view.getUint16(rec, true) === Special.decode) this.decode(rec);
  }

  /** RAM offset of the instruction of a record; undefined for one of a page that is gone. */
  placeOf(rec: number): number | undefined {
    const slot = Math.floor((rec - this.layout.pool) / Rec.pageBytes);
    const page = this.slots[slot];
    const inPage = rec - this.layout.pool - slot * Rec.pageBytes;
    return page === undefined ? undefined : page * PAGE + 4 * (inPage / Rec.bytes);
  }

  /** RAM offset of the instruction at `pageOffset` of the predecoded page at `rec`; undefined for a page that is gone. */
  offsetOf(rec: number, pageOffset: number): number | undefined {
    const page = this.slots[Math.floor((rec - this.layout.pool) / Rec.pageBytes)];
    return page === undefined ? undefined : page * PAGE + pageOffset;
  }

  /** Host call: makes the predecoded page of a RAM page. */
  codePage(page: number): number {
    if (this.slots.length === this.layout.poolPages) this.flush();
    const rec = this.layout.pool + this.slots.length * Rec.pageBytes;
    this.slots.push(page);
    this.words.set(this.newPage(), rec >>> 2);
    this.view.setUint32(this.layout.pageRecs + 4 * page, rec, true);
    this.setCodeFlag(page);
    return rec;
  }

  /** A page of records that are all to be decoded. */
  private newPage(): Uint32Array {
    const { empty, startHeat } = this;
    if (empty?.heat === startHeat) return empty.words;
    const words = new Uint32Array(Rec.pageBytes / 4);
    for (let n = 0; n < Rec.perPage; n++) words[n * (Rec.bytes / 4)] = startHeat << (8 * Heat.offset);
    words[Rec.perPage * (Rec.bytes / 4)] = Special.pageEnd;
    this.empty = { heat: startHeat, words };
    return words;
  }

  /** Drops all predecoded pages: they come back as they are needed. */
  flush(): void {
    this.onFlush();
    for (const page of this.slots) {
      this.view.setUint32(this.layout.pageRecs + 4 * page, 0, true);
      const at = this.layout.pageFlags + page;
      this.view.setUint8(at, this.view.getUint8(at) & ~PageFlag.code);
    }
    this.slots = [];
    for (let cpu = 0; cpu < this.cpus; cpu++) {
      const base = this.layout.cpuBase + cpu * this.layout.cpuStride;
      new Uint8Array(this.view.buffer, base + this.layout.tlb.fetchRecs, Tlb.banks * Tlb.entries * 4).fill(0);
    }
  }

  /** Makes the records of `bytes` bytes at a RAM offset decode again. */
  invalidate(offset: number, bytes: number): void {
    this.onInvalid(offset, bytes);
    this.decodeAgain(offset, bytes);
  }

  private decodeAgain(offset: number, bytes: number): void {
    const end = offset + bytes;
    for (let at = offset - (offset % 4); at < end;) {
      const next = Math.min(end, (Math.floor(at / PAGE) + 1) * PAGE);
      const recs = this.recordAt(at);
      if (recs)
        for (let rec = recs; at < next; at += 4, rec += Rec.bytes)
          this.view.setUint16(rec, Special.decode, true);
      at = next;
    }
  }

  /** Address of the record for a RAM offset; 0 where its page is not predecoded. */
  recordAt(offset: number): number {
    const recs = this.view.getUint32(this.layout.pageRecs + 4 * Math.floor(offset / PAGE), true);
    return recs && recs + (offset % PAGE) * (Rec.bytes / 4);
  }

  /** How often control has come to the instruction of a record, or which region is entered there: see Heat. */
  heatOf(rec: number): number {
    return this.view.getUint16(rec + Heat.offset, true);
  }

  setHeat(rec: number, heat: number): void {
    this.view.setUint16(rec + Heat.offset, heat, true);
  }

  /** Does somebody but the guest want run() to stop at a RAM offset? */
  hasBreakpoint(offset: number): boolean {
    return this.breakpoints.has(offset);
  }

  /** Does a CPU of the guest have a breakpoint at this offset of some page? */
  hasTrap(offset: number): boolean {
    return this.traps.has(offset % PAGE);
  }

  /** Does the record of a RAM offset stop run()? */
  stopsAt(offset: number): boolean {
    return this.hasBreakpoint(offset) || this.hasTrap(offset) || this.waiting === offset;
  }

  /** All RAM offsets of predecoded pages for which `stopsAt` holds. */
  allStops(): number[] {
    return [
      ...this.breakpoints.keys(),
      ...(this.waiting === undefined ? [] : [this.waiting]),
      ...[...this.traps].flatMap((inPage) => this.slots.map((page) => page * PAGE + inPage)),
    ];
  }

  /** The RAM pages with places that stop on a condition. */
  pagesWithTests(): ReadonlySet<number> {
    const offsets = [...this.breakpoints.keys()].filter((offset) => this.testsAt(offset));
    return new Set(offsets.map((offset) => Math.floor(offset / PAGE)));
  }

  /** Says at which offsets of a page a CPU of the guest has breakpoints. */
  setTraps(cpu: number, offsets: readonly number[]): void {
    this.trapsOf[cpu] = offsets;
    const before = this.traps;
    this.traps = new Set(this.trapsOf.flat());
    for (const inPage of new Set([...before, ...this.traps])) {
      if (before.has(inPage) === this.traps.has(inPage)) continue;
      for (const page of this.slots) this.invalidate(page * PAGE + inPage, 4);
    }
  }

  /** Makes run() stop before the instruction at a RAM offset: where all that are there have a test, only if one says so. */
  addBreakpoint(offset: number, test = ALWAYS): void {
    this.breakpoints.set(offset, [...(this.breakpoints.get(offset) ?? []), test]);
    this.invalidate(offset, 4);
  }

  /** Removes one that was added with the same test. */
  removeBreakpoint(offset: number, test = ALWAYS): void {
    const tests = [...(this.breakpoints.get(offset) ?? [])];
    const at = tests.indexOf(test);
    if (at >= 0) tests.splice(at, 1);
    if (tests.length > 0) this.breakpoints.set(offset, tests);
    else this.breakpoints.delete(offset);
    this.invalidate(offset, 4);
    if (tests.length === 0) this.gates?.drop(offset);
  }

  /** Runs `f` with the breakpoint at a RAM offset out of the way. */
  passBreakpoint(offset: number, f: () => void): void {
    if (!this.stopsAt(offset)) return f();
    // Regions hold no instruction with a breakpoint: they stay.
    this.passing = offset;
    this.decodeAgain(offset, 4);
    try {
      f();
    } finally {
      this.passing = undefined;
      this.decodeAgain(offset, 4);
      // A region that tests a condition there goes by the record when it is written.
      this.decodeAt(offset);
    }
  }

  /** Makes run() stop before the instruction at a RAM offset of a predecoded page. @returns how to undo it */
  stopBefore(offset: number): () => void {
    // A region that starts there would not look at the record.
    this.onInvalid(offset, 4);
    const rec = this.recordAt(offset);
    this.view.setUint16(rec, Special.breakpoint, true);
    this.waiting = offset;
    return () => {
      this.waiting = undefined;
      this.restore(rec, Special.decode);
    };
  }

  /**
   * Makes run() stop when it goes on behind the instruction at `pageOffset` of a predecoded page; the record behind the
   * page's last is as good as any. @returns how to undo it
   */
  stopBehind(rec: number, pageOffset: number): () => void {
    const next = rec + pageOffset * (Rec.bytes / 4) + Rec.bytes;
    const isEnd = this.view.getUint16(next, true) === Special.pageEnd;
    this.view.setUint16(next, Special.breakpoint, true);
    return () => this.restore(next, isEnd ? Special.pageEnd : Special.decode);
  }

  /** Ends what `stopBefore` and `stopBehind` did to a record. Regions may have its instruction, so that it must be decoded. */
  private restore(rec: number, special: number): void {
    this.view.setUint16(rec, special, true);
    if (special === Special.decode && this.placeOf(rec) !== undefined) this.decode(rec);
  }

  /** Sends the writes to a page that gets predecoded code to the slow path, through entries that exist, too. */
  private setCodeFlag(page: number): void {
    const at = this.layout.pageFlags + page;
    this.view.setUint8(at, this.view.getUint8(at) | PageFlag.code);
    const writerAt = this.layout.pageWriters + 4 * page;
    const writer = this.view.getUint32(writerAt, true);
    if (writer === PageWriter.none) return;
    this.view.setUint32(writerAt, PageWriter.none, true);
    const isMeant = (e: number): boolean => this.tables.pageOf(e) === page;
    if (writer === PageWriter.many) return this.tagWrites(TagFlag.code, isMeant);
    // The bits that are missing of the address have no part in where its entry is.
    const [low, high] = [writer << 12, (writer & ~PageWriter.one) >>> 20];
    for (let cpu = 0; cpu < this.cpus; cpu++) {
      const block = this.tables.block(cpu);
      for (let bank = 0; bank < Tlb.banks; bank++)
        this.tagWrite(this.tables.writeAt(block, bank, low, high), TagFlag.code, isMeant);
    }
  }

  /** Sends the first write through every existing write entry to the slow path. */
  tagAllWrites(tagFlag: number): void {
    this.tagWrites(tagFlag, () => true);
  }

  private tagWrites(tagFlag: number, isMeant: (e: number) => boolean): void {
    for (let cpu = 0; cpu < this.cpus; cpu++) {
      const block = this.tables.block(cpu);
      for (let bank = 0; bank < Tlb.banks; bank++)
        this.tables.ofWrites(block, bank, (from, end) => {
          for (let e = from; e < end; e += Tlb.entryBytes) this.tagWrite(e, tagFlag, isMeant);
        });
    }
  }

  private tagWrite(e: number, tagFlag: number, isMeant: (e: number) => boolean): void {
    const low = this.tables.tagLow(e);
    if (low !== undefined && isMeant(e)) this.view.setUint32(e + Tlb.tag, low | tagFlag, true);
  }
}
