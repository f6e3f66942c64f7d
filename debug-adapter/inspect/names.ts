/**
 * What names and paths in an expression mean in a frame: C variables, registers and their fields, the hypervisor's
 * structs (`vcpu.ctxt.x[3]`, `host`, `vcpus[0]`), symbols. Numbers go through debug-adapter/expressions.
 */
import { evaluate as evaluateExpression, type Names } from '../expressions/evaluate';
import { parseExpression } from '../expressions/parse';
import { UserError } from '../errors';
import type { StructAt, Vcpu } from '../hypervisors/types';
import { littleEndian } from '../symbols/dwarf/expression';
import type { CType } from '../symbols/dwarf/types';
import type { Regime, SymbolHit } from '../symbols/types';
import { formatAddress, formatSpace, parseAddress, symbolPlace, type AddressSpace } from './address-space';
import { CItems } from './c-items';
import { symbolText } from './disassembly';
import type { Frame } from './frame';
import { partNamed, type Item } from './items';
import { LinuxItems, absentPerCpu, kernelOf, namePerCpu } from './linux-items';
import type { NamesView } from './names-view';
import { hex } from './numbers';
import { registerItem, type ItemContext } from './register-items';
import { StructItems } from './struct-items';
import { vmSummary } from './vms';

const u64 = (v: bigint): bigint => BigInt.asUintN(64, v);

/** Names that stand for structs, and what they are. */
export const structRoots = ['vcpu', 'host', 'vcpus'] as const;
/** Numbers about the CPU beside its registers. */
const specialNames = ['el', 'ec', 'iss', 'vmid', 'vcpu', 'cpu', 'ipa'] as const;

