/**
 * Single words of every row and words of none, exception returns, virtual interrupts, addresses that fault: whatever
 * ends with an exception, its syndrome compared.
 */
import { Decoder } from '../../emulator/codegen/decoder';
import { cpuModel } from '../../emulator/isa/a64/cpus';
import { a64Rows } from '../../emulator/isa/a64/rows';
import type { Case } from './batch';
import type { Kind } from './campaign';
import { CaseBuilder, HCR_RW, HCR_VM, NOP, type Mode } from './cases';
import { CaseFlag, SCRATCH, scratchWindow, memory } from './record';
import type { Rng } from './rng';
import { msr } from './system';
import { randomWord, type A64Row, type Choose } from './words';

const modes: readonly Mode[] = ['EL0t', 'EL1t', 'EL1h', 'EL2t', 'EL2h'];
/** What a CPU model decodes. */
const decoderOf = (cpu: string): Decoder => new Decoder(a64Rows, cpuModel(cpu).features);
const ISB = 0xd5033fdf;
const ERET = 0xd69f03e0;

/** Rows that have kinds of their own, or after which the case would not come back: WFI waits for ever. */
const elsewhere = /^(MRS|MSR|WFI|WFE|SMC|HLT|ERET|SYS|AT|TLBI)/;
/** Rows with a branch target. */
const branches = /^(B|BL|B\.cond|CBN?Z|TBN?Z)$/;
const singles = a64Rows.filter((r) => !elsewhere.test(r.name));

const chooseSingle: Choose = (f, row) =>
  branches.test(row.name) && f.name.startsWith('imm')
    ? 3
    : f.name === 'rn' && row.name.startsWith('DC')
      ? 27
      : undefined;

/**
 * CONSTRAINED UNPREDICTABLE: a base register that is also loaded and written back, pairs into one register, STXR
 * whose status register is another operand.
 */
function unpredictable(row: A64Row, word: number): boolean {
  const part = (name: string): number | undefined => {
    const f = row.fields.get(name);
    return f && (word >>> f.lsb) & (2 ** f.width - 1);
  };
  const [rt, rt2, rn, rs] = ['rt', 'rt2', 'rn', 'rs'].map(part);
  if (rt2 !== undefined && rt === rt2 && /^LD/.test(row.name)) return true;
  if (/index/.test(row.name) && rn !== 31 && (rn === rt || rn === rt2)) return true;
  return (
    /^ST.?XP?R?/.test(row.name) && rs !== undefined && (rs === rt || rs === rt2 || (rs === rn && rs !== 31))
  );
}

/** Registers that memory accesses can do something with: addresses of all sorts in some of them. */
function addresses(rng: Rng, c: CaseBuilder): void {
  for (let n = 0; n < 31; n += 2) if (rng.oneIn(2)) c.x(n, randomAddress(rng));
  c.x(27, SCRATCH);
}

export function single(rng: Rng, kind: string, decoder: Decoder): Case | undefined {
  const row = rng.pick(singles);
  const word = randomWord(rng, row, chooseSingle);
  if (word === undefined || decoder.decode(word)?.row !== row || unpredictable(row, word)) return undefined;
  const c = new CaseBuilder(kind, rng.pick(modes)).randomize(rng);
  addresses(rng, c);
  if (rng.oneIn(3)) c.set('HCR_EL2', HCR_RW | HCR_VM).flag(CaseFlag.flush);
  c.note = row.name;
  return c.emit(word, NOP, NOP).done();
}

/** The encoding group of FP and SIMD: most of it has no row yet, and exists on QEMU. */
const isSimd = (word: number): boolean => ((word >>> 25) & 7) === 7;

/** Unallocated words that QEMU 7.2 executes, so that a case might not come back; and why they are UNDEFINED here. */
export const executedByQemu: readonly {
  readonly mask: number;
  readonly value: number;
  readonly reason: string;
}[] = [
  {
    mask: 0xfffffc1f,
    value: 0xd69f0000,
    reason:
      'ERET with Rn other than 31 is unallocated (C4.1.67 "Unconditional branch (register)"); QEMU ignores Rn.',
  },
];

