import { execFileSync, spawn } from 'node:child_process';
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { ORACLE_LIMIT } from '../support/oracles';

/** The commands that build the sample without our own assembler, and run it without our own emulator. */
export const SAMPLE_TOOLS = [
  'aarch64-linux-gnu-as',
  'aarch64-linux-gnu-ld',
  'aarch64-linux-gnu-nm',
  'aarch64-linux-gnu-objcopy',
  'qemu-system-aarch64',
] as const;

export const SAMPLE = resolve(__dirname, '../../hypervisor/arm64');

/** A copy of the sample's sources in a temporary folder, in which a test may change a line and build with GNU tools. */
export class SampleBuild {
  readonly folder = mkdtempSync(join(tmpdir(), 'ws-sample-'));

  constructor() {
    cpSync(SAMPLE, this.folder, { recursive: true });
  }

  /** Replaces `before` by `after` in one source file; both the file and the text must exist. */
  change(file: string, before: string, after: string): void {
    const path = join(this.folder, file);
    const text = readFileSync(path, 'utf8');
    if (!text.includes(before)) throw new Error(`${file} does not contain ${JSON.stringify(before)}.`);
    writeFileSync(path, text.replace(before, after));
  }

  /** Assembles and links; `layout` are the options of ld that place the sections. Returns the path of the ELF. */
  build(layout: readonly string[] = ['-T', join(__dirname, 'layout.ld')]): string {
    const object = join(this.folder, 'main.o');
    const elf = join(this.folder, 'main.elf');
    this.run('aarch64-linux-gnu-as', ['-g', '-march=armv8-a+crc', 'main.S', '-o', object]);
    this.run('aarch64-linux-gnu-ld', ['--no-warn-rwx-segments', ...layout, object, '-o', elf]);
    return elf;
  }

  /** Runs a tool in the folder of the build and returns its standard output. */
  run(tool: string, args: readonly string[]): string {
    return execFileSync(tool, args, { cwd: this.folder, encoding: 'utf8' });
  }

  dispose(): void {
    rmSync(this.folder, { recursive: true, force: true });
  }
}

export interface QemuRun {
  readonly uart: string;
  /** Exit code, or undefined when QEMU had to be ended because `until` was seen or the time was over. */
  readonly code: number | undefined;
}

/** Runs an ELF on QEMU's virt board and collects what it prints; ends QEMU as soon as `until` has been printed. */
export function runOnQemu(elf: string, options: { machine?: string; until?: string } = {}): Promise<QemuRun> {
  const machine = options.machine ?? 'virt,virtualization=on,gic-version=3';
  const args = [
    '-M',
    machine,
    '-cpu',
    'cortex-a57',
    '-m',
    '512',
    '-nographic',
    '-nic',
    'none',
    '-kernel',
    elf,
  ];
  return new Promise((done, failed) => {
    const qemu = spawn('qemu-system-aarch64', args, { stdio: ['ignore', 'pipe', 'pipe'] });
    const timer = setTimeout(() => qemu.kill(), ORACLE_LIMIT);
    let uart = '';
    let errors = '';
    qemu.stdout.setEncoding('utf8').on('data', (text: string) => {
      uart += text;
      if (options.until !== undefined && uart.includes(options.until)) qemu.kill();
    });
    qemu.stderr.setEncoding('utf8').on('data', (text: string) => (errors += text));
    qemu.on('error', failed);
    qemu.on('close', (code, signal) => {
      clearTimeout(timer);
      if (code !== null && code !== 0 && signal === null)
        failed(new Error(`QEMU: ${errors.trim() || `exit ${code}`}`));
      else done({ uart, code: code === 0 && options.until === undefined ? 0 : undefined });
    });
  });
}
