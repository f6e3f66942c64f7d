/**
 * The program that executes cases, on QEMU and on the emulator alike: about 200 lines of assembly for the GNU
 * toolchain. It stays at EL2, loads a case's state, returns into its first instruction at the exception level that
 * SPSR_EL2 says, and gets back by whatever exception comes; EL1's vectors pass theirs on by HVC.
 */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  at,
  CASE_BYTES,
  CaseFlag,
  el2Regime,
  environment,
  memory,
  offsetOf,
  RESULT_BYTES,
  scratchWindow,
} from './record';

export const runnerTools = ['aarch64-linux-gnu-as', 'aarch64-linux-gnu-ld', 'aarch64-linux-gnu-nm'] as const;

/** Memory attributes by index: write-back, Device-nGnRE, non-cacheable, write-through, Device-nGnRnE. */
export const MAIR = 0x00bb4404ffn;

const AF = 1n << 10n;
const INNER = 3n << 8n;
const UXN = 1n << 54n;
const PXN = 1n << 53n;
const RO = 1n << 7n;
const EL0 = 1n << 6n;
const BLOCK = 1n;

const MIB2 = 0x200000;

interface Range {
  readonly from: number;
  readonly to: number;
  /** Descriptor bits for EL2 and for EL1; undefined: not mapped. */
  readonly el2: bigint | undefined;
  readonly el1: bigint | undefined;
}

/** What the identity maps permit, in pieces of 2 MiB; devices are out of reach of stray accesses. Code is never writable, so that WXN changes nothing. */
const map: readonly Range[] = [
  { from: 0x40000000, to: memory.data, el2: RO, el1: RO | UXN },
  { from: memory.data, to: memory.cases, el2: UXN, el1: undefined },
  // What EL0 of a host may reach, EL2 must not touch while PAN is set: so only cases and their scratch memory.
  { from: memory.cases, to: memory.results, el2: RO | EL0, el1: RO | EL0 },
  { from: memory.results, to: memory.scratch, el2: UXN, el1: undefined },
  { from: memory.scratch, to: memory.scratch + MIB2, el2: EL0 | UXN, el1: EL0 | UXN | PXN },
  { from: memory.tables, to: memory.end, el2: UXN, el1: undefined },
];

/** Where memory ends that a case can write at some exception level. */
const writableEnds = [memory.cases, memory.scratch + MIB2, memory.end] as const;

/** The descriptors of the level 2 table for addresses 0x40000000 to 0x7fffffff. */
export function identityLevel2(el: 'el1' | 'el2'): bigint[] {
  return Array.from({ length: 512 }, (_, i) => {
    const address = 0x40000000 + i * MIB2;
    const bits = map.find((r) => address >= r.from && address < r.to)?.[el];
    if (bits === undefined) return 0n;
    return BigInt(address) | AF | INNER | BLOCK | bits;
  });
}

const swap64 = (v: bigint): bigint => {
  const b = Buffer.alloc(8);
  b.writeBigUInt64LE(v);
  return b.readBigUInt64BE();
};

/** The translation tables stand at the start of .data, a page each. */
const table = (n: number): bigint => BigInt(memory.data + n * 0x1000);
const TABLE_DESCRIPTOR = 3n;
const level1 = (level2: bigint): bigint[] => [0n, level2 | TABLE_DESCRIPTOR, 0n, 0n];

const quads = (values: readonly bigint[]): string => values.map((v) => `  .quad ${v}`).join('\n');

/** EL2's registers while the runner works: 4 GiB of addresses, MMU and caches on. */
const el2Base: Readonly<Record<(typeof el2Regime)[number], string>> = {
  TCR_EL2: String(0x80800000n | (2n << 16n) | (3n << 12n) | (1n << 10n) | (1n << 8n) | 32n),
  TTBR0_EL2: 'el2_level1',
  TTBR1_EL2: '0',
  MAIR_EL2: String(MAIR),
  // Without SA0, which counts for EL0 of a host: QEMU checks no stack pointers.
  SCTLR_EL2: String(0x30c51825n),
};

/** Code that touches a register; of Armv8.1 only if ID_AA64MMFR1_EL1.VH says that this is one. Uses x2. */
const withVhe = (r: string, code: string): string =>
  r === 'TTBR1_EL2' || r === 'PAN'
    ? `  mrs x2, id_aa64mmfr1_el1\n  tst x2, #0xf00\n  b.eq 8f\n${code}\n8:`
    : code;
/** What the assembler for Armv8.0 calls it. */
const generic = (r: string): string => (r === 'TTBR1_EL2' ? 's3_4_c2_c0_1' : r);

/** Copies EL2's translation registers from [x30]; the MMU is off meanwhile. */
const el2Switch = (from: (r: (typeof el2Regime)[number]) => string): string => `
  mrs x1, sctlr_el2
  bic x1, x1, #1
  msr sctlr_el2, x1
  isb
  ${el2Regime.map((r) => `${r === 'SCTLR_EL2' ? '  tlbi alle2\n  dsb sy\n  isb\n' : ''}  ${from(r)}\n${withVhe(r, `  msr ${generic(r)}, x1`)}`).join('\n')}
  isb`;

