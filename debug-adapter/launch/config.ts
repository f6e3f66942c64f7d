/** The attributes of launch.json, checked: whatever is wrong is named in one sentence. */
import { gicVersions, VIRTIO_TRANSPORTS, type GicVersion } from '../../emulator/board/map';
import { virtioNames, type VirtioName } from '../../emulator/board/virtio';
import { cpuModels } from '../../emulator/isa/a64/cpus';
import { ErrorId, UserError } from '../errors';
import { parseSymbolEntry, type SymbolEntry } from '../symbols/regime';
import type { Regime } from '../symbols/types';

export type HypervisorChoice = 'auto' | 'reference' | 'none';

export interface SymbolFile {
  readonly file: string;
  readonly offset: bigint;
  readonly regime?: Regime;
}

/** The image of a disk. */
export interface DiskFile {
  readonly file: string;
  /** What the guest writes is written into the file. */
  readonly write: boolean;
}

/** A checked launch configuration. */
export interface LaunchConfig {
  /** What to boot; with `kernel` the same file. */
  readonly program: string;
  /** A Linux kernel image, possibly compressed: named instead of `program`. */
  readonly kernel: string | undefined;
  /** The kernel's initial RAM disk. */
  readonly initrd: string | undefined;
  /** The kernel's command line. */
  readonly append: string | undefined;
  /** A flattened device tree for the kernel, instead of the board's own. */
  readonly dtb: string | undefined;
  /** Disks behind virtio, vda first. */
  readonly disk: readonly DiskFile[];
  /** More devices behind virtio. */
  readonly virtio: readonly VirtioName[];
  /** What the numbers of the entropy device follow from. */
  readonly seed: number;
  readonly cpu: string;
  readonly smp: number;
  /** Version of the interrupt controller. */
  readonly gic: GicVersion;
  /** The CPUs have EL3, and the GIC two security states. */
  readonly secure: boolean;
  /** Bytes of RAM. */
  readonly memory: bigint;
  readonly symbols: readonly SymbolFile[];
  readonly stopOnEntry: boolean;
  /** DAP `launch`: run without debugging; nothing stops the guest. */
  readonly noDebug: boolean;
  readonly hypervisor: HypervisorChoice;
  readonly trace: boolean;
  /** What the architecture leaves UNKNOWN gets poison values. */
  readonly strict: boolean;
  /** The port at which gdb can attach beside the client; 0: any that is free. */
  readonly gdbServer: number | undefined;
  /** Path prefix in the debug information -> path prefix here. */
  readonly sourceMap: readonly { readonly from: string; readonly to: string }[];
  /** For a program that is assembled. */
  readonly assembler: AssemblerConfig;
}

/** What the preprocessor of the assembler is given. */
export interface AssemblerConfig {
  /** Macros by name; a name may have parameters: `F(x)`. */
  readonly defines: Readonly<Record<string, string>>;
  /** Folders for #include and .include. */
  readonly includeDirs: readonly string[];
}

/** Names of the CPU models of the emulated machine. */
export const cpuNames: readonly string[] = [...cpuModels.keys()];
export const MAX_SMP = 8;
const MIB = 1n << 20n;
/** The whole machine lives in one 32-bit linear memory. */
export const MAX_MEMORY = 3584n * MIB;

const wrong = (message: string): UserError => new UserError(message, ErrorId.launch, true);

const kindOf = (value: unknown): string =>
  value === undefined
    ? 'missing'
    : value === null
      ? 'null'
      : Array.isArray(value)
        ? 'a list'
        : `the ${typeof value} ${JSON.stringify(value)}`;

function complain(name: string, expected: string, value: unknown): UserError {
  return wrong(
    `"${name}" in launch.json must be ${expected}, but it is ${kindOf(value)}: correct it and start again.`,
  );
}

function text(name: string, value: unknown, expected: string): string {
  if (typeof value !== 'string' || value === '') throw complain(name, expected, value);
  return value;
}

/** An attribute that may be absent. */
function optional(name: string, value: unknown, expected: string): string | undefined {
  return value === undefined ? undefined : text(name, value, expected);
}

function flag(name: string, value: unknown): boolean {
  if (typeof value !== 'boolean') throw complain(name, 'true or false', value);
  return value;
}

function count(name: string, value: unknown, low: number, high: number): number {
  if (typeof value !== 'number' || !Number.isInteger(value) || value < low || value > high)
    throw complain(name, `a whole number from ${low} to ${high}`, value);
  return value;
}

function oneOf<T extends string>(name: string, value: unknown, allowed: readonly T[]): T {
  const found = allowed.find((a) => a === value);
  if (found === undefined) throw complain(name, `one of ${allowed.map((a) => `"${a}"`).join(', ')}`, value);
  return found;
}

function gicVersion(value: unknown): GicVersion {
  const found = gicVersions.find((v) => v === value);
  if (found === undefined) throw complain('gic', '2 or 3, the version of the interrupt controller', value);
  return found;
}

