import { SymbolError } from './errors';

const decoder = new TextDecoder('utf-8');

/** Decodes the NUL-terminated string that starts at `offset`; undefined when no NUL follows. */
export function stringAt(bytes: Uint8Array, offset: number): string | undefined {
  const end = bytes.indexOf(0, offset);
  return end < 0 ? undefined : decoder.decode(bytes.subarray(offset, end));
}

/** A read position in little-endian bytes. Every read is bounds-checked and fails with a SymbolError. */
export class Cursor {
  private readonly view: DataView;
  pos = 0;

  /** `what` names the data in error messages; `origin` is where its first byte is in the section. */
  constructor(
    readonly bytes: Uint8Array,
    readonly what: string,
    readonly origin = 0,
  ) {
    this.view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  get end(): number {
    return this.bytes.length;
  }

  get atEnd(): boolean {
    return this.pos >= this.bytes.length;
  }

  /** Where the position is in the section. */
  get sectionOffset(): number {
    return this.origin + this.pos;
  }

  fail(problem: string): SymbolError {
    return new SymbolError(
      `${this.what} is damaged at offset 0x${(this.origin + this.pos).toString(16)} (${problem}): rebuild the file with -g.`,
    );
  }

  private take(length: number): number {
    const at = this.pos;
    if (length < 0 || at + length > this.bytes.length) throw this.fail('the data ends early');
    this.pos = at + length;
    return at;
  }

  skip(length: number): void {
    this.take(length);
  }

  seek(pos: number): void {
    if (pos < 0 || pos > this.bytes.length) throw this.fail('an offset leads out of the data');
    this.pos = pos;
  }

  u8(): number {
    return this.view.getUint8(this.take(1));
  }
  i8(): number {
    return this.view.getInt8(this.take(1));
  }
  u16(): number {
    return this.view.getUint16(this.take(2), true);
  }
  i16(): number {
    return this.view.getInt16(this.take(2), true);
  }
  u32(): number {
    return this.view.getUint32(this.take(4), true);
  }
  i32(): number {
    return this.view.getInt32(this.take(4), true);
  }
  u64(): bigint {
    return this.view.getBigUint64(this.take(8), true);
  }
  i64(): bigint {
    return this.view.getBigInt64(this.take(8), true);
  }

  /** An offset or length of 8 bytes, which must fit a JavaScript integer. */
  size64(): number {
    const value = this.u64();
    if (value > BigInt(Number.MAX_SAFE_INTEGER)) throw this.fail('a length is impossibly large');
    return Number(value);
  }

  /** A section offset: 4 bytes in 32-bit DWARF, 8 bytes in 64-bit DWARF. */
  offset(is64: boolean): number {
    return is64 ? this.size64() : this.u32();
  }

  address(size: number): bigint {
    return size === 8 ? this.u64() : BigInt(this.u32());
  }

  block(length: number): Uint8Array {
    const at = this.take(length);
    return this.bytes.subarray(at, at + length);
  }

  cstring(): string {
    const text = stringAt(this.bytes, this.pos);
    if (text === undefined) throw this.fail('a string has no end');
    this.pos = this.bytes.indexOf(0, this.pos) + 1;
    return text;
  }

  skipCstring(): void {
    const end = this.bytes.indexOf(0, this.pos);
    if (end < 0) throw this.fail('a string has no end');
    this.pos = end + 1;
  }

  /** Unsigned LEB128 as a number: for counts, offsets, lines. Values over 2^53 are damage. */
  uleb(): number {
    let result = 0;
    let scale = 1;
    for (;;) {
      const byte = this.u8();
      const part = byte & 0x7f;
      if (part !== 0) result += part * scale;
      if ((byte & 0x80) === 0) break;
      scale *= 128;
    }
    if (result > Number.MAX_SAFE_INTEGER) throw this.fail('a number is impossibly large');
    return result;
  }

  /** Signed LEB128 as a number. */
  sleb(): number {
    const start = this.pos;
    let result = 0;
    let scale = 1;
    for (let length = 1; ; length++) {
      const byte = this.u8();
      result += (byte & 0x7f) * scale;
      scale *= 128;
      if ((byte & 0x80) === 0) {
        if (length > 7) break; // beyond 49 bits a double would round: take the exact road
        return (byte & 0x40) !== 0 ? result - scale : result;
      }
    }
    this.pos = start;
    const exact = Number(this.sleb64());
    if (!Number.isSafeInteger(exact)) throw this.fail('a number is impossibly large');
    return exact;
  }

  /** Unsigned LEB128 in full, modulo 2^64. */
  uleb64(): bigint {
    let result = 0n;
    for (let shift = 0n; ; shift += 7n) {
      const byte = this.u8();
      if (shift < 64n) result |= BigInt(byte & 0x7f) << shift;
      if ((byte & 0x80) === 0) return BigInt.asUintN(64, result);
    }
  }

  /** Signed LEB128 in full, as a signed 64-bit value. */
  sleb64(): bigint {
    let result = 0n;
    let shift = 0n;
    for (;;) {
      const byte = this.u8();
      if (shift < 70n) {
        result |= BigInt(byte & 0x7f) << shift;
        shift += 7n;
      }
      if ((byte & 0x80) === 0) {
        if ((byte & 0x40) !== 0 && shift < 70n) result -= 1n << shift;
        return BigInt.asIntN(64, result);
      }
    }
  }

  skipLeb(): void {
    while ((this.u8() & 0x80) !== 0);
  }
}
