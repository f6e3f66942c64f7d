import * as assert from 'node:assert/strict';
import fc from 'fast-check';
import { requireTool } from '../../test/support/oracles';
import { Workshop } from '../symbols/testing';
import { perCpuOf } from './kvm-code';

/** How KVM's assembly finds the running vcpu: adr_this_cpu, then the member of the host's context. */
const source = `
first:	// another variable, without an inner offset
	adrp	x2, hyp_ctxt
	add	x1, x2, #:lo12:hyp_ctxt
	mrs	x2, tpidr_el2
	add	x1, x1, x2
	ldr	x0, [x1, #0x718]
	// the same member of another type
	adrp	x2, hyp_ctxt
	add	x1, x2, #:lo12:hyp_ctxt
	mrs	x2, tpidr_el2
	add	x1, x1, x2
	add	x1, x1, #0x20
	ldr	x0, [x1, #0x710]
wanted:
	adrp	x9, host_data
	add	x0, x9, #:lo12:host_data
	mrs	x9, THREAD
	add	x0, x0, x9
	add	x0, x0, #0x20
	ldr	x1, [x0, #0x718]
	ret
`;

describe('KVM in the code of a kernel', () => {
  for (const [thread, host] of [
    ['tpidr_el2', 0x14de_720],
    ['tpidr_el1', 0x1_0008],
  ] as const)
    it(`is told by ${thread} where its per-CPU data is`, function () {
      requireTool(this, 'aarch64-linux-gnu-as', 'aarch64-linux-gnu-ld', 'aarch64-linux-gnu-objcopy');
      const shop = new Workshop();
      try {
        shop.write('k.s', source.replace('THREAD', thread));
        shop.run('aarch64-linux-gnu-as', 'k.s', '-o', 'k.o');
        const symbols = [`--defsym=host_data=${host}`, '--defsym=hyp_ctxt=0x2000000'];
        shop.run('aarch64-linux-gnu-ld', '-Ttext=0x80000', '-e', '0', ...symbols, 'k.o', '-o', 'k.elf');
        shop.run('aarch64-linux-gnu-objcopy', '-O', 'binary', '-j', '.text', 'k.elf', 'k.bin');
        const image = new Uint8Array(0x81000);
        image.set(shop.read('k.bin'), 0x80000);
        const code = { from: 0x80000, to: 0x81000 };
        assert.equal(perCpuOf(image, code, 0x20, 0x718), host);
        assert.equal(perCpuOf(image, code, 0x20, 0x720), undefined);
        assert.equal(perCpuOf(image, { from: 0x80000, to: 0x80040 }, 0x20, 0x718), undefined);
      } finally {
        shop.close();
      }
    });

  it('is not looked for outside the image', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), fc.integer(), fc.integer(), (image, from, to) => {
        perCpuOf(image, { from: from & ~3, to }, 0, 0x718);
      }),
    );
  });
});
