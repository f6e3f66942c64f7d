/** Runs a batch of cases on QEMU and on the emulator. */
import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Computer, type ComputerConfig } from '../../emulator/board/computer';
import { CASE_BYTES, codeAddress, MAX_CASES, memory, offsetOf, RESULT_BYTES } from './record';
import { runner, runnerTools } from './runner';
import { ORACLE_LIMIT } from '../support/oracles';

export const tools = ['qemu-system-aarch64', 'aarch64-linux-gnu-objdump', ...runnerTools] as const;

/** Memory that a batch brings along: translation tables, data. */
export interface Blob {
  readonly pa: number;
  readonly bytes: Uint8Array;
}

/** A case: its record, and what wants to be known of it afterwards. */
export interface Case {
  /** Name of the kind that made it. */
  readonly kind: string;
  readonly record: Buffer;
  /** Instruction words that the generator put in. */
  readonly length: number;
  /** ELR_EL2 is relative to the case's code unless set. */
  readonly absoluteEntry?: boolean;
  /** Registers whose values are relative to the case's code. */
  readonly relative?: readonly number[];
  /** What to say of it in a report. */
  readonly note?: string;
}

const HEADER_BYTES = memory.cases - memory.header;
const MEBIBYTE = 0x100000;
const RAM_BASE = 0x40000000;
const RAM_BYTES = memory.end - RAM_BASE;

/** The cases at their places, addresses of their code filled in. */
function pack(cases: readonly Case[], mode: 0 | 1, count = cases.length): Buffer {
  if (cases.length > MAX_CASES) throw new RangeError(`${cases.length} cases do not fit into a batch`);
  const out = Buffer.alloc(HEADER_BYTES + cases.length * CASE_BYTES);
  out.writeBigUInt64LE(BigInt(count), 0);
  out.writeBigUInt64LE(BigInt(mode), 8);
  cases.forEach((c, i) => {
    const base = HEADER_BYTES + i * CASE_BYTES;
    c.record.copy(out, base);
    const add = (offset: number): void => {
      const v = out.readBigUInt64LE(base + offset) + codeAddress(i);
      out.writeBigUInt64LE(BigInt.asUintN(64, v), base + offset);
    };
    if (!c.absoluteEntry) add(offsetOf('ELR_EL2'));
    for (const n of c.relative ?? []) add(8 * n);
  });
  return out;
}

const split = (all: Buffer, count: number): Buffer[] =>
  Array.from({ length: count }, (_, i) => all.subarray(i * RESULT_BYTES, (i + 1) * RESULT_BYTES));

/** QEMU did not come back within the time, or ended in a case. */
export class Hang extends Error {
  override readonly name = 'Hang';
}

/** Far more than QEMU needs for a full batch on a busy machine. */
const TIMEOUT = ORACLE_LIMIT;

/** What a batch runs on, and with what in memory. */
export interface Bench {
  readonly blobs?: readonly Blob[];
  /** CPU model, of the same name on both sides. */
  readonly cpu?: string;
  /** How the emulator executes. */
  readonly translate?: ComputerConfig['translate'];
  /** How many of the cases the emulator executes; the others may be read all the same. */
  readonly first?: number;
}

const DEFAULT_CPU = 'cortex-a57';

/** One result a case, from QEMU. @throws Hang */
export function runOnQemu(
  cases: readonly Case[],
  { blobs = [], cpu = DEFAULT_CPU }: Bench = {},
  timeout = TIMEOUT,
): Buffer[] {
  const dir = mkdtempSync(join(tmpdir(), 'ws-diff-'));
  try {
    const loader: string[] = [];
    const load = (name: string, pa: number, bytes: Uint8Array): void => {
      writeFileSync(join(dir, name), bytes);
      loader.push('-device', `loader,file=${name},addr=0x${pa.toString(16)},force-raw=on`);
    };
    writeFileSync(join(dir, 'run.elf'), runner().elf);
    load('cases.bin', memory.header, pack(cases, 1));
    blobs.forEach((b, i) => load(`blob${i}.bin`, b.pa, b.bytes));
    const run = spawnSync(
      'qemu-system-aarch64',
      [
        ['-machine', 'virt,gic-version=3,its=off,virtualization=on', '-cpu', cpu],
        ['-m', String(RAM_BYTES / MEBIBYTE), '-display', 'none', '-nodefaults', '-nic', 'none', '-no-reboot'],
        ['-semihosting-config', 'enable=on,target=native', '-kernel', 'run.elf', ...loader],
      ].flat(),
      { cwd: dir, timeout, stdio: ['ignore', 'ignore', 'pipe'], encoding: 'utf8' },
    );
    if (run.signal !== null || (run.error && 'code' in run.error && run.error.code === 'ETIMEDOUT'))
      throw new Hang(`QEMU did not finish ${cases.length} cases in ${timeout / 1000} s`);
    if (run.status !== 0) throw new Error(`QEMU failed: ${run.stderr}`);
    const file = join(dir, 'results.bin');
    const all = existsSync(file) ? readFileSync(file) : Buffer.alloc(0);
    if (all.length !== cases.length * RESULT_BYTES) throw new Hang('QEMU ended before the batch did');
    return split(all, cases.length);
  } finally {
    rmSync(dir, { recursive: true });
  }
}

/** More than any case needs, the runner's part included. */
const INSTRUCTIONS_A_CASE = 20_000;

/** One result a case, from the emulator; of the first ones, if the bench says so. */
export function runOnEmulator(
  cases: readonly Case[],
  { blobs = [], cpu = DEFAULT_CPU, translate, first = cases.length }: Bench = {},
): Buffer[] {
  const computer = new Computer({
    ...{ cpus: 1, memoryBytes: RAM_BYTES, image: runner().elf, cpu },
    ...(translate === undefined ? {} : { translate }),
  });
  const { machine } = computer;
  machine.physical.poke(BigInt(memory.header), pack(cases, 0, first));
  for (const b of blobs) machine.physical.poke(BigInt(b.pa), b.bytes);
  const stop = machine.run({ instructions: first * INSTRUCTIONS_A_CASE + 100_000 });
  if (computer.ended?.kind !== 'poweroff') {
    const header = Buffer.from(machine.physical.peek(BigInt(memory.header), 24));
    const index = Number(header.readBigUInt64LE(16));
    const c = cases[index];
    throw new Error(
      `the emulator stopped (${stop.kind}${computer.unsupported ? `: ${computer.unsupported}` : ''}) in case ${index} ` +
        `(${c?.kind}${c?.note ? `: ${c.note}` : ''}) at PC 0x${machine.pc(0).toString(16)}, code at 0x${codeAddress(index).toString(16)}`,
    );
  }
  const all = Buffer.from(machine.physical.peek(BigInt(memory.results), first * RESULT_BYTES));
  return split(all, first);
}
