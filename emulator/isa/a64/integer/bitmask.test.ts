/** Logical immediates against their definition: a rotated run of ones, repeated (Arm ARM DDI 0487 C6.2, AND (immediate)). */
import assert from 'node:assert/strict';
import { bitmask } from './bitmask';

/** All values, made without the encoding: every run of ones in elements of 2 to `bits` bits, at every rotation. */
function allValues(bits: number): Set<bigint> {
  const values = new Set<bigint>();
  for (let size = 2; size <= bits; size *= 2) {
    for (let ones = 1; ones < size; ones++) {
      for (let start = 0; start < size; start++) {
        const element = Array.from({ length: size }, (_, i) =>
          (i - start + size) % size < ones ? '1' : '0',
        );
        values.add(
          BigInt(
            `0b${element
              .reverse()
              .join('')
              .repeat(bits / size)}`,
          ),
        );
      }
    }
  }
  return values;
}

/** All values that some encoding has. */
function encoded(sf: number): Set<bigint> {
  const values = new Set<bigint>();
  for (let n = 0; n < 1 << 13; n++) {
    const v = bitmask(sf, n >> 12, (n >> 6) & 63, n & 63);
    if (v !== undefined) values.add(v);
  }
  return values;
}

describe('A64 logical immediates', () => {
  for (const [sf, bits, count] of [
    [0, 32, 1302],
    [1, 64, 5334],
  ] as const) {
    it(`are the ${count} repeated runs of ones of ${bits} bits`, () => {
      const values = encoded(sf);
      assert.equal(values.size, count);
      assert.deepEqual(values, allValues(bits));
    });
  }

  it('reserve runs that fill their element, elements of 1 bit, and N = 1 for W', () => {
    assert.equal(bitmask(1, 1, 0, 63), undefined);
    assert.equal(bitmask(1, 0, 0, 0b111101), undefined);
    assert.equal(bitmask(1, 0, 0, 0b111110), undefined);
    assert.equal(bitmask(1, 0, 0, 0b111111), undefined);
    assert.equal(bitmask(0, 1, 0, 0), undefined);
  });

  it('rotate right by immr', () => {
    assert.equal(bitmask(1, 1, 4, 7), 0xf00000000000000fn);
    assert.equal(bitmask(0, 0, 4, 0b100111), 0xf00ff00fn);
  });
});
