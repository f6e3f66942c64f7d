/** Making cases: the state that all begin from, and what a kind changes of it. */
import type { Case } from './batch';
import {
  at,
  CASE_BYTES,
  codeAddress,
  MAX_WORDS,
  memory,
  offsetOf,
  SCRATCH,
  type RegisterName,
} from './record';
import type { Rng } from './rng';
import { MAIR, symbol } from './runner';

/** Where a case runs: exception level and stack pointer, as SPSR_EL2.M says it. */
export const modes = { EL0t: 0, EL1t: 4, EL1h: 5, EL2t: 8, EL2h: 9 } as const;
export type Mode = keyof typeof modes;

/** PSTATE.DAIF all set, as in SPSR. */
const MASKED = 0x3c0n;

/** TCR_EL1: 4 GiB from TTBR0, nothing from TTBR1, 4 KiB granules, write-back walks, 40-bit addresses. */
export const TCR_EL1 =
  32n |
  (1n << 8n) |
  (1n << 10n) |
  (3n << 12n) |
  (32n << 16n) |
  (1n << 23n) |
  (1n << 24n) |
  (1n << 26n) |
  (3n << 28n) |
  (2n << 30n) |
  (2n << 32n);

/** VTCR_EL2: 4 GiB from level 1, 4 KiB granule. */
export const VTCR_EL2 = (1n << 31n) | 32n | (1n << 6n) | (1n << 8n) | (1n << 10n) | (3n << 12n) | (2n << 16n);

/** SCTLR_EL1: MMU and caches on, SP alignment checks off (QEMU has none); EL0 may use WFI, DC ZVA, CTR_EL0, cache maintenance. */
export const SCTLR_EL1 = 0x34d5d905n;
export const HCR_RW = 1n << 31n;
export const HCR_VM = 1n;

/** The environment of a plain case. */
export function defaults(): Readonly<Record<RegisterName, bigint>> {
  return {
    SCTLR_EL1,
    CPACR_EL1: 3n << 20n,
    TCR_EL1,
    TTBR0_EL1: symbol('el1_level1'),
    // Zeros, should a case enable it.
    TTBR1_EL1: BigInt(memory.playground),
    MAIR_EL1: MAIR,
    VBAR_EL1: symbol('vectors_hvc'),
    ESR_EL1: 0xdead0001n,
    ELR_EL1: 0xdead0002n,
    SPSR_EL1: 0n,
    FAR_EL1: 0xdead0003n,
    PAR_EL1: 0x801n,
    TPIDR_EL1: 0xdead0004n,
    TPIDR_EL0: 0xdead0005n,
    TPIDRRO_EL0: 0xdead0006n,
    CNTKCTL_EL1: 0n,
    MDSCR_EL1: 0n,
    PMUSERENR_EL0: 0n,
    VTCR_EL2,
    VTTBR_EL2: symbol('stage2_level1'),
    MDCR_EL2: 6n,
    HSTR_EL2: 0n,
    CNTHCTL_EL2: 3n,
    ESR_EL2: 0xdead0007n,
    FAR_EL2: 0xdead0008n,
    HPFAR_EL2: 0n,
    HCR_EL2: HCR_RW,
    FPCR: 0n,
    FPSR: 0n,
    ELR_EL2: 0n,
    SPSR_EL2: MASKED | BigInt(modes.EL1h),
    CPTR_EL2: 0x33ffn,
    TCR_EL2: 0n,
    TTBR0_EL2: 0n,
    TTBR1_EL2: 0n,
    MAIR_EL2: 0n,
    SCTLR_EL2: 0n,
  };
}

let template: Buffer | undefined;

/** What all cases have in common, as a record. */
function blank(): Buffer {
  if (!template) {
    template = Buffer.alloc(CASE_BYTES);
    for (const [name, v] of Object.entries(defaults()))
      template.writeBigUInt64LE(v, offsetOf(name as RegisterName));
    for (let i = 0; i < MAX_WORDS; i++) template.writeUInt32LE(BRK, at.words + 4 * i);
  }
  return Buffer.from(template);
}

