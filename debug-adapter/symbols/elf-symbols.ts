import { readExactly } from './byte-source';
import { stringAt } from './cursor';
import { SHT_DYNSYM, SHT_SYMTAB, SHT_NOBITS, SHF_ALLOC, SHF_EXECINSTR } from './elf';
import type { ElfFile, Section } from './elf';
import { SymbolError } from './errors';

export type SymbolKind = 'function' | 'object' | 'label' | 'absolute';
export type Binding = 'local' | 'global' | 'weak';

/** One symbol of .symtab or .dynsym, with its link-time address. */
export interface ElfSymbol {
  name: string;
  address: bigint;
  size: bigint;
  kind: SymbolKind;
  binding: Binding;
  /** In an executable section. */
  code: boolean;
}

const ENTRY_SIZE = 24;
const STT_NOTYPE = 0;
const STT_OBJECT = 1;
const STT_FUNC = 2;
const STT_GNU_IFUNC = 10;
const SHN_UNDEF = 0;
const SHN_ABS = 0xfff1;
const SHN_LORESERVE = 0xff00;
const SHN_XINDEX = 0xffff;
const STB_LOCAL = 0;
const STB_WEAK = 2;

const empty = new Uint8Array(0);

/** Whether a name is a mapping symbol: `$x` code, `$d` data, with an optional `.suffix` (Arm IHI 0056, "Mapping symbols"). */
function isMappingSymbol(strings: Uint8Array, at: number): boolean {
  if (strings[at] !== 0x24) return false;
  const letter = strings[at + 1];
  const after = strings[at + 2];
  return (letter === 0x78 || letter === 0x64) && (after === 0 || after === 0x2e);
}

/**
 * The symbols of one ELF file. The table stays packed as it is in the file (24 bytes a symbol); names are decoded only
 * for answers, so a kernel with 200,000 symbols costs about the size of its .symtab and .strtab.
 */
export class SymbolTable {
  private readonly entries: DataView;
  private readonly strings: Uint8Array;
  private readonly count: number;
  /** Indices of the symbols that an address lookup may return, by address, the best of equals last. */
  private order: Uint32Array | undefined;
  /** For each place of `order`, the highest end of any sized symbol up to it: it bounds the walk backwards. */
  private reach: BigUint64Array | undefined;

  constructor(private readonly elf: ElfFile) {
    const table =
      elf.sections.find((s) => s.type === SHT_SYMTAB) ?? elf.sections.find((s) => s.type === SHT_DYNSYM);
    const names = table === undefined ? undefined : elf.sections[table.link];
    if (table === undefined || names === undefined || names.type === SHT_NOBITS) {
      this.entries = new DataView(empty.buffer);
      this.strings = empty;
      this.count = 0;
      return;
    }
    if (table.entrySize !== ENTRY_SIZE) {
      throw new SymbolError(
        `${elf.name} has symbols of ${table.entrySize} bytes instead of ${ENTRY_SIZE}: build it again.`,
      );
    }
    const bytes = this.whole(table);
    this.entries = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.strings = this.whole(names);
    this.count = Math.floor(bytes.length / ENTRY_SIZE);
  }

  private whole(section: Section): Uint8Array {
    const content = this.elf.contents(section);
    return readExactly(content, 0, content.size, `${section.name} of ${this.elf.name}`);
  }

  get size(): number {
    return this.count;
  }

  private value(i: number): bigint {
    return this.entries.getBigUint64(i * ENTRY_SIZE + 8, true);
  }
  private sizeOf(i: number): bigint {
    return this.entries.getBigUint64(i * ENTRY_SIZE + 16, true);
  }
  private nameOffset(i: number): number {
    return this.entries.getUint32(i * ENTRY_SIZE, true);
  }
  private typeOf(i: number): number {
    return this.entries.getUint8(i * ENTRY_SIZE + 4) & 15;
  }
  private bindingOf(i: number): number {
    return this.entries.getUint8(i * ENTRY_SIZE + 4) >> 4;
  }
  private sectionIndex(i: number): number {
    return this.entries.getUint16(i * ENTRY_SIZE + 6, true);
  }

  /** Named, defined, and of a kind that names a place or a value. */
  private isUsable(i: number): boolean {
    const type = this.typeOf(i);
    if (type > STT_FUNC && type !== STT_GNU_IFUNC) return false;
    if (this.sectionIndex(i) === SHN_UNDEF) return false;
    const at = this.nameOffset(i);
    return at < this.strings.length && this.strings[at] !== 0 && !isMappingSymbol(this.strings, at);
  }

  private isAbsolute(i: number): boolean {
    return this.sectionIndex(i) === SHN_ABS;
  }

  private sectionOf(i: number): Section | undefined {
    const index = this.sectionIndex(i);
    if (index >= SHN_LORESERVE && index !== SHN_XINDEX) return undefined;
    return index === SHN_XINDEX ? this.elf.sectionAt(this.value(i)) : this.elf.sections[index];
  }

