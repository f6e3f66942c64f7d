/** The types of a Linux kernel as C types: the same form in which DWARF's types are shown. */
import { ENCODING, nothing, pointerName, qualifiedName, type CType, type Member } from '../dwarf/types';
import { SymbolError } from '../errors';
import { BtfFile, BtfInt, BtfKind, type BtfRecord } from './btf-file';

/** Typedefs of typedefs, arrays of arrays: real chains are short, a damaged one may be a circle. */
const MAX_DEPTH = 32;
/** Nothing in a kernel is larger: only damage. */
const MAX_SIZE = 2 ** 40;
const POINTER_SIZE = 8;

const QUALIFIERS: Readonly<Record<number, string>> = {
  [BtfKind.const]: 'const ',
  [BtfKind.volatile]: 'volatile ',
  [BtfKind.restrict]: '',
  // __user, __percpu, __rcu: they say nothing about the value.
  [BtfKind.typeTag]: '',
};

const NAMED_KINDS: Readonly<Record<string, readonly number[]>> = {
  struct: [BtfKind.struct],
  union: [BtfKind.union],
  enum: [BtfKind.enum, BtfKind.enum64],
  // Without a keyword: what the user most probably means first.
  '': [
    BtfKind.struct,
    BtfKind.union,
    BtfKind.typedef,
    BtfKind.enum,
    BtfKind.enum64,
    BtfKind.int,
    BtfKind.float,
  ],
};

export interface SectionVariable {
  readonly name: string;
  /** From the start of the section; for `.data..percpu` from the per-CPU base of each CPU. */
  readonly offset: number;
  readonly size: number;
  readonly type: CType;
}

export interface KernelFunction {
  readonly name: string;
  readonly result: CType;
  readonly parameters: readonly { readonly name: string; readonly type: CType }[];
}

type Make = (record: BtfRecord, depth: number) => CType;

/** The types of a kernel by name and by number. */
export class Btf {
  private readonly names = new Map<string, number | undefined>();

  constructor(readonly file: BtfFile) {}

  /**
   * The types that a raw kernel image carries.
   * @throws SymbolError when it carries none
   */
  static ofImage(image: Uint8Array, name: string): Btf {
    const file = BtfFile.find(image, name);
    if (!file)
      throw new SymbolError(
        `${name} has no types of its own: build the kernel with CONFIG_DEBUG_INFO_BTF, or name its vmlinux in "symbols".`,
      );
    return new Btf(file);
  }

  /** A type by its C name: `struct kvm_vcpu`, or `kvm_vcpu`, `u64`. */
  named(name: string): CType | undefined {
    if (!this.names.has(name)) this.names.set(name, this.find(name));
    const id = this.names.get(name);
    return id === undefined ? undefined : this.type(id);
  }

  private find(name: string): number | undefined {
    const [, keyword = '', plain = name] = /^(struct|union|enum)\s+(\w+)$/.exec(name.trim()) ?? [];
    const kinds = NAMED_KINDS[keyword] ?? [];
    const found = plain === '' ? [] : [...this.file.named(plain)];
    const rank = (id: number): number => kinds.indexOf(this.file.kindOf(id));
    return found.filter((id) => rank(id) >= 0).sort((a, b) => rank(a) - rank(b) || a - b)[0];
  }

  /** Type number `id`: 0 and numbers that there are not are void. */
  type(id: number, depth = 0): CType {
    const record = this.file.record(id);
    if (!record || depth > MAX_DEPTH) return nothing;
    return (
      this.makers[record.kind]?.(record, depth + 1) ?? { ...nothing, kind: 'unknown', name: record.name }
    );
  }

  /** What the kinds of records become. */
  private readonly makers: Readonly<Record<number, Make>> = {
    [BtfKind.int]: (r) => this.int(r),
    [BtfKind.float]: (r) => ({
      ...nothing,
      kind: 'base',
      name: r.name,
      size: r.sizeOrType,
      encoding: ENCODING.float,
    }),
    [BtfKind.ptr]: (r, depth) => ({
      ...nothing,
      kind: 'pointer',
      name: pointerName(this.type(r.sizeOrType, depth)),
      size: POINTER_SIZE,
      target: () => this.type(r.sizeOrType),
    }),
    [BtfKind.array]: (r, depth) => this.array(r, depth),
    [BtfKind.struct]: (r) => this.aggregate(r, 'struct'),
    [BtfKind.union]: (r) => this.aggregate(r, 'union'),
    [BtfKind.enum]: (r) => this.enumeration(r),
    [BtfKind.enum64]: (r) => this.enumeration(r),
    [BtfKind.fwd]: (r) => ({ ...nothing, kind: 'unknown', name: `${r.flag ? 'union' : 'struct'} ${r.name}` }),
    [BtfKind.typedef]: (r, depth) => ({ ...this.type(r.sizeOrType, depth), name: r.name }),
    [BtfKind.const]: (r, depth) => this.qualified(r, depth),
    [BtfKind.volatile]: (r, depth) => this.qualified(r, depth),
    [BtfKind.restrict]: (r, depth) => this.qualified(r, depth),
    [BtfKind.typeTag]: (r, depth) => this.qualified(r, depth),
    [BtfKind.funcProto]: (r, depth) => ({
      ...nothing,
      kind: 'function',
      name: this.type(r.sizeOrType, depth).name,
    }),
    [BtfKind.func]: (r, depth) => this.type(r.sizeOrType, depth),
    [BtfKind.var]: (r, depth) => this.type(r.sizeOrType, depth),
  };

