import { cachedSource, memorySource, partOf, readExactly } from './byte-source';
import type { ByteSource } from './byte-source';
import { Cursor, stringAt } from './cursor';
import { SymbolError } from './errors';
import { IntervalIndex } from './interval-index';

/** Numbers of the ELF specification (System V gABI chapter 4 and 5; "ELF for the Arm 64-bit Architecture"). */
export const EM_PPC64 = 21;
export const EM_AARCH64 = 183;
export const PT_LOAD = 1;
export const SHT_SYMTAB = 2;
export const SHT_NOBITS = 8;
export const SHT_DYNSYM = 11;
export const SHF_ALLOC = 0x2;
export const SHF_EXECINSTR = 0x4;
const SHF_TLS = 0x400;
const SHF_COMPRESSED = 0x800;
const PF_X = 1;
const SHN_XINDEX = 0xffff;
const PN_XNUM = 0xffff;
const ELFCOMPRESS_ZLIB = 1;

const machineNames: Readonly<Record<number, string>> = {
  3: 'Intel 386',
  8: 'MIPS',
  20: '32-bit PowerPC',
  [EM_PPC64]: '64-bit PowerPC',
  40: '32-bit Arm',
  62: 'x86-64',
  [EM_AARCH64]: 'AArch64',
  243: 'RISC-V',
};

const typeProblems: Readonly<Record<number, string>> = {
  0: 'has no ELF type',
  1: 'is an object file that is not linked yet: link it with aarch64-linux-gnu-ld and name the result',
  4: 'is a core dump, not a program: name the program itself',
};

const advice =
  'Worldswitch debugs 64-bit little-endian Arm programs; rebuild it with aarch64-linux-gnu-gcc or aarch64-linux-gnu-as';

/** One program header. */
export interface Segment {
  type: number;
  flags: number;
  offset: number;
  vaddr: bigint;
  paddr: bigint;
  fileSize: number;
  memSize: bigint;
}

/** One section header. `offset` and `size` are of the file; `size` counts the compressed bytes of a compressed section. */
export interface Section {
  index: number;
  name: string;
  type: number;
  flags: number;
  addr: bigint;
  offset: number;
  size: number;
  link: number;
  entrySize: number;
}

/** Undoes zlib (RFC 1950); `size` is the number of bytes that must come out. */
export type Inflate = (data: Uint8Array, size: number) => Uint8Array;

export interface ElfOptions {
  /** The machines that are welcome; AArch64 when absent. */
  machines?: readonly number[];
  /** Needed only for compressed debug sections. */
  inflate?: Inflate;
}

const HEADER_SIZE = 64;
const SEGMENT_SIZE = 56;
const SECTION_SIZE = 64;
/** Far above real files (a kernel has about 80; -ffunction-sections objects are not linked), so only damage exceeds it. */
const MAX_SECTIONS = 1 << 18;

/** An ELF64 little-endian executable or shared object. Headers are read when opened, all else on demand. */
export class ElfFile {
  readonly source: ByteSource;
  readonly machine: number;
  readonly type: number;
  readonly entry: bigint;
  readonly segments: readonly Segment[];
  readonly sections: readonly Section[];
  private readonly inflate: Inflate | undefined;
  private readonly inflated = new Map<number, ByteSource>();
  private code: IntervalIndex<Section | undefined> | undefined;
  private occupied: IntervalIndex<Section> | undefined;

  /** Reads the headers. `name` is how error messages call the file. */
  constructor(
    private readonly raw: ByteSource,
    readonly name: string,
    options: ElfOptions = {},
  ) {
    this.source = cachedSource(raw);
    this.inflate = options.inflate;
    const header = this.readHeader(options.machines ?? [EM_AARCH64]);
    this.machine = header.machine;
    this.type = header.type;
    this.entry = header.entry;
    const first = this.firstSection(header.sectionTable, header.sectionCount);
    const sectionCount = header.sectionCount === 0 ? (first?.size ?? 0) : header.sectionCount;
    const namesIndex = header.namesIndex === SHN_XINDEX ? (first?.link ?? 0) : header.namesIndex;
    const segmentCount =
      header.segmentCount === PN_XNUM && first !== undefined ? first.info : header.segmentCount;
    this.segments = this.readSegments(header.segmentTable, segmentCount);
    this.sections = this.readSections(header.sectionTable, sectionCount, namesIndex);
  }

  private refuse(problem: string): SymbolError {
    return new SymbolError(`${this.name} ${problem}.`);
  }

