/** Little-endian output that grows. */
export class Bytes {
  #data = new Uint8Array(1024);
  #view = new DataView(this.#data.buffer);
  length = 0;

  private room(n: number): number {
    const at = this.length;
    this.length += n;
    if (this.length > this.#data.length) {
      const bigger = new Uint8Array(Math.max(this.length, this.#data.length * 2));
      bigger.set(this.#data.subarray(0, at));
      this.#data = bigger;
      this.#view = new DataView(bigger.buffer);
    }
    return at;
  }

  u8(...values: number[]): this {
    for (const v of values) {
      const at = this.room(1);
      this.#view.setUint8(at, v);
    }
    return this;
  }

  u16(v: number): this {
    const at = this.room(2);
    this.#view.setUint16(at, v, true);
    return this;
  }

  u32(v: number): this {
    const at = this.room(4);
    this.#view.setUint32(at, v, true);
    return this;
  }

  u64(v: bigint | number): this {
    const at = this.room(8);
    this.#view.setBigUint64(at, BigInt.asUintN(64, BigInt(v)), true);
    return this;
  }

  uleb(value: number | bigint): this {
    let v = BigInt(value);
    do {
      const byte = Number(v & 127n);
      v >>= 7n;
      this.u8(byte | (v ? 128 : 0));
    } while (v);
    return this;
  }

  sleb(value: number): this {
    let v = value;
    for (;;) {
      const byte = v & 127;
      v >>= 7;
      if ((v === 0 && byte < 64) || (v === -1 && byte >= 64)) return this.u8(byte);
      this.u8(byte | 128);
    }
  }

  bytes(b: Uint8Array): this {
    const at = this.room(b.length);
    this.#data.set(b, at);
    return this;
  }

  /** Zeros up to a multiple of n. */
  align(n: number): this {
    this.room((n - (this.length % n)) % n);
    return this;
  }

  /** Writes a length at `at`: the number of bytes that follow the 32-bit field there. */
  patchLength(at: number): this {
    this.#view.setUint32(at, this.length - at - 4, true);
    return this;
  }

  done(): Uint8Array {
    return this.#data.slice(0, this.length);
  }
}

const utf8 = new TextEncoder();

/** A table of strings that end with zero; equal ones are stored once. */
export class Strings {
  readonly #out = new Bytes();
  readonly #known = new Map<string, number>();

  constructor(first = false) {
    if (first) this.add('');
  }

  /** Offset of a string. */
  add(text: string): number {
    let at = this.#known.get(text);
    if (at === undefined) {
      at = this.#out.length;
      this.#known.set(text, at);
      this.#out.bytes(utf8.encode(text.replaceAll('\0', ''))).u8(0);
    }
    return at;
  }

  done(): Uint8Array {
    return this.#out.done();
  }
}
