import { SymbolError } from '../errors';
import { AT, TAG } from './constants';
import type { Die, Dies } from './dies';
import { smallNumber, textOf } from './unit';

export type TypeKind =
  'base' | 'pointer' | 'struct' | 'union' | 'array' | 'enum' | 'function' | 'void' | 'unknown';

/** DW_ATE_* of base types, as far as they decide how a value is shown (DWARF 5, 7.8). */
export const ENCODING = {
  boolean: 2,
  float: 4,
  signed: 5,
  signedChar: 6,
  unsigned: 7,
  unsignedChar: 8,
  utf: 16,
} as const;

export interface Member {
  name: string;
  offset: number;
  /** For a bit field: its lowest bit, counted from `offset`, and its width. */
  bits: { at: number; width: number } | undefined;
  type: CType;
}

/** A C type. What it consists of is read when asked for, so that types may refer to themselves. */
export interface CType {
  /** As C spells it: `struct vcpu *`, `unsigned long`. */
  name: string;
  kind: TypeKind;
  size: number;
  /** DW_ATE_*, for base types and enumerations. */
  encoding: number | undefined;
  /** What a pointer points to, or the elements of an array. */
  target(): CType;
  /** Number of elements of an array; undefined when C does not say. */
  count: number | undefined;
  members(): Member[];
  enumerators(): { name: string; value: bigint }[];
}

/** The type `void`, and what a type begins as whose description cannot be read. */
export const nothing: CType = {
  name: 'void',
  kind: 'void',
  size: 0,
  encoding: undefined,
  target: () => nothing,
  count: undefined,
  members: () => [],
  enumerators: () => [],
};

/** A pointer to a type, as C spells it without the names of arguments. */
export const pointerName = (target: CType): string =>
  target.kind === 'function' ? `${target.name} (*)()` : `${target.name} *`.replace('* *', '**');

/** A type with a qualifier such as `const `: with a pointer it stands behind it in C. */
export const qualifiedName = (inner: CType, qualifier: string): string =>
  inner.kind === 'pointer' ? `${inner.name} ${qualifier}`.trimEnd() : qualifier + inner.name;

const keywords: Readonly<Record<number, { kind: TypeKind; keyword: string }>> = {
  [TAG.baseType]: { kind: 'base', keyword: '' },
  [TAG.structureType]: { kind: 'struct', keyword: 'struct ' },
  [TAG.unionType]: { kind: 'union', keyword: 'union ' },
  [TAG.enumerationType]: { kind: 'enum', keyword: 'enum ' },
  [TAG.subroutineType]: { kind: 'function', keyword: '' },
};
const qualifiers: Readonly<Record<number, string>> = {
  [TAG.constType]: 'const ',
  [TAG.volatileType]: 'volatile ',
  [TAG.restrictType]: '',
  [TAG.atomicType]: '_Atomic ',
};
/** Pointers to pointers, typedefs of typedefs: real chains are short, a damaged one may be a circle. */
const MAX_DEPTH = 32;
const MAX_DIMENSIONS = 16;

/** Reads C types from their DIEs. */
export class Types {
  constructor(
    private readonly dies: Dies,
    private readonly report: (problem: string) => void,
  ) {}

  /** Parts of a type are read when they are shown, long after the type: damage there must not reach the user as a crash. */
  private later<T>(read: () => T, otherwise: T): () => T {
    return () => {
      try {
        return read();
      } catch (error) {
        if (!(error instanceof SymbolError)) throw error;
        this.report(error.message);
        return otherwise;
      }
    };
  }

  /** The type that the DW_AT_type of a DIE names; without one it is void. */
  of(die: Die, depth = 0): CType {
    const found = this.dies.inherited(die, AT.type);
    const value = found?.value;
    if (found === undefined || value?.kind !== 'reference' || depth > MAX_DEPTH) return nothing;
    const target = this.dies.at(value.offset, found.die.unit);
    return target === undefined ? nothing : this.read(target, depth + 1);
  }

  private number(die: Die, attribute: number): number | undefined {
    return smallNumber(die.attributes.get(attribute));
  }

