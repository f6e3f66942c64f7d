/** Reads of an ELF file what a boot loader needs: the program headers. Bad files give one clear sentence. */

/** Something that the user gave cannot be booted; the message says why and what to do. */
export class BootError extends Error {
  override readonly name = 'BootError';
}

export interface Segment {
  /** Physical and virtual address of the first byte. */
  readonly pa: bigint;
  readonly va: bigint;
  /** Bytes from the file; the rest up to memorySize is zero. */
  readonly data: Uint8Array;
  readonly memorySize: bigint;
}

export interface ElfImage {
  /** Virtual address of the first instruction. */
  readonly entry: bigint;
  readonly segments: readonly Segment[];
}

const EM_AARCH64 = 183;
const PT_LOAD = 1;
const ET_EXEC = 2;
const ET_DYN = 3;
const EHDR_SIZE = 64;
const PHDR_SIZE = 56;
/** Far more than any linker makes; it bounds the work that a hostile file can cause. */
const MAX_SEGMENTS = 512;

const machines: Readonly<Record<number, string>> = {
  3: 'x86 (32 bits)',
  8: 'MIPS',
  20: 'PowerPC',
  21: 'PowerPC64',
  40: 'Arm (32 bits)',
  62: 'x86-64',
  243: 'RISC-V',
};

const types: Readonly<Record<number, string>> = {
  1: 'a relocatable object file: link it first, for example with ld -Ttext=0x40080000',
  4: 'a core dump: give the program itself',
};

/** Does the file begin like an ELF? */
export function isElf(file: Uint8Array): boolean {
  return file[0] === 0x7f && file[1] === 0x45 && file[2] === 0x4c && file[3] === 0x46;
}

/** The loadable segments and the entry of an AArch64 executable. Throws BootError. */
export function readElf(file: Uint8Array): ElfImage {
  if (!isElf(file)) throw new BootError('This file is not an ELF file.');
  if (file.length < EHDR_SIZE)
    throw new BootError(`The ELF file is cut off after ${file.length} bytes: build or copy it again.`);
  const view = new DataView(file.buffer, file.byteOffset, file.byteLength);
  const machine = view.getUint16(18, file[5] !== 2);
  const found = machines[machine] ?? `machine ${machine}`;
  if (file[4] !== 2 || file[5] !== 1 || machine !== EM_AARCH64)
    throw new BootError(
      machine === EM_AARCH64
        ? 'This ELF file is not a little-endian 64-bit one, which is all that can be booted.'
        : `This ELF file is for ${found}, not for AArch64: build it with an AArch64 tool chain.`,
    );
  const type = view.getUint16(16, true);
  if (type !== ET_EXEC && type !== ET_DYN)
    throw new BootError(
      `This ELF file is ${types[type] ?? `of type ${type}`}${type in types ? '' : ', not an executable'}.`,
    );
  const segments = readSegments(file, view);
  if (segments.length === 0)
    throw new BootError('The ELF file has no loadable segment (PT_LOAD): check the linker script.');
  return { entry: view.getBigUint64(24, true), segments };
}

function readSegments(file: Uint8Array, view: DataView): Segment[] {
  const table = view.getBigUint64(32, true);
  const entrySize = view.getUint16(54, true);
  const count = view.getUint16(56, true);
  if (count === 0) return [];
  if (entrySize !== PHDR_SIZE)
    throw new BootError(
      `The ELF file says that a program header has ${entrySize} bytes; it has ${PHDR_SIZE}.`,
    );
  const length = BigInt(file.length);
  if (table + BigInt(count * PHDR_SIZE) > length)
    throw new BootError('The ELF file ends before its program headers: build or copy it again.');
  const segments: Segment[] = [];
  for (let n = 0; n < count; n++) {
    const at = Number(table) + n * PHDR_SIZE;
    const memorySize = view.getBigUint64(at + 40, true);
    if (view.getUint32(at, true) !== PT_LOAD || memorySize === 0n) continue;
    const offset = view.getBigUint64(at + 8, true);
    const fileSize = view.getBigUint64(at + 32, true);
    if (offset + fileSize > length)
      throw new BootError(
        `The ELF file ends before the data of program header ${n}: build or copy it again.`,
      );
    if (fileSize > memorySize)
      throw new BootError(
        `Program header ${n} of the ELF file has more bytes in the file than in memory: check the linker script.`,
      );
    if (segments.length === MAX_SEGMENTS)
      throw new BootError(
        `The ELF file has more than ${MAX_SEGMENTS} loadable segments: link it into fewer.`,
      );
    segments.push({
      va: view.getBigUint64(at + 16, true),
      pa: view.getBigUint64(at + 24, true),
      data: file.subarray(Number(offset), Number(offset + fileSize)),
      memorySize,
    });
  }
  return segments;
}
