/** Which bytes a variable, an expression or an address means, for data breakpoints. */
import { UserError } from '../errors';
import type { DataPlace } from '../breakpoints/data-place';
import type { Session } from '../session';
import { formatAddress, parseAddress, symbolPlace, type AddressSpace } from './address-space';
import { ItemContainer } from './containers';
import { FrameEvaluator } from './evaluate';
import type { Frame } from './frame';
import { partNamed, type Item } from './items';
import { FrameNames, splitPath, structRoots } from './names';
import { viewOf, type StopView } from './stop-view';

export interface FoundData {
  readonly place: DataPlace;
  readonly show?: (bytes: Uint8Array) => string;
}

/** A pointer, as wide as most of what is watched. */
const DEFAULT_BYTES = 8;

const qualified = /^[A-Za-z][^:?]*:\s*(?:0[xX][0-9a-fA-F_]+|\d+)$/;
const typed = /^\*\s*\(\s*(?:const\s+)?(?:u|s|uint|int)(8|16|32|64)(?:_t)?\s*\*\s*\)\s*(.+)$/s;
const symbolName = /^&?\s*([A-Za-z_.$][\w.$]*)$/;

/** The space that a plain address belongs to while nothing else is said: that of the CPU's code. */
function currentSpace(ctx: Session): AddressSpace {
  const { guest, arch, machine } = ctx.requireTarget();
  const cpu = ctx.control?.lastStop?.cpu ?? machine.schedule.current;
  return guest.spaceOf(arch.context(cpu).el, guest.reader(cpu));
}

/** An address, with or without its space. @throws UserError */
export function dataAtAddress(ctx: Session, text: string, bytes = DEFAULT_BYTES): FoundData {
  const { space = currentSpace(ctx), value } = parseAddress(text);
  return { place: { space, address: value, bytes, name: formatAddress(space, value) } };
}

/** A variable of a container in the Variables pane. @throws UserError */
export function dataOfVariable(ctx: Session, reference: number, name: string, bytes?: number): FoundData {
  const container = ctx.variables.get(reference);
  if (!(container instanceof ItemContainer)) throw new UserError(`${name} is not in memory.`);
  return ofItem(partNamed(container.item(), name), bytes);
}

function ofItem(item: Item, bytes?: number): FoundData {
  const { memory } = item;
  const name = item.evaluateName ?? item.name;
  if (!memory)
    throw new UserError(
      `${name} is no piece of memory: choose a variable or a field that is in memory, or an address such as *(u64*)x0.`,
    );
  const { space, address, show } = memory;
  const place: DataPlace = { space, address, bytes: bytes ?? memory.bytes, name };
  return { place, ...(show && place.bytes === memory.bytes ? { show } : {}) };
}

/** What an expression names: a path, an address, `*(u32*)ADDRESS`, a symbol. @throws UserError */
export function dataOfExpression(ctx: Session, text: string, frameId?: number, bytes?: number): FoundData {
  const expression = text.trim();
  if (qualified.test(expression) || /^(0[xX][0-9a-fA-F_]+|\d+)$/.test(expression))
    return dataAtAddress(ctx, expression, bytes);
  const view = viewOf(ctx);
  const frame = frameId === undefined ? view.topFrame() : view.frame(frameId);
  const names = new FrameNames(view, frame);
  const [, bits, of] = typed.exec(expression) ?? [];
  if (bits !== undefined && of !== undefined) {
    const { space } = names.prepare(of);
    const place = { space, address: names.number(of), bytes: bytes ?? Number(bits) / 8, name: expression };
    return { place };
  }
  const item = new FrameEvaluator(view, frame).item(expression);
  if (item.memory) return ofItem(item, bytes);
  return ofSymbol(view, frame, expression, item, bytes) ?? ofItem(item, bytes);
}

/** The data that begins at a symbol: all of it where its size is known. */
function ofSymbol(
  view: StopView,
  frame: Frame,
  expression: string,
  item: Item,
  bytes: number | undefined,
): FoundData | undefined {
  const name = symbolName.exec(expression)?.[1];
  const [symbol] = name === undefined ? [] : view.target.symbols.symbolByName(name);
  const isOther = name === undefined || new FrameNames(view, frame).register(name) !== undefined;
  if (!symbol || isOther || symbol.kind === 'absolute' || item.number === undefined) return undefined;
  const known = symbol.size > 0n && symbol.size <= 4096n ? Number(symbol.size) : DEFAULT_BYTES;
  const place = { space: frame.space, address: item.number, bytes: bytes ?? known, name: expression };
  return { place };
}

/** Whether the place is there in every session: an object of the program, or an address that the user wrote. */
export function isLasting(ctx: Session, { space, address, name }: DataPlace): boolean {
  if (space.kind !== 'VA' || name === formatAddress(space, address)) return true;
  const { hypervisor, symbols } = ctx.requireTarget();
  const [root = ''] = splitPath(name);
  const isStruct = [...structRoots, ...hypervisor.arrays].some((r) => r === root);
  const place = symbolPlace(space, address);
  return isStruct || (place !== undefined && symbols.symbolAt(place)?.name === root);
}