const units: Readonly<Record<string, bigint>> = { K: 1n << 10n, M: MIB, G: 1n << 30n };

/** Bytes of a size such as "512M". */
export function parseMemory(value: unknown): bigint {
  const m = typeof value === 'string' ? /^([1-9][0-9]{0,9})([KMG])$/.exec(value) : null;
  if (!m) throw complain('memory', 'a size such as "512M"', value);
  const bytes = BigInt(m[1] ?? '0') * (units[m[2] ?? ''] ?? 0n);
  if (bytes > MAX_MEMORY || bytes < MIB)
    throw wrong(
      `"memory" in launch.json is ${String(value)}: choose a size from "1M" to "${MAX_MEMORY / MIB}M".`,
    );
  // The board wants whole pages of the linear memory.
  return (bytes / 0x10000n) * 0x10000n;
}

function symbolFiles(value: unknown): SymbolFile[] {
  if (!Array.isArray(value)) throw complain('symbols', 'a list of objects with a "file"', value);
  return value.map((entry: unknown, i) => {
    const name = `symbols[${i}]`;
    if (typeof entry !== 'object' || entry === null || Array.isArray(entry))
      throw complain(name, 'an object with a "file"', entry);
    const { file, offset, regime, vmid, vm, ...rest } = entry as Record<string, unknown>;
    const [unknown] = Object.keys(rest);
    if (unknown !== undefined)
      throw wrong(
        `"${name}.${unknown}" in launch.json is unknown: a file of symbols has "file", "offset", "regime", "vmid" and "vm".`,
      );
    text(`${name}.file`, file, 'the path of an ELF file');
    if (offset !== undefined && typeof offset !== 'string' && typeof offset !== 'number')
      throw complain(`${name}.offset`, 'a hexadecimal string such as "0x40000000"', offset);
    if (regime !== undefined) text(`${name}.regime`, regime, '"EL1", "EL2", "EL3" or "PA"');
    if (vmid !== undefined) count(`${name}.vmid`, vmid, 0, 0xffff);
    if (vm !== undefined) count(`${name}.vm`, vm, 0, 0xffff);
    if (vm !== undefined && vmid !== undefined)
      throw wrong(
        `"${name}" in launch.json has both "vm" and "vmid": keep "vm", the number that "vcpu 1.0" begins with, or the VMID.`,
      );
    return parseSymbolEntry(entry as SymbolEntry);
  });
}

const asDisk = 'the path of a disk image, or an object with a "file" and perhaps "write"';

function diskFile(name: string, value: unknown): DiskFile {
  if (typeof value === 'string') return { file: text(name, value, asDisk), write: false };
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw complain(name, asDisk, value);
  const { file, write = false, ...rest } = value as Record<string, unknown>;
  const [unknown] = Object.keys(rest);
  if (unknown !== undefined)
    throw wrong(`"${name}.${unknown}" in launch.json is unknown: a disk has "file" and "write".`);
  return {
    file: text(`${name}.file`, file, 'the path of a disk image'),
    write: flag(`${name}.write`, write),
  };
}

function disks(value: unknown): DiskFile[] {
  const list = Array.isArray(value)
    ? value.map((entry: unknown, i) => diskFile(`disk[${i}]`, entry))
    : [diskFile('disk', value)];
  const most = VIRTIO_TRANSPORTS - virtioNames.length;
  if (list.length > most)
    throw wrong(
      `"disk" in launch.json names ${list.length} disks, and ${most} are possible: leave some out.`,
    );
  return list;
}

function virtioDevices(value: unknown): VirtioName[] {
  if (!Array.isArray(value)) throw complain('virtio', 'a list of devices, such as ["net", "rng"]', value);
  const list = value.map((entry: unknown, i) => oneOf(`virtio[${i}]`, entry, virtioNames));
  const twice = list.find((name, i) => list.indexOf(name) !== i);
  if (twice !== undefined)
    throw wrong(`"virtio" in launch.json names "${twice}" twice, and there is one of each: leave one out.`);
  return list;
}

function prefixes(value: unknown): { from: string; to: string }[] {
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw complain('sourceMap', 'an object of path prefixes', value);
  return Object.entries(value).map(([from, to]) => ({
    from,
    to: text(`sourceMap["${from}"]`, to, 'a path'),
  }));
}

const asDefine = 'a name of a macro, such as "DEBUG" or "F(x)", with a string, such as "1"';

