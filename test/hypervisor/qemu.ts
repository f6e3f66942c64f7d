/** The same ELF on QEMU's virt board: what it prints, and the exceptions that it takes, from `-d int`. */
import { spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import type { Program } from './program';
import type { Moment, Observer, Rig } from './rig';
import { ORACLE_LIMIT } from '../support/oracles';

/** An exception from EL1 to EL2, as both sides can tell it. */
export interface Exit {
  readonly ec: number;
  readonly iss: number;
  /** The preferred return address. */
  readonly elr: bigint;
}

export interface QemuResult {
  readonly uart: string;
  readonly exits: readonly Exit[];
  /** False: it had to be ended. */
  readonly ended: boolean;
}

export interface QemuOptions {
  readonly cpu?: string;
  readonly cpus?: number;
  /** Also record exceptions. */
  readonly exits?: boolean;
}

const TAKING = /^Taking exception \d+ \[([^\]]+)\] on CPU (\d+)/;

/** The exceptions from EL1 to EL2 in a log of `-d int`. */
export function exitsIn(log: string): Exit[] {
  const out: Exit[] = [];
  let ec = 0;
  let iss = 0;
  let fromGuest = false;
  let interrupt = false;
  for (const line of log.split('\n')) {
    const taking = TAKING.exec(line);
    if (taking) {
      interrupt = /IRQ|FIQ|SError/i.test(taking[1] ?? '');
      fromGuest = false;
      continue;
    }
    const levels = /^\.\.\.from EL(\d) to EL(\d)/.exec(line);
    if (levels) fromGuest = levels[1] === '1' && levels[2] === '2';
    const esr = /^\.\.\.with ESR 0x[0-9a-f]+\/0x([0-9a-f]+)/.exec(line);
    if (esr) {
      const value = Number.parseInt(esr[1] ?? '0', 16);
      ec = value >>> 26;
      iss = value & 0x1ff_ffff;
    }
    const elr = /^\.\.\.with ELR 0x([0-9a-f]+)/.exec(line);
    if (elr && fromGuest && !interrupt) out.push({ ec, iss, elr: BigInt(`0x${elr[1] ?? '0'}`) });
  }
  return out;
}

/** Runs a program to its end. @throws Error when QEMU does not start or complains */
export function runOnQemu(program: Program, options: QemuOptions = {}): Promise<QemuResult> {
  const folder = mkdtempSync(path.join(tmpdir(), 'worldswitch-qemu-'));
  const file = path.join(folder, 'program.elf');
  const log = path.join(folder, 'log');
  writeFileSync(file, program.elf);
  const args = [
    ...['-M', 'virt,virtualization=on,gic-version=3', '-cpu', options.cpu ?? 'cortex-a57'],
    ...['-smp', String(options.cpus ?? 1), '-m', '512', '-nographic', '-nic', 'none', '-kernel', file],
    ...(options.exits ? ['-d', 'int', '-D', log] : []),
  ];
  return new Promise((done, failed) => {
    const qemu = spawn('qemu-system-aarch64', args, { stdio: ['ignore', 'pipe', 'pipe'] });
    let ended = true;
    const timer = setTimeout(() => {
      ended = false;
      qemu.kill();
    }, ORACLE_LIMIT);
    let uart = '';
    let errors = '';
    qemu.stdout.setEncoding('latin1').on('data', (text: string) => (uart += text));
    qemu.stderr.setEncoding('utf8').on('data', (text: string) => (errors += text));
    qemu.on('error', failed);
    qemu.on('close', (code) => {
      clearTimeout(timer);
      try {
        if (ended && code !== 0) throw new Error(`QEMU: ${errors.trim() || `exit ${code}`}`);
        const exits = options.exits ? exitsIn(readFileSync(log, 'utf8')) : [];
        done({ uart, exits, ended });
      } catch (error) {
        failed(error instanceof Error ? error : new Error(String(error)));
      } finally {
        rmSync(folder, { recursive: true, force: true });
      }
    });
  });
}

/** Collects the same from our emulator. */
export class ExitRecorder implements Observer {
  readonly name = 'exits';
  readonly kinds = ['entry'] as const;
  readonly exits: Exit[] = [];

  constructor(readonly rig: Rig) {}

  event(m: Moment): void {
    if (m.from !== 1 || m.to !== 2 || (m.vector & 0x180) !== 0) return;
    this.exits.push({ ec: Number(m.esr >> 26n), iss: Number(m.esr & 0x1ff_ffffn), elr: m.pc });
  }
}

const WFX = 1;
const DATA_ABORT = 0x24;
/** ISS of a data abort: the stage 2 fault came up in a walk of stage 1. */
const S1PTW = 1 << 7;
/** Level of the fault. */
const LEVEL = 3;

/** QEMU 7.2 gives the level of the stage 1 walk there; the fault, and so its level, is stage 2's (Arm ARM DDI 0487, ESR_ELx.DFSC). */
const issOf = (e: Exit): number => (e.ec === DATA_ABORT && e.iss & S1PTW ? e.iss & ~LEVEL : e.iss);

/** The exits of the guest, one line each; what depends on time left out: interrupts are gone already, WFI and WFE go here. */
export function guestExits(program: Program, exits: readonly Exit[]): string[] {
  const [from, to] = [program.symbol('guest_image_start'), program.symbol('guest_image_end')];
  return exits
    .filter((e) => e.elr >= from && e.elr < to && e.ec !== WFX)
    .map((e) => `EC 0x${e.ec.toString(16)} ISS 0x${issOf(e).toString(16)} ELR 0x${e.elr.toString(16)}`);
}
