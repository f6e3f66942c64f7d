/** A raw kernel image with its kallsyms as an ELF file with a symbol table. */
import type { ByteSource } from '../byte-source';
import { END_NAMES, type Kallsyms, type KernelSymbol } from './kallsyms';
import { SymbolElf, type ListedSymbol } from './symbol-elf';

/** A part of the image, by offsets in it. */
interface Part {
  readonly start: bigint;
  readonly end: bigint;
  readonly code: boolean;
}

/** Code and the rest. A kernel whose kallsyms name no bounds counts as code. */
function partsOf(kallsyms: Kallsyms): Part[] {
  const place = (name: string): bigint | undefined => kallsyms.named(name)[0]?.offset;
  const end = kallsyms.imageSize;
  const marks = [
    { start: 0n, end: place('_etext') ?? end },
    { start: place('_sinittext'), end: place('_einittext') },
  ];
  const parts: Part[] = [];
  let at = 0n;
  for (const mark of marks) {
    if (mark.start === undefined || mark.end === undefined) continue;
    if (mark.start < at || mark.end <= mark.start || mark.end > end) continue;
    if (mark.start > at) parts.push({ start: at, end: mark.start, code: false });
    parts.push({ start: mark.start, end: mark.end, code: true });
    at = mark.end;
  }
  if (at < end) parts.push({ start: at, end, code: false });
  return parts;
}

/** Letters of nm that are weak; small letters are local otherwise. */
const bindingOf = (kind: string): ListedSymbol['binding'] =>
  /[wv]/i.test(kind) ? 'weak' : kind === kind.toLowerCase() ? 'local' : 'global';

const isCode = (kind: string): boolean => /[tw]/i.test(kind);

/** The number of the part that a symbol belongs to: what ends a part belongs to that part. */
function partOf(parts: readonly Part[], { name, kind, offset }: KernelSymbol): number | undefined {
  if (kind === 'A' || kind === 'a') return undefined;
  const inside = END_NAMES.has(name) ? offset - 1n : offset;
  const index = parts.findIndex((part) => inside >= part.start && inside < part.end);
  return index < 0 ? undefined : index;
}

function* listed(kallsyms: Kallsyms, parts: readonly Part[]): Generator<ListedSymbol> {
  let last = -1n;
  for (const symbol of kallsyms) {
    // Of several names of one address Linux shows the first: the others are labels.
    const isFirst = symbol.offset !== last;
    last = symbol.offset;
    yield {
      name: symbol.name,
      address: kallsyms.address(symbol),
      size: symbol.size,
      binding: bindingOf(symbol.kind),
      type: !isCode(symbol.kind) ? 'object' : isFirst ? 'function' : 'none',
      part: partOf(parts, symbol),
    };
  }
}

/**
 * The symbols of a kernel as an ELF file.
 * @param loadAddress the physical address of the first byte of the image
 */
export function kernelElf(kallsyms: Kallsyms, loadAddress: bigint): ByteSource {
  const { imageBase, imageSize, count, namesSize } = kallsyms;
  const parts = partsOf(kallsyms);
  return new SymbolElf({
    parts: parts.map(({ start, end, code }) => ({ start: imageBase + start, end: imageBase + end, code })),
    segment: { address: imageBase, physical: loadAddress, size: imageSize },
    count,
    namesSize,
    symbols: () => listed(kallsyms, parts),
  });
}