const pathSyntax = /[A-Za-z_$][\w$]*(?:\s*(?:\.|->)\s*[A-Za-z_$][\w$]*|\[[^[\]]+\])*/g;
/** C's unary `*` and `&` before a path: not behind an operand, and not one half of `&&`. */
const prefixedPath =
  /(?<![\w)\]$&]\s*)([*&])(?!&)\s*([A-Za-z_][\w$]*(?:\s*(?:\.|->)\s*[A-Za-z_$][\w$]*|\[[^[\]]+\])*)(?!\s*[.[(\w]|\s*->)/g;
/** Addresses that name their space. */
export const qualified =
  /\b(?:EL[0123](?:\s*,\s*(?:(?:vmid|asid)\s*=\s*\d+|vcpu\s*=\s*\d+\.\d+))*|IPA(?:\(\s*\d+\s*\))?|PA):\s*(?:0[xX][0-9a-fA-F_]+|\d+)/gi;

/** Whether addresses that are valid in a regime mean something in an address space. */
const isRegimeOf = (regime: Regime, space: AddressSpace): boolean =>
  space.kind === 'VA' &&
  regime.el === space.level &&
  (regime.vmid === undefined || regime.vmid === (space.vmid ?? 0));

/** Splits `vcpu.ctxt->x[1]` into `vcpu`, `ctxt`, `x`, `[1]`; index expressions are still text. */
export function splitPath(text: string): string[] {
  return text.match(/[A-Za-z_$][\w$]*|\[[^[\]]+\]/g) ?? [];
}

/** A variable of C code. */
interface CVariable {
  readonly isArgument: boolean;
  readonly item: Item;
}

/** Checks an expression without values. @throws ExpressionError */
export function checkExpression(text: string): void {
  const numbered = namePerCpu(text, (cpu) => (checkExpression(cpu), 0n));
  const plain = numbered.replace(qualified, '0').replace(pathSyntax, (path) => {
    if (!/->|\[/.test(path)) return path;
    for (const part of splitPath(path)) if (part.startsWith('[')) checkExpression(part.slice(1, -1));
    return '$path';
  });
  parseExpression(plain);
}

export class FrameNames {
  /** What items of the frame need. */
  readonly context: ItemContext;
  private found: { readonly version: number; readonly list: readonly CVariable[] } | undefined;

  constructor(
    readonly view: NamesView,
    readonly frame: Frame,
  ) {
    this.context = {
      registers: frame.registers,
      space: frame.space,
      evaluate: (text) => this.number(text),
    };
  }

  /** Arguments and local variables of C code. */
  variables(): readonly CVariable[] {
    const { version } = this.view;
    if (this.found?.version !== version) this.found = { version, list: this.readVariables() };
    return this.found.list;
  }

  private readVariables(): CVariable[] {
    const { frame, view } = this;
    const place = frame.kind === 'code' ? symbolPlace(frame.space, frame.lookup) : undefined;
    if (!place) return [];
    const reader = view.walker.reader(frame);
    const items = new CItems(this.context, frame, reader);
    return view.target.symbols
      .variablesAt(place, reader, frame.outward)
      .map((v) => ({ isArgument: v.isArgument, item: items.variable(v) }));
  }

  private variable(name: string): Item | undefined {
    return this.variables().find((v) => v.item.name === name)?.item;
  }

  /** A C variable of file scope. */
  private global(name: string): Item | undefined {
    const { frame, view } = this;
    const place = frame.kind === 'code' ? symbolPlace(frame.space, frame.lookup) : undefined;
    if (!place) return undefined;
    const reader = view.walker.reader(frame);
    const found = view.target.symbols.globalAt(place, name, reader);
    return found && new CItems(this.context, frame, reader).variable(found);
  }

  // --- paths ------------------------------------------------------------------------------------------------------

  /** The item that a path names; undefined when its first name means nothing. @throws UserError for a wrong part */
  path(path: string): Item | undefined {
    const text = namePerCpu(path, (cpu) => this.number(cpu));
    const [first = '', ...rest] = splitPath(text.replace(/^\$(?=[A-Za-z])/, ''));
    let item = text.startsWith('$') ? this.register(first) : this.root(first);
    if (!item) {
      if (first !== 'vcpu' && first !== 'host' && first !== 'vcpus') return undefined;
      // Offsets of fields may be symbols of the same name: not what is meant here.
      throw this.absent(first);
    }
    for (const part of rest) item = this.part(item, part);
    return item;
  }

  private part(item: Item, part: string): Item {
    if (!part.startsWith('[')) return partNamed(item, part);
    const index = this.number(part.slice(1, -1));
    // C's p[n]; a negative index is as good as any.
    return item.pointee?.(Number(BigInt.asIntN(64, index))) ?? partNamed(item, `[${index}]`);
  }

  /** C's `*p` and `&x`; undefined when the path behind them is nothing of C. */
  prefixed(operator: string, path: string): Item | undefined {
    const item = this.path(path);
    if (operator === '*') return item?.pointee?.(0);
    if (item?.address === undefined) return undefined;
    const symbol = symbolText(this.view.guest, this.frame.space, item.address);
    return {
      name: `&${item.name}`,
      value: `${hex(item.address)}${symbol === undefined ? '' : ` <${symbol}>`}`,
      type: `${item.type ?? 'void'} *`,
      memoryReference: formatAddress(item.memory?.space ?? this.frame.space, item.address),
      number: item.address,
    };
  }

  private root(name: string): Item | undefined {
    // With its debug information a kernel's per-CPU variable would be a global: the one that is copied to the CPUs.
    const own = this.variable(name) ?? this.register(name) ?? this.struct(name);
    return own ?? this.linux()?.perCpu(name) ?? this.global(name);
  }

  /** What is known of the Linux kernel that the frame belongs to. */
  linux(): LinuxItems | undefined {
    const kernel = kernelOf(this.view, this.frame);
    return kernel && new LinuxItems(this.view, this.context, this.frame, kernel);
  }

  register(name: string): Item | undefined {
    const register = this.frame.registers.find(name);
    return register && registerItem(this.context, register);
  }

  /** The structs of the hypervisor by their names in expressions. */
  private struct(name: string): Item | undefined {
    const { hypervisor } = this.view.guest;
    const { cpu } = this.frame;
    const items = new StructItems(this.context, cpu);
    if (name === 'vcpu') {
      const vcpu = this.currentVcpu();
      return vcpu && items.item(name, vcpu.at, name);
    }
    if (name === 'host') {
      const at = this.frame.vcpu ? undefined : hypervisor.hostContext(cpu);
      return at && items.item(name, at, name);
    }
    const elements = this.arrayElements(name);
    if (elements.length === 0) return undefined;
    const what = elements[0]?.at.struct.name ?? 'element';
    const summary = name === 'vms' || name === 'vcpus' ? vmSummary(hypervisor) : undefined;
    const count = `${elements.length} ${what}${elements.length === 1 ? '' : 's'}`;
    return {
      name,
      value: summary === undefined ? count : `${count}: ${summary}`,
      evaluateName: name,
      parts: () => elements.map(({ at, n }) => items.item(`[${n}]`, at, `${name}[${n}]`)),
    };
  }

  /** The vcpu that the frame's code belongs to or handles. */
  private currentVcpu(): Vcpu | undefined {
    return this.frame.vcpu ?? this.view.guest.hypervisor.currentVcpu(this.frame.cpu);
  }

  /** The elements of an array that the hypervisor declares, with their numbers; of vcpus only those that were created. */
  private arrayElements(name: string): { readonly at: StructAt; readonly n: number }[] {
    const { hypervisor } = this.view.guest;
    if (name === 'vcpus') return hypervisor.vcpus().map((v, i) => ({ at: v.at, n: v.index ?? i }));
    if (!hypervisor.isSetUp(this.frame.cpu)) return [];
    return hypervisor.elements(name).map((at, n) => ({ at, n }));
  }

  /** A struct of the hypervisor's layout, or a type of the kernel, at an address, for casts. */
  structAt(type: string, space: AddressSpace, address: bigint): Item | undefined {
    for (const { layout } of this.view.target.symbols.modules) {
      const struct = layout?.structs.get(type);
      if (!layout || !struct) continue;
      const at: StructAt = { layout, struct, space, address };
      return new StructItems(this.context, this.frame.cpu).item(`(${type}*)${hex(address)}`, at);
    }
    const known = this.view.target.kernelTypes?.named(type);
    return known && this.typed(`(${type}*)${hex(address)}`, known, space, address);
  }

  /** A value of a C type in an address space that need not be the frame's. */
  private typed(name: string, type: CType, space: AddressSpace, address: bigint): Item {
    const frame: Frame = { ...this.frame, space };
    return new CItems(this.context, frame, this.view.walker.reader(frame)).typed(name, type, address);
  }

  // --- numbers ----------------------------------------------------------------------------------------------------

  private special(name: string): bigint | undefined {
    const { cpu, level, space, registers } = this.frame;
    if (name === 'el') return BigInt(level);
    if (name === 'cpu') return BigInt(cpu);
    // Code at EL2 belongs to no VM: there it is the one whose stage 2 is on.
    if (name === 'vmid')
      return space.kind === 'VA' && space.vmid !== undefined
        ? BigInt(space.vmid)
        : this.view.target.arch.register(cpu, 'vmid');
    if (name === 'vcpu') {
      const vcpu = this.currentVcpu()?.vcpu;
      return vcpu === undefined ? undefined : BigInt(vcpu);
    }
    if (name !== 'ec' && name !== 'iss' && name !== 'ipa') return undefined;
    const held = name === 'ipa' ? undefined : this.view.heldCall?.(this.frame)?.[name];
    if (held !== undefined) return held;
    const syndrome = registers.isa.syndrome(level, registers.reader);
    if (name === 'ipa') return syndrome?.addresses.find((a) => a.space === 'ipa')?.value;
    const fields = registers.isa.find(syndrome?.register ?? '')?.fields;
    const field = fields?.find((f) => f.name.toLowerCase() === name);
    return field && syndrome && (syndrome.value >> BigInt(field.lsb)) & ((1n << BigInt(field.width)) - 1n);
  }

  /** The address of a symbol as this frame's regime sees it. */
  private symbol(name: string): bigint | undefined {
    const { space } = this.frame;
    const { symbols } = this.view.target;
    const [first] = symbols.symbolByName(name);
    if (!first) return undefined;
    if (first.kind === 'absolute') return first.address;
    // The regime's own address of it, where the program declares one.
    const own = symbols.locationsOfSymbol(name).find((p) => p.regime && isRegimeOf(p.regime, space));
    return own?.address ?? this.alias(first.address) ?? this.moved(first) ?? first.address;
  }

  /** Where code that runs at another address than its file says, such as KVM's at EL2, has a symbol of that file. */
  private moved(symbol: SymbolHit): bigint | undefined {
    const { frame, view } = this;
    const place = symbolPlace(frame.space, frame.lookup);
    const address = place && view.target.symbols.addressFrom(place, symbol);
    if (address === undefined || address === symbol.address) return undefined;
    // A single page of the file may be mapped elsewhere, as that of the exception vectors is for user programs.
    const pa = view.guest.physical(frame.cpu, frame.space, address);
    const own = view.target.symbols.vaddrToPaddr(symbol.address);
    return pa !== undefined && pa === own ? address : undefined;
  }

  /** Data has no code locations: the aliases of the layout say where a regime sees it. */
  private alias(link: bigint): bigint | undefined {
    const { space } = this.frame;
    for (const { layout } of this.view.target.symbols.modules) {
      const found = layout?.aliases.find(
        (a) => isRegimeOf(a.regime, space) && link >= a.start && link < a.end,
      );
      if (found) return u64(link + found.offset);
    }
    return undefined;
  }

  private lookup(name: string): bigint | undefined {
    if (!name.includes('.')) {
      const plain = this.variable(name);
      if (plain?.number !== undefined) return plain.number;
      const special = this.special(name);
      if (special !== undefined) return special;
    }
    const item = this.path(name);
    if (item) {
      if (item.number !== undefined) return u64(item.number);
      throw new UserError(`"${name}" is ${item.value}, not a number: name one of its parts.`);
    }
    return this.enumerator(name) ?? this.view.guest.isa.constants.get(name) ?? this.symbol(name);
  }

  /** A constant of a C enumeration. */
  private enumerator(name: string): bigint | undefined {
    const { frame, view } = this;
    const place = frame.kind === 'code' ? symbolPlace(frame.space, frame.lookup) : undefined;
    return place && view.target.symbols.enumeratorAt(place, name);
  }

  /** The memory access of expressions, in the frame's address space or the one that the expression names. */
  private load(space: AddressSpace, address: bigint, bytes: number): bigint {
    const { guest } = this.view;
    const { cpu } = this.frame;
    const data = guest.read(cpu, space, address, bytes);
    if (data.length === bytes) return littleEndian(data);
    throw new UserError(
      `The memory at ${hex(address)} cannot be read: ${guest.whyNot(cpu, space, address)}.`,
    );
  }

  /** Takes an expression apart into what expressions/ understands, and what the rest of it means. */
  prepare(text: string): { readonly text: string; readonly names: Names; readonly space: AddressSpace } {
    let space: AddressSpace = this.frame.space;
    const known = new Map<string, bigint>();
    const numbered = namePerCpu(text, (cpu) => this.number(cpu));
    const plain = numbered.replace(qualified, (reference) => {
      const address = parseAddress(reference);
      if (address.space) space = address.space;
      return hex(address.value);
    });
    const hide = (value: bigint): string => {
      const name = `$path${known.size}`;
      known.set(name, u64(value));
      return name;
    };
    const typed = plain.replace(prefixedPath, (whole: string, operator: string, path: string) => {
      const item = this.prefixed(operator, path);
      return item?.number === undefined ? whole : hide(item.number);
    });
    const without = typed.replace(pathSyntax, (path) => {
      if (!/->|\[/.test(path)) return path.replace(/\s+/g, '');
      const item = this.path(path);
      if (!item) throw this.unknown(splitPath(path)[0] ?? path);
      if (item.number === undefined)
        throw new UserError(`"${path}" is ${item.value}, not a number: name one of its parts.`);
      return hide(item.number);
    });
    const names: Names = {
      lookup: (name) => {
        const value = known.get(name) ?? this.lookup(name);
        if (value === undefined) throw this.unknown(name);
        return value;
      },
      load: (address, bytes) => this.load(space, address, bytes),
    };
    return { text: without, names, space };
  }

  /** The value of an expression. @throws UserError */
  number(text: string): bigint {
    const prepared = this.prepare(text);
    return evaluateExpression(parseExpression(prepared.text), prepared.names);
  }

  /** An address as an item. */
  address(space: AddressSpace, value: bigint): Item {
    const symbol = symbolText(this.view.guest, space, value);
    return {
      name: formatAddress(space, value),
      value: `${formatAddress(space, value)}${symbol === undefined ? '' : ` <${symbol}>`}`,
      memoryReference: formatAddress(space, value),
      number: value,
      type: `address in ${formatSpace(space)}`,
    };
  }

  /** Names that begin with `start`, for completion. */
  beginning(start: string): { readonly label: string; readonly kind: 'variable' | 'function' | 'value' }[] {
    const lower = start.toLowerCase();
    const fits = (name: string): boolean => name.toLowerCase().startsWith(lower);
    const { hypervisor, isa } = this.view.guest;
    const structs = hypervisor.name === 'none' ? [] : [...structRoots, ...hypervisor.arrays];
    const known = [...new Set([...structs, ...specialNames, ...isa.names])].filter(fits);
    const local = [...this.variables().map((v) => v.item.name), ...(this.linux()?.names() ?? [])];
    return [
      ...local.filter(fits).map((label) => ({ label, kind: 'variable' as const })),
      ...known.map((label) => ({ label, kind: 'value' as const })),
      ...(start === '' ? [] : this.view.target.symbols.functionsMatching(start, 50)).map(({ name }) => ({
        label: name,
        kind: 'function' as const,
      })),
    ];
  }

  /** Why a struct is not there now. */
  private absent(name: 'vcpu' | 'host' | 'vcpus'): UserError {
    const { hypervisor } = this.view.guest;
    const { cpu } = this.frame;
    if (hypervisor.name === 'none')
      return new UserError(
        `"${name}" needs a hypervisor that describes its structs in .worldswitch.layout: this program has none.`,
      );
    if (name === 'vcpu' && hypervisor.vcpus().length > 0)
      return new UserError(`No vcpu runs on CPU ${cpu} now: look at vcpus[0], or stop in a guest.`);
    const what = name === 'host' ? 'host context' : 'vcpu';
    return new UserError(`There is no ${what} on CPU ${cpu} yet: run on until the hypervisor has set it up.`);
  }

  /** The error for a name that means nothing, with the nearest one that does. */
  unknown(name: string): UserError {
    const perCpu = absentPerCpu(name);
    if (perCpu !== undefined) return new UserError(perCpu);
    if ((specialNames as readonly string[]).includes(name))
      return new UserError(
        `"${name}" has no value now: ${this.view.guest.isa.levelName(this.frame.level)} has taken no exception that says it.`,
      );
    const near = nearest(name, [...structRoots, ...specialNames, ...this.view.guest.isa.names]);
    const [symbol] = this.view.target.symbols.functionsMatching(name, 1);
    const suggestion = near ?? symbol?.name;
    const help = suggestion
      ? `did you mean ${suggestion}?`
      : 'use names such as x0, HCR_EL2.VM, vcpu.ctxt.pc or a label of the program.';
    return new UserError(`"${name}" is no register, field, variable or symbol here: ${help}`);
  }
}

/** The name with the fewest changes from `name`, if it takes at most two. */
export function nearest(name: string, names: readonly string[]): string | undefined {
  const lower = name.toLowerCase();
  let best: string | undefined;
  let least = Math.min(3, Math.max(2, Math.floor(name.length / 2)));
  for (const candidate of names) {
    if (Math.abs(candidate.length - name.length) >= least) continue;
    const d = distance(lower, candidate.toLowerCase(), least);
    if (d < least) [best, least] = [candidate, d];
  }
  return best;
}

/** Insertions, deletions and replacements from one text to another; `limit` when there are more. */
function distance(a: string, b: string, limit: number): number {
  let row = Array.from({ length: b.length + 1 }, (_, i) => i);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      const same = a[i - 1] === b[j - 1] ? 0 : 1;
      next.push(Math.min((row[j] ?? 0) + 1, (next[j - 1] ?? 0) + 1, (row[j - 1] ?? 0) + same));
    }
    if (Math.min(...next) >= limit) return limit;
    row = next;
  }
  return row[b.length] ?? limit;
}
