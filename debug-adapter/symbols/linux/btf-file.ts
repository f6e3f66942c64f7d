/**
 * BTF, the types that a Linux kernel carries for itself (Linux, Documentation/bpf/btf.rst). This file reads its records;
 * btf.ts makes C types of them.
 */
import { stringAt } from '../cursor';
import { SymbolError } from '../errors';

/** BTF_KIND_*. */
export const BtfKind = {
  void: 0,
  int: 1,
  ptr: 2,
  array: 3,
  struct: 4,
  union: 5,
  enum: 6,
  fwd: 7,
  typedef: 8,
  volatile: 9,
  const: 10,
  restrict: 11,
  func: 12,
  funcProto: 13,
  var: 14,
  datasec: 15,
  float: 16,
  declTag: 17,
  typeTag: 18,
  enum64: 19,
} as const;

/** BTF_INT_*: how a number is shown. */
export const BtfInt = { signed: 1, char: 2, boolean: 4 } as const;

/** Bytes behind the common part of a record: once, and for each of its parts. */
const EXTRA: readonly (readonly [once: number, each: number])[] = [
  [0, 0],
  [4, 0],
  [0, 0],
  [12, 0],
  [0, 12],
  [0, 12],
  [0, 8],
  [0, 0],
  [0, 0],
  [0, 0],
  [0, 0],
  [0, 0],
  [0, 0],
  [0, 8],
  [4, 0],
  [0, 12],
  [0, 0],
  [4, 0],
  [0, 0],
  [0, 12],
];

const MAGIC = Buffer.from([0x9f, 0xeb, 1]);
const HEADER_SIZE = 24;
const COMMON = 12;
/** Places in an image that only look like the beginning of BTF. */
const MAX_TRIES = 256;

/** The common part of a record. `vlen` is the number of its parts; for functions it is the linkage. */
export interface BtfRecord {
  readonly kind: number;
  readonly name: string;
  readonly vlen: number;
  readonly flag: boolean;
  /** Bytes, or the number of a type: the kind says which. */
  readonly sizeOrType: number;
  /** Where its parts begin. */
  readonly parts: number;
}

/** Member of a struct or union. */
export interface BtfMember {
  readonly name: string;
  readonly type: number;
  readonly bitOffset: number;
  /** Width of a bit field, else 0. */
  readonly bitSize: number;
}

interface Header {
  readonly types: number;
  readonly strings: number;
  readonly end: number;
}

/** The header at the start of bytes; undefined where it is none. Its parts must lie within the bytes. */
function readHeader(bytes: Uint8Array): (Header & { readonly stringsSize: number }) | undefined {
  if (bytes.length < HEADER_SIZE || MAGIC.some((byte, i) => bytes[i] !== byte)) return undefined;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const [headerSize = 0, typeOff = 0, typeLen = 0, strOff = 0, strLen = 0] = [4, 8, 12, 16, 20].map((at) =>
    view.getUint32(at, true),
  );
  const types = headerSize + typeOff;
  const strings = headerSize + strOff;
  const end = Math.max(types + typeLen, strings + strLen);
  const sound =
    headerSize >= HEADER_SIZE && typeOff % 4 === 0 && typeLen >= COMMON && strLen > 0 && end <= bytes.length;
  return sound && types + typeLen <= strings ? { types, strings, end, stringsSize: strLen } : undefined;
}

/** The records of a BTF section. One pass finds where each begins; all else is read on demand. */
export class BtfFile {
  /** Number of types; type 0 is void and has no record. */
  readonly count: number;
  private readonly view: DataView;
  private readonly strings: Uint8Array;
  private readonly starts: Uint32Array;

  /**
   * @param bytes begin with the header
   * @param file how error messages call it
   * @throws SymbolError when the records do not fit together
   */
  constructor(bytes: Uint8Array, file: string) {
    const header = readHeader(bytes);
    const fail = (what: string): SymbolError =>
      new SymbolError(`The types (BTF) of ${file} are damaged (${what}): copy or build it again.`);
    if (!header) throw fail('the header is wrong');
    // A copy, so that the kernel image around them is not kept. (The slice of a Buffer is none.)
    const own = new Uint8Array(bytes.subarray(0, header.end));
    this.view = new DataView(own.buffer);
    this.strings = own.subarray(header.strings, header.strings + header.stringsSize);
    const end = header.strings;
    const starts: number[] = [0];
    for (let at = header.types; at < end;) {
      // Up to three bytes of padding may stand before the strings.
      if (end - at < COMMON) {
        if (end - at < 4) break;
        throw fail('a record is cut short');
      }
      const info = this.view.getUint32(at + 4, true);
      const extra = EXTRA[(info >>> 24) & 0x1f];
      if (!extra || (info & 0x1f00_0000) === 0) throw fail(`type ${starts.length} is of an unknown kind`);
      starts.push(at);
      at += COMMON + extra[0] + extra[1] * (info & 0xffff);
      if (at > end) throw fail('a record is cut short');
    }
    this.starts = Uint32Array.from(starts);
    this.count = starts.length;
  }

