/** What expressions evaluate to. */
import type { Chunk } from './sections';

export interface NumberValue {
  readonly kind: 'number';
  readonly value: bigint;
}

/** A place in the program: an offset into a chunk, or, once all chunks have their address, an address. */
export interface AddressValue {
  readonly kind: 'address';
  readonly chunk: Chunk | undefined;
  readonly value: bigint;
}

/** Not known before the whole source is read. */
export interface LaterValue {
  readonly kind: 'later';
  /** When it is no more than a symbol and a number: so that literals can be shared. */
  readonly symbol?: string;
  readonly addend?: bigint;
  readonly value: 0n;
}

export type Value = NumberValue | AddressValue | LaterValue;

export const num = (value: bigint): NumberValue => ({ kind: 'number', value: BigInt.asIntN(64, value) });
export const later: LaterValue = { kind: 'later', value: 0n };
