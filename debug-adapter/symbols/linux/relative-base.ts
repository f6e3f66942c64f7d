/**
 * Where a kernel image was linked, and what the offsets of kallsyms count from.
 *
 * The word that holds the latter is an address, so that a relocatable kernel has a zero there and the address as the
 * addend of a relocation (R_AARCH64_RELATIVE in .rela.dyn); only a kernel that is not relocatable, or that packs its
 * relocations (RELR), has it in place. A raw image says neither where .rela.dyn is nor which address the image has.
 */

/** R_AARCH64_RELATIVE: Arm AAELF64, "Dynamic relocations". */
const RELATIVE = 0x403;
/** Elf64_Rela: r_offset, r_info, r_addend. */
const RELA_SIZE = 24;
/** Kernels are linked at a multiple of 2 MiB, plus text_offset (Linux, Documentation/arch/arm64/booting.rst). */
const LINK_ALIGN = 0x20_0000n;
const PAGE = 0x1000n;

export interface LinkPlace {
  /** The link-time address of the first byte of the image. */
  readonly imageBase: bigint;
  /** The address that offsets of kallsyms count from. */
  readonly relativeBase: bigint;
}

export interface PlaceQuestion {
  readonly image: Uint8Array;
  /** Memory that the image takes, BSS included. */
  readonly imageSize: bigint;
  readonly textOffset: bigint;
  /** Offset in the image of the word that holds the base of kallsyms. */
  readonly word: number;
  /** Offset in the image of what kallsyms offset zero means, where something tells it. */
  readonly zero: bigint | undefined;
}

/** Kernel addresses have all the upper bits set; user addresses have none. */
const isKernel = (address: bigint): boolean => address >> 48n === 0xffffn;

/** How likely a place is the right one: undefined where it cannot be. */
function plausibility(q: PlaceQuestion, { imageBase, relativeBase }: LinkPlace): number | undefined {
  const inside = relativeBase - imageBase;
  if (!isKernel(imageBase) || inside < 0n || inside >= q.imageSize) return undefined;
  if (q.zero !== undefined) return inside === q.zero ? 2 : undefined;
  if ((imageBase - q.textOffset) % LINK_ALIGN !== 0n) return undefined;
  return relativeBase % PAGE === 0n ? 1 : 0;
}

/** Where the image was linked; undefined where nothing in it tells. */
export function findLinkPlace(q: PlaceQuestion): LinkPlace | undefined {
  const { image, word } = q;
  const view = new DataView(image.buffer, image.byteOffset, image.byteLength);
  const inPlace = view.getBigUint64(word, true);
  if (isKernel(inPlace)) {
    const zero = q.zero ?? (inPlace - q.textOffset) % LINK_ALIGN;
    return { imageBase: inPlace - zero, relativeBase: inPlace };
  }
  let best: LinkPlace | undefined;
  let bestScore = -1;
  for (let at = 8; at + 16 <= image.length; at += 8) {
    if (view.getUint32(at, true) !== RELATIVE || view.getUint32(at + 4, true) !== 0) continue;
    // Most relocations fail on this: only the page offset of the word has to be compared.
    if (((view.getUint32(at - 8, true) - word) & 0xfff) !== 0) continue;
    const imageBase = view.getBigUint64(at - 8, true) - BigInt(word);
    const place = { imageBase, relativeBase: view.getBigUint64(at + RELA_SIZE - 16, true) };
    const score = plausibility(q, place);
    if (score !== undefined && score > bestScore) [best, bestScore] = [place, score];
    if (bestScore === 2) break;
  }
  return best;
}
