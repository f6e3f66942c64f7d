/** ESR_ELx in a few words (Arm ARM DDI 0487 D17.2.37), for trace lines and stop descriptions. */
import type { Encoding } from '../../emulator/isa/dsl/sysreg';
import { genericName } from '../../emulator/isa/dsl/sysreg';
import { sysregAt } from '../../emulator/isa/a64/sysregs';

const bits = (v: bigint, msb: number, lsb: number): number =>
  Number((v >> BigInt(lsb)) & ((1n << BigInt(msb - lsb + 1)) - 1n));

/** Fault status codes without level (DFSC, IFSC). */
const faults: readonly (readonly [number, string])[] = [
  [0x00, 'address size fault'],
  [0x04, 'translation fault'],
  [0x08, 'access flag fault'],
  [0x0c, 'permission fault'],
];
const otherFaults: Readonly<Record<number, string>> = {
  0x10: 'external abort',
  0x14: 'external abort on the table walk, level 0',
  0x15: 'external abort on the table walk, level 1',
  0x16: 'external abort on the table walk, level 2',
  0x17: 'external abort on the table walk, level 3',
  0x21: 'alignment fault',
  0x30: 'TLB conflict',
  0x35: 'unsupported exclusive access',
};

/** A fault status code in words. */
export function faultText(code: number): string {
  const row = faults.find(([base]) => (code & 0x3c) === base);
  return row ? `${row[1]} level ${code & 3}` : (otherFaults[code] ?? `fault status 0x${code.toString(16)}`);
}

function abort(what: string, iss: bigint): string {
  const walk = bits(iss, 7, 7) ? ' on a stage 1 walk' : '';
  return `${what}, ${faultText(bits(iss, 5, 0))}${walk}`;
}

function dataAbort(iss: bigint): string {
  const maintenance = bits(iss, 8, 8) === 1;
  return abort(
    `data abort ${maintenance ? 'by cache maintenance' : bits(iss, 6, 6) ? 'write' : 'read'}`,
    iss,
  );
}

function register(iss: bigint): string {
  const enc: Encoding = [
    bits(iss, 21, 20),
    bits(iss, 16, 14),
    bits(iss, 13, 10),
    bits(iss, 4, 1),
    bits(iss, 19, 17),
  ];
  return `${bits(iss, 0, 0) ? 'MRS' : 'MSR'} ${sysregAt(enc)?.name ?? genericName(enc)}`;
}

const waits = ['WFI', 'WFE'];

const classes: Readonly<Record<number, string | ((iss: bigint) => string)>> = {
  0x00: 'undefined instruction',
  0x01: (iss) => waits[bits(iss, 0, 0)] ?? 'WFx',
  0x07: 'FP or SIMD access',
  0x0e: 'illegal execution state',
  0x15: (iss) => `SVC #${bits(iss, 15, 0)}`,
  0x16: (iss) => `HVC #${bits(iss, 15, 0)}`,
  0x17: (iss) => `SMC #${bits(iss, 15, 0)}`,
  0x18: register,
  0x20: (iss) => abort('instruction abort', iss),
  0x21: (iss) => abort('instruction abort', iss),
  0x22: 'misaligned PC',
  0x24: dataAbort,
  0x25: dataAbort,
  0x26: 'misaligned SP',
  0x2c: 'floating-point exception',
  0x2f: 'SError',
  0x30: 'breakpoint exception',
  0x31: 'breakpoint exception',
  0x32: 'software step',
  0x33: 'software step',
  0x34: 'watchpoint',
  0x35: 'watchpoint',
  0x3c: (iss) => `BRK #${bits(iss, 15, 0)}`,
};

/** Exception class and instruction specific syndrome of an ESR. */
export function splitSyndrome(esr: bigint): { ec: bigint; iss: bigint } {
  return { ec: (esr >> 26n) & 0x3fn, iss: esr & 0x1ffffffn };
}

/** An ESR in a few words. */
export function syndromeText(esr: bigint): string {
  const { ec, iss } = splitSyndrome(esr);
  const row = classes[Number(ec)];
  if (row === undefined) return `exception class 0x${ec.toString(16)}`;
  return typeof row === 'string' ? row : row(iss);
}

/** Whether the syndrome is of an abort, so that FAR has the address. */
export function hasFaultAddress(esr: bigint): boolean {
  const ec = Number(splitSyndrome(esr).ec);
  return (ec >= 0x20 && ec <= 0x22) || ec === 0x24 || ec === 0x25;
}

/**
 * Whether HPFAR_EL2 has the address of a stage 2 abort: for translation and access flag faults, and for any fault of a
 * stage 1 walk (D17.2.64).
 */
export function hasIntermediateAddress(esr: bigint): boolean {
  const { ec, iss } = splitSyndrome(esr);
  if (ec !== 0x24n && ec !== 0x20n) return false;
  const fault = bits(iss, 5, 2);
  return fault === 1 || fault === 2 || bits(iss, 7, 7) === 1;
}
