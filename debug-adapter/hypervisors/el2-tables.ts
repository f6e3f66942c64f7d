/** The translation tables of EL2, searched backwards: where EL2 has what is at a physical address. */

/** Address bits of a descriptor and of TTBR0_EL2, without 52-bit addresses. */
const TABLE = 0xffff_ffff_f000n;
/** KVM at EL2 has some tens of tables. */
const MAX_TABLES = 4096;

/**
 * A virtual address that the tables of EL2 map to a physical one (Arm ARM DDI 0487 D8.3, 4 KiB granule).
 * @param tableAt the 4 KiB at a physical address
 */
export function mappedAt(
  tableAt: (pa: bigint) => Uint8Array | undefined,
  ttbr: bigint,
  tcr: bigint,
  wanted: bigint,
): bigint | undefined {
  // TG0 is 0 for 4 KiB, which is what KVM takes with kernels of that page size.
  if (((tcr >> 14n) & 3n) !== 0n) return undefined;
  const bits = 64 - Number(tcr & 63n);
  const open = [{ at: ttbr & TABLE, level: 4 - Math.ceil((bits - 12) / 9), va: 0n }];
  // A table that is met again has nothing new: damaged ones may form a circle.
  const seen = new Set<string>();
  for (let n = 0; n < Math.min(open.length, MAX_TABLES); n++) {
    const table = open[n];
    const data = table && tableAt(table.at);
    if (!table || !data) continue;
    const shift = BigInt(12 + 9 * (3 - table.level));
    const view = new DataView(data.buffer, data.byteOffset, data.length);
    for (let i = 0; i < 512; i++) {
      const low = view.getUint32(8 * i, true);
      if ((low & 1) === 0) continue;
      const descriptor = view.getBigUint64(8 * i, true);
      const va = table.va | (BigInt(i) << shift);
      if (table.level < 3 && (low & 2) !== 0) {
        const next = { at: descriptor & TABLE, level: table.level + 1, va };
        const key = `${next.at} ${next.level}`;
        if (!seen.has(key)) open.push(next);
        seen.add(key);
        continue;
      }
      const output = ((descriptor & TABLE) >> shift) << shift;
      if (wanted >= output && wanted - output < 1n << shift) return va + wanted - output;
    }
  }
  return undefined;
}
