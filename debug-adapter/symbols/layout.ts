import { readExactly } from './byte-source';
import { Cursor } from './cursor';
import type { ElfFile } from './elf';
import { SymbolError } from './errors';
import type { ExceptionLevel, Regime } from './types';

/**
 * Reader of `.worldswitch.layout`, the section by which a hypervisor tells the debugger about its structs.
 * hypervisor/ABI.md defines the format.
 */
const SECTION = '.worldswitch.layout';
const MAGIC = 'WSLAYOUT';
const VERSION = 1;
const HEADER_SIZE = 16;
const RECORD_HEADER = 32;
/** A layout describes a few structs; the largest sensible section is far below this. */
const MAX_SIZE = 1 << 22;

export type FieldContent = 'uint' | 'gpr' | 'vec' | 'sysreg' | 'struct' | 'ptr' | 'enum' | 'irqs';

/** The register that an element of a field holds: `*` in a name stands for the number of the element. */
export const registerOfElement = (field: Pick<FieldLayout, 'of'>, index: number): string =>
  field.of.replace('*', String(index));

/** One field: `count` elements of `size` bytes. `of` names the struct, enumeration or register that `content` means. */
export interface FieldLayout {
  name: string;
  offset: number;
  size: number;
  count: number;
  content: FieldContent;
  of: string;
}

export interface StructLayout {
  name: string;
  size: number;
  /** In the order of their offsets. */
  fields: FieldLayout[];
}

/** From a register to a struct, over a path of fields. */
export interface ChainLayout {
  name: string;
  register: string;
  struct: string;
  path: string[];
  result: string;
}

/** `count` structs that lie one after the other at a link address. */
export interface ArrayLayout {
  name: string;
  address: bigint;
  count: number;
  struct: string;
}

/** What is linked at [start, end) runs at link address + offset in a regime. */
export interface AliasLayout {
  start: bigint;
  end: bigint;
  offset: bigint;
  regime: Regime;
}

/** A place in the code whose execution means something, such as a save of FP registers. */
export interface MarkLayout {
  /** What people call the place. */
  name: string;
  address: bigint;
  meaning: string;
  /** Of whom, in the hypervisor's words: `host`, `guest`. */
  of: string;
}

export interface Layout {
  structs: Map<string, StructLayout>;
  /** Enumeration -> number -> name. */
  enums: Map<string, Map<bigint, string>>;
  chains: Map<string, ChainLayout>;
  arrays: Map<string, ArrayLayout>;
  aliases: AliasLayout[];
  marks: MarkLayout[];
}

interface LayoutRecord {
  a: bigint;
  b: bigint;
  c: bigint;
  strings: readonly [string, string, string, string, string];
}

const contents: Readonly<Record<string, FieldContent>> = {
  gpr: 'gpr',
  vec: 'vec',
  sysreg: 'sysreg',
  struct: 'struct',
  ptr: 'ptr',
  enum: 'enum',
  irqs: 'irqs',
};

const levels: Readonly<Record<string, ExceptionLevel>> = { EL1: 'EL1', EL2: 'EL2' };

type Fail = (problem: string) => SymbolError;

function small(value: bigint, what: string, fail: Fail): number {
  if (value > 0x7fff_ffffn) throw fail(`${what} is ${value}, which cannot be`);
  return Number(value);
}

function structNamed(layout: Layout, name: string): StructLayout {
  let struct = layout.structs.get(name);
  if (struct === undefined) layout.structs.set(name, (struct = { name, size: 0, fields: [] }));
  return struct;
}

type Apply = (layout: Layout, record: LayoutRecord, fail: Fail) => void;

/** The record kinds, by number. */
const kinds: readonly (Apply | undefined)[] = [
  undefined,
  (layout, { a, strings: [name] }, fail) => {
    structNamed(layout, name).size = small(a, `the size of struct ${name}`, fail);
  },
  (layout, { a, b, c, strings: [struct, name, content, of] }, fail) => {
    const where = `${struct}.${name}`;
    structNamed(layout, struct).fields.push({
      name,
      offset: small(a, `the offset of ${where}`, fail),
      size: small(b, `the size of ${where}`, fail),
      count: small(c, `the number of elements of ${where}`, fail),
      content: contents[content] ?? 'uint',
      of,
    });
  },
  (layout, { a, strings: [enumeration, name] }) => {
    const names = layout.enums.get(enumeration) ?? new Map<bigint, string>();
    layout.enums.set(enumeration, names);
    if (!names.has(a)) names.set(a, name);
  },
  (layout, { strings: [name, register, struct, path, result] }) => {
    layout.chains.set(name, {
      name,
      register,
      struct,
      path: path.split('.').filter((p) => p !== ''),
      result,
    });
  },
  (layout, { a, b, strings: [name, struct] }, fail) => {
    const count = small(b, `the number of elements of the array ${name}`, fail);
    layout.arrays.set(name, { name, address: a, count, struct });
  },
  (layout, { a, b, c, strings: [level, vmid] }, fail) => {
    const el = levels[level];
    if (el === undefined) throw fail(`an alias names the exception level "${level}" instead of EL1 or EL2`);
    if (vmid !== '' && !/^[0-9]{1,5}$/.test(vmid)) throw fail(`an alias has the VMID "${vmid}"`);
    const regime: Regime = vmid === '' ? { el } : { el, vmid: Number(vmid) };
    layout.aliases.push({ start: a, end: b, offset: c, regime });
  },
  (layout, { a, strings: [name, meaning, of] }) => {
    layout.marks.push({ name, address: a, meaning, of });
  },
];

