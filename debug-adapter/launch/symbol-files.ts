/** From `symbols` of launch.json to modules of the symbol index. */
import path from 'node:path';
import type { ByteSource } from '../symbols/byte-source';
import { ElfFile } from '../symbols/elf';
import { SymbolError } from '../symbols/errors';
import { fileSource } from '../symbols/file-source';
import { isLinuxImage } from '../symbols/linux/image-header';
import { symbolSource } from '../symbols/linux/source';
import { vmlinuxOf } from '../symbols/linux/vmlinux';
import type { ModuleSpec } from '../symbols/types';
import type { SymbolFile } from './config';

/** The kernel that is launched, as far as its files of symbols mind. */
export interface BootedKernel {
  readonly path: string;
  readonly image: Uint8Array;
  readonly loadAddress: bigint;
  /** Added to link-time addresses: KASLR. */
  readonly slide: () => bigint;
}

const u64 = (v: bigint): bigint => BigInt.asUintN(64, v);

/** The launched kernel's own vmlinux; undefined for any other file. @throws SymbolError for the vmlinux of another build */
function ownVmlinux(
  name: string,
  source: ByteSource,
  kernel: BootedKernel,
): Omit<ModuleSpec, 'name' | 'source'> | undefined {
  const vmlinux = vmlinuxOf(new ElfFile(source, name));
  if (!vmlinux) return undefined;
  if (!vmlinux.isOf(kernel.image)) {
    const [ours, theirs] = [vmlinux.buildIdIn(kernel.image), vmlinux.buildId];
    const ids = ours === undefined || theirs === undefined ? '' : ` (build ID ${theirs}, not ${ours})`;
    throw new SymbolError(
      `${name} belongs to another build than the kernel ${kernel.path}${ids}: name the vmlinux of the package with exactly its version, or, for the kernel of a guest, add "vm" or "vmid" to its entry in "symbols".`,
    );
  }
  return {
    offset: kernel.slide,
    physicalOffset: u64(kernel.loadAddress - vmlinux.paddr),
    regime: { vmid: 0 },
    isMovable: true,
  };
}

/**
 * Opens a file of symbols.
 * @param kernel the kernel that is launched: its vmlinux goes where the kernel goes, unless the entry says otherwise
 * @throws SymbolError
 */
export function symbolModule(entry: SymbolFile, kernel: BootedKernel | undefined): ModuleSpec {
  const name = path.resolve(entry.file);
  const file = fileSource(name);
  const { offset, regime } = entry;
  if (kernel && regime === undefined && offset === 0n && !isLinuxImage(file.read(0, 64))) {
    const own = ownVmlinux(name, file, kernel);
    if (own) return { name, source: file, ...own };
  }
  const source = symbolSource(file, name, kernel?.loadAddress ?? 0n);
  return { name, source, offset, ...(regime ? { regime } : {}) };
}
