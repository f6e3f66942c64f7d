import * as assert from 'node:assert/strict';
import { requireTool } from '../../test/support/oracles';
import { memorySource } from './byte-source';
import type { ByteSource } from './byte-source';
import { SymbolError } from './errors';
import { SymbolIndex } from './index';
import { Workshop } from './testing';
import { assembly, header, included, program, second } from './testing-programs';

const GCC = 'aarch64-linux-gnu-gcc';
const AS = 'aarch64-linux-gnu-as';
const LD = 'aarch64-linux-gnu-ld';
/** Linked in the high half, loaded low: as hypervisors and kernels are. */
const linkerScript = `ENTRY(_start)
SECTIONS {
  . = 0xffff800000080000;
  .text : AT(0x40080000) { *(.text .text.*) *(.vectors) }
  .data : AT(0x40100000) { *(.data) *(.bss) }
}`;
const LINK_BASE = 0xffff_8000_0008_0000n;
const LOAD_BASE = 0x4008_0000n;

describe('symbol index', () => {
  let shop: Workshop;
  let elf: ByteSource;

  before(function () {
    requireTool(this, GCC, AS, LD, 'gdb-multiarch');
    shop = new Workshop();
    shop.write('src/start.S', assembly);
    shop.write('src/inc/body.s', included);
    shop.write('src/inc/clamp.h', header);
    shop.write('src/compute.c', program);
    shop.write('src/other.c', second);
    shop.write('link.ld', linkerScript);
    shop.run(AS, '-g', '-Isrc', 'src/start.S', '-o', 'start.o');
    for (const name of ['compute', 'other']) {
      shop.run(GCC, '-g', '-O0', '-ffreestanding', '-fno-pic', '-c', `src/${name}.c`, '-o', `${name}.o`);
    }
    shop.run(LD, '-T', 'link.ld', 'start.o', 'compute.o', 'other.o', '-o', 'hyp.elf');
    elf = memorySource(shop.read('hyp.elf'));
  });
  after(() => shop?.close());

  const indexOf = (...specs: Partial<Parameters<SymbolIndex['add']>[0]>[]) => {
    const index = new SymbolIndex();
    for (const spec of specs) index.add({ name: 'hyp.elf', source: elf, ...spec });
    return index;
  };

  it('never names a mapping symbol, a section or a file', () => {
    const index = indexOf({});
    for (let a = LINK_BASE; a < LINK_BASE + 0x600n; a += 4n) {
      assert.doesNotMatch(index.symbolAt(a)?.name ?? 'none', /^\$|^\.|\.c$/);
    }
    assert.deepEqual(index.symbolByName('$x'), []);
    assert.deepEqual(index.symbolByName('start.S'), []);
    assert.deepEqual(index.functionsMatching('$', 10), []);
  });

  it('names labels without size as far as their section goes', () => {
    const index = indexOf({});
    const vectors = index.symbolByName('vectors')[0];
    assert.ok(vectors !== undefined);
    assert.equal(vectors.kind, 'label');
    const hit = index.symbolAt(vectors.address + 0x84n);
    assert.deepEqual([hit?.name, hit?.offset], ['vectors', 0x84n]);
    assert.equal(index.symbolAt(LINK_BASE - 4n), undefined);
    assert.equal(index.symbolAt(LINK_BASE + 0x10_0000n * 16n), undefined);
  });

  it('lists the local functions of one name and completes prefixes', () => {
    const index = indexOf({});
    assert.equal(index.symbolByName('helper').length, 3);
    assert.equal(index.symbolByName('help').length, 0);
    assert.deepEqual(
      index.functionsMatching('c', 10).map((s) => s.name),
      ['clamp', 'compute'],
    );
    assert.equal(index.functionsMatching('', 3).length, 3);
    assert.equal(index.symbolByName('counter')[0]?.kind, 'object');
  });

  it('adds the offset of a module in both directions', () => {
    const offset = -LINK_BASE + 0x8000_0000n;
    const index = indexOf({ offset });
    const start = index.symbolByName('_start')[0];
    assert.equal(start?.address, 0x8000_0000n);
    assert.equal(index.symbolAt(0x8000_0004n)?.name, '_start');
    assert.equal(index.symbolAt(0x8000_0004n)?.address, 0x8000_0000n);
    const line = index.lineAt(0x8000_0004n);
    assert.equal(line?.line, 10);
    assert.equal(line?.address, 0x8000_0004n);
    assert.equal(line?.endAddress, 0x8000_000cn);
    assert.equal(index.addressesOf('start.S', 10).addresses[0], 0x8000_0004n);
    assert.equal(index.symbolAt(LINK_BASE), undefined);
  });

  it('finds code by its physical address', () => {
    const index = indexOf({});
    assert.equal(index.symbolAt({ pa: LOAD_BASE + 4n })?.name, '_start');
    assert.equal(index.symbolAt({ pa: LOAD_BASE + 4n })?.address, LOAD_BASE);
    assert.equal(index.lineAt({ pa: LOAD_BASE + 4n })?.line, 10);
    assert.equal(index.lineAt({ va: LOAD_BASE + 4n, regime: { physical: true } })?.address, LOAD_BASE + 4n);
    assert.equal(index.symbolAt(LOAD_BASE + 4n), undefined);
    assert.equal(index.modules[0]?.linkAddressOfPhysical(LOAD_BASE + 8n), LINK_BASE + 8n);
    assert.equal(index.modules[0]?.linkAddressOfPhysical(0x1000n), undefined);
    assert.equal(index.vaddrToPaddr(LINK_BASE + 8n), LOAD_BASE + 8n);
    assert.equal(index.addressesOf('start.S', 9).locations[0]?.pa, LOAD_BASE);
    const moved = indexOf({ physicalOffset: 0x1000_0000n });
    assert.equal(moved.symbolAt({ pa: LOAD_BASE + 0x1000_0004n })?.name, '_start');
    assert.equal(moved.vaddrToPaddr(LINK_BASE), LOAD_BASE + 0x1000_0000n);
  });

  it('keeps the regimes of modules apart', () => {
    const guest = { name: 'guest.elf', regime: { el: 'EL1', vmid: 1 } } as const;
    const index = indexOf(guest, { name: 'hyp.elf', regime: { el: 'EL2' } });
    const file = (el: 'EL0' | 'EL1' | 'EL2', vmid?: number) =>
      index.symbolAt({ va: LINK_BASE, regime: vmid === undefined ? { el } : { el, vmid } })?.file;
    assert.equal(file('EL2'), 'hyp.elf');
    assert.equal(file('EL1', 1), 'guest.elf');
    assert.equal(file('EL0', 1), 'guest.elf');
    assert.equal(file('EL1', 2), undefined);
    // A guest's load addresses are intermediate physical addresses: physical memory belongs to the hypervisor.
    assert.equal(index.symbolAt({ pa: LOAD_BASE })?.file, 'hyp.elf');
    assert.equal(indexOf(guest).symbolAt({ pa: LOAD_BASE }), undefined);
    const physical = indexOf({ offset: LOAD_BASE - LINK_BASE, regime: { physical: true } });
    assert.equal(physical.symbolAt({ pa: LOAD_BASE + 4n })?.name, '_start');
    assert.equal(physical.symbolAt({ va: LOAD_BASE + 4n, regime: { el: 'EL2' } }), undefined);
  });

  it('reports one location for each place where a file is loaded', () => {
    const index = indexOf({}, { offset: 0x1000_0000n, regime: { el: 'EL2' } });
    const found = index.addressesOf('start.S', 9);
    assert.deepEqual(found.addresses, [LINK_BASE, LINK_BASE + 0x1000_0000n]);
    assert.deepEqual(
      found.locations.map((l) => l.regime?.el),
      [undefined, 'EL2'],
    );
  });

  it('gives every expansion of an included file its address, and slides to the next line with code', () => {
    const index = indexOf({});
    const body = index.addressesOf(shop.path('src/inc/body.s'), 1);
    assert.equal(body.addresses.length, 2);
    for (const address of body.addresses) {
      assert.equal(index.lineAt(address)?.path, shop.path('src/inc/body.s'));
      assert.equal(index.lineAt(address)?.line, 1);
    }
    assert.equal(index.addressesOf(shop.path('src/start.S'), 1).line, 9);
    assert.equal(index.addressesOf(shop.path('src/start.S'), 14).line, 16);
  });

  it('binds every line of assembly where gdb binds it', () => {
    const index = indexOf({});
    const lines = Array.from({ length: 27 }, (_, i) => i + 1);
    for (const [file, count] of [
      ['start.S', 27],
      ['body.s', 7],
    ] as const) {
      shop.write(
        'cmds',
        lines
          .slice(0, count)
          .map((n) => `break ${file}:${n}\ninfo breakpoints\ndelete`)
          .join('\n'),
      );
      const blocks = shop
        .run('gdb-multiarch', '-nx', '-batch', '-x', 'cmds', 'hyp.elf')
        .split(/^(?=Breakpoint \d)/m);
      assert.equal(blocks.length, count);
      blocks.forEach((block, i) => {
        const listed = [...block.matchAll(/(0x[0-9a-f]{16}) (?:in|<|\S)/g)].map((m) => BigInt(m[1] ?? 0));
        assert.ok(listed.length > 0, block);
        const found = index.addressesOf(shop.path(`src/${file === 'body.s' ? 'inc/' : ''}${file}`), i + 1);
        assert.deepEqual(found.addresses, [...new Set(listed)].sort(), `${file}:${i + 1}\n${block}`);
      });
    }
  });

  it('lists the lines of a range that can take a breakpoint', () => {
    const index = indexOf({});
    const found = index.breakpointLocations(shop.path('src/start.S'), 9, 17);
    assert.deepEqual(
      found.map((l) => l.line),
      [9, 10, 11, 12, 13, 16, 17],
    );
    for (const { line, addresses } of found) {
      assert.deepEqual(addresses, index.addressesOf(shop.path('src/start.S'), line).addresses);
    }
    assert.deepEqual(index.breakpointLocations('/no/such.c', 1, 99), []);
  });

  it('applies the source map in both directions', () => {
    const index = new SymbolIndex({ sourceMap: [{ from: `${shop.dir}/src`, to: '/home/me/hyp' }] });
    index.add({ name: 'hyp.elf', source: elf });
    assert.equal(index.lineAt(LINK_BASE)?.path, '/home/me/hyp/start.S');
    assert.deepEqual(index.addressesOf('/home/me/hyp/start.S', 9).addresses, [LINK_BASE]);
  });

  it('says why a line cannot be bound', () => {
    const index = indexOf({});
    const why = (path: string, line: number) => index.addressesOf(path, line).reason ?? 'bound';
    assert.equal(why('/x/start.S', 9), 'bound');
    assert.equal(why('start.S', 999), 'start.S has no code at or behind line 999.');
    assert.match(
      why('/x/none.S', 1),
      /^none\.S is not in the line information of hyp\.elf: build it with -g/,
    );
    assert.match(new SymbolIndex().addressesOf('a.S', 1).reason ?? '', /^No program with symbols is loaded/);
    shop.run('aarch64-linux-gnu-objcopy', '--strip-debug', 'hyp.elf', 'bare.elf');
    const bare = new SymbolIndex();
    bare.add({ name: 'bare.elf', source: memorySource(shop.read('bare.elf')) });
    assert.equal(
      bare.addressesOf('start.S', 9).reason,
      'bare.elf has no line information: build it with -g.',
    );
    assert.equal(bare.symbolAt(LINK_BASE)?.name, '_start');
    shop.write('a/same.S', '.text\nnop\n');
    shop.write('b/same.S', '.text\nnop\n');
    for (const d of ['a', 'b']) shop.run(AS, '-g', `${d}/same.S`, '-o', `${d}.o`);
    shop.run(LD, '-Ttext=0x1000', '-e', '0', 'a.o', 'b.o', '-o', 'two.elf');
    const two = new SymbolIndex();
    two.add({ name: 'two.elf', source: memorySource(shop.read('two.elf')) });
    assert.equal(two.addressesOf(shop.path('a/same.S'), 1).addresses.length, 1);
    assert.equal(two.addressesOf('/home/b/same.S', 2).addresses.length, 1);
    assert.equal(
      two.addressesOf('/home/c/same.S', 2).reason,
      `same.S could be ${shop.path('a/same.S')} or ${shop.path('b/same.S')}: add a "sourceMap" entry to launch.json that says which folder is meant.`,
    );
  });

  it('refuses a bad file when it is added and stays usable', () => {
    const index = new SymbolIndex();
    assert.throws(() => index.add({ name: 'x', source: memorySource(new Uint8Array(9)) }), SymbolError);
    index.add({ name: 'hyp.elf', source: elf });
    assert.equal(index.symbolAt(LINK_BASE)?.name, '_start');
  });

  it('reads line tables that have no .debug_info', () => {
    shop.run(
      'aarch64-linux-gnu-objcopy',
      '-R',
      '.debug_info',
      '-R',
      '.debug_aranges',
      'hyp.elf',
      'noinfo.elf',
    );
    const index = new SymbolIndex();
    index.add({ name: 'noinfo.elf', source: memorySource(shop.read('noinfo.elf')) });
    assert.equal(index.lineAt(LINK_BASE + 4n)?.line, 10);
    assert.deepEqual(index.addressesOf('/x/start.S', 9).addresses, [LINK_BASE]);
  });

  it('answers the same without .debug_aranges', () => {
    shop.run('aarch64-linux-gnu-objcopy', '-R', '.debug_aranges', 'hyp.elf', 'noar.elf');
    const plain = indexOf({});
    const index = new SymbolIndex();
    index.add({ name: 'noar.elf', source: memorySource(shop.read('noar.elf')) });
    let lines = 0;
    for (let a = LINK_BASE; a < LINK_BASE + 0x800n; a += 4n) {
      const expected = plain.lineAt(a);
      if (expected !== undefined) lines++;
      assert.deepEqual(
        index.lineAt(a),
        expected === undefined ? undefined : { ...expected, file: 'noar.elf' },
      );
    }
    assert.ok(lines > 50);
  });
});
