/** Registers as items: a hexadecimal value with what is set in it, named fields as parts. */
import type { DebugField, DebugRegister, RegisterScope } from '../../emulator/isa/dsl/debug';
import { formatAddress, type AddressSpace } from './address-space';
import { symbolText } from './disassembly';
import type { FrameRegisters } from './frame-registers';
import { textItem, type Effect, type Item } from './items';
import { editedText, hex, hexWide, plainNumber, requireFits } from './numbers';

/** Turns what a user writes into a number: an expression in the frame. */
export type Evaluate = (text: string) => bigint;

/** What items of a frame need. */
export interface ItemContext {
  readonly registers: FrameRegisters;
  readonly space: AddressSpace;
  readonly evaluate: Evaluate;
}

const bitsOf = (value: bigint, f: DebugField): bigint =>
  (value >> BigInt(f.lsb)) & ((1n << BigInt(f.width)) - 1n);

/** The names of what is set: `VM IMO T0SZ=25`. */
export function fieldSummary(value: bigint, fields: readonly DebugField[]): string {
  return [...fields]
    .sort((a, b) => a.lsb - b.lsb)
    .map((f) => {
      const v = bitsOf(value, f);
      // An address in the middle of a register is hard to recognise: it is in the value.
      if (v === 0n || f.addressShift !== undefined) return '';
      if (f.width === 1) return f.name;
      const name = v < 256n ? f.values?.[Number(v)] : undefined;
      return `${f.name}=${name && /^\S+$/.test(name) ? name : v < 10n ? String(v) : hex(v)}`;
    })
    .filter((t) => t !== '')
    .join(' ');
}

/** A value with the names of its fields. */
export function summaryText(value: bigint, fields: readonly DebugField[]): string {
  const summary = fieldSummary(value, fields);
  return summary === '' ? hex(value) : `${hex(value)} ${summary}`;
}

function fieldText(value: bigint, f: DebugField): string {
  const name = value < 0x10000n ? f.values?.[Number(value)] : undefined;
  const number = f.width === 1 ? String(value) : hex(value);
  if (f.addressShift !== undefined) return `${number} (address ${hex(value << BigInt(f.addressShift))})`;
  return name === undefined ? number : `${number} (${name})`;
}

/** A number from the user's text: an expression, or the name of a value. */
export function parseValue(ctx: Pick<ItemContext, 'evaluate'>, text: string, field?: DebugField): bigint {
  const given = text.trim().toLowerCase();
  const named = Object.entries(field?.values ?? {}).find(([, name]) => name.toLowerCase() === given);
  if (named) return BigInt(named[0]);
  const wanted = editedText(text).trim();
  return plainNumber(wanted) ?? ctx.evaluate(wanted);
}

/** The fields of a value that lies somewhere: in a register, in a struct. */
export function fieldItems(
  ctx: Pick<ItemContext, 'evaluate'>,
  value: bigint,
  fields: readonly DebugField[],
  evaluateName: string | undefined,
  write: ((value: bigint) => Effect) | undefined,
  whyReadOnly?: string,
): Item[] {
  return fields.map((f) => {
    const v = bitsOf(value, f);
    return {
      name: f.name,
      value: fieldText(v, f),
      type: f.width === 1 ? `bit ${f.lsb}` : `bits ${f.lsb + f.width - 1}:${f.lsb}`,
      number: v,
      ...(evaluateName === undefined ? {} : { evaluateName: `${evaluateName}.${f.name}` }),
      ...(write
        ? {
            set: (text: string) => {
              const wanted = requireFits(parseValue(ctx, text, f), f.width, f.name);
              const mask = ((1n << BigInt(f.width)) - 1n) << BigInt(f.lsb);
              return write((value & ~mask) | (wanted << BigInt(f.lsb)));
            },
          }
        : whyReadOnly === undefined
          ? {}
          : { whyReadOnly }),
    };
  });
}

const effectOf = (ctx: ItemContext, register: string): Effect =>
  ctx.registers.isa.movesFrames(register) ? 'stacks' : 'variables';

/** What stands for a value that there is not. */
function lostText(registers: FrameRegisters, register: DebugRegister): string {
  if (!register.read && !register.part) return '<write-only>';
  return registers.isDetached || registers.places.has(register.part?.register ?? register.name)
    ? '<not saved>'
    : '<not there>';
}

export function registerItem(ctx: ItemContext, register: DebugRegister): Item {
  const { registers } = ctx;
  const { name } = register;
  const fields = registers.fields(register);
  const value = registers.value(register);
  if (value === undefined)
    return {
      name,
      value: lostText(registers, register),
      evaluateName: name,
      isText: true,
      whyReadOnly: registers.whyNotWritable(register) ?? 'its value cannot be read',
    };
  const set = (text: string): Effect => {
    registers.write(register, parseValue(ctx, text));
    return effectOf(ctx, register.part?.register ?? name);
  };
  const writeWhole = (v: bigint): Effect => {
    registers.write(register, v);
    return effectOf(ctx, name);
  };
  const whyReadOnly = registers.whyNotWritable(register);
  const isWritable = whyReadOnly === undefined;
  const parts = (): readonly Item[] =>
    register.width === 128
      ? vectorParts(ctx, register, value)
      : fieldItems(ctx, value, fields, name, isWritable ? writeWhole : undefined, whyReadOnly);
  return {
    name,
    value: valueText(ctx, register, value),
    type: `${register.width} bits`,
    evaluateName: name,
    number: value,
    ...(register.width === 64 && fields.length === 0 ? pointerReference(ctx, value) : {}),
    ...(fields.length > 0 || register.width === 128 ? { parts } : {}),
    ...(isWritable ? { set } : { isReadOnly: true, whyReadOnly }),
  };
}

