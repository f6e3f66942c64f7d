/**
 * What names in a condition come down to at one place: registers of the CPU, memory relative to them, and numbers. An
 * expression in these terms means the same as the original whenever a CPU comes to that place in the same world, and
 * needs no frame, so that it can be compiled.
 */
import type { Expression, IntegerType } from '../expressions/parse';
import { parseExpression } from '../expressions/parse';
import type { FrameReader, Location } from '../symbols/dwarf/expression';
import { ENCODING, type CType } from '../symbols/dwarf/types';
import type { Variable } from '../symbols/dwarf/variables';
import { symbolPlace } from './address-space';
import type { Frame } from './frame';
import type { FrameNames } from './names';
import { structRoots } from './names';
import type { NamesView } from './names-view';

const number = (value: bigint): Expression => ({ k: 'number', value: BigInt.asUintN(64, value) });
const register = (name: string): Expression => ({ k: 'name', name, at: 0 });
const binary = (
  op: Extract<Expression, { k: 'binary' }>['op'],
  left: Expression,
  right: Expression,
): Expression => ({ k: 'binary', op, left, right, at: 0 });
const ones = (bits: number): bigint => (1n << BigInt(bits)) - 1n;

const sizes: Readonly<Record<number, IntegerType['bits']>> = { 1: 8, 2: 16, 4: 32, 8: 64 };
const REGISTERS = 32;

/** Registers with values that come from nowhere else: what an address was made of shows in its value. */
function inventedReader(seed: bigint): FrameReader & { readonly hasRead: () => boolean } {
  let read = false;
  return {
    reg: (n) => BigInt.asUintN(60, (BigInt(n) + 1n) * 0x9e37_79b9_7f4a_7c15n + seed) & ~0xfn,
    mem: () => {
      read = true;
      return undefined;
    },
    hasRead: () => read,
  };
}

export class ConditionResolver {
  constructor(
    private readonly view: NamesView,
    private readonly frame: Frame,
    private readonly names: FrameNames,
  ) {}

  /** The expression in registers, memory and numbers; undefined where it has something else in it. */
  resolve(text: string): Expression | undefined {
    const prepared = this.names.prepare(text);
    if (prepared.space !== this.frame.space) return undefined;
    return this.expression(parseExpression(prepared.text));
  }

  private expression(e: Expression): Expression | undefined {
    switch (e.k) {
      case 'number':
        return e;
      case 'name':
        return this.name(e.name);
      case 'unary':
      case 'cast': {
        const of = this.expression(e.of);
        return of && { ...e, of };
      }
      case 'load': {
        const address = this.expression(e.address);
        return address && { ...e, address };
      }
      case 'binary': {
        const [left, right] = [this.expression(e.left), this.expression(e.right)];
        return left && right && { ...e, left, right };
      }
      case 'choice': {
        const [test, yes, no] = [this.expression(e.test), this.expression(e.yes), this.expression(e.no)];
        return test && yes && no && { ...e, test, yes, no };
      }
    }
  }

  /** The same order as in FrameNames: variables, numbers about the CPU, registers, what has a fixed address. */
  private name(name: string): Expression | undefined {
    const { frame, names } = this;
    const [first = '', part, more] = name.split('.');
    if (first.startsWith('$') || more !== undefined) return undefined;
    const local = this.locals().find((v) => v.name === first);
    if (local) return part === undefined ? local.value() : undefined;
    if (part === undefined && first === 'cpu') return register('cpu');
    // The level and the virtual machine are those of the world that the expression is for.
    if (part === undefined && (first === 'el' || first === 'vmid')) return this.constant(first);
    const found = frame.registers.find(first);
    if (found) {
      const plain = register(found.part?.register ?? found.name);
      if (part === undefined) return found.part ? binary('&', plain, number(ones(found.part.width))) : plain;
      const fields = found.part ? [] : frame.registers.fields(found);
      const field = fields.find((f) => f.name === part) ?? fields.find((f) => sameName(f.name, part));
      return field && binary('&', binary('>>', plain, number(BigInt(field.lsb))), number(ones(field.width)));
    }
    const { hypervisor } = this.view.guest;
    const isDynamic = [...structRoots, ...hypervisor.arrays, 'ec', 'iss', 'ipa'].includes(first);
    if (isDynamic || part !== undefined || names.linux()?.perCpu(first)) return undefined;
    const place = this.place();
    const global = place && this.asValue((reader) => this.view.target.symbols.globalAt(place, first, reader));
    return global ? global() : this.constant(first);
  }

