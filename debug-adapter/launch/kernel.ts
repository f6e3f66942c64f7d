/** A Linux kernel image and its initial RAM disk, read and unpacked: distributions ship it raw, as gzip, or as EFI zboot. */
import * as fs from 'node:fs';
import path from 'node:path';
import { gunzipSync } from 'node:zlib';
import { readLinuxImage } from '../../emulator/board/linux-image';
import { ErrorId, UserError } from '../errors';

/** Larger than any kernel, and what a damaged or hostile archive may grow to. */
const MAX_KERNEL = 2 ** 29;

const wrong = (message: string): UserError => new UserError(message, ErrorId.launch, true);

function read(file: string, what: string, attribute: string): Buffer {
  const found = path.resolve(file);
  try {
    return fs.readFileSync(found);
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? String(error.code) : String(error);
    throw wrong(
      code === 'ENOENT'
        ? `The ${what} ${found} does not exist: correct its path, which is "${attribute}" in launch.json.`
        : `The ${what} ${found} cannot be read (${code}): name a regular file as "${attribute}" in launch.json, and check its permissions.`,
    );
  }
}

const ascii = (bytes: Buffer, at: number, length: number): string =>
  (bytes.toString('latin1', at, at + length).split('\0')[0] ?? '').trim();

/** First bytes of what kernels are compressed with; of gzip: RFC 1952 2.3.1. */
const GZIP = Buffer.of(0x1f, 0x8b);
const compressions: readonly { readonly name: string; readonly magic: Buffer }[] = [
  { name: 'zstd', magic: Buffer.of(0x28, 0xb5, 0x2f, 0xfd) },
  { name: 'xz', magic: Buffer.of(0xfd, 0x37, 0x7a, 0x58, 0x5a) },
  { name: 'lz4', magic: Buffer.of(0x02, 0x21, 0x4c, 0x18) },
  { name: 'bzip2', magic: Buffer.from('BZh') },
  { name: 'lzop', magic: Buffer.of(0x89, 0x4c, 0x5a, 0x4f) },
];
const starts = (bytes: Buffer, magic: Buffer): boolean => bytes.subarray(0, magic.length).equals(magic);

/** EFI zboot: "MZ", "zimg" at 4, offset and size of the payload at 8 and 12, name of the compression at 24. */
function zbootPayload(bytes: Buffer): { payload: Buffer; compression: string } | undefined {
  if (bytes.length < 64 || ascii(bytes, 4, 4) !== 'zimg') return undefined;
  const [offset, size] = [bytes.readUInt32LE(8), bytes.readUInt32LE(12)];
  return { payload: bytes.subarray(offset, offset + size), compression: ascii(bytes, 24, 32) };
}

/** The raw image of a kernel file. @throws UserError */
export function unpackKernel(file: Buffer, name: string): Uint8Array {
  const zboot = zbootPayload(file);
  const bytes = zboot?.payload ?? file;
  const other = compressions.find(({ magic }) => starts(bytes, magic))?.name;
  if (other !== undefined || (zboot && zboot.compression !== 'gzip'))
    throw wrong(
      `The kernel ${name} is compressed with ${other ?? zboot?.compression}, and only gzip is unpacked here: unpack it and name the result as "kernel".`,
    );
  let image = bytes;
  if (starts(bytes, GZIP))
    try {
      image = gunzipSync(bytes, { maxOutputLength: MAX_KERNEL });
    } catch (error) {
      const why = error instanceof Error ? error.message : String(error);
      throw wrong(`The kernel ${name} cannot be unpacked (${why}): copy it again from where it came.`);
    }
  if (!readLinuxImage(image))
    throw wrong(
      `${name} is no arm64 Linux kernel image: name the vmlinuz of an arm64 system as "kernel"; an ELF or another image is a "program".`,
    );
  return image;
}

/** What a kernel boots with. */
export interface KernelFiles {
  readonly image: Uint8Array;
  readonly initrd?: Uint8Array;
  readonly dtb?: Uint8Array;
}

/** Reads a kernel and, where they are named, its RAM disk and its device tree. @throws UserError */
export function loadKernel(kernel: string, initrd?: string, dtb?: string): KernelFiles {
  const name = path.resolve(kernel);
  return {
    image: unpackKernel(read(kernel, 'kernel', 'kernel'), name),
    ...(initrd === undefined ? {} : { initrd: read(initrd, 'initial RAM disk', 'initrd') }),
    ...(dtb === undefined ? {} : { dtb: read(dtb, 'device tree', 'dtb') }),
  };
}