/** A word that no row describes: UNDEFINED on both sides. */
function noRow(rng: Rng, kind: string, decoder: Decoder): Case | undefined {
  const flip = rng.oneIn(2);
  let word = flip ? (randomWord(rng, rng.pick(singles)) ?? 0) : rng.bits32();
  if (flip) word = (word ^ (1 << rng.below(32))) >>> 0;
  if (isSimd(word) || decoder.decode(word)) return undefined;
  if (executedByQemu.some((e) => (word & e.mask) >>> 0 === e.value)) return undefined;
  const c = new CaseBuilder(kind, rng.pick(modes)).randomize(rng);
  addresses(rng, c);
  return c.emit(word).done();
}

// --- exception returns ----------------------------------------------------------------------------------------------

/** SPSR_ELx, ELR_ELx, ERET; then where the return leads to. AArch32 is not built, so M[4] is 0. */
export function exceptionReturn(rng: Rng, kind: string): Case {
  const mode = rng.pick(['EL0t', 'EL1h', 'EL1t', 'EL2h', 'EL2t', 'EL2h', 'EL1h'] as const);
  const c = new CaseBuilder(kind, mode).randomize(rng);
  const level = mode.startsWith('EL2') ? 4 : 0;
  const m = rng.oneIn(3) ? rng.below(16) : rng.pick([0, 4, 5, 8, 9]);
  // SS does nothing while MDSCR_EL1.SS is 0; PAN and UAO do not exist on this CPU.
  const flags = rng.bits32() & 0xf0e003c0;
  const il = rng.oneIn(6) ? 1 << 20 : 0;
  c.x(0, BigInt((flags | il | m) >>> 0) | (rng.oneIn(3) ? BigInt(rng.bits32()) << 32n : 0n));
  const target = rng.below(8);
  if (target < 5) c.xCode(1, 6n * 4n);
  else if (target === 5) c.xCode(1, BigInt(24 + 1 + rng.below(3)));
  else c.x(1, randomAddress(rng));
  if (rng.oneIn(4)) c.update('HCR_EL2', 1n << 27n);
  if (rng.oneIn(6)) c.update('SPSR_EL2', 1n << 20n);
  if (rng.oneIn(4)) c.update('SPSR_EL2', 0n, 0x3c0n);
  c.flag(CaseFlag.flush);
  return c
    .emit(
      msr([3, level, 4, 0, 0], 0),
      msr([3, level, 4, 0, 1], 1),
      ISB,
      ERET,
      NOP,
      NOP,
      0xd53b4222,
      0xd53b4203,
    )
    .done();
}

// --- virtual interrupts ---------------------------------------------------------------------------------------------

const VIRTUAL = 7n << 6n;
const ROUTED = 7n << 3n;

function virtualInterrupt(rng: Rng, kind: string): Case {
  const c = new CaseBuilder(kind, rng.pick(modes)).randomize(rng);
  const bits = (mask: bigint): bigint => rng.bits64() & mask;
  const one = rng.oneIn(20) ? bits(VIRTUAL) : 1n << BigInt(6 + rng.below(3));
  c.set('HCR_EL2', HCR_RW | one | bits(ROUTED) | (rng.oneIn(5) ? 1n << 27n : 0n));
  c.update('SPSR_EL2', bits(0x3c0n), 0x3c0n);
  c.update('SCTLR_EL1', 1n << 9n);
  const unmask = 0xd50340ff | (rng.below(16) << 8);
  c.flag(CaseFlag.flush);
  return c.emit(NOP, 0xd53b4221, unmask, NOP, ISB, NOP, 0xd53b4222).done();
}

// --- addresses ------------------------------------------------------------------------------------------------------

const top = BigInt(scratchWindow.from & ~0x1fffff);

