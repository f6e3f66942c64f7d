/**
 * What a line in the Variables pane, a watch or the console shows: a name, a value, maybe parts, maybe a way to change
 * it. Registers, fields, structs and C variables all become items; DAP knows nothing else.
 */
import type { DebugProtocol as DP } from '@vscode/debugprotocol';
import { UserError } from '../errors';
import type { AddressSpace } from './address-space';

/** What a write has changed beside the item itself. */
export type Effect = 'variables' | 'stacks';

/** Where a value lies, and how its bytes read as a value of its type. */
export interface ItemMemory {
  readonly space: AddressSpace;
  readonly address: bigint;
  readonly bytes: number;
  readonly show?: (bytes: Uint8Array) => string;
}

export interface Item {
  readonly name: string;
  readonly value: string;
  readonly type?: string;
  /** An expression that gives this item in the same frame. */
  readonly evaluateName?: string;
  /** Where it is in memory, or where it points to. */
  readonly memoryReference?: string;
  /** The parts; present where there are some. */
  readonly parts?: () => readonly Item[];
  /** The parts are elements too, whatever they are called: `[3]` is the fourth. */
  readonly isArray?: boolean;
  /** For long arrays: the parts by number, instead of `parts`. */
  readonly elements?: { readonly count: number; at(index: number): Item };
  /** Changes it to what the user wrote. Absent: read-only. */
  readonly set?: (text: string) => Effect;
  /** Neither it nor its parts can be changed. */
  readonly isReadOnly?: boolean;
  /** Why it cannot be changed, as the end of a sentence. */
  readonly whyReadOnly?: string;
  /** The number behind the value, for expressions. */
  readonly number?: bigint;
  /** Where the value itself is in memory, for C's `&`. */
  readonly address?: bigint;
  /** The bytes that hold the value, for data breakpoints. */
  readonly memory?: ItemMemory;
  /** What a C pointer points to, as the n-th element of an array there. */
  readonly pointee?: (index: number) => Item;
  /** Text rather than data: sentences. */
  readonly isText?: boolean;
  /** Does not open by itself and costs time. */
  readonly lazy?: boolean;
}

/** Arrays longer than this come in pages. */
export const PAGED = 64;

export const hasParts = (item: Item): boolean => item.parts !== undefined || item.elements !== undefined;

/** All parts, or the page of them that a client asks for. */
export function partsOf(
  item: Item,
  args: Pick<DP.VariablesArguments, 'start' | 'count' | 'filter'> = {},
): readonly Item[] {
  const { elements } = item;
  if (!elements) {
    if (args.filter === 'indexed') return [];
    const all = item.parts?.() ?? [];
    return args.count ? all.slice(args.start ?? 0, (args.start ?? 0) + args.count) : all;
  }
  if (args.filter === 'named') return [];
  const start = Math.max(0, Math.min(args.start ?? 0, elements.count));
  const wanted = args.count !== undefined && args.count > 0 ? args.count : elements.count - start;
  const count = Math.min(wanted, elements.count - start, 4096);
  return Array.from({ length: count }, (_, i) => elements.at(start + i));
}

/** What a member without a name is called. */
export const ANONYMOUS = '(anonymous)';
const MAX_ANONYMOUS = 8;

/** A part of members without a name, whose members C lets be named as if they were its own (C11 6.7.2.1). */
function withoutName(parts: readonly Item[], name: string, depth: number): Item | undefined {
  if (depth > MAX_ANONYMOUS) return undefined;
  for (const part of parts) {
    const own = part.name === ANONYMOUS ? (part.parts?.() ?? []) : [];
    const found = own.find((p) => p.name === name) ?? withoutName(own, name, depth + 1);
    if (found) return found;
  }
  return undefined;
}

/** The part of that name. @throws UserError that says what there is. */
export function partNamed(item: Item, name: string): Item {
  const index = /^\[(\d+)\]$/.exec(name)?.[1];
  const { elements } = item;
  if (elements && index !== undefined && Number(index) < elements.count) return elements.at(Number(index));
  const parts = item.parts?.() ?? [];
  const numbered = index !== undefined && item.isArray === true ? parts[Number(index)] : undefined;
  const found =
    numbered ??
    parts.find((p) => p.name === name) ??
    parts.find((p) => p.name.toLowerCase() === name.toLowerCase()) ??
    withoutName(parts, name, 0);
  if (found) return found;
  if (elements)
    throw new UserError(`${item.name} has no element ${name}: it has ${elements.count}, from [0] on.`);
  const names = parts.map((p) => p.name);
  const some = names.length > 12 ? `${names.slice(0, 12).join(', ')}, ...` : names.join(', ');
  throw new UserError(
    `${item.name} has no part "${name}": ${names.length > 0 ? `there are ${some}` : 'it has no parts'}.`,
  );
}

/** An item that only says something. */
export const textItem = (name: string, value: string): Item => ({ name, value, isText: true });
