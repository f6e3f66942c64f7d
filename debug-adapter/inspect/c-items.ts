/** Variables of C code as items, by the types that DWARF describes. */
import { UserError } from '../errors';
import { littleEndian, type FrameReader, type Location } from '../symbols/dwarf/expression';
import { ENCODING, type CType, type Member } from '../symbols/dwarf/types';
import { readLocation, type Variable } from '../symbols/dwarf/variables';
import type { TypedStruct } from '../hypervisors/types';
import { formatAddress, formatSpace, type AddressSpace } from './address-space';
import { symbolText } from './disassembly';
import type { Frame } from './frame';
import { ANONYMOUS, PAGED, type Effect, type Item } from './items';
import { bytesOf, editedText, hex, plainNumber, requireFits } from './numbers';
import { fieldItems, parseValue, summaryText, type ItemContext } from './register-items';

/** A value that has a type and a place. */
interface Place {
  readonly name: string;
  readonly type: CType;
  readonly location: Location | undefined;
  readonly path: string | undefined;
  readonly bits?: { readonly at: number; readonly width: number } | undefined;
  /** The registers that the elements of an array hold, by number. */
  readonly registers?: ReadonlyMap<number, string> | undefined;
}

const MAX_TEXT = 64;
/** Longer values are shown by their parts only. */
const MAX_VALUE = 4096;

export class CItems {
  constructor(
    private readonly ctx: ItemContext,
    private readonly frame: Pick<Frame, 'cpu' | 'space'>,
    private readonly reader: FrameReader,
  ) {}

  /** For values that lie in memory, whatever frame is looked at. */
  static inMemory(ctx: ItemContext, cpu: number, space: AddressSpace): CItems {
    const { guest } = ctx.registers;
    const mem = (address: bigint, length: number): Uint8Array | undefined => {
      const data = guest.read(cpu, space, address, length);
      return data.length === length ? data : undefined;
    };
    return new CItems(ctx, { cpu, space }, { reg: () => undefined, mem });
  }

  /** The members of a struct. */
  fields({ type, address }: TypedStruct, path: string | undefined): Item[] {
    const place: Place = { name: type.name, type, location: { kind: 'memory', address }, path };
    return type.members().map((m) => this.member(place, m));
  }

  variable(v: Variable): Item {
    return this.item({ name: v.name, type: v.type, location: v.location, path: v.name });
  }

  /** What is at an address, as a type: a cast. Nothing is known of how to write the address as an expression. */
  typed(name: string, type: CType, address: bigint): Item {
    return this.item({ name, type, location: { kind: 'memory', address }, path: undefined });
  }

  private item(p: Place): Item {
    const { type, location } = p;
    const base = {
      name: p.name,
      type: type.name,
      ...(p.path === undefined ? {} : { evaluateName: p.path }),
      ...(location?.kind === 'memory'
        ? {
            memoryReference: formatAddress(this.frame.space, location.address),
            address: location.address,
            memory: {
              space: this.frame.space,
              address: location.address,
              bytes: type.size,
              ...(scalar(type) ? { show: (bytes: Uint8Array) => this.shown(p, bytes) } : {}),
            },
          }
        : {}),
    };
    if (!location) return { ...base, value: '<optimized out>', isText: true };
    if (type.kind === 'struct' || type.kind === 'union')
      return { ...base, value: type.name, parts: () => type.members().map((m) => this.member(p, m)) };
    if (type.kind === 'array') return { ...base, ...this.array(p) };
    const bytes = readLocation(location, Math.min(type.size, MAX_VALUE), this.reader);
    if (!bytes || type.size === 0)
      return { ...base, value: type.size === 0 ? type.name : '<not readable>', isText: true };
    const { raw, width } = this.raw(p, bytes);
    return {
      ...base,
      value: this.text(type, raw, width),
      number: this.signed(type) ? BigInt.asUintN(64, BigInt.asIntN(width, raw)) : raw,
      ...(type.kind === 'pointer' ? this.pointer(p, raw) : {}),
      ...(location.kind === 'memory' || location.kind === 'register'
        ? { set: (text: string) => this.write(p, location, bytes, text) }
        : {}),
    };
  }

  /** The number that bytes hold: all of them, or a bit field. */
  private raw({ type, bits }: Place, bytes: Uint8Array): { readonly raw: bigint; readonly width: number } {
    const whole = littleEndian(bytes);
    if (!bits) return { raw: whole, width: 8 * type.size };
    return { raw: (whole >> BigInt(bits.at)) & ((1n << BigInt(bits.width)) - 1n), width: bits.width };
  }

  /** Other bytes than those in memory now, as the same variable. */
  private shown(p: Place, bytes: Uint8Array): string {
    const { raw, width } = this.raw(p, bytes);
    return this.text(p.type, raw, width);
  }

  private signed(type: CType): boolean {
    return type.encoding === ENCODING.signed || type.encoding === ENCODING.signedChar;
  }

