/**
 * How a jump finds its block: places are spread over the elements of one br_table by a multiplication that gives each its
 * own, and the block compares the place to know that it was meant.
 */

export interface Spread {
  /** Odd factor of the low half of a place; the element is the upper `bits` bits of the product. */
  readonly factor: number;
  readonly bits: number;
}

const FACTORS = 64;

/** The element of a place. */
export const elementOf = ({ factor, bits }: Spread, place: number): number =>
  bits === 0 ? 0 : Math.imul(place, factor) >>> (32 - bits);

/** Finds a small table in which no two places share an element. */
export function spreadOf(places: readonly number[]): Spread {
  for (let bits = Math.ceil(Math.log2(Math.max(1, places.length))); ; bits++) {
    // Factors after D. Knuth's multiplicative hashing: the golden ratio, then what an odd step makes of it.
    for (let n = 0, factor = 0x9e3779b1; n < FACTORS; n++, factor = Math.imul(factor, 0x2545f491) | 1) {
      const spread = { factor, bits };
      if (new Set(places.map((place) => elementOf(spread, place))).size === places.length) return spread;
    }
  }
}
