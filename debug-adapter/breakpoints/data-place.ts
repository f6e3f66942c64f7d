/**
 * What a data breakpoint is on: bytes of an address space. The `dataId` of DAP spells it out, so that it means the same in
 * the next session; the physical bytes follow from the translation of the moment.
 */
import { UserError } from '../errors';
import { formatAddress, hex, parseAddress, symbolPlace, type AddressSpace } from '../inspect/address-space';
import type { Target } from '../target';

export interface DataPlace {
  readonly space: AddressSpace;
  readonly address: bigint;
  readonly bytes: number;
  /** What the user calls it. */
  readonly name: string;
}

/** Physical bytes without a gap. */
export interface Piece {
  readonly pa: bigint;
  readonly bytes: number;
}

export interface Resolved {
  readonly pieces: readonly Piece[];
  /** How the first byte is translated: `EL1,vmid=1:0x... -> IPA 0x... -> PA 0x...`. */
  readonly chain: string;
}

/** More than this is a region of memory rather than data. */
export const MAX_BYTES = 1 << 20;
const PAGE = 0x1000n;

/** `EL2:0x7040087a04+8 vcpu.ctxt.pc` */
export function formatDataId({ space, address, bytes, name }: DataPlace): string {
  const at = formatAddress(space, address);
  return `${at}+${bytes}${name === at ? '' : ` ${name}`}`;
}

/** Reads what `formatDataId` writes. @throws UserError */
export function parseDataId(text: string): DataPlace {
  const [, at = '', bytes = '', name] = /^(\S+)\+(\d{1,9})(?: (.*))?$/s.exec(text) ?? [];
  if (at === '')
    throw new UserError(
      `"${text}" is no data of this debugger: set the breakpoint from a variable or an address.`,
    );
  const { space, value } = parseAddress(at);
  if (!space)
    throw new UserError(`"${text}" does not say whose address it is: set the data breakpoint anew.`);
  return {
    space,
    address: value,
    bytes: checkedBytes(Number(bytes)),
    name: name ?? formatAddress(space, value),
  };
}

/** @throws UserError for a size that makes no sense */
export function checkedBytes(bytes: number): number {
  if (Number.isInteger(bytes) && bytes >= 1 && bytes <= MAX_BYTES) return bytes;
  throw new UserError(`A data breakpoint watches from 1 to ${MAX_BYTES} bytes, not ${bytes}.`);
}

/** RAM or a device answers there. */
const answers = (target: Target, pa: bigint): boolean =>
  target.machine.physical.ramOffset(pa) !== undefined || target.machine.physical.windowAt(pa) !== undefined;

/**
 * The physical address by the program headers: right before the tables are set up, and for the hypervisor's and the
 * host's own data only. What a guest has there is for stage 2 to say.
 */
function byProgram(target: Target, space: AddressSpace, address: bigint, cpu: number): bigint | undefined {
  if (space.kind !== 'VA' || space.vcpu) return undefined;
  const { isa } = target.guest;
  const loaded = space.level === 'EL1' ? isa.regimeOf(1, target.guest.reader(cpu)).vmid : undefined;
  if ((space.vmid ?? loaded ?? 0) !== 0) return undefined;
  const place = symbolPlace(space, address);
  return place && target.symbols.vaddrToPaddr(place);
}

/** The physical address now, or why there is none. */
function translateNow(target: Target, space: AddressSpace, address: bigint, cpu: number): bigint | string {
  const { guest } = target;
  const level = space.kind === 'VA' ? Number(space.level.slice(2)) : 1;
  // With its MMU off a level has no addresses of its own yet.
  const isEarly = space.kind === 'VA' && !guest.isa.isTranslating(level, guest.reader(cpu));
  const early = isEarly ? byProgram(target, space, address, cpu) : undefined;
  if (early !== undefined) return early;
  try {
    const found = guest.translate(cpu, space, address);
    if ('fault' in found) return byProgram(target, space, address, cpu) ?? found.fault;
    return answers(target, found.pa) ? found.pa : `nothing answers at the physical address ${hex(found.pa)}`;
  } catch (error) {
    if (error instanceof UserError) return error.message;
    throw error;
  }
}

/** Where a place is by the translation of a CPU now; a sentence's middle where it is nowhere. */
export function resolve(target: Target, place: DataPlace, cpu: number): Resolved | string {
  const { space } = place;
  const pieces: { pa: bigint; bytes: number }[] = [];
  for (let done = 0; done < place.bytes;) {
    const address = BigInt.asUintN(64, place.address + BigInt(done));
    const bytes = Math.min(place.bytes - done, Number(PAGE - (address & (PAGE - 1n))));
    const pa = translateNow(target, space, address, cpu);
    if (typeof pa === 'string') return pa;
    const last = pieces.at(-1);
    if (last && last.pa + BigInt(last.bytes) === pa) last.bytes += bytes;
    else pieces.push({ pa, bytes });
    done += bytes;
  }
  return { pieces, chain: chain(target, place, cpu, pieces[0]?.pa ?? 0n) };
}

function chain(target: Target, { space, address }: DataPlace, cpu: number, pa: bigint): string {
  if (space.kind === 'PA') return `PA ${hex(pa)}`;
  const ipa = intermediate(target, space, address, cpu);
  return [
    formatAddress(space, address),
    ...(ipa === undefined ? [] : [`IPA ${hex(ipa)}`]),
    `PA ${hex(pa)}`,
  ].join(' -> ');
}

function intermediate(target: Target, space: AddressSpace, address: bigint, cpu: number): bigint | undefined {
  try {
    return target.guest.intermediate(cpu, space, address);
  } catch (error) {
    if (error instanceof UserError) return undefined;
    throw error;
  }
}
