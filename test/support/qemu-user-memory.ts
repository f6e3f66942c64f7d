/**
 * Runs instruction sequences on QEMU's user mode emulation, each from given registers and with one scratch buffer that
 * all share, and returns the registers and the buffer after each. The program is assembled by GNU as.
 */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

export const tools = ['qemu-aarch64-static', 'aarch64-linux-gnu-as', 'aarch64-linux-gnu-ld'] as const;

/** Addresses in the program: the sequences, and the buffer, close enough for PC-relative loads. */
export const stubsAt = 0x410000;
const stubsEnd = 0x43f000;
export const scratchAt = 0x440000;
export const scratchBytes = 4096;

/** Registers as they lie in memory: X0-X30, SP, V0-V31, NZCV. */
export const Regs = { x: 0, sp: 248, v: 256, nzcv: 768, bytes: 784 } as const;

export interface Sequence {
  readonly words: readonly number[];
  /** Regs.bytes bytes; X30 must be the address of the sequence, see stubAddress. */
  readonly regs: Uint8Array;
}

/** Where a sequence lies, given the number of words before it: each is followed by a branch. */
export const stubAddress = (wordsBefore: number, sequencesBefore: number): number =>
  stubsAt + 4 * (wordsBefore + sequencesBefore);

const pairs = (op: string, reg: string, count: number, base: number, step: number): string =>
  Array.from(
    { length: count / 2 },
    (_, i) => `${op} ${reg}${2 * i}, ${reg}${2 * i + 1}, [x30, #${base + 2 * step * i}]`,
  ).join('\n');

function program(sequences: readonly Sequence[]): string {
  const stubs = sequences
    .map((s) => `${s.words.map((w) => `.inst 0x${w.toString(16)}`).join('\n')}\nb after`)
    .join('\n');
  return `
    .section .program, "awx"
    .global _start
_start:
    ldr x0, =next
    ldr x1, [x0]
    ldr x2, =${sequences.length}
    cmp x1, x2
    b.eq done
    add x3, x1, #1
    str x3, [x0]
    mov x4, #${Regs.bytes}
    ldr x5, =cases
    madd x30, x1, x4, x5
    clrex
    ldr x0, [x30, #${Regs.nzcv}]
    msr nzcv, x0
    ldr x0, [x30, #${Regs.sp}]
    mov sp, x0
    ${pairs('ldp', 'q', 32, Regs.v, 16)}
    ${pairs('ldp', 'x', 30, Regs.x, 8)}
    ldr x30, [x30, #240]
    br x30
after:
    msr tpidr_el0, x30
    ldr x30, =out
    ${pairs('stp', 'x', 30, Regs.x, 8)}
    mrs x0, tpidr_el0
    str x0, [x30, #240]
    mov x0, sp
    str x0, [x30, #${Regs.sp}]
    ${pairs('stp', 'q', 32, Regs.v, 16)}
    mrs x0, nzcv
    str x0, [x30, #${Regs.nzcv}]
    mov x0, #1
    mov x1, x30
    mov x2, #${Regs.bytes + scratchBytes}
    mov x8, #64
    svc #0
    b _start
done:
    mov x0, #0
    mov x8, #93
    svc #0
    .ltorg
    .balign 8
next:
    .quad 0
    .org ${stubsAt - 0x400000}
    ${stubs}
    .org ${scratchAt - Regs.bytes - 0x400000}
out:
    .org ${scratchAt - 0x400000}
    .incbin "scratch.bin"
cases:
    .incbin "cases.bin"
`;
}

export interface Result {
  readonly regs: Uint8Array;
  readonly scratch: Uint8Array;
}

function run(dir: string, command: string, args: readonly string[]): Buffer {
  const r = spawnSync(command, args, { cwd: dir, maxBuffer: 1 << 28 });
  if (r.error) throw r.error;
  // A sequence that faults ends the program by a signal: what it wrote before tells which.
  if (r.status !== 0 && r.stdout.length === 0) throw new Error(`${command} failed: ${r.stderr.toString()}`);
  return r.stdout;
}

/** The states after each sequence; fewer than there are sequences when one of them ended the program by a signal. */
export function runOnQemu(sequences: readonly Sequence[], scratch: Uint8Array): Result[] {
  const words = sequences.reduce((n, s) => n + s.words.length + 1, 0);
  if (stubsAt + 4 * words > stubsEnd) throw new RangeError(`${sequences.length} sequences do not fit`);
  const dir = mkdtempSync(join(tmpdir(), 'row-tests-'));
  try {
    writeFileSync(join(dir, 'scratch.bin'), scratch);
    writeFileSync(join(dir, 'cases.bin'), Buffer.concat(sequences.map((s) => s.regs)));
    writeFileSync(join(dir, 'program.s'), program(sequences));
    run(dir, tools[1], ['-march=armv8-a', '-o', 'program.o', 'program.s']);
    run(dir, tools[2], ['--section-start=.program=0x400000', '-o', 'program', 'program.o']);
    const out = run(dir, tools[0], ['-cpu', 'max', 'program']);
    const each = Regs.bytes + scratchBytes;
    return Array.from({ length: Math.floor(out.length / each) }, (_, i) => ({
      regs: out.subarray(i * each, i * each + Regs.bytes),
      scratch: out.subarray(i * each + Regs.bytes, (i + 1) * each),
    }));
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
}
