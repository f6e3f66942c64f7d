/**
 * Address translation the obvious way, as an oracle for mmu.ts: one recursive function over a description of the
 * stage, with bigints, after the text of Arm ARM DDI 0487 D8 and none of the code under test.
 */

export interface MmuRegisters {
  readonly sctlr: bigint;
  readonly tcr: bigint;
  readonly ttbr0: bigint;
  readonly ttbr1: bigint;
  readonly mair: bigint;
  readonly hcr: bigint;
  readonly vtcr: bigint;
  readonly vttbr: bigint;
  readonly sctlrEl2: bigint;
  readonly pan: boolean;
  readonly paBits: number;
  /** Features of Armv8.1 and later; none unless given. */
  readonly has?: {
    readonly hpds?: boolean;
    readonly xnx?: boolean;
    readonly hafdbs?: boolean;
    /** TTST, LVA, LPA, E0PD, S2FWB. */
    readonly max?: boolean;
  };
  /** Called when hardware writes a descriptor, in the table's byte order. Reads see it if the caller makes them. */
  readonly onUpdate?: (pa: bigint, descriptor: bigint) => void;
  /** Called for a block descriptor at a level that has none, which is a translation fault. */
  readonly onReservedBlock?: () => void;
}

export interface MmuAccess {
  readonly write: boolean;
  readonly exec: boolean;
  readonly user: boolean;
}

/** 64-bit little-endian words of RAM; undefined outside. */
export type ReadWord = (pa: bigint) => bigint | undefined;

export interface MmuFault {
  readonly fault: 'translation' | 'addressSize' | 'accessFlag' | 'permission' | 'external';
  readonly level: number;
  readonly stage: 1 | 2;
  readonly s1ptw: boolean;
  readonly ipa?: bigint;
}

export interface MmuResult {
  readonly pa: bigint;
  readonly size: number;
  /** MAIR encoding. */
  readonly memory: number;
}

class Faulted extends Error {
  constructor(readonly info: MmuFault) {
    super(info.fault);
  }
}

const field = (v: bigint, msb: number, lsb: number): number =>
  Number((v >> BigInt(lsb)) & ((1n << BigInt(msb - lsb + 1)) - 1n));
const flag = (v: bigint, bit: number): boolean => ((v >> BigInt(bit)) & 1n) === 1n;
const sizes = [32, 36, 40, 42, 44, 48, 48, 48];

/** Output address bits by IPS or PS; `wide`: 64 KiB pages with LPA. */
const outputOf = (code: number, paBits: number, wide: boolean): number =>
  Math.min(wide && code >= 6 ? 52 : sizes[code]!, paBits);

/** The table's address in a TTBR, unaligned. */
const tableOf = (ttbr: bigint, outputBits: number): bigint =>
  outputBits === 52
    ? (BigInt.asUintN(48, ttbr) & ~0x3fn) | (((ttbr >> 2n) & 15n) << 48n)
    : BigInt.asUintN(48, ttbr) & ~1n;

interface Table {
  readonly stage: 1 | 2;
  readonly granuleBits: number;
  readonly inputBits: number;
  readonly outputBits: number;
  readonly startLevel: number;
  /** Bits 15-12 of descriptors are bits 51-48 of the address. */
  readonly wide: boolean;
  readonly base: bigint;
  readonly bigEndian: boolean;
  readonly read: (address: bigint, level: number) => bigint;
  readonly raise: (fault: MmuFault['fault'], level: number) => never;
  readonly onReservedBlock: (() => void) | undefined;
  /** Hardware keeps access flag and dirty state. */
  readonly ha: boolean;
  readonly hd: boolean;
  /** Writes a descriptor back. */
  readonly write: (address: bigint, descriptor: bigint) => void;
}

interface Found {
  readonly descriptor: bigint;
  readonly level: number;
  readonly size: number;
  readonly output: bigint;
  /** Descriptors of the tables passed. */
  readonly path: readonly bigint[];
  /** Writes the descriptor back, if an access that is permitted changes it. */
  readonly update: (writes: boolean) => void;
}

