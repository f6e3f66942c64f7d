/**
 * The ELF that a kernel image was made from (`vmlinux`), which distributions put into a package of its own for its DWARF.
 * Its p_paddr are virtual addresses, and nothing in its headers says which image it belongs to: .notes does, which the
 * image has too, with the build ID in it (linker option --build-id).
 */
import type { ElfFile } from '../elf';
import { PT_LOAD } from '../elf';

const NT_GNU_BUILD_ID = 3;
const HALF = 1n << 63n;
const HEADER = 12;
/** A few notes of some twenty bytes each. */
const MAX_NOTES = 1 << 16;

export interface Vmlinux {
  /** Link-time virtual address of the first byte of its image. */
  readonly imageBase: bigint;
  /** The p_paddr of that byte. */
  readonly paddr: bigint;
  /** In hexadecimal digits; undefined where the kernel was linked without one. */
  readonly buildId: string | undefined;
  /** Whether a raw image was made from it. */
  isOf(image: Uint8Array): boolean;
  /** The build ID of an image at the place where this file has its own. */
  buildIdIn(image: Uint8Array): string | undefined;
}

/** The build ID in the bytes of a note section (gABI, "Note Section": sizes, type, name and content padded to 4 bytes). */
function buildIdOf(notes: Uint8Array): string | undefined {
  const view = new DataView(notes.buffer, notes.byteOffset, notes.byteLength);
  const padded = (size: number): number => Math.ceil(size / 4) * 4;
  for (let at = 0; at + HEADER <= notes.length;) {
    const [nameSize, size, type] = [0, 4, 8].map((field) => view.getUint32(at + field, true));
    const name = at + HEADER;
    const content = name + padded(nameSize ?? 0);
    const isGnu = String.fromCharCode(...notes.subarray(name, name + 4)) === 'GNU\0';
    if (isGnu && type === NT_GNU_BUILD_ID)
      return Buffer.from(notes.subarray(content, content + (size ?? 0))).toString('hex');
    at = content + padded(size ?? 0);
  }
  return undefined;
}

/** What an ELF says of the kernel that it is; undefined for one that is no arm64 Linux kernel. */
export function vmlinuxOf(elf: ElfFile): Vmlinux | undefined {
  const first = elf.segments.find((s) => s.type === PT_LOAD);
  const notes = elf.section('.notes');
  if (!first || first.vaddr < HALF || !notes || !elf.section('.head.text') || notes.size > MAX_NOTES)
    return undefined;
  const own = elf.contents(notes).read(0, notes.size).slice();
  const at = Number(BigInt.asUintN(52, notes.addr - first.vaddr));
  return {
    imageBase: first.vaddr,
    paddr: first.paddr,
    buildId: buildIdOf(own),
    isOf: (image) => Buffer.compare(image.subarray(at, at + own.length), own) === 0,
    // That of another build may be longer.
    buildIdIn: (image) => buildIdOf(image.subarray(at, at + MAX_NOTES)),
  };
}
