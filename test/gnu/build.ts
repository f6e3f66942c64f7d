/** Builds the guest of C and assembly with the GNU toolchain, as a user of our debugger would. */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join, resolve } from 'node:path';

/** The tools that these tests need, for requireTool. */
export const GNU_TOOLS = ['aarch64-linux-gnu-gcc', 'qemu-system-aarch64', 'gdb-multiarch'];

/** The folder of the guest's sources. */
export const GUEST = resolve(__dirname, 'guest');

export interface Variant {
  readonly optimise: 0 | 2;
  readonly dwarf: 4 | 5;
  /** The folder that the debug information names instead of the real one, as with a build in a container. */
  readonly recordedAs?: string;
}

/** What most users build. */
export const PLAIN: Variant = { optimise: 0, dwarf: 5 };

const built = new Map<string, string>();
let folder: string | undefined;

function outputFolder(): string {
  if (folder === undefined) {
    const made = mkdtempSync(join(tmpdir(), 'ws-gnu-'));
    process.once('exit', () => rmSync(made, { recursive: true, force: true }));
    folder = made;
  }
  return folder;
}

/** Compiles and links a variant of the guest, once for all tests of the process. @returns the path of the ELF */
export function buildGuest(variant: Variant = PLAIN): string {
  const key = `O${variant.optimise}-dwarf${variant.dwarf}${variant.recordedAs === undefined ? '' : '-moved'}`;
  const known = built.get(key);
  if (known !== undefined) return known;
  const elf = join(outputFolder(), `${key}.elf`);
  const sources = readdirSync(GUEST)
    .filter((name) => /\.[cS]$/.test(name))
    .map((name) => join(GUEST, name));
  execFileSync('aarch64-linux-gnu-gcc', [
    '-g',
    `-gdwarf-${variant.dwarf}`,
    `-O${variant.optimise}`,
    '-Wall',
    '-Wextra',
    '-Werror',
    '-ffreestanding',
    '-nostdlib',
    '-static',
    '-fno-pie',
    '-no-pie',
    '-mcpu=cortex-a57',
    // The MMU is off: memory is of Device type, where an unaligned access faults.
    '-mstrict-align',
    '-mgeneral-regs-only',
    '-fno-stack-protector',
    // With them unwind tables are in .debug_frame, as in kernels; without in .eh_frame, gcc's own choice.
    ...(variant.dwarf === 4 ? ['-fno-unwind-tables', '-fno-asynchronous-unwind-tables'] : []),
    ...(variant.recordedAs === undefined ? [] : [`-fdebug-prefix-map=${GUEST}=${variant.recordedAs}`]),
    '-Wl,--build-id=none',
    '-Wl,--no-warn-rwx-segments',
    '-T',
    join(GUEST, 'link.ld'),
    ...sources,
    '-o',
    elf,
  ]);
  built.set(key, elf);
  return elf;
}

/** The line of a source file that has a text, from 1; of several, the n-th. */
export function lineOf(file: string, text: string, nth = 1): number {
  const lines = readFileSync(join(GUEST, basename(file)), 'utf8').split('\n');
  const found = lines.flatMap((line, index) => (line.includes(text) ? [index + 1] : []));
  const line = found[nth - 1];
  if (line === undefined) throw new Error(`${file} has no ${nth}. line with ${JSON.stringify(text)}.`);
  return line;
}
