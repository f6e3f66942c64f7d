/**
 * Lays out the CPU block in linear memory, and names the fields that every instruction set has in common.
 * The block begins with them; an instruction set adds its own fields after `commonEnd`.
 */
import type { StateField } from './nodes';

/** Hands out offsets in the CPU block, in order of declaration. */
export class StateLayout {
  readonly fields = new Map<string, StateField>();
  private next: number;

  constructor(start: number) {
    this.next = start;
  }

  /** Declares `count` elements of `bytes` bytes. `stride` defaults to `bytes`. */
  field(name: string, bytes: 1 | 2 | 4 | 8, count = 1, stride: number = bytes): StateField {
    if (this.fields.has(name)) throw new Error(`state field ${name} is declared twice`);
    this.next = Math.ceil(this.next / bytes) * bytes;
    if (stride % 16 === 0) this.next = Math.ceil(this.next / 16) * 16;
    const f: StateField = { name, offset: this.next, bytes, count, stride };
    this.next += stride * count;
    this.fields.set(name, f);
    return f;
  }

  /** Declares the same bytes as another field once more, as elements of another size. */
  view(of: StateField, bytes: StateField['bytes']): StateField {
    const count = (of.count * of.stride) / bytes;
    return { name: of.name, offset: of.offset, bytes, count, stride: bytes };
  }

  get end(): number {
    return this.next;
  }
}

const layout = new StateLayout(0);

/** Fields that generated code and core/ use whatever the instruction set. */
export const common = {
  /** Address of the next instruction; inside an instruction up to date only after syncPc. */
  pc: layout.field('pc', 8),
  /** CPU number, from 0. */
  cpuIndex: layout.field('cpuIndex', 4),
  /** Instructions left in this call of run(). */
  left: layout.field('left', 4),
  /** Why run() returned with stop or hold: a StopReason. */
  stopReason: layout.field('stopReason', 4),
  /** A StopReason with which run() is to return at the next recheck; set by TypeScript. */
  stopRequest: layout.field('stopRequest', 4),
  /** What instructions and accesses of the guest are to be noticed has changed: TypeScript acts when run() returns. */
  trapsChanged: layout.field('trapsChanged', 4),
  /** Non-zero: an interrupt is asserted towards this CPU (bits by the instruction set). */
  irqLines: layout.field('irqLines', 4),
  /** Interrupt outputs that the CPU drives by registers of its own, as bits of the instruction set; what the board has seen of them. */
  wires: layout.field('wires', 4),
  wiresSeen: layout.field('wiresSeen', 4),
  /** When the outputs next change by time alone, in instructions of virtual time; all ones: never. */
  due: layout.field('due', 8),
  /** The CPU sleeps until an interrupt (1: WFI) or an event (2: WFE). */
  asleep: layout.field('asleep', 4),
  /** Bits of events that write a record, and of those that end run(). */
  eventMask: layout.field('eventMask', 4),
  stopMask: layout.field('stopMask', 4),
  /** Address of the ring in which code records events by itself (ir/event-ring.ts); 0: the host hears of each. */
  eventRing: layout.field('eventRing', 4),
  /** Instructions that the CPU had retired when it last took an exception that is recorded. */
  lastEntry: layout.field('lastEntry', 8),
  /** Page of the instruction being executed: its virtual address and its first predecoded record. */
  pageVa: layout.field('pageVa', 8),
  pageRec: layout.field('pageRec', 4),
  /** Byte addresses of the tables of the selected TLB bank. */
  tlbRead: layout.field('tlbRead', 4),
  tlbWrite: layout.field('tlbWrite', 4),
  tlbFetch: layout.field('tlbFetch', 4),
  /** How much of an address's place in the first two counts: their size. */
  tlbMask: layout.field('tlbMask', 4),
  /** Parallel to the fetch table: addresses of predecoded pages (derived data). */
  tlbFetchRec: layout.field('tlbFetchRec', 4),
  bank: layout.field('bank', 4),
  nextBank: layout.field('nextBank', 4),
  /** virtual time at the start of this run() call, in instructions, plus its budget: now = timeEnd - left. */
  timeEnd: layout.field('timeEnd', 8),
  /** Instructions that this CPU has retired before this run() call. */
  retired: layout.field('retired', 8),
  /** The same with the budget of this run() call: now = retiredEnd - left. */
  retiredEnd: layout.field('retiredEnd', 8),
  /** Words that go between wasm and TypeScript, since no i64 crosses that border. */
  mail: layout.field('mail', 8, 8),
  /** Buffer of the memory slow path. */
  scratch: layout.field('scratch', 8, 16, 8),
  /**
   * What the slow path remembers between probe and commit: virtual address, physical addresses of both pages, bytes in
   * the first.
   */
  slowVa: layout.field('slowVa', 8),
  slowPa: layout.field('slowPa', 8, 2),
  slowFirst: layout.field('slowFirst', 4),
  slowDesc: layout.field('slowDesc', 4),
  /** Results of the Isa's `translate`: physical address, log2 of the mapping's size, bits of MemAttr. */
  trPa: layout.field('trPa', 8),
  trSize: layout.field('trSize', 4),
  trAttr: layout.field('trAttr', 4),
  /** How often the slow path has asked for a translation: TLB misses. Not the guest's, for who measures. */
  misses: layout.field('misses', 8),
  /** Also for who measures: how often a region was entered, how often one gave its next instruction to the interpreter. */
  entered: layout.field('entered', 8),
  handedBack: layout.field('handedBack', 8),
  /** Instructions that regions executed. */
  translated: layout.field('translated', 8),
  /** A transition between regions is looked at when `entered` has none of these bits. */
  linkMask: layout.field('linkMask', 4),
  /** How often regions were left, by ExitReason, while the translator is told to count. */
  exits: layout.field('exits', 8, 8),
  /** Set with the translation context: every access must be aligned (SCTLR.A); data is big-endian. */
  alignAlways: layout.field('alignAlways', 4),
  bigEndian: layout.field('bigEndian', 4),
  /**
   * Also set with it: TLB entries that the fast path may use can ask for alignment. Otherwise none does: memory that wants it, in a context in
   * which most does not, takes the slow path.
   */
  entriesAlign: layout.field('entriesAlign', 4),
  /** Guest RAM: physical base and size in bytes, address in linear memory. */
  ramBase: layout.field('ramBase', 8),
  ramSize: layout.field('ramSize', 8),
  ramHost: layout.field('ramHost', 4),
  /** Tables with one entry a RAM page: u8 flags (PageFlag), u32 address of the predecoded page or 0, u32 PageWriter. */
  pageFlags: layout.field('pageFlags', 4),
  pageRecs: layout.field('pageRecs', 4),
  pageWriters: layout.field('pageWriters', 4),
  /** Non-zero: TypeScript wants to hear of every new fetch TLB entry (breakpoints by virtual address). */
  fetchHook: layout.field('fetchHook', 4),
  /** How often an instruction has written beside code, in a page that has some. Not the guest's. */
  besides: layout.field('besides', 4),
  /** The context key that the Isa's `contextKey` computes: banks with equal keys hold the same translations. */
  ctxKey: layout.field('ctxKey', 8, 4),
} as const;

