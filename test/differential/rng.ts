/** Random numbers in bulk: millions of them a run, so without bigint. Small Fast Counting (sfc32, public domain). */
const corners: readonly (readonly [lo: number, hi: number])[] = [
  [0, 0],
  [1, 0],
  [2, 0],
  [0x7f, 0],
  [0x80, 0],
  [0xff, 0],
  [0x7fff, 0],
  [0x8000, 0],
  [0x7fffffff, 0],
  [0x80000000, 0],
  [0xffffffff, 0],
  [0, 1],
  [0xffffffff, 0x7fffffff],
  [0, 0x80000000],
  [0x80000000, 0xffffffff],
  [0xfffffffe, 0xffffffff],
  [0xffffffff, 0xffffffff],
];

export class Rng {
  private a: number;
  private b: number;
  private c: number;
  private counter = 1;

  /** Streams with other names are independent of each other. */
  constructor(seed: bigint, stream: string) {
    this.a = Number(seed & 0xffffffffn) | 0;
    this.b = Number((seed >> 32n) & 0xffffffffn) | 0;
    this.c = [...stream].reduce((h, ch) => Math.imul(h ^ ch.charCodeAt(0), 0x01000193), 0x811c9dc5);
    for (let i = 0; i < 15; i++) this.bits32();
  }

  bits32(): number {
    const t = (((this.a + this.b) | 0) + this.counter) | 0;
    this.counter = (this.counter + 1) | 0;
    this.a = this.b ^ (this.b >>> 9);
    this.b = (this.c + (this.c << 3)) | 0;
    this.c = ((this.c << 21) | (this.c >>> 11)) + t;
    return t >>> 0;
  }

  bits64(): bigint {
    return (BigInt(this.bits32()) << 32n) | BigInt(this.bits32());
  }

  /** 0 to n - 1. */
  below(n: number): number {
    return this.bits32() % n;
  }

  /** True once in n times. */
  oneIn(n: number): boolean {
    return this.below(n) === 0;
  }

  pick<T>(from: readonly T[]): T {
    const v = from[this.below(from.length)];
    if (v === undefined) throw new RangeError('nothing to pick from');
    return v;
  }

  /** A register value: a corner, a small number of either sign, a bit, or anything; as halves. */
  value(): readonly [lo: number, hi: number] {
    switch (this.below(6)) {
      case 0:
      case 1:
        return this.pick(corners);
      case 2: {
        const n = this.below(256) - 128;
        return [n >>> 0, n < 0 ? 0xffffffff : 0];
      }
      case 3: {
        const n = this.below(64);
        return n < 32 ? [2 ** n, 0] : [0, 2 ** (n - 32)];
      }
      case 4:
        return [this.bits32(), 0];
      default:
        return [this.bits32(), this.bits32()];
    }
  }

  bigValue(): bigint {
    const [lo, hi] = this.value();
    return (BigInt(hi) << 32n) | BigInt(lo);
  }
}