  private read(die: Die, depth: number): CType {
    const name = textOf(die.attributes.get(AT.name));
    const qualifier = qualifiers[die.tag];
    if (qualifier !== undefined) {
      const inner = this.of(die, depth);
      return { ...inner, name: qualifiedName(inner, qualifier) };
    }
    if (die.tag === TAG.typedef) return { ...this.of(die, depth), name: name ?? '?' };
    if (die.tag === TAG.pointerType) {
      const target = this.of(die, depth);
      return {
        ...nothing,
        name: pointerName(target),
        kind: 'pointer',
        size: this.number(die, AT.byteSize) ?? 8,
        target: this.later(() => this.of(die), nothing),
      };
    }
    if (die.tag === TAG.arrayType) return this.array(die, depth);
    const plain = keywords[die.tag];
    const kind = plain?.kind ?? 'unknown';
    const text = kind === 'function' ? this.of(die, depth).name : (plain?.keyword ?? '') + (name ?? '{...}');
    return {
      ...nothing,
      name: text,
      kind,
      size: this.number(die, AT.byteSize) ?? 0,
      encoding: this.number(die, AT.encoding) ?? (kind === 'enum' ? ENCODING.unsigned : undefined),
      members: this.later(() => this.members(die), []),
      enumerators: this.later(() => this.enumerators(die), []),
    };
  }

  private array(die: Die, depth: number): CType {
    const counts: (number | undefined)[] = [];
    for (const child of this.dies.children(die)) {
      if (child.tag !== TAG.subrangeType || counts.length >= MAX_DIMENSIONS) continue;
      const upper = this.number(child, AT.upperBound);
      counts.push(this.number(child, AT.count) ?? (upper === undefined ? undefined : upper + 1));
    }
    const element = this.of(die, depth);
    // The last dimension is the innermost array.
    const build = (at: number): CType => {
      if (at >= counts.length) return element;
      const inner = build(at + 1);
      const count = counts[at];
      const dimensions = counts.slice(at).map((n) => `[${n ?? ''}]`);
      return {
        ...nothing,
        name: element.name + dimensions.join(''),
        kind: 'array',
        size: inner.size * (count ?? 0),
        count,
        target: () => inner,
      };
    };
    return build(0);
  }

  private members(die: Die): Member[] {
    const out: Member[] = [];
    for (const child of this.dies.children(die)) {
      if (child.tag !== TAG.member) continue;
      const type = this.of(child);
      const width = this.number(child, AT.bitSize);
      let offset = this.memberOffset(child);
      let bits: Member['bits'];
      if (width !== undefined) {
        const fromStart = this.number(child, AT.dataBitOffset);
        const storage = this.number(child, AT.byteSize) ?? type.size;
        // Before DWARF 4 the bit offset counts from the most significant bit of the storage unit.
        const old = storage * 8 - (this.number(child, AT.bitOffset) ?? 0) - width;
        const at = fromStart === undefined ? offset * 8 + old : fromStart;
        offset = Math.floor(at / 8);
        bits = { at: at % 8, width };
      }
      out.push({ name: textOf(child.attributes.get(AT.name)) ?? '', offset, bits, type });
    }
    return out;
  }

  /** DW_AT_data_member_location is a number, or in DWARF 2 the expression `DW_OP_plus_uconst n`. */
  private memberOffset(member: Die): number {
    const value = member.attributes.get(AT.dataMemberLocation);
    if (value?.kind === 'block' && value.bytes[0] === 0x23) {
      let offset = 0;
      for (let i = 1; i < Math.min(6, value.bytes.length); i++)
        offset += ((value.bytes[i] ?? 0) & 0x7f) * 128 ** (i - 1);
      return offset;
    }
    return smallNumber(value) ?? 0;
  }

  private enumerators(die: Die): { name: string; value: bigint }[] {
    const out: { name: string; value: bigint }[] = [];
    for (const child of this.dies.children(die)) {
      const value = child.attributes.get(AT.constValue);
      if (child.tag !== TAG.enumerator || value?.kind !== 'number') continue;
      out.push({ name: textOf(child.attributes.get(AT.name)) ?? '', value: value.value });
    }
    return out;
  }
}
