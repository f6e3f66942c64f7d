/** Addresses for sections: the work of a linker, for a program that consists of one source. */
import type { Assembler } from './assembler';
import { SHT, type Section, type SourceLine } from './sections';

export interface PlacedSection {
  readonly name: string;
  readonly type: number;
  readonly flags: number;
  readonly address: bigint;
  readonly size: number;
  readonly align: number;
  readonly entrySize: number;
  readonly content: Uint8Array;
  /** Lines of instructions, by address. */
  readonly lines: readonly { readonly address: bigint; readonly at: SourceLine }[];
  /** Where code and data begin. */
  readonly mapping: readonly { readonly address: bigint; readonly code: boolean }[];
}

export interface AssembledSymbol {
  readonly name: string;
  readonly value: bigint;
  readonly size: bigint;
  /** The section; undefined: an absolute value. */
  readonly section: string | undefined;
  readonly binding: 'local' | 'global' | 'weak';
  readonly type: 'none' | 'object' | 'func' | 'tls';
  readonly visibility: number;
  readonly definedAt?: { readonly file: string; readonly line: number };
}

/** Loaded sections begin on pages, so that each can have its own access rights. */
const page = 4096;

const first = ['.text', '.rodata', '.data'];

const rank = (s: Section): number => {
  const n = first.indexOf(s.name);
  return n >= 0 ? n : s.name === '.bss' ? 1000 : 100;
};

const alignUp = (v: bigint, to: number): bigint => ((v + BigInt(to) - 1n) / BigInt(to)) * BigInt(to);

/** Gives every section and subsection its address. */
export function layOut(a: Assembler, base: bigint): PlacedSection[] {
  const sections = [...a.sections.values()].sort((x, y) => rank(x) - rank(y));
  let at = base;
  for (const s of sections) {
    if (s.isLoaded && s.size > 0) {
      at = alignUp(at, Math.max(page, s.align));
      s.address = at;
      at += BigInt(s.size);
    } else s.address = s.isLoaded ? at : 0n;
    let offset = s.address;
    for (const c of s.ordered()) {
      offset = alignUp(offset, c.align);
      c.base = offset;
      offset += BigInt(c.length);
    }
  }
  return sections.map(placed);
}

function placed(s: Section): PlacedSection {
  const chunks = s.ordered();
  return {
    name: s.name,
    type: s.type,
    flags: s.flags,
    address: s.address,
    size: s.size,
    align: s.isLoaded && s.size > 0 ? Math.max(page, s.align) : s.align,
    entrySize: s.entrySize,
    // Read when asked for: the second pass still writes into it.
    get content() {
      return s.type === SHT.nobits ? new Uint8Array(0) : s.content();
    },
    lines: chunks.flatMap((c) =>
      c.lines.map((l) => ({ address: (c.base ?? 0n) + BigInt(l.offset), at: l.at })),
    ),
    mapping: chunks.flatMap((c) =>
      c.mapping.map((m) => ({ address: (c.base ?? 0n) + BigInt(m.offset), code: m.code })),
    ),
  };
}
