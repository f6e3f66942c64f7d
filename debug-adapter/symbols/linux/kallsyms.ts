import { SymbolError } from '../errors';
import { readImageHeader } from './image-header';
import { STRIDE, findTables, nameLength, type KallsymsTables } from './kallsyms-tables';
import { findLinkPlace } from './relative-base';

/** One symbol of kallsyms. */
export interface KernelSymbol {
  readonly name: string;
  /** Its letter, as nm has it: `t` and `T` are code, capitals are global. */
  readonly kind: string;
  /** Where it is in the image: physical address minus load address. */
  readonly offset: bigint;
  /** Up to the next symbol; 0 where no other follows, and for symbols that mark the end of something. */
  readonly size: bigint;
}

/** The name to which the first branch of an image goes: `stext` before Linux 5.8. */
const ENTRY_NAMES = ['primary_entry', 'stext'];
/** They say where something ends: nothing of that name is behind them. */
export const END_NAMES: ReadonlySet<string> = new Set(['_etext', '_einittext', '_end']);

/**
 * The symbols that a kernel carries for itself. The tables stay packed as they are in the image: a name is decoded only
 * for an answer, and a search by name compares bytes without making strings.
 */
export class Kallsyms {
  readonly count: number;
  /** The link-time address of the first byte of the image. */
  readonly imageBase: bigint;
  /** Memory that the image takes. */
  readonly imageSize: bigint;
  /** Offset in the image of the word from which offsets of kallsyms count, and its link-time value. */
  readonly baseWord: { readonly offset: bigint; readonly value: bigint };
  /** From offsets of kallsyms to offsets in the image. */
  private readonly zero: bigint;
  private readonly names: Uint8Array;
  private readonly offsets: Uint32Array;
  private readonly markers: Uint32Array;
  /** What each byte of a compressed name stands for. */
  private readonly tokens: readonly Uint8Array[];
  private readonly decoded: readonly string[];

  /**
   * @param image the bytes of a raw arm64 Image
   * @param file how error messages call it
   * @throws SymbolError when it is no such image, or has no symbols
   */
  constructor(image: Uint8Array, file: string) {
    const header = readImageHeader(image, file);
    const tables = findTables(image);
    if (!tables)
      throw new SymbolError(
        `${file} has no symbols of its own: build the kernel with CONFIG_KALLSYMS, or name its vmlinux in "symbols".`,
      );
    this.count = tables.count;
    this.imageSize = header.imageSize;
    // Copies, so that the image is not kept. (The slice of a Buffer is none.)
    this.names = new Uint8Array(image.subarray(tables.names, tables.namesEnd));
    this.markers = tables.markers;
    this.offsets = offsetsOf(image, tables);
    this.tokens = tokensOf(image, tables);
    this.decoded = this.tokens.map((token) => Buffer.from(token).toString('latin1'));
    const place = findLinkPlace({
      image,
      imageSize: header.imageSize,
      textOffset: header.textOffset,
      word: tables.relativeBase,
      zero: this.zeroByEntry(header.entry),
    });
    if (!place)
      throw new SymbolError(
        `${file} does not tell at which address it was linked: name its vmlinux in "symbols".`,
      );
    this.imageBase = place.imageBase;
    this.zero = place.relativeBase - place.imageBase;
    this.baseWord = { offset: BigInt(tables.relativeBase), value: place.relativeBase };
  }

  /** The image says where it begins to run, and kallsyms has a name for the place. */
  private zeroByEntry(entry: bigint | undefined): bigint | undefined {
    if (entry === undefined) return undefined;
    for (const name of ENTRY_NAMES) {
      const [index] = this.indicesOf(name);
      const offset = index === undefined ? undefined : this.offsets[index];
      if (offset !== undefined && BigInt(offset) <= entry + (1n << 32n)) {
        const zero = entry - BigInt(offset);
        return zero >= 0n ? zero : undefined;
      }
    }
    return undefined;
  }

  /** Where the name of symbol `i` begins in the names, its length byte included. */
  private nameAt(i: number): number {
    let at = this.markers[Math.floor(i / STRIDE)] ?? 0;
    for (let n = i % STRIDE; n > 0; n--) at = this.after(at);
    return at;
  }

  private after(at: number): number {
    const { start, length } = nameLength(this.names, at);
    return start + length;
  }

  /** The letter and the name of the symbol whose name begins at `at`. */
  private text(at: number): string {
    const { start, length } = nameLength(this.names, at);
    let text = '';
    for (let k = start; k < start + length; k++) text += this.decoded[this.names[k] ?? 0] ?? '';
    return text;
  }

