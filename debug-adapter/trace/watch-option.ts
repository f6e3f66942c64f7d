/** `--watch WHERE[:BYTES][:r|w|rw]` of the headless trace. */
import type { WatchKind } from '../../emulator/core/watch';
import type { DataSpec } from '../breakpoints/data';
import { checkedBytes, formatDataId, type DataPlace } from '../breakpoints/data-place';
import { UserError } from '../errors';
import { parseAddress } from '../inspect/address-space';
import type { Target } from '../target';

const syntax = /^((?:(?:EL[0123]|IPA|PA)(?:[,(][^:]*)?:)?\s*[\w.$]+)(?::(\d{1,9}))?(?::(r|w|rw))?$/i;
const kinds: Readonly<Record<string, WatchKind>> = { r: 'read', w: 'write', rw: 'access' };
const DEFAULT_BYTES = 8;

/** What an option asks for. @throws UserError */
export function watchSpec(target: Target, text: string): DataSpec {
  const [, where = '', bytes, kind = 'w'] = syntax.exec(text.trim()) ?? [];
  if (where === '')
    throw new UserError(
      `--watch needs a symbol or an address, a number of bytes and r, w or rw, such as PA:0x40080000:8:w, not "${text}".`,
    );
  const size = bytes === undefined ? undefined : checkedBytes(Number(bytes));
  const place = /(?:^|:)\s*\d[\w]*$/.test(where)
    ? atAddress(target, where, size)
    : atSymbol(target, where, size);
  return { dataId: formatDataId({ ...place, name: where }), kind: kinds[kind.toLowerCase()] ?? 'write' };
}

function atAddress(target: Target, text: string, bytes = DEFAULT_BYTES): Omit<DataPlace, 'name'> {
  const { space, value } = parseAddress(text);
  if (space) return { space, address: value, bytes };
  // Without a space, the program's own addresses mean its data, wherever it is mapped.
  return { space: { kind: 'PA' }, address: target.symbols.vaddrToPaddr(value) ?? value, bytes };
}

function atSymbol(target: Target, name: string, bytes: number | undefined): Omit<DataPlace, 'name'> {
  const [symbol] = target.symbols.symbolByName(name);
  const pa = symbol && target.symbols.vaddrToPaddr(symbol.address);
  if (pa === undefined) throw new UserError(`--watch: the program has no data with the name "${name}".`);
  const known = symbol && symbol.size > 0n && symbol.size <= 4096n ? Number(symbol.size) : DEFAULT_BYTES;
  return { space: { kind: 'PA' }, address: pa, bytes: bytes ?? known };
}
