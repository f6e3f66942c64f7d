import assert from 'node:assert/strict';
import fc from 'fast-check';
import { requireTool } from '../../../test/support/oracles';
import { Workshop } from '../testing';
import { referencesIn } from './references';

/** How compilers use data: a pointer, the copy of another CPU, the copy of this CPU, and what looks like them. */
const source = `
	// the pointer
	adrp	x5, pointer
	ldr	x0, [x5, #:lo12:pointer]
	// an array of offsets, and the variable to which one is added
	adrp	x2, offsets
	add	x2, x2, #:lo12:offsets
	adrp	x1, variable
	add	x1, x1, #:lo12:variable
	ldr	x0, [x2, w0, sxtw #3]
	add	x1, x1, x0
	ldr	w0, [x1, #8]
	// the same by a copy of the address, and with the operands the other way round
	mov	x9, x2
	adrp	x3, other
	add	x3, x3, #:lo12:other
	ldr	x4, [x9, x7, lsl #3]
	add	x4, x4, x3
	// a sum without an element of an array
	add	x3, x3, x8
	// data of this CPU that is read, and that is written
	adrp	x1, read
	add	x1, x1, #:lo12:read
	mrs	x2, tpidr_el1
	add	x1, x1, x2
	ldr	x0, [x1]
	adrp	x2, written
	add	x1, x2, #:lo12:written
	mrs	x2, tpidr_el2
	add	x1, x1, x2
	stp	x19, x20, [x1, #152]
	ret
`;
const places = { pointer: 0x1848_360, offsets: 0x1822_f78, variable: 0x14dc_a40, other: 0x14dd_008 };
const own = { read: 0x14d_e000, written: 0x14d_f010 };

describe('what the code of a kernel tells of its data', () => {
  it('is pointers, per-CPU data of any CPU, and what is written of the own', function () {
    requireTool(this, 'aarch64-linux-gnu-as', 'aarch64-linux-gnu-ld', 'aarch64-linux-gnu-objcopy');
    const shop = new Workshop();
    try {
      shop.write('k.s', source);
      shop.run('aarch64-linux-gnu-as', 'k.s', '-o', 'k.o');
      const symbols = Object.entries({ ...places, ...own }).map(([name, at]) => `--defsym=${name}=${at}`);
      shop.run('aarch64-linux-gnu-ld', '-Ttext=0x80000', '-e', '0', ...symbols, 'k.o', '-o', 'k.elf');
      shop.run('aarch64-linux-gnu-objcopy', '-O', 'binary', '-j', '.text', 'k.elf', 'k.bin');
      const image = new Uint8Array(0x81000);
      image.set(shop.read('k.bin'), 0x80000);
      const found = referencesIn(image, { from: 0x80000, to: 0x81000 });
      assert.deepEqual([...found.loaded], [places.pointer]);
      assert.deepEqual(found.perCpu, [
        { variable: places.variable, offsets: places.offsets },
        { variable: places.other, offsets: places.offsets },
      ]);
      assert.deepEqual(found.ownStored, [own.written]);
      assert.deepEqual(referencesIn(image, { from: 0x80000, to: 0x80004 }).loaded.size, 0);
    } finally {
      shop.close();
    }
  });

  it('is not looked for outside the image', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), fc.integer(), fc.integer(), (image, from, to) => {
        referencesIn(image, { from: from & ~3, to });
      }),
    );
  });
});
