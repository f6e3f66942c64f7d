/** The GNU tools for AArch64 as oracles of the assembler. */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const prefix = 'aarch64-linux-gnu-';
export const gnuTools = ['as', 'ld', 'objcopy', 'objdump'].map((t) => prefix + t);

/** Runs one of the tools; its output, also when it fails. */
export function gnu(
  tool: string,
  ...args: string[]
): { status: number | null; stdout: string; stderr: string } {
  return gnuIn(undefined, tool, ...args);
}

/** The same in a folder: for messages and names that have no folders in them. */
export function gnuIn(
  cwd: string | undefined,
  tool: string,
  ...args: string[]
): { status: number | null; stdout: string; stderr: string } {
  const r = spawnSync(prefix + tool, args, { encoding: 'utf8', maxBuffer: 1 << 28, cwd });
  return { status: r.status, stdout: r.stdout, stderr: r.stderr };
}

/** Calls `use` with a new folder and removes it. */
export function inTemporaryFolder<T>(use: (folder: string) => T): T {
  const folder = mkdtempSync(join(tmpdir(), 'worldswitch-'));
  try {
    return use(folder);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

export interface GnuError {
  /** From 1. */
  readonly line: number;
  readonly text: string;
}

/** Assembles one source with GNU as: errors, or the object file's path. */
export function gnuAssemble(source: string, object: string, ...flags: string[]): GnuError[] {
  const r = gnu('as', ...flags, source, '-o', object);
  return [...r.stderr.matchAll(/^[^\n]*?:(\d+): Error: (.*)$/gm)].map((m) => ({
    line: Number(m[1]),
    text: m[2] ?? '',
  }));
}

/** Links with sections at given addresses. @throws Error with the linker's message. */
export function gnuLink(
  folder: string,
  object: string,
  sections: readonly { readonly name: string; readonly address: bigint }[],
): string {
  const script = join(folder, 'layout.ld');
  const lines = sections.map((s) => `  "${s.name}" 0x${s.address.toString(16)} : { *("${s.name}") }`);
  writeFileSync(script, `SECTIONS {\n${lines.join('\n')}\n}\n`);
  const elf = join(folder, 'gnu.elf');
  const r = gnu('ld', '--no-warn-rwx-segments', '-e0', '-T', script, object, '-o', elf);
  if (r.status !== 0) throw new Error(r.stderr);
  return elf;
}

/** The bytes of a section of an ELF file; empty if it has none. */
export function sectionBytes(folder: string, elf: string, name: string): Buffer {
  const out = join(folder, 'section.bin');
  writeFileSync(out, '');
  gnu('objcopy', '-O', 'binary', '-j', name, '--set-section-flags', `${name}=alloc,load,contents`, elf, out);
  return readFileSync(out);
}
