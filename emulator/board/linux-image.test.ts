import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { requireTool } from '../../test/support/oracles';
import { planBoot, type BootPlan } from './boot';
import { BootError } from './elf';
import { readLinuxImage } from './linux-image';

const MEMORY = 0x2000_0000n;
const RAM = 0x4000_0000n;

/** A kernel image that is only a header, as far as a boot loader is concerned. */
function kernel(
  o: { textOffset?: bigint; imageSize?: bigint; flags?: bigint; bytes?: number } = {},
): Uint8Array {
  const image = new Uint8Array(o.bytes ?? 0x1000);
  const v = new DataView(image.buffer);
  v.setBigUint64(8, o.textOffset ?? 0n, true);
  v.setBigUint64(16, o.imageSize ?? 0x1ab_0000n, true);
  v.setBigUint64(24, o.flags ?? 0xan, true);
  image.set(new TextEncoder().encode('ARMd'), 56);
  return image;
}

const plan = (image: Uint8Array, initrd?: Uint8Array, memory = MEMORY): BootPlan =>
  planBoot(image, memory, 1, true, { bootargs: 'console=ttyAMA0', ...(initrd ? { initrd } : {}) });
const places = (p: BootPlan): bigint[] => p.writes.map((w) => w.pa);

describe('Linux kernel image', () => {
  it('stands at text_offset, but not where a boot loader begins', () => {
    assert.deepEqual(readLinuxImage(kernel()), { offset: 0x20_0000n, size: 0x1ab_0000n });
    assert.equal(readLinuxImage(kernel({ textOffset: 0x8_0000n }))?.offset, 0x8_0000n);
    // A header without image_size says nothing about text_offset either.
    assert.deepEqual(readLinuxImage(kernel({ textOffset: 0x1234_0000n, imageSize: 0n })), {
      offset: 0x8_0000n,
      size: 0x1000n,
    });
  });

  it('is known by its magic alone', () => {
    const other = kernel();
    other[56] = 0;
    assert.equal(readLinuxImage(other), undefined);
    assert.equal(readLinuxImage(kernel().subarray(0, 63)), undefined);
    assert.equal(plan(other).format, 'flat');
  });

  it('is entered at its first byte, RAM disk and tree behind it', () => {
    const p = plan(kernel(), Uint8Array.of(1, 2, 3));
    assert.deepEqual([p.format, p.entry, p.x0], ['linux', RAM + 0x20_0000n, RAM + 0x820_0000n]);
    assert.deepEqual(places(p), [RAM + 0x20_0000n, RAM + 0x800_0000n, p.x0]);
  });

  it('has its RAM disk behind the BSS when RAM is small', () => {
    const p = plan(kernel({ imageSize: 0x1ab_0001n }), Uint8Array.of(1), 0x200_0000n);
    assert.equal(places(p)[1], RAM + 0x1cb_1000n);
    assert.equal(p.x0, RAM + 0x1e0_0000n);
  });

  const refused: [string, () => unknown, RegExp][] = [
    ['a big-endian kernel', () => plan(kernel({ flags: 0xbn })), /big-endian/],
    ['a kernel larger than RAM', () => plan(kernel({ imageSize: MEMORY })), /raise "memory"/],
    [
      'a RAM disk larger than RAM',
      () => plan(kernel(), new Uint8Array(0x100), 0x1cb_0000n),
      /RAM disk.*raise "memory"/,
    ],
    [
      'a RAM disk without a kernel',
      () => plan(Uint8Array.of(1, 2, 3, 4), Uint8Array.of(1)),
      /leave "initrd" out/,
    ],
  ];
  for (const [what, f, expected] of refused)
    it(`refuses ${what}`, () => assert.throws(f, (e) => e instanceof BootError && expected.test(e.message)));

  it('gets the places that QEMU gives: its tree names the same RAM disk', function () {
    requireTool(this, 'qemu-system-aarch64', 'dtc');
    const dir = mkdtempSync(join(tmpdir(), 'ws-image-'));
    try {
      const at = (n: string): string => join(dir, n);
      writeFileSync(at('Image'), kernel());
      writeFileSync(at('initrd'), new Uint8Array(0x1234));
      const nodes = (blob: Uint8Array): string => {
        writeFileSync(at('x.dtb'), blob);
        const dts = execFileSync('dtc', ['-q', '-I', 'dtb', '-O', 'dts', at('x.dtb')], { encoding: 'utf8' });
        return [...dts.matchAll(/^\s*(linux,initrd-(?:start|end)|bootargs) = (.*);$/gm)]
          .map((m) => `${m[1]} ${m[2]}`.replace(/<0x00 /, '<'))
          .sort()
          .join('\n');
      };
      const machine = `virt,gic-version=3,virtualization=on,dumpdtb=${at('q.dtb')}`;
      const files = ['-kernel', at('Image'), '-initrd', at('initrd'), '-append', 'console=ttyAMA0'];
      execFileSync(
        'qemu-system-aarch64',
        ['-machine', machine, '-cpu', 'cortex-a57', '-m', '512', '-display', 'none', '-nodefaults', ...files],
        { stdio: 'ignore' },
      );
      const p = plan(kernel(), new Uint8Array(0x1234));
      const tree = p.writes.find((w) => w.pa === p.x0)?.data ?? new Uint8Array();
      assert.equal(nodes(tree), nodes(readFileSync(at('q.dtb'))));
      assert.match(nodes(tree), /initrd-start <0x48000000>/);
    } finally {
      rmSync(dir, { recursive: true, force: true });
    }
  });
});