const swap = (v: bigint): bigint => {
  let r = 0n;
  for (let i = 0n; i < 8n; i++) r |= ((v >> (8n * i)) & 0xffn) << (8n * (7n - i));
  return r;
};

function walk(t: Table, input: bigint): Found {
  const perLevel = t.granuleBits - 3;
  const addressOf = (d: bigint): bigint => BigInt.asUintN(48, d) | (t.wide ? ((d >> 12n) & 15n) << 48n : 0n);
  if (t.base >> BigInt(t.outputBits)) t.raise('addressSize', 0);
  const step = (level: number, table: bigint, path: readonly bigint[]): Found => {
    const size = t.granuleBits + (3 - level) * perLevel;
    const top = level === t.startLevel ? t.inputBits : size + perLevel;
    const index = BigInt.asUintN(top, input) >> BigInt(size);
    const raw = t.read(table + index * 8n, level);
    const d = t.bigEndian ? swap(raw) : raw;
    const kind = field(d, 1, 0);
    if (kind === 0 || kind === 2) t.raise('translation', level);
    const isTable = kind === 3 && level < 3;
    if (isTable) {
      const next = (addressOf(d) >> BigInt(t.granuleBits)) << BigInt(t.granuleBits);
      if (next >> BigInt(t.outputBits)) t.raise('addressSize', level);
      return step(level + 1, next, [...path, d]);
    }
    const blockAllowed = level === 2 || (level === 1 && t.granuleBits === 12);
    if (kind === 1 && !blockAllowed) {
      if (level < 3) t.onReservedBlock?.();
      t.raise('translation', level);
    }
    const page = (addressOf(d) >> BigInt(size)) << BigInt(size);
    if (page >> BigInt(t.outputBits)) t.raise('addressSize', level);
    if (!flag(d, 10) && !t.ha) t.raise('accessFlag', level);
    // DBM gives the permission to write; stage 1 has a bit that forbids it, stage 2 one that allows it.
    const clean = t.ha && t.hd && flag(d, 51) && flag(d, 7) === (t.stage === 1);
    const descriptor = clean ? d ^ 0x80n : d;
    const update = (writes: boolean): void => {
      const now = (writes ? descriptor : d) | 0x400n;
      if (now !== d) t.write(table + index * 8n, t.bigEndian ? swap(now) : now);
    };
    return { descriptor, level, size, output: page | BigInt.asUintN(size, input), path, update };
  };
  // Tables are aligned to their size, also concatenated and short ones; to 64 bytes where addresses have 52 bits.
  const firstSize = t.granuleBits + (3 - t.startLevel) * perLevel;
  const align = BigInt(Math.max(t.inputBits - firstSize + 3, t.outputBits === 52 ? 6 : 0));
  return step(t.startLevel, (t.base >> align) << align, []);
}

