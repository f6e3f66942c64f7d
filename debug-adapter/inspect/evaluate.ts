/** Expressions of watches, hovers and the console: values with parts, assignments. */
import { evaluate as evaluateExpression } from '../expressions/evaluate';
import { parseExpression, type Expression } from '../expressions/parse';
import { UserError } from '../errors';
import { formatAddress, parseAddress, type AddressSpace } from './address-space';
import { change } from './containers';
import type { Item } from './items';
import { namePerCpu } from './linux-items';
import { FrameNames, qualified, splitPath } from './names';
import { bytesOf, editedText, hex } from './numbers';
import { parseValue } from './register-items';
import type { StopView } from './stop-view';
import type { Frame } from './frame';

const assignment = /^([^=<>!]*?[^=<>!\s+\-*/%&|^])\s*(<<|>>|[-+*/%&|^])?=(?!=)\s*([^=].*)$/s;
const wholePath = /^\$?[A-Za-z_$][\w$]*(?:\s*(?:\.|->)\s*[A-Za-z_$][\w$]*|\[[^[\]]+\])*$/;
const structCast = /^\*?\(\s*(?:struct\s+)?([A-Za-z_]\w*)\s*\*\s*\)\s*(.+)$/s;
const store = /^\*\s*(?:\(\s*(\w+)\s*\*\s*\))?\s*(.+)$/s;

const sizes: Readonly<Record<string, number>> = {
  u8: 1,
  s8: 1,
  uint8_t: 1,
  int8_t: 1,
  u16: 2,
  s16: 2,
  uint16_t: 2,
  int16_t: 2,
  u32: 4,
  s32: 4,
  uint32_t: 4,
  int32_t: 4,
  u64: 8,
  s64: 8,
  uint64_t: 8,
  int64_t: 8,
};

export class FrameEvaluator {
  private readonly names: FrameNames;

  constructor(
    private readonly view: StopView,
    frame: Frame,
  ) {
    this.names = new FrameNames(view, frame);
  }

  private get frame(): Frame {
    return this.names.frame;
  }

  /** The item that an expression gives. @throws UserError */
  item(text: string): Item {
    const expression = namePerCpu(text.trim(), (cpu) => this.names.number(cpu));
    if (expression === '')
      throw new UserError(
        'There is nothing to evaluate: write an expression such as x0, HCR_EL2.VM or vcpu.ctxt.pc.',
      );
    const found =
      this.path(expression) ??
      this.prefixed(expression) ??
      this.addressItem(expression) ??
      this.struct(expression);
    return found ?? this.number(expression);
  }

  /** A name or path that is an item; numbers about the CPU and symbols are expressions. */
  private path(text: string): Item | undefined {
    return wholePath.test(text) ? this.names.path(text) : undefined;
  }

  /** C's `*p` and `&x` with their types. */
  private prefixed(text: string): Item | undefined {
    const [, operator = '', path = ''] = /^([*&])\s*(.+)$/s.exec(text) ?? [];
    return wholePath.test(path) ? this.names.prefixed(operator, path) : undefined;
  }

  /** The address that an expression gives, and its space. @throws UserError */
  address(text: string): { readonly space: AddressSpace; readonly value: bigint } {
    const item = this.item(text);
    const { memory, type } = item;
    const own = memory && memory.address === item.number ? memory.space : undefined;
    // Pointers in a hypervisor's structs are its own virtual addresses (hypervisor/ABI.md).
    const pointee = type?.startsWith('ptr ') ? ({ kind: 'VA', level: 'EL2' } as const) : undefined;
    return {
      space: own ?? pointee ?? this.names.prepare(text).space,
      value: item.number ?? this.names.number(text),
    };
  }

  private addressItem(text: string): Item | undefined {
    if (!/^[A-Za-z][^:?]*:\s*(0[xX][0-9a-fA-F_]+|\d+)$/.test(text)) return undefined;
    const { space, value } = parseAddress(text);
    return this.names.address(space ?? this.frame.space, value);
  }

  /** `(vcpu*)0x...`, with or without a star before it. */
  private struct(text: string): Item | undefined {
    const [, type = '', of = ''] = structCast.exec(text) ?? [];
    if (type === '' || Object.hasOwn(sizes, type)) return undefined;
    // A path comes first: `vcpu` is the struct here, not its number.
    const { space, value } = this.address(of.trim());
    const item = this.names.structAt(type, space, value);
    if (!item)
      throw new UserError(
        `There is no struct "${type}" in the layout of the hypervisor or the types of a kernel: cast to u64 or another integer type.`,
      );
    return item;
  }