  private readHeader(machines: readonly number[]) {
    const ident = this.source.read(0, 16);
    if (
      ident.length < 4 ||
      ident[0] !== 0x7f ||
      ident[1] !== 0x45 ||
      ident[2] !== 0x4c ||
      ident[3] !== 0x46
    ) {
      throw this.refuse('is not an ELF file: name a program linked for AArch64');
    }
    if (ident[4] === 1) throw this.refuse(`is a 32-bit ELF file: ${advice}`);
    if (ident[5] === 2) throw this.refuse(`is a big-endian ELF file: ${advice}`);
    if (ident.length < 16 || ident[4] !== 2 || ident[5] !== 1 || ident[6] !== 1) {
      throw this.refuse('has a damaged ELF header: build or copy it again');
    }
    const c = new Cursor(
      readExactly(this.source, 0, HEADER_SIZE, `The ELF header of ${this.name}`),
      this.name,
    );
    c.seek(16);
    const type = c.u16();
    const machine = c.u16();
    if (!machines.includes(machine)) {
      const what = machineNames[machine] ?? `another machine (ELF machine number ${machine})`;
      throw this.refuse(`is for ${what}: ${advice}`);
    }
    const problem = typeProblems[type];
    if (problem !== undefined) throw this.refuse(problem);
    c.skip(4);
    const entry = c.u64();
    const segmentTable = c.size64();
    const sectionTable = c.size64();
    c.skip(4 + 2);
    const segmentEntry = c.u16();
    const segmentCount = c.u16();
    const sectionEntry = c.u16();
    const sectionCount = c.u16();
    const namesIndex = c.u16();
    if (segmentCount !== 0 && segmentTable !== 0 && segmentEntry !== SEGMENT_SIZE) {
      throw this.refuse(
        `has program headers of ${segmentEntry} bytes instead of ${SEGMENT_SIZE}: build it again`,
      );
    }
    if (sectionTable !== 0 && sectionEntry !== SECTION_SIZE) {
      throw this.refuse(
        `has section headers of ${sectionEntry} bytes instead of ${SECTION_SIZE}: build it again`,
      );
    }
    return { type, machine, entry, segmentTable, segmentCount, sectionTable, sectionCount, namesIndex };
  }

  /** Section 0 holds the counts that do not fit the 16-bit fields of the header (gABI, "extended section numbering"). */
  private firstSection(table: number, count: number) {
    if (table === 0) return undefined;
    if (count === 0 && table + SECTION_SIZE > this.source.size) return undefined;
    const c = new Cursor(
      readExactly(this.source, table, SECTION_SIZE, `The section headers of ${this.name}`),
      this.name,
    );
    c.seek(32);
    const size = c.size64();
    return { size, link: c.u32(), info: c.u32() };
  }

  private readSegments(table: number, count: number): Segment[] {
    if (table === 0 || count === 0) return [];
    const c = new Cursor(
      readExactly(this.source, table, count * SEGMENT_SIZE, `The program headers of ${this.name}`),
      `The program header table of ${this.name}`,
    );
    const segments: Segment[] = [];
    for (let i = 0; i < count; i++) {
      const type = c.u32();
      const flags = c.u32();
      const offset = c.size64();
      const vaddr = c.u64();
      const paddr = c.u64();
      const fileSize = c.size64();
      const memSize = c.u64();
      c.skip(8);
      if (type === PT_LOAD && offset + fileSize > this.source.size) {
        throw this.refuse(
          `is cut short: program header ${i} wants bytes up to ${offset + fileSize} of a file of ${this.source.size} bytes; build or copy it again`,
        );
      }
      segments.push({ type, flags, offset, vaddr, paddr, fileSize, memSize });
    }
    return segments;
  }

  private readSections(table: number, count: number, namesIndex: number): Section[] {
    if (table === 0 || count === 0) return [];
    if (count > MAX_SECTIONS) throw this.refuse(`claims to have ${count} sections: build or copy it again`);
    const c = new Cursor(
      readExactly(this.source, table, count * SECTION_SIZE, `The section headers of ${this.name}`),
      `The section header table of ${this.name}`,
    );
    const sections: Section[] = [];
    const nameOffsets: number[] = [];
    for (let index = 0; index < count; index++) {
      nameOffsets.push(c.u32());
      const type = c.u32();
      const flags = Number(c.u64() & 0xffff_ffffn);
      const addr = c.u64();
      const offset = c.size64();
      const size = c.size64();
      const link = c.u32();
      c.skip(4 + 8);
      const entrySize = c.size64();
      sections.push({ index, name: '', type, flags, addr, offset, size, link, entrySize });
    }
    const names = sections[namesIndex];
    if (names !== undefined && names.type !== SHT_NOBITS) {
      const table = partOf(this.source, names.offset, names.size);
      sections.forEach((section, i) => {
        section.name = stringFrom(table, nameOffsets[i] ?? 0) ?? '';
      });
    }
    return sections;
  }

  /** The section of that name. For `.debug_x`, the older compressed spelling `.zdebug_x` counts too. */
  section(name: string): Section | undefined {
    const old = name.startsWith('.debug_') ? `.z${name.slice(1)}` : undefined;
    return (
      this.sections.find((s) => s.name === name) ??
      (old === undefined ? undefined : this.sections.find((s) => s.name === old))
    );
  }

