/**
 * Executes single instructions on QEMU's user-mode emulator: one static program runs all cases of a batch. A case
 * loads X0-X30, SP and NZCV, executes one instruction and stores them again. Nothing is reserved, since pointers wait in SIMD
 * registers meanwhile; so instructions that touch those cannot be tested here.
 */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

export const tools = ['aarch64-linux-gnu-as', 'aarch64-linux-gnu-ld', 'qemu-aarch64-static'] as const;

/** What a case starts from and what it ends with. */
export interface Registers {
  readonly x: readonly bigint[];
  readonly sp: bigint;
  readonly nzcv: bigint;
}

export interface Case {
  /** Index into the words of the batch. */
  readonly slot: number;
  readonly before: Registers;
}

export interface Result extends Registers {
  /** Where execution went on: 0 is the next instruction, n the n-th landing; 'undefined' after SIGILL. */
  readonly landing: number | 'undefined';
}

/** Places in a slot where a branch may land. */
export const landings = 4;

const slotBase = 0x1000000n;
const slotBytes = 4n * BigInt(2 + 2 * landings + 2);

/** Address at which the instruction of a slot executes. */
export const addressOf = (slot: number): bigint => slotBase + BigInt(slot) * slotBytes + 4n;

/** Address of a landing of a slot. */
export const landingOf = (slot: number, landing: number): bigint =>
  addressOf(slot) + 4n + 8n * BigInt(landing);

const record = 34 * 8;
const at = { sp: 31 * 8, nzcv: 32 * 8, extra: 33 * 8 } as const;
const pairs = (op: string): string =>
  Array.from({ length: 15 }, (_, i) => `${op} x${2 * i}, x${2 * i + 1}, [x30, #${16 * i}]`).join('\n');

/** d0: X30 of the case, v1: its landing, d2: next case, d3: next result. */
/** The end of a runner: writes what lies from `results` up to the address in X9 to standard output, and exits. */
export const writeResults = `
  ldr x1, =results
write:
  mov x0, #1
  sub x2, x9, x1
  cbz x2, done
  mov x8, #64
  svc #0
  cmp x0, #0
  b.le done
  add x1, x1, x0
  b write
done:
  mov x0, #0
  mov x8, #93
  svc #0
  .ltorg
`;

const runner = `
  .text
  .globl _start
_start:
  ldr x0, =altstack
  mov x1, #0
  mov x8, #132              // sigaltstack: SP is a register under test
  svc #0
  mov x0, #4                // SIGILL
  ldr x1, =action
  mov x2, #0
  mov x3, #8
  mov x8, #134              // rt_sigaction
  svc #0
  ldr x0, =cases
  fmov d2, x0
  ldr x0, =results
  fmov d3, x0
next:
  fmov x30, d2
  ldr x29, =cases_end
  cmp x30, x29
  b.eq finish
  ldr x0, [x30, #${at.nzcv}]
  msr nzcv, x0
  ldr x0, [x30, #${at.sp}]
  mov sp, x0
  ldr x0, [x30, #240]
  fmov d0, x0
  ${pairs('ldp')}
  ldr x30, [x30, #${at.extra}]
  br x30                    // to the slot
save:
  fmov x30, d3
  ${pairs('stp')}
  mov x0, sp
  str x0, [x30, #${at.sp}]
  mrs x0, nzcv
  str x0, [x30, #${at.nzcv}]
  fmov x0, d0
  str x0, [x30, #240]
  umov w0, v1.b[0]
  str x0, [x30, #${at.extra}]
  add x30, x30, #${record}
  fmov d3, x30
  fmov x30, d2
  add x30, x30, #${record}
  fmov d2, x30
  b next
handler:                    // the third argument is the ucontext, with PC at 440 (asm/sigcontext.h)
  adr x0, undefined
  str x0, [x2, #440]
  ret
undefined:
  fmov d0, x30
  movi v1.8b, #255
  b save
finish:
  fmov x9, d3
${writeResults}
  .data
  .balign 16
altstack:
  .quad stack, 0, 65536
action:                     // SA_SIGINFO, SA_ONSTACK, SA_NODEFER
  .quad handler, 0x48000004, 0, 0
  .balign 16
cases:
  .incbin "cases.bin"
cases_end:
  .bss
  .balign 16
stack:
  .skip 65536
results:
  .skip cases_bytes

  .macro slot word
  fmov x30, d0
  .inst \\word
  .irp n, ${Array.from({ length: landings }, (_, n) => n).join(', ')}
  movi v1.8b, #\\n
  b 1f
  .endr
1:
  fmov d0, x30
  b save
  .endm
  .section .slots, "ax"
`;

