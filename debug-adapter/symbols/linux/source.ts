import type { ByteSource } from '../byte-source';
import { SymbolError } from '../errors';
import { isLinuxImage } from './image-header';
import { Kallsyms } from './kallsyms';
import { kernelElf } from './kernel-elf';

const HEADER_SIZE = 64;
/** Larger than any kernel. */
const MAX_IMAGE = 2 ** 29;

/**
 * A file of symbols as an ELF: a raw kernel image is one by its kallsyms, any other file as it is.
 * @param loadAddress the physical address at which a kernel image is loaded
 * @throws SymbolError for a kernel image without symbols
 */
export function symbolSource(source: ByteSource, name: string, loadAddress: bigint): ByteSource {
  if (!isLinuxImage(source.read(0, HEADER_SIZE))) return source;
  if (source.size > MAX_IMAGE)
    throw new SymbolError(`${name} has ${source.size} bytes, which is no kernel image: name another file.`);
  return kernelElf(new Kallsyms(source.read(0, source.size), name), loadAddress);
}
