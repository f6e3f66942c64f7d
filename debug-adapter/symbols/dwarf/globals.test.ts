import * as assert from 'node:assert/strict';
import { requireTool } from '../../../test/support/oracles';
import { memorySource } from '../byte-source';
import { SymbolIndex } from '../index';
import { Workshop } from '../testing';
import type { FrameReader } from './expression';

/** Four variables of one constant make GCC put it into the abbreviation: it takes more than 53 bits. */
const source = `
extern struct box { long a, b; } box;
extern long absent;
static long inner(long n)
{
  const long one = 0x28000000000080, two = 0x28000000000080, three = 0x28000000000080;
  return (n & one ^ two) + three;
}
long first(long n) { long mask = 0x28000000000080; return inner(n) + box.a + mask; }
long second(long n) { long mask = 0x28000000000080; return inner(n) + box.b + mask + absent; }
`;
const data = `
	.data
	.globl box, host_box, absent
	.type box, %object
	.size box, 16
box:	.quad 1, 2
	.type host_box, %object
	.size host_box, 16
host_box:
	.quad 3, 4
	.set absent, 0x1238
`;

const nothing: FrameReader = { reg: () => undefined, mem: () => undefined };

describe('variables that another file defines', function () {
  let shop: Workshop;

  before(function () {
    requireTool(
      this,
      'aarch64-linux-gnu-gcc',
      'aarch64-linux-gnu-as',
      'aarch64-linux-gnu-ld',
      'aarch64-linux-gnu-objcopy',
    );
    shop = new Workshop();
    shop.write('code.c', source);
    shop.write('data.s', data);
    shop.run('aarch64-linux-gnu-gcc', '-g', '-gdwarf-5', '-O2', '-ffreestanding', '-fno-pic', '-c', 'code.c');
    shop.run('aarch64-linux-gnu-as', '-o', 'data.o', 'data.s');
    shop.run('aarch64-linux-gnu-objcopy', '--prefix-symbols=host_', 'code.o', 'prefixed.o');
    shop.run('aarch64-linux-gnu-objcopy', '--redefine-sym', 'host_absent=absent', 'prefixed.o');
    shop.run('aarch64-linux-gnu-ld', '-e', '0', 'code.o', 'prefixed.o', 'data.o', '-o', 'p.elf');
  });
  after(() => shop?.close());

  const opened = (): SymbolIndex => {
    const index = new SymbolIndex();
    index.add({ name: 'p.elf', source: memorySource(shop.read('p.elf')) });
    return index;
  };
  const addressOf = (index: SymbolIndex, name: string): bigint => index.symbolByName(name)[0]?.address ?? 0n;

  it('have the type of their declaration and the place of their symbol', () => {
    const index = opened();
    const found = index.globalAt(addressOf(index, 'first'), 'box', nothing);
    assert.equal(found?.type.name, 'struct box');
    assert.deepEqual(
      found.type.members().map((m) => m.name),
      ['a', 'b'],
    );
    assert.deepEqual(found.location, { kind: 'memory', address: addressOf(index, 'box') });
    assert.deepEqual(index.problems(), []);
  });

  it('are found by the prefix that the symbols of an object file got', () => {
    const index = opened();
    const found = index.globalAt(addressOf(index, 'host_second'), 'box', nothing);
    assert.deepEqual(found?.location, { kind: 'memory', address: addressOf(index, 'host_box') });
  });

  it('are not there where no symbol of data says their place', () => {
    const index = opened();
    assert.equal(index.globalAt(addressOf(index, 'second'), 'absent', nothing), undefined);
    assert.equal(index.globalAt(addressOf(index, 'second'), 'nobody', nothing), undefined);
  });

  it('may have constants of 64 bits beside them, in the abbreviation', () => {
    assert.match(
      shop.run('readelf', '--debug-dump=abbrev', 'p.elf'),
      /const_value +DW_FORM_implicit_const: \d{17}/,
    );
    const index = opened();
    const mask = index
      .variablesAt(addressOf(index, 'first'), nothing)
      .find((variable) => variable.name === 'mask');
    assert.deepEqual(mask?.location, { kind: 'value', value: 0x28000000000080n });
  });
});
