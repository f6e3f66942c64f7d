/** Builds the programs of guests/c with the cross compiler. What was built is kept in .cache/bench by what it was made of. */
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, renameSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import type { GuestProgram } from './programs';

const GCC = 'aarch64-linux-gnu-gcc';
const NM = 'aarch64-linux-gnu-nm';
const folder = path.join(__dirname, 'guests', 'c');
const cache = path.resolve(__dirname, '../../.cache/bench');
/** Commands that must be installed. */
export const GUEST_TOOLS = [GCC];

const common = [
  '-ffreestanding',
  '-fno-pic',
  '-fno-pie',
  '-fno-stack-protector',
  '-fno-asynchronous-unwind-tables',
];
/** Runs before the MMU and FP are on. */
const kernelFlags = ['-O2', '-mgeneral-regs-only', '-mstrict-align'];
/** Its memcpy must not become a call of memcpy. */
const userFlags = ['-O2', '-fno-tree-loop-distribute-patterns'];
const linkFlags = ['-nostdlib', '-static', '-no-pie', '-Wl,--no-warn-rwx-segments,--build-id=none'];
const ROUNDS_MARK = 'WSROUNDS';

let gccVersion: string | undefined;

/** Changes with whatever could change what is built. */
function key({ source, flags }: GuestProgram): string {
  gccVersion ??= execFileSync(GCC, ['--version'], { encoding: 'utf8' });
  const hash = createHash('sha256').update(JSON.stringify([gccVersion, source, flags, common, linkFlags]));
  hash.update(JSON.stringify([kernelFlags, userFlags]));
  const shared = readdirSync(folder).filter((f) =>
    ['start.S', 'kernel.c', 'user.c', 'bench.h', 'bench.ld'].includes(f),
  );
  for (const file of [...shared.sort(), source]) hash.update(readFileSync(path.join(folder, file)));
  return hash.digest('hex').slice(0, 24);
}

function build({ source, flags }: GuestProgram, out: string): void {
  const at = mkdtempSync(path.join(tmpdir(), 'worldswitch-guest-'));
  try {
    const objects = [
      ['start.S', []] as const,
      ['kernel.c', kernelFlags] as const,
      ['user.c', userFlags] as const,
      [source, flags] as const,
    ].map(([file, more]) => {
      // The linker script knows the kernel's objects by their names.
      const object = path.join(at, `${path.parse(file).name}.o`);
      execFileSync(GCC, [...common, ...more, '-c', '-o', object, path.join(folder, file)]);
      return object;
    });
    const script = path.join(folder, 'bench.ld');
    const elf = path.join(at, 'guest.elf');
    execFileSync(GCC, [...linkFlags, '-T', script, '-o', elf, ...objects, '-lgcc']);
    mkdirSync(path.dirname(out), { recursive: true });
    // Two may build the same at once.
    const fresh = `${out}.${process.pid}`;
    execFileSync('cp', [elf, fresh]);
    renameSync(fresh, out);
  } finally {
    rmSync(at, { recursive: true, force: true });
  }
}

function guestFile(program: GuestProgram): string {
  const file = path.join(cache, `${key(program)}.elf`);
  if (!existsSync(file)) build(program, file);
  return file;
}

/** The address of one of its symbols. */
export function guestSymbol(program: GuestProgram, name: string): number {
  const list = execFileSync(NM, ['-P', guestFile(program)], { encoding: 'utf8' });
  const value = new RegExp(`^${name} \\S+ ([0-9a-f]+)`, 'm').exec(list)?.[1];
  if (value === undefined) throw new Error(`${program.name} has no symbol ${name}`);
  return Number.parseInt(value, 16);
}

/** The ELF file of a program that will do `rounds` rounds of its work. @throws Error when the compiler fails */
export function guestImage(program: GuestProgram, rounds: number): Buffer {
  const file = guestFile(program);
  const image = readFileSync(file);
  const at = image.indexOf(ROUNDS_MARK);
  if (at < 0 || image.includes(ROUNDS_MARK, at + 1)) throw new Error(`${file} does not have the mark once`);
  image.writeBigUInt64LE(BigInt(rounds), at + ROUNDS_MARK.length);
  return image;
}
