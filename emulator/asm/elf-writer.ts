/** Writes an ELF64 executable for AArch64 (System V ABI; ELF for the Arm 64-bit Architecture, IHI 0056). */
import { Bytes, Strings } from './bytes';
import { makeDwarf } from './dwarf';
import type { AssembledSymbol, PlacedSection } from './layout';
import { baseName } from './paths';
import { SHF, SHT } from './sections';

const machineAArch64 = 183;
const headerSize = 64;
const programHeaderSize = 56;
const sectionHeaderSize = 64;
const symbolSize = 24;
const page = 4096;

const SHN_ABS = 0xfff1;
const SHT_SYMTAB = 2;
const SHT_STRTAB = 3;
const STB = { local: 0, global: 1, weak: 2 } as const;
const STT = { none: 0, object: 1, func: 2, file: 4, tls: 6 } as const;

interface Header {
  name: string;
  type: number;
  flags: number;
  address: bigint;
  size: number;
  link: number;
  info: number;
  align: number;
  entrySize: number;
  content: Uint8Array;
  offset: number;
}

export interface Program {
  readonly sections: readonly PlacedSection[];
  readonly symbols: readonly AssembledSymbol[];
  /** The main source: its name is in the symbol table and the debug information. */
  readonly main: string;
}

const plain = (name: string, content: Uint8Array, flags = 0): Header => ({
  name,
  type: SHT.progbits,
  flags,
  address: 0n,
  size: content.length,
  link: 0,
  info: 0,
  align: 1,
  entrySize: flags & SHF.strings ? 1 : 0,
  content,
  offset: 0,
});

/** The program as an ELF file: one segment for each loaded section. */
export function writeElf(program: Program): Uint8Array {
  const headers: Header[] = program.sections.map((s) => ({
    ...plain(s.name, s.content, s.flags),
    type: s.type,
    address: s.address,
    size: s.size,
    align: s.align,
    entrySize: s.entrySize,
  }));
  const taken = new Set(headers.map((h) => h.name));
  for (const d of makeDwarf(program.sections, program.symbols, program.main)) {
    if (!taken.has(d.name)) headers.push(plain(d.name, d.content, d.flags));
  }
  headers.push(...symbolTable(program, headers.length));
  const names = new Strings(true);
  const nameOffsets = [...headers.map((h) => h.name), '.shstrtab'].map((n) => names.add(n));
  headers.push({ ...plain('.shstrtab', names.done()), type: SHT_STRTAB });

  const segments = headers.filter((h) => h.flags & SHF.alloc && h.size > 0);
  let offset = headerSize + programHeaderSize * segments.length;
  for (const h of headers) {
    // A segment's offset and address must agree modulo the page size.
    const to = h.flags & SHF.alloc && h.size > 0 ? page : Math.max(1, Math.min(h.align, 16));
    offset = Math.ceil(offset / to) * to;
    h.offset = offset;
    if (h.type !== SHT.nobits) offset += h.size;
  }
  const sectionHeaders = Math.ceil(offset / 8) * 8;

  const out = new Bytes();
  out.u8(0x7f, 0x45, 0x4c, 0x46, 2, 1, 1, 0).u64(0);
  out.u16(2).u16(machineAArch64).u32(1).u64(entryPoint(program)).u64(headerSize).u64(sectionHeaders);
  out.u32(0).u16(headerSize).u16(programHeaderSize).u16(segments.length);
  out
    .u16(sectionHeaderSize)
    .u16(headers.length + 1)
    .u16(headers.length);
  for (const h of segments) {
    const rights = 4 | (h.flags & SHF.write ? 2 : 0) | (h.flags & SHF.exec ? 1 : 0);
    out.u32(1).u32(rights).u64(h.offset).u64(h.address).u64(h.address);
    out
      .u64(h.type === SHT.nobits ? 0 : h.size)
      .u64(h.size)
      .u64(Math.max(page, h.align));
  }
  for (const h of headers) {
    out.bytes(new Uint8Array(h.offset - out.length)).bytes(h.content);
  }
  out.align(8);
  out.bytes(new Uint8Array(sectionHeaderSize));
  headers.forEach((h, i) => {
    out
      .u32(nameOffsets[i] ?? 0)
      .u32(h.type)
      .u64(h.flags)
      .u64(h.address)
      .u64(h.offset)
      .u64(h.size);
    out.u32(h.link).u32(h.info).u64(h.align).u64(h.entrySize);
  });
  return out.done();
}

/** `_start`, or where the first loaded code is. */
function entryPoint({ sections, symbols }: Program): bigint {
  const start = symbols.find((s) => s.name === '_start' && s.section !== undefined);
  const text =
    sections.find((s) => s.name === '.text' && s.size > 0) ??
    sections.find((s) => s.flags & SHF.exec && s.flags & SHF.alloc && s.size > 0);
  return start?.value ?? text?.address ?? 0n;
}

/** .symtab and .strtab, when `before` sections stand before them. Local symbols come first, as ELF demands. */
function symbolTable({ sections, symbols, main }: Program, before: number): Header[] {
  const names = new Strings(true);
  const out = new Bytes();
  const put = (
    name: string,
    info: number,
    other: number,
    section: number,
    value: bigint,
    size: bigint,
  ): void => {
    out.u32(names.add(name)).u8(info, other).u16(section).u64(value).u64(size);
  };
  const index = new Map(sections.map((s, i) => [s.name, i + 1]));
  put('', 0, 0, 0, 0n, 0n);
  put(baseName(main), STT.file, 0, SHN_ABS, 0n, 0n);
  sections.forEach((s, i) => {
    for (const m of s.mapping) put(m.code ? '$x' : '$d', 0, 0, i + 1, m.address, 0n);
  });
  const symbol = (s: AssembledSymbol): void => {
    const section = (s.section === undefined ? undefined : index.get(s.section)) ?? SHN_ABS;
    put(s.name, (STB[s.binding] << 4) | STT[s.type], s.visibility, section, s.value, s.size);
  };
  symbols.filter((s) => s.binding === 'local').forEach(symbol);
  const locals = out.length / symbolSize;
  symbols.filter((s) => s.binding !== 'local').forEach(symbol);
  return [
    {
      ...plain('.symtab', out.done()),
      type: SHT_SYMTAB,
      link: before + 2,
      info: locals,
      align: 8,
      entrySize: symbolSize,
    },
    { ...plain('.strtab', names.done()), type: SHT_STRTAB },
  ];
}
