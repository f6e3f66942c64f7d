/**
 * Addresses with the space they belong to, as `memoryReference`s and users write them: `EL2:0x...`,
 * `EL1,vmid=1,asid=2:0x...`, `EL1,vcpu=1.0:0x...`, `IPA(1):0x...`, `PA:0x...`; a plain `0x...` belongs to the frame
 * that it is used in.
 */
import { UserError } from '../errors';
import type { Place, Regime } from '../symbols/types';

export type AddressSpace =
  | { readonly kind: 'PA' }
  /** Intermediate physical addresses of a virtual machine; of the current one when it is not named. */
  | { readonly kind: 'IPA'; readonly vmid?: number }
  | {
      readonly kind: 'VA';
      readonly level: 'EL1' | 'EL2' | 'EL3';
      /** 0: no virtual machine. Absent: whatever is loaded. */
      readonly vmid?: number;
      readonly asid?: number;
      /** That of one vcpu, whether it runs or not. */
      readonly vcpu?: VcpuNumber;
    };

/** A vcpu by the numbers of its virtual machine and of itself. */
export interface VcpuNumber {
  readonly vm: number;
  readonly vcpu: number;
}

export interface Address {
  /** Absent: the frame's. */
  readonly space?: AddressSpace;
  readonly value: bigint;
}

const hint =
  'write it as 0x40080000, EL2:0x40080000, EL1,vmid=1:0x40080000, IPA(1):0x40080000 or PA:0x40080000';

function small(text: string, what: string): number {
  const n = Number(text);
  if (n > 0xffff) throw new UserError(`The ${what} ${text} is too large: it is a number from 0 to 65535.`);
  return n;
}

/** Takes apart what stands before the colon. @throws UserError */
export function parseSpace(text: string): AddressSpace {
  const parts = text.split(',').map((p) => p.trim());
  const first = (parts[0] ?? '').toUpperCase();
  if (first === 'PA' && parts.length === 1) return { kind: 'PA' };
  const ipa = /^IPA(?:\(\s*(?:VMID\s*=\s*)?([0-9]{1,6})\s*\))?$/.exec(first);
  if (ipa && parts.length === 1)
    return ipa[1] === undefined ? { kind: 'IPA' } : { kind: 'IPA', vmid: small(ipa[1], 'VMID') };
  const ipaVmid = first === 'IPA' ? /^vmid\s*=\s*([0-9]{1,6})$/i.exec(parts[1] ?? '') : null;
  if (ipaVmid?.[1] !== undefined && parts.length === 2)
    return { kind: 'IPA', vmid: small(ipaVmid[1], 'VMID') };
  // EL0 and EL1 have one translation regime (Arm ARM DDI 0487 D8.1.2, "EL1&0").
  const level = first === 'EL2' || first === 'EL3' ? first : /^EL[01]$/.test(first) ? 'EL1' : undefined;
  const numbers: { vmid?: number; asid?: number; vcpu?: VcpuNumber } = {};
  for (const part of parts.slice(1)) {
    const vcpu = /^vcpu\s*=\s*([0-9]{1,6})\.([0-9]{1,6})$/i.exec(part);
    if (vcpu) {
      numbers.vcpu = { vm: Number(vcpu[1]), vcpu: Number(vcpu[2]) };
      continue;
    }
    const m = /^(vmid|asid)\s*=\s*([0-9]{1,6})$/i.exec(part);
    if (m)
      numbers[m[1]?.toLowerCase() === 'vmid' ? 'vmid' : 'asid'] = small(
        m[2] ?? '',
        m[1]?.toUpperCase() ?? '',
      );
    else throw new UserError(`"${text}" names no address space: ${hint}.`);
  }
  if (!level) throw new UserError(`"${text}" names no address space: ${hint}.`);
  if (level !== 'EL1' && parts.length > 1)
    throw new UserError(`${level} has one address space: write "${level}:" without VMID and ASID.`);
  return { kind: 'VA', level, ...numbers };
}

const addressSyntax = /^\s*(?:(.*):)?\s*(0[xX][0-9a-fA-F_]{1,20}|[0-9]{1,20})\s*$/;

/** Takes an address apart. @throws UserError for text that is none. */
export function parseAddress(text: string): Address {
  const m = addressSyntax.exec(text);
  if (!m) throw new UserError(`"${text}" is no address: ${hint}.`);
  const value = BigInt((m[2] ?? '0').replaceAll('_', ''));
  if (value >> 64n) throw new UserError(`"${text}" is no address: it has more than 64 bits.`);
  return m[1] === undefined ? { value } : { space: parseSpace(m[1]), value };
}

export const hex = (v: bigint): string => `0x${v.toString(16)}`;

/** The space as `parseSpace` reads it. */
export function formatSpace(space: AddressSpace): string {
  if (space.kind === 'PA') return 'PA';
  if (space.kind === 'IPA') return space.vmid === undefined ? 'IPA' : `IPA(${space.vmid})`;
  const vmid = space.vmid === undefined ? '' : `,vmid=${space.vmid}`;
  const asid = space.asid === undefined ? '' : `,asid=${space.asid}`;
  const vcpu = space.vcpu === undefined ? '' : `,vcpu=${space.vcpu.vm}.${space.vcpu.vcpu}`;
  return `${space.level}${vmid}${asid}${vcpu}`;
}

/** A reference that means the same in every frame. */
export function formatAddress(space: AddressSpace, value: bigint): string {
  return `${formatSpace(space)}:${hex(BigInt.asUintN(64, value))}`;
}

/** The place for a question to the symbols; undefined where no symbol can be. */
export function symbolPlace(space: AddressSpace, value: bigint): Exclude<Place, bigint> | undefined {
  if (space.kind === 'PA') return { pa: value };
  if (space.kind === 'IPA') return undefined;
  // A vcpu without VMID was named by its number: any virtual machine's symbols may be its own.
  const isAny = space.level !== 'EL1' || (space.vcpu !== undefined && space.vmid === undefined);
  const regime: Regime = { el: space.level, ...(isAny ? {} : { vmid: space.vmid ?? 0 }) };
  return { va: value, regime };
}
