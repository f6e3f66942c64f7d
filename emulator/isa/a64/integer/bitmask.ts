/** Logical immediates: DecodeBitMasks() of the Arm ARM (DDI 0487 J1.1, aarch64/instrs/integer/bitmasks). */

/**
 * The value of a logical immediate, or undefined for a reserved encoding.
 * N:NOT(imms) gives the element size by its highest set bit; an element is `imms + 1` ones rotated right by `immr`.
 */
export function bitmask(sf: number, N: number, immr: number, imms: number): bigint | undefined {
  if (!sf && N) return undefined;
  const sizeBits = (N << 6) | (~imms & 0x3f);
  const len = 31 - Math.clz32(sizeBits);
  if (len < 1) return undefined;
  const esize = 1 << len;
  const levels = esize - 1;
  const ones = (imms & levels) + 1;
  if (ones === esize) return undefined;
  const rotate = BigInt(immr & levels);
  const run = (1n << BigInt(ones)) - 1n;
  let element = BigInt.asUintN(esize, (run >> rotate) | (run << (BigInt(esize) - rotate)));
  for (let size = esize; size < (sf ? 64 : 32); size *= 2) element |= element << BigInt(size);
  return element;
}