  /** A scalar as C programmers read it. */
  private text(type: CType, raw: bigint, width: number): string {
    if (type.kind === 'pointer' || type.kind === 'function') {
      const symbol = raw > 0xfffn ? symbolText(this.ctx.registers.guest, this.frame.space, raw) : undefined;
      return symbol === undefined ? hex(raw) : `${hex(raw)} <${symbol}>`;
    }
    if (type.encoding === ENCODING.float && (type.size === 4 || type.size === 8)) {
      const view = new DataView(new ArrayBuffer(8));
      view.setBigUint64(0, raw, true);
      return String(type.size === 8 ? view.getFloat64(0, true) : view.getFloat32(0, true));
    }
    const value = this.signed(type) ? BigInt.asIntN(width, raw) : raw;
    if (type.kind === 'enum') {
      const name = type.enumerators().find((e) => BigInt.asUintN(width, e.value) === raw)?.name;
      return name === undefined ? String(value) : `${value} (${name})`;
    }
    if (type.encoding === ENCODING.boolean) return raw === 0n ? 'false' : 'true';
    const isChar = type.encoding === ENCODING.signedChar || type.encoding === ENCODING.unsignedChar;
    if (isChar && raw >= 32n && raw < 127n) return `${value} '${String.fromCharCode(Number(raw))}'`;
    // Large numbers are addresses or masks more often than counts.
    return value > 0xffffn ? `${value} (${hex(value)})` : String(value);
  }

  /** Where a part of a value is. */
  private within({ location, type }: Place, offset: number, size: number): Location | undefined {
    return location?.kind === 'memory'
      ? { kind: 'memory', address: BigInt.asUintN(64, location.address + BigInt(offset)) }
      : this.slice(location, type.size, offset, size);
  }

  private member(p: Place, m: Member): Item {
    return this.item({
      name: m.name === '' ? ANONYMOUS : m.name,
      type: m.type,
      location: this.within(p, m.offset, m.type.size),
      bits: m.bits,
      registers: m.type.kind === 'array' ? this.registersIn(p.type, m) : undefined,
      path: p.path === undefined ? undefined : m.name === '' ? p.path : `${p.path}.${m.name}`,
    });
  }

  private registersIn(struct: CType, member: Member): ReadonlyMap<number, string> | undefined {
    return this.ctx.registers.guest.hypervisor.elementNames?.(struct.name, member.name);
  }

  /** An element that holds a register, under the register's name. */
  private register(p: Place, name: string): Item {
    const { registers } = this.ctx;
    const item = this.item({ ...p, name });
    const known = registers.isa.find(name);
    const fields = known && registers.fields(known);
    const { number, set } = item;
    if (!fields || number === undefined || !set) return item;
    if (fields.length === 0) return { ...item, value: hex(number) };
    const write = (v: bigint): Effect => set(hex(v));
    return {
      ...item,
      value: summaryText(number, fields),
      parts: () => fieldItems(this.ctx, number, fields, p.path, write),
    };
  }

  /** A part of a value that is not in memory. */
  private slice(
    location: Location | undefined,
    whole: number,
    offset: number,
    size: number,
  ): Location | undefined {
    const bytes = location && readLocation(location, whole, this.reader);
    return bytes && { kind: 'bytes', bytes: bytes.subarray(offset, offset + size) };
  }

  private array(p: Place): Pick<Item, 'value' | 'parts' | 'elements' | 'isArray' | 'number'> {
    const element = p.type.target();
    // In an expression an array is the address of its first element (C11 6.3.2.1).
    const decayed = p.location?.kind === 'memory' ? { number: p.location.address } : {};
    const count = p.type.count ?? 0;
    const at = (n: number): Item => {
      const place: Place = {
        name: `[${n}]`,
        type: element,
        location: this.within(p, n * element.size, element.size),
        path: p.path === undefined ? undefined : `${p.path}[${n}]`,
      };
      const name = p.registers?.get(n);
      return name === undefined ? this.item(place) : this.register(place, name);
    };
    const value = this.string(p, element) ?? `${element.name}[${count}]`;
    if (count > PAGED && !p.registers) return { value, ...decayed, elements: { count, at } };
    return { value, ...decayed, isArray: true, parts: () => Array.from({ length: count }, (_, n) => at(n)) };
  }

  private isCharacter(type: CType): boolean {
    const { encoding, size } = type;
    return size === 1 && (encoding === ENCODING.signedChar || encoding === ENCODING.unsignedChar);
  }

  /** An array of characters as text. */
  private string(p: Place, element: CType): string | undefined {
    if (!this.isCharacter(element) || !p.location) return undefined;
    const bytes = readLocation(p.location, Math.min(p.type.size, MAX_TEXT), this.reader);
    return bytes && quoted(bytes);
  }

