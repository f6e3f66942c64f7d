/**
 * Records of events in linear memory: generated code writes them as far as nobody must hear of an event at once, and the rest
 * who hears of it. A record is 64-bit slots, copied from the CPU block as they are; the first are the same for all
 * instruction sets. All CPUs share one ring, so that it has the order in which they ran.
 */

/** The ring: a head, and behind it the records. */
export const EventRing = {
  /** u32: how many records have been written, modulo 2^32. */
  written: 0,
  /** u32: when so many have been, the host hears of the next, so that it comes by before a record is lost. */
  limit: 4,
  /** u32: the host hears of an entry at most so many instructions after the last of the same CPU. */
  near: 8,
  records: 16,
  /** Records that are kept. A power of two. */
  length: 4096,
} as const;

/** Bytes of a ring whose records have so many slots. */
export const ringBytes = (slots: number): number => EventRing.records + 8 * slots * EventRing.length;

/** What a record is of, by its number: an exception that was taken, a return, a call of firmware, a place that somebody marked. */
export const recordKinds = ['entry', 'return', 'call', 'mark'] as const;
export type RecordKind = (typeof recordKinds)[number];

/** The slots that every record has; those of the instruction set follow. */
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
