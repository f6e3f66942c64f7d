/**
 * The structs of a hypervisor as items, by the layout that its program declares (hypervisor/ABI.md) or by its C types.
 */
import type { DebugField } from '../../emulator/isa/dsl/debug';
import { UserError } from '../errors';
import { interruptsOf } from '../hypervisors/reference';
import type { DeclaredStruct, StructAt } from '../hypervisors/types';
import { littleEndian } from '../symbols/dwarf/expression';
import { registerOfElement, type FieldLayout } from '../symbols/layout';
import { formatAddress, formatSpace, type AddressSpace } from './address-space';
import { CItems } from './c-items';
import type { Item } from './items';
import { bytesOf, editedText, hex, hexWide, requireFits } from './numbers';
import { fieldItems, parseValue, summaryText, type ItemContext } from './register-items';

/** Pointers hold virtual addresses of the hypervisor: ABI.md. */
const hyp: AddressSpace = { kind: 'VA', level: 'EL2' };

/** Where a field lies, with the bytes of the struct around it. */
interface Cell {
  readonly at: DeclaredStruct;
  readonly field: FieldLayout;
  readonly data: Uint8Array;
  readonly path: string | undefined;
}

export class StructItems {
  constructor(
    private readonly ctx: ItemContext,
    private readonly cpu: number,
  ) {}

  /** A struct as one line with its fields as parts. */
  item(name: string, at: StructAt, path?: string): Item {
    return {
      name,
      value: `struct ${at.struct.name} at ${formatAddress(at.space, at.address)}`,
      type: `struct ${at.struct.name}`,
      memoryReference: formatAddress(at.space, at.address),
      memory: { space: at.space, address: at.address, bytes: at.struct.size },
      number: at.address,
      address: at.address,
      ...(path === undefined ? {} : { evaluateName: path }),
      parts: () => this.fields(at, path),
    };
  }

  /** The fields of a struct. */
  fields(at: StructAt, path?: string): readonly Item[] {
    return 'type' in at
      ? CItems.inMemory(this.ctx, this.cpu, at.space).fields(at, path)
      : this.declared(at, path);
  }

  private declared(at: DeclaredStruct, path: string | undefined): Item[] {
    const data = this.ctx.registers.guest.read(this.cpu, at.space, at.address, at.struct.size);
    return at.struct.fields.map((field) => {
      const end = field.offset + field.size * field.count;
      if (end > data.length)
        return {
          name: field.name,
          value: '<not readable>',
          isText: true,
          memoryReference: this.reference(at, field, 0),
        };
      return this.field({ at, field, data, path: path === undefined ? undefined : `${path}.${field.name}` });
    });
  }

  private reference(at: DeclaredStruct, field: FieldLayout, index: number): string {
    return formatAddress(at.space, at.address + BigInt(field.offset + index * field.size));
  }

  private field(cell: Cell): Item {
    const { field, at, path } = cell;
    const common = {
      memoryReference: this.reference(at, field, 0),
      memory: {
        space: at.space,
        address: at.address + BigInt(field.offset),
        bytes: field.size * field.count,
      },
      ...(path === undefined ? {} : { evaluateName: path }),
    };
    if (field.content === 'struct' && field.count === 1) {
      const inner = this.inner(cell, 0);
      return inner
        ? { ...this.item(field.name, inner, path), value: `struct ${field.of}` }
        : { name: field.name, value: '', ...common };
    }
    if (field.count === 1) return this.element(cell, 0, field.name);
    const names: Partial<Record<FieldLayout['content'], string>> = { gpr: 'x', vec: 'v' };
    const letter = names[field.content];
    return {
      name: field.name,
      value: `${field.count} × ${field.size} bytes`,
      ...common,
      isArray: true,
      parts: () =>
        Array.from({ length: Math.min(field.count, 4096) }, (_, n) =>
          this.element(cell, n, letter === undefined ? `[${n}]` : `${letter}${n}`),
        ),
    };
  }

