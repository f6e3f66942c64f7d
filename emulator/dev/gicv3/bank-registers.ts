/** The registers that the distributor and the SGI frame of a redistributor have in common: 32 interrupts a bank. */
import { pendingOf, type Bank } from './banks';

interface BankRegister {
  /** Offset of the register of bank 0 and the number of 32-bit registers a bank has. */
  readonly at: number;
  readonly words: number;
  /** A bit set writes something to an interrupt; others leave it alone. */
  readonly command?: true;
  /** Says to which group interrupts belong: Non-secure state has no say in it. */
  readonly grouping?: true;
  /** Word `n` of the bank. */
  read(bank: Bank, n: number): number;
  /** `lanes`: the bits of the word that the access has, where it is narrower. */
  write(bank: Bank, n: number, value: number, lanes?: number): void;
}

const ALL = 0xffffffff;

/** A pair of registers: writing 1 to a bit of the first sets it, to a bit of the second clears it. */
function setClear(
  at: number,
  read: (b: Bank) => number,
  field: 'enable' | 'pending' | 'active',
): BankRegister[] {
  return [
    { at, words: 1, command: true, read, write: (b, _n, v) => void (b[field] = (b[field] | v) >>> 0) },
    {
      ...{ at: at + 0x80, words: 1, command: true, read },
      write: (b, _n, v) => void (b[field] = (b[field] & ~v) >>> 0),
    },
  ];
}

/** Spreads the edge bits of 16 interrupts to bit 1 of their two-bit ICFGR fields. */
function configOf(bank: Bank, n: number): number {
  let v = 0;
  for (let i = 0; i < 16; i++) if ((bank.edge >>> (n * 16 + i)) & 1) v |= 2 << (2 * i);
  return v >>> 0;
}

const PRIORITY = 0x400;

/** IHI 0069 12.9 (GICD) and 12.11 (GICR, SGI_base). */
const registers: readonly BankRegister[] = [
  { at: 0x80, words: 1, grouping: true, read: (b) => b.group, write: (b, _n, v) => void (b.group = v) },
  ...setClear(0x100, (b) => b.enable, 'enable'),
  ...setClear(0x200, pendingOf, 'pending'),
  ...setClear(0x300, (b) => b.active, 'active'),
  {
    at: PRIORITY,
    words: 8,
    read: (b, n) => [3, 2, 1, 0].reduce((v, i) => (v << 8) | (b.priority[n * 4 + i] ?? 0), 0) >>> 0,
    write(b, n, v) {
      for (let i = 0; i < 4; i++) b.priority[n * 4 + i] = (v >>> (8 * i)) & 0xff;
    },
  },
  {
    at: 0xc00,
    words: 2,
    read: configOf,
    write(b, n, v) {
      for (let i = 0; i < 16; i++) {
        const bit = 1 << (n * 16 + i);
        b.edge = ((v >>> (2 * i)) & 2 ? b.edge | bit : b.edge & ~bit) >>> 0;
      }
    },
  },
];

/** Registers that only a GIC with two security states has. */
const groupModifier: BankRegister = {
  ...{ at: 0xd00, words: 1, grouping: true, read: (b) => b.modifier },
  write: (b, _n, v) => void (b.modifier = v),
};

/** The bits of word `n` that belong to interrupts of group 1: those are Non-secure state's (IHI 0069 4.6.3). */
function reach(r: BankRegister, bank: Bank, n: number): number {
  if (r.grouping) return 0;
  const width = r.words;
  const each = 2 ** width - 1;
  let mask = 0;
  for (let i = 0; i < 32 / width; i++)
    if ((bank.group >>> ((n * 32) / width + i)) & 1) mask |= each << (i * width);
  return mask >>> 0;
}

/** Four priorities as Non-secure state sees them: it has the lower half of the range (IHI 0069 4.8.1). */
const lowerHalf = (word: number): number => ((word << 1) & 0xfefefefe) >>> 0;
const toLowerHalf = (word: number): number => (((word >>> 1) & 0x7f7f7f7f) | 0x80808080) >>> 0;

/** A register as Non-secure state sees it. */
function nonSecure(r: BankRegister): BankRegister {
  const isPriority = r.at === PRIORITY;
  return {
    ...r,
    read: (b, n) => {
      const word = r.read(b, n);
      return ((isPriority ? lowerHalf(word) : word) & reach(r, b, n)) >>> 0;
    },
    write(b, n, v, lanes = ALL) {
      const mine = reach(r, b, n) & lanes;
      const kept = r.command ? 0 : r.read(b, n) & ~mine;
      r.write(b, n, (((isPriority ? toLowerHalf(v) : v) & mine) | kept) >>> 0);
    },
  };
}

/** A register word found at an offset. */
export interface Located {
  /** Which bank: INTID / 32. */
  readonly bank: number;
  /** Byte-accessible (IPRIORITYR). */
  readonly bytes: boolean;
  /** Trigger configuration, of which the SGI part is read-only. */
  readonly config: boolean;
  read(bank: Bank): number;
  write(bank: Bank, value: number, lanes?: number): void;
}

/** Who looks at the registers of a bank: one of two security states, or the only one. */
export type View = 'single' | 'secure' | 'nonSecure';

const views: Readonly<Record<View, readonly BankRegister[]>> = {
  single: registers,
  secure: [...registers, groupModifier],
  nonSecure: [...registers, groupModifier].map(nonSecure),
};

/** Finds the bank register at a word-aligned offset, among `banks` banks. */
export function locate(offset: number, banks: number, view: View = 'single'): Located | undefined {
  for (const r of views[view]) {
    const word = (offset - r.at) >> 2;
    if (word < 0 || word >= banks * r.words) continue;
    const n = word % r.words;
    return {
      bank: (word - n) / r.words,
      bytes: r.at === PRIORITY,
      config: r.at === 0xc00,
      read: (b) => r.read(b, n),
      write: (b, v, lanes) => r.write(b, n, v, lanes),
    };
  }
  return undefined;
}

/** Reads 1 or 4 bytes of a bank register; other sizes read as zero (IHI 0069 12.1.3 leaves them to the implementation). */
export function readBank(l: Located, bank: Bank, offset: number, bytes: number): number {
  const word = l.read(bank);
  if (bytes === 4) return word;
  return bytes === 1 && l.bytes ? (word >>> (8 * (offset & 3))) & 0xff : 0;
}

/** Writes 1 or 4 bytes of a bank register; other sizes are ignored. */
export function writeBank(l: Located, bank: Bank, offset: number, bytes: number, value: number): void {
  if (bytes === 4) l.write(bank, value);
  else if (bytes === 1 && l.bytes) {
    const shift = 8 * (offset & 3);
    const merged = (l.read(bank) & ~(0xff << shift)) | ((value & 0xff) << shift);
    l.write(bank, merged >>> 0, 0xff << shift);
  }
}

/** The identification registers at the end of a 64 KiB frame (0xffd0-0xfffc): PIDR4-7, PIDR0-3, CIDR0-3. */
export function identification(partLow: number, offset: number): number {
  return [0x44, 0, 0, 0, partLow, 0xb4, 0x3b, 0, 0x0d, 0xf0, 0x05, 0xb1][(offset - 0xffd0) >> 2] ?? 0;
}