function stage2(
  r: MmuRegisters,
  read: ReadWord,
  ipa: bigint,
  access: MmuAccess,
  s1ptw: boolean,
): { found: Found; memory: number } {
  const raise = (fault: MmuFault['fault'], level: number): never => {
    throw new Faulted({ fault, level, stage: 2, s1ptw, ...(fault === 'external' ? {} : { ipa }) });
  };
  const granuleBits = [12, 16, 14, 12][field(r.vtcr, 15, 14)]!;
  const perLevel = granuleBits - 3;
  const inputBits = 64 - field(r.vtcr, 5, 0);
  const max = r.has?.max ?? false;
  const wide = max && granuleBits === 16;
  const outputBits = outputOf(field(r.vtcr, 18, 16), r.paBits, wide);
  const sl0 = field(r.vtcr, 7, 6);
  const lastLevel = max && granuleBits === 12 && sl0 === 3;
  const startLevel = lastLevel ? 3 : (granuleBits === 12 ? 2 : 3) - sl0;
  const resolved = inputBits - (granuleBits + (3 - startLevel) * perLevel);
  const limit = granuleBits === 14 ? 40 : 42;
  const lowest = granuleBits === 12 ? 0 : 1;
  const badStart =
    (sl0 === 3 && !lastLevel) || startLevel < lowest || (startLevel === lowest && outputBits <= limit);
  const [least, most] = [max ? (wide ? 17 : 16) : 25, wide ? 52 : 48];
  if (inputBits > most || inputBits < least || inputBits > outputBits || badStart) raise('translation', 0);
  if (resolved < 1 || resolved > perLevel + 4) raise('translation', 0);
  if (ipa >> BigInt(inputBits)) raise('translation', 0);
  const found = walk(
    {
      stage: 2,
      granuleBits,
      inputBits,
      outputBits,
      startLevel,
      wide,
      base: tableOf(r.vttbr, outputBits),
      bigEndian: flag(r.sctlrEl2, 25),
      read: (pa, level) => read(pa) ?? raise('external', level),
      raise,
      onReservedBlock: r.onReservedBlock,
      ha: (r.has?.hafdbs ?? false) && flag(r.vtcr, 21),
      hd: flag(r.vtcr, 22),
      write: (pa, v) => r.onUpdate?.(pa, v),
    },
    ipa,
  );
  const d = found.descriptor;
  const xn = field(d, 54, 53);
  const never = r.has?.xnx ? xn === 2 || xn === (access.user ? 3 : 1) : xn >= 2;
  const ok = access.exec ? !never : access.write ? flag(d, 7) : flag(d, 6);
  if (!ok) raise('permission', found.level);
  found.update(access.write);
  if (max && flag(r.hcr, 46)) return { found, memory: field(d, 4, 2) };
  const [outer, inner] = [field(d, 5, 4), field(d, 3, 2)];
  const cacheability = [0, 0x4, 0xb, 0xf];
  const memory = outer === 0 ? inner << 2 : (cacheability[outer]! << 4) | (cacheability[inner] || 0xf);
  return { found, memory };
}

/** The access of a stage 1 walk to its tables. */
const WALK: MmuAccess = { write: false, exec: false, user: false };

const isDevice = (memory: number): boolean => memory >> 4 === 0;

function combine(one: number, two: number): number {
  if (isDevice(one) && isDevice(two)) return Math.min(one, two);
  if (isDevice(one)) return one;
  if (isDevice(two)) return two;
  const nibble = (a: number, b: number): number => {
    if (a === 4 || b === 4) return 4;
    const through = (n: number): boolean => (n & 4) === 0;
    if (through(a)) return a;
    return through(b) ? 8 | (a & 3) : a;
  };
  return (nibble(one >> 4, two >> 4) << 4) | nibble(one & 15, two & 15);
}

/** With HCR_EL2.FWB: `choice` is MemAttr[2:0] of stage 2. */
function forced(one: number, choice: number): number {
  if (choice < 4) return isDevice(one) ? Math.min(one, choice << 2) : choice << 2;
  if (choice === 7) return one;
  if (choice === 6 && isDevice(one)) return 0xff;
  if (choice < 6) return isDevice(one) ? one : 0x44;
  const back = (nibble: number): number => (nibble === 4 ? 0xf : nibble | 4);
  return (back(one >> 4) << 4) | back(one & 15);
}