/** Bits of the pageFlags table: a page with one of them is written through the slow path. */
export const PageFlag = {
  /** Has a predecoded page. */
  code: 1,
  /** Not yet copied since the last snapshot. */
  clean: 2,
  /** Watched by the debugger: reads take the slow path too. */
  watch: 4,
  /** Has translated regions, and so `code` too. */
  regions: 8,
} as const;

/**
 * What the pageWriters table says: whether some TLB may hold an entry for writes to a page that does not take the slow path for
 * `code`, and for which virtual page, so that nobody need look through all entries for it.
 */
export const PageWriter = {
  none: 0,
  /** With this bit: the low bits of the number of the only virtual page. */
  one: 0x8000_0000,
  many: 0xffff_ffff,
} as const;

/** Bits of state.trAttr. */
export const MemAttr = {
  /** Unaligned accesses fault (Device memory). */
  device: 1,
} as const;

/** First free byte of the CPU block after the common fields. */
export const commonEnd = layout.end;

/** Reasons for run() to return, in state.stopReason. */
export const StopReason = {
  none: 0,
  /** The budget of the call is used up. */
  budget: 1,
  /** A record with a breakpoint: the instruction did not execute. */
  breakpoint: 2,
  /** An event in stopMask. */
  event: 3,
  /** WFI or WFE: nothing to do until an interrupt. */
  sleep: 4,
  /** A device write, an interrupt register: the board must look. */
  board: 5,
  /** The guest did what the emulator cannot do; a message says what. */
  unsupported: 6,
  /** The CPU gave up its turn (YIELD, WFE with nothing pending). */
  yield: 7,
  /** An access that the debugger watches for. */
  watch: 8,
} as const;
