import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { deflateSync, gzipSync } from 'node:zlib';
import fc from 'fast-check';
import { UserError } from '../errors';
import { loadKernel, unpackKernel } from './kernel';

/** The header of an arm64 kernel, and some bytes behind it. */
const image = Buffer.alloc(5000, 0x5a);
image.write('MZ', 0);
image.writeBigUInt64LE(0x1_0000n, 16);
image.writeBigUInt64LE(0xan, 24);
image.write('ARMd', 56);

/** An EFI zboot image: 64 bytes of header, the payload at 64. */
function zboot(payload: Buffer, compression = 'gzip', size = payload.length): Buffer {
  const header = Buffer.alloc(64);
  header.write('MZ', 0);
  header.write('zimg', 4);
  header.writeUInt32LE(64, 8);
  header.writeUInt32LE(size, 12);
  header.write(compression, 24);
  return Buffer.concat([header, payload, Buffer.from('behind the payload')]);
}

describe('kernel files', () => {
  const taken: [string, Buffer][] = [
    ['raw', image],
    ['gzip', gzipSync(image)],
    ['EFI zboot', zboot(gzipSync(image))],
  ];
  for (const [what, file] of taken)
    it(`are taken as ${what}`, () => assert.deepEqual(Buffer.from(unpackKernel(file, 'k')), image));

  const refused: [string, Buffer, RegExp][] = [
    ['zstd', Buffer.of(0x28, 0xb5, 0x2f, 0xfd, 0), /compressed with zstd.*unpack it/],
    ['zboot of zstd', zboot(Buffer.of(0x28, 0xb5, 0x2f, 0xfd, 0), 'zstd22'), /compressed with zstd/],
    ['zboot of what nobody knows', zboot(Buffer.from('????'), 'brotli'), /compressed with brotli/],
    ['damaged gzip', gzipSync(image).subarray(0, 40), /cannot be unpacked.*copy it again/],
    ['gzip that unpacks to something else', gzipSync(Buffer.alloc(4096)), /no arm64 Linux kernel image/],
    ['an ELF', Buffer.from('\x7fELF'), /no arm64 Linux kernel image/],
    ['an empty file', Buffer.alloc(0), /no arm64 Linux kernel image/],
    ['a bare zlib stream', deflateSync(image), /no arm64 Linux kernel image/],
  ];
  for (const [what, file, expected] of refused)
    it(`are refused as ${what}`, () =>
      assert.throws(
        () => unpackKernel(file, 'k'),
        (e) => e instanceof UserError && expected.test(e.message),
      ));

  it('never fail in another way, whatever is damaged', () => {
    const sources = taken.map(([, file]) => file);
    fc.assert(
      fc.property(
        fc.constantFrom(...sources),
        fc.array(fc.tuple(fc.nat(80), fc.nat(255))),
        fc.nat(200),
        (file, changes, length) => {
          const damaged = Buffer.from(file.subarray(0, length));
          for (const [at, value] of changes) if (at < damaged.length) damaged[at] = value;
          try {
            unpackKernel(damaged, 'k');
          } catch (e) {
            assert.ok(e instanceof UserError || (e as Error).name === 'BootError', String(e));
          }
        },
      ),
    );
  });

  it('are read from their paths; what is absent is named with its attribute', () => {
    const dir = mkdtempSync(join(tmpdir(), 'ws-kernel-'));
    try {
      const [kernel, initrd] = [join(dir, 'Image.gz'), join(dir, 'initrd')];
      writeFileSync(kernel, gzipSync(image));
      assert.throws(() => loadKernel(kernel, initrd), /RAM disk.*does not exist.*"initrd"/);
      assert.throws(() => loadKernel(kernel, undefined, initrd), /device tree.*does not exist.*"dtb"/);
      assert.throws(() => loadKernel(dir), /EISDIR.*"kernel"/);
      assert.throws(() => loadKernel(initrd), /kernel.*does not exist.*"kernel"/);
      writeFileSync(initrd, 'x');
      assert.equal(loadKernel(kernel).initrd, undefined);
      assert.deepEqual(Buffer.from(loadKernel(kernel, initrd).initrd ?? []), Buffer.from('x'));
    } finally {
      rmSync(dir, { recursive: true, force: true });
    }
  });
});
