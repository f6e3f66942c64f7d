/** Whole programs on QEMU's `virt` board: what they print there is what they must print here. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ORACLE_LIMIT } from './oracles';

export interface QemuMachine {
  readonly cpus: number;
  readonly cpu?: string;
  /** Implements EL2; it does unless this is false. */
  readonly el2?: boolean;
  /** More arguments. */
  readonly more?: readonly string[];
  /** Version of the interrupt controller; 3 unless given. */
  readonly gic?: 2 | 3;
}

/** Assembles and links a program with the GNU tools (see scriptTools), from 0x40080000 on. */
export function gnuProgram(source: string): Uint8Array {
  return inTemporary((at) => {
    writeFileSync(at('a.s'), source);
    execFileSync('aarch64-linux-gnu-as', ['-o', at('a.o'), at('a.s')]);
    execFileSync('aarch64-linux-gnu-ld', ['-Ttext=0x40080000', '-o', at('a.elf'), at('a.o')]);
    return readFileSync(at('a.elf'));
  });
}

/** What a program that powers the machine off prints on QEMU's UART. */
export function qemuOutput(
  image: Uint8Array,
  { cpus, cpu = 'cortex-a57', el2 = true, gic = 3, more = [] }: QemuMachine,
): Buffer {
  return inTemporary((at) => {
    writeFileSync(at('a.elf'), image);
    const machine = `virt,gic-version=${gic},its=off,virtualization=${el2 ? 'on' : 'off'}`;
    const args = ['-machine', machine, '-cpu', cpu, '-m', '128', '-smp', String(cpus)];
    const quiet = ['-display', 'none', '-nodefaults', '-no-reboot', '-monitor', 'none'];
    const io = ['-serial', `file:${at('out')}`, '-kernel', at('a.elf'), ...more];
    execFileSync('qemu-system-aarch64', [...args, ...quiet, ...io], {
      timeout: ORACLE_LIMIT,
      stdio: ['ignore', 'ignore', 'pipe'],
    });
    const out = readFileSync(at('out'));
    assert.ok(out.length > 0, 'QEMU printed nothing');
    return out;
  });
}

function inTemporary<T>(work: (at: (name: string) => string) => T): T {
  const dir = mkdtempSync(join(tmpdir(), 'ws-qemu-'));
  try {
    return work((name) => join(dir, name));
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
}