  /** A name whose value is the same as long as the world is. */
  private constant(name: string): Expression {
    return number(this.names.number(name));
  }

  private place(): ReturnType<typeof symbolPlace> {
    const { frame } = this;
    return frame.kind === 'code' ? symbolPlace(frame.space, frame.lookup) : undefined;
  }

  private locals(): { readonly name: string; readonly value: () => Expression | undefined }[] {
    const place = this.place();
    if (!place) return [];
    const { symbols } = this.view.target;
    const all = (reader: FrameReader): readonly Variable[] =>
      symbols.variablesAt(place, reader, this.frame.outward);
    return all(inventedReader(0n)).map(({ name }, n) => ({
      name,
      value: () => this.asValue((reader) => all(reader)[n])?.(),
    }));
  }

  /** A C variable as an expression; undefined: there is none, or it is nothing that fits into a register. */
  private asValue(
    find: (reader: FrameReader) => Variable | undefined,
  ): (() => Expression | undefined) | undefined {
    const readers = [1n, 2n, 3n].map((n) => inventedReader(n * 0x1234_5678_9abc_def0n));
    const found = readers.map(find);
    const type = found[0]?.type;
    if (!type) return undefined;
    return () => {
      const as = integer(type);
      const locations = found.map((v) => v?.location);
      const place = as && commonPlace(locations, readers);
      if (!as || !place || readers.some((r) => r.hasRead())) return undefined;
      const at = place.base === undefined ? number(place.offset) : this.relative(place.base, place.offset);
      if (!at) return undefined;
      return place.kind === 'memory'
        ? { k: 'load', type: as, address: at, at: 0 }
        : { k: 'cast', type: as, of: at };
    };
  }

  private relative(dwarf: number, offset: bigint): Expression | undefined {
    const name = this.frame.registers.isa.dwarf[dwarf];
    return name === undefined ? undefined : binary('+', register(name), number(offset));
  }
}

const sameName = (a: string, b: string): boolean => a.toLowerCase() === b.toLowerCase();

/** How the items of C variables turn bytes into a number. */
function integer(type: CType): IntegerType | undefined {
  const bits = sizes[type.size];
  const isScalar = type.kind === 'base' || type.kind === 'pointer' || type.kind === 'enum';
  if (bits === undefined || !isScalar) return undefined;
  return { bits, signed: type.encoding === ENCODING.signed || type.encoding === ENCODING.signedChar };
}

interface FoundPlace {
  readonly kind: 'memory' | 'value';
  /** DWARF number of a register, and what is added to it. */
  readonly base: number | undefined;
  readonly offset: bigint;
}

/** What locations have in common that were found with different values of the registers. */
function commonPlace(
  locations: readonly (Location | undefined)[],
  readers: readonly FrameReader[],
): FoundPlace | undefined {
  const parts = locations.map((l) => {
    if (l?.kind === 'register') return { kind: 'register' as const, value: BigInt(l.register) };
    if (l?.kind === 'memory') return { kind: 'memory' as const, value: l.address };
    return l?.kind === 'value' ? { kind: 'value' as const, value: l.value } : undefined;
  });
  const [first] = parts;
  if (!first) return undefined;
  const { kind } = first;
  const isAll = (offset: bigint, base?: number): boolean =>
    parts.every((p, i) => {
      const from = base === undefined ? 0n : (readers[i]?.reg(base) ?? 0n);
      return p?.kind === kind && BigInt.asUintN(64, from + offset) === BigInt.asUintN(64, p.value);
    });
  if (kind === 'register')
    return isAll(first.value) ? { kind: 'value', base: Number(first.value), offset: 0n } : undefined;
  if (isAll(first.value)) return { kind, base: undefined, offset: first.value };
  for (let base = 0; base < REGISTERS; base++) {
    const offset = BigInt.asIntN(64, first.value - (readers[0]?.reg(base) ?? 0n));
    if (isAll(offset, base)) return { kind, base, offset };
  }
  return undefined;
}