/** Registers that hold an address show the memory there; small numbers are not addresses, whatever lies there. */
function pointerReference(ctx: ItemContext, value: bigint): { memoryReference?: string } {
  const { guest, cpu } = ctx.registers;
  if (value < 0x1000n || guest.physical(cpu, ctx.space, value) === undefined) return {};
  return { memoryReference: formatAddress(ctx.space, value) };
}

function valueText(ctx: ItemContext, register: DebugRegister, value: bigint): string {
  if (register.width === 128) return hexWide(value, 128);
  const fields = ctx.registers.fields(register);
  if (fields.length > 0) return summaryText(value, fields);
  // Small numbers are not addresses, whatever lies there.
  const symbol =
    register.width === 64 && value > 0xfffn ? symbolText(ctx.registers.guest, ctx.space, value) : undefined;
  return symbol === undefined ? hex(value) : `${hex(value)} <${symbol}>`;
}

const views: readonly (readonly [string, number])[] = [
  ['d', 64],
  ['s', 32],
  ['h', 16],
  ['b', 8],
];

function float(value: bigint, bits: number): string {
  const view = new DataView(new ArrayBuffer(8));
  view.setBigUint64(0, value, true);
  return String(bits === 64 ? view.getFloat64(0, true) : view.getFloat32(0, true));
}

/** A vector register by its elements, and as floating-point numbers. */
function vectorParts(ctx: ItemContext, register: DebugRegister, value: bigint): Item[] {
  const elements = (name: string, bits: number, text: (v: bigint) => string): Item => {
    const at = (index: number): Item => {
      const shift = BigInt(index * bits);
      const part = BigInt.asUintN(bits, value >> shift);
      return {
        name: `[${index}]`,
        value: text(part),
        number: part,
        set: (written) => {
          const mask = ((1n << BigInt(bits)) - 1n) << shift;
          const wanted = requireFits(parseValue(ctx, written), bits, 'the element');
          ctx.registers.write(register, (value & ~mask) | (wanted << shift));
          return 'variables';
        },
      };
    };
    const count = 128 / bits;
    const all = Array.from({ length: count }, (_, i) =>
      text(BigInt.asUintN(bits, value >> BigInt(i * bits))),
    );
    return { name, value: `{${all.join(', ')}}`, elements: { count, at } };
  };
  return [
    ...views.map(([name, bits]) => elements(name, bits, hex)),
    ...([64, 32] as const).map((bits) => {
      const item = elements(`f${bits}`, bits, (v) => float(v, bits));
      // Written as bits, a floating-point number would surprise.
      const { count, at } = item.elements ?? { count: 0, at: () => item };
      return {
        ...item,
        elements: {
          count,
          at: (i: number): Item => {
            const { name, value: shown } = at(i);
            return { name, value: shown };
          },
        },
      };
    }),
  ];
}

/** Whether there is anything to show of a register in a frame. */
function isShown({ registers }: ItemContext, r: DebugRegister): boolean {
  // Of a vcpu that does not run only what was saved: the rest belongs to whoever runs.
  if (registers.isDetached) return registers.places.has(r.name);
  return registers.has(r) && (r.read !== undefined || r.part !== undefined);
}

/** Whether a register scope has anything to show in a frame. */
export const hasContent = (ctx: ItemContext, scope: RegisterScope): boolean =>
  scope.groups.some((g) => g.registers.some((r) => isShown(ctx, r)));

/** The register scopes of a frame as items that open. */
export function savedScopes(ctx: ItemContext): Item[] {
  return ctx.registers.isa.scopes
    .filter((s) => hasContent(ctx, s))
    .map((s) => ({ ...textItem(s.name, ''), parts: () => scopeItems(ctx, s) }));
}

/** The content of a register scope. */
export function scopeItems(ctx: ItemContext, scope: RegisterScope): Item[] {
  const exists = (r: DebugRegister): boolean => isShown(ctx, r);
  if (scope.show === 'fields') {
    const [register] = scope.groups[0]?.registers ?? [];
    if (!register) return [];
    const item = registerItem(ctx, register);
    return [item, ...(item.parts?.() ?? [])].map((i) => (i === item ? { ...withoutParts(i) } : i));
  }
  const itemsOf = (registers: readonly DebugRegister[]): Item[] =>
    registers.filter(exists).map((r) => registerItem(ctx, r));
  if (scope.show === 'registers') return scope.groups.flatMap((g) => itemsOf(g.registers));
  return scope.groups.flatMap(({ name, registers }) => {
    const count = registers.filter(exists).length;
    if (count === 0) return [];
    const value = `${count} register${count === 1 ? '' : 's'}`;
    return [{ ...textItem(name, value), parts: () => itemsOf(registers) }];
  });
}

function withoutParts(item: Item): Item {
  const { parts: _parts, ...rest } = item;
  return rest;
}
