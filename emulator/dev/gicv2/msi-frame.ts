/** GICv2m (Arm, Server Base System Architecture, appendix E): a store to a register of this frame is an edge of an SPI. */
import type { Device } from '../../core/device';

/** INTIDs of the SPIs that belong to the frame. */
const FIRST = 80;
const COUNT = 64;

const TYPER = 0x8;
const SETSPI = 0x40;
const IIDR = 0xfcc;

/** Of QEMU's board, as its software knows it. */
const IDENTITY = 0x05100000n;

export class MsiFrame implements Device {
  readonly name = 'gicv2m';
  readonly size = 0x1000;
  readonly state = {};

  /** `setSpi` as InterruptController's. */
  constructor(private readonly setSpi: (n: number, level: boolean) => void) {}

  read(offset: number, bytes: number): bigint {
    return this.peek(offset, bytes);
  }

  peek(offset: number, bytes: number): bigint {
    if (bytes !== 4) return 0n;
    if (offset === TYPER) return BigInt((FIRST << 16) | COUNT);
    return offset === IIDR ? IDENTITY : 0n;
  }

  write(offset: number, bytes: number, value: bigint): boolean {
    const spi = Number(value & 0x3ffn) - 32;
    if (offset === SETSPI && bytes === 4 && spi >= FIRST - 32 && spi < FIRST - 32 + COUNT) {
      this.setSpi(spi, true);
      this.setSpi(spi, false);
    }
    return true;
  }
}