  private inner({ at, field }: Cell, index: number): DeclaredStruct | undefined {
    const struct = at.layout.structs.get(field.of);
    return struct && { ...at, struct, address: at.address + BigInt(field.offset + index * field.size) };
  }

  private element(cell: Cell, index: number, name: string): Item {
    const { at, field, data } = cell;
    const path = cell.path === undefined || field.count === 1 ? cell.path : `${cell.path}[${index}]`;
    const start = field.offset + index * field.size;
    const value = littleEndian(data.subarray(start, start + field.size));
    if (field.content === 'struct') {
      const inner = this.inner(cell, index);
      if (inner) return this.item(name, inner, path);
    }
    const address = at.address + BigInt(start);
    const write = (v: bigint): 'stacks' => this.write(at.space, address, v, field.size);
    return {
      name,
      number: value,
      type: this.typeText(field),
      ...(path === undefined ? {} : { evaluateName: path }),
      memoryReference: formatAddress(at.space, address),
      memory: {
        space: at.space,
        address,
        bytes: field.size,
        show: (bytes) => this.presentation(cell, index, littleEndian(bytes), path, write).value,
      },
      set: (text) => write(requireFits(this.parse(cell, text), 8 * field.size, field.name)),
      ...this.presentation(cell, index, value, path, write),
    };
  }

  private typeText(field: FieldLayout): string {
    const of = field.of === '' ? '' : ` ${field.of}`;
    return field.content === 'uint' ? `u${8 * field.size}` : `${field.content}${of}`;
  }

  private presentation(
    { at, field }: Cell,
    index: number,
    value: bigint,
    path: string | undefined,
    write: (v: bigint) => 'stacks',
  ): Pick<Item, 'value' | 'parts'> {
    switch (field.content) {
      case 'vec':
        return { value: hexWide(value, 8 * field.size) };
      case 'enum': {
        const name = at.layout.enums.get(field.of)?.get(value);
        return { value: name === undefined ? String(value) : `${value} (${name})` };
      }
      case 'sysreg': {
        const fields = this.registerFields(registerOfElement(field, index));
        if (fields.length === 0) return { value: hex(value) };
        return {
          value: summaryText(value, fields),
          parts: () => fieldItems(this.ctx, value, fields, path, write),
        };
      }
      case 'irqs': {
        const bytes = bytesOf(value, field.size);
        const first = 8 * field.size * index;
        const set = interruptsOf(bytes).map((n) => n + first);
        return { value: set.length === 0 ? hex(value) : `${hex(value)} (${set.join(', ')})` };
      }
      case 'ptr': {
        const struct = at.layout.structs.get(field.of);
        if (value === 0n || !struct) return { value: value === 0n ? '0x0 (none)' : hex(value) };
        const target: DeclaredStruct = { layout: at.layout, struct, space: hyp, address: value };
        return { value: `${hex(value)} -> struct ${field.of}`, parts: () => this.fields(target, path) };
      }
      default:
        return { value: hex(value) };
    }
  }

  private registerFields(name: string): readonly DebugField[] {
    const register = this.ctx.registers.isa.find(name);
    return register ? this.ctx.registers.fields(register) : [];
  }

  private parse({ at, field }: Cell, text: string): bigint {
    if (field.content !== 'enum') return parseValue(this.ctx, text);
    const wanted = editedText(text).trim();
    const named = [...(at.layout.enums.get(field.of) ?? [])].find(([, name]) => name === wanted);
    return named ? named[0] : parseValue(this.ctx, text);
  }

  /** The stack may show saved registers, so a write to one changes it. */
  private write(space: AddressSpace, address: bigint, value: bigint, bytes: number): 'stacks' {
    const { guest } = this.ctx.registers;
    const data = bytesOf(value, bytes);
    if (guest.writable(this.cpu, space, address, bytes) < bytes)
      throw new UserError(
        `${hex(address)} in ${formatSpace(space)} cannot be written: ${guest.whyNot(this.cpu, space, address)}.`,
      );
    guest.write(this.cpu, space, address, data);
    return 'stacks';
  }
}