  private build(): { order: Uint32Array; reach: BigUint64Array } {
    if (this.order !== undefined && this.reach !== undefined) return { order: this.order, reach: this.reach };
    const usable: number[] = [];
    for (let i = 0; i < this.count; i++) {
      if (this.isUsable(i) && !this.isAbsolute(i)) usable.push(i);
    }
    const high = new Uint32Array(this.count);
    const low = new Uint32Array(this.count);
    for (const i of usable) {
      low[i] = this.entries.getUint32(i * ENTRY_SIZE + 8, true);
      high[i] = this.entries.getUint32(i * ENTRY_SIZE + 12, true);
    }
    const order = Uint32Array.from(usable).sort(
      (a, b) =>
        (high[a] ?? 0) - (high[b] ?? 0) ||
        (low[a] ?? 0) - (low[b] ?? 0) ||
        this.rank(a) - this.rank(b) ||
        b - a,
    );
    const reach = new BigUint64Array(order.length);
    let furthest = 0n;
    order.forEach((i, at) => {
      const end = this.value(i) + this.sizeOf(i);
      if (end > furthest && end < 1n << 64n) furthest = end;
      reach[at] = furthest;
    });
    this.order = order;
    this.reach = reach;
    return { order, reach };
  }

  /** Which of several symbols at one address is the name that a person expects. */
  private rank(i: number): number {
    const type = this.typeOf(i);
    const flags = this.sectionOf(i)?.flags ?? 0;
    const isCode = (flags & (SHF_ALLOC | SHF_EXECINSTR)) === (SHF_ALLOC | SHF_EXECINSTR);
    const fits = isCode ? type === STT_FUNC || type === STT_GNU_IFUNC : type === STT_OBJECT;
    const binding = this.bindingOf(i);
    return (
      ((flags & SHF_ALLOC) !== 0 ? 8 : 0) +
      (fits ? 4 : 0) +
      (binding === STB_LOCAL ? 0 : binding === STB_WEAK ? 1 : 2) +
      (this.sizeOf(i) > 0n ? 0.5 : 0)
    );
  }

  private at(i: number): ElfSymbol {
    const type = this.typeOf(i);
    const binding = this.bindingOf(i);
    const flags = this.sectionOf(i)?.flags ?? 0;
    const kind: SymbolKind = this.isAbsolute(i)
      ? 'absolute'
      : type === STT_FUNC || type === STT_GNU_IFUNC
        ? 'function'
        : type === STT_NOTYPE
          ? 'label'
          : 'object';
    return {
      name: stringAt(this.strings, this.nameOffset(i)) ?? '',
      address: this.value(i),
      size: this.sizeOf(i),
      kind,
      binding: binding === STB_LOCAL ? 'local' : binding === STB_WEAK ? 'weak' : 'global',
      code: (flags & SHF_EXECINSTR) !== 0,
    };
  }

  /**
   * The symbol that an address belongs to: the innermost symbol whose size covers it, else the nearest one before it in
   * the same section (assembly labels mostly have no size).
   */
  covering(address: bigint): ElfSymbol | undefined {
    const section = this.elf.sectionAt(address);
    if (section === undefined) return undefined;
    const { order, reach } = this.build();
    let lo = 0;
    let hi = order.length;
    while (lo < hi) {
      const mid = (lo + hi) >>> 1;
      if (this.value(order[mid] ?? 0) <= address) lo = mid + 1;
      else hi = mid;
    }
    let nearest: number | undefined;
    for (let at = lo - 1; at >= 0; at--) {
      const i = order[at] ?? 0;
      const start = this.value(i);
      const foreign = this.sectionOf(i)?.index !== section.index;
      if (!foreign && address - start < this.sizeOf(i)) return this.at(i);
      if (start < section.addr && (reach[at] ?? 0n) <= address) break;
      // A symbol such as _etext, at the end of another section, does not name what follows it.
      if (nearest === undefined && !foreign && start >= section.addr) nearest = i;
      if (nearest !== undefined && (reach[at] ?? 0n) <= address) break;
    }
    // Behind the end of a sized symbol is padding, which has no name (gdb sees it so too).
    return nearest === undefined || this.sizeOf(nearest) > 0n ? undefined : this.at(nearest);
  }

  /** All symbols of exactly that name: several files may each have a local one. */
  named(name: string): ElfSymbol[] {
    const wanted = new TextEncoder().encode(`${name}\0`);
    const found: ElfSymbol[] = [];
    for (let i = 0; i < this.count; i++) {
      if (this.nameStartsWith(i, wanted) && this.isUsable(i)) found.push(this.at(i));
    }
    const weight = (s: ElfSymbol) => (s.binding === 'local' ? 1 : 0);
    return found.sort((a, b) => weight(a) - weight(b));
  }

  /** Symbols in code whose name starts with `prefix`, at most `limit`, in the table's order. */
  codeNamesWith(prefix: string, limit: number): ElfSymbol[] {
    const wanted = new TextEncoder().encode(prefix);
    const found: ElfSymbol[] = [];
    for (let i = 0; i < this.count && found.length < limit; i++) {
      if (!this.nameStartsWith(i, wanted) || !this.isUsable(i) || this.isAbsolute(i)) continue;
      if (((this.sectionOf(i)?.flags ?? 0) & SHF_EXECINSTR) !== 0) found.push(this.at(i));
    }
    return found;
  }

  private nameStartsWith(i: number, wanted: Uint8Array): boolean {
    const at = this.nameOffset(i);
    for (let k = 0; k < wanted.length; k++) if (this.strings[at + k] !== wanted[k]) return false;
    return true;
  }
}