  /** Bytes of all names, each with a zero behind it. */
  get namesSize(): number {
    let size = 0;
    for (let i = 0, at = 0; i < this.count; i++) {
      const { start, length } = nameLength(this.names, at);
      at = start + length;
      // The letter does not count, the zero does.
      for (let k = start; k < at; k++) size += this.tokens[this.names[k] ?? 0]?.length ?? 0;
    }
    return size;
  }

  private offsetOf(i: number): bigint {
    return BigInt(this.offsets[i] ?? 0) + this.zero;
  }

  /** Up to the next symbol at another address. */
  private sizeOf(i: number): bigint {
    const own = this.offsets[i] ?? 0;
    let next = i + 1;
    while (next < this.count && this.offsets[next] === own) next++;
    return next < this.count ? BigInt((this.offsets[next] ?? 0) - own) : 0n;
  }

  private make(i: number, text: string): KernelSymbol {
    const name = text.slice(1);
    const size = END_NAMES.has(name) ? 0n : this.sizeOf(i);
    return { kind: text[0] ?? '?', name, offset: this.offsetOf(i), size };
  }

  /** Symbol number `i`, in the order of addresses. */
  symbol(i: number): KernelSymbol | undefined {
    return i < 0 || i >= this.count ? undefined : this.make(i, this.text(this.nameAt(i)));
  }

  /** All symbols in the order of their addresses. */
  *[Symbol.iterator](): Generator<KernelSymbol> {
    for (let i = 0, at = 0; i < this.count; i++, at = this.after(at)) yield this.make(i, this.text(at));
  }

  /** The symbol that a place in the image belongs to, by its offset there: physical address minus load address. */
  atOffset(offset: bigint): KernelSymbol | undefined {
    const wanted = offset - this.zero;
    if (wanted < 0n || offset >= this.imageSize) return undefined;
    let lo = 0;
    let hi = this.count;
    while (lo < hi) {
      const mid = (lo + hi) >>> 1;
      if (BigInt(this.offsets[mid] ?? 0) <= wanted) lo = mid + 1;
      else hi = mid;
    }
    // Of several names of one address the first is the one that Linux shows, too.
    let i = lo - 1;
    while (i > 0 && this.offsets[i - 1] === this.offsets[i]) i--;
    const found = this.symbol(i);
    return found && (offset === found.offset || offset - found.offset < found.size) ? found : undefined;
  }

  /** The symbol that a virtual address belongs to. `slide` is what KASLR added to the link-time addresses. */
  atAddress(address: bigint, slide = 0n): KernelSymbol | undefined {
    return this.atOffset(BigInt.asUintN(64, address - slide - this.imageBase));
  }

  /** The virtual address of a symbol. */
  address(symbol: KernelSymbol, slide = 0n): bigint {
    return BigInt.asUintN(64, this.imageBase + symbol.offset + slide);
  }

  /** The numbers of the symbols whose name is `name`. */
  private *indicesOf(name: string): Generator<number> {
    const wanted = Buffer.from(name, 'latin1');
    for (let i = 0, at = 0; i < this.count; i++) {
      const { start, length } = nameLength(this.names, at);
      at = start + length;
      if (this.isName(start, length, wanted)) yield i;
    }
  }

  private isName(start: number, length: number, wanted: Uint8Array): boolean {
    let matched = -1; // the first character is the letter
    for (let k = start; k < start + length; k++) {
      const token = this.tokens[this.names[k] ?? 0] ?? new Uint8Array(0);
      for (const character of token) {
        if (matched >= wanted.length) return false;
        if (matched >= 0 && wanted[matched] !== character) return false;
        matched++;
      }
    }
    return matched === wanted.length;
  }

  /** All symbols of exactly that name: several files may each have a local one. */
  named(name: string): KernelSymbol[] {
    return [...this.indicesOf(name)].flatMap((i) => this.symbol(i) ?? []);
  }
}

function offsetsOf(image: Uint8Array, { offsets, count }: KallsymsTables): Uint32Array {
  const view = new DataView(image.buffer, image.byteOffset + offsets, 4 * count);
  return Uint32Array.from({ length: count }, (_, i) => view.getUint32(4 * i, true));
}

function tokensOf(image: Uint8Array, { tokenTable, tokenIndex }: KallsymsTables): Uint8Array[] {
  return Array.from(tokenIndex, (at) => {
    const start = tokenTable + at;
    return new Uint8Array(image.subarray(start, image.indexOf(0, start)));
  });
}
