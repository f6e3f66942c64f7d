/** Addresses as the user and DAP write them: `EL2:0x...`, `EL1,vmid=1:0x...`, `IPA(1):0x...`, `PA:0x...`, `0x...`. */
import { UserError } from '../errors';
import { parseRegime } from '../symbols/regime';

export interface AddressReference {
  readonly address: bigint;
  /** `VA`: virtual, in the regime given or in the current one. */
  readonly space: 'VA' | 'IPA' | 'PA';
  readonly el?: 'EL0' | 'EL1' | 'EL2';
  readonly vmid?: number;
}

/** Takes a reference apart. @throws UserError for text that is none */
export function parseReference(text: string): AddressReference {
  const m = /^\s*(?:(.+):)?\s*(0x[0-9a-fA-F]{1,16}|[0-9]{1,20})\s*$/.exec(text);
  if (!m)
    throw new UserError(`"${text}" is no address: write it as 0x40080000, EL2:0x40080000 or PA:0x40080000.`);
  const address = BigInt.asUintN(64, BigInt(m[2] ?? '0'));
  const where = m[1]?.trim();
  if (where === undefined) return { address, space: 'VA' };
  const ipa = /^IPA\((\d{1,5})\)$/i.exec(where);
  if (ipa) return { address, space: 'IPA', vmid: Number(ipa[1]) };
  const regime = parseRegime(where);
  if (regime.physical) return { address, space: 'PA' };
  return {
    address,
    space: 'VA',
    ...(regime.el === undefined ? {} : { el: regime.el }),
    ...(regime.vmid === undefined ? {} : { vmid: regime.vmid }),
  };
}
