/** Sections and what has been put into them. */

/** Where in the sources something comes from. */
export interface SourceLine {
  readonly file: string;
  /** From 1. */
  readonly line: number;
  /** The `#include` that brought the file. */
  readonly from?: SourceLine;
}

export const SHF = {
  write: 1,
  alloc: 2,
  exec: 4,
  merge: 0x10,
  strings: 0x20,
  group: 0x200,
  tls: 0x400,
} as const;
export const SHT = { progbits: 1, note: 7, nobits: 8, initArray: 14, finiArray: 15 } as const;

/** No section may become larger, nor a .bss: hostile `.space` must not take all memory. */
export const maxBytes = 1 << 28;
export const maxZeroBytes = 2 ** 36;

/** A subsection: bytes that will lie one after the other. */
export class Chunk {
  #bytes = new Uint8Array(256);
  /** Offset where the next byte goes; also the size. */
  length = 0;
  /** Address, when sections have been placed. */
  base: bigint | undefined;
  align = 1;
  /** First offsets of stretches of code ($x) and data ($d). */
  readonly mapping: { offset: number; code: boolean }[] = [];
  readonly lines: { offset: number; at: SourceLine }[] = [];

  constructor(
    readonly section: Section,
    readonly number: number,
  ) {}

  /** The content; a section without content has none. */
  get bytes(): Uint8Array {
    return this.section.type === SHT.nobits ? new Uint8Array(0) : this.#bytes.subarray(0, this.length);
  }

  /** Makes room for n more bytes, all zero; undefined if the section would become too large. */
  grow(n: number): Uint8Array | undefined {
    const nobits = this.section.type === SHT.nobits;
    const end = this.length + n;
    if (end > (nobits ? maxZeroBytes : maxBytes)) return undefined;
    if (nobits) {
      this.length = end;
      return new Uint8Array(0);
    }
    if (end > this.#bytes.length) {
      const bigger = new Uint8Array(Math.max(end, this.#bytes.length * 2));
      bigger.set(this.#bytes);
      this.#bytes = bigger;
    }
    const room = this.#bytes.subarray(this.length, end);
    this.length = end;
    return room;
  }

  /** Overwrites bytes that exist already. */
  patch(offset: number, bytes: ArrayLike<number>): void {
    if (this.section.type !== SHT.nobits) this.#bytes.set(bytes, offset);
  }

  /** Remembers that code or data begins here, for the mapping symbols (ELF for the Arm 64-bit Architecture 5.5.4). */
  mark(code: boolean): void {
    if (this.mapping.at(-1)?.code === code) return;
    if (this.mapping.at(-1)?.offset === this.length) this.mapping.pop();
    if (this.mapping.at(-1)?.code !== code) this.mapping.push({ offset: this.length, code });
  }
}

export class Section {
  readonly chunks = new Map<number, Chunk>();
  address = 0n;
  entrySize = 0;

  constructor(
    readonly name: string,
    readonly type: number,
    readonly flags: number,
  ) {}

  get isCode(): boolean {
    return (this.flags & SHF.exec) !== 0;
  }

  get isLoaded(): boolean {
    return (this.flags & SHF.alloc) !== 0;
  }

  chunk(n: number): Chunk {
    let c = this.chunks.get(n);
    if (!c) {
      c = new Chunk(this, n);
      if (this.isCode) c.align = 4;
      this.chunks.set(n, c);
    }
    return c;
  }

  /** The subsections in their final order. */
  ordered(): Chunk[] {
    return [...this.chunks.values()].sort((a, b) => a.number - b.number);
  }

  get align(): number {
    return Math.max(1, ...[...this.chunks.values()].map((c) => c.align));
  }

  get size(): number {
    let size = 0;
    for (const c of this.ordered()) size = Math.ceil(size / c.align) * c.align + c.length;
    return size;
  }

  /** All bytes, subsections one after the other. */
  content(): Uint8Array {
    if (this.type === SHT.nobits) return new Uint8Array(0);
    const out = new Uint8Array(this.size);
    let at = 0;
    for (const c of this.ordered()) {
      at = Math.ceil(at / c.align) * c.align;
      out.set(c.bytes, at);
      at += c.length;
    }
    return out;
  }
}

/** Type and flags of sections by the beginning of their name, when the source does not give them. */
const known: readonly (readonly [prefix: string, type: number, flags: number])[] = [
  ['.text', SHT.progbits, SHF.alloc | SHF.exec],
  ['.init', SHT.progbits, SHF.alloc | SHF.exec],
  ['.fini', SHT.progbits, SHF.alloc | SHF.exec],
  ['.rodata', SHT.progbits, SHF.alloc],
  ['.data', SHT.progbits, SHF.alloc | SHF.write],
  ['.bss', SHT.nobits, SHF.alloc | SHF.write],
  ['.tdata', SHT.progbits, SHF.alloc | SHF.write | SHF.tls],
  ['.tbss', SHT.nobits, SHF.alloc | SHF.write | SHF.tls],
  ['.init_array', SHT.initArray, SHF.alloc | SHF.write],
  ['.fini_array', SHT.finiArray, SHF.alloc | SHF.write],
  ['.note', SHT.note, 0],
];

/** What a section is by its name alone: `.text.hot` is code, an unknown name is not even loaded. */
export function defaultsOf(name: string): { type: number; flags: number } {
  const hit = known
    .filter(([prefix]) => name === prefix || name.startsWith(`${prefix}.`))
    .sort((a, b) => b[0].length - a[0].length)[0];
  return { type: hit?.[1] ?? SHT.progbits, flags: hit?.[2] ?? 0 };
}
