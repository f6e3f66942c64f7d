/**
 * A list of symbols as an ELF file with a symbol table, so that everything that works with the symbols of an ELF works
 * with those that a kernel carries for itself. The file is never written anywhere; its symbol table is made when it is
 * read first.
 */
import type { ByteSource } from '../byte-source';

const HEADER = 64;
const SEGMENT = 56;
const SECTION = 64;
const SYMBOL = 24;
const EM_AARCH64 = 183;
const ET_EXEC = 2;
const PT_LOAD = 1;
const SHT = { null: 0, symtab: 2, strtab: 3, nobits: 8 } as const;
const SHF = { write: 1, alloc: 2, exec: 4 } as const;
const SHN_ABS = 0xfff1;
const STB = { local: 0, global: 1, weak: 2 } as const;
const STT = { none: 0, object: 1, function: 2 } as const;
/** Readers take pages of this size (cachedSource): a look at the headers must not make the symbol table. */
const HEAD_SIZE = 1 << 15;
const SECTION_NAMES = '\0.text\0.data\0.symtab\0.strtab\0.shstrtab\0';

/** A part of memory, by link-time addresses. */
export interface ElfPart {
  readonly start: bigint;
  readonly end: bigint;
  readonly code: boolean;
}

export interface ListedSymbol {
  readonly name: string;
  readonly address: bigint;
  readonly size: bigint;
  readonly binding: keyof typeof STB;
  readonly type: keyof typeof STT;
  /** The number of its part; undefined for a value that is no address. */
  readonly part: number | undefined;
}

export interface SymbolList {
  readonly parts: readonly ElfPart[];
  /** Where it is in physical memory, if that is in one piece. */
  readonly segment?: { readonly address: bigint; readonly physical: bigint; readonly size: bigint };
  readonly count: number;
  /** Bytes of all names, each with a zero behind it. */
  readonly namesSize: number;
  symbols(): Iterable<ListedSymbol>;
}

export class SymbolElf implements ByteSource {
  readonly size: number;
  private readonly head: Uint8Array;
  private body: Uint8Array | undefined;
  private readonly stringsSize: number;

  constructor(private readonly list: SymbolList) {
    this.stringsSize = 1 + list.namesSize;
    const sections = list.parts.length + 4;
    const names = HEADER + SEGMENT + sections * SECTION;
    this.head = new Uint8Array(HEAD_SIZE);
    this.writeHead(sections, names);
    this.size = HEAD_SIZE + this.symbolsSize + this.stringsSize;
  }

  private get symbolsSize(): number {
    return (this.list.count + 1) * SYMBOL;
  }

  private writeHead(sections: number, names: number): void {
    const { head } = this;
    const { parts, segment } = this.list;
    const view = new DataView(head.buffer);
    head.set([0x7f, 0x45, 0x4c, 0x46, 2, 1, 1]);
    view.setUint16(16, ET_EXEC, true);
    view.setUint16(18, EM_AARCH64, true);
    view.setUint32(20, 1, true);
    view.setBigUint64(24, parts[0]?.start ?? 0n, true);
    view.setBigUint64(32, BigInt(HEADER), true);
    view.setBigUint64(40, BigInt(HEADER + SEGMENT), true);
    [HEADER, SEGMENT, segment ? 1 : 0, SECTION, sections, sections - 1].forEach((value, i) =>
      view.setUint16(52 + 2 * i, value, true),
    );
    if (segment) {
      // It says where the content is in memory; the content itself is not wanted.
      view.setUint32(HEADER, PT_LOAD, true);
      view.setUint32(HEADER + 4, 7, true);
      view.setBigUint64(HEADER + 16, segment.address, true);
      view.setBigUint64(HEADER + 24, segment.physical, true);
      view.setBigUint64(HEADER + 40, segment.size, true);
    }
    let index = 0;
    const section = (
      name: string,
      fields: { type: number; flags?: number; addr?: bigint; at?: number; size: bigint; link?: number },
      entry = 0,
    ): void => {
      const at = HEADER + SEGMENT + SECTION * index++;
      view.setUint32(at, name === '' ? 0 : SECTION_NAMES.indexOf(`${name}\0`), true);
      view.setUint32(at + 4, fields.type, true);
      view.setBigUint64(at + 8, BigInt(fields.flags ?? 0), true);
      view.setBigUint64(at + 16, fields.addr ?? 0n, true);
      view.setBigUint64(at + 24, BigInt(fields.at ?? 0), true);
      view.setBigUint64(at + 32, fields.size, true);
      view.setUint32(at + 40, fields.link ?? 0, true);
      view.setBigUint64(at + 56, BigInt(entry), true);
    };
    section('', { type: SHT.null, size: 0n });
    for (const { start, end, code } of parts)
      section(code ? '.text' : '.data', {
        type: SHT.nobits,
        flags: SHF.alloc | (code ? SHF.exec : SHF.write),
        addr: start,
        size: end - start,
      });
    const symbols = head.length;
    const link = parts.length + 2;
    section('.symtab', { type: SHT.symtab, at: symbols, size: BigInt(this.symbolsSize), link }, SYMBOL);
    section('.strtab', {
      type: SHT.strtab,
      at: symbols + this.symbolsSize,
      size: BigInt(this.stringsSize),
    });
    section('.shstrtab', { type: SHT.strtab, at: names, size: BigInt(SECTION_NAMES.length) });
    head.set(Buffer.from(SECTION_NAMES, 'latin1'), names);
  }

  private makeBody(): Uint8Array {
    const { list, symbolsSize } = this;
    const body = Buffer.alloc(symbolsSize + this.stringsSize);
    let at = SYMBOL;
    let name = 1;
    for (const symbol of list.symbols()) {
      body.writeUInt32LE(name, at);
      body.writeUInt8((STB[symbol.binding] << 4) | STT[symbol.type], at + 4);
      body.writeUInt16LE(symbol.part === undefined ? SHN_ABS : symbol.part + 1, at + 6);
      body.writeBigUInt64LE(symbol.address, at + 8);
      body.writeBigUInt64LE(symbol.size, at + 16);
      at += SYMBOL;
      name += body.write(symbol.name, symbolsSize + name, 'latin1') + 1;
    }
    return body;
  }

  read(offset: number, length: number): Uint8Array {
    const end = Math.min(this.size, offset + length);
    if (offset >= end) return new Uint8Array(0);
    const { head } = this;
    if (end <= head.length) return head.subarray(offset, end);
    this.body ??= this.makeBody();
    if (offset >= head.length) return this.body.subarray(offset - head.length, end - head.length);
    const out = new Uint8Array(end - offset);
    out.set(head.subarray(offset));
    out.set(this.body.subarray(0, end - head.length), head.length - offset);
    return out;
  }
}
