/**
 * Executes single FP and SIMD instructions on QEMU's user-mode emulator: one static program runs all cases of a batch. A case
 * loads V0-V7, X0-X7, NZCV, FPCR and FPSR, executes one instruction that writes no general-purpose registers but those, and
 * stores them again.
 */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { tools, writeResults } from './qemu-user';

export { tools };

/** Registers of a case: their number is a power of two. */
export const registers = 8;

/** What a case starts from and what it ends with. */
export interface VectorState {
  /** V0-V7 as 64-bit halves, the low one first. */
  readonly v: readonly bigint[];
  readonly x: readonly bigint[];
  readonly nzcv: bigint;
  readonly fpcr: bigint;
  readonly fpsr: bigint;
}

export interface VectorCase {
  /** Index into the words of the batch. */
  readonly slot: number;
  readonly before: VectorState;
}

const at = { x: 128, nzcv: 192, fpcr: 200, fpsr: 208, slot: 216 } as const;
const record = 224;
const slotBase = 0x1000000n;

const list = (n: number, f: (i: number) => string): string =>
  Array.from({ length: n }, (_, i) => f(i)).join('\n');

const runner = `
  .text
  .globl _start
_start:
  mov x0, #4                // SIGILL
  ldr x1, =action
  mov x2, #0
  mov x3, #8
  mov x8, #134              // rt_sigaction
  svc #0
  ldr x28, =cases
  ldr x26, =cases_end
  ldr x27, =results
next:
  cmp x28, x26
  b.eq finish
  ldr x0, [x28, #${at.nzcv}]
  msr nzcv, x0
  ldr x0, [x28, #${at.fpcr}]
  msr fpcr, x0
  ldr x0, [x28, #${at.fpsr}]
  msr fpsr, x0
  ${list(4, (i) => `ldp q${2 * i}, q${2 * i + 1}, [x28, #${32 * i}]`)}
  ldr x29, [x28, #${at.slot}]
  ${list(4, (i) => `ldp x${2 * i}, x${2 * i + 1}, [x28, #${at.x + 16 * i}]`)}
  br x29
save:
  ${list(4, (i) => `stp q${2 * i}, q${2 * i + 1}, [x27, #${32 * i}]`)}
  ${list(4, (i) => `stp x${2 * i}, x${2 * i + 1}, [x27, #${at.x + 16 * i}]`)}
  mrs x0, nzcv
  str x0, [x27, #${at.nzcv}]
  mrs x0, fpcr
  str x0, [x27, #${at.fpcr}]
  mrs x0, fpsr
  str x0, [x27, #${at.fpsr}]
stored:
  add x27, x27, #${record}
  add x28, x28, #${record}
  b next
handler:                    // the third argument is the ucontext, with PC at 440 (asm/sigcontext.h)
  adr x0, undefined
  str x0, [x2, #440]
  ret
undefined:
  mov x0, #-1
  str x0, [x27, #${at.nzcv}]
  b stored
finish:
  mov x9, x27
${writeResults}  .data
  .balign 16
action:                     // SA_SIGINFO, SA_NODEFER
  .quad handler, 0x40000004, 0, 0
  .balign 16
cases:
  .incbin "cases.bin"
cases_end:
  .bss
  .balign 16
results:
  .skip cases_bytes
  .section .slots, "ax"
`;

/**
 * Runs the cases and returns a result for each, undefined where the word is UNDEFINED.
 * @param cpu QEMU's CPU model
 */
export function runVectorCases(
  words: readonly number[],
  cases: readonly VectorCase[],
  cpu = 'max',
): (VectorState | undefined)[] {
  const dir = mkdtempSync(join(tmpdir(), 'vector-cases-'));
  try {
    writeFileSync(join(dir, 'cases.bin'), encode(cases));
    const slots = words.map((w) => `.inst 0x${(w >>> 0).toString(16)}\nb save`).join('\n');
    writeFileSync(join(dir, 'cases.s'), `.equ cases_bytes, ${cases.length * record}\n${runner}${slots}\n`);
    const tool = (name: string, ...args: string[]): Buffer => {
      const run = spawnSync(name, args, { cwd: dir, maxBuffer: 2 ** 30 });
      if (run.status !== 0)
        throw new Error(
          `${name} failed (${run.signal ?? run.status}): ${run.stderr.toString().slice(0, 2000)}`,
        );
      return run.stdout;
    };
    tool(tools[0], '-o', 'cases.o', 'cases.s');
    const section = `--section-start=.slots=0x${slotBase.toString(16)}`;
    tool(tools[1], '-Tdata=0x10000000', section, '-o', 'cases', 'cases.o');
    const out = tool(tools[2], '-cpu', cpu, './cases');
    if (out.length !== cases.length * record)
      throw new Error(`the program wrote ${out.length / record} results of ${cases.length}`);
    return cases.map((_, i) => decode(out, i * record));
  } finally {
    rmSync(dir, { recursive: true });
  }
}

function encode(cases: readonly VectorCase[]): Buffer {
  const bytes = Buffer.alloc(cases.length * record);
  cases.forEach(({ slot, before }, i) => {
    const base = i * record;
    before.v.forEach((v, n) => bytes.writeBigUInt64LE(v, base + 8 * n));
    before.x.forEach((v, n) => bytes.writeBigUInt64LE(v, base + at.x + 8 * n));
    bytes.writeBigUInt64LE(before.nzcv, base + at.nzcv);
    bytes.writeBigUInt64LE(before.fpcr, base + at.fpcr);
    bytes.writeBigUInt64LE(before.fpsr, base + at.fpsr);
    bytes.writeBigUInt64LE(slotBase + 8n * BigInt(slot), base + at.slot);
  });
  return bytes;
}

function decode(bytes: Buffer, base: number): VectorState | undefined {
  if (bytes.readBigInt64LE(base + at.nzcv) === -1n) return undefined;
  const words = (from: number, n: number): bigint[] =>
    Array.from({ length: n }, (_, i) => bytes.readBigUInt64LE(base + from + 8 * i));
  return {
    v: words(0, 2 * registers),
    x: words(at.x, registers),
    nzcv: bytes.readBigUInt64LE(base + at.nzcv),
    fpcr: bytes.readBigUInt64LE(base + at.fpcr),
    fpsr: bytes.readBigUInt64LE(base + at.fpsr),
  };
}