  private qualified(r: BtfRecord, depth: number): CType {
    const inner = this.type(r.sizeOrType, depth);
    return { ...inner, name: qualifiedName(inner, QUALIFIERS[r.kind] ?? '') };
  }

  private int(r: BtfRecord): CType {
    const { encoding } = this.file.int(r);
    const signed = (encoding & BtfInt.signed) !== 0;
    // Compilers describe characters without BTF_INT_CHAR: what they call so is one.
    const isChar = (encoding & BtfInt.char) !== 0 || (r.sizeOrType === 1 && r.name.endsWith('char'));
    const shown =
      (encoding & BtfInt.boolean) !== 0
        ? ENCODING.boolean
        : isChar
          ? signed
            ? ENCODING.signedChar
            : ENCODING.unsignedChar
          : signed
            ? ENCODING.signed
            : ENCODING.unsigned;
    return { ...nothing, kind: 'base', name: r.name, size: r.sizeOrType, encoding: shown };
  }

  private array(r: BtfRecord, depth: number): CType {
    const { element, count } = this.file.array(r);
    const inner = this.type(element, depth);
    const size = inner.size * count;
    // C writes the outer dimension first.
    const [, base = inner.name, dimensions = ''] =
      inner.kind === 'array' ? (/^(.*?)((?:\[\d*\])+)$/.exec(inner.name) ?? []) : [];
    return {
      ...nothing,
      kind: 'array',
      name: `${base}[${count}]${dimensions}`,
      size: size <= MAX_SIZE ? size : 0,
      count,
      target: () => this.type(element),
    };
  }

  private aggregate(r: BtfRecord, kind: 'struct' | 'union'): CType {
    return {
      ...nothing,
      kind,
      name: `${kind} ${r.name === '' ? '{...}' : r.name}`,
      size: r.sizeOrType,
      members: () => this.members(r),
    };
  }

  private members(r: BtfRecord): Member[] {
    return this.file.members(r).map(({ name, type, bitOffset, bitSize }) => {
      const record = this.file.record(type);
      const int = record?.kind === BtfKind.int ? this.file.int(record) : undefined;
      // Before the flag of structs there was an int type for each width (BTF_INT_BITS).
      const own = int !== undefined && int.bits > 0 && int.bits < 8 * (record?.sizeOrType ?? 0);
      const width = bitSize > 0 ? bitSize : own ? int.bits : undefined;
      const at = bitOffset + (own ? int.offset : 0);
      return {
        name,
        type: this.type(type),
        offset: Math.floor(at / 8),
        bits: width === undefined ? undefined : { at: at % 8, width },
      };
    });
  }

  private enumeration(r: BtfRecord): CType {
    return {
      ...nothing,
      kind: 'enum',
      name: `enum ${r.name === '' ? '{...}' : r.name}`,
      size: r.sizeOrType,
      encoding: r.flag ? ENCODING.signed : ENCODING.unsigned,
      enumerators: () => this.file.enumerators(r),
    };
  }

  /** The variables of a data section, such as `.data..percpu`, in the order of their offsets. */
  variables(section: string): SectionVariable[] {
    return [...this.file.named(section)]
      .flatMap((id) => this.file.record(id) ?? [])
      .filter((record) => record.kind === BtfKind.datasec)
      .flatMap((record) => this.file.sectionVariables(record))
      .flatMap(({ type, offset, size }) => {
        const variable = this.file.record(type);
        if (variable?.kind !== BtfKind.var) return [];
        return { name: variable.name, offset, size, type: this.type(type) };
      })
      .sort((a, b) => a.offset - b.offset);
  }

  /** The result and the parameters of a function of the kernel. */
  function(name: string): KernelFunction | undefined {
    for (const id of this.file.named(name)) {
      const record = this.file.record(id);
      const prototype = record?.kind === BtfKind.func ? this.file.record(record.sizeOrType) : undefined;
      if (prototype?.kind !== BtfKind.funcProto) continue;
      const parameters = this.file
        .parameters(prototype)
        .map(({ name, type }) => ({ name, type: this.type(type) }));
      return { name, result: this.type(prototype.sizeOrType), parameters };
    }
    return undefined;
  }
}