  /** Finds the types in a kernel image; undefined where it has none that are whole. */
  static find(image: Uint8Array, file: string): BtfFile | undefined {
    const bytes = Buffer.from(image.buffer, image.byteOffset, image.byteLength);
    for (let at = bytes.indexOf(MAGIC), tries = 0; at >= 0 && tries < MAX_TRIES; tries++) {
      const rest = image.subarray(at);
      try {
        if (readHeader(rest)) return new BtfFile(rest, file);
      } catch (error) {
        if (!(error instanceof SymbolError)) throw error;
      }
      at = bytes.indexOf(MAGIC, at + 1);
    }
    return undefined;
  }

  private string(offset: number): string {
    return stringAt(this.strings, Math.min(offset, this.strings.length)) ?? '';
  }

  private word(at: number): number {
    return at + 4 <= this.view.byteLength ? this.view.getUint32(at, true) : 0;
  }

  /** The record of a type; undefined for void and for numbers that there are not. */
  record(id: number): BtfRecord | undefined {
    const at = this.starts[id];
    if (at === undefined || at === 0) return undefined;
    const info = this.word(at + 4);
    return {
      kind: (info >>> 24) & 0x1f,
      name: this.string(this.word(at)),
      vlen: info & 0xffff,
      flag: info >>> 31 === 1,
      sizeOrType: this.word(at + 8),
      parts: at + COMMON,
    };
  }

  /** The kind of a type, without reading the rest. */
  kindOf(id: number): number {
    const at = this.starts[id] ?? 0;
    return at === 0 ? BtfKind.void : (this.word(at + 4) >>> 24) & 0x1f;
  }

  /** The numbers of the types with that name. */
  *named(name: string): Generator<number> {
    const wanted = Buffer.from(`${name}\0`, 'utf8');
    for (let id = 1; id < this.count; id++) {
      const at = this.word(this.starts[id] ?? 0);
      let k = 0;
      while (k < wanted.length && this.strings[at + k] === wanted[k]) k++;
      if (k === wanted.length) yield id;
    }
  }

  /** The numbers of the types of a kind. */
  *ofKind(kind: number): Generator<number> {
    for (let id = 1; id < this.count; id++) if (this.kindOf(id) === kind) yield id;
  }

  /** Of an int: its encoding (BTF_INT_*), the bit where it begins, and its bits. */
  int({ parts }: BtfRecord): { encoding: number; offset: number; bits: number } {
    const word = this.word(parts);
    return { encoding: (word >>> 24) & 15, offset: (word >>> 16) & 0xff, bits: word & 0xff };
  }

  array({ parts }: BtfRecord): { element: number; index: number; count: number } {
    return { element: this.word(parts), index: this.word(parts + 4), count: this.word(parts + 8) };
  }

  members({ parts, vlen, flag }: BtfRecord): BtfMember[] {
    return Array.from({ length: vlen }, (_, i) => {
      const at = parts + 12 * i;
      const offset = this.word(at + 8);
      return {
        name: this.string(this.word(at)),
        type: this.word(at + 4),
        // With the flag, the upper byte is the width of a bit field.
        bitOffset: flag ? offset & 0xff_ffff : offset,
        bitSize: flag ? offset >>> 24 : 0,
      };
    });
  }

  /** The constants of an enum or enum64: the flag says that they are signed. */
  enumerators({ kind, parts, vlen, flag }: BtfRecord): { name: string; value: bigint }[] {
    return Array.from({ length: vlen }, (_, i) => {
      const at = parts + (kind === BtfKind.enum64 ? 12 : 8) * i;
      const low = BigInt(this.word(at + 4));
      const raw = kind === BtfKind.enum64 ? low | (BigInt(this.word(at + 8)) << 32n) : low;
      const bits = kind === BtfKind.enum64 ? 64 : 32;
      return { name: this.string(this.word(at)), value: flag ? BigInt.asIntN(bits, raw) : raw };
    });
  }

  /** The parameters of a function type. */
  parameters({ parts, vlen }: BtfRecord): { name: string; type: number }[] {
    return Array.from({ length: vlen }, (_, i) => ({
      name: this.string(this.word(parts + 8 * i)),
      type: this.word(parts + 8 * i + 4),
    }));
  }

  /** The variables of a section (`type` is a var), with their offsets in it. */
  sectionVariables({ parts, vlen }: BtfRecord): { type: number; offset: number; size: number }[] {
    return Array.from({ length: vlen }, (_, i) => {
      const [type = 0, offset = 0, size = 0] = [0, 4, 8].map((k) => this.word(parts + 12 * i + k));
      return { type, offset, size };
    });
  }
}
