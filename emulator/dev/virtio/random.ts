/** Virtio entropy device (Virtual I/O Device 1.2, 5.4): the same numbers in each run with the same seed. */
import { scatter, totalBytes } from './queue';
import { VirtioDevice, type VirtioPort } from './mmio';

export interface RandomState {
  /** State of the generator, four words. */
  words: [number, number, number, number];
}

/** Bytes that one buffer gets at most; the driver is told how many there are. */
const MOST = 4096;

/** Words of a seed: the finalizer of MurmurHash3 over multiples of the golden ratio, so that similar seeds are unlike. */
function expand(seed: number): RandomState['words'] {
  const word = (n: number): number => {
    let x = (seed + Math.imul(n, 0x9e3779b9)) >>> 0;
    x = Math.imul(x ^ (x >>> 16), 0x85ebca6b);
    x = Math.imul(x ^ (x >>> 13), 0xc2b2ae35);
    return (x ^ (x >>> 16)) >>> 0;
  };
  return [word(1), word(2), word(3), word(4)];
}

const rotate = (x: number, n: number): number => (x << n) | (x >>> (32 - n));

export class VirtioRandom extends VirtioDevice<RandomState> {
  constructor(name: string, port: VirtioPort, seed: number) {
    super(name, { id: 4, features: 0n, queues: 1 }, port, { words: expand(seed) });
  }

  protected config(): Uint8Array {
    return new Uint8Array();
  }

  protected notified(queue: number): void {
    this.serveAll(queue, (chain) => {
      const bytes = Uint8Array.from({ length: Math.min(MOST, totalBytes(chain.writable)) }, () =>
        this.next(),
      );
      return scatter(this.bus, chain.writable, bytes);
    });
  }

  /** The top byte of xoshiro128** (Blackman and Vigna, "Scrambled linear pseudorandom number generators"). */
  private next(): number {
    const [a, b, c, d] = this.state.device.words;
    const result = Math.imul(rotate(Math.imul(b, 5), 7), 9);
    const [c1, d1] = [c ^ a, d ^ b];
    this.state.device.words = [a ^ d1, b ^ c1, c1 ^ (b << 9), rotate(d1, 11)];
    return result >>> 24;
  }
}