  private number(text: string): Item {
    const { text: plain, names, space: named } = this.names.prepare(text);
    const expression = parseExpression(plain);
    const value = evaluateExpression(expression, names);
    const shown = value > 9n ? `${hex(value)} (${decimal(value)})` : hex(value);
    if (expression.k === 'load') {
      const at = formatAddress(named, evaluateExpression(expression.address, names));
      return { name: text, value: shown, number: value, type: 'u64', memoryReference: at };
    }
    // What was loaded belongs to the frame, wherever it was loaded from.
    const space = hasLoad(expression) ? this.frame.space : named;
    const isName = /^&?\s*[A-Za-z_.$][\w.$]*$/.test(text);
    const symbol = isName ? this.names.address(space, value).value.match(/ <.*>$/)?.[0] : undefined;
    return {
      name: text,
      value: symbol === undefined ? shown : `${hex(value)}${symbol}`,
      number: value,
      type: 'u64',
      ...(isName || this.isMapped(space, value) ? { memoryReference: formatAddress(space, value) } : {}),
    };
  }

  /** Whether a number can be an address: small ones are counts, whatever lies there. */
  private isMapped(space: AddressSpace, value: bigint): boolean {
    const { guest } = this.view;
    const { cpu } = this.frame;
    return (
      value >= 0x1000n &&
      guest.physical(cpu, space, value) !== undefined &&
      guest.read(cpu, space, value, 1).length > 0
    );
  }

  /** Changes what an expression names: `x0`, `HCR_EL2.VM`, `vcpu.ctxt.x[3]`, `*(u32*)0x40000000`. @throws UserError */
  assign(target: string, valueText: string): Item {
    const lvalue = namePerCpu(target.trim(), (cpu) => this.names.number(cpu));
    const find = (): Item | undefined =>
      this.path(lvalue) ?? (lvalue.startsWith('*') ? this.prefixed(lvalue) : undefined);
    const item = find();
    if (item) {
      this.view.changed(change(item, valueText));
      return find() ?? item;
    }
    const [, type, of] = store.exec(lvalue) ?? [];
    if (of === undefined) {
      if (wholePath.test(lvalue)) throw this.names.unknown(splitPath(lvalue)[0] ?? lvalue);
      throw new UserError(
        `"${lvalue}" cannot be assigned to: name a register, a field, a variable or *(u64*)ADDRESS.`,
      );
    }
    const bytes = type === undefined ? 8 : sizes[type];
    if (bytes === undefined) throw new UserError(`"${type}" is no integer type: use u8, u16, u32 or u64.`);
    return this.store(lvalue, of, bytes, valueText);
  }

  private store(lvalue: string, addressText: string, bytes: number, valueText: string): Item {
    const { space } = this.names.prepare(addressText);
    const address = this.names.number(addressText);
    const value = parseValue(this.names.context, editedText(valueText));
    const { guest } = this.view;
    if (guest.writable(this.frame.cpu, space, address, bytes) < bytes)
      throw new UserError(
        `${hex(address)} cannot be written: ${guest.whyNot(this.frame.cpu, space, address)}.`,
      );
    guest.write(this.frame.cpu, space, address, bytesOf(BigInt.asUintN(64, value), bytes));
    this.view.changed('stacks');
    this.view.memoryChanged(formatAddress(space, address), 0, bytes);
    return this.number(lvalue);
  }

  /** An assignment of the console: `x0 = 5`, `x0 += 8`; undefined when the text is none. */
  assignment(text: string): Item | undefined {
    // The equals signs of `EL1,vmid=1:0x...` assign nothing.
    const masked = text.trim().replace(qualified, (reference) => reference.replaceAll('=', '\u0001'));
    const [, target, operator, value] = (assignment.exec(masked) ?? []).map((t) =>
      t?.replaceAll('\u0001', '='),
    );
    if (target === undefined || value === undefined) return undefined;
    if (!operator) return this.assign(target, value);
    return this.assign(target, hex(this.names.number(`(${target}) ${operator} (${value})`)));
  }

  /** What can stand at the end of a text. */
  completions(
    text: string,
  ): { readonly label: string; readonly kind: 'field' | 'variable' | 'function' | 'value' }[] {
    const [, base, start = ''] = /^(.*?)(?:\.|->)?([\w$]*)$/s.exec(text) ?? [];
    if (base && /(?:\.|->)[\w$]*$/.test(text)) {
      const item = wholePath.test(base) ? this.names.path(base) : undefined;
      const parts = item?.parts?.() ?? [];
      return parts
        .filter((p) => begins(p.name, start))
        .map((p) => ({ label: p.name, kind: 'field' as const }));
    }
    return this.names.beginning(start);
  }
}

/** Whether an expression reads memory. */
function hasLoad(e: Expression): boolean {
  switch (e.k) {
    case 'load':
      return true;
    case 'unary':
    case 'cast':
      return hasLoad(e.of);
    case 'binary':
      return hasLoad(e.left) || hasLoad(e.right);
    case 'choice':
      return [e.test, e.yes, e.no].some(hasLoad);
    default:
      return false;
  }
}

/** Signed where that is the likelier meaning. */
function decimal(value: bigint): string {
  const signed = BigInt.asIntN(64, value);
  return String(signed < 0n && signed > -0x10000n ? signed : value);
}

const begins = (name: string, start: string): boolean => name.toLowerCase().startsWith(start.toLowerCase());
