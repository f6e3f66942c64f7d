import * as assert from 'node:assert/strict';
import { requireTool } from '../../test/support/oracles';
import { SymbolIndex } from '../symbols';
import { Workshop } from '../symbols/testing';
import type { BootedKernel } from './symbol-files';
import { symbolModule } from './symbol-files';

const LOAD = 0x4020_0000n;
const BASE = 0xffff_8000_0800_0000n;

/** The sections that a kernel has. */
const script = `
SECTIONS {
  . = 0x${BASE.toString(16)};
  .head.text : { *(.head.text) }
  .text : { *(.text) }
  .notes : { *(.note.*) }
}
`;
const source = `
	.section .head.text, "ax"
	.globl _text
_text:	b	start
	.space	0x10000 - 4
	.text
	.globl start
	.type start, %function
start:	mov	x0, #0
	ret
	.size start, . - start
`;

describe('the vmlinux of a kernel', function () {
  let shop: Workshop;
  let kernel: BootedKernel;
  let slide = 0n;

  before(function () {
    requireTool(this, 'aarch64-linux-gnu-gcc', 'aarch64-linux-gnu-objcopy');
    shop = new Workshop();
    shop.write('kernel.lds', script);
    shop.write('kernel.S', source);
    const link = (out: string, id: string): void =>
      void shop.run(
        'aarch64-linux-gnu-gcc',
        ...['-g', '-nostdlib', '-static', `-Wl,-T,kernel.lds,--build-id=${id}`, 'kernel.S', '-o', out],
      );
    link('vmlinux', '0x1122334455667788');
    link('other', '0x99aabbcc');
    shop.run('aarch64-linux-gnu-gcc', '-g', '-nostdlib', '-static', 'kernel.S', '-Wl,-e,0', '-o', 'program');
    shop.run('aarch64-linux-gnu-objcopy', '-O', 'binary', 'vmlinux', 'Image');
    kernel = {
      path: 'Image',
      image: shop.read('Image'),
      loadAddress: LOAD,
      slide: () => slide,
    };
  });
  after(() => shop?.close());

  it('is known by its build ID, and goes where the kernel goes', () => {
    const index = new SymbolIndex();
    index.add(symbolModule({ file: shop.path('vmlinux'), offset: 0n }, kernel));
    const [line] = [shop.path('kernel.S')].map((file) => index.addressesOf(file, 9));
    assert.deepEqual(
      line?.locations.map(({ address, pa }) => [address, pa]),
      [[BASE + 0x10000n, LOAD + 0x10000n]],
    );
    slide = 0x20_0000n;
    assert.equal(index.addressesOf(shop.path('kernel.S'), 9).locations[0]?.address, BASE + 0x21_0000n);
    assert.equal(index.lineAt({ va: BASE + 0x21_0004n, regime: { el: 'EL1', vmid: 0 } })?.line, 10);
    assert.equal(index.lineAt({ va: BASE + 0x21_0004n, regime: { el: 'EL1', vmid: 1 } }), undefined);
    assert.equal(index.lineAt({ pa: LOAD + 0x1_0004n })?.line, 10);
    slide = 0n;
  });

  it('of another build is refused, with both build IDs', () => {
    assert.throws(
      () => symbolModule({ file: shop.path('other'), offset: 0n }, kernel),
      /other belongs to another build than the kernel Image \(build ID 99aabbcc, not 1122334455667788\): name the vmlinux/,
    );
  });

  it('of another build may be that of a guest', () => {
    const regime = { el: 'EL1', vmid: 1 } as const;
    const spec = symbolModule({ file: shop.path('other'), offset: 0n, regime }, kernel);
    assert.deepEqual([spec.regime, spec.isMovable], [regime, undefined]);
  });

  it('is a file like any other where no kernel is launched, and other files stay what they are', () => {
    assert.equal(symbolModule({ file: shop.path('vmlinux'), offset: 0n }, undefined).isMovable, undefined);
    assert.equal(symbolModule({ file: shop.path('program'), offset: 0n }, kernel).isMovable, undefined);
  });
});
