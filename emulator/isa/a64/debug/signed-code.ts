/**
 * Return addresses with a pointer authentication code (FEAT_PAuth): the address that is meant, as XPACI leaves it (Arm ARM
 * DDI 0487 J1.1.3, "Strip"), by the registers of the level that the code runs at.
 */
import type { ReadRegister } from '../../dsl/debug';

const field = (value: bigint, lsb: number, width: number): number =>
  Number((value >> BigInt(lsb)) & ((1n << BigInt(width)) - 1n));

/** Where TCR_ELx has what the layout of a pointer depends on, for one half of the address space. */
interface Half {
  readonly size: number;
  readonly granule: number;
  /** The value that means 64K. */
  readonly large: number;
  readonly ignore: number;
  readonly ignoreDataOnly: number;
}

const lower: Half = { size: 0, granule: 14, large: 1, ignore: 37, ignoreDataOnly: 51 };
const upper: Half = { size: 16, granule: 30, large: 3, ignore: 38, ignoreDataOnly: 52 };
/** EL2 without VHE, and EL3. */
const only: Half = { ...lower, ignore: 20, ignoreDataOnly: 29 };

function controls(level: number, read: ReadRegister): { tcr: bigint; hasTwo: boolean } {
  if (level === 3) return { tcr: read('TCR_EL3'), hasTwo: false };
  const hcr = read('HCR_EL2');
  const isE2h = field(hcr, 34, 1) === 1;
  const isHost = isE2h && field(hcr, 27, 1) === 1;
  if (level === 2 || (level === 0 && isHost)) return { tcr: read('TCR_EL2'), hasTwo: isE2h };
  return { tcr: read('TCR_EL1'), hasTwo: true };
}

/** See IsaDebug.unsignedCode. */
export function unsignedCode(level: number, address: bigint, read: ReadRegister): bigint {
  // ID_AA64ISAR1_EL1.API and APA: without either no pointer is signed.
  if (field(read('ID_AA64ISAR1_EL1'), 4, 8) === 0) return address;
  const isUpper = field(address, 55, 1) === 1;
  const { tcr, hasTwo } = controls(level, read);
  const half = !hasTwo ? only : isUpper ? upper : lower;
  const mmfr2 = read('ID_AA64MMFR2_EL1');
  const isLarge = field(tcr, half.granule, 2) === half.large;
  // FEAT_TTST and FEAT_LVA: the smallest and the largest address space.
  const most = field(mmfr2, 28, 4) !== 0 ? (isLarge ? 47 : 48) : 39;
  const least = isLarge && field(mmfr2, 16, 4) !== 0 ? 12 : 16;
  const bottom = 64 - Math.max(least, Math.min(most, field(tcr, half.size, 6)));
  const isTagged = field(tcr, half.ignore, 1) === 1 && field(tcr, half.ignoreDataOnly, 1) === 0;
  const top = isTagged ? 56n : 64n;
  const extension = ((1n << top) - 1n) & ~((1n << BigInt(bottom)) - 1n);
  return isUpper ? address | extension : address & ~extension;
}
