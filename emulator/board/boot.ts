/**
 * Boot protocols, as pure functions: what to write where, and how the first CPU starts. The CPU starts at its highest
 * exception level with x0 = address of the device tree.
 */
import { chosenProperties, deviceTreeBlob } from './device-tree';
import { flatten } from './dtb';
import { unflatten, withChosen } from './dtb-reader';
import { BootError, isElf, readElf } from './elf';
import { initrdOffset, readLinuxImage, treeOffset, type LinuxImage } from './linux-image';
import { MAX_CPUS, RAM_BASE, type GicVersion } from './map';

/** Where a flat binary is loaded and entered, from the start of RAM. */
export const FLAT_OFFSET = 0x80000n;
const MIN_MEMORY = 0x100000n;
/** Alignment of a device tree that does not fit below the image (the tree itself needs 8). */
const TREE_ALIGN = 0x1000n;

export interface BootOptions {
  /** CPU model for the device tree; cortex-a57 unless given. */
  readonly cpu?: string;
  /** Version of the interrupt controller for the device tree; 3 unless given. */
  readonly gic?: GicVersion;
  /** The board has two security states. */
  readonly secure?: boolean;
  readonly bootargs?: string;
  /** An initial RAM disk, for a Linux kernel image. */
  readonly initrd?: Uint8Array;
  /** A flattened device tree to give instead of the board's; command line and RAM disk are entered in its /chosen. */
  readonly dtb?: Uint8Array;
}

/** How an image is loaded: `linux` is an arm64 kernel image. */
export type ImageFormat = 'elf' | 'flat' | 'linux';

export interface BootPlan {
  readonly format: ImageFormat;
  /** RAM is zero except for these. */
  readonly writes: readonly { readonly pa: bigint; readonly data: Uint8Array }[];
  /** Physical address of the first instruction (the MMU is off). */
  readonly entry: bigint;
  /** The device tree's address. */
  readonly x0: bigint;
}

interface Range {
  readonly from: bigint;
  readonly to: bigint;
}

interface Loaded {
  readonly format: ImageFormat;
  readonly writes: { readonly pa: bigint; readonly data: Uint8Array }[];
  readonly entry: bigint;
  readonly used: readonly Range[];
  readonly initrd?: { readonly start: bigint; readonly end: bigint };
  /** Where the device tree should be, if that is free. */
  readonly treeAt?: bigint;
}

const hex = (v: bigint): string => `0x${v.toString(16)}`;
const mib = (v: bigint): string => `${v / 0x100000n} MiB`;
const overlap = (a: Range, b: Range): boolean => a.from < b.to && b.from < a.to;

/** How to start `image` (an ELF, a Linux kernel image or a flat binary) on a board with so much RAM. Throws BootError. */
export function planBoot(
  image: Uint8Array,
  memorySize: bigint,
  cpus: number,
  el2: boolean,
  options: BootOptions = {},
): BootPlan {
  if (!Number.isInteger(cpus) || cpus < 1 || cpus > MAX_CPUS)
    throw new BootError(`The machine has 1 to ${MAX_CPUS} CPUs; "smp" asks for ${cpus}.`);
  if (memorySize < MIN_MEMORY)
    throw new BootError(`${memorySize} bytes of RAM are too little: set "memory" to 1M or more.`);
  if (image.length === 0) throw new BootError('The program is an empty file: build it first.');
  const ram = { from: RAM_BASE, to: RAM_BASE + memorySize };
  const linux = isElf(image) ? undefined : readLinuxImage(image);
  if (options.initrd && !linux)
    throw new BootError(
      'An initial RAM disk needs an arm64 Linux kernel image to use it: leave "initrd" out.',
    );
  const loaded = linux
    ? loadLinux(image, linux, ram, options.initrd)
    : isElf(image)
      ? loadElf(image, ram)
      : loadFlat(image, ram);
  const chosen = {
    ...(options.bootargs === undefined ? {} : { bootargs: options.bootargs }),
    ...(loaded.initrd ? { initrd: loaded.initrd } : {}),
  };
  const tree = options.dtb
    ? amended(options.dtb, chosen)
    : deviceTreeBlob({
        ...{ cpus, memoryBytes: memorySize, el2, cpu: options.cpu ?? 'cortex-a57', gic: options.gic ?? 3 },
        secure: options.secure ?? false,
        ...chosen,
      });
  const x0 = placeTree(BigInt(tree.length), ram, loaded.used, loaded.treeAt);
  return {
    format: loaded.format,
    writes: [...loaded.writes, { pa: x0, data: tree }],
    entry: loaded.entry,
    x0,
  };
}

