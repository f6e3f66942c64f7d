import { SymbolError } from '../errors';

/** What the header of a raw arm64 kernel image says (Linux, Documentation/arch/arm64/booting.rst). */
export interface ImageHeader {
  /** The image stands at this offset from a 2 MiB boundary. */
  readonly textOffset: bigint;
  /** Memory that it takes, BSS included. */
  readonly imageSize: bigint;
  /** Where its first instructions branch to, as an offset in the image. */
  readonly entry: bigint | undefined;
}

const HEADER_SIZE = 64;
/** "ARM\x64". */
const MAGIC = 0x644d5241;
const MAGIC_AT = 56;
const GZIP = 0x8b1f;
/** "zimg", behind the "MZ" of an EFI program that unpacks its kernel itself. */
const ZBOOT = 0x676d697a;
const BIG_ENDIAN = 1n;
/** No kernel takes more; the header of a damaged file may say so. */
const MAX_SIZE = 1n << 32n;

/** `B` (Arm ARM DDI 0487 C6.2.26): bits 31-26 are 000101, 25-0 the signed number of instructions. */
function branchTarget(word: number, at: number): bigint | undefined {
  if (word >>> 26 !== 0b000101) return undefined;
  const target = at + ((word << 6) >> 4);
  return target > at ? BigInt(target) : undefined;
}

/** Whether bytes begin like an arm64 kernel image. */
export function isLinuxImage(bytes: Uint8Array): boolean {
  if (bytes.length < HEADER_SIZE) return false;
  return new DataView(bytes.buffer, bytes.byteOffset).getUint32(MAGIC_AT, true) === MAGIC;
}

/** Reads the header. `name` is how error messages call the file. @throws SymbolError for a file that is no raw image */
export function readImageHeader(bytes: Uint8Array, name: string): ImageHeader {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (bytes.length >= 8 && view.getUint16(0, true) === GZIP)
    throw new SymbolError(`${name} is compressed by gzip: unpack it with "gunzip" first.`);
  if (bytes.length >= 8 && view.getUint32(4, true) === ZBOOT)
    throw new SymbolError(
      `${name} is an EFI program with a compressed kernel: name the Image that it was made from.`,
    );
  if (!isLinuxImage(bytes))
    throw new SymbolError(`${name} is not an arm64 kernel image: name an Image or vmlinuz file for arm64.`);
  const [textOffset, imageSize, flags] = [8, 16, 24].map((at) => view.getBigUint64(at, true));
  if (((flags ?? 0n) & BIG_ENDIAN) !== 0n)
    throw new SymbolError(`${name} is a big-endian kernel: build one with CONFIG_CPU_LITTLE_ENDIAN.`);
  const onDisk = BigInt(bytes.length);
  const claimed = imageSize ?? 0n;
  return {
    textOffset: textOffset ?? 0n,
    imageSize: claimed > onDisk && claimed <= MAX_SIZE ? claimed : onDisk,
    entry: branchTarget(view.getUint32(0, true), 0) ?? branchTarget(view.getUint32(4, true), 4),
  };
}
