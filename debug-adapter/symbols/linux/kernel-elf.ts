/**
 * A raw kernel image with its kallsyms as an ELF file with a symbol table, so that everything that works with the
 * symbols of an ELF works with those of a kernel. The file is never written anywhere; its symbol table is made when it is
 * read first.
 */
import type { ByteSource } from '../byte-source';
import { END_NAMES, type Kallsyms, type KernelSymbol } from './kallsyms';

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
const bindingOf = (kind: string): number =>
  /[wv]/i.test(kind) ? STB.weak : kind === kind.toLowerCase() ? STB.local : STB.global;

const isCode = (kind: string): boolean => /[tw]/i.test(kind);

class KernelElf implements ByteSource {
  readonly size: number;
  private readonly parts: readonly Part[];
  private readonly head: Uint8Array;
  private body: Uint8Array | undefined;
  private readonly stringsSize: number;

  constructor(
    private readonly kallsyms: Kallsyms,
    private readonly loadAddress: bigint,
  ) {
    this.parts = partsOf(kallsyms);
    this.stringsSize = 1 + kallsyms.namesSize;
    const sections = this.parts.length + 4;
    const names = HEADER + SEGMENT + sections * SECTION;
    this.head = new Uint8Array(HEAD_SIZE);
    this.writeHead(sections, names);
    this.size = HEAD_SIZE + this.symbolsSize + this.stringsSize;
  }

  private get symbolsSize(): number {
    return (this.kallsyms.count + 1) * SYMBOL;
  }

  private writeHead(sections: number, names: number): void {
    const { head, kallsyms, parts } = this;
    const view = new DataView(head.buffer);
    head.set([0x7f, 0x45, 0x4c, 0x46, 2, 1, 1]);
    view.setUint16(16, ET_EXEC, true);
    view.setUint16(18, EM_AARCH64, true);
    view.setUint32(20, 1, true);
    view.setBigUint64(24, kallsyms.imageBase, true);
    view.setBigUint64(32, BigInt(HEADER), true);
    view.setBigUint64(40, BigInt(HEADER + SEGMENT), true);
    [HEADER, SEGMENT, 1, SECTION, sections, sections - 1].forEach((value, i) =>
      view.setUint16(52 + 2 * i, value, true),
    );
    // One segment says where the image is in memory. Its content is not wanted.
    view.setUint32(HEADER, PT_LOAD, true);
    view.setUint32(HEADER + 4, 7, true);
    view.setBigUint64(HEADER + 16, kallsyms.imageBase, true);
    view.setBigUint64(HEADER + 24, this.loadAddress, true);
    view.setBigUint64(HEADER + 40, kallsyms.imageSize, true);
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
        addr: kallsyms.imageBase + start,
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

  /** The number of the section that a symbol belongs to: what ends a part belongs to that part. */
  private sectionOf({ name, kind, offset }: KernelSymbol): number {
    if (kind === 'A' || kind === 'a') return SHN_ABS;
    const inside = END_NAMES.has(name) ? offset - 1n : offset;
    const index = this.parts.findIndex((part) => inside >= part.start && inside < part.end);
    return index < 0 ? SHN_ABS : index + 1;
  }

  private makeBody(): Uint8Array {
    const { kallsyms, symbolsSize } = this;
    const body = Buffer.alloc(symbolsSize + this.stringsSize);
    let at = SYMBOL;
    let name = 1;
    let last = -1n;
    for (const symbol of kallsyms) {
      // Of several names of one address Linux shows the first: the others are labels.
      const isFirst = symbol.offset !== last;
      last = symbol.offset;
      const type = !isCode(symbol.kind) ? STT.object : isFirst ? STT.function : STT.none;
      body.writeUInt32LE(name, at);
      body.writeUInt8((bindingOf(symbol.kind) << 4) | type, at + 4);
      body.writeUInt16LE(this.sectionOf(symbol), at + 6);
      body.writeBigUInt64LE(kallsyms.address(symbol), at + 8);
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

/**
 * The symbols of a kernel as an ELF file.
 * @param loadAddress the physical address of the first byte of the image
 */
export function kernelElf(kallsyms: Kallsyms, loadAddress: bigint): ByteSource {
  return new KernelElf(kallsyms, loadAddress);
}