/** Somebody's tree with what this boot chooses. */
function amended(dtb: Uint8Array, chosen: Parameters<typeof chosenProperties>[0]): Uint8Array {
  const { root, reserved } = unflatten(dtb);
  return flatten(withChosen(root, chosenProperties(chosen)), reserved);
}

function loadFlat(image: Uint8Array, ram: Range): Loaded {
  const from = RAM_BASE + FLAT_OFFSET;
  const to = from + BigInt(image.length);
  if (to > ram.to)
    throw new BootError(
      `The image (${image.length} bytes, loaded at ${hex(from)}) does not fit into ${mib(ram.to - ram.from)} of RAM: raise "memory".`,
    );
  return { format: 'flat', writes: [{ pa: from, data: image }], entry: from, used: [{ from, to }] };
}

function loadLinux(
  image: Uint8Array,
  linux: LinuxImage,
  ram: Range,
  initrd: Uint8Array = new Uint8Array(),
): Loaded {
  const from = ram.from + linux.offset;
  const kernel = { from, to: from + linux.size };
  if (kernel.to > ram.to)
    throw new BootError(
      `The kernel takes ${mib(linux.size)} at ${hex(from)}, which does not fit into ${mib(ram.to - ram.from)} of RAM: raise "memory".`,
    );
  const start = ram.from + initrdOffset(ram.to - ram.from, kernel.to - ram.from);
  const end = start + BigInt(initrd.length);
  if (end > ram.to)
    throw new BootError(
      `The initial RAM disk (${initrd.length} bytes, loaded at ${hex(start)}) does not fit into ${mib(ram.to - ram.from)} of RAM: raise "memory".`,
    );
  return {
    format: 'linux',
    writes: [{ pa: from, data: image }, ...(initrd.length ? [{ pa: start, data: initrd }] : [])],
    entry: from,
    used: [kernel, { from: start, to: end }],
    treeAt: ram.from + treeOffset(end - ram.from),
    ...(initrd.length ? { initrd: { start, end } } : {}),
  };
}

function loadElf(image: Uint8Array, ram: Range): Loaded {
  const elf = readElf(image);
  const used: Range[] = [];
  for (const s of elf.segments) {
    const range = { from: s.pa, to: s.pa + s.memorySize };
    if (range.from < ram.from || range.to > ram.to)
      throw new BootError(
        `A segment of the ELF file at ${hex(range.from)}-${hex(range.to)} is outside RAM (${hex(ram.from)}-${hex(ram.to)}): link it inside, or raise "memory".`,
      );
    const other = used.find((u) => overlap(u, range));
    if (other)
      throw new BootError(
        `Two segments of the ELF file overlap at ${hex(range.from > other.from ? range.from : other.from)}: check the linker script.`,
      );
    used.push(range);
  }
  return {
    format: 'elf',
    writes: elf.segments.filter((s) => s.data.length > 0).map((s) => ({ pa: s.pa, data: s.data })),
    entry: physicalEntry(elf),
    used,
  };
}

/** The entry point is a virtual address; the CPU starts with its MMU off, at the place where that byte was loaded. */
function physicalEntry(elf: ReturnType<typeof readElf>): bigint {
  const s = elf.segments.find((x) => elf.entry >= x.va && elf.entry < x.va + x.memorySize);
  if (!s)
    throw new BootError(
      `The entry point ${hex(elf.entry)} of the ELF file is in none of its segments: check ENTRY() and the linker's -Ttext.`,
    );
  const entry = elf.entry - s.va + s.pa;
  if (entry & 3n)
    throw new BootError(`The entry point ${hex(elf.entry)} of the ELF file is not a multiple of 4.`);
  return entry;
}

/** Where it should be (the start of RAM unless given) if that is free, else in the highest free place. */
function placeTree(size: bigint, ram: Range, used: readonly Range[], wish = ram.from): bigint {
  const free = (from: bigint): boolean =>
    from >= ram.from && from + size <= ram.to && !used.some((u) => overlap(u, { from, to: from + size }));
  const below = (limit: bigint): bigint => ((limit - size) / TREE_ALIGN) * TREE_ALIGN;
  const places = [wish, below(ram.to), ...used.map((u) => below(u.from)).sort((a, b) => (a > b ? -1 : 1))];
  const place = places.find(free);
  if (place === undefined)
    throw new BootError(`The image leaves no room for the device tree (${size} bytes): raise "memory".`);
  return place;
}