/** An address at which something is the matter, or nothing. */
export function randomAddress(rng: Rng): bigint {
  const small = BigInt(rng.below(64) - 32);
  const tag = rng.oneIn(4) ? BigInt(rng.below(256)) << 56n : 0n;
  const base = rng.pick([
    0n,
    SCRATCH,
    SCRATCH,
    // The ends of what is mapped.
    top,
    top + 0x200000n,
    // Executable zeros, read-only. Branches into the runner or into other cases might not come back.
    BigInt(memory.text + 0x80000),
    BigInt(memory.results),
    BigInt(memory.end),
    1n << 32n,
    1n << 39n,
    1n << 48n,
    0xffff000000000000n,
    0xffffffff00000000n,
    0xffffffffffffff00n,
    1n << 55n,
    rng.bits64(),
  ]);
  return BigInt.asUintN(64, (base + small) ^ tag);
}

/** Loads, stores and branches by a register. */
const accesses: readonly number[] = [
  0xf9400001, // ldr x1, [x0]
  0xb9400001, // ldr w1, [x0]
  0x79400001, // ldrh w1, [x0]
  0x39800001, // ldrsb x1, [x0]
  0xb9800001, // ldrsw x1, [x0]
  0x79c00001, // ldrsh w1, [x0]
  0xf9000001, // str x1, [x0]
  0x39000001, // strb w1, [x0]
  0xf8008c01, // str x1, [x0, #8]!
  0xf8408401, // ldr x1, [x0], #8
  0xa9400801, // ldp x1, x2, [x0]
  0xa9000801, // stp x1, x2, [x0]
  0x3dc00001, // ldr q1, [x0]
  0x3d800001, // str q1, [x0]
  0xc85f7c01, // ldxr x1, [x0]
  0xc85ffc01, // ldaxr x1, [x0]
  0xc8dffc01, // ldar x1, [x0]
  0x889ffc01, // stlr w1, [x0]
  0xf8400801, // ldtr x1, [x0]
  0xb8000801, // sttr w1, [x0]
  0x4c402001, // ld1 {v1-v4}, [x0]
  0xd50b7a20, // dc cvac, x0
  0xd50b7b20, // dc cvau, x0
  0xd50b7e20, // dc civac, x0
  0xd50b7520, // ic ivau, x0
  0xd61f0000, // br x0
  0xd63f0000, // blr x0
  0xd65f0000, // ret x0
  0xf9800001, // prfm, x0
];

function faultingAccess(rng: Rng, kind: string): Case {
  const mode = rng.pick(modes);
  const c = new CaseBuilder(kind, mode).randomize(rng);
  const word = rng.pick(accesses);
  c.x(0, randomAddress(rng));
  // TBI0, TBI1, and in a half of the cases the upper range.
  c.update('TCR_EL1', BigInt(rng.below(4)) << 37n);
  if (rng.oneIn(2)) c.update('TCR_EL1', 0n, 1n << 23n);
  if (rng.oneIn(2)) c.update('SCTLR_EL1', 2n);
  if (rng.oneIn(3)) c.update('HCR_EL2', HCR_VM);
  // With TGE what is stored could differ from then on.
  if (rng.oneIn(20)) c.update('HCR_EL2', 1n << 27n);
  c.flag(CaseFlag.flush);
  const isTge = (c.get('HCR_EL2') >> 27n) & 1n;
  return c.emit(isTge ? accesses[0]! : word, NOP).done();
}

const many = (count: number, make: () => Case | undefined): Case[] =>
  Array.from({ length: count }, make).filter((c) => c !== undefined);

/** The kinds for a CPU model. */
export function exceptionKindsOf(cpu: string): readonly Kind[] {
  const decoder = decoderOf(cpu);
  const kind = (
    name: string,
    make: (rng: Rng, name: string, decoder: Decoder) => Case | undefined,
  ): Kind => ({
    name,
    make: (rng, count) => ({ cases: many(count, () => make(rng, name, decoder)), cpu }),
  });
  return [
    kind('single words of all rows', single),
    kind('words that are no instruction', noRow),
    kind('exception returns', exceptionReturn),
    kind('virtual interrupts', virtualInterrupt),
    kind('accesses that fault', faultingAccess),
  ];
}

export const exceptionKinds = exceptionKindsOf('cortex-a57');