export const BRK = 0xd4200000;
export const NOP = 0xd503201f;

/** A case under construction. */
export class CaseBuilder {
  readonly record = blank();
  private length = 0;
  private relative: number[] = [];
  private absoluteEntry = false;
  note: string | undefined;

  constructor(
    readonly kind: string,
    mode: Mode,
  ) {
    this.set('SPSR_EL2', MASKED | BigInt(modes[mode]));
    for (let n = 0; n < 3; n++) this.sp(n, SCRATCH);
  }

  /** Random X and V registers, flags, stack pointers in scratch memory, and a seed for that. */
  randomize(rng: Rng): this {
    const put = (offset: number): void => {
      const [lo, hi] = rng.value();
      this.record.writeUInt32LE(lo, offset);
      this.record.writeUInt32LE(hi, offset + 4);
    };
    for (let n = 0; n < 31; n++) put(8 * n);
    for (let n = 0; n < 64; n++) put(at.v + 8 * n);
    put(at.scratch);
    const spsr = offsetOf('SPSR_EL2');
    const nzcv = (rng.below(16) << 28) >>> 0;
    this.record.writeUInt32LE((this.record.readUInt32LE(spsr) | nzcv) >>> 0, spsr);
    return this;
  }

  x(n: number, v: bigint): this {
    this.record.writeBigUInt64LE(BigInt.asUintN(64, v), 8 * n);
    return this;
  }

  /** X[n] = address of the case's code + offset. */
  xCode(n: number, offset: bigint): this {
    this.relative.push(n);
    return this.x(n, offset);
  }

  sp(el: number, v: bigint): this {
    this.record.writeBigUInt64LE(BigInt.asUintN(64, v), at.sp + 8 * el);
    return this;
  }

  set(r: RegisterName, v: bigint): this {
    this.record.writeBigUInt64LE(BigInt.asUintN(64, v), offsetOf(r));
    return this;
  }

  get(r: RegisterName): bigint {
    return this.record.readBigUInt64LE(offsetOf(r));
  }

  /** Changes bits of a register of the environment. */
  update(r: RegisterName, set: bigint, clear = 0n): this {
    return this.set(r, (this.get(r) & ~clear) | set);
  }

  flag(bits: number): this {
    this.record.writeUInt32LE(this.record.readUInt32LE(at.flags) | bits, at.flags);
    return this;
  }

  /** Enters at this address, not at the case's code. */
  entry(address: bigint): this {
    this.absoluteEntry = true;
    return this.set('ELR_EL2', address);
  }

  emit(...words: readonly number[]): this {
    for (const w of words) {
      if (this.length === MAX_WORDS - 1) throw new RangeError('the case is too long');
      this.record.writeUInt32LE(w >>> 0, at.words + 4 * this.length++);
    }
    return this;
  }

  get words(): number {
    return this.length;
  }

  done(): Case {
    return {
      kind: this.kind,
      record: this.record,
      length: this.length,
      absoluteEntry: this.absoluteEntry,
      relative: this.relative,
      ...(this.note === undefined ? {} : { note: this.note }),
    };
  }
}

/** The instruction words of a case. */
export function wordsOf(c: Case): number[] {
  return Array.from({ length: c.length }, (_, i) => c.record.readUInt32LE(at.words + 4 * i));
}

/** How many instructions of a case retired, as far as the place where it ended tells. */
export function retired(c: Case, index: number, result: Buffer): number {
  const start = codeAddress(index);
  const viaEl1 = result.readBigUInt64LE(offsetOf('ESR_EL2')) >> 26n === 0x16n;
  const elr = result.readBigUInt64LE(offsetOf(viaEl1 ? 'ELR_EL1' : 'ELR_EL2'));
  const n = Number((elr - start) / 4n);
  return n >= 0 && n <= c.length ? n : 0;
}
