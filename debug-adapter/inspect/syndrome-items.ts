/** The last exception of a level as items: what, why, the syndrome's fields, the addresses. */
import type { Syndrome } from '../../emulator/isa/dsl/debug';
import { formatAddress, type AddressSpace } from './address-space';
import { symbolText } from './disassembly';
import type { Frame } from './frame';
import type { ExceptionHistory } from './frames';
import type { Item } from './items';
import { textItem } from './items';
import { hex } from './numbers';
import { registerItem, type ItemContext } from './register-items';

/** What brought a CPU to a level last. */
export interface ExceptionFacts {
  /** One sentence. */
  readonly sentence: string;
  readonly reason: string | undefined;
  readonly name: string;
  /** Absent for interrupts, which have none. */
  readonly syndrome: Syndrome | undefined;
}

/** The last exception that a frame's level has taken; undefined when there was none. */
export function exceptionFacts(
  ctx: ItemContext,
  frame: Frame,
  history: ExceptionHistory,
): ExceptionFacts | undefined {
  const { isa, reader } = ctx.registers;
  const { level, cpu } = frame;
  // Which of a machine's vcpus took an exception, the trace does not know.
  const event = frame.vcpu ? undefined : history.last(cpu, level, isa.regimeOf(level, reader).vmid);
  if (event?.kind === 'entry' && event.interrupt) {
    const name = event.interrupt;
    const [from, to] = [isa.levelName(event.from), isa.levelName(event.to)];
    return {
      name,
      sentence: `${name} at ${from}, taken to ${to} before the instruction at ${hex(event.pc)}.`,
      reason: isa.explainInterrupt(name, event.from, event.to, reader),
      syndrome: undefined,
    };
  }
  const syndrome = isa.syndrome(level, reader);
  return syndrome && { name: syndrome.name, sentence: syndrome.sentence, reason: syndrome.reason, syndrome };
}

/** The content of the scope. */
export function syndromeItems(ctx: ItemContext, frame: Frame, history: ExceptionHistory): Item[] {
  const facts = exceptionFacts(ctx, frame, history);
  if (!facts) return [];
  const { syndrome } = facts;
  return [
    textItem('What', facts.sentence),
    ...(facts.reason === undefined ? [] : [textItem('Why', facts.reason)]),
    ...(syndrome ? [registerOf(ctx, syndrome), ...addressItems(ctx, frame, syndrome)] : []),
  ];
}

/** The syndrome register, its instruction-specific fields taken apart too. */
function registerOf(ctx: ItemContext, syndrome: Syndrome): Item {
  const register = ctx.registers.find(syndrome.register);
  const item: Item = register
    ? registerItem(ctx, register)
    : { name: syndrome.register, value: hex(syndrome.value), number: syndrome.value };
  const details = syndrome.details.map((d): Item => ({
    name: d.name,
    value: d.text === undefined ? hex(d.value) : `${hex(d.value)} (${d.text})`,
    type: `${d.width} bit${d.width === 1 ? '' : 's'}`,
    number: d.value,
  }));
  const own = item.parts;
  return { ...item, parts: () => [...(own?.() ?? []), ...details] };
}

function addressItems(ctx: ItemContext, frame: Frame, syndrome: Syndrome): Item[] {
  const { isa, reader, guest } = ctx.registers;
  const context = isa.interrupted(frame.level, reader);
  const below = guest.spaceOf(context?.level ?? frame.level, reader);
  const vmid = below.kind === 'VA' ? below.vmid : undefined;
  const ipa: AddressSpace = { kind: 'IPA', ...(vmid === undefined ? {} : { vmid }) };
  return syndrome.addresses.map(({ name, value, space }) => {
    const where = space === 'ipa' ? ipa : below;
    const symbol = space === 'va' ? symbolText(guest, where, value) : undefined;
    const register = ctx.registers.find(name);
    return {
      ...(register ? registerItem(ctx, register) : { name }),
      value: symbol === undefined ? hex(value) : `${hex(value)} <${symbol}>`,
      memoryReference: formatAddress(where, value),
      number: value,
    };
  });
}