const pairs = (op: string, base: string, from: number, to: number): string =>
  Array.from(
    { length: (to - from) / 2 },
    (_, i) => `  ${op} x${from + 2 * i}, x${from + 2 * i + 1}, [${base}, #${8 * (from + 2 * i)}]`,
  ).join('\n');

const vPairs = (op: string, base: string): string =>
  Array.from({ length: 16 }, (_, i) => `  ${op} q${2 * i}, q${2 * i + 1}, [${base}, #${at.v + 32 * i}]`).join(
    '\n',
  );

const saved = environment.filter((r) => r !== 'CPTR_EL2' && r !== 'HCR_EL2');

const source = `
  .arch armv8-a+crc
  .macro imm64 reg, value
  ldr \\reg, =\\value
  .endm
  .macro flush
  tlbi alle1
  tlbi alle2
  dsb sy
  isb
  .endm

  .text
  .globl _start
_start:
  ldr x0, =vectors_el2
  msr vbar_el2, x0
  mov x0, #0x33ff
  msr cptr_el2, x0
  msr cntvoff_el2, xzr
  // Below the runner there may be a device tree, which is not the same everywhere.
  imm64 x0, 0x40000000
  imm64 x1, _start
1: stp xzr, xzr, [x0], #16
  cmp x0, x1
  b.lo 1b
  ${el2Switch((r) => `ldr x1, =${el2Base[r]}`)}

next:
  // At the ends of writable memory a store of several registers may have stored some before it aborted: forget those.
${writableEnds.map((end) => `  imm64 x1, ${end - 128}\n  bl clear`).join('\n')}
  ldr x29, =${memory.header}
  ldr x1, [x29, #16]
  ldr x2, [x29]
  cmp x1, x2
  b.hs finish
  imm64 x30, ${memory.cases}
  mov x3, #${CASE_BYTES}
  madd x30, x1, x3, x30
  imm64 x4, ${memory.results}
  mov x3, #${RESULT_BYTES}
  madd x4, x1, x3, x4
  stp x4, x30, [x29, #24]

  // Scratch memory follows from the case's seed.
  imm64 x1, ${scratchWindow.from}
  mov x2, #${scratchWindow.bytes / 16}
  ldr x3, [x30, #${at.scratch}]
  imm64 x4, 0x9e3779b97f4a7c15
1: add x3, x3, x4
  mul x5, x3, x3
  stp x3, x5, [x1], #16
  subs x2, x2, #1
  b.ne 1b

  ldr x28, [x30, #${at.flags}]
${vPairs('ldp', 'x30')}
${environment.map((r) => `  ldr x1, [x30, #${offsetOf(r)}]\n  mrs x2, ${r}\n  cmp x1, x2\n  b.eq 1f\n  msr ${r}, x1\n1:`).join('\n')}
  ldr x1, [x30, #${at.sp}]
  msr sp_el0, x1
  ldr x1, [x30, #${at.sp + 8}]
  msr sp_el1, x1
  ldr x1, [x30, #${at.sp + 16}]
  mov sp, x1
  tbz x28, #${Math.log2(CaseFlag.flush)}, 1f
  flush
1: tbz x28, #${Math.log2(CaseFlag.el2Regime)}, 1f
  ${el2Switch((r) => `ldr x1, [x30, #${offsetOf(r)}]`)}
1: isb
${pairs('ldp', 'x30', 0, 30)}
  ldr x30, [x30, #240]
  eret

  // x0 is the result's address, x1 the vector's number; x0 of the case is in TPIDR_EL2.
save:
  str x1, [x0, #${at.flags}]
  mrs x1, tpidr_el2
  str x1, [x0]
${pairs('stp', 'x0', 3, 31)}
  mov x30, x0
  // CPTR_EL2 as the case saw it; then E2H off, before registers are read that it redirects.
  mrs x1, cptr_el2
  str x1, [x30, #${offsetOf('CPTR_EL2')}]
  mrs x1, hcr_el2
  str x1, [x30, #${offsetOf('HCR_EL2')}]
  mov x1, #${0x80000000}
  msr hcr_el2, x1
  isb
  // MSR PAN, #0: with E2H the next case is loaded from memory that EL0 can reach.
${withVhe('PAN', '  .inst 0xd500409f')}
  mrs x1, sp_el0
  str x1, [x30, #${at.sp}]
  mrs x1, sp_el1
  str x1, [x30, #${at.sp + 8}]
  mov x1, sp
  str x1, [x30, #${at.sp + 16}]
  mov x1, #0x33ff
  msr cptr_el2, x1
  isb
${[...saved, ...el2Regime].map((r) => withVhe(r, `  mrs x1, ${generic(r)}\n  str x1, [x30, #${offsetOf(r)}]`)).join('\n')}
${vPairs('stp', 'x30')}
  ldr x29, =${memory.header}
  ldr x28, [x29, #32]
  ldr x28, [x28, #${at.flags}]
  tbz x28, #${Math.log2(CaseFlag.el2Regime)}, 1f
  ${el2Switch((r) => `ldr x1, =${el2Base[r]}`)}
1: tbz x28, #${Math.log2(CaseFlag.flush)}, 1f
  flush
1:
  imm64 x1, ${scratchWindow.from}
  mov x2, #${scratchWindow.bytes / 16}
  mov x3, #0
  imm64 x4, 0x100000001b3
1: ldp x5, x6, [x1], #16
  eor x3, x3, x5
  mul x3, x3, x4
  eor x3, x3, x6, ror #7
  madd x3, x3, x4, x4
  subs x2, x2, #1
  b.ne 1b
  str x3, [x30, #${at.scratch}]
  ldr x1, [x29, #16]
  add x1, x1, #1
  str x1, [x29, #16]
  b next

clear: // 128 bytes at x1
  .irp n, 0, 16, 32, 48, 64, 80, 96, 112
  stp xzr, xzr, [x1, #\\n]
  .endr
  ret

finish:
  ldr x1, [x29, #8]
  cbz x1, 1f
  // Semihosting (Arm "Semihosting for AArch32 and AArch64"): SYS_OPEN "wb", SYS_WRITE.
  mov w0, #0x01
  ldr x1, =open_block
  hlt #0xf000
  ldr x1, =write_block
  str x0, [x1]
  ldr x2, [x29]
  mov x3, #${RESULT_BYTES}
  mul x2, x2, x3
  str x2, [x1, #16]
  mov w0, #0x05
  hlt #0xf000
1:
  ldr x0, =0x84000008
  smc #0
  b .
  .ltorg

  .macro el2_vector n
  .balign 128
  msr tpidr_el2, x0
  ldr x0, =${memory.header}
  ldr x0, [x0, #24]
  stp x1, x2, [x0, #8]
  mov x1, #\\n
  b save
  .endm
  .balign 2048
vectors_el2:
  .irp n, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15
  el2_vector \\n
  .endr
  .balign 2048
  .globl vectors_hvc
vectors_hvc:
  .irp n, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15
  .balign 128
  hvc #(0x100 + \\n)
  .endr
  // For cases with HCR_EL2.HCD, which have TSC set.
  .balign 2048
  .globl vectors_smc
vectors_smc:
  .irp n, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15
  .balign 128
  smc #(0x100 + \\n)
  .endr
  .ltorg

  .data
  .balign 4096
el2_level1: // table 0
${quads(level1(table(1)))}
  .balign 4096
el2_level2:
${quads(identityLevel2('el2'))}
  .globl el1_level1, el1_level1_big, stage2_level1
  .balign 4096
el1_level1: // table 2
${quads(level1(table(3)))}
  .balign 4096
${quads(identityLevel2('el1'))}
  // The same for big-endian walks.
  .balign 4096
el1_level1_big: // table 4
${quads(level1(table(5)).map(swap64))}
  .balign 4096
${quads(identityLevel2('el1').map(swap64))}
  // Stage 2: addresses below 4 GiB map to themselves.
  .balign 4096
stage2_level1:
  .quad ${(1n << 54n) | AF | (3n << 6n) | (1n << 2n) | BLOCK}
  .quad ${0x40000000n | AF | INNER | (3n << 6n) | (15n << 2n) | BLOCK}
  .quad 0, 0
open_block:
  .quad file_name, 5, 11
write_block:
  .quad 0, ${memory.results}, 0
file_name:
  .asciz "results.bin"
`;

export interface Runner {
  readonly elf: Buffer;
  readonly symbols: ReadonlyMap<string, bigint>;
}

let built: Runner | undefined;

/** The runner, assembled once a process. */
export function runner(): Runner {
  return (built ??= build());
}

function build(): Runner {
  const dir = mkdtempSync(join(tmpdir(), 'ws-diff-'));
  const run = (tool: string, ...args: string[]): string =>
    execFileSync(tool, args, { cwd: dir, encoding: 'utf8' });
  try {
    writeFileSync(join(dir, 'run.s'), source);
    run(runnerTools[0], '-o', 'run.o', 'run.s');
    const hex = (n: number): string => `0x${n.toString(16)}`;
    run(runnerTools[1], `-Ttext=${hex(memory.text)}`, `-Tdata=${hex(memory.data)}`, '-o', 'run.elf', 'run.o');
    const symbols = new Map(
      run(runnerTools[2], 'run.elf')
        .trim()
        .split('\n')
        .map((line): [string, bigint] => {
          const [address = '', , name = ''] = line.split(' ');
          return [name, BigInt(`0x${address}`)];
        }),
    );
    return { elf: readFileSync(join(dir, 'run.elf')), symbols };
  } finally {
    rmSync(dir, { recursive: true });
  }
}

/** The address of a symbol of the runner. */
export function symbol(name: string): bigint {
  const v = runner().symbols.get(name);
  if (v === undefined) throw new Error(`the runner has no symbol ${name}`);
  return v;
}