function stage1(r: MmuRegisters, read: ReadWord, va: bigint, access: MmuAccess, nested: boolean): MmuResult {
  const raise = (fault: MmuFault['fault'], level: number): never => {
    throw new Faulted({ fault, level, stage: 1, s1ptw: false });
  };
  const upper = flag(va, 55);
  const dataOnly = (r.has?.max ?? false) && access.exec && flag(r.tcr, upper ? 52 : 51);
  const tagged = flag(r.tcr, upper ? 38 : 37) && !dataOnly;
  const address = tagged ? BigInt.asUintN(56, va) : va;
  const dc = flag(r.hcr, 12);
  const on = flag(r.sctlr, 0) && !dc && !flag(r.hcr, 27);
  if (!on) {
    if (address >> BigInt(r.paBits)) raise('addressSize', 0);
    return { pa: address, size: 12, memory: dc ? 0xff : access.exec ? 0x44 : 0 };
  }
  const tsz = upper ? field(r.tcr, 21, 16) : field(r.tcr, 5, 0);
  const granuleBits = upper
    ? [12, 14, 12, 16][field(r.tcr, 31, 30)]!
    : [12, 16, 14, 12][field(r.tcr, 15, 14)]!;
  const max = r.has?.max ?? false;
  const wide = max && granuleBits === 16;
  const [least, most] = [wide ? 12 : 16, max ? (wide ? 47 : 48) : 39];
  if (tsz < least || tsz > most || flag(r.tcr, upper ? 23 : 7)) raise('translation', 0);
  if (max && access.user && flag(r.tcr, upper ? 56 : 55)) raise('translation', 0);
  const inputBits = 64 - tsz;
  const width = tagged ? 56 : 64;
  const above = BigInt.asUintN(width, va) >> BigInt(inputBits);
  const expected = upper ? (1n << BigInt(width - inputBits)) - 1n : 0n;
  if (above !== expected) raise('translation', 0);
  const perLevel = granuleBits - 3;
  const levels = Math.ceil((inputBits - granuleBits) / perLevel);
  const outputBits = outputOf(field(r.tcr, 34, 32), r.paBits, wide);
  const found = walk(
    {
      stage: 1,
      granuleBits,
      inputBits,
      outputBits,
      startLevel: 4 - levels,
      wide,
      base: tableOf(upper ? r.ttbr1 : r.ttbr0, outputBits),
      bigEndian: flag(r.sctlr, 25),
      read: (ipa, level) => {
        if (!nested) return read(ipa) ?? raise('external', level);
        const s2 = stage2(r, read, ipa, WALK, true);
        const device = max && flag(r.hcr, 46) ? s2.memory < 4 : isDevice(s2.memory);
        if (flag(r.hcr, 2) && device)
          throw new Faulted({ fault: 'permission', level: s2.found.level, stage: 2, s1ptw: true, ipa });
        return read(s2.found.output) ?? raise('external', level);
      },
      raise,
      onReservedBlock: r.onReservedBlock,
      ha: (r.has?.hafdbs ?? false) && flag(r.tcr, 39),
      hd: flag(r.tcr, 40),
      write: (ipa, v) =>
        r.onUpdate?.(nested ? stage2(r, read, ipa, { ...WALK, write: true }, true).found.output : ipa, v),
    },
    va,
  );
  const d = found.descriptor;
  // HPD: tables limit nothing.
  const path = r.has?.hpds && flag(r.tcr, upper ? 42 : 41) ? [] : found.path;
  const noWrite = flag(d, 7) || path.some((p) => flag(p, 62));
  const el0 = flag(d, 6) && !path.some((p) => flag(p, 61));
  const uxn = flag(d, 54) || path.some((p) => flag(p, 60));
  const pxn = flag(d, 53) || path.some((p) => flag(p, 59)) || (el0 && !noWrite);
  const readable = access.user ? el0 : !(r.pan && el0);
  const writable = readable && !noWrite;
  const writableForExec = access.user ? el0 && !noWrite : !noWrite;
  const executable = !(access.user ? uxn : pxn) && !(flag(r.sctlr, 19) && writableForExec);
  const ok = access.exec ? executable : access.write ? writable : readable;
  if (!ok) raise('permission', found.level);
  found.update(access.write);
  const memory = Number((r.mair >> BigInt(8 * field(d, 4, 2))) & 0xffn);
  return { pa: found.output, size: found.size, memory };
}

/** EL1&0 translation through both stages as the registers say. */
export function modelTranslate(
  r: MmuRegisters,
  read: ReadWord,
  va: bigint,
  access: MmuAccess,
): MmuResult | MmuFault {
  try {
    const nested = flag(r.hcr, 0) || flag(r.hcr, 12);
    const one = stage1(r, read, va, access, nested);
    if (!nested) return one;
    const two = stage2(r, read, one.pa, access, false);
    return {
      pa: two.found.output,
      size: Math.min(one.size, two.found.size),
      memory:
        r.has?.max && flag(r.hcr, 46) ? forced(one.memory, two.memory) : combine(one.memory, two.memory),
    };
  } catch (e) {
    if (e instanceof Faulted) return e.info;
    throw e;
  }
}
