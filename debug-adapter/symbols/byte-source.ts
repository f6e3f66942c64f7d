import { SymbolError } from './errors';

/** Bytes that are read on demand: a file, a part of a file, or memory. `read` returns less only at the end. */
export interface ByteSource {
  readonly size: number;
  read(offset: number, length: number): Uint8Array;
}

/** A source over bytes that are already in memory. `read` returns views, not copies. */
export function memorySource(bytes: Uint8Array): ByteSource {
  return {
    size: bytes.length,
    read: (offset, length) => bytes.subarray(offset, Math.min(bytes.length, offset + length)),
  };
}

/** The part [start, start + size) of another source, cut where the other source ends. */
export function partOf(source: ByteSource, start: number, size: number): ByteSource {
  const available = Math.max(0, Math.min(size, source.size - start));
  return {
    size: available,
    read: (offset, length) =>
      offset >= available
        ? new Uint8Array(0)
        : source.read(start + offset, Math.max(0, Math.min(length, available - offset))),
  };
}

/**
 * Puts a bounded page cache in front of a source: debug information is read in many short pieces (a string here, a
 * unit header there), and a kernel's debug file is far larger than the memory that we want to spend on it.
 */
export function cachedSource(source: ByteSource, pageSize = 1 << 15, maxPages = 128): ByteSource {
  const pages = new Map<number, Uint8Array>();
  const page = (index: number): Uint8Array => {
    const hit = pages.get(index);
    if (hit !== undefined) {
      if (pages.size === maxPages) {
        pages.delete(index); // a Map iterates in insertion order: reinserting makes the first key the oldest
        pages.set(index, hit);
      }
      return hit;
    }
    const bytes = source.read(index * pageSize, pageSize);
    if (pages.size >= maxPages) {
      for (const oldest of pages.keys()) {
        pages.delete(oldest);
        break;
      }
    }
    pages.set(index, bytes);
    return bytes;
  };
  return {
    size: source.size,
    read(offset, length) {
      const end = Math.min(source.size, offset + length);
      if (offset >= end) return new Uint8Array(0);
      const first = Math.floor(offset / pageSize);
      const last = Math.floor((end - 1) / pageSize);
      if (first === last) return page(first).subarray(offset - first * pageSize, end - first * pageSize);
      if (end - offset > 4 * pageSize) return source.read(offset, end - offset);
      const out = new Uint8Array(end - offset);
      for (let index = first; index <= last; index++) {
        const start = Math.max(offset, index * pageSize);
        const stop = Math.min(end, (index + 1) * pageSize);
        out.set(page(index).subarray(start - index * pageSize, stop - index * pageSize), start - offset);
      }
      return out;
    },
  };
}

/** Reads exactly `length` bytes, or throws a SymbolError that names what was looked for. */
export function readExactly(source: ByteSource, offset: number, length: number, what: string): Uint8Array {
  if (offset < 0 || length < 0 || offset + length > source.size) {
    throw new SymbolError(
      `${what} should be at byte ${offset} to ${offset + length}, but there are only ${source.size} bytes: the file is cut short or damaged, so build or copy it again.`,
    );
  }
  const bytes = source.read(offset, length);
  if (bytes.length !== length) {
    throw new SymbolError(
      `${what} could not be read completely: the file changed while it was open, so start again.`,
    );
  }
  return bytes;
}
