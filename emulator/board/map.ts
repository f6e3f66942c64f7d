/** The `virt` board as two tables. Addresses and interrupt numbers are those of QEMU's machine of that name. */

/** Where things stand in physical memory. A device that is not built yet has no row: an access there aborts. */
export const memoryMap = [
  { name: 'gicd', base: 0x0800_0000n, size: 0x1_0000n },
  // Those of a GICv2, which has no redistributors.
  { name: 'gicc', base: 0x0801_0000n, size: 0x1_0000n },
  { name: 'gicv2m', base: 0x0802_0000n, size: 0x1000n },
  { name: 'gich', base: 0x0803_0000n, size: 0x1_0000n },
  { name: 'gicv', base: 0x0804_0000n, size: 0x1_0000n },
  // Room for the redistributors of 123 CPUs; only those that exist answer.
  { name: 'gicr', base: 0x080a_0000n, size: 0xf6_0000n },
  { name: 'uart0', base: 0x0900_0000n, size: 0x1000n },
  { name: 'rtc', base: 0x0901_0000n, size: 0x1000n },
  { name: 'fw-cfg', base: 0x0902_0000n, size: 0x18n },
  { name: 'gpio', base: 0x0903_0000n, size: 0x1000n },
  { name: 'secure-gpio', base: 0x090b_0000n, size: 0x1000n },
  // 32 transports of 0x200 bytes.
  { name: 'virtio', base: 0x0a00_0000n, size: 0x4000n },
  { name: 'ram', base: 0x4000_0000n, size: 0n },
] as const;

/** Interrupt wires. `number` counts from the first of its kind: SPI 0 is INTID 32, PPI 0 is INTID 16. */
export const irqMap = [
  { name: 'uart0', kind: 'spi', number: 1 },
  { name: 'rtc', kind: 'spi', number: 2 },
  { name: 'gpio', kind: 'spi', number: 7 },
  // The first of 32, one for each transport.
  { name: 'virtio', kind: 'spi', number: 16 },
  { name: 'pmu', kind: 'ppi', number: 7 },
  { name: 'vgic maintenance', kind: 'ppi', number: 9 },
  { name: 'hyp physical timer', kind: 'ppi', number: 10 },
  { name: 'virtual timer', kind: 'ppi', number: 11 },
  { name: 'secure physical timer', kind: 'ppi', number: 13 },
  { name: 'physical timer', kind: 'ppi', number: 14 },
] as const;

/** Versions of the interrupt controller that the board can have. */
export const gicVersions = [2, 3] as const;
export type GicVersion = (typeof gicVersions)[number];

export type RegionName = (typeof memoryMap)[number]['name'];
export type IrqName = (typeof irqMap)[number]['name'];

/** A row of the memory map. */
export function region(name: RegionName): { readonly base: bigint; readonly size: bigint } {
  const row = memoryMap.find((r) => r.name === name);
  if (!row) throw new Error(`the board has no region ${name}`);
  return row;
}

/** A row of the interrupt map. */
export function irq(name: IrqName): { readonly kind: 'spi' | 'ppi'; readonly number: number } {
  const row = irqMap.find((r) => r.name === name);
  if (!row) throw new Error(`the board has no interrupt ${name}`);
  return row;
}

/** Virtio transports of the board. */
export const VIRTIO_TRANSPORTS = 32;

export const RAM_BASE = region('ram').base;

/** CPUs of the board at most: with a GICv2 there cannot be more, and one SGI target list reaches them all. */
export const MAX_CPUS = 8;

/** MPIDR_EL1 affinity of a CPU: 16 to a cluster, as GICv3 target lists want it. */
export function affinity(cpu: number): number {
  return (cpu & 0xf) | ((cpu >> 4) << 8);
}
