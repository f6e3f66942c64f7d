/** readMemory, writeMemory, disassemble. */
import type { DebugProtocol as DP } from '@vscode/debugprotocol';
import { UserError } from '../errors';
import { formatAddress, formatSpace, parseAddress, type AddressSpace } from '../inspect/address-space';
import { disassemble, instructionBytes, symbolText } from '../inspect/disassembly';
import { hex } from '../inspect/numbers';
import { viewOf, type StopView } from '../inspect/stop-view';
import { requireString } from '../protocol/registry';
import type { HandlerTable } from '../protocol/table';
import type { Session } from '../session';
import { sourceOf } from './stack';

/** More in one request would block the adapter. */
const MAX_READ = 4 << 20;
const MAX_INSTRUCTIONS = 20_000;
const PAGE = 0x1000n;
const u64 = (v: bigint): bigint => BigInt.asUintN(64, v);

interface Place {
  readonly cpu: number;
  readonly space: AddressSpace;
  readonly address: bigint;
}

/** What a memory reference means: a plain one belongs to the innermost frame of the CPU that stopped. */
function placeOf(view: StopView, reference: unknown, offset: unknown): Place {
  const frame = view.topFrame();
  const { space, value } = parseAddress(requireString(reference, 'a memoryReference'));
  const by = offset ?? 0;
  if (typeof by !== 'number' || !Number.isSafeInteger(by))
    throw new UserError('The offset must be a whole number.');
  return { cpu: frame.cpu, space: space ?? frame.space, address: u64(value + BigInt(by)) };
}

function requireCount(value: unknown, most: number, what: string): number {
  if (typeof value === 'number' && Number.isInteger(value) && value >= 0 && value <= most) return value;
  throw new UserError(`${what} must be a whole number from 0 to ${most}.`);
}

/** How far it is to the next byte that can be read, at most `limit`. */
function unreadable(view: StopView, { cpu, space, address }: Place, limit: number): number {
  let n = 0;
  while (n < limit) {
    const at = u64(address + BigInt(n));
    if (view.guest.read(cpu, space, at, 1).length === 1) return n;
    n += Number(PAGE - (at & (PAGE - 1n)));
  }
  return limit;
}

function requireBytes(data: unknown): Buffer {
  const text = requireString(data, '"data" in base64');
  if (!/^[A-Za-z0-9+/]*={0,2}$/.test(text))
    throw new UserError('"data" is not base64: encode the bytes to write.');
  return Buffer.from(text, 'base64');
}

export const handlers: Partial<HandlerTable> = {
  readMemory(ctx, args) {
    const view = viewOf(ctx);
    const place = placeOf(view, args?.memoryReference, args?.offset);
    const count = requireCount(args.count, MAX_READ, 'The count');
    const data = view.guest.read(place.cpu, place.space, place.address, count);
    const rest = count - data.length;
    const next = { ...place, address: u64(place.address + BigInt(data.length)) };
    return {
      address: hex(place.address),
      ...(rest > 0 ? { unreadableBytes: unreadable(view, next, rest) } : {}),
      ...(data.length > 0 ? { data: Buffer.from(data).toString('base64') } : {}),
    };
  },

  writeMemory(ctx, args, request) {
    const view = viewOf(ctx);
    const { cpu, space, address } = placeOf(view, args?.memoryReference, args?.offset);
    const data = requireBytes(args.data);
    const possible = view.guest.writable(cpu, space, address, data.length);
    if (possible < data.length && (args.allowPartial !== true || possible === 0)) {
      const at = u64(address + BigInt(possible));
      const why = view.guest.whyNot(cpu, space, at);
      throw new UserError(
        `${hex(at)} in ${formatSpace(space)} cannot be written: ${why.startsWith('nothing') ? 'it is not RAM' : why}. Nothing was changed.`,
      );
    }
    const written = view.guest.write(cpu, space, address, data.subarray(0, possible));
    request.afterResponse(() => {
      view.changed('stacks');
      view.memoryChanged(formatAddress(space, address), 0, written);
      view.announce();
    });
    return { offset: 0, bytesWritten: written };
  },

  disassemble(ctx, args) {
    const view = viewOf(ctx);
    const { cpu, space, address } = placeOf(view, args?.memoryReference, args?.offset);
    const count = requireCount(args.instructionCount, MAX_INSTRUCTIONS, 'The instructionCount');
    const before = args.instructionOffset ?? 0;
    if (!Number.isSafeInteger(before)) throw new UserError('The instructionOffset must be a whole number.');
    const size = BigInt(view.guest.isa.instructionBytes);
    const start = u64(address - (address % size) + BigInt(before) * size);
    return {
      instructions: rows(ctx, view, { cpu, space, address: start }, count, args.resolveSymbols === true),
    };
  },
};

function rows(
  ctx: Session,
  view: StopView,
  place: Place,
  count: number,
  withSymbols: boolean,
): DP.DisassembledInstruction[] {
  const { space } = place;
  let lastPath: string | undefined;
  return disassemble(view.guest, place.cpu, space, place.address, count).map(({ address, word, text }) => {
    if (word === undefined)
      return { address: hex(address), instruction: text, presentationHint: 'invalid' as const };
    const symbol = withSymbols ? symbolText(view.guest, space, address) : undefined;
    const line = view.walker.lineAt({ space }, address);
    const shown = line && sourceOf(ctx, view, { space, lookup: address });
    // The file is named where it changes only, as DAP asks.
    const location =
      shown?.source.path !== undefined && shown.source.path !== lastPath ? shown.source : undefined;
    if (shown?.source.path !== undefined) lastPath = shown.source.path;
    return {
      address: hex(address),
      instructionBytes: instructionBytes(word),
      instruction: text,
      ...(symbol === undefined ? {} : { symbol }),
      ...(location ? { location } : {}),
      ...(shown?.source.path !== undefined ? { line: shown.line } : {}),
    };
  });
}