/** Decodes the bytes of the section. `file` is how error messages call the program. */
export function parseLayout(bytes: Uint8Array, file: string): Layout {
  const fail: Fail = (problem) =>
    new SymbolError(
      `The section ${SECTION} of ${file} is damaged (${problem}): write it as hypervisor/ABI.md says, for example with layout-macros.inc.`,
    );
  const c = new Cursor(bytes, `${SECTION} of ${file}`);
  const magic = String.fromCharCode(...bytes.subarray(0, 8));
  if (bytes.length < HEADER_SIZE || magic !== MAGIC) throw fail(`it does not begin with ${MAGIC}`);
  c.seek(8);
  const version = c.u32();
  if (version !== VERSION) {
    throw new SymbolError(
      `${file} describes its structs in version ${version} of ${SECTION}, and this debugger knows version ${VERSION}: update the extension.`,
    );
  }
  const layout: Layout = {
    structs: new Map(),
    enums: new Map(),
    chains: new Map(),
    arrays: new Map(),
    aliases: [],
    marks: [],
  };
  for (let start = HEADER_SIZE; start < bytes.length;) {
    if (bytes.length - start < 8) throw fail(`a record at offset ${start} is cut short`);
    c.seek(start);
    const kind = c.u32();
    const length = c.u32();
    if (length < 8 || length % 8 !== 0 || length > bytes.length - start) {
      throw fail(`a record at offset ${start} has the length ${length}`);
    }
    const apply = kinds[kind];
    if (apply !== undefined) {
      if (length < RECORD_HEADER + 5) throw fail(`a record at offset ${start} is too short`);
      apply(layout, readRecord(bytes.subarray(start, start + length), fail), fail);
    }
    start += length;
  }
  for (const struct of layout.structs.values()) struct.fields.sort((x, y) => x.offset - y.offset);
  return layout;
}

function readRecord(bytes: Uint8Array, fail: Fail): LayoutRecord {
  const c = new Cursor(bytes, SECTION);
  c.skip(8);
  const [a, b, d] = [c.u64(), c.u64(), c.u64()];
  const next = (): string => {
    if (bytes.indexOf(0, c.pos) < 0) throw fail('a record ends in the middle of a string');
    return c.cstring();
  };
  return { a, b, c: d, strings: [next(), next(), next(), next(), next()] };
}

/** The layout that an ELF file carries; undefined when it has no such section. */
export function readLayout(elf: ElfFile): Layout | undefined {
  const section = elf.section(SECTION);
  if (section === undefined) return undefined;
  if (section.size > MAX_SIZE) {
    throw new SymbolError(
      `The section ${SECTION} of ${elf.name} is too large to be one: rebuild the program.`,
    );
  }
  const content = elf.contents(section);
  return parseLayout(readExactly(content, 0, content.size, `${SECTION} of ${elf.name}`), elf.name);
}

/** One step of a chain: add the offset of a field, then read a pointer there if `follow`; a struct `to` is there. */
export interface ChainStep {
  field: string;
  offset: number;
  follow: boolean;
  to: string;
}

/** Resolves the path of a chain to offsets. Throws a SymbolError when the path does not fit the structs. */
export function chainSteps(layout: Layout, chain: ChainLayout): ChainStep[] {
  const steps: ChainStep[] = [];
  let struct = chain.struct;
  for (const part of chain.path) {
    const field = layout.structs.get(struct)?.fields.find((f) => f.name === part);
    if (field === undefined || (field.content !== 'struct' && field.content !== 'ptr')) {
      throw new SymbolError(
        `The chain ${chain.name} goes over ${struct}.${part}, which is not a declared struct or ptr field: correct the chain in the hypervisor's layout.`,
      );
    }
    steps.push({ field: part, offset: field.offset, follow: field.content === 'ptr', to: field.of });
    struct = field.of;
  }
  return steps;
}

/** Where a chain has come to after a step. */
export interface ChainLink {
  /** The field that led here; empty for the struct that the register points to. */
  field: string;
  /** The field is a pointer: it lies in the struct before. */
  pointer: boolean;
  struct: string;
  /** Undefined: the pointer is null, or the way to it cannot be read. The trail ends there. */
  address: bigint | undefined;
}

/**
 * Walks a chain from the value of its register, and keeps every step. `readPointer` reads 8 bytes at an EL2 virtual
 * address, without side effects; undefined from it, or a null pointer on the way, ends the walk.
 */
export function chainTrail(
  layout: Layout,
  chain: ChainLayout,
  registerValue: bigint,
  readPointer: (address: bigint) => bigint | undefined,
): ChainLink[] {
  let address = registerValue;
  const trail: ChainLink[] = [
    { field: '', pointer: true, struct: chain.struct, address: address === 0n ? undefined : address },
  ];
  for (const { field, offset, follow, to } of address === 0n ? [] : chainSteps(layout, chain)) {
    address = BigInt.asUintN(64, address + BigInt(offset));
    if (follow) {
      const next = readPointer(address);
      if (next === undefined || next === 0n) {
        trail.push({ field, pointer: true, struct: to, address: undefined });
        break;
      }
      address = next;
    }
    trail.push({ field, pointer: follow, struct: to, address });
  }
  return trail;
}

/** Where a chain leads to; undefined when there is nothing to show: see chainTrail. */
export function walkChain(
  layout: Layout,
  chain: ChainLayout,
  registerValue: bigint,
  readPointer: (address: bigint) => bigint | undefined,
): bigint | undefined {
  return chainTrail(layout, chain, registerValue, readPointer).at(-1)?.address;
}