  /** What a pointer points to. */
  private pointer(p: Place, address: bigint): Partial<Item> {
    const target = p.type.target();
    const { hypervisor } = this.ctx.registers.guest;
    const { cpu, space: own } = this.frame;
    const space = hypervisor.pointerSpace?.(cpu, own, address) ?? own;
    if (space !== own) return CItems.inMemory(this.ctx, cpu, space).pointer(p, address);
    const memoryReference = formatAddress(this.frame.space, address);
    if (address === 0n || target.kind === 'void' || target.kind === 'function' || target.kind === 'unknown')
      return { memoryReference };
    const { guest } = this.ctx.registers;
    const pointee = (index: number): Item =>
      this.item({
        name: `${p.name}[${index}]`,
        type: target,
        location: { kind: 'memory', address: BigInt.asUintN(64, address + BigInt(index * target.size)) },
        path: p.path === undefined ? undefined : index === 0 ? `*${p.path}` : `${p.path}[${index}]`,
      });
    if (this.isCharacter(target)) {
      const text = quoted(guest.read(cpu, this.frame.space, address, MAX_TEXT));
      return { memoryReference, value: `${hex(address)} ${text}`, pointee };
    }
    const path = p.path === undefined ? undefined : `*${p.path}`;
    const place: Place = { name: `*${p.name}`, type: target, location: { kind: 'memory', address }, path };
    // The fields of a struct directly: a pointer to it is what C code has.
    const isStruct = target.kind === 'struct' || target.kind === 'union';
    const parts = (): readonly Item[] =>
      isStruct ? target.members().map((m) => this.member({ ...place, path: p.path }, m)) : [this.item(place)];
    return { memoryReference, parts, pointee };
  }

  private parse(type: CType, text: string): bigint {
    const wanted = editedText(text).trim();
    if (type.kind === 'enum') {
      const named = type.enumerators().find((e) => e.name === wanted);
      if (named) return named.value;
    }
    if (type.encoding === ENCODING.boolean && /^(true|false)$/.test(wanted))
      return wanted === 'true' ? 1n : 0n;
    if (type.encoding === ENCODING.float && (type.size === 4 || type.size === 8))
      return floatBits(wanted, type.size);
    const quotedChar = /^(?:-?\d+\s+)?'(.)'$/.exec(wanted)?.[1];
    if (quotedChar !== undefined) return BigInt(quotedChar.codePointAt(0) ?? 0);
    return plainNumber(wanted) ?? parseValue(this.ctx, wanted);
  }

  private write(
    p: Place,
    location: Extract<Location, { kind: 'memory' | 'register' }>,
    old: Uint8Array,
    text: string,
  ): 'variables' {
    const width = p.bits?.width ?? 8 * p.type.size;
    const parsed = this.parse(p.type, text);
    // An expression gives 64 bits: a negative number for a smaller type keeps its sign.
    const narrow = width < 64 && parsed >> 63n === 1n ? BigInt.asIntN(64, parsed) : parsed;
    const value = requireFits(narrow, width, p.name);
    const shift = BigInt(p.bits?.at ?? 0);
    const mask = ((1n << BigInt(width)) - 1n) << shift;
    const whole = (littleEndian(old) & ~mask) | (value << shift);
    const { registers } = this.ctx;
    if (location.kind === 'register') {
      const register = registers.isa.find(registers.isa.dwarf[location.register] ?? '');
      if (!register) throw new UserError(`${p.name} is in a register that cannot be written.`);
      registers.write(register, whole);
      return 'variables';
    }
    const data = bytesOf(whole, old.length);
    if (
      registers.guest.writable(this.frame.cpu, this.frame.space, location.address, data.length) < data.length
    )
      throw new UserError(
        `${p.name} cannot be changed: ${hex(location.address)} in ${formatSpace(this.frame.space)} is not writable memory.`,
      );
    registers.guest.write(this.frame.cpu, this.frame.space, location.address, data);
    return 'variables';
  }
}

const scalar = ({ kind }: CType): boolean => kind !== 'struct' && kind !== 'union' && kind !== 'array';

function floatBits(text: string, size: 4 | 8): bigint {
  const value = Number(text);
  if (text === '' || (Number.isNaN(value) && !/^nan$/i.test(text)))
    throw new UserError(`"${text}" is no floating-point number.`);
  const view = new DataView(new ArrayBuffer(8));
  if (size === 8) view.setFloat64(0, value, true);
  else view.setFloat32(0, value, true);
  return BigInt.asUintN(8 * size, view.getBigUint64(0, true));
}

/** Bytes up to the first zero as a C string. */
function quoted(bytes: Uint8Array): string {
  const end = bytes.indexOf(0);
  const text = [...bytes.subarray(0, end < 0 ? bytes.length : end)]
    .map((b) => {
      if (b === 10) return '\\n';
      if (b === 34 || b === 92) return `\\${String.fromCharCode(b)}`;
      return b >= 32 && b < 127 ? String.fromCharCode(b) : `\\x${b.toString(16).padStart(2, '0')}`;
    })
    .join('');
  return `"${text}"${end < 0 ? '...' : ''}`;
}
