import * as assert from 'node:assert/strict';
import { requireTool } from '../../test/support/oracles';
import { memorySource } from './byte-source';
import type { ByteSource } from './byte-source';
import { ElfFile } from './elf';
import { SymbolIndex } from './index';
import { Workshop } from './testing';

/** A source that counts what is read from the part [from, to) of it. */
function counting(bytes: Uint8Array, from = 0, to = bytes.length): ByteSource & { total: number } {
  const memory = memorySource(bytes);
  const source = {
    size: bytes.length,
    total: 0,
    read(offset: number, length: number) {
      const out = memory.read(offset, length);
      source.total += Math.max(0, Math.min(to, offset + out.length) - Math.max(from, offset));
      return out;
    },
  };
  return source;
}

describe('a program that is large beside the question', function () {
  let bytes: Uint8Array;
  let shop: Workshop;
  const units = 60;

  before(function () {
    requireTool(this, 'aarch64-linux-gnu-gcc', 'aarch64-linux-gnu-ld');
    shop = new Workshop();
    const names: string[] = [];
    for (let u = 0; u < units; u++) {
      const types = Array.from(
        { length: 150 },
        (_, i) => `struct s${u}_${i} { int a${i}, b, c; } v${u}_${i};`,
      );
      const bodies = Array.from(
        { length: 20 },
        (_, i) => `int f${u}_${i}(int a)\n{\n  return a * ${i} + v${u}_${i}.b;\n}`,
      );
      shop.write(`u${u}.c`, `${types.join('\n')}\n${bodies.join('\n')}\n`);
      names.push(`u${u}`);
    }
    shop.run(
      'aarch64-linux-gnu-gcc',
      '-g',
      '-O1',
      '-ffreestanding',
      '-fno-pic',
      '-c',
      ...names.map((n) => `${n}.c`),
    );
    shop.run(
      'aarch64-linux-gnu-ld',
      '-Ttext=0x40080000',
      '-e',
      '0',
      ...names.map((n) => `${n}.o`),
      '-o',
      'big.elf',
    );
    bytes = shop.read('big.elf');
  });
  after(() => shop?.close());

  it('is opened by its headers alone', () => {
    const source = counting(bytes);
    new SymbolIndex().add({ name: 'big.elf', source });
    assert.ok(bytes.length > 500_000, `only ${bytes.length} bytes`);
    assert.ok(source.total < 3 * 32768, `${source.total} of ${bytes.length} bytes read`);
  });

  it('answers for an address from .debug_aranges and one unit', () => {
    const source = counting(bytes);
    const index = new SymbolIndex();
    index.add({ name: 'big.elf', source });
    const opened = source.total;
    const found = index.lineAt(0x4008_0000n);
    assert.equal(found?.path, shop.path('u0.c'));
    assert.ok(source.total - opened < 8 * 32768, `${source.total - opened} of ${bytes.length} bytes read`);
  });

  it('binds a line without reading the DIEs of other units', () => {
    const info = new ElfFile(memorySource(bytes), 'big.elf').section('.debug_info');
    assert.ok(info !== undefined && info.size > units * 4096);
    const source = counting(bytes, info.offset, info.offset + info.size);
    const index = new SymbolIndex();
    index.add({ name: 'big.elf', source });
    const found = index.addressesOf(shop.path('u37.c'), 153);
    assert.equal(found.addresses.length, 1);
    assert.equal(index.symbolAt(found.addresses[0] ?? 0n)?.name, 'f37_0');
    assert.ok(source.total < info.size * 0.6, `${source.total} of ${info.size} bytes read`);
  });
});