/** Runs the cases and returns a result for each. What the CPU does not have is UNDEFINED, or does nothing. */
export function runOnQemu(
  words: readonly number[],
  cases: readonly Case[],
  cpu: 'cortex-a57' | 'max',
): Result[] {
  const dir = mkdtempSync(join(tmpdir(), 'row-tests-'));
  try {
    writeFileSync(join(dir, 'cases.bin'), encode(cases));
    const size = `.equ cases_bytes, ${cases.length * record}\n`;
    const slots = words.map((w) => `slot 0x${(w >>> 0).toString(16)}`).join('\n');
    writeFileSync(join(dir, 'cases.s'), `${size}${runner}${slots}\n`);
    const tool = (name: string, ...args: string[]): Buffer => {
      const run = spawnSync(name, args, { cwd: dir, maxBuffer: 2 ** 30 });
      if (run.status !== 0) {
        throw new Error(`${name} failed (${run.signal ?? run.status}): ${run.stderr.toString()}`);
      }
      return run.stdout;
    };
    tool(tools[0], '-o', 'cases.o', 'cases.s');
    tool(
      tools[1],
      '-Tdata=0x10000000',
      `--section-start=.slots=0x${slotBase.toString(16)}`,
      '-o',
      'cases',
      'cases.o',
    );
    const out = tool(tools[2], '-cpu', cpu, './cases');
    if (out.length !== cases.length * record) {
      throw new Error(`the program wrote ${out.length / record} results of ${cases.length}`);
    }
    return cases.map((_, i) => decodeResult(out, i * record));
  } finally {
    rmSync(dir, { recursive: true });
  }
}

function encode(cases: readonly Case[]): Buffer {
  const bytes = Buffer.alloc(cases.length * record);
  cases.forEach(({ slot, before }, i) => {
    const base = i * record;
    before.x.forEach((v, n) => bytes.writeBigUInt64LE(v, base + 8 * n));
    bytes.writeBigUInt64LE(before.sp, base + at.sp);
    bytes.writeBigUInt64LE(before.nzcv, base + at.nzcv);
    bytes.writeBigUInt64LE(addressOf(slot) - 4n, base + at.extra);
  });
  return bytes;
}

function decodeResult(bytes: Buffer, base: number): Result {
  const landing = Number(bytes.readBigUInt64LE(base + at.extra));
  return {
    x: Array.from({ length: 31 }, (_, n) => bytes.readBigUInt64LE(base + 8 * n)),
    sp: bytes.readBigUInt64LE(base + at.sp),
    nzcv: bytes.readBigUInt64LE(base + at.nzcv),
    landing: landing === 255 ? 'undefined' : landing,
  };
}

/** The disassembly of a word by GNU objdump, for messages. */
export function describeWord(word: number): string {
  const dir = mkdtempSync(join(tmpdir(), 'row-tests-'));
  try {
    writeFileSync(join(dir, 'word.s'), `.inst 0x${(word >>> 0).toString(16)}\n`);
    spawnSync(tools[0], ['-o', 'word.o', 'word.s'], { cwd: dir });
    const dump = spawnSync('aarch64-linux-gnu-objdump', ['-d', 'word.o'], { cwd: dir }).stdout?.toString();
    return dump?.trim().split('\n').at(-1)?.split('\t').slice(2).join(' ') ?? '';
  } finally {
    rmSync(dir, { recursive: true });
  }
}
