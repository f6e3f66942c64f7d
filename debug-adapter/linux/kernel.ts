/**
 * A launched Linux kernel: where its image is, in link-time, run-time and physical addresses. This is the one place that
 * knows the slide of KASLR.
 */
import { littleEndian } from '../symbols/dwarf/expression';
import type { Btf } from '../symbols/linux/btf';
import type { Kallsyms } from '../symbols/linux/kallsyms';
import type { ModuleSpec } from '../symbols/types';

/** What is asked of the machine. */
export interface KernelParts {
  readonly image: Uint8Array;
  readonly kallsyms: Kallsyms;
  /** Physical address of the first byte of the image. */
  readonly loadAddress: bigint;
  /** Physical memory; shorter where it cannot be read. */
  physical(pa: bigint, bytes: number): Uint8Array;
  types(): Btf | undefined;
}

const u64 = (v: bigint): bigint => BigInt.asUintN(64, v);
/** Kernel addresses have all the upper bits set; a word that is not relocated yet has none. */
const isKernel = (address: bigint): boolean => address >> 48n === 0xffffn;

export class LinuxKernel {
  constructor(private readonly parts: KernelParts) {}

  get image(): Uint8Array {
    return this.parts.image;
  }

  get kallsyms(): Kallsyms {
    return this.parts.kallsyms;
  }

  /** The kernel's own types; undefined where it carries none. */
  get types(): Btf | undefined {
    return this.parts.types();
  }

  /** Physical address of the first byte of the image. */
  get loadAddress(): bigint {
    return this.parts.loadAddress;
  }

  /** Link-time virtual address of the first byte of the image. */
  get imageBase(): bigint {
    return this.kallsyms.imageBase;
  }

  /** Memory that the image takes, BSS included. */
  get imageSize(): bigint {
    return this.kallsyms.imageSize;
  }

  /**
   * What is added to link-time addresses to get run-time addresses: KASLR. Undefined until the kernel has relocated
   * itself. The kernel's words are relocated in place, so that one whose link-time value is known tells: it is read by its
   * physical address, and the answer is the same at every exception level, on every CPU, with the kernel's tables in use
   * or, as with KPTI in user programs, not.
   */
  slide(): bigint | undefined {
    const { offset, value } = this.kallsyms.baseWord;
    const bytes = this.parts.physical(this.loadAddress + offset, 8);
    const now = bytes.length === 8 ? littleEndian(bytes) : 0n;
    return isKernel(now) ? now - value : undefined;
  }

  /** The run-time address of a place in the image. */
  address(offset: bigint): bigint {
    return u64(this.imageBase + offset + (this.slide() ?? 0n));
  }

  /** Where in the image a run-time address is; undefined outside. */
  offsetOf(address: bigint): bigint | undefined {
    const offset = u64(address - this.imageBase - (this.slide() ?? 0n));
    return offset < this.imageSize ? offset : undefined;
  }

  /** How the image is added as a file of symbols. */
  module(): Omit<ModuleSpec, 'name' | 'source'> {
    return { offset: () => this.slide() ?? 0n, regime: { vmid: 0 }, isMovable: true };
  }
}