function assembler(value: unknown): AssemblerConfig {
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw complain('assembler', 'an object with "defines" and "includeDirs"', value);
  const { defines = {}, includeDirs = [], ...rest } = value as Record<string, unknown>;
  const [unknown] = Object.keys(rest);
  if (unknown !== undefined)
    throw wrong(
      `"assembler.${unknown}" in launch.json is unknown: there are "assembler.defines" and "assembler.includeDirs".`,
    );
  if (typeof defines !== 'object' || defines === null || Array.isArray(defines))
    throw complain('assembler.defines', 'an object of names and strings', defines);
  for (const [name, text] of Object.entries(defines))
    if (typeof text !== 'string' || !/^[A-Za-z_]\w*(?:\([^()]*\))?$/.test(name))
      throw complain(`assembler.defines["${name}"]`, asDefine, text);
  if (!Array.isArray(includeDirs))
    throw complain('assembler.includeDirs', 'a list of paths of folders', includeDirs);
  includeDirs.forEach((dir: unknown, i) => text(`assembler.includeDirs[${i}]`, dir, 'the path of a folder'));
  return { defines: defines as Record<string, string>, includeDirs: includeDirs as string[] };
}

type Parsers = { readonly [K in keyof LaunchConfig]: (value: unknown) => LaunchConfig[K] };

/** How each attribute is read. */
const parsers: Parsers = {
  program: (v) => text('program', v, 'the path of an ELF, a flat image, a .S file or a folder'),
  kernel: (v) => optional('kernel', v, 'the path of an arm64 Linux kernel image'),
  initrd: (v) => optional('initrd', v, 'the path of an initial RAM disk'),
  append: (v) => optional('append', v, 'the command line of the kernel'),
  dtb: (v) => optional('dtb', v, 'the path of a flattened device tree (.dtb)'),
  disk: disks,
  virtio: virtioDevices,
  seed: (v) => count('seed', v, 0, 0xffffffff),
  cpu: (v) => oneOf('cpu', v, cpuNames),
  smp: (v) => count('smp', v, 1, MAX_SMP),
  gic: gicVersion,
  secure: (v) => flag('secure', v),
  memory: parseMemory,
  symbols: symbolFiles,
  stopOnEntry: (v) => flag('stopOnEntry', v),
  noDebug: (v) => flag('noDebug', v),
  hypervisor: (v) => oneOf('hypervisor', v, ['auto', 'reference', 'none']),
  trace: (v) => flag('trace', v),
  strict: (v) => flag('strict', v),
  gdbServer: (v) => (v === undefined ? undefined : count('gdbServer', v, 0, 0xffff)),
  sourceMap: prefixes,
  assembler,
};

const defaults: Readonly<Record<Exclude<keyof LaunchConfig, 'program'>, unknown>> = {
  kernel: undefined,
  initrd: undefined,
  append: undefined,
  dtb: undefined,
  disk: [],
  virtio: [],
  seed: 0,
  cpu: 'cortex-a57',
  smp: 1,
  gic: 3,
  secure: false,
  memory: '512M',
  symbols: [],
  stopOnEntry: true,
  noDebug: false,
  hypervisor: 'auto',
  trace: false,
  strict: false,
  gdbServer: undefined,
  sourceMap: {},
  assembler: {},
};

/** Checks the arguments of `launch`. @throws UserError that names the attribute */
export function parseLaunch(args: Readonly<Record<string, unknown>>): LaunchConfig {
  const { program, kernel } = args;
  if (program === undefined && kernel === undefined)
    throw wrong(
      'launch.json has no "program": name an ELF, a flat image, a .S file, or a folder with a main.S; for Linux, name its image as "kernel".',
    );
  if (program !== undefined && kernel !== undefined)
    throw wrong('launch.json has both "program" and "kernel": leave out the one that is not to be booted.');
  if (args['secure'] === true && args['gic'] === 2)
    throw wrong('"secure" in launch.json needs a GICv3: leave out "gic", or "secure".');
  for (const name of ['initrd', 'append', 'dtb'])
    if (args[name] !== undefined && kernel === undefined)
      throw wrong(
        `"${name}" in launch.json is for a Linux kernel: name its image as "kernel", or leave it out.`,
      );
  const read = <K extends keyof LaunchConfig>(name: K): LaunchConfig[K] =>
    parsers[name](args[name] ?? (defaults as Readonly<Record<string, unknown>>)[name]);
  return {
    program: kernel === undefined ? read('program') : text('kernel', kernel, 'the path of a kernel image'),
    kernel: read('kernel'),
    initrd: read('initrd'),
    append: read('append'),
    dtb: read('dtb'),
    disk: read('disk'),
    virtio: read('virtio'),
    seed: read('seed'),
    cpu: read('cpu'),
    smp: read('smp'),
    gic: read('gic'),
    secure: read('secure'),
    memory: read('memory'),
    symbols: read('symbols'),
    stopOnEntry: read('stopOnEntry'),
    noDebug: read('noDebug'),
    hypervisor: read('hypervisor'),
    trace: read('trace'),
    strict: read('strict'),
    gdbServer: read('gdbServer'),
    sourceMap: read('sourceMap'),
    assembler: read('assembler'),
  };
}
