/** Raw disk images as the disks of a machine. */
import * as fs from 'node:fs';
import path from 'node:path';
import { type Disk, DISK_BLOCK, SECTOR } from '../../emulator/dev/virtio/block';
import { ErrorId, UserError } from '../errors';
import type { DiskFile } from './config';

const wrong = (message: string): UserError => new UserError(message, ErrorId.launch, true);
const codeOf = (error: unknown): string =>
  error instanceof Error && 'code' in error ? String(error.code) : String(error);

/**
 * An image file. The machine always sees it as it was when it was opened: what the guest writes lies over it, and where
 * that goes into the file, what was there before is remembered.
 */
export class FileDisk implements Disk {
  readonly bytes: number;
  readonly keep: Disk['keep'];
  private readonly name: string;
  private readonly fd: number;
  /** What blocks held before `keep` changed them, and what they hold now. */
  private readonly originals = new Map<number, Uint8Array>();
  private readonly kept = new Map<number, Uint8Array>();
  private isOpen = true;

  /** @throws UserError */
  constructor({ file, write }: DiskFile) {
    this.name = path.resolve(file);
    this.fd = openImage(this.name, write);
    this.bytes = fs.fstatSync(this.fd).size;
    if (this.bytes === 0 || this.bytes % SECTOR !== 0) {
      this.close();
      throw wrong(
        `The disk image ${this.name} has ${this.bytes} bytes, and a disk consists of sectors of ${SECTOR}: name a raw image as "disk" in launch.json.`,
      );
    }
    this.keep = write ? (blocks) => this.store(blocks) : undefined;
  }

  read(offset: number, length: number): Uint8Array | undefined {
    const out = this.readFile(offset, length);
    if (!out) return undefined;
    const last = Math.ceil((offset + length) / DISK_BLOCK);
    for (let block = Math.floor(offset / DISK_BLOCK); this.originals.size > 0 && block < last; block++) {
      const original = this.originals.get(block);
      if (!original) continue;
      const start = block * DISK_BLOCK;
      const from = Math.max(offset, start);
      out.set(original.subarray(from - start, Math.max(from, offset + length) - start), from - offset);
    }
    return out;
  }

  close(): void {
    if (this.isOpen) fs.closeSync(this.fd);
    this.isOpen = false;
  }

  private readFile(offset: number, length: number): Uint8Array | undefined {
    const out = new Uint8Array(length);
    try {
      for (let done = 0; done < length;) {
        const n = fs.readSync(this.fd, out, done, length - done, offset + done);
        if (n === 0) return undefined;
        done += n;
      }
    } catch {
      return undefined;
    }
    return out;
  }

  /** Makes the file equal to what the machine sees: also where an earlier state of it has come back. */
  private store(blocks: ReadonlyMap<number, Uint8Array>): string | undefined {
    try {
      for (const [block, bytes] of blocks) this.storeBlock(block, bytes);
      for (const [block, original] of this.originals)
        if (!blocks.has(block)) this.storeBlock(block, original);
      return undefined;
    } catch (error) {
      return `${this.name} cannot be written (${codeOf(error)})`;
    }
  }

  private storeBlock(block: number, bytes: Uint8Array): void {
    const before = this.kept.get(block);
    if (before === bytes || (before && Buffer.compare(before, bytes) === 0)) return;
    const start = block * DISK_BLOCK;
    const length = Math.min(DISK_BLOCK, this.bytes - start);
    if (!this.originals.has(block)) {
      const original = this.readFile(start, length);
      if (!original) throw new Error('what it holds cannot be read');
      this.originals.set(block, original);
    }
    // Forgotten first: when the writing fails, nobody knows what the file holds.
    this.kept.delete(block);
    for (let done = 0; done < length;)
      done += fs.writeSync(this.fd, bytes, done, length - done, start + done);
    this.kept.set(block, bytes);
  }
}

function openImage(name: string, write: boolean): number {
  try {
    // A directory can be opened for reading, and a pipe would wait for its other end.
    if (!fs.statSync(name).isFile())
      throw wrong(`The disk image ${name} is no regular file: name a raw image as "disk" in launch.json.`);
    return fs.openSync(name, write ? 'r+' : 'r');
  } catch (error) {
    if (error instanceof UserError) throw error;
    const code = codeOf(error);
    if (code === 'ENOENT')
      throw wrong(`The disk image ${name} does not exist: correct its path, which is "disk" in launch.json.`);
    throw wrong(
      write
        ? `The disk image ${name} cannot be opened for writing (${code}): check its permissions, or leave "write" out of "disk" in launch.json.`
        : `The disk image ${name} cannot be read (${code}): check its permissions, or name another one as "disk" in launch.json.`,
    );
  }
}

/** Opens all of them. @throws UserError */
export function openDisks(files: readonly DiskFile[]): FileDisk[] {
  const open: FileDisk[] = [];
  try {
    for (const file of files) open.push(new FileDisk(file));
    return open;
  } catch (error) {
    for (const disk of open) disk.close();
    throw error;
  }
}
