/**
 * The arm64 kernel image and where a boot loader puts it (Linux, Documentation/arch/arm64/booting.rst). Places are those
 * that QEMU's `virt` takes, so that both boot the same memory map.
 */
import { BootError } from './elf';

const HEADER = 64;
/** "ARM\x64" at byte 56. */
const MAGIC = 0x644d5241;
const Flag = { bigEndian: 1n } as const;
/** The image stands at text_offset from an address with this alignment. */
const ALIGN = 0x20_0000n;
/** A boot loader that puts its first instructions at the start of RAM keeps so much of it. */
const LOADER = 0x1000n;
/** Kernels before 3.17 leave image_size zero: then text_offset is not valid either. */
const OLD_TEXT_OFFSET = 0x8_0000n;

export interface LinuxImage {
  /** From the start of RAM. */
  readonly offset: bigint;
  /** Memory that it takes, BSS included. */
  readonly size: bigint;
}

/** What the header of a kernel image asks for; undefined where it is no such image. @throws BootError */
export function readLinuxImage(image: Uint8Array): LinuxImage | undefined {
  if (image.length < HEADER) return undefined;
  const v = new DataView(image.buffer, image.byteOffset, image.byteLength);
  if (v.getUint32(56, true) !== MAGIC) return undefined;
  const [textOffset, imageSize, flags] = [8, 16, 24].map((at) => v.getBigUint64(at, true)) as [
    bigint,
    bigint,
    bigint,
  ];
  if (flags & Flag.bigEndian)
    throw new BootError('This kernel is big-endian: build one with CONFIG_CPU_LITTLE_ENDIAN.');
  const offset = imageSize === 0n ? OLD_TEXT_OFFSET : textOffset;
  const size = imageSize > BigInt(image.length) ? imageSize : BigInt(image.length);
  return { offset: offset < LOADER ? offset + ALIGN : offset, size };
}

const HALF_OF = 2n;
const HIGHEST_INITRD = 128n << 20n;
const PAGE = 0x1000n;
export const up = (v: bigint, to: bigint): bigint => ((v + to - 1n) / to) * to;

/** Offset of the initial RAM disk from the start of RAM, for a kernel that ends at `kernelEnd`. */
export function initrdOffset(memorySize: bigint, kernelEnd: bigint): bigint {
  const half = memorySize / HALF_OF;
  const usual = half < HIGHEST_INITRD ? half : HIGHEST_INITRD;
  return usual > kernelEnd ? usual : up(kernelEnd, PAGE);
}

/** Offset of the device tree behind the initial RAM disk: the kernel maps it by blocks of 2 MiB. */
export function treeOffset(initrdEnd: bigint): bigint {
  return up(initrdEnd, ALIGN);
}
