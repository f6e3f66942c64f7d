/**
 * The format of a case and of its result, shared by the runner's assembly (see runner.ts) and by TypeScript: both are
 * made from the tables here. A case is the whole state before, and up to 40 instruction words; a result is the whole
 * state after the exception that ended it.
 */

/** System registers that a case sets and a result reports, in the order in which the runner writes them. */
export const environment = [
  'SCTLR_EL1',
  'CPACR_EL1',
  'TCR_EL1',
  'TTBR0_EL1',
  'TTBR1_EL1',
  'MAIR_EL1',
  'VBAR_EL1',
  'ESR_EL1',
  'ELR_EL1',
  'SPSR_EL1',
  'FAR_EL1',
  'PAR_EL1',
  'TPIDR_EL1',
  'TPIDR_EL0',
  'TPIDRRO_EL0',
  'CNTKCTL_EL1',
  'MDSCR_EL1',
  'PMUSERENR_EL0',
  'VTCR_EL2',
  'VTTBR_EL2',
  'MDCR_EL2',
  'HSTR_EL2',
  'CNTHCTL_EL2',
  'ESR_EL2',
  'FAR_EL2',
  'HPFAR_EL2',
  'FPCR',
  'FPSR',
  'ELR_EL2',
  'SPSR_EL2',
  'CPTR_EL2',
  // Last: E2H redirects what comes after it.
  'HCR_EL2',
] as const;

/**
 * EL2's own translation: written with the MMU off, and only by cases with the flag `el2Regime`. TTBR1_EL2 is left alone
 * on CPUs without VHE.
 */
export const el2Regime = ['TCR_EL2', 'TTBR0_EL2', 'TTBR1_EL2', 'MAIR_EL2', 'SCTLR_EL2'] as const;

export const registers = [...environment, ...el2Regime] as const;
export type RegisterName = (typeof registers)[number];

/** Byte offsets in a case and, where they apply, in a result. */
export const at = {
  x: 0,
  /** Case: Flag bits. Result: number of the EL2 vector that ended it. */
  flags: 248,
  sp: 256,
  /** Case: what scratch memory is filled with. Result: a hash of it. */
  scratch: 280,
  v: 288,
  environment: 800,
  words: 800 + 8 * registers.length,
} as const;

export const CASE_BYTES = 1280;
export const RESULT_BYTES = 1152;
/** Room for instruction words; what a case does not use is BRK. */
export const MAX_WORDS = (CASE_BYTES - at.words) / 4;

export const CaseFlag = {
  /** Translations change: drop all TLB entries before and after. */
  flush: 1,
  /** The registers of `el2Regime` are the case's own. */
  el2Regime: 2,
} as const;

/** Physical memory, the same on both sides; all of it is identity-mapped at EL2. */
export const memory = {
  text: 0x40080000,
  data: 0x40200000,
  /** One page: count, mode, index of the current case, its result. The cases follow at once. */
  header: 0x43fff000,
  cases: 0x44000000,
  results: 0x48000000,
  scratch: 0x4c000000,
  /** Translation tables that come with a batch. */
  tables: 0x4d000000,
  /** What those tables map. */
  playground: 0x4e000000,
  end: 0x50000000,
} as const;

/** Scratch memory that the runner fills and hashes: it lies over a page boundary, in whose middle cases work. */
export const scratchWindow = { from: memory.scratch + 0x800, bytes: 0x1000 } as const;
export const SCRATCH = BigInt(scratchWindow.from + scratchWindow.bytes / 2);

export const MAX_CASES = Math.floor((memory.results - memory.cases) / CASE_BYTES);

const offsets = new Map<string, number>(registers.map((r, i) => [r, at.environment + 8 * i]));

/** Where a register stands in a case and in a result. */
export function offsetOf(r: RegisterName): number {
  return offsets.get(r)!;
}

/** Address of the first instruction of the case at `index` of a batch. */
export const codeAddress = (index: number): bigint => BigInt(memory.cases + index * CASE_BYTES + at.words);

/** Names of the 64-bit words of a result, by offset. */
export const resultWords: readonly (readonly [name: string, offset: number])[] = [
  ...Array.from({ length: 31 }, (_, n) => [`X${n}`, 8 * n] as const),
  ['vector', at.flags],
  ...['SP_EL0', 'SP_EL1', 'SP_EL2'].map((name, n) => [name, at.sp + 8 * n] as const),
  ['memory', at.scratch],
  ...Array.from({ length: 32 }, (_, n) => [
    [`V${n}.lo`, at.v + 16 * n] as const,
    [`V${n}.hi`, at.v + 16 * n + 8] as const,
  ]).flat(),
  ...registers.map((r) => [r, offsetOf(r)] as const),
];

const wordOffsets = new Map(resultWords);

/** Where a named word stands in a case or result. */
export function wordOffset(name: string): number {
  const offset = wordOffsets.get(name);
  if (offset === undefined) throw new Error(`no word of a result is called ${name}`);
  return offset;
}

/** A named word of a case or result. */
export const word = (record: Buffer, name: string): bigint => record.readBigUInt64LE(wordOffset(name));
