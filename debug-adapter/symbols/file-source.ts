import * as fs from 'node:fs';
import type { ByteSource } from './byte-source';
import { SymbolError } from './errors';

/** A ByteSource over an open file. */
export interface FileSource extends ByteSource {
  close(): void;
}

const openFailures: Readonly<Record<string, string>> = {
  ENOENT: 'does not exist: check the path in launch.json',
  EACCES: 'may not be read: check its permissions',
  EISDIR: 'is a folder: name a file in it',
};

function describe(error: unknown): string {
  const code = error instanceof Error && 'code' in error ? String(error.code) : '';
  return openFailures[code] ?? `cannot be read (${code || String(error)}): check the path in launch.json`;
}

/** Opens a file for reading pieces of it. Throws a SymbolError that says what is wrong with the path. */
export function fileSource(path: string): FileSource {
  let fd: number | undefined;
  let size = 0;
  try {
    fd = fs.openSync(path, 'r');
    const stat = fs.fstatSync(fd);
    if (!stat.isFile()) {
      fs.closeSync(fd);
      throw new SymbolError(`${path} is not a regular file: name a file.`);
    }
    size = stat.size;
  } catch (error) {
    if (error instanceof SymbolError) throw error;
    throw new SymbolError(`${path} ${describe(error)}.`);
  }
  return {
    size,
    read(offset, length) {
      const wanted = Math.max(0, Math.min(length, size - offset));
      const bytes = new Uint8Array(wanted);
      if (fd === undefined) throw new SymbolError(`${path} was closed: start the session again.`);
      let done = 0;
      try {
        while (done < wanted) {
          const got = fs.readSync(fd, bytes, done, wanted - done, offset + done);
          if (got === 0) break;
          done += got;
        }
      } catch (error) {
        throw new SymbolError(`${path} ${describe(error)}.`);
      }
      return bytes.subarray(0, done);
    },
    close() {
      if (fd !== undefined) fs.closeSync(fd);
      fd = undefined;
    },
  };
}
