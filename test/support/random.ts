/** Seeded random numbers for tests: a failure prints its seed, and `SEED=... npx mocha ...` repeats it. */

/** The seed of this run: env SEED, or a new one. */
export const seed: bigint = process.env['SEED'] ? BigInt(process.env['SEED']) : BigInt(Date.now()) * 0x10001n;

const mask64 = (1n << 64n) - 1n;

/** Values at which arithmetic changes its ways. */
const corners: readonly bigint[] = [
  0n,
  1n,
  2n,
  0x7fn,
  0x80n,
  0xffn,
  0x7fffn,
  0x8000n,
  0x7fffffffn,
  0x80000000n,
  0xffffffffn,
  0x100000000n,
  0x7fffffffffffffffn,
  0x8000000000000000n,
  0xffffffff80000000n,
  mask64 - 1n,
  mask64,
];

/** SplitMix64 (Steele, Lea, Flood: Fast Splittable Pseudorandom Number Generators, 2014). */
export class Random {
  private state: bigint;

  constructor(start: bigint) {
    this.state = start & mask64;
  }

  bits64(): bigint {
    this.state = (this.state + 0x9e3779b97f4a7c15n) & mask64;
    let z = this.state;
    z = ((z ^ (z >> 30n)) * 0xbf58476d1ce4e5b9n) & mask64;
    z = ((z ^ (z >> 27n)) * 0x94d049bb133111ebn) & mask64;
    return z ^ (z >> 31n);
  }

  bits32(): number {
    return Number(this.bits64() & 0xffffffffn);
  }

  /** 0 to n - 1. */
  below(n: number): number {
    return this.bits32() % n;
  }

  pick<T>(from: readonly T[]): T {
    const v = from[this.below(from.length)];
    if (v === undefined) throw new RangeError('nothing to pick from');
    return v;
  }

  /** A register value: a corner, a small number of either sign, a single bit, or anything. */
  value(): bigint {
    switch (this.below(6)) {
      case 0:
      case 1:
        return this.pick(corners);
      case 2:
        return BigInt.asUintN(64, BigInt(this.below(256) - 128));
      case 3:
        return 1n << BigInt(this.below(64));
      case 4:
        return this.bits64() >> BigInt(this.below(64));
      default:
        return this.bits64();
    }
  }
}