  /** The content of a section, decompressed when it is compressed. */
  contents(section: Section): ByteSource {
    if (section.type === SHT_NOBITS || section.size === 0) return memorySource(new Uint8Array(0));
    if (section.offset + section.size > this.source.size) {
      throw this.refuse(
        `is cut short: section ${section.name} ends at byte ${section.offset + section.size} of a file of ${this.source.size} bytes; build or copy it again`,
      );
    }
    // Units are far apart in .debug_info and only their first bytes are wanted: large pages would read all of it.
    const raw = section.name.endsWith('debug_info')
      ? cachedSource(partOf(this.raw, section.offset, section.size), 2048, 256)
      : partOf(this.source, section.offset, section.size);
    const packed = this.compression(section, raw);
    if (packed === undefined) return raw;
    let content = this.inflated.get(section.index);
    if (content === undefined) {
      content = this.decompress(section, raw, packed);
      this.inflated.set(section.index, content);
    }
    return content;
  }

  private compression(section: Section, raw: ByteSource): { skip: number; size: number } | undefined {
    if ((section.flags & SHF_COMPRESSED) !== 0) {
      // Elf64_Chdr: ch_type, ch_reserved, ch_size, ch_addralign.
      const what = `The compression header of ${section.name} in ${this.name}`;
      const c = new Cursor(readExactly(raw, 0, 24, what), what);
      const type = c.u32();
      c.skip(4);
      const size = c.size64();
      if (type !== ELFCOMPRESS_ZLIB) {
        throw this.refuse(
          `has section ${section.name} compressed by method ${type}, and only zlib is known: rebuild it with -gz=none`,
        );
      }
      return { skip: 24, size };
    }
    if (!section.name.startsWith('.zdebug_')) return undefined;
    const head = raw.read(0, 12);
    if (head.length < 12 || String.fromCharCode(...head.subarray(0, 4)) !== 'ZLIB') return undefined;
    const size = new DataView(head.buffer, head.byteOffset).getBigUint64(4, false);
    return { skip: 12, size: Number(size) };
  }

  private decompress(section: Section, raw: ByteSource, packed: { skip: number; size: number }): ByteSource {
    if (this.inflate === undefined) {
      throw this.refuse(`has the compressed section ${section.name}: rebuild it with -gz=none`);
    }
    // Deflate cannot expand by more than 1032:1, so a larger promise is an attack on our memory, not data.
    if (packed.size > raw.size * 1032 + 1024) {
      throw this.refuse(
        `claims an impossible size for the compressed section ${section.name}: rebuild it with -gz=none`,
      );
    }
    const input = readExactly(raw, packed.skip, raw.size - packed.skip, `${section.name} of ${this.name}`);
    let output: Uint8Array;
    try {
      output = this.inflate(input, packed.size);
    } catch (error) {
      const why = error instanceof Error ? error.message : String(error);
      throw this.refuse(
        `has the compressed section ${section.name} damaged (${why}): rebuild it with -gz=none`,
      );
    }
    if (output.length !== packed.size) {
      throw this.refuse(`has the compressed section ${section.name} damaged: rebuild it with -gz=none`);
    }
    return memorySource(output);
  }

  /** The physical (load) address of a link-time virtual address, from p_paddr; undefined outside all segments. */
  vaddrToPaddr(vaddr: bigint): bigint | undefined {
    const segment = this.loadSegment((s) => s.vaddr, vaddr);
    return segment === undefined ? undefined : vaddr - segment.vaddr + segment.paddr;
  }

  /** The link-time virtual address of a physical (load) address; undefined outside all segments. */
  paddrToVaddr(paddr: bigint): bigint | undefined {
    const segment = this.loadSegment((s) => s.paddr, paddr);
    return segment === undefined ? undefined : paddr - segment.paddr + segment.vaddr;
  }

  private loadSegment(start: (s: Segment) => bigint, address: bigint): Segment | undefined {
    return this.segments.find(
      (s) => s.type === PT_LOAD && address >= start(s) && address - start(s) < s.memSize,
    );
  }

  /** Whether an address lies in code: in an executable section, or without sections in an executable segment. */
  isCode(address: bigint): boolean {
    this.code ??= new IntervalIndex(
      this.sections.length > 0
        ? this.allocated().filter((i) => (i.value.flags & SHF_EXECINSTR) !== 0)
        : this.segments
            .filter((s) => s.type === PT_LOAD && (s.flags & PF_X) !== 0)
            .map((s) => ({ low: s.vaddr, high: s.vaddr + s.memSize, value: undefined })),
    );
    return this.code.find(address) !== undefined;
  }

  /** The section that occupies an address at run time. */
  sectionAt(address: bigint): Section | undefined {
    this.occupied ??= new IntervalIndex(this.allocated());
    return this.occupied.find(address)?.value;
  }

  private allocated() {
    return this.sections
      .filter((s) => (s.flags & SHF_ALLOC) !== 0 && (s.flags & SHF_TLS) === 0)
      .map((s) => ({ low: s.addr, high: s.addr + BigInt(s.size), value: s }));
  }
}

/** A NUL-terminated string of a string table; undefined when the offset is outside or no NUL follows. */
export function stringFrom(table: ByteSource, offset: number): string | undefined {
  for (let window = 256; ; window *= 8) {
    if (offset >= table.size) return undefined;
    const bytes = table.read(offset, window);
    const text = stringAt(bytes, 0);
    if (text !== undefined || bytes.length < window) return text;
  }
}
