/**
 * The image of a launched Linux kernel: where it is, in link-time, run-time and physical addresses. This is the one place that
 * knows the slide of KASLR.
 */
import { littleEndian } from '../symbols/dwarf/expression';
import type { Btf } from '../symbols/linux/btf';
import type { Kallsyms } from '../symbols/linux/kallsyms';
import type { CodeRange } from '../symbols/linux/references';
import type { ModuleSpec } from '../symbols/types';
import { KernelMemory, type KernelHost } from './memory';

/** What is asked of the machine. */
export interface KernelParts {
  readonly image: Uint8Array;
  readonly kallsyms: Kallsyms;
  /** Physical address of the first byte of the image. */
  readonly loadAddress: bigint;
  readonly host: KernelHost;
  types(): Btf | undefined;
  /** The run-time address of a symbol of data, where the files of symbols have any. */
  dataSymbol(name: string): bigint | undefined;
}

const u64 = (v: bigint): bigint => BigInt.asUintN(64, v);
/** Kernel addresses have all the upper bits set; a word that is not relocated yet has none. */
const isKernel = (address: bigint): boolean => address >> 48n === 0xffffn;

export class KernelImage {
  /** Its memory, once the machine can be looked at. */
  readonly memory: KernelMemory;
  private readonly parts: KernelParts;

  constructor(parts: KernelParts) {
    this.parts = parts;
    this.memory = new KernelMemory(parts.host);
  }

  get cpus(): number {
    return this.parts.host.cpus;
  }

  /** The run-time address of a variable; undefined where only functions have symbols. */
  symbol(name: string): bigint | undefined {
    return this.parts.dataSymbol(name);
  }

  /** Where the functions of a name are in the image: several files may each have one. */
  codeOf(name: string): CodeRange[] {
    return this.kallsyms
      .named(name)
      .map(({ offset, size }) => ({ from: Number(offset), to: Number(offset + size) }));
  }

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
    const bytes = this.parts.host.physical(this.loadAddress + offset, 8);
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
