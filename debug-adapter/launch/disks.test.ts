import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { DISK_BLOCK } from '../../emulator/dev/virtio/block';
import { FileDisk, openDisks } from './disks';

describe('disk images', () => {
  let folder: string;
  beforeEach(() => (folder = mkdtempSync(path.join(tmpdir(), 'ws-disks-'))));
  afterEach(() => rmSync(folder, { recursive: true, force: true }));

  const contents = Buffer.from(
    Array.from({ length: 3 * DISK_BLOCK + 512 }, (_, i) => (i * 5 + (i >> 8)) & 0xff),
  );
  function image(bytes: Uint8Array = contents): string {
    const file = path.join(folder, 'disk.img');
    writeFileSync(file, bytes);
    return file;
  }
  const block = (fill: number): Uint8Array => new Uint8Array(DISK_BLOCK).fill(fill);

  it('are read at any place, and never written unless that is asked for', () => {
    const disk = new FileDisk({ file: image(), write: false });
    assert.equal(disk.bytes, contents.length);
    for (const [at, n] of [
      [0, 512],
      [100, 5000],
      [contents.length - 512, 512],
    ] as const)
      assert.deepEqual(Buffer.from(disk.read(at, n) ?? []), contents.subarray(at, at + n));
    assert.equal(disk.read(contents.length - 10, 20), undefined);
    assert.equal(disk.keep, undefined);
    disk.close();
    disk.close();
  });

  it('keep what is written, up to their end, and look to the machine as they were', () => {
    const file = image();
    const disk = new FileDisk({ file, write: true });
    const blocks = new Map([
      [1, block(0x11)],
      [3, block(0x33)],
    ]);
    assert.equal(disk.keep?.(blocks), undefined);
    const expected = Buffer.from(contents);
    expected.fill(0x11, DISK_BLOCK, 2 * DISK_BLOCK).fill(0x33, 3 * DISK_BLOCK);
    assert.deepEqual(readFileSync(file), expected);
    // The machine lays its own blocks over this.
    assert.deepEqual(Buffer.from(disk.read(10, contents.length - 10) ?? []), contents.subarray(10));
    assert.deepEqual(
      Buffer.from(disk.read(DISK_BLOCK + 7, 9) ?? []),
      contents.subarray(DISK_BLOCK + 7, DISK_BLOCK + 16),
    );
    // What somebody else writes meanwhile stays: equal blocks are not written again.
    const theirs = Buffer.from(expected).fill(0x77, 0, 512);
    writeFileSync(file, theirs);
    disk.keep?.(structuredClone(blocks));
    assert.deepEqual(readFileSync(file), theirs);
    disk.close();
  });

  it('follow a machine that goes back to an earlier state', () => {
    const file = image();
    const disk = new FileDisk({ file, write: true });
    disk.keep?.(new Map([[0, block(1)]]));
    disk.keep?.(
      new Map([
        [0, block(2)],
        [2, block(3)],
      ]),
    );
    disk.keep?.(new Map([[0, block(1)]]));
    const expected = Buffer.from(contents);
    expected.fill(1, 0, DISK_BLOCK);
    assert.deepEqual(readFileSync(file), expected);
    disk.keep?.(new Map());
    assert.deepEqual(readFileSync(file), contents);
    disk.close();
  });

  it('say why they cannot be written or read any more', () => {
    const file = image();
    const disk = new FileDisk({ file, write: true });
    truncateSync(file, 512);
    assert.equal(disk.read(DISK_BLOCK, 512), undefined);
    assert.match(disk.keep?.(new Map([[1, block(1)]])) ?? '', /disk\.img cannot be written/);
    disk.close();
    assert.match(disk.keep?.(new Map([[0, block(1)]])) ?? '', /cannot be written \(/);
  });

  it('that are not there, or are no disks, are named', () => {
    const missing = path.join(folder, 'none.img');
    assert.throws(
      () => openDisks([{ file: missing, write: false }]),
      (e: Error) => e.message.includes(missing) && /does not exist.*"disk" in launch\.json/.test(e.message),
    );
    assert.throws(() => openDisks([{ file: folder, write: false }]), /no regular file/);
    assert.throws(() => openDisks([{ file: '/dev/null', write: true }]), /no regular file/);
    assert.throws(
      () => openDisks([{ file: image(Buffer.alloc(700)), write: false }]),
      /700 bytes.*sectors of 512/,
    );
    assert.throws(() => openDisks([{ file: image(Buffer.alloc(0)), write: false }]), /0 bytes/);
  });

  it('that must not be written are named before the guest runs', () => {
    // A program that runs cannot be opened for writing, not even by root.
    const file = process.execPath;
    assert.throws(
      () => openDisks([{ file, write: true }]),
      /opened for writing \((?:ETXTBSY|EACCES|EPERM|EROFS)\).*leave "write" out/,
    );
  });
});
