import * as assert from 'node:assert/strict';
import { requireTool } from '../../test/support/oracles';
import { memorySource } from './byte-source';
import type { FrameReader } from './dwarf/expression';
import { SymbolIndex } from './index';
import { Workshop } from './testing';

const source = `
extern volatile long sink;
long plain(long number)
{
  sink = number;
  return number + 1;
}
volatile long sink;
`;
const frame: FrameReader = { reg: (n) => BigInt(n), mem: () => undefined };
const regime = { el: 'EL1', vmid: 0 } as const;

describe('functions with NOPs at their entry for a tracer', function () {
  let shop: Workshop;
  let index: SymbolIndex;
  let entry: bigint;
  let first: bigint;

  before(function () {
    requireTool(this, 'aarch64-linux-gnu-gcc', 'aarch64-linux-gnu-ld', 'gdb-multiarch');
    shop = new Workshop();
    shop.write('p.c', source);
    const flags = ['-g', '-O2', '-ffreestanding', '-fno-pic', '-fpatchable-function-entry=2'];
    shop.run('aarch64-linux-gnu-gcc', ...flags, '-mbranch-protection=pac-ret+leaf', '-c', 'p.c');
    shop.run('aarch64-linux-gnu-ld', '-e', '0', '-Ttext=0x40000000', 'p.o', '-o', 'p.elf');
    index = new SymbolIndex();
    index.add({ name: 'p.elf', source: memorySource(shop.read('p.elf')) });
    // The kernel's image has the same symbol, and no lines.
    shop.run('aarch64-linux-gnu-objcopy', '--strip-debug', 'p.elf', 'image.elf');
    index.add({ name: 'image.elf', source: memorySource(shop.read('image.elf')) });
    entry = index.symbolByName('plain')[0]?.address ?? 0n;
    const gdb = shop.run('gdb-multiarch', '-nx', '-batch', '-ex', 'info line plain', 'p.elf');
    first = BigInt(/starts at address (0x[0-9a-f]+)/.exec(gdb)?.[1] ?? 0);
    assert.equal(first - entry, 8n, 'this compiler leaves the NOPs out of the function');
  });
  after(() => shop?.close());

  it('stop behind them, once, where gdb sees the function begin', () => {
    assert.deepEqual(
      index.locationsOfSymbol('plain').map((place) => [place.address, place.file]),
      [[first, 'p.elf']],
    );
  });

  it('have their name, line and arguments at the NOPs too', () => {
    for (const va of [entry, entry + 4n, first]) {
      const place = { va, regime };
      assert.equal(index.functionAt(place)?.name, 'plain');
      assert.equal(index.functionAt(place)?.address, va === first ? first : entry);
      assert.equal(index.lineAt(place)?.line, index.lineAt({ va: first, regime })?.line);
      assert.deepEqual(
        index.variablesAt(place, frame).map(({ name, location }) => [name, location]),
        [['number', { kind: 'register', register: 0 }]],
      );
      // Nothing is pushed yet: the return address is in x30, and the stack pointer is the caller's.
      const caller = index.unwind(place, frame);
      assert.deepEqual([caller?.pc, caller?.cfa], [30n, 31n]);
    }
    assert.equal(index.functionAt({ va: entry - 4n, regime }), undefined);
  });
});
