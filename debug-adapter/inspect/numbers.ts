/** Numbers as they are shown and as users write them. */
import { UserError } from '../errors';

export const hex = (v: bigint): string => `0x${v.toString(16)}`;

/** Hex with all digits of a width. */
export const hexWide = (v: bigint, bits: number): string =>
  `0x${v.toString(16).padStart(Math.ceil(bits / 4), '0')}`;

/**
 * What the user meant with the text of an edited value. Editors start from the shown text, so `0x80000001 VM RW` and
 * `0x40080000 <start>` are read as their number.
 */
export function editedText(text: string): string {
  const shown = /^\s*(0[xX][0-9a-fA-F_]+|-?[0-9]+)\s+[A-Za-z<'"(].*$/.exec(text);
  return shown?.[1] ?? text;
}

/** A plain number of any size; undefined for anything else. */
export function plainNumber(text: string): bigint | undefined {
  const m = /^\s*(-?)\s*(0[xX][0-9a-fA-F_]+|0[bB][01_]+|[0-9][0-9_]*)\s*$/.exec(text);
  if (!m) return undefined;
  const value = BigInt((m[2] ?? '0').replaceAll('_', ''));
  return m[1] === '-' ? -value : value;
}

/** @throws UserError for a value that has more than `bits` bits. */
export function requireFits(value: bigint, bits: number, what: string): bigint {
  const fits = value >= 0n ? value >> BigInt(bits) === 0n : -value <= 1n << BigInt(bits - 1);
  if (!fits)
    throw new UserError(
      `The value ${hex(value < 0n ? -value : value)} does not fit: ${what} has ${bits} bit${bits === 1 ? '' : 's'}.`,
    );
  return BigInt.asUintN(bits, value);
}

/** A value as little-endian bytes. */
export function bytesOf(value: bigint, bytes: number): Uint8Array {
  return Uint8Array.from({ length: bytes }, (_, i) => Number((value >> BigInt(8 * i)) & 0xffn));
}
